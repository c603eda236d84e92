/* Policy findings: what adds up to one, days, the limit of a day, recipients that come to light one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "analyzer/policy.h"
#include "lib/buf.h"
#include "lib/conf.h"

#define DAY 20000
#define NOW ((int64_t)DAY * US_PER_DAY)

static struct conf conf;
static struct judge j;

static int setup(void **state)
{
	(void)state;
	j = (struct judge){ .conf = &conf, .policy = policy_new() };
	policy_configure(&j);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	policy_free(j.policy);
	return 0;
}

static struct principal account(char *id)
{
	return (struct principal){ .kind = PRINCIPAL_ACCOUNT, .id = id };
}

/* A first report of a message of that size. */
static void message(const char *id, int64_t size, int64_t at_us, int32_t offset_s, const char *line)
{
	char name[64];
	(void)snprintf(name, sizeof name, "%s", id);
	struct principal p = account(name);
	struct txn t = { .size = size, .utc_offset_s = offset_s, .queue_id = SV("4F1C22003D"), .sender = SV("a@isp.example"), .sender_known = true };
	struct message_view m = { .txn = &t, .at_us = at_us, .first_report = true, .n_rcpt = 1, .n_more = 1, .line = sv_cstr(line) };
	policy_message(&j, &p, &m);
}

static void one_day_is_one_finding(void **state)
{
	(void)state;
	message("a", 40000000, NOW, 0, "first");
	message("a", 50000000, NOW + 5, 0, "largest");
	message("a", 50000000, NOW + 6, 0, "as large");
	message("a", 30 * 1024 * 1024, NOW + 7, 0, "not over it");
	assert_int_equal(j.policy->n, 1);
	const struct policy_finding *f = &j.policy->finding[0];
	assert_int_equal(f->count, 3);
	assert_int_equal(f->largest, 50000000);
	assert_string_equal(f->line, "largest");
	assert_string_equal(f->queue_id, "4F1C22003D");
	assert_true(f->first_us == NOW && f->last_us == NOW + 6 && f->day == DAY);
	message("b", 40000000, NOW + 8, 0, "another");
	assert_int_equal(j.policy->n, 2);
}

static void a_day_is_the_logs_day(void **state)
{
	(void)state;
	message("a", 40000000, NOW - 1800 * US_PER_S, 3600, "after midnight there");
	message("a", 40000000, NOW + 1800 * US_PER_S, -3600, "before midnight there");
	assert_int_equal(j.policy->n, 2);
	assert_int_equal(j.policy->finding[0].day, DAY);
	assert_int_equal(j.policy->finding[1].day, DAY - 1);
	message("a", 40000000, NOW + 7200 * US_PER_S, 0, "the same day as the first");
	assert_int_equal(j.policy->n, 2);
	assert_int_equal(j.policy->finding[0].count, 2);
}

static void old_days_leave_after_a_commit(void **state)
{
	(void)state;
	message("a", 40000000, NOW - 3 * US_PER_DAY, 0, "old");
	message("b", 40000000, NOW - US_PER_DAY, 0, "yesterday");
	message("c", 40000000, NOW, 0, "today");
	assert_int_equal(j.policy->n, 3);
	policy_committed(j.policy, NOW);
	assert_int_equal(j.policy->n, 2);
	message("b", 40000000, NOW - US_PER_DAY + 1, 0, "again");
	message("c", 40000000, NOW + 1, 0, "again");
	assert_int_equal(j.policy->n, 2);
	assert_int_equal(j.policy->finding[0].count + j.policy->finding[1].count, 4);
	assert_true(j.policy->finding[0].dirty && j.policy->finding[1].dirty);
}

/* The limit of a day is the same however often there was a commit. */
static void a_day_has_a_limit(void **state)
{
	char id[32];
	(void)state;
	for (unsigned i = 0; i < POLICY_DAY_MAX + 3; i++) {
		(void)snprintf(id, sizeof id, "u%u", i);
		message(id, 40000000, NOW, 0, "x");
		if (i == 100)
			policy_committed(j.policy, NOW);
	}
	message("u0", 40000000, NOW, 0, "has its place");
	assert_int_equal(j.policy->n, POLICY_DAY_MAX);
	assert_int_equal(policy_day(j.policy, DAY)->dropped, 3);
	assert_true(policy_day(j.policy, DAY)->dirty);
	message("another day", 40000000, NOW + US_PER_DAY, 0, "x");
	assert_int_equal(j.policy->n, POLICY_DAY_MAX + 1);
	assert_int_equal(policy_day(j.policy, DAY + 1)->dropped, 0);
}

/* What the store gives back goes on as if nothing had been. */
static void loaded_findings_go_on(void **state)
{
	char id[] = "a", line[] = "largest", queue_id[] = "Q";
	struct policy_finding f = { .rule = policy_rule_named(SV("size")), .kind = PRINCIPAL_ACCOUNT, .day = DAY, .id = id, .line = line, .queue_id = queue_id,
		                    .count = 7, .largest = 90000000, .first_us = NOW, .last_us = NOW + 1 };
	(void)state;
	assert_non_null(f.rule);
	policy_loaded(&j, &f);
	message("a", 40000000, NOW + 9, 0, "smaller");
	assert_int_equal(j.policy->n, 1);
	assert_int_equal(j.policy->finding[0].count, 8);
	assert_string_equal(j.policy->finding[0].line, "largest");
	assert_int_equal(policy_day(j.policy, DAY)->n, 1);
	assert_null(policy_rule_named(SV("sizes")));
}

/* n recipients are known, of which so many since the last report. */
static void report(uint32_t n, uint32_t more, bool first)
{
	char id[] = "a";
	struct principal p = account(id);
	struct txn t = { .size = -1, .sender = SV("a@isp.example"), .sender_known = true };
	struct message_view m = { .txn = &t, .at_us = NOW, .first_report = first, .n_rcpt = n, .n_more = more, .line = SV("x") };
	policy_message(&j, &p, &m);
}

static void outcome(struct txn_rcpt *r, uint8_t status, bool changed, uint32_t attempts)
{
	r->status = status;
	r->changed = changed;
	r->attempts = attempts;
}

/* A relayed message counts once, in the report in which it first leaves our domains. */
static void relayed_in_several_reports(void **state)
{
	const struct policy_rule *rule = policy_rule_named(SV("unauthenticated"));
	struct { bool enabled; } on = { true };
	char id[] = "198.18.0.5";
	struct principal p = { .kind = PRINCIPAL_HOST, .id = id };
	struct txn_rcpt r[2] = { { .recipient = SV("a@known.example") }, { .recipient = SV("b@other.example") } };
	struct txn t = { .sender = SV("a@isp.example"), .sender_known = true, .rcpt = r, .n_rcpt = 2 };
	struct message_view m = { .txn = &t, .at_us = NOW, .first_report = true };
	struct policy_breach b = { .times = 1 };
	struct err e;
	(void)state;
	j.enrich = enrich_new(&conf, &e);
	assert_non_null(rule);
	outcome(&r[0], TXN_PENDING, false, 0), outcome(&r[1], TXN_PENDING, false, 0);
	assert_false(rule->message(&j, &p, &on, &m, &b)); /* nothing has left yet */
	m.first_report = false;
	outcome(&r[0], TXN_SENT, true, 1);
	assert_true(rule->message(&j, &p, &on, &m, &b));
	assert_true(b.times == 1 && b.value == 1);
	outcome(&r[0], TXN_SENT, false, 1), outcome(&r[1], TXN_DEFERRED, true, 1);
	assert_true(rule->message(&j, &p, &on, &m, &b));
	assert_true(b.times == 0 && b.value == 2);
	outcome(&r[1], TXN_SENT, true, 2);
	assert_false(rule->message(&j, &p, &on, &m, &b));
	enrich_free(j.enrich);
}

/* An account that logs in from a listed address elsewhere is nobody's listed client. */
static void listed_elsewhere(void **state)
{
	char id[] = "a";
	struct principal p = account(id);
	struct record r = { .kind = RECORD_REJECT, .program = SV("postfix/smtpd") };
	struct fact_view f = { .record = &r, .line = SV("x"), .at_us = NOW, .class = REPLY_IP_LISTED };
	(void)state;
	policy_fact(&j, &p, &f);
	assert_int_equal(j.policy->n, 0);
	f.place.own_network = true;
	policy_fact(&j, &p, &f);
	assert_int_equal(j.policy->n, 1);
	assert_int_equal(j.policy->finding[0].count, 1);
	/* Sendmail's and Exim's words: the client is named, not a domain. */
	r.client_ip = SV("198.18.0.15");
	f.class = REPLY_OTHER;
	r.reply = SV("550 5.7.1 Rejected: 198.18.0.15 listed at bl.example");
	policy_fact(&j, &p, &f);
	assert_int_equal(j.policy->finding[0].count, 2);
	r.reply = SV("envelope domain x.example is listed at dbl.example");
	policy_fact(&j, &p, &f);
	r.reply = SV("198.18.0.15 may not relay");
	policy_fact(&j, &p, &f);
	assert_int_equal(j.policy->finding[0].count, 2);
	/* Of principals that are no customer's nothing is noted. */
	p.kind = PRINCIPAL_OWN_IP;
	f.class = REPLY_IP_LISTED;
	policy_fact(&j, &p, &f);
	assert_int_equal(j.policy->n, 1);
}

static void recipients_that_come_to_light(void **state)
{
	(void)state;
	report(20, 20, true);
	report(30, 10, false);
	assert_int_equal(j.policy->n, 0);
	report(31, 1, false);
	assert_int_equal(j.policy->n, 1);
	report(80, 49, false);
	j.policy->finding[0].last_us = 5;
	report(80, 0, false); /* says nothing new about it */
	assert_int_equal(j.policy->finding[0].last_us, 5);
	assert_int_equal(j.policy->finding[0].count, 1);
	assert_int_equal(j.policy->finding[0].largest, 80);
	report(31, 31, true); /* another message */
	assert_int_equal(j.policy->finding[0].count, 2);
	assert_int_equal(j.policy->finding[0].largest, 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_day_is_one_finding, setup, teardown),
		cmocka_unit_test_setup_teardown(a_day_is_the_logs_day, setup, teardown),
		cmocka_unit_test_setup_teardown(old_days_leave_after_a_commit, setup, teardown),
		cmocka_unit_test_setup_teardown(a_day_has_a_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(loaded_findings_go_on, setup, teardown),
		cmocka_unit_test_setup_teardown(relayed_in_several_reports, setup, teardown),
		cmocka_unit_test_setup_teardown(listed_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(recipients_that_come_to_light, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
