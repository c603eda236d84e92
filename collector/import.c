#include "collector/collector.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "collector/emit.h"
#include "collector/merge.h"

#define OUT_BYTES (BLOCK_BYTES / 2) /* so that what one step adds still fits the block */
#define SNAPSHOT_REPORTS 16384u /* between two snapshots: who takes them commits after one, and keeps what they are of in memory until then */

struct import {
	int fd;
	struct blocks *blocks;
	struct emit emit;
	struct pipeline *pipeline;
	struct merge *merge;
	struct snapshot saved;
	struct obs_counters base;
	uint64_t snapshot_at, snapshot_seq; /* bytes done and reports made then */
	int64_t start_us, shown_us;
	bool terminal;
	struct err error;
	bool failed;
};

static void out(struct import *im)
{
	struct buf *b = &im->emit.out;
	if (!im->failed)
		im->failed = blocks_put(im->blocks, im->fd, buf_sv(b), &im->error) < 0;
	buf_clear(b);
}

static void state(struct import *im)
{
	im->saved.totals = im->base;
	merge_counters(im->merge, &im->saved.totals);
	merge_positions(im->merge, &im->saved.positions);
	const char *path = merge_path(im->merge);
	im->saved.totals.path = (struct sv){ 0 };
	emit_state(&im->emit, im->pipeline, &im->saved, 0, sv_cstr(path));
	out(im);
}

static int64_t wall_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void show(struct import *im, uint64_t done, uint64_t lines)
{
	int64_t now = wall_us();
	if (!im->terminal || now < im->shown_us + 500000)
		return;
	double s = (double)(now - im->start_us) / 1e6;
	uint64_t total = merge_total(im->merge);
	double left = done && total > done ? s * (double)(total - done) / (double)done : 0;
	fprintf(stderr, "\r%llu of %llu MB, %.0f lines/s, %.0f s left \033[K", (unsigned long long)(done >> 20),
	        (unsigned long long)(total >> 20), (double)lines / s, left);
	im->shown_us = now;
}

static bool on_progress(void *ctx, uint64_t done, uint64_t lines)
{
	struct import *im = ctx;
	if (im->emit.out.n >= OUT_BYTES)
		out(im);
	if (done - im->snapshot_at >= EMIT_SNAPSHOT_BYTES || pipeline_seq(im->pipeline) - im->snapshot_seq >= SNAPSHOT_REPORTS) {
		im->snapshot_at = done;
		im->snapshot_seq = pipeline_seq(im->pipeline);
		state(im);
	}
	show(im, done, lines);
	return !im->failed;
}

/* Waits for RESUME and takes its snapshot. */
static int resume(struct import *im, struct err *e)
{
	struct buf in = { 0 };
	enum obs_type type;
	struct sv payload;
	size_t used;
	int got;
	while ((got = obs_next(buf_sv(&in), &type, &payload, &used, e)) == 0) {
		buf_reserve(&in, 64u << 10);
		ssize_t n = read(im->fd, in.p + in.n, in.cap - in.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			buf_fini(&in);
			return err_set(e, "the analyzer closed the connection before it began");
		}
		in.n += (size_t)n;
	}
	struct obs_resume r = { 0 };
	if (got > 0)
		got = type != OBS_RESUME ? err_set(e, "an unexpected frame of type %d", (int)type) : obs_get_resume(payload, &r, e);
	if (got >= 0)
		got = snapshot_load(r.snapshot, &im->saved, im->pipeline, e);
	if (got > 0)
		pipeline_skip_to(im->pipeline, r.applied_seq);
	if (got >= 0)
		im->blocks->free += (uint32_t)(in.n - used); /* the block that held HELLO came back, too */
	im->base = im->saved.totals;
	buf_fini(&in);
	return got;
}

static const struct conf_source *source_of(const struct conf *c, const char *file)
{
	char *full = realpath(file, NULL);
	const struct conf_source *s = c->n_source ? &c->source[0] : NULL;
	for (size_t i = 0; i < c->n_source; i++) {
		const char *p = c->source[i].path;
		if (p && (fnmatch(p, file, 0) == 0 || (full && fnmatch(p, full, 0) == 0))) {
			s = &c->source[i];
			break;
		}
	}
	free(full);
	return s;
}

static int run(struct import *im, const struct conf_source *src, char *const *files, size_t n, struct err *e)
{
	obs_put_hello(&im->emit.out, sv_cstr(src->name));
	out(im);
	if (im->failed || resume(im, &im->error) < 0) {
		*e = im->error;
		return -1;
	}
	for (size_t i = 0; i < n; i++)
		if (merge_add(im->merge, files[i], e) < 0)
			return -1;
	merge_resume(im->merge, &im->saved.positions);
	int status = merge_run(im->merge, im->pipeline, on_progress, im, e);
	pipeline_idle(im->pipeline);
	state(im);
	obs_put_empty(&im->emit.out, OBS_IDLE);
	obs_put_empty(&im->emit.out, OBS_BYE);
	out(im);
	if (im->failed) {
		*e = im->error;
		return -1;
	}
	return status;
}

int collector_import(const struct conf *c, char *const *files, size_t n, int fd, struct blocks *blocks, struct err *e)
{
	const struct conf_source *src = n ? source_of(c, files[0]) : NULL;
	if (!src)
		return err_set(e, "%s: has no source section; add one that says what the logs are", c->path);
	struct zone zone;
	const struct mta *mta = src->mta && *src->mta && strcmp(src->mta, "auto") ? mta_named(sv_cstr(src->mta)) : NULL;
	if (zone_init(&zone, src->timezone && *src->timezone ? src->timezone : "local", e) < 0)
		return -1;
	struct import im = { .fd = fd, .blocks = blocks, .start_us = wall_us(), .terminal = isatty(STDERR_FILENO) };
	struct pipeline_options o = { .mta = mta, .correlate = true, .max_open_bytes = src->max_open_bytes > 0 ? (size_t)src->max_open_bytes : 0 };
	struct pipeline_sink sink = emit_sink(&im.emit);
	im.pipeline = pipeline_new(&o, &sink);
	int64_t now_us = (int64_t)time(NULL) * 1000000;
	im.merge = merge_new(mta, src->host, &zone, 0, now_us);
	merge_believe_until(im.merge, now_us + STAMP_FUTURE_US);
	int status = run(&im, src, files, n, e);
	if (im.terminal)
		fputs("\r\033[K", stderr);
	merge_free(im.merge);
	pipeline_free(im.pipeline);
	snapshot_fini(&im.saved);
	emit_fini(&im.emit);
	return status;
}
