/* Standard input, for pipes: ssh mx1 cat mail.log | abusewatch-collector --stdin. It ends when its writer does. */
#include "collector/source.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/msg.h"

#define BLOCK_BYTES (64u << 10)

struct source_run {
	struct source_events ev;
	uv_idle_t more;  /* a file is always ready */
	uv_poll_t ready;
	char *block;
	bool polled, paused, closed, ended;
	unsigned handles;
};

static void read_some(struct source_run *s)
{
	ssize_t n = read(STDIN_FILENO, s->block, BLOCK_BYTES);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		s->ev.bytes(s->ev.ctx, sv_make(s->block, (size_t)n));
		if (!s->closed && (size_t)n < BLOCK_BYTES)
			s->ev.idle(s->ev.ctx);
		return;
	}
	s->ended = true;
	s->polled ? uv_poll_stop(&s->ready) : uv_idle_stop(&s->more);
	s->ev.boundary(s->ev.ctx, SOURCE_ROTATED);
	if (!s->closed)
		s->ev.idle(s->ev.ctx);
	msg_info("standard input is finished");
	(void)raise(SIGTERM); /* nothing more can come: end, as for everybody who asks us to */
}

static void on_more(uv_idle_t *h)
{
	read_some(h->data);
}

static void on_ready(uv_poll_t *h, int status, int events)
{
	(void)status;
	(void)events;
	read_some(h->data);
}

static void go(struct source_run *s)
{
	if (s->ended)
		return;
	if (s->polled)
		uv_poll_start(&s->ready, UV_READABLE, on_ready);
	else
		uv_idle_start(&s->more, on_more);
}

static struct source_run *stdin_open(uv_loop_t *loop, const char *path, const struct positions *resume, const struct source_events *ev,
                                     struct err *e)
{
	(void)path, (void)resume, (void)e;
	struct source_run *s = xcalloc(1, sizeof *s);
	s->ev = *ev;
	s->block = xmalloc(BLOCK_BYTES);
	uv_idle_init(loop, &s->more);
	s->polled = uv_poll_init(loop, &s->ready, STDIN_FILENO) == 0; /* files cannot be polled */
	s->handles = s->polled ? 2 : 1;
	s->more.data = s->ready.data = s;
	go(s);
	return s;
}

static void stdin_pause(struct source_run *s, bool pause)
{
	if (s->paused == pause || s->closed)
		return;
	s->paused = pause;
	if (!pause)
		go(s);
	else
		s->polled ? uv_poll_stop(&s->ready) : uv_idle_stop(&s->more);
}

static bool stdin_position(const struct source_run *s, uint64_t unfinished, struct position *ret)
{
	(void)s, (void)unfinished, (void)ret;
	return false;
}

static uint64_t stdin_lag(const struct source_run *s)
{
	(void)s;
	return 0;
}

static void on_freed(uv_handle_t *h)
{
	struct source_run *s = h->data;
	if (--s->handles)
		return;
	free(s->block);
	free(s);
}

static void stdin_close(struct source_run *s)
{
	s->closed = true;
	uv_close((uv_handle_t *)&s->more, on_freed);
	if (s->polled)
		uv_close((uv_handle_t *)&s->ready, on_freed);
}

const struct source source_stdin = {
	.name = "stdin", .open = stdin_open, .pause = stdin_pause, .position = stdin_position, .passing = true, .lag = stdin_lag, .close = stdin_close,
};
