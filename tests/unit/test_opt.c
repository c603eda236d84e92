/* Option tables: defaults, every type, limits, and the nearest known name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/err.h"
#include "lib/opt.h"

struct sample { int64_t cap, window_s, limit_bytes; double share; bool enabled; char *word; };

static const struct opt_row rows[] = {
	{ "cap", OPT_INT, offsetof(struct sample, cap), "16", 1, 64, "nats", "the most it may say" },
	{ "window", OPT_TIME_S, offsetof(struct sample, window_s), "1h", 60, 86400, "s", "how far it looks back" },
	{ "share", OPT_REAL, offsetof(struct sample, share), "0.25", 0, 1, "", "when it begins" },
	{ "enabled", OPT_BOOL, offsetof(struct sample, enabled), "true", 0, 0, "", "whether it runs" },
	{ "word", OPT_TEXT, offsetof(struct sample, word), "any", 0, 0, "", "some text" },
	{ "limit", OPT_BYTES, offsetof(struct sample, limit_bytes), "30M", 1, 1073741824, "bytes", "some size" },
	{ .name = NULL },
};
static const struct opt_table table = { "detector", "sample", rows, sizeof(struct sample) };

static void test_defaults(void **state)
{
	struct sample s;
	(void)state;
	opt_defaults(&table, &s);
	assert_int_equal(s.cap, 16);
	assert_int_equal(s.window_s, 3600);
	assert_true(s.share > 0.24 && s.share < 0.26);
	assert_true(s.enabled);
	assert_string_equal(s.word, "any");
	assert_int_equal(s.limit_bytes, 30 * 1024 * 1024);
	opt_fini(&table, &s);
}

static void test_set(void **state)
{
	struct sample s;
	struct err e;
	(void)state;
	opt_defaults(&table, &s);
	assert_int_equal(opt_set(&table, &s, "cap", "7", &e), 0);
	assert_int_equal(opt_set(&table, &s, "window", "2d", &e), -1);
	assert_string_equal(e.text, "window must lie between 60 and 86400 s");
	assert_int_equal(opt_set(&table, &s, "window", "5m", &e), 0);
	assert_int_equal(opt_set(&table, &s, "enabled", "off", &e), 0);
	assert_int_equal(opt_set(&table, &s, "word", "other", &e), 0);
	assert_int_equal(opt_set(&table, &s, "limit", "2G", &e), -1);
	assert_string_equal(e.text, "limit must lie between 1 and 1073741824 bytes");
	assert_int_equal(opt_set(&table, &s, "limit", "30 MB", &e), -1);
	assert_int_equal(opt_set(&table, &s, "limit", "500k", &e), 0);
	assert_int_equal(s.limit_bytes, 500 * 1024);
	assert_int_equal(s.cap, 7);
	assert_int_equal(s.window_s, 300);
	assert_false(s.enabled);
	assert_string_equal(s.word, "other");
	assert_int_equal(opt_set(&table, &s, "cap", "7 nats", &e), -1);
	assert_int_equal(opt_set(&table, &s, "cap", "65", &e), -1);
	assert_int_equal(opt_set(&table, &s, "share", "nan", &e), -1);
	assert_int_equal(opt_set(&table, &s, "enabled", "maybe", &e), -1);
	assert_int_equal(opt_set(&table, &s, "windwo", "5m", &e), -1);
	assert_string_equal(e.text, "unknown option windwo in detector \"sample\"; did you mean window?");
	assert_int_equal(s.cap, 7);
	free(s.word);
}

static void test_nearest(void **state)
{
	static const char *const known[] = { "networks", "egress", "store", "state-dir", "local-domains" };
	(void)state;
	assert_string_equal(opt_nearest("network", known, 5), "networks");
	assert_string_equal(opt_nearest("local_domain", known, 5), "local-domains");
	assert_string_equal(opt_nearest("stroe", known, 5), "store");
	assert_string_equal(opt_nearest("Egres", known, 5), "egress");
	assert_null(opt_nearest("zzz", known, 5));
	assert_null(opt_nearest("", known, 5));
}

static void test_duration(void **state)
{
	(void)state;
	assert_int_equal(opt_duration_s("30"), 30);
	assert_int_equal(opt_duration_s("30s"), 30);
	assert_int_equal(opt_duration_s("5m"), 300);
	assert_int_equal(opt_duration_s("2h"), 7200);
	assert_int_equal(opt_duration_s("7d"), 604800);
	assert_int_equal(opt_duration_s("4w"), 2419200);
	assert_int_equal(opt_duration_s(""), -1);
	assert_int_equal(opt_duration_s("-5m"), -1);
	assert_int_equal(opt_duration_s("5 m"), -1);
	assert_int_equal(opt_duration_s("5min"), -1);
	assert_int_equal(opt_duration_s("99999999999999999999d"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_set), cmocka_unit_test(test_nearest), cmocka_unit_test(test_duration),
	};
	return cmocka_run_group_tests_name("opt", tests, NULL, NULL);
}
