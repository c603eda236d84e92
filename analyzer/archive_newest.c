/* The newest messages, which are rows of the store yet, as a search looks at them. A program that only reads keeps them: reading thousands of rows
 * takes SQLite longer than all else that a search does. */
#include "analyzer/archive_int.h"
#include "analyzer/db.h"
#include "lib/arena.h"
#include "lib/txn.h"

#define TRIES 4 /* each time that rows are removed while they are read; then what was read is what there is */

static int failed(struct archive_files *f, struct err *e)
{
	return err_set(e, "message archive: %s", sqlite3_errmsg(f->db));
}

/* How often rows were removed. It can be asked again. */
static int read_removed(struct archive_files *f, sqlite3_stmt *st, int64_t *ret, struct err *e)
{
	if (sqlite3_step(st) != SQLITE_ROW)
		return failed(f, e);
	*ret = sqlite3_column_int64(st, 0);
	return sqlite3_reset(st) == SQLITE_OK ? 0 : failed(f, e);
}

static void forget(struct archive_newest *x)
{
	buf_clear(&x->bodies);
	buf_clear(&x->ends);
	x->last_id = INT64_MIN;
	x->damaged = 0;
}

static void keep(struct archive_newest *x, struct sv body, struct arena *scratch)
{
	struct txn t;
	struct err why;
	arena_reset(scratch);
	if (txn_decode(body, scratch, &t, &why) < 0) {
		x->damaged++;
		return;
	}
	buf_addsv(&x->bodies, body);
	buf_add(&x->ends, &x->bodies.n, sizeof x->bodies.n);
}

/* Those that came since. */
static int read_more(struct archive_files *f, struct err *e)
{
	struct archive_newest *x = &f->newest;
	struct arena scratch = { 0 };
	sqlite3_stmt *st = archive_prepare(f, Q_HOT_AFTER, e);
	int rc;
	if (!st)
		return -1;
	sqlite3_bind_int64(st, 1, x->last_id);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		x->last_id = sqlite3_column_int64(st, 0);
		keep(x, db_blob(st, 1), &scratch);
	}
	int bad = rc == SQLITE_DONE ? 0 : failed(f, e);
	sqlite3_finalize(st);
	arena_fini(&scratch);
	return bad;
}

/* In one go would be a transaction, and the caller may be in one of its own: so what was removed is asked for before and after. */
static int read_all(struct archive_files *f, sqlite3_stmt *st, struct err *e)
{
	struct archive_newest *x = &f->newest;
	int64_t removed = 0;
	if (read_removed(f, st, &removed, e) < 0)
		return -1;
	for (int i = 0; i < TRIES; i++) {
		if (!f->only_reads || removed != x->removed)
			forget(x);
		x->removed = removed;
		if (read_more(f, e) < 0 || read_removed(f, st, &removed, e) < 0) {
			forget(x);
			return -1;
		}
		if (removed == x->removed)
			break;
	}
	return 0;
}

int archive_newest_read(struct archive_files *f, struct err *e)
{
	sqlite3_stmt *st = archive_prepare(f, Q_HOT_TIMES, e);
	int bad = st ? read_all(f, st, e) : -1;
	sqlite3_finalize(st);
	return bad;
}

size_t archive_newest_count(const struct archive_newest *x)
{
	return x->ends.n / sizeof(size_t);
}

struct sv archive_newest_body(const struct archive_newest *x, size_t i)
{
	size_t from = 0, end;
	if (i)
		memcpy(&from, x->ends.p + (i - 1) * sizeof from, sizeof from);
	memcpy(&end, x->ends.p + i * sizeof end, sizeof end);
	return sv_make(x->bodies.p + from, end - from);
}

void archive_newest_fini(struct archive_newest *x)
{
	buf_fini(&x->bodies);
	buf_fini(&x->ends);
}
