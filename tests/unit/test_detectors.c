/* What detectors say of themselves in struct detector, and the fusion relies on: one whose walks are at nothing says nothing, whatever else its state
 * holds; one that is not guarded does not look at what others say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "analyzer/detector.h"
#include "analyzer/enrich.h"
#include "analyzer/fixed.h"
#include "lib/times.h"

static uint32_t turn = 7;

static uint32_t below(uint32_t n)
{
	turn = turn * 1664525u + 1013904223u;
	return (turn >> 8) % n;
}

#define NOW_US (20000LL * US_PER_DAY)

/* Some of the state is zero, some small, so that counts and flags are of every kind. */
static void fill(unsigned char *state, size_t n)
{
	for (size_t i = 0; i < n; i++)
		state[i] = (unsigned char)(i % 8 < 2 ? below(3) : 0);
}

static void put_walk(unsigned char *state, unsigned i, bool with)
{
	struct walk w = { .s = with ? (int32_t)(below(20) + 1) * 4096 : 0, .at_us = NOW_US - below(3600) * US_PER_S, .since_us = with ? NOW_US - US_PER_HOUR : 0 };
	memcpy(state + i * sizeof w, &w, sizeof w);
}

/* Without: what follows them may look like one more, which would be one that the detector did not tell of. */
static void begin_walks(const struct detector *d, unsigned char *state, bool with)
{
	for (unsigned i = 0; i < d->walks; i++)
		put_walk(state, i, with);
	if (!with && d->state_bytes >= (d->walks + 1) * sizeof(struct walk) && below(2))
		put_walk(state, d->walks, true);
}

struct count { unsigned asked, spoke, minded; };

static void try(struct judge *j, struct principal *p, const struct judge_detector *x, struct count *n)
{
	const struct detector *d = x->detector;
	unsigned char *state = calloc(1, d->state_bytes);
	for (unsigned k = 0; d->walks && k < 300; k++) {
		fill(state, d->state_bytes);
		begin_walks(d, state, false);
		if (d->score(j, p, state, x->options, NOW_US + k * US_PER_S, (int32_t)below(40) * 4096) > 0)
			fail_msg("%s speaks without its walks", d->name);
		n->asked++;
	}
	for (unsigned k = 0; k < 300; k++) {
		fill(state, d->state_bytes);
		begin_walks(d, state, true);
		int32_t alone = d->score(j, p, state, x->options, NOW_US, 0), with = d->score(j, p, state, x->options, NOW_US, 30 * 4096);
		n->spoke += d->walks && alone > 0;
		n->minded += alone != with;
		if (alone != with && !d->guarded)
			fail_msg("%s looks at what others say", d->name);
	}
	free(state);
}

static void keep_their_word(void **state)
{
	static char none[] = "", path[] = "test.conf";
	struct conf conf = { .path = path, .customers_path = none };
	struct err e = { "" };
	struct enrich *enrich = enrich_new(&conf, &e);
	struct judge *j = judge_new(&conf, enrich, &e);
	struct count n = { 0 };
	(void)state;
	assert_non_null(j);
	for (unsigned kind = 0; kind < PRINCIPAL_KINDS; kind++) {
		struct principal *p = judge_principal(j, kind, kind == PRINCIPAL_HOST ? SV("192.0.2.7") : SV("anna@isp.example"), NOW_US);
		for (size_t i = 0; i < j->n_judging[kind]; i++)
			try(j, p, &j->judging[kind][i], &n);
	}
	assert_true(n.asked > 3000 && n.spoke > 3000 && n.minded > 0);
	judge_free(j);
	enrich_free(enrich);
}

/* What was dealt with speaks no more: no walk of it is left. */
static void forgive_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < detector_count(); i++) {
		const struct detector *d = detector_registry[i];
		if (!d->walks)
			continue;
		unsigned char *s = calloc(1, d->state_bytes);
		struct walk w;
		assert_non_null(d->forgive);
		begin_walks(d, s, true);
		d->forgive(s);
		for (unsigned k = 0; k < d->walks; k++) {
			memcpy(&w, s + k * sizeof w, sizeof w);
			if (w.s || w.since_us || w.at_us)
				fail_msg("%s still holds what was dealt with", d->name);
		}
		free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(keep_their_word), cmocka_unit_test(forgive_all) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
