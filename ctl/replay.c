#include "ctl/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <json-c/json.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "analyzer/ingest.h"
#include "analyzer/resting.h"
#include "collector/capture/feed.h"
#include "collector/collector.h"
#include "ctl/command.h"
#include "ctl/listings.h"
#include "lib/msg.h"
#include "lib/sandbox.h"
#include "lib/times.h"

#define COMMIT_BYTES (1u << 30)  /* of frames; messages are in segments long before */
#define COMMIT_MS 10000
#define UNSETTLED_BYTES (64u << 20) /* of frames without a snapshot: none can be made */

struct run {
	struct ingest ingest;
	struct ingest_source source;
	struct buf in;
	int fd;
	bool captures;    /* what is read is one */
	bool reader_gone; /* it is what ended first */
	struct blocks blocks;
	bool show;          /* progress on a terminal */
	bool pass_over, partial; /* as in struct replay */
	int64_t started_ms, committed_ms, shown_ms;
	uint64_t bytes, settled_bytes; /* of frames; those up to the last snapshot */
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

static void progress(struct run *im, bool last)
{
	int64_t now = now_ms();
	if (!im->show || (!last && now - im->shown_ms < 500))
		return;
	im->shown_ms = now;
	double s = (double)(now - im->started_ms + 1) / 1000;
	struct judge *j = im->ingest.judge;
	fprintf(stderr, "\r%s  %.1f MB of reports, %.1f s, %.1f MB/s, %zu principals ", times_text(j->site->now_us, 0).s, (double)im->bytes / 1e6, s,
	        (double)im->bytes / 1e6 / s, j->n_principals + resting_count(j->resting));
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
static int take_block(struct run *im, struct buf *reply, struct err *e)
{
	struct sv bytes;
	bool more;
	size_t used;
	int got = blocks_get(&im->blocks, im->fd, &bytes, &more, e);
	im->reader_gone = got <= 0;
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

/* A commit after a snapshot alone: what came behind that would be read and reported again by the next import, which may have other files and count otherwise, and what is new then
 * would be taken for what is known. A capture is always the same. */
static bool may_commit(struct run *im)
{
	if (im->source.settled)
		im->settled_bytes = im->bytes;
	return im->source.settled || im->captures || im->bytes - im->settled_bytes > UNSETTLED_BYTES;
}

static bool commit_is_due(const struct run *im)
{
	return im->ingest.pending >= COMMIT_BYTES || judge_crowded(im->ingest.judge) || (!im->ingest.judge_only && archive_crowded(im->ingest.store->archive)) ||
	       now_ms() - im->committed_ms >= COMMIT_MS;
}

/* Takes what the reader sends until it says goodbye. */
static int take(struct run *im, struct err *e)
{
	struct buf reply = { 0 };
	int bad = 0;
	while (!bad && !im->source.bye) {
		bad = take_block(im, &reply, e);
		if (!bad && reply.n)
			im->reader_gone = (bad = send_all(im->fd, buf_sv(&reply), e)) != 0;
		blocks_release(im->fd);
		buf_clear(&reply);
		if (!bad && may_commit(im) && commit_is_due(im)) {
			bad = ingest_commit(&im->ingest, e);
			judge_rest(im->ingest.judge);
			im->committed_ms = now_ms();
		} else if (!bad) {
			bad = store_write_ahead(im->ingest.store, im->ingest.judge, e);
		}
		progress(im, false);
	}
	buf_fini(&reply);
	return bad ? bad : ingest_commit(&im->ingest, e);
}

/* captures: the one file is a capture. */
static pid_t start_reader(const struct conf *conf, bool captures, char **files, size_t n, struct blocks *blocks, int *ret_fd, struct err *e)
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
		int bad = captures ? capture_import(conf, files[0], pair[1], blocks, &why) : collector_import(conf, files, n, pair[1], blocks, &why);
		if (bad)
			(void)command_fail("%s", why.text);
		_exit(bad ? COMMAND_FAILED : COMMAND_DONE);
	}
	close(pair[1]);
	*ret_fd = pair[0];
	return pid;
}

static int run_reader(struct run *im, const struct conf *conf, bool captures, char **files, size_t n, struct err *e)
{
	int status = 0;
	im->source = (struct ingest_source){ 0 };
	im->captures = captures;
	im->settled_bytes = im->bytes;
	buf_clear(&im->in);
	pid_t pid = blocks_init(&im->blocks, e) < 0 ? -1 : start_reader(conf, captures, files, n, &im->blocks, &im->fd, e);
	if (pid < 0)
		return -1;
	int bad = take(im, e);
	progress(im, true);
	if (bad && !im->reader_gone)
		(void)kill(pid, SIGKILL); /* it would say that we are gone, and the reason is ours */
	close(im->fd);
	blocks_fini(&im->blocks);
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == COMMAND_FAILED) {
		im->partial = true;
		if (bad)
			e->text[0] = 0; /* it has said why */
	}
	return bad;
}

/* Which of the files are logs and which captures. -1 and e when one cannot be read and none is to be passed over. */
static int sort_files(struct run *im, char **files, size_t n, char **logs, size_t *n_logs, char **captures, size_t *n_captures, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int kind = capture_is_file(files[i], e);
		if (kind < 0 && !im->pass_over)
			return -1;
		if (kind > 0)
			captures[(*n_captures)++] = files[i];
		else if (kind == 0)
			logs[(*n_logs)++] = files[i];
		else
			(void)command_fail("%s%s", e->text, n > 1 ? " (it is passed over)" : "");
		im->partial = im->partial || kind < 0;
	}
	return 0;
}

/* The logs together, in the order of their times; then each capture. What broke off is no reason to leave out the others. */
static int run_into(struct run *im, const struct conf *conf, char **files, size_t n, struct err *e)
{
	char **logs = xcalloc(n + 1, sizeof(char *)), **captures = xcalloc(n + 1, sizeof(char *));
	size_t n_logs = 0, n_captures = 0;
	int bad = sort_files(im, files, n, logs, &n_logs, captures, &n_captures, e);
	if (!bad && n_logs)
		bad = run_reader(im, conf, false, logs, n_logs, e);
	for (size_t i = 0; i < n_captures && !bad; i++)
		bad = run_reader(im, conf, true, &captures[i], 1, e);
	free(logs);
	free(captures);
	return bad;
}

struct totals { int64_t lines, recognised, skipped, txns, sessions, open; };

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
		if (json_object_object_get_ex(o, "bad_stamps", &v))
			t.skipped += json_object_get_int64(v);
		if (json_object_object_get_ex(o, "txns", &v))
			t.txns += json_object_get_int64(v);
		if (json_object_object_get_ex(o, "open_messages", &v))
			t.open += json_object_get_int64(v);
		if (json_object_object_get_ex(o, "sessions", &v))
			t.sessions += json_object_get_int64(v);
		json_object_put(o);
		json_tokener_free(tok);
	}
	return t;
}

static void listings_before(struct ingest *in, int64_t at_us)
{
	listings_until(in->before_ctx, in, at_us);
}

/* The logs, with what block lists said in between. */
static int run_with_listings(struct run *im, const struct conf *conf, char **files, size_t n, const char *path, struct err *e)
{
	struct listings *l = path ? listings_load(path, e) : NULL;
	if (path && !l)
		return -1;
	im->ingest.before = l ? listings_before : NULL;
	im->ingest.before_ctx = l;
	int bad = n ? run_into(im, conf, files, n, e) : 0;
	if (l && !bad) {
		listings_until(l, &im->ingest, INT64_MAX);
		bad = ingest_commit(&im->ingest, e);
	}
	listings_free(l);
	return bad;
}

static struct totals begin(struct run *im, const struct conf *conf)
{
	struct store *s = im->ingest.store;
	/* One checkpoint at the end instead of one after every commit. */
	(void)db_exec(&s->db, "PRAGMA wal_autocheckpoint = 0", NULL);
	for (size_t i = 0; i < conf->n_source; i++)
		(void)store_input(s, sv_cstr(conf->source[i].name));
	return totals_of(s);
}

int replay_files(struct replay *r, const struct conf *conf, char **files, size_t n, struct err *e)
{
	struct run im = { .show = r->show, .pass_over = r->pass_over, .started_ms = now_ms() };
	struct totals before = { 0 }, after = { 0 };
	im.committed_ms = im.started_ms;
	im.ingest.wall_us = wall_us;
	im.ingest.judge_only = r->judge_only;
	signal(SIGPIPE, SIG_IGN);
	/* Large buffers come and go with every segment: keep their pages instead of asking the kernel each time. */
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	struct enrich *enrich = enrich_new(conf, e);
	struct judge *j = im.ingest.judge = enrich ? judge_new(conf, enrich, e) : NULL;
	im.ingest.store = j ? store_open_bulk(conf->store, j, e) : NULL;
	int bad = im.ingest.store ? 0 : -1;
	if (!bad) {
		before = begin(&im, conf);
		bad = run_with_listings(&im, conf, files, n, r->listings, e);
		int made = !bad;
		while (made > 0)
			made = store_filter(im.ingest.store, e);
		if (made < 0)
			msg_warn("%s; searching takes longer until a filter is made", e->text); /* what was read is stored */
		after = totals_of(im.ingest.store);
		r->first_us = j->site->first_us;
		r->evicted = j->evicted;
		r->last_us = j->site->now_us;
	}
	r->lines = after.lines - before.lines;
	r->recognised = after.recognised - before.recognised;
	r->skipped = after.skipped - before.skipped;
	r->txns = after.txns - before.txns;
	r->sessions = after.sessions - before.sessions;
	r->open = after.open;
	r->partial = im.partial;
	store_close(im.ingest.store, j);
	judge_free(j);
	enrich_free(enrich);
	ingest_fini(&im.ingest);
	buf_fini(&im.in);
	return bad;
}

int replay_said_nothing(const struct replay *r, const struct conf *conf)
{
	if (r->lines <= 0 || r->recognised)
		return COMMAND_DONE;
	if (r->skipped >= r->lines)
		return command_fail("none of %" PRId64 " lines starts with a time that is known (abusewatch parse --coverage FILE says what the first one is)", r->lines);
	for (size_t i = 0; i < conf->n_source; i++) {
		const char *mta = conf->source[i].mta;
		if (mta && *mta && strcmp(mta, "auto"))
			return command_fail("none of %" PRId64 " lines is one of %s, as %s says of source \"%s\"; mta = \"auto\" finds out what a line is of", r->lines, mta,
			                    conf->path, conf->source[i].name);
	}
	return command_fail("none of %" PRId64 " lines is one of a mail server that this version knows (abusewatch parse --coverage FILE shows them)",
	                    r->lines);
}
