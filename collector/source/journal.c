/* The journal of systemd, followed by its cursor: path "system" is this machine's, else a folder or a file. Entries are given in its export
 * format (collector/framing/export.c) with the fields that a line needs. */
#include "collector/source.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/buf.h"
#include "lib/msg.h"

#ifdef WITH_SYSTEMD
#include <systemd/sd-journal.h>

#define BATCH_BYTES (128u << 10)
#define POLL_MS 1000 /* journals of other machines are not announced */
#define ENTRY_TRIES 5u /* to read an entry, one each time that the journal is looked at */
#define ENTRY_TRIES_MS 200 /* and for so long at least */
#define RETRY_MS 50
#define BELIEVE_MS 10000 /* after one that really has no text others are believed to have none, or each would cost the time above */

struct source_run {
	struct source_events ev;
	sd_journal *journal;
	uv_poll_t ready;
	uv_timer_t poll;
	uv_idle_t more;
	char *path;
	struct buf batch;
	bool paused, closed, polled, working;
	bool found; /* the journal stands at an entry that is to be given yet */
	unsigned handles, tries; /* the latter: to read the entry that comes next; 0: it was not tried yet */
	uint64_t tried_ms, believe_ms; /* since when; until when an entry without a text is believed */
	char before[POSITION_CURSOR_BYTES], after[POSITION_CURSOR_BYTES]; /* the place before and after the batch */
	uint64_t given;
};

static void on_poll(uv_timer_t *h);

/* *ret_there: whether it has one. The library passes over what it cannot read, as if it were not there. */
static int add_field(struct source_run *s, const char *name, bool *ret_there)
{
	const void *p;
	size_t n;
	int bad = sd_journal_get_data(s->journal, name, &p, &n);
	*ret_there = bad >= 0;
	if (bad < 0)
		return bad == -ENOENT ? 0 : bad;
	size_t key = strlen(name) + 1;
	if (n < key)
		return 0;
	struct sv value = sv_make((const char *)p + key, n - key);
	if (sv_chr(value, '\n') < 0) {
		buf_add(&s->batch, p, n);
		buf_addc(&s->batch, '\n');
		return 0;
	}
	buf_puts(&s->batch, name);
	buf_addc(&s->batch, '\n');
	for (unsigned i = 0; i < 8; i++)
		buf_addc(&s->batch, (char)((uint64_t)value.n >> (8 * i)));
	buf_addsv(&s->batch, value);
	buf_addc(&s->batch, '\n');
	return 0;
}

/* last: there is no other try, a field that cannot be read is left out. -ENODATA: it has no text, perhaps as it is being written. */
static int add_entry(struct source_run *s, bool last)
{
	static const char *const fields[] = { "_SOURCE_REALTIME_TIMESTAMP", "_HOSTNAME", "SYSLOG_IDENTIFIER", "_COMM", "SYSLOG_PID", "_PID", "MESSAGE" };
	char *cursor;
	uint64_t us;
	bool text = true;
	int bad = sd_journal_get_cursor(s->journal, &cursor);
	if (bad < 0)
		return bad;
	buf_printf(&s->batch, "__CURSOR=%s\n", cursor);
	if (sd_journal_get_realtime_usec(s->journal, &us) == 0)
		buf_printf(&s->batch, "__REALTIME_TIMESTAMP=%llu\n", (unsigned long long)us);
	for (size_t i = 0; i < sizeof fields / sizeof *fields && (bad >= 0 || last); i++)
		bad = add_field(s, fields[i], &text);
	if (bad >= 0 && !text && uv_now(s->poll.loop) >= s->believe_ms)
		bad = -ENODATA;
	if ((bad >= 0 || last) && strlen(cursor) < sizeof s->after)
		memcpy(s->after, cursor, strlen(cursor) + 1);
	free(cursor);
	buf_addc(&s->batch, '\n');
	if (last && bad == -ENODATA)
		s->believe_ms = uv_now(s->poll.loop) + BELIEVE_MS;
	return last ? 0 : bad;
}

/* False: it cannot be read now, perhaps as it is being written; it is tried again. */
static bool take_entry(struct source_run *s)
{
	size_t begin = s->batch.n;
	uint64_t now = uv_now(s->poll.loop);
	if (!s->tries++)
		s->tried_ms = now;
	bool last = s->tries >= ENTRY_TRIES && now - s->tried_ms >= ENTRY_TRIES_MS;
	int bad = add_entry(s, last);
	if (bad < 0) {
		s->batch.n = begin;
		if (!last) {
			uv_timer_start(&s->poll, on_poll, RETRY_MS, POLL_MS);
			return false;
		}
		msg_warn("%s: an entry cannot be read and is left out: %s", s->path, strerror(-bad));
	}
	s->tries = 0;
	return true;
}

/* At the entry after that of a cursor, or where that one would be if it is gone: 1; none: 0. */
static int stand_behind(struct source_run *s, const char *cursor)
{
	int bad = *cursor ? sd_journal_seek_cursor(s->journal, cursor) : sd_journal_seek_head(s->journal);
	int n = bad < 0 ? bad : sd_journal_next(s->journal);
	return n > 0 && *cursor && sd_journal_test_cursor(s->journal, cursor) > 0 ? sd_journal_next(s->journal) : n;
}

static int next_entry(struct source_run *s)
{
	if (s->tries) /* what could not be read may have lost the place, too */
		return stand_behind(s, s->after);
	if (!s->found)
		return sd_journal_next(s->journal);
	s->found = false;
	return 1;
}

static bool give_batch(struct source_run *s)
{
	int more = 0;
	buf_clear(&s->batch);
	memcpy(s->before, s->after, sizeof s->before);
	while (s->batch.n < BATCH_BYTES && (more = next_entry(s)) > 0)
		if (!take_entry(s)) {
			more = 0;
			break;
		}
	if (more < 0)
		msg_warn("%s: cannot be read: %s", s->path, strerror(-more));
	if (s->batch.n) {
		s->given += s->batch.n;
		s->ev.bytes(s->ev.ctx, buf_sv(&s->batch));
	}
	return more > 0 && !s->closed;
}

static void on_more(uv_idle_t *h);

static void work(struct source_run *s)
{
	if (s->paused || s->closed || s->working)
		return;
	s->working = true;
	(void)sd_journal_process(s->journal);
	bool more = give_batch(s);
	s->working = false;
	if (s->closed)
		return;
	if (more && !s->paused)
		uv_idle_start(&s->more, on_more);
	else
		uv_idle_stop(&s->more);
	if (!more && !s->paused)
		s->ev.idle(s->ev.ctx);
}

static void on_more(uv_idle_t *h)
{
	work(h->data);
}

static void on_poll(uv_timer_t *h)
{
	work(h->data);
}

static void on_ready(uv_poll_t *h, int status, int events)
{
	(void)status;
	(void)events;
	work(h->data);
}

static int open_journal(struct source_run *s, struct err *e)
{
	struct stat st;
	const char *files[] = { s->path, NULL };
	bool system = !strcmp(s->path, "system");
	if (!system && stat(s->path, &st) < 0)
		return err_set(e, "%s: %m; write a folder, a file, or \"system\"", s->path);
	int bad = system ? sd_journal_open(&s->journal, SD_JOURNAL_LOCAL_ONLY) : S_ISDIR(st.st_mode) ? sd_journal_open_directory(&s->journal, s->path, 0) :
	                                                                                            sd_journal_open_files(&s->journal, files, 0);
	return bad < 0 ? err_set(e, "%s: the journal cannot be opened: %s", s->path, strerror(-bad)) : 0;
}

/* After the entry of that cursor. When it is gone meanwhile, at the next one that is left. */
static void seek(struct source_run *s, const struct positions *resume)
{
	const char *cursor = resume->n ? resume->v[resume->n - 1].cursor : "";
	int n = *cursor ? stand_behind(s, cursor) : -1;
	if (n < 0) {
		(void)sd_journal_seek_head(s->journal);
		return;
	}
	memcpy(s->after, cursor, strlen(cursor) + 1);
	s->found = n > 0;
}

static void on_freed(uv_handle_t *h)
{
	struct source_run *s = h->data;
	if (--s->handles)
		return;
	sd_journal_close(s->journal);
	buf_fini(&s->batch);
	free(s->path);
	free(s);
}

static struct source_run *journal_open(uv_loop_t *loop, const char *path, const struct positions *resume, const struct source_events *ev,
                                       struct err *e)
{
	struct source_run *s = xcalloc(1, sizeof *s);
	s->ev = *ev;
	s->path = xstrdup(path);
	if (open_journal(s, e) < 0) {
		free(s->path);
		free(s);
		return NULL;
	}
	seek(s, resume);
	uv_timer_init(loop, &s->poll);
	uv_idle_init(loop, &s->more);
	s->handles = 2;
	int fd = sd_journal_get_fd(s->journal);
	s->polled = fd >= 0 && uv_poll_init(loop, &s->ready, fd) == 0;
	s->handles += s->polled;
	s->poll.data = s->more.data = s->ready.data = s;
	if (s->polled)
		uv_poll_start(&s->ready, UV_READABLE, on_ready);
	uv_timer_start(&s->poll, on_poll, POLL_MS, POLL_MS);
	uv_idle_start(&s->more, on_more);
	return s;
}

static void journal_pause(struct source_run *s, bool pause)
{
	if (s->paused == pause || s->closed)
		return;
	s->paused = pause;
	if (s->polled) /* it stays readable until somebody looks */
		pause ? uv_poll_stop(&s->ready) : uv_poll_start(&s->ready, UV_READABLE, on_ready);
	if (pause)
		uv_idle_stop(&s->more);
	else
		uv_idle_start(&s->more, on_more);
}

/* A batch is used as a whole: the place is before it or after it. */
static bool journal_position(const struct source_run *s, uint64_t unfinished, struct position *ret)
{
	const char *cursor = unfinished ? s->before : s->after;
	*ret = (struct position){ .inode = 1, .head = fingerprint_of(sv_cstr(s->path)), .offset = s->given };
	memcpy(ret->cursor, cursor, sizeof ret->cursor);
	return true;
}

static uint64_t journal_lag(const struct source_run *s)
{
	(void)s;
	return 0;
}

static void journal_close(struct source_run *s)
{
	s->closed = true;
	uv_close((uv_handle_t *)&s->poll, on_freed);
	uv_close((uv_handle_t *)&s->more, on_freed);
	if (s->polled)
		uv_close((uv_handle_t *)&s->ready, on_freed);
}

#else

static struct source_run *journal_open(uv_loop_t *loop, const char *path, const struct positions *resume, const struct source_events *ev,
                                       struct err *e)
{
	(void)loop, (void)resume, (void)ev;
	(void)err_set(e, "%s: this build cannot read the journal; configure with --with-systemd", path);
	return NULL;
}
static void journal_pause(struct source_run *s, bool pause) { (void)s, (void)pause; }
static bool journal_position(const struct source_run *s, uint64_t unfinished, struct position *ret)
{
	(void)s, (void)unfinished, (void)ret;
	return false;
}
static uint64_t journal_lag(const struct source_run *s) { (void)s; return 0; }
static void journal_close(struct source_run *s) { (void)s; }

#endif

const struct source source_journal = {
	.name = "journal", .open = journal_open, .pause = journal_pause, .position = journal_position, .lag = journal_lag, .close = journal_close,
};
