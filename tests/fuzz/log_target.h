/* The body of the fuzz targets of log formats: arbitrary bytes as a mail log. Frame, header, format, sessions, correlator,
 * JSON, wire form and snapshot, the latter two read back. All of it twice: somebody who listens to records keeps the pipeline from its
 * quick way for usual lines, and messages, facts and counts must be the same on both ways. Built with -fsanitize=fuzzer,address,undefined (make fuzz).
 * A target is one line: LOG_TARGET("exim"), LOG_TARGET(NULL) for whatever format a line seems to have, or FRAMING_TARGET("json"). */
#ifndef TESTS_FUZZ_LOG_TARGET_H
#define TESTS_FUZZ_LOG_TARGET_H

#include <stdio.h>
#include <stdlib.h>

#include "collector/emit.h"
#include "collector/framing.h"
#include "lib/arena.h"
#include "lib/msg.h"

struct sink { struct buf text, wire, said; struct arena arena; };

static void on_record(void *ctx, const struct record *r, const struct logline *l)
{
	struct sink *s = ctx;
	(void)l;
	buf_clear(&s->text);
	record_json(r, &s->text);
}

static void on_txn(void *ctx, const struct txn *t)
{
	struct sink *s = ctx;
	struct txn back;
	struct err e;
	buf_clear(&s->wire);
	txn_encode(t, &s->wire);
	arena_reset(&s->arena);
	if (txn_decode(buf_sv(&s->wire), &s->arena, &back, &e) < 0)
		abort();
	struct buf *a = &s->text;
	buf_clear(a);
	txn_json(t, a);
	size_t n = a->n;
	txn_json(&back, a);
	if (a->n != 2 * n || memcmp(a->p, a->p + n, n))
		abort();
	buf_add(&s->said, a->p, n);
}

static void on_fact(void *ctx, uint64_t seq, const struct record *r, struct sv line)
{
	struct sink *s = ctx;
	struct obs_record back;
	struct err e;
	enum obs_type type;
	struct sv payload;
	size_t used;
	buf_clear(&s->wire);
	obs_put_record(&s->wire, seq, r, line);
	if (obs_next(buf_sv(&s->wire), &type, &payload, &used, &e) != 1 || obs_get_record(payload, &back, &e) < 0)
		abort();
	buf_addsv(&s->said, buf_sv(&s->wire));
}

/* A state that was saved must load, and say the same when it is saved again. */
static void check_snapshot(struct pipeline *p, const struct pipeline_options *o)
{
	struct snapshot s = { 0 }, t = { 0 };
	struct buf a = { 0 }, b = { 0 };
	struct err e;
	struct pipeline_sink none = { 0 };
	struct pipeline *q = pipeline_new(o, &none);
	snapshot_save(&s, p, &a);
	if (snapshot_load(buf_sv(&a), &t, q, &e) < 0)
		abort();
	snapshot_save(&t, q, &b);
	if (a.n != b.n || memcmp(a.p, b.p, a.n))
		abort();
	pipeline_free(q);
	snapshot_fini(&t);
	buf_fini(&a);
	buf_fini(&b);
}

static unsigned dice(const uint8_t *data, size_t size)
{
	unsigned h = 1;
	for (size_t i = 0; i < size; i++)
		h = h * 31 + data[i];
	return h >> 8 & 255;
}

/* What the lines come to, in s->said. */
static void run(const struct mta *mta, const uint8_t *data, size_t size, bool quick, struct sink *s)
{
	struct pipeline_sink sink = { .ctx = s, .record = quick ? NULL : on_record, .txn = on_txn, .fact = on_fact };
	struct pipeline_options o = { .correlate = true, .max_open_bytes = 64u << 10, .mta = mta, .fold_after_us = CORRELATE_FOLD_US, /* few, too */
		                      .final_only = dice(data, size) & 128 };
	struct obs_counters c = { 0 };
	struct zone z;
	struct err e;
	size_t cut = size * (dice(data, size) & 127) / 128; /* so that lines are also split between blocks */
	struct pipeline *p = pipeline_new(&o, &sink);
	struct feed f;
	(void)zone_init(&z, "UTC", &e);
	feed_init(&f, o.mta, &z, 2026, 0);
	pipeline_bytes(p, &f, sv_make((const char *)data, cut));
	if (!quick)
		check_snapshot(p, &o);
	pipeline_bytes(p, &f, sv_make((const char *)data + cut, size - cut));
	pipeline_end_of_file(p, &f);
	pipeline_idle(p);
	pipeline_counters(p, &c);
	pipeline_add_feed(&f, &c);
	buf_printf(&s->said, "%llu of %llu lines recognised, %llu not, %llu foreign, %llu without a stamp\n", (unsigned long long)c.recognised,
	           (unsigned long long)c.lines, (unsigned long long)c.unrecognised, (unsigned long long)c.foreign, (unsigned long long)c.bad_stamps);
	feed_fini(&f);
	pipeline_free(p);
	arena_fini(&s->arena);
	buf_fini(&s->text);
	buf_fini(&s->wire);
}

static int log_target(const char *format, const uint8_t *data, size_t size)
{
	struct sink slow = { 0 }, quick = { 0 };
	const struct mta *mta = format ? mta_named(sv_cstr(format)) : NULL;
	if (format && !mta)
		abort();
	if (!size)
		return 0;
	run(mta, data, size, false, &slow);
	run(mta, data, size, true, &quick);
	if (slow.said.n != quick.said.n || memcmp(slow.said.p, quick.said.p, slow.said.n)) {
		(void)fprintf(stderr, "the quick way says otherwise:\n%.*s--- and the other:\n%.*s", (int)quick.said.n, quick.said.p, (int)slow.said.n, slow.said.p);
		abort();
	}
	buf_fini(&slow.said);
	buf_fini(&quick.said);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same with lines in a wrapping; what does not begin like it belongs to another target. */
static inline int framing_target(const char *name, const uint8_t *data, size_t size)
{
	const struct framing *f = NULL;
	for (const struct framing *const *i = framing_registry; *i; i++)
		if (!strcmp((*i)->name, name))
			f = *i;
	if (!f)
		abort();
	return f->begins(sv_make((const char *)data, size)) ? log_target(NULL, data, size) : -1;
}

#define FRAMING_TARGET(name)                                         \
	int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) \
	{                                                            \
		return framing_target(name, data, size);             \
	}

#define LOG_TARGET(format)                                           \
	int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) \
	{                                                            \
		return log_target(format, data, size);               \
	}

#endif
