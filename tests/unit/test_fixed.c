#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "analyzer/fixed.h"
#include "lib/times.h"

static void ln_is_within_one_unit_of_libm(void **state)
{
	(void)state;
	static const uint64_t pairs[][2] = { { 1, 1 }, { 2, 1 }, { 1, 2 }, { 922, 256 }, { 102, 768 }, { 205, 31 }, { 1000000007, 3 }, { 1, 281474976710655 } };
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		double want = log((double)pairs[i][0] / (double)pairs[i][1]) * NAT;
		assert_true(fabs(fixed_ln_ratio(pairs[i][0], pairs[i][1]) - want) <= 1.5);
	}
}

static void evidence_halves_in_its_half_life(void **state)
{
	(void)state;
	int32_t s = 12 * NAT;
	int64_t at = 0;
	fixed_decay(&s, &at, 24 * US_PER_HOUR, 86400);
	assert_int_equal(s, 6 * NAT);
	fixed_decay(&s, &at, 48 * US_PER_HOUR, 86400);
	assert_int_equal(s, 3 * NAT);
	fixed_decay(&s, &at, 100000 * US_PER_HOUR, 86400);
	assert_int_equal(s, 0);
}

static void short_times_add_up_instead_of_being_lost(void **state)
{
	(void)state;
	int32_t often = 12 * NAT, once = 12 * NAT;
	int64_t a = 0, b = 0;
	for (int64_t t = 0; t <= 24 * 3600; t += 8)
		fixed_decay(&often, &a, t * US_PER_S, 86400);
	fixed_decay(&once, &b, 24 * US_PER_HOUR, 86400);
	assert_in_range(once - often, 0, 80); /* each of 64 steps rounds down */
}

static void published_steps_of_the_walks(void **state)
{
	(void)state;
	/* docs/detectors.md A.4: D2 at its floor +1.28/-2.01, D3 +1.90/-0.19 nats */
	assert_true(fabs(fixed_cusum(0, true, 256, 922) / (double)NAT - 1.28) < 0.01);
	assert_true(fabs((fixed_cusum(10 * NAT, false, 256, 922) - 10 * NAT) / (double)NAT + 2.01) < 0.02);
	assert_true(fabs(fixed_cusum(0, true, 31, 205) / (double)NAT - 1.89) < 0.02);
	assert_true(fabs((fixed_cusum(10 * NAT, false, 31, 205) - 10 * NAT) / (double)NAT + 0.19) < 0.01);
	assert_int_equal(fixed_cusum(NAT / 100, false, 256, 922), 0);
}

static void bins_are_half_octaves(void **state)
{
	(void)state;
	assert_int_equal(fixed_bin(0), 0);
	assert_int_equal(fixed_bin(1), 0);
	assert_int_equal(fixed_bin(2), 2);
	assert_int_equal(fixed_bin(3), 3);
	assert_int_equal(fixed_bin(4), 4);
	assert_int_equal(fixed_bin(100), 13);
	assert_int_equal(fixed_bin(UINT64_MAX), SURPRISE_BINS - 1);
	for (unsigned b = 2; b < SURPRISE_BINS; b++)
		assert_int_equal(fixed_bin(fixed_bin_low(b)), b);
}

static void a_size_never_seen_is_more_surprising_than_a_usual_one(void **state)
{
	(void)state;
	uint8_t personal[SURPRISE_BINS] = { 0 };
	struct surprise_population pop;
	fixed_population_init(&pop);
	for (unsigned b = 0; b < 6; b++) {
		personal[b] = 50;
		pop.bins[b] += 256 * 1000;
	}
	assert_true(fixed_surprise(personal, &pop, 2, 30) < NAT);
	assert_true(fixed_surprise(personal, &pop, 16, 30) > 8 * NAT);
	assert_int_equal(fixed_calibrate(0), 0);
	assert_true(abs(fixed_calibrate(10 * NAT) - (5 * NAT - 2839)) <= 1);
}

static void linear_counter_counts(void **state)
{
	(void)state;
	uint64_t bits = 0;
	for (uint64_t i = 0; i < 20; i++) {
		linear_add(&bits, i * 0x9e3779b97f4a7c15ull);
		linear_add(&bits, i * 0x9e3779b97f4a7c15ull);
	}
	assert_in_range(linear_estimate(bits), 15, 26);
	assert_int_equal(linear_estimate(0), 0);
}

/* What is looked up is what the logarithm says. */
static void tables_and_shortcuts_agree_with_the_logarithm(void **state)
{
	(void)state;
	for (unsigned zeros = 1; zeros <= 64; zeros++) {
		uint64_t bits = zeros == 64 ? 0 : UINT64_MAX << zeros;
		assert_int_equal(linear_estimate(bits), (64 * (int64_t)fixed_ln_ratio(64, zeros) + NAT / 2) / NAT);
	}
	assert_int_equal(linear_estimate(UINT64_MAX), 300);
	for (uint64_t n = 2; n < UINT32_MAX; n += 1 + n / 997) {
		unsigned exact = 63u - (unsigned)__builtin_clzll(n * n); /* 2 · log2 n, rounded down */
		assert_int_equal(fixed_bin(n), exact < SURPRISE_BINS ? exact : SURPRISE_BINS - 1);
	}
	for (uint64_t num = 1; num < 5000; num += 7)
		for (uint64_t den = num; den <= 4 * num; den += 1 + num / 5)
			assert_int_equal(fixed_calibrate(fixed_ln_ratio(den, num)), 0);
}

/* A place used weeks ago is not when an account was broken into. */
static void nearly_forgotten_evidence_is_no_beginning(void **state)
{
	const int64_t day = 86400 * 1000000ll;
	struct walk w = { 0 };
	(void)state;
	walk_add(&w, 3 * NAT, 1 * day, 86400);
	walk_add(&w, 3 * NAT, 2 * day, 86400);
	assert_int_equal(w.since_us, 1 * day);
	walk_add(&w, 3 * NAT, 9 * day, 86400);
	assert_int_equal(w.since_us, 9 * day);
	walk_raise(&w, 2 * NAT, 10 * day, 86400);
	assert_int_equal(w.since_us, 9 * day);
	walk_raise(&w, 5 * NAT, 20 * day, 86400);
	assert_int_equal(w.since_us, 20 * day);
}

static void text_is_what_printf_writes(void **state)
{
	char want[64], got[FIXED_TEXT + 1];
	(void)state;
	for (int64_t n = -40000; n <= 40000; n++) {
		got[fixed_text(n, THETA_ONE, 1000, got)] = 0;
		snprintf(want, sizeof want, "%.3f", (double)n / THETA_ONE);
		assert_string_equal(got, want);
		got[fixed_text(n * 13, NAT, 10000, got)] = 0;
		snprintf(want, sizeof want, "%.4f", (double)(n * 13) / NAT);
		assert_string_equal(got, want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ln_is_within_one_unit_of_libm),
		cmocka_unit_test(evidence_halves_in_its_half_life),
		cmocka_unit_test(short_times_add_up_instead_of_being_lost),
		cmocka_unit_test(published_steps_of_the_walks),
		cmocka_unit_test(nearly_forgotten_evidence_is_no_beginning),
		cmocka_unit_test(bins_are_half_octaves),
		cmocka_unit_test(a_size_never_seen_is_more_surprising_than_a_usual_one),
		cmocka_unit_test(linear_counter_counts),
		cmocka_unit_test(text_is_what_printf_writes),
		cmocka_unit_test(tables_and_shortcuts_agree_with_the_logarithm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
