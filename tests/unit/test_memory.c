#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "analyzer/contacts.h"
#include "analyzer/outage.h"
#include "lib/hash.h"
#include "lib/times.h"

static void contacts_are_known_and_strangers_are_not(void **state)
{
	struct contacts c;
	unsigned wrong = 0;
	(void)state;
	contacts_init(&c, 1 << 20);
	for (uint64_t i = 0; i < 100000; i++)
		contacts_add(&c, hash_mix(i, 7));
	for (uint64_t i = 0; i < 100000; i++)
		assert_true(contacts_known(&c, hash_mix(i, 7)));
	for (uint64_t i = 0; i < 100000; i++)
		wrong += contacts_known(&c, hash_mix(i, 8));
	assert_true(wrong < 500); /* about 0.4 % at most are taken for known */
	contacts_fini(&c);
}

static void contacts_live_for_two_generations(void **state)
{
	struct contacts c;
	(void)state;
	contacts_init(&c, 65536);
	contacts_add(&c, hash_mix(1, 1));
	contacts_age(&c);
	assert_true(contacts_known(&c, hash_mix(1, 1)));
	contacts_age(&c);
	assert_false(contacts_known(&c, hash_mix(1, 1)));
	contacts_fini(&c);
}

static void only_touched_pages_are_written(void **state)
{
	struct memory m;
	(void)state;
	memory_init(&m, "m", 200 * MEMORY_PAGE_BYTES);
	assert_false(m.any);
	assert_int_equal(memory_next_touched(&m, 0), 200);
	memory_touch(&m, 3 * MEMORY_PAGE_BYTES + 5);
	memory_touch_item(&m, m.p + 64 * MEMORY_PAGE_BYTES - 2, 4); /* across two pages, and two words of bits */
	memory_touch(&m, 200 * MEMORY_PAGE_BYTES - 1);
	const size_t touched[] = { 3, 63, 64, 199 };
	size_t page = 0;
	for (size_t i = 0; i < sizeof touched / sizeof *touched; i++, page++)
		assert_int_equal(page = memory_next_touched(&m, page), touched[i]);
	assert_int_equal(memory_next_touched(&m, page), 200);
	memory_clean(&m);
	assert_false(m.any);
	assert_int_equal(memory_next_touched(&m, 0), 200);
	memory_fini(&m);
}

/* Outcomes of n recipients of one domain, by `principals` principals, `bad` of ten unknown; whether the last was void. */
static bool note(struct memory *m, unsigned n, unsigned principals, unsigned bad, int64_t at_us)
{
	bool is_void = false;
	for (unsigned i = 0; i < n; i++)
		is_void = outage_note(m, hash_mix(42, 42), hash_mix(i % principals, 99), i % 10 < bad, at_us);
	return is_void;
}

static void a_receiver_that_refuses_everybody_says_nothing(void **state)
{
	static const struct { unsigned n, principals, bad; bool is_void; } cases[] = {
		{ 40, 8, 10, true },  /* everybody refused */
		{ 40, 8, 5, false },  /* half */
		{ 40, 1, 10, false }, /* one sender's list only: that is its own fault */
		{ 10, 8, 10, false }, /* too few to tell */
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct memory m;
		outage_init(&m);
		assert_int_equal(note(&m, cases[i].n, cases[i].principals, cases[i].bad, US_PER_HOUR), cases[i].is_void);
		assert_false(note(&m, 1, 1, 10, 3 * US_PER_HOUR)); /* forgotten in another hour */
		memory_fini(&m);
	}
}

/* Others turned up in that hour before it, and go on to: many, with a message or two each. */
static void one_of_many_receivers_that_refuses_everybody(void **state)
{
	unsigned found = 0;
	(void)state;
	for (uint64_t which = 0; which < 200; which++) {
		struct memory m;
		bool is_void = false;
		outage_init(&m);
		for (uint64_t i = 0; i < 20000; i++) {
			(void)outage_note(&m, hash_mix(i, 7), hash_mix(i, 8), false, US_PER_HOUR);
			if (i >= 5000 && i % 300 == 0)
				is_void |= outage_note(&m, hash_mix(which, 42), hash_mix(i / 300 % 8, 99), true, US_PER_HOUR);
		}
		found += is_void;
		memory_fini(&m);
	}
	if (found < 195)
		fail_msg("%u of 200", found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contacts_are_known_and_strangers_are_not),
		cmocka_unit_test(contacts_live_for_two_generations),
		cmocka_unit_test(only_touched_pages_are_written),
		cmocka_unit_test(a_receiver_that_refuses_everybody_says_nothing),
		cmocka_unit_test(one_of_many_receivers_that_refuses_everybody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
