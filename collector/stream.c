#include "collector/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "collector/emit.h"
#include "collector/source.h"
#include "lib/msg.h"
#include "lib/times.h"

#define OUT_HIGH (4u << 20)  /* bytes on their way to the analyzer: stop reading */
#define OUT_LOW (1u << 20)   /* go on */
#define SEND_BYTES (64u << 10)
#define SNAPSHOT_MS 10000
#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS 5000
#define IDLE_MS 1000         /* provisional reports at most so often */

enum stream_state { WAITING, CONNECTING, GREETED, RUNNING, ENDING, STOPPING };

struct stream {
	uv_loop_t *loop;
	char *name, *path, *host, *socket;
	const struct source *kind;
	const struct mta *mta;
	struct zone zone;
	size_t max_open_bytes;
	enum stream_state state;
	uv_timer_t timer; /* retry; then snapshots */
	uv_pipe_t pipe;
	bool pipe_used, closing, timer_closed, paused;
	bool of_pattern, gone; /* gone: the analyzer has forgotten it */
	uint64_t retry_ms, idle_at_ms;
	uv_connect_t connect;
	struct buf in;
	/* while connected */
	struct emit emit;
	struct pipeline *pipeline;
	struct feed feed;
	struct snapshot saved; /* as of the last snapshot or boundary; the live file's position is put in when saving */
	struct obs_counters base; /* totals before this run */
	struct source_run *run;
	uint64_t since_snapshot; /* bytes read */
	uint32_t told_head_n;    /* how much of the file's beginning the analyzer knows */
	bool broken;             /* the file before broke off: which one follows must be known, however short it is, as a whole copy may stand before it after a crash */
	size_t in_flight;
	int64_t behind_from_us;  /* the machine's clock is far behind what it was, since then; 0: it is not */
};

static void lost(struct stream *s, const char *why);
static void connect_now(struct stream *s);

/* -- state of reading -- */

static void totals(struct stream *s)
{
	uint64_t rotations = s->saved.totals.rotations, truncations = s->saved.totals.truncations;
	s->saved.totals = s->base;
	pipeline_add_feed(&s->feed, &s->saved.totals);
	s->saved.totals.rotations = rotations;
	s->saved.totals.truncations = truncations;
	if (s->run && s->kind->dropped)
		s->saved.totals.dropped += s->kind->dropped(s->run);
}

/* unused: of what was read, bytes that no line was made of yet, beside the begun line. */
static void take_position(struct stream *s, bool done, size_t unused)
{
	struct position at;
	if (!s->run || !s->kind->position(s->run, s->feed.frame.rest_bytes + unused, &at))
		return;
	at.done = done;
	at.year = s->feed.stamp.year;
	at.stamp_us = s->feed.stamp.last_us;
	positions_set(&s->saved.positions, &at);
}

static void send_out(struct stream *s);

/* With the positions as they are. */
static void snapshot_state(struct stream *s)
{
	if (!s->pipeline || !s->socket)
		return;
	totals(s);
	buf_clear(&s->saved.again);
	buf_addsv(&s->saved.again, buf_sv(&s->feed.again));
	buf_clear(&s->saved.heading);
	buf_addsv(&s->saved.heading, buf_sv(&s->feed.heading));
	emit_state(&s->emit, s->pipeline, &s->saved, s->kind->lag(s->run), sv_cstr(s->path));
	s->since_snapshot = 0;
	send_out(s);
}

static void snapshot(struct stream *s)
{
	take_position(s, false, 0);
	snapshot_state(s);
}

/* -- sending -- */

struct sending { uv_write_t req; struct stream *s; size_t n; char bytes[]; };

static void set_paused(struct stream *s, bool pause)
{
	if (!s->run || s->paused == pause)
		return;
	s->paused = pause;
	s->kind->pause(s->run, pause);
}

static void on_sent(uv_write_t *req, int status)
{
	struct sending *w = req->data;
	struct stream *s = w->s;
	s->in_flight -= w->n;
	free(w);
	if (status < 0)
		lost(s, uv_strerror(status));
	else if (s->in_flight < OUT_LOW)
		set_paused(s, false);
}

static void send_out(struct stream *s)
{
	if (!s->socket) {
		buf_clear(&s->emit.out);
		return;
	}
	if (!s->emit.out.n || !s->pipe_used || uv_is_closing((uv_handle_t *)&s->pipe))
		return;
	struct sending *w = xmalloc(sizeof *w + s->emit.out.n);
	w->s = s;
	w->n = s->emit.out.n;
	memcpy(w->bytes, s->emit.out.p, w->n);
	buf_clear(&s->emit.out);
	w->req.data = w;
	uv_buf_t b = uv_buf_init(w->bytes, (unsigned)w->n);
	s->in_flight += w->n;
	if (uv_write(&w->req, (uv_stream_t *)&s->pipe, &b, 1, on_sent) < 0) {
		s->in_flight -= w->n;
		free(w);
		lost(s, "cannot be written");
		return;
	}
	if (s->in_flight > OUT_HIGH)
		set_paused(s, true);
}

/* -- the source's events -- */

/* Before the first byte is used the analyzer must know which file it was: after a crash the file may have been rotated
 * away. And again as soon as the file is long enough to be known by its first bytes. */
static bool file_is_news(struct stream *s, size_t unused, struct position *at)
{
	if (!s->kind->position(s->run, s->feed.frame.rest_bytes + unused, at) || at->head.n == s->told_head_n)
		return false;
	return !s->saved.positions.n || s->broken || (at->head.n == POSITION_HEAD_BYTES && s->told_head_n);
}

/* The machine's clock stood far ahead when something was last read, and was set right since. The analyzer is told before a line is read by the other clock, so that what is
 * repeated after a crash begins here. */
static void follow_clock(struct stream *s, size_t unused)
{
	int64_t wall_us = (int64_t)time(NULL) * 1000000;
	bool back = wall_us < s->saved.wall_us - CLOCK_BACK_US;
	s->feed.stamp.until_us = wall_us + STAMP_FUTURE_US;
	s->behind_from_us = !back ? 0 : s->behind_from_us ? s->behind_from_us : wall_us;
	if (back && (wall_us - s->behind_from_us < CLOCK_WAIT_US || wall_us < CLOCK_LEAST_US))
		return;
	s->saved.wall_us = wall_us;
	if (!back)
		return;
	s->behind_from_us = 0;
	msg_warn("%s: the clock was put back: what was heard of later than now counts as heard now", s->name);
	pipeline_put_back(s->pipeline, &s->feed, wall_us);
	for (size_t i = 0; i < s->saved.positions.n; i++)
		if (s->saved.positions.v[i].stamp_us > wall_us + STAMP_FUTURE_US)
			s->saved.positions.v[i].stamp_us = s->saved.positions.v[i].year = 0;
	take_position(s, false, unused);
	snapshot_state(s);
}

static void on_bytes(void *ctx, struct sv bytes)
{
	struct stream *s = ctx;
	struct position at;
	if (s->told_head_n != POSITION_HEAD_BYTES && s->socket && file_is_news(s, bytes.n, &at)) {
		s->told_head_n = at.head.n;
		s->broken = false;
		positions_set(&s->saved.positions, &at);
		snapshot_state(s);
	}
	follow_clock(s, bytes.n);
	pipeline_bytes(s->pipeline, &s->feed, bytes);
	s->since_snapshot += bytes.n;
	if (s->since_snapshot >= EMIT_SNAPSHOT_BYTES)
		snapshot(s);
	else if (s->emit.out.n >= SEND_BYTES)
		send_out(s);
}

static void on_boundary(void *ctx, enum source_boundary b)
{
	struct stream *s = ctx;
	pipeline_end_of_file(s->pipeline, &s->feed);
	feed_next_file(&s->feed);
	if (b == SOURCE_ROTATED)
		s->saved.totals.rotations++;
	else
		s->saved.totals.truncations++;
	take_position(s, true, 0);
	s->told_head_n = 1; /* the next file follows from this one, but not for long */
	snapshot_state(s);
}

static uint64_t on_broken(void *ctx)
{
	struct stream *s = ctx;
	uint64_t unfinished = s->feed.frame.rest_bytes;
	take_position(s, false, 0);
	feed_next_file(&s->feed);
	feed_block_ends(&s->feed);
	s->told_head_n = 1;
	s->broken = true;
	snapshot_state(s);
	return unfinished;
}

static void on_idle(void *ctx)
{
	struct stream *s = ctx;
	uint64_t now = uv_now(s->loop);
	if (now >= s->idle_at_ms && s->since_snapshot) {
		s->idle_at_ms = now + IDLE_MS;
		pipeline_idle(s->pipeline);
		if (s->socket) { /* the health page follows without waiting for a snapshot */
			totals(s);
			emit_counters(&s->emit, s->pipeline, &s->saved, s->kind->lag(s->run), sv_cstr(s->path));
		}
	}
	if (s->emit.out.n && s->socket)
		obs_put_empty(&s->emit.out, OBS_IDLE);
	send_out(s);
	if (!s->socket && (fflush(stdout) == EOF || ferror(stdout)))
		fatal("standard output cannot be written; is the disk full or the pipe closed?");
}

/* -- begin and end -- */

static void print_txn(void *ctx, const struct txn *t)
{
	struct stream *s = ctx;
	if (t->flags & TXN_PROVISIONAL)
		return;
	buf_clear(&s->emit.blob);
	txn_json(t, &s->emit.blob);
	(void)fwrite(s->emit.blob.p, 1, s->emit.blob.n, stdout);
}

/* Throws away everything that belongs to one connection. */
static void reset(struct stream *s)
{
	if (s->run)
		s->kind->close(s->run);
	s->run = NULL;
	s->paused = false;
	pipeline_free(s->pipeline);
	s->pipeline = NULL;
	feed_fini(&s->feed);
	s->feed = (struct feed){ 0 };
	snapshot_fini(&s->saved);
	s->saved = (struct snapshot){ 0 };
	s->base = (struct obs_counters){ 0 };
	buf_clear(&s->emit.out);
	buf_clear(&s->in);
	s->since_snapshot = 0;
	s->told_head_n = 0;
	s->broken = false;
}

/* The year-less stamps go on where the newest position left them. */
static void restore_feed(struct stream *s)
{
	feed_init(&s->feed, s->mta, &s->zone, 0, (int64_t)time(NULL) * 1000000);
	s->feed.stamp.heard_us = pipeline_now(s->pipeline);
	if (*s->host)
		s->feed.host = sv_cstr(s->host);
	const struct positions *p = &s->saved.positions;
	if (p->n) {
		s->feed.stamp.year = p->v[p->n - 1].year;
		s->feed.stamp.last_us = p->v[p->n - 1].stamp_us;
	}
	buf_addsv(&s->feed.again, buf_sv(&s->saved.again));
	buf_addsv(&s->feed.heading, buf_sv(&s->saved.heading));
	s->base = s->saved.totals;
	s->told_head_n = p->n ? p->v[p->n - 1].head.n : 0;
}

static int begin(struct stream *s, struct sv blob, uint64_t applied_seq, struct err *e)
{
	struct pipeline_options o = { .mta = s->mta, .max_open_bytes = s->max_open_bytes, .correlate = true };
	struct pipeline_sink sink = emit_sink(&s->emit);
	if (!s->socket)
		sink = (struct pipeline_sink){ .ctx = s, .txn = print_txn };
	s->pipeline = pipeline_new(&o, &sink);
	int got = snapshot_load(blob, &s->saved, s->pipeline, e);
	if (got < 0)
		return -1;
	if (got > 0)
		msg_warn("source %s: an older version read it up to here: reading goes on; messages that were still on their way then appear with what follows of them", s->name);
	restore_feed(s);
	if (s->kind->passing || got > 0)
		pipeline_skip_to(s->pipeline, applied_seq);
	struct source_events ev = { s, on_bytes, on_boundary, on_broken, on_idle };
	s->run = s->kind->open(s->loop, s->path, &s->saved.positions, &ev, e);
	if (!s->run)
		return -1;
	s->state = RUNNING;
	s->retry_ms = RETRY_FIRST_MS;
	return 0;
}

static void on_timer(uv_timer_t *t)
{
	struct stream *s = t->data;
	if (s->state == RUNNING) {
		if (s->since_snapshot)
			snapshot(s);
	} else if (s->state == WAITING) {
		connect_now(s);
	}
}

static void retry_later(struct stream *s)
{
	s->state = WAITING;
	uv_timer_start(&s->timer, on_timer, s->retry_ms, 0);
	s->retry_ms = s->retry_ms * 2 < RETRY_MAX_MS ? s->retry_ms * 2 : RETRY_MAX_MS;
}

static void free_if_done(struct stream *s)
{
	if (!s->timer_closed || s->pipe_used)
		return;
	reset(s);
	emit_fini(&s->emit);
	buf_fini(&s->in);
	free(s->name);
	free(s->path);
	free(s->host);
	free(s->socket);
	free(s);
}

static void on_timer_closed(uv_handle_t *h)
{
	struct stream *s = h->data;
	s->timer_closed = true;
	free_if_done(s);
}

static void on_pipe_closed(uv_handle_t *h)
{
	struct stream *s = h->data;
	s->pipe_used = false;
	if (s->state == STOPPING)
		free_if_done(s);
	else
		retry_later(s);
}

static void close_pipe(struct stream *s)
{
	if (s->pipe_used && !uv_is_closing((uv_handle_t *)&s->pipe))
		uv_close((uv_handle_t *)&s->pipe, on_pipe_closed);
}

static void lost(struct stream *s, const char *why)
{
	if (s->state == STOPPING) {
		close_pipe(s);
		return;
	}
	if (uv_is_closing((uv_handle_t *)&s->pipe))
		return;
	if (s->state == RUNNING)
		msg_warn("source %s: the analyzer is gone (%s); trying again", s->name, why);
	uv_timer_stop(&s->timer);
	reset(s);
	s->state = WAITING;
	close_pipe(s);
}

/* -- the connection -- */

static int take_frame(struct stream *s, enum obs_type type, struct sv payload, struct err *e)
{
	struct obs_resume r;
	if (type == OBS_RESUME && s->state == ENDING) {
		s->gone = true;
		return 0;
	}
	if (type != OBS_RESUME || s->state != GREETED)
		return err_set(e, "an unexpected frame of type %d", (int)type);
	if (obs_get_resume(payload, &r, e) < 0)
		return -1;
	uv_timer_start(&s->timer, on_timer, SNAPSHOT_MS, SNAPSHOT_MS);
	return begin(s, r.snapshot, r.applied_seq, e);
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *b)
{
	struct stream *s = h->data;
	struct err e;
	enum obs_type type;
	struct sv payload;
	size_t used;
	int got = 0;
	if (n > 0 && s->state != STOPPING) {
		buf_add(&s->in, b->base, (size_t)n);
		if ((got = obs_next(buf_sv(&s->in), &type, &payload, &used, &e)) > 0) {
			got = take_frame(s, type, payload, &e);
			buf_drop(&s->in, used);
		}
	}
	free(b->base);
	if (n < 0)
		lost(s, uv_strerror((int)n));
	else if (got < 0) {
		msg_error("source %s: %s", s->name, e.text);
		s->retry_ms = RETRY_MAX_MS; /* it will not be better at once */
		lost(s, "it does not speak our language");
	}
}

static void on_alloc(uv_handle_t *h, size_t n, uv_buf_t *ret)
{
	(void)h;
	*ret = uv_buf_init(xmalloc(n), (unsigned)n);
}

static void on_connect(uv_connect_t *req, int status)
{
	struct stream *s = req->data;
	if (s->state == STOPPING)
		return;
	if (status < 0) {
		lost(s, uv_strerror(status));
		return;
	}
	s->state = GREETED;
	obs_put_hello(&s->emit.out, sv_cstr(s->name));
	uv_read_start((uv_stream_t *)&s->pipe, on_alloc, on_read);
	send_out(s);
}

static void connect_now(struct stream *s)
{
	uv_pipe_init(s->loop, &s->pipe, 0);
	s->pipe.data = s->connect.data = s;
	s->pipe_used = true;
	s->state = CONNECTING;
	uv_pipe_connect(&s->connect, &s->pipe, s->socket, on_connect);
}

/* A source gets one text: an address says with it where the keys are. */
static char *path_of(const struct conf_source *c, const char *path)
{
	struct buf b = { 0 };
	const char *sep = "?";
	buf_puts(&b, path);
	const struct { const char *name, *value; } files[] = { { "cert", c->cert }, { "key", c->key }, { "ca", c->ca } };
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		if (!files[i].value || !*files[i].value || !strstr(path, "://"))
			continue;
		buf_printf(&b, "%s%s=%s", strchr(path, '?') ? "&" : sep, files[i].name, files[i].value);
		sep = "&";
	}
	char *text = xstrdup(buf_cstr(&b));
	buf_fini(&b);
	return text;
}

struct stream *stream_new(const struct stream_options *o, struct err *e)
{
	const struct conf_source *c = o->source;
	struct zone zone;
	const struct source *kind = source_named(c->type && *c->type ? c->type : "file");
	bool any = !c->mta || !*c->mta || !strcmp(c->mta, "auto");
	const struct mta *mta = any ? NULL : mta_named(sv_cstr(c->mta));
	if (!kind || (!any && !mta)) {
		(void)err_set(e, "source \"%s\": there is no %s \"%s\"", c->name, kind ? "log format" : "type of source", kind ? c->mta : c->type);
		return NULL;
	}
	if (zone_init(&zone, c->timezone && *c->timezone ? c->timezone : "local", e) < 0)
		return NULL;
	struct stream *s = xcalloc(1, sizeof *s);
	*s = (struct stream){ .loop = o->loop, .kind = kind, .mta = mta, .zone = zone, .retry_ms = RETRY_FIRST_MS, .of_pattern = o->of_pattern };
	s->max_open_bytes = c->max_open_bytes > 0 ? (size_t)c->max_open_bytes : 0;
	s->name = xstrdup(o->name);
	s->path = path_of(c, o->path);
	s->host = xstrdup(c->host ? c->host : "");
	s->socket = o->socket ? xstrdup(o->socket) : NULL;
	uv_timer_init(o->loop, &s->timer);
	s->timer.data = s;
	if (s->socket) {
		connect_now(s);
		return s;
	}
	if (begin(s, (struct sv){ 0 }, 0, e) < 0) {
		stream_stop(s);
		return NULL;
	}
	return s;
}

const char *stream_name(const struct stream *s)
{
	return s->name;
}

/* Nothing more is read. When the connection breaks before the analyzer has answered, all begins anew. */
static void finish(struct stream *s)
{
	msg_info("source %s: %s is gone and was read to its end: it is no longer followed", s->name, s->path);
	pipeline_end_of_file(s->pipeline, &s->feed);
	pipeline_end(s->pipeline);
	totals(s);
	emit_counters(&s->emit, s->pipeline, &s->saved, 0, sv_cstr(s->path));
	s->kind->close(s->run);
	s->run = NULL;
	s->gone = !s->socket;
	if (s->gone) {
		(void)fflush(stdout);
		return;
	}
	uv_timer_stop(&s->timer);
	s->state = ENDING;
	obs_put_empty(&s->emit.out, OBS_GONE);
	send_out(s);
}

bool stream_gone(struct stream *s)
{
	if (s->of_pattern && s->state == RUNNING && s->run && s->kind->gone && s->kind->gone(s->run))
		finish(s);
	return s->gone;
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	struct stream *s = req->data;
	(void)status;
	free(req);
	close_pipe(s);
}

void stream_stop(struct stream *s)
{
	bool running = s->state == RUNNING && s->socket;
	if (running) {
		pipeline_idle(s->pipeline);
		obs_put_empty(&s->emit.out, OBS_IDLE);
		snapshot(s);
	}
	if (s->run)
		s->kind->close(s->run);
	s->run = NULL;
	s->state = STOPPING;
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
	if (!s->pipe_used)
		return;
	uv_shutdown_t *req = xmalloc(sizeof *req);
	req->data = s;
	if (!running || uv_shutdown(req, (uv_stream_t *)&s->pipe, on_shutdown) < 0) {
		free(req);
		close_pipe(s);
	}
}

const struct source *source_named(const char *name)
{
	for (const struct source *const *k = source_registry; *k; k++)
		if (!strcmp((*k)->name, name))
			return *k;
	return NULL;
}
