/* Strangers' text on its way to terminals, letters and tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/buf.h"
#include "lib/csv.h"
#include "lib/mustache.h"
#include "lib/plain.h"

#define R "\xef\xbf\xbd"

static void test_plain(void **state)
{
	static const struct { const char *in, *put, *show; } t[] = {
		{ "p\xc3\xa9l\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "p\xc3\xa9l\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "p\xc3\xa9l\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "\x1b[31mred\x7f\r", R "[31mred" R R, R "[31mred" R R },
		{ "a\nb\tc", "a\nb" R "c", "a\nb" R "c" },
		{ "\x80\xff\xfe", R R R, R R R },
		{ "\xc2\x9b" "31m \xc2\xa0", R "31m \xc2\xa0", R "31m \xc2\xa0" },
		{ "exe\xe2\x80\xae" "fdp\xe2\x81\xa6", "exe\xe2\x80\xae" "fdp\xe2\x81\xa6", "exe" R "fdp" R },
		{ "\xe2\x80", R R, R R },
		{ "", "", "" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct buf put = { 0 }, show = { 0 };
		plain_put(&put, sv_cstr(t[i].in), "\n");
		plain_show(&show, sv_cstr(t[i].in), "\n");
		assert_string_equal(buf_cstr(&put), t[i].put);
		assert_string_equal(buf_cstr(&show), t[i].show);
		buf_fini(&put);
		buf_fini(&show);
	}
}

/* A cell is UTF-8 whatever it was; a formula behind a quote stays one cell and no formula. */
static void test_csv(void **state)
{
	struct buf out = { 0 };
	(void)state;
	csv_put(&out, true, SV("=\x80\"x\",\x1b"));
	csv_put(&out, false, SV("two\nlines"));
	assert_string_equal(buf_cstr(&out), "\"'=" R "\"\"x\"\"," R "\",\"two\nlines\"");
	buf_fini(&out);
}

/* Not even an attribute carries a control character. */
static void test_html(void **state)
{
	struct buf out = { 0 };
	(void)state;
	mustache_escape(&out, SV("<\x1b\x01>\n\t\x7f"));
	assert_string_equal(buf_cstr(&out), "&lt;" R R "&gt;\n\t" R);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_plain), cmocka_unit_test(test_csv), cmocka_unit_test(test_html) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
