/* What a program writes: `tail -F` on another host, `journalctl -f`, a container's log. It is started by the shell, and again, after a
 * growing pause, when it ends. What it wrote cannot be read again: whether a start repeats lines is the program's business. */
#include "collector/source.h"

#include <signal.h>
#include <stdlib.h>

#include "lib/buf.h"
#include "lib/msg.h"

#define BLOCK_BYTES (64u << 10)
#define PAUSE_FIRST_MS 500
#define PAUSE_MAX_MS 60000
#define STEADY_MS 10000 /* who ran so long may be started again at once */

struct source_run {
	struct source_events ev;
	uv_loop_t *loop;
	uv_process_t process;
	uv_pipe_t out;
	uv_timer_t again;
	char *command, *block;
	bool running, reading, out_used, paused, closed;
	unsigned handles;
	uint64_t started_ms, pause_ms;
};

static void start(struct source_run *s);

static void on_freed(uv_handle_t *h)
{
	struct source_run *s = h->data;
	s->handles--;
	if (h == (uv_handle_t *)&s->out)
		s->out_used = false;
	if (s->handles || !s->closed)
		return;
	free(s->command);
	free(s->block);
	free(s);
}

static void on_again(uv_timer_t *t)
{
	start(t->data);
}

/* Its output is over and it is waited for: once more, but not too fast. */
static void start_again(struct source_run *s)
{
	if (s->closed || s->running || s->out_used)
		return;
	if (uv_now(s->loop) - s->started_ms >= STEADY_MS)
		s->pause_ms = PAUSE_FIRST_MS;
	msg_warn("%s: ended; it is started again in %.1f s", s->command, (double)s->pause_ms / 1000);
	uv_timer_start(&s->again, on_again, s->pause_ms, 0);
	s->pause_ms = s->pause_ms * 2 < PAUSE_MAX_MS ? s->pause_ms * 2 : PAUSE_MAX_MS;
}

static void on_process_freed(uv_handle_t *h)
{
	struct source_run *s = h->data;
	s->running = false;
	start_again(s);
	on_freed(h);
}

static void on_exit_status(uv_process_t *p, int64_t status, int signal)
{
	struct source_run *s = p->data;
	if (status || signal)
		msg_debug("%s: status %d, signal %d", s->command, (int)status, signal);
	uv_close((uv_handle_t *)p, on_process_freed);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *ret)
{
	struct source_run *s = h->data;
	(void)hint;
	*ret = uv_buf_init(s->block, BLOCK_BYTES);
}

static void on_out_freed(uv_handle_t *h)
{
	struct source_run *s = h->data;
	s->out_used = false;
	start_again(s);
	on_freed(h);
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *b)
{
	struct source_run *s = h->data;
	if (s->closed || n == 0)
		return;
	if (n > 0) {
		s->ev.bytes(s->ev.ctx, sv_make(b->base, (size_t)n));
		if (!s->closed && (size_t)n < BLOCK_BYTES)
			s->ev.idle(s->ev.ctx);
		return;
	}
	s->ev.boundary(s->ev.ctx, SOURCE_ROTATED); /* its last line counts without an end */
	if (s->closed)
		return;
	s->ev.idle(s->ev.ctx);
	if (!s->closed)
		uv_close((uv_handle_t *)h, on_out_freed);
}

static void start(struct source_run *s)
{
	char *args[] = { (char *)"/bin/sh", (char *)"-c", s->command, NULL };
	uv_stdio_container_t io[3] = { { .flags = UV_IGNORE }, { .flags = (uv_stdio_flags)(UV_CREATE_PIPE | UV_WRITABLE_PIPE) },
	                               { .flags = UV_INHERIT_FD, .data.fd = 2 } };
	uv_pipe_init(s->loop, &s->out, 0);
	s->out.data = s->process.data = s;
	io[1].data.stream = (uv_stream_t *)&s->out;
	uv_process_options_t o = { .file = args[0], .args = args, .stdio = io, .stdio_count = 3, .exit_cb = on_exit_status,
	                           .flags = UV_PROCESS_DETACHED }; /* a group of its own, so that all of it can be ended */
	s->out_used = s->running = true;
	s->handles += 2;
	s->started_ms = uv_now(s->loop);
	int bad = uv_spawn(s->loop, &s->process, &o);
	if (bad < 0) {
		msg_error("%s: cannot be started: %s", s->command, uv_strerror(bad));
		uv_close((uv_handle_t *)&s->process, on_process_freed);
		uv_close((uv_handle_t *)&s->out, on_out_freed);
		return;
	}
	if (!s->paused)
		uv_read_start((uv_stream_t *)&s->out, on_alloc, on_read);
}

static struct source_run *command_open(uv_loop_t *loop, const char *path, const struct positions *resume, const struct source_events *ev,
                                       struct err *e)
{
	(void)resume;
	(void)e;
	struct source_run *s = xcalloc(1, sizeof *s);
	s->ev = *ev;
	s->loop = loop;
	s->command = xstrdup(path);
	s->block = xmalloc(BLOCK_BYTES);
	s->pause_ms = PAUSE_FIRST_MS;
	uv_timer_init(loop, &s->again);
	s->again.data = s;
	s->handles = 1;
	start(s);
	return s;
}

static void command_pause(struct source_run *s, bool pause)
{
	if (s->paused == pause || s->closed)
		return;
	s->paused = pause;
	if (!s->out_used || uv_is_closing((uv_handle_t *)&s->out))
		return;
	if (pause)
		uv_read_stop((uv_stream_t *)&s->out);
	else
		uv_read_start((uv_stream_t *)&s->out, on_alloc, on_read);
}

static bool command_position(const struct source_run *s, uint64_t unfinished, struct position *ret)
{
	(void)s, (void)unfinished, (void)ret;
	return false;
}

static uint64_t command_lag(const struct source_run *s)
{
	(void)s;
	return 0;
}

static void command_close(struct source_run *s)
{
	s->closed = true;
	uv_close((uv_handle_t *)&s->again, on_freed);
	if (s->out_used && !uv_is_closing((uv_handle_t *)&s->out))
		uv_close((uv_handle_t *)&s->out, on_out_freed);
	if (s->running && !uv_is_closing((uv_handle_t *)&s->process)) {
		kill(-s->process.pid, SIGTERM);
		uv_unref((uv_handle_t *)&s->process); /* who does not listen must not keep us */
	}
}

const struct source source_command = {
	.name = "command", .open = command_open, .pause = command_pause, .position = command_position, .passing = true, .lag = command_lag,
	.close = command_close,
};
