/* Where reading stands: a file is the same after it grew, was renamed or copied, and another one in its place is not; of too many the oldest that
 * were read to their end are forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "collector/position.h"
#include "lib/buf.h"
#include "lib/wire.h"

static char text[2048];

/* The first n bytes of a log that begins with that letter. */
static struct sv log_of(char letter, size_t n)
{
	memset(text, letter, sizeof text);
	return sv_make(text, n);
}

static void set(struct positions *p, char letter, size_t n, uint64_t inode, uint64_t offset, bool done)
{
	struct position at = { .dev = 1, .inode = inode, .head = fingerprint_of(log_of(letter, n)), .offset = offset, .done = done };
	positions_set(p, &at);
}

static void the_same_file(void **state)
{
	struct positions p = { 0 };
	(void)state;
	set(&p, 'a', 50, 7, 50, false);
	set(&p, 'a', 100, 7, 100, false); /* grown */
	assert_true(p.n == 1 && p.v[0].offset == 100);
	set(&p, 'a', 1024, 7, 5000, false);
	set(&p, 'a', 1024, 9, 6000, false); /* copied: the head is enough */
	assert_true(p.n == 1 && p.v[0].inode == 9);
	set(&p, 'b', 1024, 9, 10, false); /* another file of that inode */
	assert_int_equal(p.n, 2);
	positions_fini(&p);
	set(&p, 'a', 100, 7, 100, false);
	set(&p, 'a', 100, 8, 100, false); /* a few bytes alike are no proof */
	assert_int_equal(p.n, 2);
	set(&p, 'a', 100, 7, 60, false); /* the very same, from before */
	assert_true(p.n == 2 && p.v[0].offset == 60);
	positions_fini(&p);
	set(&p, 'a', 100, 7, 100, true);
	set(&p, 'b', 120, 7, 110, false); /* after the end of one comes another */
	assert_int_equal(p.n, 2);
	positions_fini(&p);
	set(&p, 'a', 0, 7, 0, false);
	set(&p, 'a', 0, 7, 0, false); /* empty, twice */
	assert_int_equal(p.n, 1);
	positions_fini(&p);
	set(&p, 'a', 100, 7, 100, false);
	set(&p, 'b', 50, 7, 500, false); /* cut, and begun anew */
	assert_int_equal(p.n, 2);
	positions_fini(&p);
	set(&p, 'a', 100, 7, 100, false);
	set(&p, 'b', 120, 7, 50, false); /* begun anew, and grown beyond its head, not beyond what was read */
	assert_int_equal(p.n, 2);
	positions_fini(&p);
}

static void found(void **state)
{
	struct positions p = { 0 };
	(void)state;
	set(&p, 'a', 127, 7, 1, false);
	set(&p, 'b', 128, 8, 2, false);
	assert_null(positions_find(&p, log_of('a', 1024), 1, 99)); /* too short to be known without its inode */
	assert_true(positions_find(&p, log_of('a', 1024), 1, 7)->offset == 1);
	assert_null(positions_find(&p, log_of('a', 1024), 2, 7));
	assert_true(positions_find(&p, log_of('b', 1024), 2, 99)->offset == 2);
	assert_null(positions_find(&p, log_of('b', 127), 1, 8)); /* shorter than it was */
	assert_null(positions_find(&p, log_of('c', 1024), 1, 8));
	set(&p, 'b', 1024, 8, 3, false);
	assert_true(positions_find(&p, log_of('b', 1024), 1, 8)->offset == 3); /* the newest */
	positions_fini(&p);
	set(&p, 'a', 1024, 7, 3000, false);
	set(&p, 'b', 1024, 7, 4000, false); /* as long, and another one */
	assert_int_equal(p.n, 2);
	set(&p, 'd', 0, 9, 0, false);
	assert_null(positions_find(&p, log_of('d', 10), 1, 9)); /* an empty one is like any */
	positions_fini(&p);
}

static const struct position *of_number(const struct positions *p, uint64_t offset)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].offset == offset)
			return &p->v[i];
	return NULL;
}

static void too_many(void **state)
{
	struct positions p = { 0 };
	(void)state;
	for (uint64_t i = 0; i < POSITIONS_MAX; i++)
		positions_set(&p, &(struct position){ .dev = 1, .inode = 100 + i, .head = { i, 200 }, .offset = i, .done = i == 3 || i == 5 });
	for (uint64_t i = 1; i <= 3; i++)
		positions_set(&p, &(struct position){ .dev = 1, .inode = 9000 + i, .head = { 90000 + i, 200 }, .offset = 9000 + i });
	assert_int_equal(p.n, POSITIONS_MAX);
	assert_null(of_number(&p, 3)); /* the oldest that is done, the next one, and then the oldest of all */
	assert_null(of_number(&p, 5));
	assert_null(of_number(&p, 0));
	assert_non_null(of_number(&p, 1));
	assert_non_null(of_number(&p, 4));
	assert_int_equal(p.v[p.n - 1].offset, 9003);
	positions_fini(&p);
}

static void saved(void **state)
{
	struct positions p = { 0 }, q = { 0 };
	struct buf b = { 0 };
	(void)state;
	struct position at = { .dev = 3, .inode = 4, .head = fingerprint_of(log_of('a', 1024)), .offset = 5, .done = true, .year = 2026, .stamp_us = -7, .cursor = "s=1" };
	positions_set(&p, &at);
	set(&p, 'b', 200, 6, 8, false);
	positions_save(&p, &b);
	struct wire w = wire_of(buf_sv(&b));
	assert_int_equal(positions_load(&q, &w), 0);
	assert_int_equal(q.n, 2);
	assert_true(q.v[0].dev == 3 && q.v[0].inode == 4 && q.v[0].head.n == 1024 && q.v[0].head.hash == at.head.hash && q.v[0].offset == 5 && q.v[0].done);
	assert_true(q.v[0].year == 2026 && q.v[0].stamp_us == -7 && q.v[1].offset == 8 && !q.v[1].done);
	assert_string_equal(q.v[0].cursor, "s=1");
	positions_fini(&q);
	for (size_t n = 0; n < b.n; n++) {
		w = wire_of(sv_take(buf_sv(&b), n));
		assert_int_equal(positions_load(&q, &w), -1);
		positions_fini(&q);
	}
	buf_fini(&b);
	positions_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_same_file), cmocka_unit_test(found), cmocka_unit_test(too_many), cmocka_unit_test(saved) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
