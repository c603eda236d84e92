#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "analyzer/budget.h"
#include "lib/times.h"

struct fixture {
	struct judge j;
	struct site_state site;
	struct principal *p;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	f->j.site = &f->site;
	f->j.limits = (struct judge_limits){ .open = 12 * NAT, .budget_least = 10 * NAT, .budget = 2 };
	budget_init(&f->j.budget_memory);
	f->p = xcalloc(1, sizeof *f->p);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	memory_fini(&f->j.budget_memory);
	free(f->p);
	free(f);
	return 0;
}

/* Days of one principal with that highest score: as many as of so many principals. */
static void days(struct fixture *f, int n, int32_t score)
{
	for (int i = 0; i < n; i++) {
		f->site.now_us += US_PER_DAY;
		f->p->score = score / 2;
		budget_note(&f->j, f->p);
		f->p->score = score;
		budget_note(&f->j, f->p);
		f->p->score = 0;
		budget_note(&f->j, f->p);
	}
}

static void it_says_nothing_before_it_knows_enough(void **state)
{
	struct fixture *f = *state;
	days(f, BUDGET_DAYS_LEAST - 10, 0);
	budget_retune(&f->j);
	assert_int_equal(budget_threshold(&f->j, PRINCIPAL_ACCOUNT), 12 * NAT);
	days(f, 20, 0);
	budget_retune(&f->j);
	assert_int_equal(budget_threshold(&f->j, PRINCIPAL_ACCOUNT), 10 * NAT);
	assert_int_equal(budget_threshold(&f->j, PRINCIPAL_HOST), 12 * NAT);
}

static void the_threshold_keeps_to_the_budget(void **state)
{
	struct fixture *f = *state;
	days(f, 20000, NAT);
	days(f, 4, 13 * NAT + NAT / 4); /* 2 in 10,000 */
	days(f, 1, NAT);
	budget_retune(&f->j);
	assert_int_equal(budget_threshold(&f->j, PRINCIPAL_ACCOUNT), 10 * NAT);
	days(f, 2, 14 * NAT);
	days(f, 1, NAT);
	budget_retune(&f->j);
	assert_int_equal(budget_threshold(&f->j, PRINCIPAL_ACCOUNT), 13 * NAT + NAT / 2);
	f->j.limits.budget = 0;
	assert_int_equal(budget_threshold(&f->j, PRINCIPAL_ACCOUNT), 12 * NAT);
}

static void what_people_call_a_false_alarm_counts(void **state)
{
	struct fixture *f = *state;
	days(f, 20000, NAT);
	for (int i = 0; i < 40; i++)
		budget_false_alarm(&f->j, PRINCIPAL_ACCOUNT, 15 * NAT);
	budget_retune(&f->j);
	assert_int_equal(budget_threshold(&f->j, PRINCIPAL_ACCOUNT), 15 * NAT + NAT / 2);
}

static void a_day_with_a_case_does_not_count(void **state)
{
	struct fixture *f = *state;
	days(f, 20000, NAT);
	f->p->open_case = (struct acase *)(void *)f;
	days(f, 100, 16 * NAT);
	f->p->open_case = NULL;
	days(f, 2, NAT);
	budget_retune(&f->j);
	assert_int_equal(budget_threshold(&f->j, PRINCIPAL_ACCOUNT), 10 * NAT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_says_nothing_before_it_knows_enough), TEST(the_threshold_keeps_to_the_budget), TEST(what_people_call_a_false_alarm_counts),
		TEST(a_day_with_a_case_does_not_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
