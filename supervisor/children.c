#include "supervisor/children.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/buf.h"
#include "lib/msg.h"
#include "lib/privileges.h"
#include "lib/proc.h"

#define CHILDREN_MAX 16

struct child {
	struct children *all;
	const struct child_spec *spec;
	uv_process_t process;
	uv_pipe_t pipe;
	uv_timer_t timer;      /* back-off, or the limit for ending */
	bool alive, ready, asked, unwanted, gone; /* gone: nothing of the process is left */
	unsigned delay_ms, missed;
	uint64_t started_ms;
	char in[512];
	size_t n_in;
};

struct children {
	uv_loop_t *loop;
	const char *bin_dir, *conf_path;
	bool debug, stopping;
	uv_timer_t ping;
	struct child child[CHILDREN_MAX];
	size_t n;
	void (*done)(void *);
	void *ctx;
};

static void start(struct child *c);
static void ask_to_end(struct child *c);
static void stop_next(struct children *all);

/* --- messages ----------------------------------------------------------------------------------------------------- */

static void tell(struct child *c, enum proc_type type)
{
	char frame[16];
	uv_buf_t b = uv_buf_init(frame, (unsigned)proc_frame(type, SV(""), frame, sizeof frame));
	if (c->alive)
		(void)uv_try_write((uv_stream_t *)&c->pipe, &b, 1);
}

static void on_message(struct child *c, enum proc_type type, struct sv payload)
{
	c->missed = 0;
	if (type == PROC_READY) {
		c->ready = true;
		msg_info("%s is ready (pid %d)", c->spec->program, c->process.pid);
	} else if (type == PROC_STATUS) {
		msg_info("%s: %.*s", c->spec->program, SVARG(payload));
	}
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
	struct child *c = h->data;
	(void)hint;
	*buf = uv_buf_init(c->in + c->n_in, (unsigned)(sizeof c->in - c->n_in));
}

static void on_read(uv_stream_t *st, ssize_t n, const uv_buf_t *buf)
{
	struct child *c = st->data;
	(void)buf;
	if (n < 0) {
		uv_read_stop(st);
		return;
	}
	c->n_in += (size_t)n;
	while (c->n_in >= 5) {
		uint32_t len;
		memcpy(&len, c->in, 4);
		if (len > sizeof c->in - 5) { /* no frame of ours */
			c->n_in = 0;
			return;
		}
		if (c->n_in < len + 5)
			return;
		on_message(c, (enum proc_type)c->in[4], sv_make(c->in + 5, len));
		c->n_in -= len + 5;
		memmove(c->in, c->in + len + 5, c->n_in);
	}
}

/* --- birth and death ---------------------------------------------------------------------------------------------- */

static void on_restart(uv_timer_t *t)
{
	start(t->data);
}

static void restart_later(struct child *c)
{
	uint64_t ran_ms = uv_now(c->all->loop) - c->started_ms;
	if (ran_ms >= CHILD_STEADY_MS || c->delay_ms == 0)
		c->delay_ms = CHILD_RESTART_FIRST_MS;
	else if (c->delay_ms < CHILD_RESTART_MOST_MS)
		c->delay_ms = c->delay_ms * 2 < CHILD_RESTART_MOST_MS ? c->delay_ms * 2 : CHILD_RESTART_MOST_MS;
	msg_warn("%s is started again in %.1f s", c->spec->program, c->delay_ms / 1000.0);
	uv_timer_start(&c->timer, on_restart, c->delay_ms, 0);
}

static void on_gone(uv_handle_t *h)
{
	struct child *c = h->data;
	c->gone = true;
	if (c->all->stopping)
		stop_next(c->all);
	else if (!c->unwanted)
		restart_later(c);
}

static void on_exit_status(uv_process_t *p, int64_t status, int signal_number)
{
	struct child *c = p->data;
	bool before_ready = c->asked && !c->ready && signal_number == SIGTERM; /* nobody listened to our signal yet */
	c->alive = c->ready = false;
	if (before_ready)
		msg_info("%s (pid %d) was ended while it started", c->spec->program, p->pid);
	else if (signal_number)
		msg_error("%s (pid %d) was ended by signal %d", c->spec->program, p->pid, signal_number);
	else if (status || !(c->all->stopping || c->unwanted))
		msg_warn("%s (pid %d) ended with status %d", c->spec->program, p->pid, (int)status);
	uv_timer_stop(&c->timer);
	uv_close((uv_handle_t *)&c->pipe, NULL);
	uv_close((uv_handle_t *)p, on_gone);
}

/* Environment of a child: ours and the mark that there is a supervisor. */
static char **child_environment(void)
{
	size_t n = 0;
	extern char **environ;
	static char mark[] = PROC_ENV "=1";
	while (environ[n])
		n++;
	char **env = xcalloc(n + 2, sizeof(char *));
	memcpy(env, environ, n * sizeof(char *));
	env[n] = mark;
	return env;
}

static int spawn(struct child *c)
{
	struct buf path = { 0 };
	buf_printf(&path, "%s/%s", c->all->bin_dir, c->spec->program);
	char *args[] = { (char *)(uintptr_t)c->spec->program, "-c", (char *)(uintptr_t)c->all->conf_path, c->all->debug ? "-d" : NULL, NULL };
	uv_stdio_container_t io[4] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD, .data.fd = 1 },
		{ .flags = UV_INHERIT_FD, .data.fd = 2 },
		{ .flags = (uv_stdio_flags)(UV_CREATE_PIPE | UV_READABLE_PIPE | UV_WRITABLE_PIPE), .data.stream = (uv_stream_t *)&c->pipe },
	};
	char **env = child_environment();
	uv_process_options_t o = { .file = buf_cstr(&path), .args = args, .env = env, .stdio = io, .stdio_count = 4, .exit_cb = on_exit_status };
	if (c->spec->raw_packets)
		privileges_lend_raw(true);
	int bad = uv_spawn(c->all->loop, &c->process, &o);
	if (c->spec->raw_packets)
		privileges_lend_raw(false);
	if (bad)
		msg_error("%s: cannot start it: %s", buf_cstr(&path), uv_strerror(bad));
	free(env);
	buf_fini(&path);
	return bad;
}

static void start(struct child *c)
{
	uv_pipe_init(c->all->loop, &c->pipe, 0);
	c->pipe.data = c->process.data = c;
	c->n_in = c->missed = 0;
	c->asked = c->gone = false;
	c->started_ms = uv_now(c->all->loop);
	if (spawn(c) != 0) {
		uv_close((uv_handle_t *)&c->pipe, NULL);
		uv_close((uv_handle_t *)&c->process, on_gone);
		return;
	}
	c->alive = true;
	uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
}

static void on_ping(uv_timer_t *t)
{
	struct children *all = t->data;
	for (size_t i = 0; i < all->n; i++) {
		struct child *c = &all->child[i];
		if (!c->alive || !c->ready)
			continue;
		if (c->missed++ >= CHILD_PINGS_MISSED) {
			msg_error("%s (pid %d) does not answer; it is killed", c->spec->program, c->process.pid);
			uv_process_kill(&c->process, SIGKILL);
		}
		tell(c, PROC_PING);
	}
}

struct children *children_new(uv_loop_t *loop, const char *bin_dir, const char *conf_path, bool debug)
{
	struct children *all = xcalloc(1, sizeof *all);
	*all = (struct children){ .loop = loop, .bin_dir = bin_dir, .conf_path = conf_path, .debug = debug };
	uv_timer_init(loop, &all->ping);
	all->ping.data = all;
	uv_timer_start(&all->ping, on_ping, CHILD_PING_MS, CHILD_PING_MS);
	return all;
}

void children_add(struct children *all, const struct child_spec *spec)
{
	if (all->n == CHILDREN_MAX)
		panic("more than %d children", CHILDREN_MAX);
	struct child *c = &all->child[all->n++];
	c->all = all;
	c->spec = spec;
	uv_timer_init(all->loop, &c->timer);
	c->timer.data = c;
	start(c);
}

void children_want(struct children *all, const struct child_spec *spec, bool wanted)
{
	struct child *c = all->child, *end = all->child + all->n;
	if (all->stopping)
		return;
	while (c < end && c->spec != spec)
		c++;
	if (c == end) {
		if (wanted)
			children_add(all, spec);
		return;
	}
	if (c->unwanted == !wanted)
		return;
	c->unwanted = !wanted;
	if (wanted && c->gone) {
		c->delay_ms = 0;
		start(c);
	} else if (!wanted && c->alive) {
		ask_to_end(c);
	} else if (!wanted) {
		uv_timer_stop(&c->timer); /* of its back-off */
	}
}

void children_reload(struct children *all)
{
	for (size_t i = 0; i < all->n; i++)
		if (!all->child[i].unwanted)
			tell(&all->child[i], PROC_RELOAD);
}

/* --- ending ------------------------------------------------------------------------------------------------------- */

static void on_stop_limit(uv_timer_t *t)
{
	struct child *c = t->data;
	msg_error("%s does not end; it is killed", c->spec->program);
	uv_process_kill(&c->process, SIGKILL);
}

static void ask_to_end(struct child *c)
{
	if (c->asked)
		return;
	c->asked = true;
	tell(c, PROC_STOP);
	/* Before it is ready it does not listen to us yet. */
	uv_process_kill(&c->process, SIGTERM);
	uv_timer_start(&c->timer, on_stop_limit, CHILD_STOP_MS, 0);
}

static void stop_next(struct children *all)
{
	unsigned order = UINT32_MAX;
	for (size_t i = 0; i < all->n; i++)
		if (all->child[i].alive && all->child[i].spec->stop_order < order)
			order = all->child[i].spec->stop_order;
	if (order == UINT32_MAX) {
		void (*done)(void *) = all->done;
		all->done = NULL;
		if (done)
			done(all->ctx);
		return;
	}
	for (size_t i = 0; i < all->n; i++)
		if (all->child[i].alive && all->child[i].spec->stop_order == order)
			ask_to_end(&all->child[i]);
}

void children_stop(struct children *all, void (*done)(void *), void *ctx)
{
	if (all->stopping)
		return;
	all->stopping = true;
	all->done = done;
	all->ctx = ctx;
	for (size_t i = 0; i < all->n; i++)
		if (!all->child[i].alive) /* of others it is the limit for ending */
			uv_timer_stop(&all->child[i].timer);
	stop_next(all);
}

void children_free(struct children *all)
{
	free(all);
}
