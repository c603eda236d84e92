/* Clusters of lines that nobody understands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "collector/shape.h"
#include "lib/buf.h"
#include "lib/wire.h"

static struct shape *add(struct shapes *s, const char *program, const char *text)
{
	return shapes_add(s, sv_cstr(program), sv_cstr(text), false);
}

static void lines_that_differ_in_words_are_one_cluster(void **state)
{
	struct shapes s = { 0 };
	(void)state;
	struct shape *v = add(&s, "exotic", "user anna was moved to pool north by admin");
	assert_ptr_equal(add(&s, "exotic", "user bert was moved to pool south by admin"), v);
	assert_ptr_equal(add(&s, "exotic", "user carl was moved to pool east by admin"), v);
	assert_string_equal(v->text, "user * was moved to pool * by admin");
	assert_int_equal(v->lines, 3);
	assert_true(sv_eq(sv_make(v->sample, v->sample_n), SV("user anna was moved to pool north by admin")));
	assert_int_equal(s.n, 1);
	shapes_fini(&s);
}

static void what_is_not_alike_stays_apart(void **state)
{
	struct shapes s = { 0 };
	(void)state;
	struct shape *v = add(&s, "exotic", "user anna was moved to pool north by admin");
	assert_ptr_not_equal(add(&s, "other", "user bert was moved to pool south by admin"), v);     /* another program */
	assert_ptr_not_equal(add(&s, "exotic", "user bert was moved to pool south"), v);             /* another length */
	assert_ptr_not_equal(add(&s, "exotic", "queue bert was moved to pool south by admin"), v);   /* another beginning */
	assert_ptr_not_equal(add(&s, "exotic", "user bert has gone into that south for ever"), v);   /* too few words the same */
	assert_ptr_not_equal(shapes_add(&s, SV("exotic"), SV("user bert was moved to pool south by admin"), true), v); /* understood */
	assert_string_equal(v->text, "user anna was moved to pool north by admin");
	shapes_fini(&s);
}

static void the_table_is_bounded_and_counts_on(void **state)
{
	struct shapes s = { 0 };
	char text[64];
	(void)state;
	for (int i = 0; i < 3 * SHAPE_MAX; i++) {
		(void)snprintf(text, sizeof text, "w%c%c%c x", 'a' + i % 26, 'a' + i / 26 % 26, 'a' + i / 676);
		(void)add(&s, "exotic", text);
	}
	assert_int_equal(s.n, SHAPE_MAX);
	assert_int_equal(s.overflow, 2 * SHAPE_MAX);
	shapes_fini(&s);
}

static void state_survives(void **state)
{
	struct shapes s = { 0 }, t = { 0 };
	struct buf a = { 0 }, b = { 0 };
	(void)state;
	(void)add(&s, "exotic", "user anna was moved to pool north by admin");
	(void)add(&s, "exotic", "user bert was moved to pool south by admin");
	(void)add(&s, "exotic", "something else");
	shapes_save(&s, &a);
	struct wire w = wire_of(buf_sv(&a));
	assert_int_equal(shapes_load(&t, &w), 0);
	shapes_save(&t, &b);
	assert_true(sv_eq(buf_sv(&a), buf_sv(&b)));
	assert_int_equal(add(&t, "exotic", "user dora was moved to pool west by admin")->lines, 3);
	for (size_t cut = 0; cut < a.n; cut++) { /* a state that ends early is none */
		struct shapes u = { 0 };
		w = wire_of(sv_make(a.p, cut));
		assert_int_equal(shapes_load(&u, &w), -1);
		shapes_fini(&u);
	}
	shapes_fini(&s);
	shapes_fini(&t);
	buf_fini(&a);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_that_differ_in_words_are_one_cluster), cmocka_unit_test(what_is_not_alike_stays_apart),
		cmocka_unit_test(the_table_is_bounded_and_counts_on), cmocka_unit_test(state_survives),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
