#include "lib/proc.h"

#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/msg.h"

static void usage(FILE *to, const char *name, const char *does)
{
	fprintf(to, "usage: %s [-d] [-c CONF]\n"
	            "  -c CONF   the config [" SYSCONFDIR "/abusewatch.conf]\n"
	            "  -d        log debugging messages\n"
	            "  --help    this text; --version\n%s", name, does);
}

const char *proc_options(const char *name, const char *does, int argc, char **argv)
{
	static const struct option longs[] = { { "help", 0, 0, 'h' }, { "version", 0, 0, 'V' }, { 0 } };
	const char *conf = SYSCONFDIR "/abusewatch.conf";
	argv[0] = (char *)(uintptr_t)name; /* getopt begins its sentences with it */
	for (int opt; (opt = getopt_long(argc, argv, "c:dhV", longs, NULL)) != -1;)
		switch (opt) {
		case 'c': conf = optarg; break;
		case 'd': msg_level(MSG_DEBUG); break;
		case 'h': usage(stdout, name, does); exit(0);
		case 'V': printf("%s " VERSION "\n", name); exit(0);
		default: usage(stderr, name, does); exit(2);
		}
	if (optind < argc) {
		fprintf(stderr, "%s: \"%s\" is not expected here; name the config with -c\n", name, argv[optind]);
		usage(stderr, name, does);
		exit(2);
	}
	return conf;
}

size_t proc_frame(enum proc_type type, struct sv payload, char *out, size_t cap)
{
	if (payload.n + 5 > cap)
		payload.n = cap - 5;
	uint32_t n = (uint32_t)payload.n;
	memcpy(out, &n, 4);
	out[4] = (char)type;
	if (payload.n)
		memcpy(out + 5, payload.p, payload.n);
	return payload.n + 5;
}

static void tell(struct proc *p, enum proc_type type)
{
	char frame[16];
	size_t n = proc_frame(type, SV(""), frame, sizeof frame);
	uv_buf_t b = uv_buf_init(frame, (unsigned)n);
	if (p->supervised)
		(void)uv_try_write((uv_stream_t *)&p->pipe, &b, 1);
}

static void stop(struct proc *p)
{
	void (*on_stop)(void *) = p->on_stop;
	p->on_stop = NULL;
	if (on_stop)
		on_stop(p->ctx);
}

static void on_signal(uv_signal_t *s, int number)
{
	struct proc *p = s->data;
	if (number != SIGHUP)
		stop(p);
	else if (p->on_reload)
		p->on_reload(p->ctx);
}

static void on_message(struct proc *p, enum proc_type type)
{
	if (type == PROC_PING)
		tell(p, PROC_PONG);
	else if (type == PROC_RELOAD && p->on_reload)
		p->on_reload(p->ctx);
	else if (type == PROC_STOP)
		stop(p);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
	struct proc *p = h->data;
	(void)hint;
	*buf = uv_buf_init(p->in + p->n_in, (unsigned)(sizeof p->in - p->n_in));
}

static void on_read(uv_stream_t *st, ssize_t n, const uv_buf_t *buf)
{
	struct proc *p = st->data;
	(void)buf;
	if (n < 0) { /* the supervisor is gone: so are we */
		uv_read_stop(st);
		stop(p);
		return;
	}
	p->n_in += (size_t)n;
	while (p->n_in >= 5) {
		uint32_t len;
		memcpy(&len, p->in, 4);
		if (len + 5 > sizeof p->in) {
			p->n_in = 0;
			stop(p);
			return;
		}
		if (p->n_in < len + 5)
			return;
		enum proc_type type = (enum proc_type)p->in[4];
		p->n_in -= len + 5;
		memmove(p->in, p->in + len + 5, p->n_in);
		on_message(p, type);
	}
}

static void watch(struct proc *p, uv_signal_t *s, int number)
{
	uv_signal_init(p->loop, s);
	s->data = p;
	uv_signal_start(s, on_signal, number);
}

void proc_many_files(void)
{
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur == l.rlim_max)
		return;
	l.rlim_cur = l.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &l) < 0)
		msg_debug("the limit of open files stays as it is: %m");
}

void proc_init(struct proc *p, uv_loop_t *loop, void (*on_reload)(void *), void (*on_stop)(void *), void *ctx)
{
	*p = (struct proc){ .loop = loop, .on_reload = on_reload, .on_stop = on_stop, .ctx = ctx };
	signal(SIGPIPE, SIG_IGN);
	watch(p, &p->term, SIGTERM);
	watch(p, &p->interrupt, SIGINT);
	watch(p, &p->hup, SIGHUP);
	if (!getenv(PROC_ENV))
		return;
	uv_pipe_init(loop, &p->pipe, 0);
	p->pipe.data = p;
	if (uv_pipe_open(&p->pipe, PROC_FD) != 0)
		return;
	p->supervised = true;
	uv_read_start((uv_stream_t *)&p->pipe, on_alloc, on_read);
}

void proc_ready(struct proc *p)
{
	tell(p, PROC_READY);
}

bool proc_start_again(struct proc *p)
{
	if (!p->supervised)
		return false;
	msg_info("the config names files in other folders than before: ending, to be started again with the rights to read them");
	stop(p);
	return true;
}

void proc_fini(struct proc *p)
{
	sigset_t ending;
	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGHUP);
	/* The supervisor asks by its pipe and by a signal: the second must not kill who ends because of the first. */
	pthread_sigmask(SIG_BLOCK, &ending, NULL);
	uv_close((uv_handle_t *)&p->term, NULL);
	uv_close((uv_handle_t *)&p->interrupt, NULL);
	uv_close((uv_handle_t *)&p->hup, NULL);
	if (p->supervised)
		uv_close((uv_handle_t *)&p->pipe, NULL);
}
