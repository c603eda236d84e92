/* abusewatch-collector: follows the log files of the config and sends what they say to the analyzer. */
#include <getopt.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "collector/stream.h"
#include "lib/buf.h"
#include "lib/msg.h"
#include "lib/proc.h"
#include "lib/sandbox.h"

#define GLOB_MS 5000 /* new files that a pattern fits are found so often */

struct collector {
	const char *conf_path, *only;
	bool to_stdout, from_stdin;
	struct conf_source piped; /* --stdin: the source with another type */
	struct conf *conf;
	uv_loop_t *loop;
	uv_timer_t timer;
	struct proc proc;
	struct stream **stream;
	size_t n_stream, cap_stream;
	bool stopping;
};

static void usage(FILE *to)
{
	fputs("usage: abusewatch-collector [-d] [-c CONF] [-s SOURCE] [--stdin] [--stdout]\n"
	      "  -c CONF     the config [" SYSCONFDIR "/abusewatch.conf]\n"
	      "  -s SOURCE   only this source (default: all)\n"
	      "  -d          log debugging messages\n"
	      "  --stdin     read standard input as that source (the first one without -s), and end with it\n"
	      "  --stdout    print messages as NDJSON instead of sending them; nothing is remembered\n"
	      "  --help      this text; --version\n", to);
}

static int options(struct collector *c, int argc, char **argv)
{
	static const struct option all[] = { { "stdout", 0, 0, 'o' }, { "stdin", 0, 0, 'i' }, { "help", 0, 0, 'h' }, { "version", 0, 0, 'V' },
		                             { "config", 1, 0, 'c' }, { "source", 1, 0, 's' }, { 0, 0, 0, 0 } };
	c->conf_path = SYSCONFDIR "/abusewatch.conf";
	static char name[] = "abusewatch-collector";
	argv[0] = name; /* getopt begins its sentences with it */
	for (int opt; (opt = getopt_long(argc, argv, "c:s:dh", all, NULL)) != -1;) {
		switch (opt) {
		case 'c': c->conf_path = optarg; break;
		case 's': c->only = optarg; break;
		case 'd': msg_level(MSG_DEBUG); break;
		case 'o': c->to_stdout = true; break;
		case 'i': c->from_stdin = true; break;
		case 'h': usage(stdout); exit(0);
		case 'V': puts("abusewatch-collector " VERSION); exit(0);
		default: usage(stderr); return -1;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "abusewatch-collector: \"%s\" is not expected here; name the config with -c\n", argv[optind]);
		usage(stderr);
		return -1;
	}
	return 0;
}

static bool is_pattern(const char *path)
{
	return strpbrk(path, "*?[") != NULL;
}

/* Files that were rotated away belong to the file whose name they began with. */
static bool is_rotated(const char *path)
{
	const char *dot = strrchr(path, '.'), *dash = strrchr(path, '-');
	if (dot && (!strcmp(dot, ".gz") || !strcmp(dot, ".xz") || !strcmp(dot, ".zst") || !strcmp(dot, ".bz2")))
		return true;
	if (dot && dot[1] && strspn(dot + 1, "0123456789") == strlen(dot + 1))
		return true;
	return dash && strlen(dash + 1) >= 8 && strspn(dash + 1, "0123456789") == strlen(dash + 1);
}

static bool has_stream(const struct collector *c, const char *name)
{
	for (size_t i = 0; i < c->n_stream; i++)
		if (!strcmp(stream_name(c->stream[i]), name))
			return true;
	return false;
}

static void add_stream(struct collector *c, const struct conf_source *s, const char *name, const char *path, bool of_pattern)
{
	struct err e;
	if (has_stream(c, name))
		return;
	struct conf_path sock = conf_ingest_socket(c->conf);
	struct stream_options o = { c->loop, name, path, s, c->to_stdout ? NULL : sock.s, of_pattern };
	struct stream *st = stream_new(&o, &e);
	if (!st) {
		msg_error("%s:%d: %s", c->conf->path, s->line, e.text);
		return;
	}
	msg_info("source %s: following %s", name, path);
	if (c->n_stream == c->cap_stream) {
		c->cap_stream = c->cap_stream ? c->cap_stream * 2 : 8;
		c->stream = xrealloc(c->stream, c->cap_stream * sizeof *c->stream);
	}
	c->stream[c->n_stream++] = st;
}

/* Each file of a pattern is a stream of its own, "source:path": its reports' numbers depend on that file alone. */
static void add_pattern(struct collector *c, const struct conf_source *s)
{
	glob_t g;
	struct buf name = { 0 };
	if (glob(s->path, 0, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc; i++) {
			if (is_rotated(g.gl_pathv[i]))
				continue;
			buf_clear(&name);
			buf_printf(&name, "%s:%s", s->name, g.gl_pathv[i]);
			add_stream(c, s, buf_cstr(&name), g.gl_pathv[i], true);
		}
		globfree(&g);
	}
	buf_fini(&name);
}

static void add_sources(struct collector *c)
{
	for (size_t i = 0; i < c->conf->n_source; i++) {
		const struct conf_source *s = &c->conf->source[i];
		if (c->only && strcmp(c->only, s->name))
			continue;
		if (c->from_stdin) {
			c->piped = *s;
			c->piped.type = (char *)"stdin";
			add_stream(c, &c->piped, s->name, "-", false);
			return;
		}
		bool file = !s->type || !*s->type || !strcmp(s->type, "file"); /* others have no patterns, or know them themselves */
		if (file && is_pattern(s->path))
			add_pattern(c, s);
		else
			add_stream(c, s, s->name, s->path, false);
	}
}

static void drop_gone(struct collector *c)
{
	size_t kept = 0;
	for (size_t i = 0; i < c->n_stream; i++) {
		if (stream_gone(c->stream[i]))
			stream_stop(c->stream[i]);
		else
			c->stream[kept++] = c->stream[i];
	}
	c->n_stream = kept;
}

static void on_timer(uv_timer_t *t)
{
	drop_gone(t->data);
	add_sources(t->data);
}

static void stop_streams(struct collector *c)
{
	for (size_t i = 0; i < c->n_stream; i++)
		stream_stop(c->stream[i]);
	c->n_stream = 0;
}

static bool is_type(const struct conf_source *s, const char *type)
{
	return s->type && !strcmp(s->type, type);
}

/* Those of a pattern's files that lead elsewhere. */
static void allow_links(struct sandbox *f, const char *pattern)
{
	glob_t g;
	if (!is_pattern(pattern) || glob(pattern, 0, NULL, &g) != 0)
		return;
	for (size_t i = 0; i < g.gl_pathc; i++)
		sandbox_allow_folder_of(f, g.gl_pathv[i], false);
	globfree(&g);
}

/* What a source reads. */
static void allow_source(struct sandbox *f, const struct conf_source *s)
{
	if (is_type(s, "journal")) {
		sandbox_allow(f, "/var/log/journal", false);
		sandbox_allow(f, "/run/log/journal", false);
		sandbox_allow(f, "/etc/machine-id", false);
		sandbox_allow(f, s->path, false);
	} else if (is_type(s, "syslog")) {
		sandbox_allow(f, s->cert, false);
		sandbox_allow(f, s->key, false);
		sandbox_allow(f, s->ca, false);
	} else if (is_type(s, "archive")) {
		sandbox_allow(f, s->path, false);
		sandbox_allow_folder_of(f, s->path, false);
	} else if (!is_type(s, "stdin")) {
		sandbox_allow_folder_of(f, s->path, false);
		allow_links(f, s->path);
	}
}

/* A program that reads what strangers wrote gets the logs to read, and nothing to write. */
static void fence(const struct conf *conf)
{
	struct sandbox s = { .n = 0 };
	sandbox_allow_system(&s);
	conf_allow(conf, &s);
	sandbox_allow(&s, conf->state_dir, false);
	for (size_t i = 0; i < conf->n_source; i++) {
		if (is_type(&conf->source[i], "command")) {
			msg_info("source %s is a command, which may need any file: files are not fenced off", conf->source[i].name);
			return;
		}
		allow_source(&s, &conf->source[i]);
	}
	(void)sandbox_enter(&s);
}

static bool folder_denied(const char *path)
{
	char *dir = xsvdup(sv_make(path, strcspn(path, "*?["))), *slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = 0;
	bool denied = sandbox_denies(slash ? dir : ".");
	free(dir);
	return denied;
}

/* Whether it lies beyond the fence. */
static bool denied(const struct conf_source *s)
{
	if (is_type(s, "stdin"))
		return false;
	if (is_type(s, "command"))
		return sandbox_denies("/bin/sh");
	if (is_type(s, "syslog"))
		return sandbox_denies(s->cert) || sandbox_denies(s->key) || sandbox_denies(s->ca);
	if (is_type(s, "journal") && !strcmp(s->path, "system"))
		return sandbox_denies("/var/log/journal") || sandbox_denies("/run/log/journal");
	return sandbox_denies(s->path) || (!is_type(s, "journal") && folder_denied(s->path));
}

static bool inside_fence(const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_source; i++)
		if (denied(&conf->source[i]))
			return false;
	return true;
}

static void on_reload(void *ctx)
{
	struct collector *c = ctx;
	struct conf *fresh = conf_load(c->conf_path, NULL, 0, NULL, NULL);
	if (!fresh) {
		if (!conf_beyond_fence() || !proc_start_again(&c->proc))
			msg_error("the config has mistakes; going on with the old one");
		return;
	}
	if (!inside_fence(fresh)) {
		conf_free(fresh);
		if (!proc_start_again(&c->proc))
			msg_error("a source lies in another folder than before: going on with the old config; start this program again to read it");
		return;
	}
	stop_streams(c);
	conf_free(c->conf);
	c->conf = fresh;
	add_sources(c);
}

static void on_stop(void *ctx)
{
	struct collector *c = ctx;
	if (c->stopping)
		return;
	c->stopping = true;
	uv_close((uv_handle_t *)&c->timer, NULL);
	stop_streams(c);
	proc_fini(&c->proc);
}

int main(int argc, char **argv)
{
	static struct collector c;
	msg_init("abusewatch-collector");
	proc_many_files();
	if (options(&c, argc, argv) < 0)
		return 2;
	c.conf = conf_load_or_die(c.conf_path, NULL, 0);
	conf_log(c.conf);
	c.loop = uv_default_loop();
	proc_init(&c.proc, c.loop, on_reload, on_stop, &c);
	if (c.to_stdout)
		signal(SIGPIPE, SIG_DFL); /* nobody reads any more: end, as a filter does */
	uv_timer_init(c.loop, &c.timer);
	c.timer.data = &c;
	uv_timer_start(&c.timer, on_timer, GLOB_MS, GLOB_MS);
	add_sources(&c);
	if (!c.n_stream && c.only)
		msg_warn("%s: has no source \"%s\", or its pattern fits no file yet", c.conf_path, c.only);
	fence(c.conf);
	proc_ready(&c.proc);
	uv_run(c.loop, UV_RUN_DEFAULT);
	conf_free(c.conf);
	free(c.stream);
	return 0;
}
