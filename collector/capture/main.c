/* abusewatch-capture: follows SMTP in the packets of the config's interfaces and sends finished sessions to the analyzer. It opens the interfaces as root,
 * or with CAP_NET_RAW, and then gives up everything: user, capabilities, files, and system calls that it does not need. */
#include <stdlib.h>
#include <time.h>

#include "collector/capture/live.h"
#include "collector/capture/tap.h"
#include "lib/buf.h"
#include "lib/msg.h"
#include "lib/privileges.h"
#include "lib/proc.h"
#include "lib/sandbox.h"

#define LOOK_MS 2000 /* for interfaces that are not there */

struct program {
	const char *conf_path;
	struct conf *conf;
	struct proc proc;
	struct tap **tap;
	size_t n;
	const struct conf_capture **missing; /* could not be opened, as they are not there or down */
	size_t n_missing;
	uv_timer_t look;
	bool stopping;
};

static void cannot_open(struct program *p, const struct conf_capture *c, const char *why)
{
	bool missing = !live_is_up(c->interface);
	msg_error("%s:%d: capture \"%s\": %s%s", p->conf->path, c->line, c->name, why, missing ? "; it is followed when it is there and up" : "");
	if (missing)
		p->missing[p->n_missing++] = c;
}

static void open_all(struct program *p)
{
	p->tap = xcalloc(p->conf->n_capture + 1, sizeof *p->tap);
	p->missing = xcalloc(p->conf->n_capture + 1, sizeof *p->missing);
	for (size_t i = 0; i < p->conf->n_capture; i++) {
		const struct conf_capture *c = &p->conf->capture[i];
		struct err e;
		struct tap *t = tap_new(c, &e);
		if (t)
			p->tap[p->n++] = t;
		else
			cannot_open(p, c, e.text);
	}
	if (!p->n && !p->n_missing)
		fatal("%s: no interface can be followed", p->conf->path);
}

static void fence(const struct program *p)
{
	struct err e;
	struct sandbox nothing = { .n = 0 };
	tzset(); /* while its file can be read */
	if (privileges_drop(p->conf->user, &e) < 0)
		fatal("%s", e.text);
	(void)sandbox_enter(&nothing);
	(void)privileges_few_calls();
}

static void on_stop(void *ctx)
{
	struct program *p = ctx;
	if (p->stopping)
		return;
	p->stopping = true;
	for (size_t i = 0; i < p->n; i++)
		tap_stop(p->tap[i]);
	uv_close((uv_handle_t *)&p->look, NULL);
	proc_fini(&p->proc);
}

/* Its files cannot be read any more: the supervisor starts another one. What was seen so far is reported before. */
static void on_reload(void *ctx)
{
	msg_info("ending, to be started again with the new config");
	on_stop(ctx);
}

/* Opening one takes rights that we gave up: who is started anew has them again. */
static void on_look(uv_timer_t *t)
{
	struct program *p = t->data;
	const struct conf_capture *back = NULL;
	for (size_t i = 0; i < p->n_missing && !back; i++)
		back = live_is_up(p->missing[i]->interface) ? p->missing[i] : NULL;
	for (size_t i = 0; i < p->n && !back; i++)
		back = tap_is_lost(p->tap[i]) && live_is_up(tap_conf(p->tap[i])->interface) ? tap_conf(p->tap[i]) : NULL;
	if (!back)
		return;
	msg_info("capture %s: %s is there and up: ending, to be started again with it", back->name, back->interface);
	on_stop(p);
}

int main(int argc, char **argv)
{
	static struct program p;
	msg_init("abusewatch-capture");
	p.conf_path = proc_options("abusewatch-capture", "Listens where the config's sections capture \"NAME\" say. Runs in the foreground; SIGHUP reloads, SIGTERM ends.\n"
	                           "To look at a file or an interface by hand: abusewatch capture\n", argc, argv);
	p.conf = conf_load_or_die(p.conf_path, NULL, 0);
	conf_log(p.conf);
	if (!p.conf->n_capture)
		fatal("%s: has no section capture \"NAME\" { interface = \"…\" }", p.conf->path);
	struct conf_path socket = conf_ingest_socket(p.conf);
	uv_loop_t *loop = uv_default_loop();
	open_all(&p);
	fence(&p);
	proc_init(&p.proc, loop, on_reload, on_stop, &p);
	uv_timer_init(loop, &p.look);
	p.look.data = &p;
	uv_timer_start(&p.look, on_look, LOOK_MS, LOOK_MS);
	for (size_t i = 0; i < p.n; i++)
		tap_start(p.tap[i], loop, socket.s);
	proc_ready(&p.proc);
	uv_run(loop, UV_RUN_DEFAULT);
	free(p.tap);
	free(p.missing);
	conf_free(p.conf);
	return 0;
}
