/* What a server hands to syslog twice counts once; what happens again is no twin of what happened before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "collector/twins.h"
#include "lib/buf.h"
#include "lib/times.h"
#include "lib/wire.h"

static bool again(struct twins *t, enum record_kind kind, const char *ip, int64_t time_us)
{
	struct record r;
	record_clear(&r);
	r.kind = kind;
	r.host = SV("mx1");
	r.client_ip = sv_cstr(ip);
	r.time_us = time_us;
	return twins_is_second(t, &r);
}

static void once_each(void **state)
{
	struct twins t = { 0 };
	(void)state;
	assert_false(again(&t, RECORD_REJECT, "192.0.2.1", 10 * US_PER_S));
	assert_false(again(&t, RECORD_REJECT, "192.0.2.2", 10 * US_PER_S));
	assert_false(again(&t, RECORD_AUTH_FAIL, "192.0.2.1", 10 * US_PER_S));
	assert_true(again(&t, RECORD_REJECT, "192.0.2.1", 11 * US_PER_S));
	assert_false(again(&t, RECORD_REJECT, "192.0.2.1", 11 * US_PER_S)); /* the next pair */
	assert_true(again(&t, RECORD_REJECT, "192.0.2.1", 10 * US_PER_S));
	assert_false(again(&t, RECORD_ACCEPT, "192.0.2.1", 10 * US_PER_S));
	assert_false(again(&t, RECORD_ACCEPT, "192.0.2.1", 10 * US_PER_S)); /* told once */
}

static void no_twins(void **state)
{
	struct twins t = { 0 };
	(void)state;
	assert_false(again(&t, RECORD_REJECT, "192.0.2.1", 10 * US_PER_S));
	assert_false(again(&t, RECORD_REJECT, "192.0.2.1", 11 * US_PER_S + 1)); /* tried again */
	assert_false(again(&t, RECORD_REJECT, "192.0.2.1", 9 * US_PER_S - 1));
}

static void saved(void **state)
{
	struct twins t = { 0 }, u = { 0 };
	struct buf b = { 0 };
	(void)state;
	assert_false(again(&t, RECORD_REJECT, "192.0.2.1", 10 * US_PER_S));
	twins_save(&t, &b);
	struct wire w = wire_of(buf_sv(&b));
	twins_load(&u, &w);
	assert_true(again(&u, RECORD_REJECT, "192.0.2.1", 10 * US_PER_S));
	for (unsigned i = 1; i < TWINS; i++)
		assert_false(again(&t, RECORD_REJECT, i % 2 ? "192.0.2.3" : "192.0.2.4", (int64_t)i * 100 * US_PER_S));
	assert_true(again(&t, RECORD_REJECT, "192.0.2.1", 10 * US_PER_S)); /* of so many the oldest is still known */
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(once_each), cmocka_unit_test(no_twins), cmocka_unit_test(saved) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
