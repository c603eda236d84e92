/* Joining small segments. */
#include <stdlib.h>

#include "analyzer/archive.h"
#include "analyzer/archive_int.h"
#include "analyzer/segment.h"
#include "analyzer/segment_filter.h"
#include "lib/arena.h"
#include "lib/msg.h"

/* Neighbours of one day, in the order in which they are searched. */
struct run { int64_t day, first, last; struct name_list files; uint64_t messages, recipients; };

static void run_begin(struct run *r, int64_t day, int64_t id)
{
	name_list_clear(&r->files);
	r->day = day;
	r->first = id;
	r->messages = r->recipients = 0;
}

static bool has_room(const struct run *r, uint64_t messages, uint64_t recipients)
{
	return r->files.n && r->messages + messages <= SEGMENT_MESSAGES && r->recipients + recipients <= SEGMENT_RECIPIENTS;
}

/* The first run of two or more segments before day that fit into one. A damaged one stays between its neighbours, whose order counts. */
static int find_run(struct archive *a, int64_t day, struct run *r, struct err *e)
{
	sqlite3_stmt *st = archive_prepare(archive_files(a), Q_SEGMENT_DAYS, e);
	int rc = SQLITE_ERROR;
	run_begin(r, day, 0);
	if (st)
		sqlite3_bind_int64(st, 1, day);
	while (st && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		int64_t id = sqlite3_column_int64(st, 0), its_day = sqlite3_column_int64(st, 1);
		const char *name = (const char *)sqlite3_column_text(st, 2);
		uint64_t messages = (uint64_t)sqlite3_column_int64(st, 3), recipients = (uint64_t)sqlite3_column_int64(st, 4);
		bool damaged = name_list_has(archive_damaged(a), name);
		if (damaged || its_day != r->day || !has_room(r, messages, recipients)) {
			if (r->files.n >= 2)
				break;
			run_begin(r, its_day, id);
		}
		if (damaged)
			continue;
		name_list_add(&r->files, name);
		r->messages += messages;
		r->recipients += recipients;
		r->last = id;
	}
	sqlite3_finalize(st);
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		return err_set(e, "message archive: %s", sqlite3_errmsg(archive_files(a)->db));
	return r->files.n >= 2;
}

static int read_segment(struct archive *a, const char *name, struct buf *bytes, struct buf *ends, struct err *e)
{
	struct buf path = { 0 };
	struct arena arena = { 0 };
	archive_path(archive_files(a), name, &path);
	struct segment_reader *r = segment_reader_new();
	struct segment *s = segment_open(buf_cstr(&path), e);
	struct txn t;
	int bad = s ? 0 : -1;
	for (uint32_t i = 0; !bad && i < segment_messages(s); i++) {
		arena_reset(&arena);
		if ((bad = segment_txn(s, r, i, SEGMENT_WHOLE, &arena, &t, e)))
			break;
		txn_encode(&t, bytes);
		buf_add(ends, &bytes->n, sizeof bytes->n);
	}
	segment_free(s);
	segment_reader_free(r);
	arena_fini(&arena);
	buf_fini(&path);
	return bad;
}

static int put_joined(struct archive *a, const struct run *r, const char *name, const struct segment_stats *s, struct err *e)
{
	sqlite3_stmt *st = archive_prepare(archive_files(a), Q_SEGMENT_MERGED, e);
	if (st) {
		sqlite3_bind_int64(st, 1, r->day);
		sqlite3_bind_int64(st, 2, r->first);
		sqlite3_bind_int64(st, 3, r->last);
	}
	if (archive_finish(archive_files(a), st, e) < 0 || archive_filters_prune(a, e) < 0)
		return -1;
	if ((st = archive_prepare(archive_files(a), Q_SEGMENT_PUT, e))) {
		const int64_t v[] = { r->first, r->day, s->first_us, s->last_us, s->messages, s->recipients, s->bytes };
		for (int i = 0; i < (int)(sizeof v / sizeof *v); i++)
			sqlite3_bind_int64(st, i + 1, v[i]);
		sqlite3_bind_text(st, 8, name, -1, SQLITE_STATIC);
	}
	return archive_finish(archive_files(a), st, e);
}

/* ret_damaged: the file that could not be read, borrowed from r; NULL: it was something else that failed. */
static int join(struct archive *a, const struct run *r, const char **ret_damaged, struct err *e)
{
	struct buf bytes = { 0 }, ends = { 0 }, path = { 0 };
	struct segment_stats stats;
	char name[ARCHIVE_NAME];
	int bad = 0;
	*ret_damaged = NULL;
	for (size_t i = 0; i < r->files.n && !bad; i++)
		if ((bad = read_segment(a, r->files.v[i], &bytes, &ends, e)) != 0)
			*ret_damaged = r->files.v[i];
	size_t n = ends.n / sizeof(size_t);
	struct segment_body *bodies = xmalloc((n ? n : 1) * sizeof *bodies);
	for (size_t i = 0, at = 0; i < n && !bad; i++) {
		size_t end;
		memcpy(&end, ends.p + i * sizeof end, sizeof end);
		bodies[i].bytes = sv_make(bytes.p + at, end - at);
		bad = segment_identity_of(bodies[i].bytes, &bodies[i].identity, e);
		at = end;
	}
	archive_new_name(a, r->day, name);
	archive_made(a, name);
	archive_path(archive_files(a), name, &path);
	if (!bad && !(bad = segment_write(archive_writer(a), buf_cstr(&path), bodies, n, &stats, e)))
		bad = put_joined(a, r, name, &stats, e);
	for (size_t i = 0; i < r->files.n && !bad; i++)
		archive_leave(a, r->files.v[i]);
	free(bodies);
	buf_fini(&bytes);
	buf_fini(&ends);
	buf_fini(&path);
	return bad;
}

/* One that is damaged is told, once, and looked past. */
static int join_first(struct archive *a, int64_t day, struct run *r, struct err *e)
{
	const char *damaged;
	struct err why;
	int found;
	while ((found = find_run(a, day, r, e)) > 0 && join(a, r, &damaged, &why) < 0) {
		if (!damaged)
			return err_set(e, "%s", why.text);
		msg_warn("%s; it is not joined with others", why.text);
		name_list_add(archive_damaged(a), damaged);
	}
	return found;
}

int archive_compact(struct archive *a, int64_t day, struct err *e)
{
	struct run r = { .day = 0 };
	int found = archive_writer(a) ? join_first(a, day, &r, e) : 0;
	name_list_clear(&r.files);
	free(r.files.v);
	return found ? found : archive_filter(a, FILTER_SEGMENTS, e);
}
