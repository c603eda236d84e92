/* Which log-ins say where an account's user is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "analyzer/judge_int.h"

static bool by_browser(const char *mta, enum record_kind kind, struct sv method)
{
	struct record r;
	record_clear(&r);
	r.mta = mta;
	r.kind = kind;
	r.auth_method = method;
	return view_is_by_browser(&r);
}

static void browsers(void **state)
{
	(void)state;
	assert_true(by_browser("webmail", RECORD_AUTH_OK, (struct sv){ 0 }));
	assert_true(by_browser("webmail", RECORD_AUTH_OK, SV("soap")));
	assert_false(by_browser("webmail", RECORD_AUTH_OK, SV("imap")));
	assert_false(by_browser("webmail", RECORD_AUTH_OK, SV("zsync")));
	assert_false(by_browser("webmail", RECORD_AUTH_FAIL, (struct sv){ 0 }));
	assert_false(by_browser("dovecot", RECORD_AUTH_OK, SV("PLAIN")));
	assert_false(by_browser(NULL, RECORD_AUTH_OK, (struct sv){ 0 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(browsers) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
