/* lib/near.h against the plain ways, for every length and place around the sizes of its steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/near.h"

#define MOST 150u

static uint32_t turn = 7;

static uint32_t below(uint32_t n)
{
	turn = turn * 1664525u + 1013904223u;
	return (turn >> 8) % n;
}

/* n bytes at the very end of an allocation, so that a sanitizer sees what is read beyond. */
static char *bytes(size_t n, const char *from)
{
	char *p = malloc(n ? n : 1);
	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = from[below((uint32_t)strlen(from))];
	return p;
}

static void searches(void **state)
{
	(void)state;
	for (size_t n = 0; n < MOST; n++)
		for (int k = 0; k < 20; k++) {
			char *p = bytes(n, "abcdefghijklmnopqrstuvwxyz[ :");
			size_t first = 0;
			assert_ptr_equal(near_chr(p, 'q', n), n ? memchr(p, 'q', n) : NULL);
			while (first < n && p[first] != '[' && p[first] != ' ' && p[first] != ':')
				first++;
			assert_int_equal(near_first_of(p, n, '[', ' ', ':'), first);
			assert_int_equal(near_first_of(p, n, 'q', 'q', 'q'), n && memchr(p, 'q', n) ? (size_t)((const char *)memchr(p, 'q', n) - p) : n);
			free(p);
		}
}

static void letters_and_digits(void **state)
{
	(void)state;
	for (unsigned byte = 0; byte < 256; byte++)
		for (unsigned at = 0; at < 16; at++) {
			char p[16];
			memset(p, '-', sizeof p);
			p[at] = (char)byte;
			int is = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
			assert_int_equal(near_alnum(p), is ? 1u << at : 0);
		}
}

static void finds(void **state)
{
	(void)state;
	for (size_t n = 0; n < MOST; n++)
		for (size_t k = 0; k < 40; k++) {
			char *p = bytes(n, "ab"), *want = bytes(k, "ab");
			assert_ptr_equal(near_find(p, n, want, k), k ? (n ? memmem(p, n, want, k) : NULL) : p);
			if (k && k <= n) {
				memcpy(p + n - k, want, k); /* at the very end */
				assert_ptr_equal(near_find(p, n, want, k), memmem(p, n, want, k));
			}
			free(p);
			free(want);
		}
}

static void copies(void **state)
{
	(void)state;
	for (size_t n = 0; n < MOST; n++) {
		char *from = bytes(n, "abcdefgh"), *to = bytes(n, "x");
		near_copy(to, from, n);
		assert_int_equal(n ? memcmp(to, from, n) : 0, 0);
		assert_true(near_same(to, from, n));
		for (size_t at = 0; at < n; at++) {
			to[at] ^= 1;
			assert_false(near_same(to, from, n));
			to[at] ^= 1;
		}
		free(from);
		free(to);
	}
}

static void hexadecimal(void **state)
{
	(void)state;
	for (int k = 0; k < 2000; k++) {
		char *p = bytes(16, k % 2 ? "0123456789ABCDEF:" : "09AF/:@Ga\x80\xff");
		size_t n = 0;
		while (n < 16 && ((p[n] >= '0' && p[n] <= '9') || (p[n] >= 'A' && p[n] <= 'F')))
			n++;
		assert_int_equal(near_hex(p), n);
		free(p);
	}
}

static void digits(void **state)
{
	(void)state;
	for (size_t n = 0; n <= 16; n++)
		for (int k = 0; k < 100; k++) {
			char *p = bytes(n, "0123456789./:a\xb0");
			unsigned want_digits = 0, want_dots = 0, got_digits, got_dots;
			for (size_t i = 0; i < n; i++) {
				want_digits |= (unsigned)(p[i] >= '0' && p[i] <= '9') << i;
				want_dots |= (unsigned)(p[i] == '.') << i;
			}
			near_digits_dots(p, n, &got_digits, &got_dots);
			assert_int_equal(got_digits, want_digits);
			assert_int_equal(got_dots, want_dots);
			free(p);
		}
}

static void lower(void **state)
{
	(void)state;
	for (size_t n = 0; n < MOST; n++) {
		char *from = bytes(n, "@AMZ[`amz{0\xc1\xdf\x80"), *to = bytes(n, "x");
		near_lower(to, from, n);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(to[i], from[i] >= 'A' && from[i] <= 'Z' ? from[i] + 32 : from[i]);
		free(from);
		free(to);
	}
}

static void last_bytes(void **state)
{
	(void)state;
	for (size_t n = 1; n < 24; n++)
		for (size_t k = 1; k <= n && k <= 8; k++) {
			uint64_t want = 0;
			char *p = bytes(n, "\x01\x7f\x80\xff" "aZ");
			memcpy(&want, p + n - k, k);
			assert_int_equal(near_last(p, n, k), want);
			free(p);
		}
}

static void numbers(void **state)
{
	static const char *const kinds[] = { "0123456789", "0123456789]:/ \xb1\x80", "09" };
	(void)state;
	for (int k = 0; k < 20000; k++) {
		char *p = bytes(8, kinds[k % 3]);
		int64_t want = 0, got = 0;
		size_t n = 0;
		for (; n < 8 && p[n] >= '0' && p[n] <= '9'; n++)
			want = want * 10 + (p[n] - '0');
		assert_int_equal(near_number(p, &got), n < 8 ? n : 0);
		if (n && n < 8)
			assert_int_equal(got, want);
		free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(searches), cmocka_unit_test(letters_and_digits), cmocka_unit_test(finds), cmocka_unit_test(copies), cmocka_unit_test(hexadecimal), cmocka_unit_test(digits), cmocka_unit_test(numbers), cmocka_unit_test(lower),
		cmocka_unit_test(last_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
