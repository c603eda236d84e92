/* Columns in as few bits as they need. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "analyzer/packed.h"

static bool take_row(void *ctx, size_t row)
{
	buf_add(ctx, &row, sizeof row);
	return true;
}

/* Every value comes back, and is found in just the rows that hold it. */
static struct packed there_and_back(const int64_t *v, size_t n)
{
	struct buf b = { 0 }, rows = { 0 };
	buf_puts(&b, "eight by"); /* a section is not at the start of a file */
	struct packed k = packed_put(&b, v, n);
	const char *p = b.p + 8;
	assert_int_equal(b.n - 8, packed_bytes(&k, n));
	for (size_t i = 0; i < n; i++)
		assert_true(packed_get(&k, p, i) == v[i]);
	for (size_t i = 0; i < n; i += n / 7 + 1) {
		size_t want = 0, row;
		buf_clear(&rows);
		packed_find(&k, p, n, v[i], take_row, &rows);
		for (size_t at = 0; at < rows.n; at += sizeof row) {
			memcpy(&row, rows.p + at, sizeof row);
			assert_true(row < n && v[row] == v[i]);
		}
		for (size_t j = 0; j < n; j++)
			want += v[j] == v[i];
		assert_int_equal(rows.n / sizeof row, want);
	}
	buf_fini(&b);
	buf_fini(&rows);
	return k;
}

static void forms(void **state)
{
	static int64_t v[5000];
	size_t n = sizeof v / sizeof *v;
	(void)state;
	(void)there_and_back(v, 0);
	for (size_t i = 0; i < n; i++)
		v[i] = -7;
	assert_int_equal(there_and_back(v, n).width, 0);
	for (size_t i = 0; i < n; i++)
		v[i] = 1764000000000000 + (int64_t)i * 1000000; /* whole seconds */
	assert_int_equal(there_and_back(v, n).width, 13);
	for (size_t i = 0; i < n; i++)
		v[i] = i % 3 == 0 ? 5 : i % 3 == 1 ? 1000000007 : -1; /* few different ones */
	struct packed k = there_and_back(v, n);
	assert_int_equal(k.table, 3);
	assert_int_equal(k.width, 2);
	for (size_t i = 0; i < n; i++)
		v[i] = i % 2 ? INT64_MAX - (int64_t)i : INT64_MIN + (int64_t)i;
	assert_int_equal(there_and_back(v, n).width, 64);
	srandom(7);
	for (unsigned bits = 1; bits < 63; bits++) {
		for (size_t i = 0; i < n; i++)
			v[i] = (int64_t)((((uint64_t)random() << 32) ^ (uint64_t)random()) & ((1ull << bits) - 1)) - 12345;
		(void)there_and_back(v, n);
	}
}

/* Steps of all kinds are found, and lead back. */
static void steps(void **state)
{
	static const uint64_t step[] = { 2, 3, 6, 7, 10, 64, 1000, 1000000, 3u << 20, 999999937, 1ull << 40, (1ull << 50) - 1, 1ull << 62 };
	static int64_t v[300];
	size_t n = sizeof v / sizeof *v;
	(void)state;
	for (size_t k = 0; k < sizeof step / sizeof *step; k++)
		for (int64_t base = -5; base <= 1764000000000000; base += 1764000000000005) {
			uint64_t most = ((uint64_t)INT64_MAX - (uint64_t)(base < 0 ? 0 : base)) / step[k];
			for (size_t i = 0; i < n; i++)
				v[i] = (int64_t)((uint64_t)base + (i < 2 ? i : (uint64_t)random() % (most < 1u << 20 ? most + 1 : 1u << 20)) * step[k]);
			struct packed got = there_and_back(v, n);
			if (!got.table)
				assert_true(got.scale == step[k]);
		}
}

/* Numbers are put in groups: every width with every number of rows in the last one. */
static void any_number_of_rows(void **state)
{
	static int64_t v[20];
	(void)state;
	for (size_t n = 1; n <= sizeof v / sizeof *v; n++)
		for (unsigned bits = 1; bits <= 64; bits++)
			for (unsigned scale = 1; scale <= 3 && (scale == 1 || bits < 60); scale++) {
				for (size_t i = 0; i < n; i++)
					v[i] = (int64_t)((((uint64_t)random() << 33) ^ (uint64_t)random()) >> (64 - bits)) * (int64_t)scale;
				(void)there_and_back(v, n);
			}
}

/* The same of codes, whose table only pays with many rows. */
static void any_number_of_codes(void **state)
{
	static int64_t v[5000];
	(void)state;
	for (size_t n = 4900; n < 4920; n++)
		for (int different = 2; different <= 255; different = different * 3 / 2 + 1) {
			for (size_t i = 0; i < n; i++)
				v[i] = (int64_t)(i < (size_t)different ? (long)i : random() % different) * 1000003 * (1 + (int64_t)n) + (i % 2 ? 1 : 0);
			(void)there_and_back(v, n);
		}
}

static void what_is_not_there_is_not_found(void **state)
{
	const int64_t v[] = { 10, 20, 30, 40, 1000 };
	struct buf b = { 0 }, rows = { 0 };
	(void)state;
	struct packed k = packed_put(&b, v, 5);
	const int64_t absent[] = { 9, 11, 25, 50, 1010, INT64_MAX, INT64_MIN, 0 };
	for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
		packed_find(&k, b.p, 5, absent[i], take_row, &rows);
	assert_int_equal(rows.n, 0);
	buf_fini(&b);
	buf_fini(&rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(forms), cmocka_unit_test(steps), cmocka_unit_test(any_number_of_rows), cmocka_unit_test(any_number_of_codes), cmocka_unit_test(what_is_not_there_is_not_found) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
