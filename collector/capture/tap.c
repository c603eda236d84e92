#include "collector/capture/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "collector/capture/backlog.h"
#include "collector/capture/feed.h"
#include "collector/capture/live.h"
#include "lib/buf.h"
#include "lib/msg.h"
#include "lib/obs.h"

#define WRITE_MOST (256u << 10) /* bytes that are given to the connection at once: what it has not taken can still be sent elsewhere */
#define TICK_MS 500
#define TOTALS_TICKS 10
#define RETRY_MS 1000

struct tap {
	const struct conf_capture *conf;
	char *name, *socket;
	struct live *live;
	struct capture *capture;
	struct capture_options options;
	uv_loop_t *loop;
	uv_poll_t poll;
	uv_timer_t tick;
	uv_pipe_t pipe;
	uv_connect_t connect;
	uint64_t retry_at_ms, seq, unsent;
	unsigned ticks, handles;
	bool pipe_used, running, polling, interface_lost, stopping, news, dropping;
	struct backlog backlog;
	struct buf in, out, frame;
	uint32_t sample;
};

static void connect_now(struct tap *t);
static void send_out(struct tap *t, size_t most);

/* -- sessions -- */

static void on_session(void *ctx, const struct smtp_session *s)
{
	struct tap *t = ctx;
	struct smtp_session numbered = *s;
	numbered.seq = t->seq + 1;
	buf_clear(&t->frame);
	obs_put_session(&t->frame, &numbered);
	if (backlog_put(&t->backlog, numbered.seq, buf_sv(&t->frame))) {
		t->seq++;
		t->news = true;
		if (backlog_waiting(&t->backlog) > WRITE_MOST)
			send_out(t, WRITE_MOST);
		return;
	}
	if (!t->dropping)
		msg_warn("capture %s: the analyzer is away or does not read; sessions are dropped from now on", t->conf->name);
	t->dropping = true;
	capture_unsent(t->capture, ++t->unsent);
}

/* -- sending -- */

struct sending { uv_write_t req; struct tap *t; char bytes[]; };

static void lost(struct tap *t, const char *why);

static void on_sent(uv_write_t *req, int status)
{
	struct sending *w = req->data;
	struct tap *t = w->t;
	free(w);
	if (status < 0)
		lost(t, uv_strerror(status));
	else if (backlog_waiting(&t->backlog))
		send_out(t, WRITE_MOST);
}

/* What waits, as much as the connection takes; the rest when that was written. */
static void send_out(struct tap *t, size_t most)
{
	if (!t->running || uv_is_closing((uv_handle_t *)&t->pipe) || uv_stream_get_write_queue_size((uv_stream_t *)&t->pipe) > most)
		return;
	backlog_take(&t->backlog, &t->out, most);
	if (t->news && !backlog_waiting(&t->backlog)) {
		obs_put_empty(&t->out, OBS_IDLE);
		t->news = t->dropping = false;
	}
	if (!t->out.n)
		return;
	struct sending *w = xmalloc(sizeof *w + t->out.n);
	w->t = t;
	w->req.data = w;
	memcpy(w->bytes, t->out.p, t->out.n);
	uv_buf_t b = uv_buf_init(w->bytes, (unsigned)t->out.n);
	buf_clear(&t->out);
	if (uv_write(&w->req, (uv_stream_t *)&t->pipe, &b, 1, on_sent) < 0) {
		free(w);
		lost(t, "cannot be written");
	}
}

static void totals(struct tap *t)
{
	if (t->running && !t->out.n) /* those before have not gone yet: the analyzer does not read, and they must not pile up */
		capture_put_totals(&t->out, t->capture, sv_cstr(t->conf->interface));
}

/* -- packets -- */

static void lose_interface(struct tap *t, const char *why)
{
	msg_error("capture %s: %s: %s; its sessions end here", t->conf->name, t->conf->interface, live_is_up(t->conf->interface) ? why : "it went down or away");
	(void)uv_poll_stop(&t->poll);
	t->polling = false;
	t->interface_lost = true;
	capture_end(t->capture);
	totals(t);
	send_out(t, WRITE_MOST);
}

static void on_packets(uv_poll_t *h, int status, int events)
{
	struct tap *t = h->data;
	struct err e;
	(void)events;
	if (live_read(t->live, t->capture, &e) < 0) /* also when there is more wrong: what came before counts */
		lose_interface(t, e.text);
	else if (status < 0)
		lose_interface(t, uv_strerror(status));
}

static int64_t wall_us(void)
{
	struct timespec s;
	clock_gettime(CLOCK_REALTIME, &s);
	return (int64_t)s.tv_sec * 1000000 + s.tv_nsec / 1000;
}

static void on_tick(uv_timer_t *h)
{
	struct tap *t = h->data;
	struct err e;
	uint64_t packets, drops;
	if (!t->pipe_used && uv_now(t->loop) >= t->retry_at_ms)
		connect_now(t);
	if (t->interface_lost)
		send_out(t, WRITE_MOST);
	if (!t->polling)
		return;
	if (live_read(t->live, t->capture, &e) < 0) { /* what is in the ring is older than now */
		lose_interface(t, e.text);
		return;
	}
	capture_tick(t->capture, wall_us());
	uint32_t sample = live_adapt(t->live, t->capture);
	if (sample != t->sample)
		msg_warn("capture %s: the kernel %s packets: one of %u new sessions is followed", t->conf->name, sample > t->sample ? "drops" : "no longer drops", 1u << sample);
	t->sample = sample;
	live_counts(t->live, &packets, &drops);
	capture_kernel(t->capture, packets, drops);
	if (++t->ticks % TOTALS_TICKS == 0)
		totals(t);
	send_out(t, WRITE_MOST);
}

/* -- the connection -- */

static void free_if_done(struct tap *t)
{
	if (!t->stopping || t->handles || t->pipe_used)
		return;
	live_close(t->live);
	capture_free(t->capture);
	buf_fini(&t->in);
	buf_fini(&t->out);
	buf_fini(&t->frame);
	backlog_fini(&t->backlog);
	free(t->name);
	free(t->socket);
	free(t);
}

static void on_pipe_closed(uv_handle_t *h)
{
	struct tap *t = h->data;
	t->pipe_used = t->running = false;
	t->retry_at_ms = uv_now(t->loop) + RETRY_MS;
	buf_clear(&t->in);
	buf_clear(&t->out);
	free_if_done(t);
}

static void lost(struct tap *t, const char *why)
{
	if (t->running && !t->stopping)
		msg_warn("capture %s: the analyzer is gone (%s); trying again", t->conf->name, why);
	t->running = false;
	if (t->pipe_used && !uv_is_closing((uv_handle_t *)&t->pipe))
		uv_close((uv_handle_t *)&t->pipe, on_pipe_closed);
}

static void begin(struct tap *t, uint64_t applied)
{
	uint64_t gone = backlog_rewind(&t->backlog, applied);
	if (gone) {
		msg_warn("capture %s: %llu session%s lost with the connection to the analyzer", t->conf->name, (unsigned long long)gone, gone == 1 ? " was" : "s were");
		capture_unsent(t->capture, t->unsent += gone);
	}
	t->news |= backlog_waiting(&t->backlog) > 0;
	t->seq = t->seq > applied ? t->seq : applied;
	t->running = true;
	if (!t->polling && !t->interface_lost) {
		t->polling = true;
		uv_poll_start(&t->poll, UV_READABLE, on_packets);
		msg_info("capture %s: following %s", t->conf->name, t->conf->interface);
	}
	totals(t);
	send_out(t, WRITE_MOST);
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *b)
{
	struct tap *t = h->data;
	enum obs_type type;
	struct sv payload;
	struct obs_resume r;
	struct err e;
	size_t used;
	if (n > 0) {
		buf_add(&t->in, b->base, (size_t)n);
		int got = t->running ? 0 : obs_next(buf_sv(&t->in), &type, &payload, &used, &e);
		if (got < 0 || (got > 0 && (type != OBS_RESUME || obs_get_resume(payload, &r, &e) < 0)))
			lost(t, "it does not speak our language");
		else if (got > 0)
			begin(t, r.applied_seq);
	}
	free(b->base);
	if (n < 0)
		lost(t, uv_strerror((int)n));
}

static void on_alloc(uv_handle_t *h, size_t n, uv_buf_t *ret)
{
	(void)h;
	*ret = uv_buf_init(xmalloc(n), (unsigned)n);
}

static void on_connect(uv_connect_t *req, int status)
{
	struct tap *t = req->data;
	struct buf hello = { 0 };
	if (status < 0) {
		lost(t, uv_strerror(status));
		return;
	}
	obs_put_hello(&hello, sv_cstr(t->name));
	uv_buf_t b = uv_buf_init(hello.p, (unsigned)hello.n);
	bool ok = uv_try_write((uv_stream_t *)&t->pipe, &b, 1) == (int)hello.n;
	buf_fini(&hello);
	if (ok)
		uv_read_start((uv_stream_t *)&t->pipe, on_alloc, on_read);
	else
		lost(t, "cannot be written");
}

static void connect_now(struct tap *t)
{
	uv_pipe_init(t->loop, &t->pipe, 0);
	t->pipe.data = t->connect.data = t;
	t->pipe_used = true;
	uv_pipe_connect(&t->connect, &t->pipe, t->socket, on_connect);
}

/* -- begin and end -- */

struct tap *tap_new(const struct conf_capture *c, struct err *e)
{
	struct tap *t = xcalloc(1, sizeof *t);
	struct buf name = { 0 };
	t->conf = c;
	t->options = capture_options_of(c);
	struct live_options o = { c->interface, c->expression, c->promiscuous, (size_t)c->ring_bytes, &t->options };
	t->live = live_open(&o, e);
	if (!t->live) {
		free(t);
		return NULL;
	}
	if (*c->expression)
		t->options.n_ports = 0; /* it says which */
	t->capture = capture_new(&t->options, on_session, t);
	buf_printf(&name, "capture:%s", c->name);
	t->name = xstrdup(buf_cstr(&name));
	buf_fini(&name);
	return t;
}

void tap_start(struct tap *t, uv_loop_t *loop, const char *socket)
{
	t->loop = loop;
	t->socket = xstrdup(socket);
	uv_poll_init(loop, &t->poll, live_fd(t->live));
	uv_timer_init(loop, &t->tick);
	t->poll.data = t->tick.data = t;
	t->handles = 2;
	uv_timer_start(&t->tick, on_tick, 0, TICK_MS);
}

bool tap_is_lost(const struct tap *t)
{
	return t->interface_lost;
}

const struct conf_capture *tap_conf(const struct tap *t)
{
	return t->conf;
}

static void on_closed(uv_handle_t *h)
{
	struct tap *t = h->data;
	t->handles--;
	free_if_done(t);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	struct tap *t = req->data;
	(void)status;
	free(req);
	lost(t, "ending");
}

void tap_stop(struct tap *t)
{
	uv_poll_stop(&t->poll);
	capture_end(t->capture);
	totals(t);
	send_out(t, SIZE_MAX);
	if (backlog_waiting(&t->backlog))
		msg_warn("capture %s: ending while sessions wait for the analyzer: they are lost", t->conf->name);
	t->stopping = true;
	uv_close((uv_handle_t *)&t->poll, on_closed);
	uv_close((uv_handle_t *)&t->tick, on_closed);
	if (!t->pipe_used)
		return;
	uv_shutdown_t *req = xmalloc(sizeof *req);
	req->data = t;
	if (!t->running || uv_shutdown(req, (uv_stream_t *)&t->pipe, on_shutdown) < 0) {
		free(req);
		lost(t, "ending");
	}
}
