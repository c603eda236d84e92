/* Another config while it runs: the inventory, detectors and policy rules are those of the new one at once; nothing of the old one is looked at again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/detector.h"
#include "analyzer/enrich.h"
#include "analyzer/policy.h"
#include "lib/times.h"

#define NOW (20000 * US_PER_DAY)

static char none[] = "", path[] = "test.conf", detector_word[] = "detector", policy_word[] = "policy", surge[] = "rcpt-surge", fusion[] = "fusion", size[] = "size",
	open[] = "open", limit[] = "limit", fourteen[] = "14", small[] = "1k", ann[] = "ann@isp.example", first[] = "C1", second[] = "C2";

static void message_of(struct judge *j, int64_t bytes)
{
	struct txn_rcpt r = { .recipient = SV("bob@known.example"), .dsn = SV("2.0.0"), .status = TXN_SENT, .attempts = 1, .changed = true };
	struct txn t = { .at_us = NOW, .first_us = NOW, .last_us = NOW, .mta = SV("postfix"), .queue_id = SV("4F1C22003D"), .account = sv_cstr(ann), .sender = sv_cstr(ann), .sender_known = true,
		         .uid = -1, .size = bytes, .nrcpt = 1, .origin = TXN_SUBMISSION, .rcpt = &r, .n_rcpt = 1 };
	judge_txn(j, &t);
}

static bool asks_surge(const struct judge *j)
{
	for (size_t i = 0; i < j->n_judging[PRINCIPAL_ACCOUNT]; i++)
		if (strcmp(j->judging[PRINCIPAL_ACCOUNT][i].detector->name, surge) == 0)
			return j->judging[PRINCIPAL_ACCOUNT][i].enabled;
	return false;
}

static void the_new_one_counts(void **state)
{
	(void)state;
	struct err e = { "" };
	char *customer_of = strdup(first), *opens[] = { open }, *open_at[] = { fourteen }, *limits[] = { limit }, *limit_at[] = { small };
	int lines[] = { 1 };
	struct conf_customer had = { .customer = customer_of, .contact = none, .language = none, .value = ann, .kind = CUSTOMER_ACCOUNT }, has = had;
	has.customer = second;
	struct conf_rule rules[] = { { .section = detector_word, .name = surge, .says_enabled = true, .enabled = false },
		                     { .section = detector_word, .name = fusion, .opt_name = opens, .opt_text = open_at, .opt_line = lines, .n = 1 },
		                     { .section = policy_word, .name = size, .opt_name = limits, .opt_text = limit_at, .opt_line = lines, .n = 1 } };
	struct conf before = { .path = path, .customers_path = none, .customer = &had, .n_customer = 1 }, after = before;
	after.customer = &has;
	after.rule = rules;
	after.n_rule = 3;
	struct enrich *was = enrich_new(&before, &e), *is = enrich_new(&after, &e);
	struct judge *j = judge_new(&before, was, &e);
	message_of(j, 2000);
	struct principal *p = judge_principal(j, PRINCIPAL_ACCOUNT, sv_cstr(ann), NOW);
	assert_string_equal(judge_customer(j, p), first);
	assert_true(asks_surge(j) && j->limits.open == 12 * NAT && j->policy->n == 0);
	judge_reconfigure(j, &after, is);
	enrich_free(was);
	free(customer_of);
	assert_string_equal(judge_customer(j, p), second);
	assert_true(!asks_surge(j) && j->limits.open == 14 * NAT);
	message_of(j, 2000);
	assert_int_equal(j->policy->n, 1);
	judge_free(j);
	enrich_free(is);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_new_one_counts) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
