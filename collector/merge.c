#include "collector/merge.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "lib/buf.h"
#include "lib/times.h"

#define AHEAD_FILES 4u /* so many packed files at once are unpacked by threads */
#define FIRST_LINES 64u /* say when a file begins */

struct merge_file {
	char *path;
	size_t order;
	int64_t first_us;
	uint64_t dev, inode, bytes;
	bool packed;
	struct buf head; /* the first bytes, for the fingerprint */
	uint64_t start;  /* resume here */
	bool done, active;
	bool broken; /* it could not be read to its end: a whole copy may come, and is read on from where this one broke */
	struct archive_reader *reader;
	struct feed feed;
	struct sv block;     /* not framed yet */
	struct logline next; /* waits for its turn */
	unsigned times;
	bool has_next;
	uint64_t taken, pending; /* bytes of lines that were taken; with the one that waits */
	uint64_t skip;
};

struct merge {
	const struct mta *mta;
	const char *host;
	struct zone zone;
	int year;
	int64_t now_us, until_us;
	struct merge_file *v;
	size_t n, cap, opened, n_active;
	const char *path;
	uint64_t done_bytes;
	merge_progress *cb;
	void *ctx;
	struct err first_error;
	bool failed;
};

struct merge *merge_new(const struct mta *mta, const char *host, const struct zone *z, int year, int64_t now_us)
{
	struct merge *m = xcalloc(1, sizeof *m);
	m->mta = mta;
	m->host = host && *host ? host : NULL;
	m->zone = *z;
	m->year = year;
	m->now_us = now_us;
	return m;
}

void merge_believe_until(struct merge *m, int64_t us)
{
	m->until_us = us;
}

static void file_close(struct merge_file *f)
{
	archive_reader_close(f->reader);
	f->reader = NULL;
}

void merge_free(struct merge *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++) {
		file_close(&m->v[i]);
		feed_fini(&m->v[i].feed);
		buf_fini(&m->v[i].head);
		free(m->v[i].path);
	}
	free(m->v);
	free(m);
}

static void init_feed(const struct merge *m, struct feed *f)
{
	feed_init(f, m->mta, &m->zone, m->year, m->now_us);
	f->stamp.until_us = m->until_us;
	if (m->host)
		f->host = sv_cstr(m->host);
}

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* The earliest of stamps of which most are right: one that is a day and more before the middle one is of a clock that was not set. */
static int64_t earliest_of(int64_t *us, size_t n)
{
	size_t i = 0;
	if (!n)
		return INT64_MIN;
	qsort(us, n, sizeof *us, by_time);
	while (us[i] < us[(n - 1) / 2] - US_PER_DAY)
		i++;
	return us[i];
}

/* When the block begins, by its first lines. */
static int64_t first_stamp(const struct merge *m, struct sv block)
{
	struct feed f;
	struct sv line;
	struct logline l;
	unsigned times;
	int64_t us[FIRST_LINES];
	size_t n = 0;
	init_feed(m, &f);
	f.stamp.until_us = 0; /* as they are */
	frame_feed(&f.frame, block);
	for (unsigned i = 0; i < FIRST_LINES && (frame_next(&f.frame, &block, &line) || frame_last(&f.frame, &line)); i++)
		if (feed_line(&f, line, &l, &times) && l.time_us) /* a heading has no time */
			us[n++] = l.time_us;
	feed_fini(&f);
	return earliest_of(us, n);
}

int merge_add(struct merge *m, const char *path, struct err *e)
{
	struct stat st;
	struct sv block;
	struct archive_reader *r = archive_reader_open(path, e);
	if (!r)
		return -1;
	int s = archive_reader_next(r, &block, e);
	if (s < 0) {
		archive_reader_close(r);
		return -1;
	}
	if (m->n == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 8;
		m->v = xrealloc(m->v, m->cap * sizeof *m->v);
	}
	struct merge_file *f = &m->v[m->n];
	*f = (struct merge_file){ .path = xstrdup(path), .order = m->n, .first_us = INT64_MIN };
	m->n++;
	init_feed(m, &f->feed);
	if (s > 0) {
		struct sv head = sv_take(block, POSITION_HEAD_BYTES);
		f->first_us = first_stamp(m, block);
		buf_add(&f->head, head.p, head.n);
	}
	if (!strcmp(path, "-")) { /* cannot be opened twice */
		f->reader = r;
		f->block = block;
		frame_feed(&f->feed.frame, block);
		return 0;
	}
	if (stat(path, &st) == 0) {
		f->dev = (uint64_t)st.st_dev;
		f->inode = (uint64_t)st.st_ino;
		f->bytes = (uint64_t)st.st_size;
	}
	f->packed = archive_reader_is_packed(r);
	archive_reader_close(r);
	return 0;
}

void merge_resume(struct merge *m, const struct positions *p)
{
	for (size_t i = 0; i < m->n; i++) {
		struct merge_file *f = &m->v[i];
		const struct position *at = positions_find(p, buf_sv(&f->head), f->dev, f->inode);
		if (!at)
			continue;
		f->done = at->done && (f->packed || f->bytes <= at->offset); /* a live file may have grown since */
		f->start = f->taken = f->pending = at->offset;
		f->feed.stamp.year = at->year;
		f->feed.stamp.last_us = at->stamp_us;
		feed_prime(&f->feed, buf_sv(&f->head));
	}
}

void merge_positions(const struct merge *m, struct positions *ret)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct merge_file *f = &m->v[i];
		if (!f->head.n || (!f->taken && !f->done))
			continue;
		struct position at = { f->dev, f->inode, fingerprint_of(buf_sv(&f->head)), f->taken, f->done,
			f->feed.stamp.year, f->feed.stamp.last_us, "" };
		positions_set(ret, &at);
	}
}

/* The next bytes of f into f->block; false at its end. What was borrowed from the block before must not be used any more. */
static bool next_block(struct merge *m, struct merge_file *f)
{
	struct err e;
	feed_block_ends(&f->feed);
	for (;;) {
		uint64_t before = archive_reader_position(f->reader);
		int s = archive_reader_next(f->reader, &f->block, &e);
		m->done_bytes += archive_reader_position(f->reader) - before;
		if (s < 0 && !m->failed) {
			m->failed = true;
			m->first_error = e;
		}
		f->broken = f->broken || s < 0;
		if (s <= 0)
			return false;
		if (f->skip < f->block.n)
			break;
		f->skip -= f->block.n;
	}
	f->block = sv_skip(f->block, (size_t)f->skip);
	f->skip = 0;
	frame_feed(&f->feed.frame, f->block);
	return true;
}

/* What stands after the last line's end; where a file breaks off it is half a line, which is not taken. */
static bool last_line(struct merge_file *f, struct sv *ret_line)
{
	return !f->broken && frame_last(&f->feed.frame, ret_line);
}

/* Puts the next line with a stamp into f->next; false when the file is at its end. */
static bool advance(struct merge *m, struct merge_file *f)
{
	struct sv line;
	bool last = false;
	f->taken = f->pending;
	for (;;) {
		if (!frame_next(&f->feed.frame, &f->block, &line)) {
			if (last || (!next_block(m, f) && (last = true, !last_line(f, &line))))
				return false;
			if (!last)
				continue;
		}
		f->pending = f->start + f->feed.frame.bytes;
		if (feed_line(&f->feed, line, &f->next, &f->times))
			return true;
	}
}

/* f is the only file at the moment: its lines up to until_us straight into p, without waiting in f->next. As advance(). */
static bool advance_alone(struct merge *m, struct merge_file *f, struct pipeline *p, int64_t until_us)
{
	struct sv line;
	bool last = false;
	for (;;) {
		if (!frame_next(&f->feed.frame, &f->block, &line)) {
			f->taken = f->pending = f->start + f->feed.frame.bytes;
			if (last || (!next_block(m, f) && (last = true, !last_line(f, &line))))
				return false;
			if (!last)
				return advance(m, f); /* one line waits, so that others get a look in */
		}
		if (!pipeline_line(p, &f->feed, line, until_us, &f->next, &f->times)) {
			f->pending = f->start + f->feed.frame.bytes;
			return true;
		}
		f->taken = f->pending = f->start + f->feed.frame.bytes;
	}
}

static void finish(struct merge *m, struct merge_file *f)
{
	f->taken = f->pending;
	f->done = !f->broken;
	f->active = false;
	m->n_active--;
	file_close(f);
}

static void start(struct merge *m, struct merge_file *f, const struct pipeline *p)
{
	struct err e;
	if (f->done)
		return;
	if (!f->reader && !(f->reader = archive_reader_open(f->path, &e))) {
		if (!m->failed)
			m->first_error = e;
		m->failed = true;
		return;
	}
	if (m->n_active < AHEAD_FILES)
		archive_reader_ahead(f->reader);
	f->skip = f->start;
	if (m->until_us && f->first_us != INT64_MIN) /* the file's first line is believed no more than others */
		f->feed.stamp.heard_us = pipeline_now(p) > f->first_us ? pipeline_now(p) : f->first_us;
	f->active = true;
	m->n_active++;
	if (!advance(m, f))
		finish(m, f);
}

static int by_first(const void *a, const void *b)
{
	const struct merge_file *x = a, *y = b;
	if (x->first_us != y->first_us)
		return x->first_us < y->first_us ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* The active file whose waiting line is the oldest. */
static struct merge_file *oldest(struct merge *m)
{
	struct merge_file *best = NULL;
	for (size_t i = 0; i < m->opened; i++)
		if (m->v[i].active && (!best || m->v[i].next.time_us < best->next.time_us))
			best = &m->v[i];
	return best;
}

static uint64_t lines_of(const struct merge *m)
{
	uint64_t n = 0;
	for (size_t i = 0; i < m->opened; i++)
		n += m->v[i].feed.frame.lines;
	return n;
}

int merge_run(struct merge *m, struct pipeline *p, merge_progress *cb, void *ctx, struct err *e)
{
	uint64_t told = 0;
	if (m->n)
		qsort(m->v, m->n, sizeof *m->v, by_first);
	for (;;) {
		struct merge_file *f = m->n_active ? oldest(m) : NULL;
		if (m->opened < m->n && (!f || m->v[m->opened].first_us < f->next.time_us)) {
			start(m, &m->v[m->opened++], p);
			continue;
		}
		if (!f)
			break;
		m->path = f->path;
		pipeline_take(p, &f->next, f->times);
		int64_t until = m->opened < m->n ? m->v[m->opened].first_us - 1 : INT64_MAX;
		if (!(m->n_active == 1 ? advance_alone(m, f, p, until) : advance(m, f)))
			finish(m, f);
		if (cb && m->done_bytes - told >= ARCHIVE_READER_BYTES) {
			told = m->done_bytes;
			if (!cb(ctx, told, lines_of(m)))
				break;
		}
	}
	if (m->failed)
		*e = m->first_error;
	return m->failed ? -1 : 0;
}

void merge_counters(const struct merge *m, struct obs_counters *ret)
{
	for (size_t i = 0; i < m->n; i++)
		pipeline_add_feed(&m->v[i].feed, ret);
	if (m->path)
		ret->path = sv_cstr(m->path);
}

const struct feed *merge_feed(const struct merge *m, size_t i, const char **ret_path)
{
	if (i >= m->n)
		return NULL;
	*ret_path = m->v[i].path;
	return &m->v[i].feed;
}

const char *merge_path(const struct merge *m)
{
	return m->path;
}

uint64_t merge_total(const struct merge *m)
{
	uint64_t n = 0;
	for (size_t i = 0; i < m->n; i++)
		n += m->v[i].bytes;
	return n;
}
