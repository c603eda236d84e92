/* lib/newlines.h: every way finds the same newlines and the same odd bytes as looking at each byte, whatever the length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/newlines.h"

static uint32_t turn = 7;

static uint32_t below(uint32_t n)
{
	turn = turn * 1664525u + 1013904223u;
	return (turn >> 8) % n;
}

static void check(const struct newlines *r, const char *p, size_t n)
{
	unsigned found = 0;
	bool odd = false;
	assert_true(r->looked <= n);
	for (size_t i = 0; i < r->looked; i++) {
		odd |= (signed char)p[i] <= 0;
		if (p[i] != '\n')
			continue;
		assert_true(found < r->n);
		assert_int_equal(r->at[found++], i);
	}
	assert_int_equal(r->n, found);
	assert_int_equal(r->odd, odd);
}

static void every_way(void **state)
{
	static const char *const kinds[] = { "a\n", "abcdefghijklmnopqrstuvwxyz \n", "abcdefghijklmnopqrstuvwxyz" };
	struct newlines r;
	unsigned ways = 0;
	(void)state;
	for (int way = 0; way < NEWLINES_WAYS; way++)
		for (size_t n = 0; n < 300; n++)
			for (unsigned kind = 0; kind < 9; kind++) {
				char *p = calloc(1, n ? n : 1); /* just as long, so that a sanitizer sees what is read beyond */
				for (size_t i = 0; i < n; i++)
					p[i] = kinds[kind % 3][below((uint32_t)strlen(kinds[kind % 3]))];
				if (n && kind >= 3)
					p[below((uint32_t)n)] = kind >= 6 ? '\0' : '\x80';
				if (newlines_find_by((enum newlines_way)way, p, n, &r)) {
					check(&r, p, n);
					assert_int_equal(r.looked, n); /* so few always have room */
					ways |= 1u << way;
				}
				free(p);
			}
	assert_true(ways & 1);
}

/* More lines than there is room for, and a line beyond the reach of the offsets: the caller asks again from there. */
static void no_room(void **state)
{
	struct newlines r;
	size_t n = 200000;
	char *p = calloc(1, n);
	(void)state;
	for (int way = 0; way < NEWLINES_WAYS; way++)
		for (unsigned every = 1; every < 100000; every = every * 3 + 1) {
			for (size_t i = 0; i < n; i++)
				p[i] = i % every == every - 1 ? '\n' : 'x';
			if (!newlines_find_by((enum newlines_way)way, p, n, &r))
				continue;
			check(&r, p, n);
			assert_true(r.n > NEWLINES_MAX / 2 || r.looked > 60000);
		}
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_way), cmocka_unit_test(no_room) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
