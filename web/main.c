/* abusewatch-web: the dashboard. Reads the store, changes nothing; changes are asked of the analyzer. */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "lib/msg.h"
#include "lib/proc.h"
#include "lib/sandbox.h"
#include "lib/times.h"
#include "report/lists.h"
#include "web/http.h"
#include "web/view.h"

static struct {
	struct web web;
	struct http *http;
	const char *conf_path;
	uv_poll_t poll;
	uv_timer_t timer;
	struct proc proc;
} prog;

static const char usage_text[] =
	"usage: abusewatch-web [-d] [-c CONF] [-l FD]\n"
	"Serves the dashboard at the address that CONF names (web { listen = … }).\n"
	"  -c, --config CONF  read this file [" SYSCONFDIR "/abusewatch.conf]\n"
	"  -d, --debug        say more\n"
	"  -l, --listen-fd FD use this open listening socket\n"
	"  -h, --help         this text; --version\n"
	"Stops on TERM, reads CONF again on HUP. See abusewatch-web(8).\n";

static void on_timer(uv_timer_t *t);

static void run_http(void)
{
	unsigned ms;
	http_run(prog.http, &ms);
	uv_timer_start(&prog.timer, on_timer, ms, 0);
}

static void on_timer(uv_timer_t *t)
{
	(void)t;
	run_http();
}

static void on_readable(uv_poll_t *p, int status, int events)
{
	(void)p;
	(void)status;
	(void)events;
	run_http();
}

static void on_stop(void *ctx)
{
	(void)ctx;
	msg_info("stopping");
	uv_stop(uv_default_loop());
}

/* A new config takes effect at once, except for the listening address, which takes a restart. */
static void on_reload(void *ctx)
{
	(void)ctx;
	struct conf *fresh = conf_load(prog.conf_path, NULL, 0, NULL, NULL);
	if (!fresh && conf_beyond_fence() && proc_start_again(&prog.proc))
		return;
	if (!fresh) {
		msg_error("the configuration has mistakes; going on with the old one");
		return;
	}
	if (strcmp(fresh->web.listen, prog.web.conf->web.listen) != 0)
		msg_warn("the listening address changed to %s; restart abusewatch-web for it", fresh->web.listen);
	sessions_idle(prog.web.sessions, fresh->web.session_s);
	if (prog.web.db_open) {
		archive_free(prog.web.archive);
		prog.web.archive = NULL;
		db_close(&prog.web.db);
		prog.web.db_open = false;
	}
	lists_reload(fresh);
	conf_free(prog.web.conf);
	prog.web.conf = fresh;
	msg_info("configuration read again");
}

static socklen_t address_of(const char *listen_at, struct sockaddr_storage *ret)
{
	const char *colon = strrchr(listen_at, ':');
	struct ipaddr a;
	unsigned port = colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
	if (!colon || ipaddr_parse(sv_make(listen_at, (size_t)(colon - listen_at)), &a) < 0)
		fatal("%s: web listen \"%s\" is not address:port", prog.conf_path, listen_at);
	memset(ret, 0, sizeof *ret);
	if (ipaddr_is_v4(&a)) {
		struct sockaddr_in *in = (struct sockaddr_in *)ret;
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		memcpy(&in->sin_addr, a.b + 12, 4);
		return sizeof *in;
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)port);
	memcpy(&in6->sin6_addr, a.b, 16);
	return sizeof *in6;
}

static int open_listener(const char *listen_at)
{
	struct sockaddr_storage ss;
	int on = 1;
	socklen_t n = address_of(listen_at, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		fatal("socket: %s", strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&ss, n) != 0)
		fatal("cannot listen at %s: %s; change web { listen = … } in %s or stop what uses the port", listen_at, strerror(errno), prog.conf_path);
	if (listen(fd, 128) != 0)
		fatal("listen: %s", strerror(errno));
	return fd;
}

static void start_loop(uv_loop_t *loop)
{
	uv_timer_init(loop, &prog.timer);
	uv_poll_init(loop, &prog.poll, http_fd(prog.http));
	uv_poll_start(&prog.poll, UV_READABLE, on_readable);
	proc_init(&prog.proc, loop, on_reload, on_stop, NULL);
	proc_ready(&prog.proc);
	run_http();
	uv_run(loop, UV_RUN_DEFAULT);
	proc_fini(&prog.proc);
}

/* The store (readers of a WAL write its index), users and log-in tokens; config and inventory to read; nothing else. */
static void fence(const struct conf *conf)
{
	struct sandbox s = { .n = 0 };
	sandbox_allow_system(&s);
	sandbox_allow_folder_of(&s, conf->store, true);
	sandbox_allow(&s, conf->state_dir, true);
	sandbox_allow_folder_of(&s, conf->web.users_file, true);
	conf_allow(conf, &s);
	sandbox_allow_folder_of(&s, conf->rbl.zones, false);
	(void)sandbox_enter(&s);
}

static void serve(int fd)
{
	struct err e;
	struct web *w = &prog.web;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	w->started_us = (int64_t)now.tv_sec * US_PER_S;
	w->sessions = sessions_new(w->conf->web.session_s);
	asset_version(w->version);
	view_check();
	prog.http = http_new(w, fd, &e);
	if (!prog.http)
		fatal("%s", e.text);
	msg_info("the dashboard is at %s (listening at %s)", w->conf->web.base_url, w->conf->web.listen);
	lists_reload(w->conf);
	fence(w->conf);
	start_loop(uv_default_loop());
	http_free(prog.http);
	archive_free(w->archive);
	if (w->db_open)
		db_close(&w->db);
	sessions_free(w->sessions);
	conf_free(w->conf);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' }, { "debug", no_argument, NULL, 'd' }, { "listen-fd", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' }, { NULL, 0, NULL, 0 },
	};
	int o, fd = -1;
	prog.conf_path = SYSCONFDIR "/abusewatch.conf";
	msg_init("abusewatch-web");
	argv[0] = (char[]){ "abusewatch-web" }; /* getopt begins its sentences with it */
	while ((o = getopt_long(argc, argv, "c:dl:h", longs, NULL)) != -1) {
		if (o == 'c')
			prog.conf_path = optarg;
		else if (o == 'd')
			msg_level(MSG_DEBUG);
		else if (o == 'l')
			fd = (int)strtol(optarg, NULL, 10);
		else if (o == 'V')
			return puts("abusewatch-web " VERSION) < 0;
		else {
			fputs(usage_text, o == 'h' ? stdout : stderr);
			return o == 'h' ? 0 : 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "abusewatch-web: \"%s\" is not expected here; name the config with -c\n", argv[optind]);
		fputs(usage_text, stderr);
		return 2;
	}
	tzset();
	prog.web.conf = conf_load_or_die(prog.conf_path, NULL, 0);
	conf_log(prog.web.conf);
	serve(fd >= 0 ? fd : open_listener(prog.web.conf->web.listen));
	return 0;
}
