/* Messages on their way into the archive: a few wait as rows, many are packed into segments by a second thread. */
#include <errno.h>
#include <stdlib.h>

#include "analyzer/archive_writing.h"
#include "lib/msg.h"
#include "lib/times.h"

#define ARCHIVE_DIRECT 4096 /* so many messages in one commit go straight into segments */
#define ARCHIVE_BULK 65536  /* so many, long before the commit, are packed by a second thread meanwhile */
#define ARCHIVE_SEAL 8192   /* so many rows are turned into segments */
/* The same, of messages to many recipients, by what they take in memory. */
#define ARCHIVE_BULK_BYTES (14u << 20)
#define ARCHIVE_SEAL_BYTES (16 << 20)

static void batch_start(struct archive *a, struct batch *b);

static bool is_bulk(const struct archive *a)
{
	return a->n >= ARCHIVE_BULK || a->bytes.n >= ARCHIVE_BULK_BYTES;
}

int archive_add(struct archive *a, const struct txn *t, struct err *e)
{
	(void)e;
	if (a->n == a->cap) {
		a->cap = a->cap ? a->cap * 2 : 1024;
		a->body = xrealloc(a->body, a->cap * sizeof *a->body);
	}
	size_t at = a->bytes.n;
	if (t->encoded.p) {
		txn_encode_again(t, &a->bytes);
	} else {
		struct txn lean = *t;
		lean.n_lines = 0;
		txn_encode(&lean, &a->bytes);
	}
	a->body[a->n++] = (struct body){ at, (uint32_t)(a->bytes.n - at), (int32_t)(t->last_us / US_PER_DAY), t->last_us, segment_identity(t) };
	if (!is_bulk(a) || a->hot.n || a->stuck)
		return 0;
	if (archive_wait(a, NULL) == 0)
		batch_start(a, &a->batch[0]);
	else
		a->stuck = true;
	return 0;
}

/* The older rows of the tail must come before what waits; they are sealed at a commit, which also says why nothing can be written. */
bool archive_crowded(const struct archive *a)
{
	return a->stuck || (a->hot.n && is_bulk(a));
}

static int catalog(struct archive *a, const char *name, int64_t day, const struct segment_stats *s, struct err *e)
{
	sqlite3_stmt *st = archive_prepare(&a->files, Q_SEGMENT_ADD, e);
	if (!st)
		return -1;
	sqlite3_bind_int64(st, 1, day);
	sqlite3_bind_int64(st, 2, s->first_us);
	sqlite3_bind_int64(st, 3, s->last_us);
	sqlite3_bind_int64(st, 4, s->messages);
	sqlite3_bind_int64(st, 5, s->recipients);
	sqlite3_bind_int64(st, 6, s->bytes);
	sqlite3_bind_text(st, 7, name, -1, SQLITE_STATIC);
	return archive_finish(&a->files, st, e);
}

/* One file, not in the catalog yet. In the batch's thread or in the caller's, never in both. */
static int write_file(struct archive *a, const struct segment_body *bodies, size_t n, int64_t day, struct err *e)
{
	struct buf path = { 0 };
	if (a->n_written == a->cap_written) {
		a->cap_written = a->cap_written ? a->cap_written * 2 : 16;
		a->written = xrealloc(a->written, a->cap_written * sizeof *a->written);
	}
	struct written *w = &a->written[a->n_written];
	w->day = day;
	archive_new_name(a, day, w->name);
	archive_path(&a->files, w->name, &path);
	int bad = segment_write(a->writer, buf_cstr(&path), bodies, n, &w->stats, e);
	a->n_written += !bad;
	buf_fini(&path);
	return bad;
}

static bool one_day(const int32_t *days, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (days[i] != days[0])
			return false;
	return n > 0;
}

/* Writes bodies (in order of report) as files of one day each. */
static int write_by_day(struct archive *a, const struct segment_body *bodies, const int32_t *days, size_t n, struct err *e)
{
	if (n <= SEGMENT_MESSAGES && one_day(days, n))
		return write_file(a, bodies, n, days[0], e);
	struct segment_body *one = xmalloc((n ? n : 1) * sizeof *one);
	bool *done = xcalloc(n ? n : 1, sizeof *done);
	int bad = 0;
	for (size_t first = 0; first < n && !bad; first++) {
		size_t kept = 0;
		for (size_t i = first; !done[first] && i < n && kept < SEGMENT_MESSAGES; i++)
			if (days[i] == days[first] && (i == first || !done[i])) {
				one[kept++] = bodies[i];
				done[i] = i != first;
			}
		if (kept)
			bad = write_file(a, one, kept, days[first], e);
	}
	free(one);
	free(done);
	return bad;
}

static void forget_written(struct archive *a, size_t from)
{
	for (size_t i = from; i < a->n_written; i++)
		archive_remove(a, a->written[i].name);
	a->n_written = from;
}

static int write_bodies(struct archive *a, const struct buf *bytes, const struct body *body, size_t n, struct err *e)
{
	size_t before = a->n_written;
	struct segment_body *bodies = xmalloc((n ? n : 1) * sizeof *bodies);
	int32_t *days = xmalloc((n ? n : 1) * sizeof *days);
	for (size_t i = 0; i < n; i++) {
		bodies[i] = (struct segment_body){ sv_make(bytes->p + body[i].offset, body[i].n), body[i].identity };
		days[i] = body[i].day;
	}
	int bad = write_by_day(a, bodies, days, n, e);
	if (bad)
		forget_written(a, before);
	free(bodies);
	free(days);
	return bad;
}

/* --- batches ------------------------------------------------------------------------------------------------------ */

static void batch_join(struct batch *b)
{
	if (b->running)
		pthread_join(b->thread, NULL);
	b->running = false;
}

static void *batch_main(void *arg)
{
	struct batch *b = arg;
	(void)pthread_setname_np(pthread_self(), "aw-pack");
	if (b->before)
		batch_join(b->before);
	b->failed = (b->before && b->before->failed) || write_bodies(b->archive, &b->bytes, b->body, b->n, &b->err) < 0;
	return NULL;
}

/* Waits for the batches under way. What failed (a full disk) is tried again here, so that nothing is lost: -1 and e
 * when it still fails; it then stays for the next call. */
int archive_wait(struct archive *a, struct err *e)
{
	batch_join(&a->batch[1]); /* it has waited for the other */
	batch_join(&a->batch[0]);
	for (size_t i = 0; i < 2; i++) {
		struct batch *b = &a->batch[i];
		if (b->failed && write_bodies(a, &b->bytes, b->body, b->n, e) < 0)
			return -1;
		b->failed = false;
		b->n = 0;
	}
	return 0;
}

/* Hands what waits to another thread. */
static void batch_start(struct archive *a, struct batch *b)
{
	struct buf bytes = b->bytes;
	struct body *body = b->body;
	*b = (struct batch){ .archive = a, .bytes = a->bytes, .body = a->body, .n = a->n, .before = b == &a->batch[1] ? &a->batch[0] : NULL };
	a->bytes = bytes;
	buf_clear(&a->bytes);
	a->body = xrealloc(body, a->cap * sizeof *body);
	a->n = 0;
	b->running = pthread_create(&b->thread, NULL, batch_main, b) == 0;
	if (!b->running)
		(void)batch_main(b);
}

void archive_begin(struct archive *a)
{
	struct batch *b = &a->batch[a->batch[0].running];
	a->flushed = false;
	if (!a->hot.n && a->n >= ARCHIVE_DIRECT && !b->n)
		batch_start(a, b);
}

struct hot_rows { struct buf bytes; struct body *body; size_t n, damaged; };

static int load_hot(struct archive *a, struct hot_rows *h, struct err *e)
{
	sqlite3_stmt *st = archive_prepare(&a->files, Q_HOT_ALL, e);
	size_t cap = 0;
	int rc = SQLITE_ERROR;
	while (st && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (h->n == cap) {
			cap = cap ? cap * 2 : 1024;
			h->body = xrealloc(h->body, cap * sizeof *h->body);
		}
		struct sv encoded = sv_make(sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1));
		struct body b = { h->bytes.n, (uint32_t)encoded.n, sqlite3_column_int(st, 0), 0, 0 };
		if (segment_identity_of(encoded, &b.identity, e) < 0) {
			h->damaged++;
			continue;
		}
		h->body[h->n++] = b;
		buf_addsv(&h->bytes, encoded);
	}
	if (st && rc != SQLITE_DONE)
		(void)err_set(e, "message archive: %s", sqlite3_errmsg(a->files.db));
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : -1;
}

static int catalog_written(struct archive *a, struct err *e)
{
	for (size_t i = 0; i < a->n_written; i++)
		if (catalog(a, a->written[i].name, a->written[i].day, &a->written[i].stats, e) < 0)
			return -1;
	return 0;
}

/* Turns the rows of the tail into segments. */
static int seal_rows(struct archive *a, struct err *e)
{
	struct hot_rows h = { 0 };
	int bad = a->hot.n ? load_hot(a, &h, e) : 0;
	if (!bad && h.n)
		bad = write_bodies(a, &h.bytes, h.body, h.n, e);
	if (!bad && a->hot.n)
		bad = archive_finish(&a->files, archive_prepare(&a->files, Q_HOT_CLEAR, e), e) < 0 ||
		      archive_finish(&a->files, archive_prepare(&a->files, Q_HOT_REMOVED, e), e) < 0 ? -1 : 0;
	if (!bad)
		a->hot = (struct tail){ 0 };
	if (!bad && h.damaged) /* nobody can read them, and they must not keep the others from being kept */
		msg_error("message archive: %zu of the newest messages were damaged in the store: they are lost", h.damaged);
	free(h.body);
	buf_fini(&h.bytes);
	return bad;
}

/* Everything into segments: what batches wrote, rows of the tail, what waits in memory; in order of report. */
static int seal(struct archive *a, struct err *e)
{
	if (seal_rows(a, e) < 0 || write_bodies(a, &a->bytes, a->body, a->n, e) < 0)
		return -1;
	return catalog_written(a, e);
}

static int write_rows(struct archive *a, struct err *e)
{
	sqlite3_stmt *st = archive_prepare(&a->files, Q_HOT_ADD, e);
	int rc = st ? SQLITE_DONE : SQLITE_ERROR;
	for (size_t i = 0; i < a->n && rc == SQLITE_DONE; i++) {
		sqlite3_bind_int(st, 1, a->body[i].day);
		sqlite3_bind_int64(st, 2, a->body[i].last_us);
		sqlite3_bind_blob(st, 3, a->bytes.p + a->body[i].offset, (int)a->body[i].n, SQLITE_STATIC);
		rc = sqlite3_step(st);
		sqlite3_reset(st);
	}
	if (st && rc != SQLITE_DONE)
		(void)err_set(e, "message archive: %s", sqlite3_errmsg(a->files.db));
	sqlite3_finalize(st);
	a->hot.n += (int64_t)a->n;
	a->hot.bytes += (int64_t)a->bytes.n;
	return rc == SQLITE_DONE ? 0 : -1;
}

int archive_flush(struct archive *a, struct err *e)
{
	a->stuck = false;
	int bad = archive_wait(a, e);
	a->kept_written = a->n_written;
	a->flushed = true;
	if (bad)
		return -1;
	if (a->n == 0 && a->n_written == 0)
		return 0;
	if (a->n_written || a->n >= ARCHIVE_DIRECT || a->hot.n + (int64_t)a->n >= ARCHIVE_SEAL || a->hot.bytes + (int64_t)a->bytes.n >= ARCHIVE_SEAL_BYTES)
		return seal(a, e);
	return write_rows(a, e);
}

/* The commit's own batch gives its room back, so that what comes next does not grow a third one. */
static void take_room_back(struct archive *a)
{
	struct batch *b = &a->batch[1];
	buf_clear(&a->bytes);
	if (b->running || b->n || b->bytes.cap <= a->bytes.cap)
		return;
	struct buf small = a->bytes;
	a->bytes = b->bytes;
	b->bytes = small;
	buf_clear(&a->bytes);
}

void archive_end(struct archive *a, bool ok)
{
	if (!ok) {
		a->hot = a->hot_before;
		name_list_clear(&a->doomed);
		batch_join(&a->batch[1]);
		batch_join(&a->batch[0]);
		if (a->flushed)
			forget_written(a, a->kept_written); /* files of batches stay */
		return; /* what was added waits for the next try */
	}
	for (size_t i = 0; i < a->doomed.n; i++)
		archive_remove(a, a->doomed.v[i]);
	name_list_clear(&a->doomed);
	a->n_written = 0;
	a->hot_before = a->hot;
	take_room_back(a);
	a->n = 0;
}
