/* What the dashboard does with hostile requests and values: decoding, links, sessions, rate limits, filters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/times.h"
#include "web/filter.h"
#include "web/form.h"
#include "web/route.h"
#include "web/session.h"

static void test_form(void **state)
{
	struct form f = { .n = 0 };
	struct buf b = { 0 };
	(void)state;
	assert_true(form_parse(&f, SV("a=1&b=x%20y+z&a=2&empty=&flag&page=7&big=99999999999999999999")));
	assert_string_equal(form_get(&f, "a"), "1"); /* the first one counts */
	assert_string_equal(form_get(&f, "b"), "x y z");
	assert_string_equal(form_get(&f, "none"), "");
	assert_int_equal(form_int(&f, "page", 1, 9, 1), 7);
	assert_int_equal(form_int(&f, "page", 1, 5, 1), 1);
	assert_int_equal(form_int(&f, "big", 1, 5, 3), 3);
	assert_int_equal(form_int(&f, "b", 1, 5, 3), 3);
	form_set(&f, "page", "8");
	form_set(&f, "a", NULL);
	form_set(&f, "new", "&=#");
	form_query(&f, &b);
	assert_string_equal(buf_cstr(&b), "?b=x%20y%20z&a=2&page=8&big=99999999999999999999&new=%26%3D%23");
	form_fini(&f);
	buf_fini(&b);
}

static void test_form_hostile(void **state)
{
	static const char *const bad[] = { "a=%", "a=%4", "a=%zz", "a=%00", "a=%ff", "%c3%28=1", "a=\xc0\xaf" };
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct form f = { .n = 0 };
		if (form_parse(&f, sv_cstr(bad[i])))
			fail_msg("accepted %s", bad[i]);
		form_fini(&f);
	}
	struct form f = { .n = 0 };
	struct buf b = { 0 };
	for (int i = 0; i < 200; i++)
		buf_printf(&b, "k%d=v&", i);
	assert_true(form_parse(&f, buf_sv(&b)));
	assert_int_equal(f.n, FORM_FIELDS);
	form_fini(&f);
	buf_fini(&b);
}

static void encode(const char *in, const char *want)
{
	struct buf b = { 0 };
	char *back = NULL;
	form_encode(&b, sv_cstr(in));
	assert_string_equal(buf_cstr(&b), want);
	assert_true(form_decode(buf_sv(&b), false, &back));
	assert_string_equal(back, in);
	free(back);
	buf_fini(&b);
}

static void test_encode(void **state)
{
	(void)state;
	encode("anna@isp.example", "anna@isp.example");
	encode("a/b?c#d", "a%2Fb%3Fc%23d");
	encode("data.json", "data%2Ejson");
	encode("..", "%2E%2E");
	encode("x.csv.example", "x.csv.example");
	encode("\"><b>", "%22%3E%3Cb%3E");
}

static void test_next(void **state)
{
	(void)state;
	assert_true(login_next_ok("/"));
	assert_true(login_next_ok("/cases?state=all"));
	assert_false(login_next_ok(""));
	assert_false(login_next_ok("//evil.example"));
	assert_false(login_next_ok("/\\evil.example"));
	assert_false(login_next_ok("https://evil.example/"));
	assert_false(login_next_ok("/a\r\nSet-Cookie: x=y"));
}

static void test_sessions(void **state)
{
	struct sessions *s = sessions_new(600);
	char a[SESSION_TOKEN_HEX], b[SESSION_TOKEN_HEX], csrf[SESSION_TOKEN_HEX];
	int64_t t = 1000 * US_PER_S;
	(void)state;
	session_begin(s, "/nonexistent", "ann", t, a);
	session_begin(s, "/nonexistent", "bob", t, b);
	assert_string_equal(session_find(s, a, t, true)->user, "ann");
	assert_null(session_find(s, "short", t, true));
	assert_string_equal(session_find(s, b, t + 500 * US_PER_S, true)->user, "bob");
	assert_null(session_find(s, a, t + 601 * US_PER_S, true));              /* idle */
	assert_non_null(session_find(s, b, t + 1050 * US_PER_S, false));        /* looked at, but not touched */
	assert_null(session_find(s, b, t + 1101 * US_PER_S, true));
	session_begin(s, "/nonexistent", "ann", t, a);
	csrf_make(s, a, csrf);
	assert_true(csrf_check(s, a, csrf));
	assert_false(csrf_check(s, b, csrf));
	assert_false(csrf_check(s, "", csrf));
	assert_false(csrf_check(s, a, ""));
	session_end(s, a);
	assert_null(session_find(s, a, t, true));
	for (int i = 0; i < 3000; i++) /* more than there is room for: the longest unused go */
		session_begin(s, "/nonexistent", "many", t + i, a);
	assert_non_null(session_find(s, a, t + 3000, true));
	sessions_free(s);
}

/* However somebody logged in: who is deleted or gets another password is out; names that one-time links made up stay until they had a user. */
static void test_deleted_users(void **state)
{
	struct sessions *s = sessions_new(600);
	char file[64], ann[SESSION_TOKEN_HEX], bob[SESSION_TOKEN_HEX], operator[SESSION_TOKEN_HEX];
	int64_t t = 1000 * US_PER_S;
	struct err e;
	(void)state;
	(void)snprintf(file, sizeof file, "/tmp/test-web.%d", (int)getpid());
	assert_int_equal(users_set(file, "ann", "correct horse", &e), 0);
	assert_int_equal(users_set(file, "bob", "correct horse", &e), 0);
	session_begin(s, file, "ann", t, ann);
	session_begin(s, file, "bob", t, bob);
	session_begin(s, file, "operator", t, operator);
	sessions_check_users(s, file);
	assert_non_null(session_find(s, ann, t, true));
	assert_int_equal(users_delete(file, "ann", &e), 0);
	sessions_check_users(s, file);
	assert_null(session_find(s, ann, t, true));
	assert_non_null(session_find(s, bob, t, true));
	assert_int_equal(users_set(file, "bob", "battery staple", &e), 0);
	assert_int_equal(users_set(file, "operator", "correct horse", &e), 0);
	sessions_check_users(s, file);
	assert_null(session_find(s, bob, t, true));
	assert_non_null(session_find(s, operator, t, true));
	assert_int_equal(users_delete(file, "operator", &e), 0);
	sessions_check_users(s, file);
	assert_null(session_find(s, operator, t, true));
	sessions_free(s);
	unlink(file);
}

static void test_throttle(void **state)
{
	struct sessions *s = sessions_new(600);
	int64_t t = 1000 * US_PER_S;
	(void)state;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(throttle_wait_s(s, "user:ann", 5, t), 0);
		throttle_fail(s, "user:ann", t);
	}
	assert_true(throttle_wait_s(s, "user:ann", 5, t) > 290);
	assert_int_equal(throttle_wait_s(s, "user:bob", 5, t), 0);
	assert_int_equal(throttle_wait_s(s, "user:ann", 5, t + 301 * US_PER_S), 0);
	throttle_fail(s, "user:ann", t + 301 * US_PER_S);
	throttle_clear(s, "user:ann");
	assert_int_equal(throttle_wait_s(s, "user:ann", 1, t + 301 * US_PER_S), 0);
	sessions_free(s);
}

static void shows(const char *filter, const char *json, const char *want)
{
	struct buf b = { 0 };
	int64_t now;
	assert_int_equal(times_parse(SV("2026-11-23T20:00:00+00:00"), &now), 0);
	struct json_object *v = json_tokener_parse(json);
	assert_true(filter_apply(&now, filter, v, &b));
	assert_string_equal(buf_cstr(&b), want);
	json_object_put(v);
	buf_fini(&b);
}

static void test_filters(void **state)
{
	(void)state;
	shows("num", "1234", "1234");
	shows("num", "12345678", "12\xe2\x80\xaf" "345\xe2\x80\xaf" "678");
	shows("num", "-7", "\xe2\x88\x92" "7");
	shows("s", "1", "");
	shows("s", "0", "s");
	shows("s", "21", "s");
	shows("ies", "1", "y");
	shows("ies", "2", "ies");
	shows("bytes", "1023", "1023 B");
	shows("bytes", "1536", "1.5 KiB");
	shows("bytes", "44040192", "42 MiB");
	shows("time", "\"2026-11-23T19:47:08+01:00\"", "<time datetime=\"2026-11-23T19:47:08+01:00\" title=\"2026-11-23T19:47:08+01:00\">23 Nov 19:47</time>");
	shows("clock", "\"2024-11-03T09:07:08+01:00\"", "<time datetime=\"2024-11-03T09:07:08+01:00\" title=\"2024-11-03T09:07:08+01:00\">3 Nov 2024 09:07:08</time>");
	shows("time", "\"<b>\"", "<span class=\"none\">\xe2\x80\x93</span>");
	shows("ago", "\"2026-11-23T18:00:00+00:00\"", "<span title=\"2026-11-23T18:00:00+00:00\">2 h 0 min ago</span>");
	shows("sev", "\"high\"", "<span class=\"badge sev high\">high</span>");
	shows("sev", "\"\\\"><b>\"", "<span class=\"badge sev &quot;&gt;&lt;b&gt;\">&quot;&gt;&lt;b&gt;</span>");
	shows("state", "\"false-positive\"", "<span class=\"badge state false-positive\">false alarm</span>");
	shows("wrap", "\"a@b<c\"", "a@<wbr>b&lt;c");
	shows("wrap", "\"a\\u202ebc\\u0007\\u20ac\"", "a<span class=\"hidden-char\">U+202E</span>bc<span class=\"hidden-char\">U+0007</span>\xe2\x82\xac");
	shows("list", "\"a;<b>\"", "<span class=\"item\">a</span> <span class=\"item\">&lt;b&gt;</span> ");
	shows("url", "\"a b/<c>\"", "a%20b%2F%3Cc%3E");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),     cmocka_unit_test(test_form_hostile), cmocka_unit_test(test_encode),  cmocka_unit_test(test_next),
		cmocka_unit_test(test_sessions), cmocka_unit_test(test_throttle),     cmocka_unit_test(test_filters),
		cmocka_unit_test(test_deleted_users),
	};
	return cmocka_run_group_tests_name("web", tests, NULL, NULL);
}
