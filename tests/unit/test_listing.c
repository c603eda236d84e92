/* What block lists say: when a pair is listed and when no more, what is held, what comes back from the store, stores of a former version. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "analyzer/asked.h"
#include "analyzer/listing_int.h"
#include "analyzer/store.h"

#define NOW (20000LL * US_PER_DAY)
#define MINUTE (60 * US_PER_S)
#define HOUR US_PER_HOUR
#define OURS "198.51.100.25"
#define ZONE "bl.example"

struct fixture {
	struct conf conf;
	struct enrich *enrich;
	struct judge *j;
	char dir[64], path[96];
};

static void begin_judge(struct fixture *f)
{
	struct err e;
	f->enrich = enrich_new(&f->conf, &e);
	f->j = judge_new(&f->conf, f->enrich, &e);
	assert_non_null(f->j);
}

static int setup(void **state)
{
	static char none[] = "", path[] = "test.conf";
	struct fixture *f = xcalloc(1, sizeof *f);
	struct prefix p;
	f->conf = (struct conf){ .path = path, .customers_path = none };
	assert_int_equal(prefix_parse(SV(OURS), &p), 0);
	prefix_table_add(&f->conf.egress, &p);
	prefix_table_seal(&f->conf.egress);
	(void)snprintf(f->dir, sizeof f->dir, "/tmp/aw-listing-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	(void)snprintf(f->path, sizeof f->path, "%s/t.db", f->dir);
	begin_judge(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char rm[128];
	judge_free(f->j);
	enrich_free(f->enrich);
	prefix_table_fini(&f->conf.egress);
	(void)snprintf(rm, sizeof rm, "rm -rf %s", f->dir);
	int bad = system(rm);
	free(f);
	return bad;
}

static void says(struct fixture *f, const char *target, const char *zone, enum dnsbl_verdict v, int32_t points, int64_t at_us)
{
	listing_answer(f->j, &(struct obs_listing){ .time_us = at_us, .target = sv_cstr(target), .zone = sv_cstr(zone), .verdict = (uint8_t)v, .kind = DNSBL_BLOCK,
	                                            .code = v == DNSBL_LISTED ? 0x7f000002 : 0, .points = points, .meaning = SV("spam source"), .text = SV("why") });
}

static struct listing_pair *pair(struct fixture *f, const char *target, const char *zone)
{
	struct listing_target *t = listing_target_named(f->j, sv_cstr(target));
	for (struct listing_pair *p = t ? t->pairs : NULL; p; p = p->of_target)
		if (strcmp(p->zone->name, zone) == 0)
			return p;
	return NULL;
}

static size_t changes(const struct fixture *f, enum listing_what what, bool tell)
{
	size_t n = 0;
	for (size_t i = 0; i < f->j->listing->n_changes; i++)
		n += f->j->listing->change[i].what == what && f->j->listing->change[i].tell == tell;
	return n;
}

static void two_entries_apart_make_a_listing(void **state)
{
	struct fixture *f = *state;
	says(f, OURS, ZONE, DNSBL_CLEAN, 0, NOW);
	says(f, OURS, ZONE, DNSBL_LISTED, 8, NOW + HOUR);
	struct listing_pair *p = pair(f, OURS, ZONE);
	assert_int_equal(p->state, LISTING_SUSPECT);
	says(f, OURS, ZONE, DNSBL_LISTED, 8, NOW + HOUR + 10 * MINUTE - 1);
	assert_int_equal(p->state, LISTING_SUSPECT);
	assert_int_equal(p->target->points, 0);
	says(f, OURS, ZONE, DNSBL_LISTED, 8, NOW + HOUR + 10 * MINUTE);
	assert_int_equal(p->state, LISTING_LISTED);
	assert_true(p->since_us == NOW + HOUR && p->listed_us == NOW + HOUR + 10 * MINUTE);
	assert_int_equal(p->target->points, 8);
	assert_int_equal(p->target->kind, PRINCIPAL_OWN_IP);
	assert_int_equal(changes(f, LISTING_WHAT_LISTED, true), 1);
	assert_int_equal(f->j->listing->change[0].after, 1);
	struct principal *own = judge_principal(f->j, PRINCIPAL_OWN_IP, SV(OURS), NOW);
	assert_int_equal(own->score, 12 * NAT);
	assert_non_null(own->open_case);
}

/* The probe repeats itself after a reconnection. */
static void repeats_change_nothing(void **state)
{
	struct fixture *f = *state;
	says(f, OURS, ZONE, DNSBL_CLEAN, 0, NOW);
	for (int i = 0; i < 3; i++)
		says(f, OURS, ZONE, DNSBL_LISTED, 8, NOW + HOUR);
	assert_int_equal(pair(f, OURS, ZONE)->state, LISTING_SUSPECT);
	for (int i = 0; i < 3; i++)
		says(f, OURS, ZONE, DNSBL_LISTED, 8, NOW + 2 * HOUR);
	for (int i = 0; i < 9; i++)
		says(f, OURS, ZONE, DNSBL_CLEAN, 0, NOW + 9 * HOUR + (i / 3) * 3 * HOUR);
	says(f, OURS, ZONE, DNSBL_LISTED, 8, NOW + 2 * HOUR); /* an old answer, told late */
	assert_int_equal(pair(f, OURS, ZONE)->state, LISTING_CLEAR);
	assert_int_equal(f->j->listing->n_changes, 2);
	says(f, OURS, ZONE, DNSBL_LISTED, 8, NOW + 30 * HOUR);
	says(f, OURS, ZONE, DNSBL_LISTED, 8, NOW + 31 * HOUR);
	says(f, OURS, ZONE, DNSBL_CLEAN, 0, NOW + 32 * HOUR);
	for (int i = 0; i < 5; i++)
		says(f, OURS, ZONE, DNSBL_CLEAN, 0, NOW + 40 * HOUR);
	assert_int_equal(pair(f, OURS, ZONE)->state, LISTING_LISTED); /* two answers, however often */
}

static void three_answers_over_six_hours_end_it(void **state)
{
	struct fixture *f = *state;
	says(f, OURS, ZONE, DNSBL_LISTED, 8, NOW);
	says(f, OURS, ZONE, DNSBL_LISTED, 8, NOW + HOUR);
	struct listing_pair *p = pair(f, OURS, ZONE);
	says(f, OURS, ZONE, DNSBL_CLEAN, 0, NOW + 2 * HOUR);
	says(f, OURS, ZONE, DNSBL_CLEAN, 0, NOW + 9 * HOUR);
	assert_int_equal(p->state, LISTING_LISTED); /* two */
	says(f, OURS, ZONE, DNSBL_LISTED, 8, NOW + 10 * HOUR);
	for (int i = 0; i < 6; i++)
		says(f, OURS, ZONE, DNSBL_CLEAN, 0, NOW + 11 * HOUR + i * HOUR);
	assert_int_equal(p->state, LISTING_LISTED); /* six, within five hours */
	says(f, OURS, ZONE, DNSBL_CLEAN, 0, NOW + 17 * HOUR);
	assert_int_equal(p->state, LISTING_CLEAR);
	assert_int_equal(p->target->points, 0);
	assert_int_equal(changes(f, LISTING_WHAT_DELISTED, true), 1);
	assert_int_equal(changes(f, LISTING_WHAT_LISTED, true), 0); /* it was there at the first look: no news */
	assert_int_equal(changes(f, LISTING_WHAT_LISTED, false), 1);
	assert_true(f->j->listing->change[1].since_us == NOW);
}

static void errors_say_nothing(void **state)
{
	static const enum dnsbl_verdict errors[] = { DNSBL_REFUSED, DNSBL_UNKNOWN, DNSBL_DEAD };
	struct fixture *f = *state;
	says(f, OURS, ZONE, DNSBL_LISTED, 8, NOW);
	says(f, OURS, ZONE, DNSBL_LISTED, 8, NOW + HOUR);
	for (int i = 0; i < 60; i++) {
		says(f, OURS, ZONE, errors[i % 3], 0, NOW + (2 + i) * HOUR);
		says(f, OURS, "other.example", errors[i % 3], 8, NOW + (2 + i) * HOUR);
	}
	assert_int_equal(pair(f, OURS, ZONE)->state, LISTING_LISTED);
	assert_int_equal(pair(f, OURS, ZONE)->verdict, DNSBL_DEAD);
	assert_int_equal(pair(f, OURS, "other.example")->state, LISTING_CLEAR);
	assert_int_equal(f->j->listing->n_changes, 1);
}

static void what_is_no_abuse_weighs_nothing(void **state)
{
	struct fixture *f = *state;
	struct obs_listing a = { .target = SV(OURS), .zone = SV(ZONE), .verdict = DNSBL_LISTED, .kind = DNSBL_POLICY, .points = 8, .code = 0x7f00000a };
	for (int i = 1; i < 4; i++) {
		a.time_us = NOW + i * HOUR;
		listing_answer(f->j, &a);
	}
	assert_int_equal(pair(f, OURS, ZONE)->state, LISTING_LISTED);
	assert_int_equal(pair(f, OURS, ZONE)->points, 0);
	assert_int_equal(pair(f, OURS, ZONE)->target->points, 0);
	assert_int_equal(pair(f, OURS, ZONE)->target->on, 0);
	assert_int_equal(changes(f, LISTING_WHAT_LISTED, false), 1);
	a.zone = SV("white.example");
	a.kind = DNSBL_ALLOW;
	for (int i = 1; i < 4; i++) {
		a.time_us = NOW + i * HOUR;
		listing_answer(f->j, &a);
	}
	assert_int_equal(pair(f, OURS, "white.example")->state, LISTING_CLEAR);
	assert_int_equal(pair(f, OURS, "white.example")->verdict, DNSBL_LISTED);
}

/* n of `all` targets turn up within minutes. */
static void flood(struct fixture *f, int n, int all, int64_t at_us)
{
	char target[32];
	for (int i = 0; i < all; i++) {
		(void)snprintf(target, sizeof target, "198.18.7.%d", i + 1);
		if (!pair(f, target, ZONE))
			says(f, target, ZONE, DNSBL_CLEAN, 0, NOW);
		says(f, target, ZONE, i < n ? DNSBL_LISTED : DNSBL_CLEAN, i < n ? 8 : 0, at_us + i * US_PER_S);
	}
}

static void a_list_that_has_everything_is_held(void **state)
{
	struct fixture *f = *state;
	flood(f, 0, 25, NOW + 1);
	flood(f, 5, 25, NOW + HOUR); /* a fifth is not more than a fifth */
	assert_int_equal(changes(f, LISTING_WHAT_SUSPENDED, true), 0);
	flood(f, 6, 25, NOW + HOUR + 5 * MINUTE);
	assert_int_equal(changes(f, LISTING_WHAT_SUSPENDED, true), 1);
	assert_int_equal(pair(f, "198.18.7.1", ZONE)->state, LISTING_HELD);
	flood(f, 9, 25, NOW + 3 * HOUR);
	assert_int_equal(pair(f, "198.18.7.9", ZONE)->state, LISTING_HELD);
	assert_int_equal(pair(f, "198.18.7.1", ZONE)->target->points, 0);
	assert_int_equal(changes(f, LISTING_WHAT_LISTED, true) + changes(f, LISTING_WHAT_LISTED, false), 0);
	flood(f, 4, 25, NOW + 5 * HOUR); /* few are left: these must be seen again */
	assert_int_equal(changes(f, LISTING_WHAT_RESUMED, true), 1);
	assert_int_equal(pair(f, "198.18.7.1", ZONE)->state, LISTING_SUSPECT);
	assert_int_equal(pair(f, "198.18.7.9", ZONE)->state, LISTING_CLEAR);
	flood(f, 4, 25, NOW + 6 * HOUR);
	assert_int_equal(pair(f, "198.18.7.1", ZONE)->state, LISTING_LISTED);
}

/* Four servers of a small farm do turn up together. */
static void few_are_believed(void **state)
{
	struct fixture *f = *state;
	flood(f, 0, 4, NOW + 1);
	flood(f, 4, 4, NOW + HOUR);
	flood(f, 4, 4, NOW + 2 * HOUR);
	assert_int_equal(pair(f, "198.18.7.4", ZONE)->state, LISTING_LISTED);
	assert_int_equal(changes(f, LISTING_WHAT_SUSPENDED, true), 0);
}

/* What was on the list for days is not held with the rest. */
static void old_entries_stand(void **state)
{
	struct fixture *f = *state;
	says(f, OURS, ZONE, DNSBL_LISTED, 8, NOW - 48 * HOUR);
	says(f, OURS, ZONE, DNSBL_LISTED, 8, NOW - 47 * HOUR);
	flood(f, 0, 10, NOW + 1);
	flood(f, 10, 10, NOW + HOUR);
	assert_int_equal(changes(f, LISTING_WHAT_SUSPENDED, true), 1);
	assert_int_equal(pair(f, OURS, ZONE)->state, LISTING_LISTED);
	assert_int_equal(pair(f, OURS, ZONE)->target->points, 8);
}

static void a_receiver_that_names_the_list_is_a_second_look(void **state)
{
	struct fixture *f = *state;
	says(f, OURS, ZONE, DNSBL_CLEAN, 0, NOW);
	struct listing_pair *p = pair(f, OURS, ZONE);
	listing_named(f->j, p, NOW + MINUTE);
	assert_int_equal(p->state, LISTING_CLEAR); /* receivers keep answers for hours */
	says(f, OURS, ZONE, DNSBL_LISTED, 8, NOW + HOUR);
	assert_int_equal(p->state, LISTING_LISTED);
	says(f, OURS, "two.example", DNSBL_LISTED, 5, NOW + 30 * HOUR);
	p = pair(f, OURS, "two.example");
	assert_int_equal(p->state, LISTING_SUSPECT);
	listing_named(f->j, p, NOW + 31 * HOUR);
	assert_int_equal(p->state, LISTING_LISTED);
	listing_named(f->j, p, NOW + 32 * HOUR);
	assert_int_equal(p->named, 2);
	listing_named(f->j, p, NOW + 60 * HOUR); /* another day */
	assert_int_equal(p->named, 1);
}

static void unwatched_entries_go(void **state)
{
	struct fixture *f = *state;
	says(f, "198.18.7.7", ZONE, DNSBL_LISTED, 8, NOW);
	says(f, "198.18.7.7", ZONE, DNSBL_LISTED, 8, NOW + HOUR);
	says(f, OURS, ZONE, DNSBL_CLEAN, 0, NOW + 14 * US_PER_DAY);
	assert_int_equal(pair(f, "198.18.7.7", ZONE)->state, LISTING_LISTED);
	says(f, OURS, ZONE, DNSBL_CLEAN, 0, NOW + 16 * US_PER_DAY);
	assert_int_equal(pair(f, "198.18.7.7", ZONE)->state, LISTING_CLEAR);
	assert_int_equal(changes(f, LISTING_WHAT_UNWATCHED, false), 1);
}

static void neighbours_add_up(void **state)
{
	struct fixture *f = *state;
	uint8_t bits;
	unsigned limit;
	says(f, "198.18.8.9", ZONE, DNSBL_CLEAN, 0, NOW);
	for (int i = 0; i < 8; i++) {
		char target[32], zone[32];
		(void)snprintf(target, sizeof target, "198.18.%d.%d", 8 + i / 3, i + 1); /* 3 in 8, 3 in 9, 2 in 10 */
		(void)snprintf(zone, sizeof zone, "bl%d.example", i); /* each its own, so that none is held */
		says(f, target, zone, DNSBL_LISTED, 5, NOW);
		says(f, target, zone, DNSBL_LISTED, 5, NOW + HOUR);
	}
	assert_int_equal(listing_contagion(f->j, listing_target_named(f->j, SV("198.18.8.9")), &bits, &limit), 3);
	assert_true(bits == 24 && limit == 5);
	says(f, "198.18.11.1", ZONE, DNSBL_CLEAN, 0, NOW); /* none in its /24, two in its /23, eight in the /22: of 15 */
	assert_int_equal(listing_contagion(f->j, listing_target_named(f->j, SV("198.18.11.1")), &bits, &limit), 8);
	assert_true(bits == 22 && limit == 15);
	says(f, "far.example", ZONE, DNSBL_CLEAN, 0, NOW);
	assert_int_equal(listing_contagion(f->j, listing_target_named(f->j, SV("far.example")), &bits, &limit), 0);
}

/* What was told as listed a moment before the flood is withdrawn with the rest. */
static void what_was_listed_in_the_flood_is_withdrawn(void **state)
{
	struct fixture *f = *state;
	flood(f, 0, 10, NOW + 1);
	flood(f, 4, 10, NOW + HOUR);
	flood(f, 4, 10, NOW + HOUR + 15 * MINUTE);
	assert_int_equal(pair(f, "198.18.7.1", ZONE)->state, LISTING_LISTED);
	assert_int_equal(changes(f, LISTING_WHAT_LISTED, true), 4);
	flood(f, 10, 10, NOW + HOUR + 30 * MINUTE);
	assert_int_equal(pair(f, "198.18.7.1", ZONE)->state, LISTING_HELD);
	assert_int_equal(changes(f, LISTING_WHAT_WITHDRAWN, false), 4);
	assert_int_equal(judge_principal(f->j, PRINCIPAL_HOST, SV("198.18.7.1"), NOW)->score, 0);
}

/* An address that is no more our own takes its listing along. */
static void another_config_moves_it(void **state)
{
	struct fixture *f = *state;
	says(f, OURS, ZONE, DNSBL_LISTED, 8, NOW);
	says(f, OURS, ZONE, DNSBL_LISTED, 8, NOW + HOUR);
	assert_int_equal(judge_principal(f->j, PRINCIPAL_OWN_IP, SV(OURS), NOW)->score, 12 * NAT);
	struct prefix_table were = f->conf.egress;
	f->conf.egress = (struct prefix_table){ 0 };
	judge_reconfigure(f->j, &f->conf, f->enrich);
	assert_int_equal(judge_principal(f->j, PRINCIPAL_OWN_IP, SV(OURS), NOW)->score, 0);
	assert_int_equal(judge_principal(f->j, PRINCIPAL_HOST, SV(OURS), NOW)->score, 12 * NAT);
	f->conf.egress = were;
	judge_reconfigure(f->j, &f->conf, f->enrich);
	assert_int_equal(judge_principal(f->j, PRINCIPAL_OWN_IP, SV(OURS), NOW)->score, 12 * NAT);
}

/* Thousands of customers' addresses that were never listed take a bit each, and those that are still find room. */
static void many_targets_find_room(void **state)
{
	struct fixture *f = *state;
	char target[32];
	for (int i = 0; i < 30000; i++) {
		(void)snprintf(target, sizeof target, "198.18.%d.%d", i / 250, i % 250 + 1);
		says(f, target, ZONE, DNSBL_CLEAN, 0, NOW + i);
	}
	assert_true(f->j->listing->n_pairs <= LISTING_PAIRS / 4);
	assert_int_equal(f->j->listing->zones->targets, 30000);
	says(f, "198.18.119.1", ZONE, DNSBL_LISTED, 8, NOW + HOUR);
	says(f, "198.18.119.1", ZONE, DNSBL_LISTED, 8, NOW + 2 * HOUR);
	assert_int_equal(pair(f, "198.18.119.1", ZONE)->state, LISTING_LISTED);
	assert_int_equal(changes(f, LISTING_WHAT_LISTED, true), 1); /* it was clean at the first look */
	says(f, "198.18.119.2", ZONE, DNSBL_LISTED, 8, NOW - 9 * HOUR); /* a file of what was, after the fact */
	says(f, "198.18.119.2", ZONE, DNSBL_LISTED, 8, NOW - 8 * HOUR);
	assert_null(pair(f, "198.18.119.2", ZONE));
	assert_int_equal(f->j->listing->dropped, 0);
	for (int i = 0; i < 5000; i++) {
		(void)snprintf(target, sizeof target, "198.19.%d.%d", i / 250, i % 250 + 1);
		says(f, target, ZONE, DNSBL_CLEAN, 0, NOW + 3 * HOUR + i);
	}
	assert_int_equal(f->j->listing->n_targets, LISTING_TARGETS);
	assert_int_equal(f->j->listing->dropped, 35000 - LISTING_TARGETS);
	says(f, "198.19.200.1", ZONE, DNSBL_LISTED, 8, NOW + 4 * HOUR); /* one of whom there was no room to say that it is not listed */
	says(f, "198.19.200.1", ZONE, DNSBL_LISTED, 8, NOW + 5 * HOUR);
	assert_non_null(pair(f, "198.19.200.1", ZONE));
	assert_int_equal(pair(f, "198.19.200.1", ZONE)->state, LISTING_LISTED);
}

/* The clock stood a year ahead for an hour. Without more the answers of a year would be old ones. */
static void a_clock_that_was_put_back(void **state)
{
	struct fixture *f = *state;
	const int64_t ahead = NOW + 366 * US_PER_DAY;
	says(f, OURS, ZONE, DNSBL_LISTED, 8, ahead);
	says(f, OURS, "other.example", DNSBL_CLEAN, 0, ahead);
	listing_zone_said(f->j, &(struct obs_zone){ .time_us = ahead, .zone = SV(ZONE), .verdict = DNSBL_UNKNOWN, .reason = SV("why") });
	listing_clock(f->j, ahead - LISTING_AHEAD_US); /* a little ahead is none */
	assert_true(pair(f, OURS, ZONE)->heard_us == ahead);
	listing_clock(f->j, NOW);
	assert_true(pair(f, OURS, ZONE)->heard_us == NOW && pair(f, OURS, ZONE)->since_us == NOW && pair(f, OURS, ZONE)->dirty);
	says(f, OURS, ZONE, DNSBL_LISTED, 8, NOW + 20 * MINUTE);
	says(f, OURS, "other.example", DNSBL_LISTED, 8, NOW + 20 * MINUTE);
	listing_zone_said(f->j, &(struct obs_zone){ .time_us = NOW + 20 * MINUTE, .zone = SV(ZONE), .verdict = DNSBL_CLEAN, .reason = SV("") });
	assert_int_equal(pair(f, OURS, ZONE)->state, LISTING_LISTED);
	assert_int_equal(pair(f, OURS, "other.example")->state, LISTING_SUSPECT);
	assert_int_equal(pair(f, OURS, ZONE)->zone->verdict, DNSBL_CLEAN);
	listing_clock(f->j, NOW + HOUR);
	assert_true(pair(f, OURS, ZONE)->heard_us == NOW + 20 * MINUTE);
}

/* --- blame -------------------------------------------------------------------------------------------------------- */

static void refusals(struct fixture *f, const char *account, size_t spam, size_t unknown)
{
	struct principal *p = judge_principal(f->j, PRINCIPAL_ACCOUNT, sv_cstr(account), f->j->site->now_us);
	struct txn_rcpt r = { .local = false };
	struct txn t = { .rcpt = &r, .n_rcpt = 1 };
	for (size_t i = 0; i < spam + unknown; i++) {
		struct rcpt_view v = { .changed = true, .blamed = i < spam, .outcome = i < spam ? OUTCOME_REFUSED : OUTCOME_BAD };
		blame_note(f->j, p, &(struct message_view){ .txn = &t, .rcpt = &v, .n_listed = 1, .at_us = f->j->site->now_us });
	}
}

static void blame_is_by_share_and_fades(void **state)
{
	struct fixture *f = *state;
	struct blame_share top[BLAME_TOP];
	f->j->site->now_us = NOW;
	refusals(f, "a@isp.example", 10, 0);
	refusals(f, "b@isp.example", 0, 30);
	for (int i = 0; i < 100; i++) { /* a crowd with little each: more than there are places */
		char name[32];
		(void)snprintf(name, sizeof name, "c%d@isp.example", i);
		refusals(f, name, 0, 1);
	}
	assert_int_equal(blame_top(f->j, top), 1); /* 40, 30 and 100 of 170 */
	assert_string_equal(top[0].id, "a@isp.example");
	assert_int_equal(top[0].percent, 23);
	f->j->site->now_us = NOW + 20 * HOUR;
	refusals(f, "b@isp.example", 0, 300);
	f->j->site->now_us = NOW + 24 * HOUR; /* the first hour is over */
	assert_int_equal(blame_top(f->j, top), 1);
	assert_string_equal(top[0].id, "b@isp.example");
	assert_int_equal(top[0].percent, 100);
	f->j->site->now_us = NOW + 60 * HOUR;
	assert_int_equal(blame_top(f->j, top), 0);
	assert_int_equal(blame_day(f->j).unknown, 0);
}

/* --- clients ------------------------------------------------------------------------------------------------------ */

static void answered(struct fixture *f, const char *zone, enum dnsbl_verdict v, enum dnsbl_kind kind, int32_t points, int64_t at_us)
{
	asked_answer(f->j, &(struct obs_listing){ .time_us = at_us, .target = SV("203.0.113.9"), .zone = sv_cstr(zone), .verdict = (uint8_t)v, .kind = (uint8_t)kind,
	                                          .cause = OBS_LISTING_ASKED, .code = 0x7f000004, .points = points });
}

static void clients_are_asked_about_once_a_day(void **state)
{
	struct fixture *f = *state;
	struct principal *p = judge_principal(f->j, PRINCIPAL_ACCOUNT, SV("eve@isp.example"), NOW);
	struct place at = { .has_ip = true };
	f->j->site->now_us = NOW;
	assert_int_equal(ipaddr_parse(SV("203.0.113.9"), &at.ip), 0);
	answered(f, "xbl.example", DNSBL_LISTED, DNSBL_BLOCK, 8, NOW); /* nobody asked */
	assert_null(asked_find(f->j, &at.ip));
	const struct asked *a = asked_place(f->j, p, &at);
	size_t one = f->j->listing->asks.n;
	assert_true(a && a->points == 0 && one > 0);
	(void)asked_place(f->j, p, &at);
	assert_int_equal(f->j->listing->asks.n, one);
	answered(f, "pbl.example", DNSBL_LISTED, DNSBL_POLICY, 8, NOW);
	answered(f, "white.example", DNSBL_LISTED, DNSBL_ALLOW, 8, NOW);
	answered(f, "broken.example", DNSBL_UNKNOWN, DNSBL_BLOCK, 8, NOW);
	assert_int_equal(a->points, 0);
	answered(f, "xbl.example", DNSBL_LISTED, DNSBL_BLOCK, 8, NOW);
	answered(f, "minor.example", DNSBL_LISTED, DNSBL_BLOCK, 2, NOW);
	assert_int_equal(a->points, 8);
	assert_string_equal(a->zone, "xbl.example");
	answered(f, "xbl.example", DNSBL_REFUSED, DNSBL_BLOCK, 0, NOW);
	assert_int_equal(a->points, 8);
	answered(f, "xbl.example", DNSBL_CLEAN, DNSBL_BLOCK, 0, NOW + HOUR);
	assert_int_equal(a->points, 0);
	f->j->site->now_us = NOW + US_PER_DAY;
	(void)asked_place(f->j, p, &at);
	assert_int_equal(f->j->listing->asks.n, 2 * one);
	at.home = true;
	assert_null(asked_place(f->j, p, &at));
	at.home = false, at.own_network = true;
	assert_null(asked_place(f->j, p, &at));
}

static void asking_has_a_budget(void **state)
{
	struct fixture *f = *state;
	struct principal *p = judge_principal(f->j, PRINCIPAL_ACCOUNT, SV("eve@isp.example"), NOW);
	struct place at = { .has_ip = true };
	size_t asked = 0, before;
	f->j->site->now_us = NOW;
	for (unsigned i = 0; i < 2 * ASKED_HOUR; i++) {
		char text[32];
		(void)snprintf(text, sizeof text, "203.0.%u.%u", i / 250, i % 250 + 1);
		(void)ipaddr_parse(sv_cstr(text), &at.ip);
		before = f->j->listing->asks.n;
		(void)asked_place(f->j, p, &at);
		asked += f->j->listing->asks.n > before;
	}
	assert_int_equal(asked, ASKED_HOUR);
	f->j->site->now_us = NOW + HOUR;
	before = f->j->listing->asks.n;
	(void)asked_place(f->j, p, &at);
	assert_true(f->j->listing->asks.n > before);
}

/* --- the store ---------------------------------------------------------------------------------------------------- */

static struct store *open_store(struct fixture *f)
{
	struct err e = { "" };
	struct store *s = store_open(f->path, f->j, &e);
	if (!s)
		fail_msg("%s", e.text);
	return s;
}

static struct store *reopen(struct fixture *f, struct store *s)
{
	store_close(s, f->j);
	judge_free(f->j);
	enrich_free(f->enrich);
	begin_judge(f);
	return open_store(f);
}

static int64_t number(struct store *s, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int64_t v = -1;
	if (sqlite3_prepare_v2(s->db.h, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return v;
}

/* Commits and restarts between any two answers make no difference. */
static void the_store_gives_it_back(void **state)
{
	struct fixture *f = *state;
	struct store *s = open_store(f);
	struct err e;
	static const enum dnsbl_verdict v[] = { DNSBL_CLEAN, DNSBL_LISTED, DNSBL_LISTED, DNSBL_UNKNOWN, DNSBL_CLEAN, DNSBL_CLEAN, DNSBL_CLEAN, DNSBL_LISTED };
	static const uint8_t expect[] = { LISTING_CLEAR, LISTING_SUSPECT, LISTING_LISTED, LISTING_LISTED, LISTING_LISTED, LISTING_LISTED, LISTING_CLEAR, LISTING_SUSPECT };
	for (int i = 0; i < 8; i++) {
		says(f, OURS, ZONE, v[i], 8, NOW + i * 4 * HOUR);
		listing_zone_said(f->j, &(struct obs_zone){ .time_us = NOW + i * HOUR, .zone = SV(ZONE), .verdict = DNSBL_CLEAN, .reason = SV("fine") });
		assert_int_equal(store_commit(s, f->j, &e), 0);
		s = reopen(f, s);
		assert_int_equal(pair(f, OURS, ZONE)->state, expect[i]);
		assert_int_equal(pair(f, OURS, ZONE)->target->points, expect[i] == LISTING_LISTED ? 8 : 0);
	}
	assert_string_equal(pair(f, OURS, ZONE)->text, "why");
	assert_string_equal(pair(f, OURS, ZONE)->zone->reason, "fine");
	assert_int_equal(number(s, "SELECT count(*) FROM listing_past WHERE since_us = 20000 * 86400000000 + 4 * 3600000000 AND until_us = 20000 * 86400000000 + 24 * 3600000000"), 1);
	assert_int_equal(number(s, "SELECT count(*) FROM listing_change"), 2);
	assert_int_equal(number(s, "SELECT count(*) FROM service_alert WHERE kind = 'listings' AND at_us = subject_us + 3600000000"), 2);
	assert_int_equal(number(s, "SELECT count(*) FROM acase WHERE kind = 'listing'"), 1);
	store_close(s, f->j);
}

/* A store as it was before block lists were followed. */
static void a_former_store_opens(void **state)
{
	struct fixture *f = *state;
	struct db d;
	sqlite3 *h;
	struct err e;
	assert_int_equal(sqlite3_open(f->path, &h), SQLITE_OK);
	int v = 0;
	for (; !strstr(migration_text[v], "CREATE TABLE listing "); v++)
		assert_int_equal(sqlite3_exec(h, migration_text[v], NULL, NULL, NULL), SQLITE_OK);
	char pragma[200];
	(void)snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d; INSERT INTO principal (kind, id, first_us, last_us, state) VALUES ('account', 'a', 1, 2, x'0400')", v);
	assert_int_equal(sqlite3_exec(h, pragma, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(h);
	if (db_open(&d, f->path, &e) < 0)
		fail_msg("%s", e.text);
	db_close(&d);
	struct store *s = open_store(f);
	assert_int_equal(number(s, "SELECT count(*) FROM principal WHERE id = 'a'"), 1);
	assert_int_equal(number(s, "SELECT count(*) FROM listing"), 0);
	store_close(s, f->j);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(two_entries_apart_make_a_listing), TEST(repeats_change_nothing), TEST(three_answers_over_six_hours_end_it), TEST(errors_say_nothing),
		TEST(what_is_no_abuse_weighs_nothing), TEST(a_list_that_has_everything_is_held), TEST(few_are_believed), TEST(old_entries_stand),
		TEST(a_receiver_that_names_the_list_is_a_second_look), TEST(unwatched_entries_go), TEST(neighbours_add_up), TEST(what_was_listed_in_the_flood_is_withdrawn), TEST(another_config_moves_it),
		TEST(many_targets_find_room), TEST(a_clock_that_was_put_back), TEST(blame_is_by_share_and_fades),
		TEST(clients_are_asked_about_once_a_day), TEST(asking_has_a_budget),
		TEST(the_store_gives_it_back), TEST(a_former_store_opens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
