/* What people say of a case stays said: a false alarm teaches what is normal, also when they say so the day after; what was dealt with teaches nothing. What
 * was usual long ago is forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/acase.h"
#include "analyzer/detector.h"
#include "analyzer/fusion.h"
#include "lib/times.h"
#include "tests/unit/store_run.h"

#define START (480000LL * US_PER_HOUR)
#define ANN "ann@isp.example"

static void write_to(struct judge *j, const char *recipient, int64_t at_us)
{
	struct txn_rcpt r = { .recipient = sv_cstr(recipient), .dsn = SV("2.0.0"), .status = TXN_SENT, .attempts = 1, .changed = true };
	struct txn t = { .at_us = at_us, .first_us = at_us, .last_us = at_us, .mta = SV("postfix"), .queue_id = sv_cstr(recipient), .account = SV(ANN), .sender = SV(ANN),
		         .sender_known = true, .uid = -1, .size = 1000, .nrcpt = 1, .origin = TXN_SUBMISSION, .rcpt = &r, .n_rcpt = 1 };
	judge_txn(j, &t);
}

static void friends(struct judge *j, int64_t from_us, int hours)
{
	static const char *const known[] = { "bob@known.example", "eve@known.example", "joe@known.example" };
	for (int h = 0; h < hours; h++)
		write_to(j, known[h % 3], from_us + h * US_PER_HOUR);
}

static void strangers(struct judge *j, const char *name, int64_t from_us)
{
	char to[64];
	for (int i = 0; i < 300; i++) {
		(void)snprintf(to, sizeof to, "%s%d@town%d.example", name, i, i % 90);
		write_to(j, to, from_us + i * 10 * US_PER_S);
	}
}

static int32_t surge(struct judge *j)
{
	int32_t scores[64];
	struct principal *p = judge_principal(j, PRINCIPAL_ACCOUNT, SV(ANN), j->site->now_us);
	(void)fusion_score(j, p, j->site->now_us, scores);
	for (size_t d = 0; d < detector_count(); d++)
		if (strcmp(detector_registry[d]->name, "rcpt-surge") == 0)
			return scores[d];
	return -1;
}

/* Writes to three hundred, somebody says something a day later, and a week later it does so again. What that is worth then. */
static int32_t again_after(const char *said)
{
	struct err e = { "" };
	fresh();
	struct open o = open_store();
	friends(o.judge, START, 24 * 30);
	strangers(o.judge, "first", START + 30 * US_PER_DAY);
	struct principal *p = judge_principal(o.judge, PRINCIPAL_ACCOUNT, SV(ANN), START);
	assert_non_null(p->open_case);
	assert_true(surge(o.judge) > 2 * NAT);
	friends(o.judge, START + 30 * US_PER_DAY + 2 * US_PER_HOUR, 30);
	assert_int_equal(acase_act(o.judge, p->open_case, said, "ann", "", o.judge->site->now_us, &e), 0);
	assert_int_equal(surge(o.judge), 0);
	friends(o.judge, START + 32 * US_PER_DAY, 24 * 5);
	strangers(o.judge, "second", START + 37 * US_PER_DAY);
	int32_t worth = surge(o.judge);
	close_store(&o);
	return worth;
}

static void what_is_called_normal_is_normal(void **state)
{
	(void)state;
	assert_int_equal(again_after("false-positive"), 0);
}

static void what_was_dealt_with_is_not(void **state)
{
	(void)state;
	assert_true(again_after("closed") > 2 * NAT);
}

/* What people call normal is what is in question, not what was dealt with weeks before. */
static void what_was_dealt_with_stays_so(void **state)
{
	struct err e = { "" };
	(void)state;
	fresh();
	struct open o = open_store();
	friends(o.judge, START, 24 * 30);
	strangers(o.judge, "first", START + 30 * US_PER_DAY);
	struct principal *p = judge_principal(o.judge, PRINCIPAL_ACCOUNT, SV(ANN), START);
	friends(o.judge, START + 30 * US_PER_DAY + 2 * US_PER_HOUR, 30);
	assert_int_equal(acase_act(o.judge, p->open_case, "closed", "ann", "", o.judge->site->now_us, &e), 0);
	friends(o.judge, START + 32 * US_PER_DAY, 24 * 5);
	for (size_t d = 0; d < detector_count(); d++)
		if (strcmp(detector_registry[d]->name, "rcpt-surge") == 0)
			detector_registry[d]->learn(judge_slab(o.judge, p, d));
	strangers(o.judge, "second", START + 37 * US_PER_DAY);
	assert_true(surge(o.judge) > 2 * NAT);
	close_store(&o);
}

/* A month of writing to friends each hour, nothing for so many days, then to three hundred: of how many earlier hours rcpt-surge speaks. */
static unsigned remembered_after(int days)
{
	unsigned hours = 0;
	struct buf why = { 0 };
	fresh();
	struct open o = open_store();
	friends(o.judge, START, 24 * 30);
	strangers(o.judge, "first", START + (30 + days) * US_PER_DAY);
	struct principal *p = judge_principal(o.judge, PRINCIPAL_ACCOUNT, SV(ANN), o.judge->site->now_us);
	assert_true(surge(o.judge) > 0);
	for (size_t d = 0; d < detector_count(); d++)
		if (strcmp(detector_registry[d]->name, "rcpt-surge") == 0)
			detector_registry[d]->why(o.judge, p, judge_slab(o.judge, p, d), NULL, &why);
	const char *said = strstr(buf_cstr(&why), "; in ");
	if (!said || sscanf(said, "; in %u earlier active", &hours) != 1)
		hours = 0;
	buf_fini(&why);
	close_store(&o);
	return hours;
}

static void what_was_usual_counts_half_each_month(void **state)
{
	(void)state;
	unsigned now = remembered_after(1);
	assert_true(now >= 100);
	assert_int_equal(remembered_after(31), now / 2);
	assert_int_equal(remembered_after(91), now / 8);
	assert_int_equal(remembered_after(100000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_called_normal_is_normal), cmocka_unit_test(what_was_dealt_with_stays_so), cmocka_unit_test(what_was_dealt_with_is_not),
		cmocka_unit_test(what_was_usual_counts_half_each_month) };
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
