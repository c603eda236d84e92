/* Principals between memory and the store: late rows, rest, a store that was left at any commit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyzer/acase.h"
#include "analyzer/detector.h"
#include "analyzer/resting.h"
#include "lib/times.h"
#include "lib/wire.h"
#include "tests/unit/store_run.h"

#define START (480000LL * US_PER_HOUR)
#define IDS 40u
#define SHOWS STORE_SHOWS_FROM

static struct open open_late(void)
{
	struct open o = open_store();
	store_defer(o.store, o.judge);
	return o;
}

/* What a principal should be. */
struct want { uint64_t messages; int32_t score; bool stored; };

static struct principal *get(struct judge *j, unsigned i)
{
	char id[32];
	(void)snprintf(id, sizeof id, "u%u@isp.example", i);
	return judge_principal(j, PRINCIPAL_ACCOUNT, sv_cstr(id), START);
}

static void hear(struct judge *j, struct want *want, unsigned i, int32_t score)
{
	struct principal *p = get(j, i);
	judge_touch(j, p);
	p->messages++;
	p->score = score;
	want[i].messages++;
	want[i].score = score;
}

static void same(struct judge *j, const struct want *want)
{
	for (unsigned i = 0; i < IDS; i++) {
		if (!want[i].messages)
			continue;
		struct principal *p = get(j, i);
		assert_int_equal(p->messages, want[i].messages);
		assert_int_equal(p->score, want[i].score);
	}
}

/* Who reads the store finds everybody; those of whom more shows than counts, as they are. */
static void readers_see(const struct want *want, bool all)
{
	char query[160];
	for (unsigned i = 0; i < IDS; i++) {
		if (!want[i].stored)
			continue;
		(void)snprintf(query, sizeof query, "SELECT messages FROM principal WHERE kind = 'account' AND id = 'u%u@isp.example'", i);
		int64_t messages = number(query);
		assert_true(messages > 0);
		if (all || want[i].score >= SHOWS)
			assert_int_equal(messages, want[i].messages);
		(void)snprintf(query, sizeof query, "SELECT max(score, %d) FROM principal WHERE kind = 'account' AND id = 'u%u@isp.example'", SHOWS - 1, i);
		assert_int_equal(number(query), want[i].score < SHOWS ? SHOWS - 1 : want[i].score);
	}
}

static void stored(struct want *want)
{
	for (unsigned i = 0; i < IDS; i++)
		want[i].stored = want[i].messages > 0;
}

/* Nothing shows, a little, much. */
static int32_t some_score(void)
{
	static const int32_t scores[] = { 0, 0, 0, SHOWS / 2, SHOWS, 5 * NAT };
	return scores[next() % (sizeof scores / sizeof *scores)];
}

/* Commits that stand and that fail, rest, and a process that goes without a word, in any order. */
static void late_ones_are_as_they_were(void **state)
{
	struct want want[IDS] = { { 0 } };
	struct err e;
	(void)state;
	fresh();
	struct open o = open_late();
	(void)store_input(o.store, SV("mx1"));
	bool late_again = false, rested = false, settled = false, asked = false;
	int64_t settled_us = 0;
	o.judge->site->now_us = START;
	for (unsigned round = 0; round < 400; round++) {
		bool fails = next() % 5 == 0;
		asked |= next() % 20 == 0; /* of a commit that fails it stays */
		o.judge->site->now_us += (int64_t)(next() % 25) * US_PER_S;
		bool settles = asked || o.judge->site->now_us >= settled_us + 60 * US_PER_S;
		for (unsigned n = (unsigned)(next() % 6); n > 0; n--)
			hear(o.judge, want, (unsigned)(next() % IDS), some_score());
		if (fails)
			sql("CREATE TRIGGER no BEFORE INSERT ON input BEGIN SELECT RAISE(ABORT, 'no'); END");
		if (asked)
			store_settle(o.store);
		store_input(o.store, SV("mx1"))->dirty = true;
		assert_int_equal(store_commit(o.store, o.judge, &e), fails ? -1 : 0);
		if (fails) {
			sql("DROP TRIGGER no");
			continue;
		}
		asked = false;
		stored(want);
		readers_see(want, settles);
		late_again |= settled && o.store->late_rows > 0;
		settled |= settles;
		settled_us = settles ? o.judge->site->now_us : settled_us;
		assert_int_equal(number("SELECT count(*) FROM principal_late"), o.store->late_rows);
		if (settles)
			assert_int_equal(o.store->late_rows, 0);
		judge_rest(o.judge);
		rested |= resting_count(o.judge->resting) > 0;
		if (next() % 8 == 0) {
			close_store(&o);
			o = open_late();
			settled = false;
			settled_us = 0;
			assert_int_equal(number("SELECT count(*) FROM principal_late"), 0);
			readers_see(want, true);
		}
		if (next() % 8 == 0)
			same(o.judge, want);
	}
	assert_true(late_again && rested);
	close_store(&o);
}

/* What waits is bounded, and who must go for want of memory is written before. */
static void late_rows_are_bounded(void **state)
{
	struct want want[IDS] = { { 0 } };
	struct err e;
	(void)state;
	fresh();
	struct open o = open_late();
	size_t most = 0;
	for (unsigned round = 0; round < 1000; round++) {
		for (unsigned i = 0; i < IDS; i++)
			hear(o.judge, want, i, 0);
		assert_int_equal(store_commit(o.store, o.judge, &e), 0);
		most = o.store->late_rows > most ? o.store->late_rows : most;
	}
	assert_in_range(most, 10000, 20000);
	o.judge->limits.principals_bytes = 1;
	hear(o.judge, want, 0, 0);
	assert_int_equal(store_commit(o.store, o.judge, &e), 0);
	assert_int_equal(o.store->late_rows, 0);
	assert_int_equal(o.judge->n_principals, 0);
	o.judge->limits.principals_bytes = 1 << 20;
	same(o.judge, want);
	close_store(&o);
}

/* Whoever changes is heard of, be it by a message or not: an account that only fails to log in does not come and go each minute. */
static void who_changes_does_not_rest(void **state)
{
	struct err e;
	(void)state;
	fresh();
	struct open o = open_late();
	o.store->defers = false;
	o.judge->site->now_us = START;
	for (unsigned minute = 0; minute < 10; minute++) {
		struct record r = { .kind = RECORD_AUTH_FAIL, .time_us = START + minute * 60 * US_PER_S, .account = SV("u1@isp.example"), .client_ip = SV("203.0.113.9") };
		if (!minute)
			(void)get(o.judge, 1), (void)get(o.judge, 2);
		judge_record(o.judge, &r, SV("a line"));
		assert_int_equal(store_commit(o.store, o.judge, &e), 0);
		judge_rest(o.judge);
		assert_int_equal(resting_count(o.judge->resting), minute > o.judge->limits.rest_s / 60 ? 1 : 0); /* the other one */
	}
	close_store(&o);
}

/* As many as the table first has seats for, then more; they come back in another order, and the store is not asked. */
static void a_crowd_rests_and_comes_back(void **state)
{
	enum { MANY = 3000, FIRST = 256 };
	struct err e;
	(void)state;
	fresh();
	struct open o = open_store();
	o.judge->site->now_us = START;
	for (unsigned i = 0; i < MANY; i++) {
		if (i == FIRST) {
			assert_int_equal(resting_count(o.judge->resting), FIRST);
			assert_int_equal(get(o.judge, MANY)->messages, 0); /* who never was there is not looked for without end */
		}
		struct principal *p = get(o.judge, i);
		p->messages = i + 1;
		judge_touch(o.judge, p);
		if (i + 1 != FIRST && i + 1 != MANY)
			continue;
		assert_int_equal(store_commit(o.store, o.judge, &e), 0);
		o.judge->site->now_us += (o.judge->limits.rest_s + 60) * US_PER_S;
		judge_rest(o.judge);
	}
	assert_int_equal(o.judge->n_principals, 0);
	o.judge->store.load_principal = NULL;
	for (unsigned n = 0, i = 17; n < MANY; n++, i = (i + 1237) % MANY) {
		assert_int_equal(resting_count(o.judge->resting), MANY + 1 - n);
		assert_int_equal(get(o.judge, i)->messages, i + 1);
	}
	close_store(&o);
}

static size_t detector_named(const char *name)
{
	size_t d = 0;
	while (strcmp(detector_registry[d]->name, name) != 0)
		d++;
	return d;
}

/* Something that speaks against p, with a line to show. */
static void accuse(struct judge *j, struct principal *p, const char *line)
{
	int32_t scores[64] = { 0 };
	size_t d = detector_named("bad-rcpt");
	scores[d] = 30 * NAT;
	if (!p->suspicion)
		p->suspicion = suspicion_new(j->site->now_us);
	suspicion_add_line(p->suspicion, j->site->now_us, d, sv_cstr(line));
	acase_update(j, p, scores, 30 * NAT, j->site->now_us, true);
}

static void act(struct open *o, int64_t id, const char *what)
{
	struct err e = { "" };
	assert_int_equal(acase_act(o->judge, judge_case(o->judge, id), what, "ann", "", o->judge->site->now_us, &e), 0);
	assert_int_equal(store_commit(o->store, o->judge, &e), 0);
}

/* Closed by mistake: what it showed is shown until there is something new. */
static void a_case_opened_again_by_hand_shows_what_it_did(void **state)
{
	struct err e = { "" };
	(void)state;
	fresh();
	struct open o = open_store();
	o.judge->site->now_us = START;
	struct principal *p = get(o.judge, 1);
	accuse(o.judge, p, "first");
	accuse(o.judge, p, "second");
	assert_int_equal(store_commit(o.store, o.judge, &e), 0);
	int64_t id = p->open_case->id;
	sql("INSERT INTO case_step (case_id, seq, nth, at_us, what, mark, level, total, capped_to, detectors, groups) VALUES (1, 0, 1, 1, 'x', '', '', 1, 0, '[]', '[]')");
	act(&o, id, "closed");
	suspicion_free(p->suspicion); /* an innocent message came */
	p->suspicion = NULL;
	act(&o, id, "reopened");
	assert_int_equal(number("SELECT count(*) FROM case_evidence"), 2);
	assert_int_equal(number("SELECT count(*) FROM case_step"), 1);
	accuse(o.judge, p, "third");
	assert_int_equal(store_commit(o.store, o.judge, &e), 0);
	assert_int_equal(number("SELECT count(*) FROM case_evidence"), 1);
	assert_int_equal(number("SELECT count(*) FROM case_evidence WHERE line = 'third'"), 1);
	close_store(&o);
}

/* Whether p could be read from text. */
static bool read_back(struct judge *j, struct principal *p, struct sv text)
{
	suspicion_free(p->suspicion);
	p->suspicion = NULL;
	p->browser = (struct browser){ 0 };
	return store_state_decode(j, p, text) == 0;
}

/* What stands behind a damaged suspicion is not taken for something else; a state of the build before ends there. */
static void log_ins_to_webmail_are_kept(void **state)
{
	(void)state;
	fresh();
	struct open o = open_store();
	struct buf all = { 0 }, part = { 0 };
	o.judge->site->now_us = START;
	struct principal *p = get(o.judge, 1);
	p->suspicion = suspicion_new(START);
	p->suspicion->folder = xstrdup("/home/ann");
	suspicion_add_line(p->suspicion, START, 0, SV("a line"));
	suspicion_encode(p->suspicion, &part);
	store_state_encode(o.judge, p, &all);
	size_t before = all.n;
	buf_clear(&all);
	p->browser = (struct browser){ START, 20000 };
	store_state_encode(o.judge, p, &all);
	assert_true(read_back(o.judge, p, sv_take(buf_sv(&all), before)));
	assert_int_equal(p->browser.first_day, 0);
	assert_true(read_back(o.judge, p, buf_sv(&all)));
	assert_int_equal(p->browser.first_day, 20000);
	assert_int_equal(p->browser.elsewhere_us, START);
	ptrdiff_t at = sv_find(buf_sv(&all), buf_sv(&part));
	assert_true(at > 0);
	size_t damaged = 0;
	for (size_t i = 0; i < part.n; i++) {
		char was = all.p[(size_t)at + i];
		all.p[(size_t)at + i] = '\xff';
		assert_true(read_back(o.judge, p, buf_sv(&all)));
		assert_int_equal(p->browser.first_day, 20000);
		assert_int_equal(p->browser.elsewhere_us, START);
		damaged += !p->suspicion;
		all.p[(size_t)at + i] = was;
	}
	assert_true(damaged > 0);
	all.n = before;
	wire_put_u(&all, 20000);
	wire_put_i(&all, INT64_MIN);
	assert_true(read_back(o.judge, p, buf_sv(&all)));
	assert_int_equal(p->browser.elsewhere_us, 0); /* no time lies so far back that the difference is no number */
	buf_fini(&part);
	buf_fini(&all);
	close_store(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(late_ones_are_as_they_were),
		cmocka_unit_test(late_rows_are_bounded),
		cmocka_unit_test(who_changes_does_not_rest),
		cmocka_unit_test(a_crowd_rests_and_comes_back),
		cmocka_unit_test(a_case_opened_again_by_hand_shows_what_it_did),
		cmocka_unit_test(log_ins_to_webmail_are_kept),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
