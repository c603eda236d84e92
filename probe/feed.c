#include <stdlib.h>

#include "lib/msg.h"
#include "probe/probe.h"

#define RETRY_FIRST_MS 200
#define RETRY_MOST_MS 5000
#define STEADY_MS 5000      /* a connection that held so long: the next loss is a first one */
#define OUT_HIGH (2u << 20) /* bytes on their way: who tells much waits */
#define OUT_LOW (512u << 10)
#define OUT_MOST (8u << 20) /* beyond that the connection is given up and all is told again */

struct feed {
	uv_loop_t *loop;
	char *path;
	uv_pipe_t pipe;
	uv_timer_t timer;
	uv_connect_t connect;
	struct buf in, out;
	uint64_t retry_ms, greeted_ms;
	size_t in_flight;
	bool open, greeted, pipe_used, stopping, timer_closed;
	bool full;                  /* somebody was told to wait */
	void (*again)(void *ctx);
	void (*room)(void *ctx);
	void (*ask)(void *ctx, struct sv target);
	void *ctx;
};

static void connect_now(struct feed *f);

static void on_timer(uv_timer_t *t)
{
	connect_now(t->data);
}

static void end(struct feed *f)
{
	if (f->pipe_used || !f->timer_closed)
		return;
	buf_fini(&f->in);
	buf_fini(&f->out);
	free(f->path);
	free(f);
}

static void on_gone(uv_handle_t *h)
{
	struct feed *f = h->data;
	f->pipe_used = false;
	f->in.n = f->out.n = 0;
	if (f->stopping) {
		end(f);
		return;
	}
	uv_timer_start(&f->timer, on_timer, f->retry_ms, 0);
	f->retry_ms = f->retry_ms * 2 < RETRY_MOST_MS ? f->retry_ms * 2 : RETRY_MOST_MS;
}

static void has_room(struct feed *f)
{
	bool was_full = f->full;
	f->full = false;
	if (was_full && !f->stopping)
		f->room(f->ctx);
}

static void lost(struct feed *f, const char *why)
{
	if (f->greeted && uv_now(f->loop) - f->greeted_ms >= STEADY_MS)
		f->retry_ms = RETRY_FIRST_MS;
	if (f->greeted)
		msg_warn("the analyzer went away (%s); what lists say is told again when it is back", why);
	f->open = f->greeted = false;
	if (f->pipe_used && !uv_is_closing((uv_handle_t *)&f->pipe))
		uv_close((uv_handle_t *)&f->pipe, on_gone);
	has_room(f); /* what is told now goes nowhere */
}

struct sending { uv_write_t req; struct feed *f; size_t n; char bytes[]; };

static void on_sent(uv_write_t *req, int status)
{
	struct sending *w = req->data;
	struct feed *f = w->f;
	f->in_flight -= w->n;
	free(w);
	if (status < 0 && status != UV_ECANCELED)
		lost(f, uv_strerror(status));
	else if (f->in_flight < OUT_LOW)
		has_room(f);
}

static void send_out(struct feed *f)
{
	if (!f->open || !f->out.n) {
		f->out.n = 0;
		return;
	}
	if (f->in_flight + f->out.n > OUT_MOST) {
		lost(f, "it does not read");
		return;
	}
	struct sending *w = xmalloc(sizeof *w + f->out.n);
	*w = (struct sending){ .f = f, .n = f->out.n };
	memcpy(w->bytes, f->out.p, w->n);
	w->req.data = w;
	f->in_flight += w->n;
	f->out.n = 0;
	uv_buf_t b = uv_buf_init(w->bytes, (unsigned)w->n);
	if (uv_write(&w->req, (uv_stream_t *)&f->pipe, &b, 1, on_sent) < 0) {
		f->in_flight -= w->n;
		free(w);
		lost(f, "cannot be written");
	}
}

static void on_frame(struct feed *f, enum obs_type type, struct sv payload)
{
	struct err e;
	struct sv target;
	if (type == OBS_RESUME) {
		f->greeted = true;
		f->greeted_ms = uv_now(f->loop);
		f->again(f->ctx);
	} else if (type == OBS_ASK && obs_get_ask(payload, &target, &e) == 0) {
		f->ask(f->ctx, target);
	}
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
	struct feed *f = h->data;
	(void)hint;
	buf_reserve(&f->in, 16384);
	*b = uv_buf_init(f->in.p + f->in.n, 16384);
}

static void on_read(uv_stream_t *st, ssize_t n, const uv_buf_t *b)
{
	struct feed *f = st->data;
	enum obs_type type;
	struct sv payload;
	struct err e;
	size_t used;
	int got;
	(void)b;
	if (n < 0) {
		lost(f, uv_strerror((int)n));
		return;
	}
	f->in.n += (size_t)n;
	while ((got = obs_next(buf_sv(&f->in), &type, &payload, &used, &e)) > 0) {
		on_frame(f, type, payload);
		buf_drop(&f->in, used);
	}
	if (got < 0)
		lost(f, e.text);
}

static void on_connect(uv_connect_t *req, int status)
{
	struct feed *f = req->data;
	if (status < 0) {
		lost(f, uv_strerror(status));
		return;
	}
	f->open = true;
	uv_read_start((uv_stream_t *)&f->pipe, on_alloc, on_read);
	obs_put_hello(&f->out, SV("probe"));
	send_out(f);
}

static void connect_now(struct feed *f)
{
	if (f->stopping)
		return;
	uv_pipe_init(f->loop, &f->pipe, 0);
	f->pipe.data = f->connect.data = f;
	f->pipe_used = true;
	uv_pipe_connect(&f->connect, &f->pipe, f->path, on_connect);
}

struct feed *feed_new(uv_loop_t *loop, const char *path, void (*again)(void *ctx), void (*room)(void *ctx), void (*ask)(void *ctx, struct sv target), void *ctx)
{
	struct feed *f = xcalloc(1, sizeof *f);
	f->loop = loop;
	f->path = xstrdup(path);
	f->again = again;
	f->room = room;
	f->ask = ask;
	f->ctx = ctx;
	f->retry_ms = RETRY_FIRST_MS;
	uv_timer_init(loop, &f->timer);
	f->timer.data = f;
	connect_now(f);
	return f;
}

void feed_listing(struct feed *f, const struct obs_listing *l)
{
	if (!f->greeted)
		return;
	obs_put_listing(&f->out, l);
	send_out(f);
}

bool feed_is_full(struct feed *f)
{
	f->full = f->full || f->in_flight > OUT_HIGH;
	return f->full;
}

void feed_zone(struct feed *f, const struct obs_zone *z)
{
	if (!f->greeted)
		return;
	obs_put_zone(&f->out, z);
	send_out(f);
}

static void on_timer_gone(uv_handle_t *h)
{
	struct feed *f = h->data;
	f->timer_closed = true;
	end(f);
}

void feed_stop(struct feed *f)
{
	f->stopping = true;
	f->greeted = false; /* nobody went away */
	lost(f, "ending");
	uv_close((uv_handle_t *)&f->timer, on_timer_gone);
}
