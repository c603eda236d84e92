/* abusewatch import: the whole pipeline over finished files. Reading, parsing and correlating run in a child process
 * (hostile text, and the second core); judging and storing in this one. */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "analyzer/detector.h"
#include "analyzer/ingest.h"
#include "collector/collector.h"
#include "ctl/common.h"
#include "lib/control.h"
#include "lib/sandbox.h"

#define COMMIT_BYTES (1u << 30)  /* of frames; messages are in segments long before */
#define COMMIT_MS 10000

static void help(FILE *f)
{
	fputs("usage: abusewatch import [-c CONF] FILE...\n"
	      "  -c CONF   the config (abusewatch.conf(5)); its store is created when it is missing\n"
	      "  FILE      a log, also .gz, .xz, .zst; - is standard input. In any order: they are read in order of time.\n"
	      "Gives the same messages and cases as following the files live. What was imported before is left out.\n"
	      "A running analyzer must be stopped first: it is the only writer of the store.\n", f);
}

struct import {
	struct ingest ingest;
	struct ingest_source source;
	struct buf in;
	int fd;
	struct blocks blocks;
	bool show;          /* progress on a terminal */
	int64_t started_ms, committed_ms, shown_ms;
	uint64_t bytes;
};

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t wall_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

static void progress(struct import *im, bool last)
{
	int64_t now = now_ms();
	if (!im->show || (!last && now - im->shown_ms < 500))
		return;
	im->shown_ms = now;
	double s = (double)(now - im->started_ms + 1) / 1000;
	struct judge *j = im->ingest.judge;
	fprintf(stderr, "\r%s  %.1f MB of reports, %.1f s, %.1f MB/s, %zu principals ", times_text(j->site->now_us, 0).s, (double)im->bytes / 1e6, s,
	        (double)im->bytes / 1e6 / s, j->n_principals);
	if (last)
		fputc('\n', stderr);
}

static int send_all(int fd, struct sv s, struct err *e)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(e, "the reading process is gone: %m");
		s = sv_skip(s, (size_t)n);
	}
	return 0;
}

/* The frames of one block; of several when they hold one long frame. */
static int take_block(struct import *im, struct buf *reply, struct err *e)
{
	struct sv bytes;
	bool more;
	size_t used;
	int got = blocks_get(&im->blocks, im->fd, &bytes, &more, e);
	if (got <= 0)
		return got < 0 ? -1 : err_set(e, "the reading process ended too early");
	im->bytes += bytes.n;
	if (more || im->in.n) {
		buf_addsv(&im->in, bytes);
		if (more)
			return 0;
		bytes = buf_sv(&im->in);
	}
	int bad = ingest_bytes(&im->ingest, &im->source, bytes, &used, reply, e);
	if (!bad && used != bytes.n)
		bad = err_set(e, "the reading process sent half a frame");
	buf_clear(&im->in);
	return bad;
}

/* Takes what the reader sends until it says goodbye. */
static int take(struct import *im, struct err *e)
{
	struct buf reply = { 0 };
	int bad = 0;
	while (!bad && !im->source.bye) {
		bad = take_block(im, &reply, e);
		if (!bad && reply.n)
			bad = send_all(im->fd, buf_sv(&reply), e);
		blocks_release(im->fd);
		buf_clear(&reply);
		if (!bad && (im->ingest.pending >= COMMIT_BYTES || now_ms() - im->committed_ms >= COMMIT_MS)) {
			bad = ingest_commit(&im->ingest, e);
			im->committed_ms = now_ms();
		}
		progress(im, false);
	}
	buf_fini(&reply);
	return bad ? bad : ingest_commit(&im->ingest, e);
}

static pid_t start_reader(const struct conf *conf, char **files, size_t n, struct blocks *blocks, int *ret_fd, struct err *e)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(e, "socketpair: %m");
	fflush(NULL);
	pid_t pid = fork();
	if (pid < 0)
		return err_set(e, "fork: %m");
	if (pid == 0) {
		struct err why;
		(void)prctl(PR_SET_NAME, "aw-read");
		close(pair[0]);
		/* It reads what strangers wrote: it may read files, and write none. */
		struct sandbox fence = { .n = 0 };
		sandbox_allow(&fence, "/", false);
		(void)sandbox_enter(&fence);
		int bad = collector_import(conf, files, n, pair[1], blocks, &why);
		if (bad)
			(void)command_fail("%s", why.text);
		_exit(bad ? COMMAND_FAILED : COMMAND_DONE);
	}
	close(pair[1]);
	*ret_fd = pair[0];
	return pid;
}

static int import_into(struct import *im, const struct conf *conf, char **files, size_t n, struct err *e)
{
	int status = 0;
	pid_t pid = blocks_init(&im->blocks, e) < 0 ? -1 : start_reader(conf, files, n, &im->blocks, &im->fd, e);
	if (pid < 0)
		return -1;
	int bad = take(im, e);
	progress(im, true);
	close(im->fd);
	blocks_fini(&im->blocks);
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == COMMAND_FAILED) {
		e->text[0] = 0; /* it has said why */
		return -1;
	}
	return bad;
}

struct totals { int64_t lines, recognised, txns; };

/* Totals of all sources since they were first read. */
static struct totals totals_of(const struct store *s)
{
	struct totals t = { 0 };
	for (size_t i = 0; i < s->n_inputs; i++) {
		struct json_tokener *tok = json_tokener_new();
		struct sv text = buf_sv(&s->input[i]->counters);
		struct json_object *o = text.n ? json_tokener_parse_ex(tok, text.p, (int)text.n) : NULL, *v;
		if (json_object_object_get_ex(o, "lines", &v))
			t.lines += json_object_get_int64(v);
		if (json_object_object_get_ex(o, "recognised", &v))
			t.recognised += json_object_get_int64(v);
		if (json_object_object_get_ex(o, "txns", &v))
			t.txns += json_object_get_int64(v);
		json_object_put(o);
		json_tokener_free(tok);
	}
	return t;
}

/* What was read, for the person who waited; a log without a single line of a mail server is a mistake. */
static int conclude(const struct store *s, const struct totals *before)
{
	struct totals now = totals_of(s);
	int64_t lines = now.lines - before->lines, recognised = now.recognised - before->recognised;
	if (lines > 0 && recognised == 0)
		return command_fail("none of %" PRId64 " lines is one of a mail server that this version knows (abusewatch parse --coverage FILE shows them)", lines);
	fprintf(stderr, "%" PRId64 " lines read, %" PRId64 " of them of mail servers; %" PRId64 " reports of messages\n", lines, recognised, now.txns - before->txns);
	return 0;
}

static bool analyzer_runs(const struct conf *conf)
{
	struct json_object *ask = json_object_new_object();
	json_object_object_add(ask, "do", json_object_new_string("ping"));
	struct json_object *answer = control_ask(conf_control_socket(conf).s, ask, 500, NULL);
	bool runs = answer != NULL;
	json_object_put(answer);
	json_object_put(ask);
	return runs;
}

static int import(const char *conf_path, char **files, size_t n_files)
{
	size_t n;
	struct err e = { "" };
	struct import im = { .show = isatty(STDERR_FILENO), .started_ms = now_ms() };
	const struct opt_table *const *tables = detector_option_tables(&n);
	struct conf *conf = conf_load_or_die(conf_path, tables, n);
	im.committed_ms = im.started_ms;
	im.ingest.wall_us = wall_us;
	signal(SIGPIPE, SIG_IGN);
	/* Large buffers come and go with every segment: keep their pages instead of asking the kernel each time. */
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	if (analyzer_runs(conf)) {
		conf_free(conf);
		return command_fail("an analyzer is running on this store; stop it first, or let a collector follow the files");
	}
	struct enrich *enrich = enrich_new(conf, &e);
	im.ingest.judge = enrich ? judge_new(conf, enrich, &e) : NULL;
	im.ingest.store = im.ingest.judge ? store_open(conf->store, im.ingest.judge, &e) : NULL;
	/* One checkpoint at the end instead of one after every commit. */
	if (im.ingest.store)
		(void)db_exec(&im.ingest.store->db, "PRAGMA wal_autocheckpoint = 0", NULL);
	struct totals before = { 0 };
	if (im.ingest.store) {
		for (size_t i = 0; i < conf->n_source; i++)
			(void)store_input(im.ingest.store, sv_cstr(conf->source[i].name));
		before = totals_of(im.ingest.store);
	}
	int bad = im.ingest.store ? import_into(&im, conf, files, n_files, &e) : -1;
	if (bad && e.text[0])
		(void)command_fail("%s", e.text);
	if (!bad)
		bad = conclude(im.ingest.store, &before);
	store_close(im.ingest.store, im.ingest.judge);
	judge_free(im.ingest.judge);
	enrich_free(enrich);
	ingest_fini(&im.ingest);
	buf_fini(&im.in);
	conf_free(conf);
	return bad ? COMMAND_FAILED : COMMAND_DONE;
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = { { "help", 0, 0, 'h' }, { 0 } };
	extern const struct command command_import;
	const char *conf_path = common_default_conf();
	int c;
	while ((c = getopt_long(argc, argv, "c:", longs, NULL)) != -1)
		switch (c) {
		case 'c': conf_path = optarg; break;
		case 'h': help(stdout); return COMMAND_DONE;
		default: return command_misuse(&command_import, "unknown option");
		}
	if (optind == argc)
		return command_misuse(&command_import, "no file given");
	return import(conf_path, argv + optind, (size_t)(argc - optind));
}

const struct command command_import = { "import", "read finished logs into the store", help, run };
