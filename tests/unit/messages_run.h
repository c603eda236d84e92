/* What tests of joining share: a pipeline whose reports become text, also through snapshots; damage to snapshots. */
#ifndef TESTS_UNIT_MESSAGES_RUN_H
#define TESTS_UNIT_MESSAGES_RUN_H

#include <stdio.h>
#include <stdlib.h>

#include "collector/emit.h"
#include "lib/times.h"

static uint32_t rnd_state;
static inline uint32_t rnd(uint32_t n)
{
	rnd_state = rnd_state * 1664525u + 1013904223u;
	return (rnd_state >> 8) % n;
}

struct run {
	int64_t fold_after_us; /* see struct pipeline_options */
	struct pipeline *p;
	struct feed f;
	struct buf out; /* reports as text */
	uint64_t last_seq;
	unsigned txns;
};

static inline void on_txn(void *ctx, const struct txn *t)
{
	struct run *r = ctx;
	r->txns++;
	buf_printf(&r->out, "%llu %lld %u ", (unsigned long long)t->seq, (long long)t->at_us, t->flags);
	for (size_t i = 0; i < t->n_rcpt; i++)
		buf_addc(&r->out, t->rcpt[i].changed ? '1' : '0');
	for (unsigned i = 0; r->fold_after_us && i < t->n_lines; i++)
		buf_addsv(&r->out, t->lines[i]);
	txn_json(t, &r->out);
}

static inline void on_fact(void *ctx, uint64_t seq, const struct record *rec, struct sv line)
{
	struct run *r = ctx;
	buf_printf(&r->out, "%llu fact %.*s\n", (unsigned long long)seq, SVARG(line));
	(void)rec;
}

static inline struct pipeline_options options(bool final_only, size_t bytes)
{
	return (struct pipeline_options){ .correlate = true, .final_only = final_only, .max_open_bytes = bytes };
}

static inline void start(struct run *r, bool final_only, size_t bytes)
{
	struct zone z = { .kind = ZONE_FIXED };
	struct pipeline_options o = options(final_only, bytes);
	struct pipeline_sink s = { .ctx = r, .txn = on_txn, .fact = on_fact };
	o.fold_after_us = r->fold_after_us;
	r->p = pipeline_new(&o, &s);
	feed_init(&r->f, NULL, &z, 2026, 0);
}

static inline void stop(struct run *r)
{
	pipeline_free(r->p);
	feed_fini(&r->f);
}

static inline void feed_text(struct run *r, const char *text)
{
	pipeline_bytes(r->p, &r->f, sv_cstr(text));
}

/* Reads log, at every 1/cuts-th chance through a snapshot into a fresh pipeline. */
static inline void run_through(struct run *r, struct sv log, unsigned cuts, size_t bytes)
{
	start(r, false, bytes);
	while (log.n) {
		struct sv part = sv_take(log, cuts ? 1 + rnd((uint32_t)log.n / 4 + 2000) : log.n);
		ptrdiff_t nl = sv_rchr(part, '\n');
		part = sv_take(part, nl < 0 ? (size_t)sv_chr(log, '\n') + 1 : (size_t)nl + 1);
		if (part.n > log.n || nl < 0)
			part = sv_take(log, (size_t)sv_chr(log, '\n') + 1);
		log = sv_skip(log, part.n);
		pipeline_bytes(r->p, &r->f, part);
		if (!cuts || rnd(cuts))
			continue;
		struct snapshot s = { 0 }, t = { 0 };
		struct buf blob = { 0 };
		struct err e;
		snapshot_save(&s, r->p, &blob);
		stop(r);
		start(r, false, bytes);
		assert_int_equal(snapshot_load(buf_sv(&blob), &t, r->p, &e), 0);
		snapshot_fini(&t);
		buf_fini(&blob);
	}
}

static inline void all_removed(struct pipeline *p, struct feed *f, unsigned n)
{
	struct buf line = { 0 };
	for (unsigned k = 0; k < n; k++) {
		buf_clear(&line);
		buf_printf(&line, "2026-11-22T10:40:00Z mx1 postfix/qmgr[33]: B%09X: removed\n", (k * 7) % n);
		pipeline_bytes(p, f, buf_sv(&line));
	}
	buf_fini(&line);
}

/* Every kind of damage to the snapshot is refused or harmless, also when the messages in it are looked at. */
static inline void damage(const struct run *r, unsigned every)
{
	struct snapshot s = { 0 };
	struct pipeline_options o = options(false, 0);
	struct pipeline_sink none = { 0 };
	struct buf blob = { 0 };
	struct err e;
	snapshot_save(&s, r->p, &blob);
	for (size_t i = 1; i < blob.n; i += 1 + i / every) {
		struct snapshot t = { 0 };
		struct pipeline *p = pipeline_new(&o, &none);
		struct run other = { 0 };
		assert_int_equal(snapshot_load(sv_make(blob.p, i), &t, p, &e), -1);
		pipeline_free(p);
		snapshot_fini(&t);
		t = (struct snapshot){ 0 };
		start(&other, false, 0);
		blob.p[i] = (char)(blob.p[i] ^ 0x15);
		if (snapshot_load(buf_sv(&blob), &t, other.p, &e) == 0) { /* it may be meaningful */
			pipeline_idle(other.p);
			all_removed(other.p, &other.f, 300);
		}
		blob.p[i] = (char)(blob.p[i] ^ 0x15);
		stop(&other);
		buf_fini(&other.out);
		snapshot_fini(&t);
	}
	buf_fini(&blob);
}

/* The log read otherwise gives the reports that *want got: folding after that time, through snapshots at every 1/cuts-th chance, with so many bytes. */
static inline void same_reports(const struct run *want, struct sv log, int64_t fold_after_us, unsigned cuts, size_t bytes)
{
	struct run r = { .fold_after_us = fold_after_us };
	run_through(&r, log, cuts, bytes);
	assert_int_equal(r.out.n, want->out.n);
	assert_memory_equal(r.out.p, want->out.p, r.out.n);
	stop(&r);
	buf_fini(&r.out);
}

#endif
