/* Finished files, for filling in the past while another source follows the present: a folder's or a pattern's files in the order they were
 * last written to, plain or packed. Files that come later are read, too; each file once. */
#include "collector/source.h"

#include <dirent.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "collector/archive_reader.h"
#include "collector/siblings.h"
#include "lib/buf.h"
#include "lib/msg.h"

#define LOOK_MS 10000
#define SETTLED_S 5 /* a file written to just now may be being copied */

struct found { char *path; int64_t at_ns, changed_ns; uint64_t bytes; bool over; /* read, or left out */ };

struct source_run {
	struct source_events ev;
	uv_timer_t look;
	uv_idle_t more;
	char *path;
	struct found *v; /* oldest first */
	size_t n, at;
	bool begun_first; /* v[0] is not the oldest but the one that was being read when the collector before us ended */
	uint64_t left; /* bytes of those that are not over, as of the last look: asking for each file's again with each report takes longer than reading small ones */
	bool forgot; /* positions of the oldest files may have been forgotten, and none that is known has come yet */
	size_t passed; /* so many were passed over for that */
	struct archive_reader *reader;
	uint64_t skip;
	struct position here;
	struct positions seen;
	bool paused, closed, working;
	unsigned handles;
};

static void found_free(struct found *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i].path);
	free(v);
}

static int older(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	return x->at_ns != y->at_ns ? (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns) : strcmp(x->path, y->path);
}

static int64_t nanoseconds(const struct timespec *t)
{
	return t->tv_sec * 1000000000 + t->tv_nsec;
}

/* What was over at the last look still is, unless something about the file has changed: it need not be opened again. */
static void carry_over(struct source_run *s, const struct found *old, size_t n)
{
	for (size_t i = 0, k = 0; i < s->n; i++) {
		struct found *f = &s->v[i];
		while (k < n && older(&old[k], f) < 0)
			k++;
		f->over = k < n && older(&old[k], f) == 0 && old[k].over && old[k].changed_ns == f->changed_ns;
	}
}

static void count_left(struct source_run *s)
{
	s->left = 0;
	for (size_t i = 0; i < s->n; i++)
		s->left += s->v[i].over ? 0 : s->v[i].bytes;
}

static bool is_begun(const struct found *f, const struct position *at, bool by_inode)
{
	struct stat st;
	if (by_inode && (stat(f->path, &st) < 0 || (uint64_t)st.st_dev != at->dev || (uint64_t)st.st_ino != at->inode))
		return false;
	return siblings_is(f->path, &at->head);
}

/* Older files may have come while the collector was down. What was being read then is read on first: after a crash the reports that follow it must have the numbers that they had. */
static void put_begun_first(struct source_run *s)
{
	const struct position *begun = positions_begun(&s->seen);
	size_t at = s->n;
	for (int by_inode = 1; begun && at == s->n && by_inode >= 0; by_inode--)
		for (at = 0; at < s->n && !is_begun(&s->v[at], begun, by_inode);)
			at++;
	if (!begun || at == s->n)
		return;
	struct found first = s->v[at];
	memmove(s->v + 1, s->v, at * sizeof *s->v);
	s->v[0] = first;
	s->begun_first = true;
}

static void look(struct source_run *s)
{
	glob_t g;
	struct stat st;
	struct buf pattern = { 0 };
	struct found *old = s->v;
	size_t n_old = s->n;
	buf_puts(&pattern, s->path);
	if (stat(s->path, &st) == 0 && S_ISDIR(st.st_mode))
		buf_puts(&pattern, "/*");
	s->v = NULL;
	s->n = s->at = 0;
	if (glob(buf_cstr(&pattern), 0, NULL, &g) == 0) {
		s->v = xcalloc(g.gl_pathc, sizeof *s->v);
		int64_t now = (int64_t)time(NULL);
		for (size_t i = 0; i < g.gl_pathc; i++)
			if (stat(g.gl_pathv[i], &st) == 0 && S_ISREG(st.st_mode) && st.st_size && now - st.st_mtim.tv_sec >= SETTLED_S)
				s->v[s->n++] = (struct found){ xstrdup(g.gl_pathv[i]), nanoseconds(&st.st_mtim), nanoseconds(&st.st_ctim), (uint64_t)st.st_size, false };
		globfree(&g);
		if (s->n)
			qsort(s->v, s->n, sizeof *s->v, older);
	}
	if (old && s->begun_first)
		qsort(old, n_old, sizeof *old, older);
	s->begun_first = false;
	carry_over(s, old, n_old);
	count_left(s);
	found_free(old, n_old);
	buf_fini(&pattern);
}

static void next(struct source_run *s)
{
	struct found *f = &s->v[s->at++];
	s->left -= f->over ? 0 : f->bytes;
	f->over = true;
}

static void finished(struct source_run *s)
{
	archive_reader_close(s->reader);
	s->reader = NULL;
	next(s);
	s->here.done = true;
	positions_set(&s->seen, &s->here);
	s->ev.boundary(s->ev.ctx, SOURCE_ROTATED);
	s->here = (struct position){ 0 };
}

/* The file breaks off: a whole copy of it, which begins with the same bytes, is read on from there. */
static void broke_off(struct source_run *s)
{
	archive_reader_close(s->reader);
	s->reader = NULL;
	next(s);
	uint64_t unfinished = s->ev.broken(s->ev.ctx);
	s->here.offset -= unfinished < s->here.offset ? unfinished : s->here.offset;
	positions_set(&s->seen, &s->here);
	s->here = (struct position){ 0 };
}

/* What we know of the file, by its first block. 0: it is empty; -1 and e. */
static int recognise(const struct source_run *s, const char *path, struct position *ret, bool *ret_known, struct err *e)
{
	struct sv block;
	struct stat st;
	struct archive_reader *r = archive_reader_open(path, e);
	int got = r ? archive_reader_next(r, &block, e) : -1;
	if (got > 0 && stat(path, &st) < 0)
		got = err_set(e, "%s: %m", path);
	if (got > 0) {
		struct sv head = sv_take(block, POSITION_HEAD_BYTES);
		const struct position *known = positions_find(&s->seen, head, (uint64_t)st.st_dev, (uint64_t)st.st_ino);
		*ret_known = known != NULL;
		*ret = (struct position){ .dev = (uint64_t)st.st_dev, .inode = (uint64_t)st.st_ino, .head = fingerprint_of(head),
			                  .offset = known ? known->offset : 0, .done = known && known->done };
	}
	archive_reader_close(r); /* read again from the start: a block is only borrowed */
	return got;
}

/* More files were read than positions are kept: those before the oldest one that is known were read before it. */
static bool was_forgotten(struct source_run *s, bool known)
{
	if (!s->forgot)
		return false;
	s->forgot = !known;
	s->passed += !known;
	if (known && s->passed)
		msg_info("%s: %zu files are older than those whose positions are kept (%u): they were read", s->path, s->passed, POSITIONS_MAX);
	return !known;
}

static void open_next(struct source_run *s)
{
	struct err e;
	struct position at = { 0 };
	bool known = false;
	const char *path = s->v[s->at].path;
	int got = recognise(s, path, &at, &known, &e);
	if (got < 0)
		msg_warn("%s; it is left out", e.text);
	bool begun = s->begun_first && s->at == 0; /* says nothing of those behind it */
	if (got <= 0 || (!begun && was_forgotten(s, known)) || at.done) {
		next(s);
		return;
	}
	s->skip = at.offset;
	s->here = at;
	s->reader = archive_reader_open(path, &e);
	if (s->reader)
		msg_info("%s: reading", path);
	else
		next(s);
}

static void step(struct source_run *s)
{
	struct sv block;
	struct err e;
	int got = archive_reader_next(s->reader, &block, &e);
	if (got < 0) {
		msg_warn("%s", e.text);
		broke_off(s);
		return;
	}
	if (!got) {
		finished(s);
		return;
	}
	size_t skip = s->skip < block.n ? (size_t)s->skip : block.n;
	s->skip -= skip;
	block = sv_skip(block, skip);
	s->here.offset += block.n;
	if (block.n)
		s->ev.bytes(s->ev.ctx, block);
}

/* To the next file that is not over. None of those that were passed over is known after all: they are others than those that were read. */
static void skip_over(struct source_run *s)
{
	while (s->at < s->n && s->v[s->at].over)
		s->at++;
	if (s->at < s->n || !s->forgot || !s->passed)
		return;
	s->forgot = false;
	for (size_t i = 0; i < s->n; i++)
		s->v[i].over = false;
	s->at = 0;
	count_left(s);
}

/* One block a turn: the present goes first. */
static void on_more(uv_idle_t *h)
{
	struct source_run *s = h->data;
	if (s->paused || s->closed || s->working)
		return;
	if (!s->reader)
		skip_over(s);
	if (!s->reader && s->at == s->n) {
		uv_idle_stop(&s->more);
		s->ev.idle(s->ev.ctx);
		return;
	}
	s->working = true;
	if (!s->reader)
		open_next(s);
	else
		step(s);
	s->working = false;
}

static void on_look(uv_timer_t *h)
{
	struct source_run *s = h->data;
	if (s->reader || s->at < s->n)
		return;
	bool at_first = !s->v;
	look(s);
	if (at_first)
		put_begun_first(s);
	if (s->n && !s->paused)
		uv_idle_start(&s->more, on_more);
}

static struct source_run *archive_open(uv_loop_t *loop, const char *path, const struct positions *resume, const struct source_events *ev,
                                       struct err *e)
{
	(void)e;
	struct source_run *s = xcalloc(1, sizeof *s);
	s->ev = *ev;
	s->path = xstrdup(path);
	for (size_t i = 0; i < resume->n; i++)
		positions_set(&s->seen, &resume->v[i]);
	s->forgot = s->seen.n == POSITIONS_MAX;
	uv_timer_init(loop, &s->look);
	uv_idle_init(loop, &s->more);
	s->handles = 2;
	s->look.data = s->more.data = s;
	uv_timer_start(&s->look, on_look, 0, LOOK_MS);
	return s;
}

static void archive_pause(struct source_run *s, bool pause)
{
	if (s->paused == pause || s->closed)
		return;
	s->paused = pause;
	if (pause)
		uv_idle_stop(&s->more);
	else
		uv_idle_start(&s->more, on_more);
}

static bool archive_position(const struct source_run *s, uint64_t unfinished, struct position *ret)
{
	if (!s->here.head.n)
		return false;
	*ret = s->here;
	ret->offset -= unfinished < ret->offset ? unfinished : ret->offset;
	return true;
}

/* Bytes of packed files say little of lines; how many there are is said all the same. */
static uint64_t archive_lag(const struct source_run *s)
{
	return s->left;
}

static void on_freed(uv_handle_t *h)
{
	struct source_run *s = h->data;
	if (--s->handles)
		return;
	free(s->path);
	free(s);
}

static void archive_close(struct source_run *s)
{
	s->closed = true;
	archive_reader_close(s->reader);
	s->reader = NULL;
	found_free(s->v, s->n);
	s->v = NULL;
	s->n = s->at = 0;
	positions_fini(&s->seen);
	uv_close((uv_handle_t *)&s->look, on_freed);
	uv_close((uv_handle_t *)&s->more, on_freed);
}

const struct source source_archive = {
	.name = "archive", .open = archive_open, .pause = archive_pause, .position = archive_position, .lag = archive_lag, .close = archive_close,
};
