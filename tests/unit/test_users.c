/* Users of the dashboard and one-time logins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/users.h"

static char dir[64], file[96];

static void test_users(void **state)
{
	struct err e;
	struct buf b = { 0 };
	struct stat st;
	(void)state;
	assert_false(users_check(file, "ann", "correct horse"));
	assert_int_equal(users_set(file, "ann", "correct horse", &e), 0);
	assert_int_equal(users_set(file, "bob", "battery staple", &e), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(users_check(file, "ann", "correct horse"));
	assert_false(users_check(file, "ann", "battery staple"));
	assert_false(users_check(file, "an", "correct horse"));
	unsigned char before[16], after[16];
	assert_true(users_mark(file, "ann", before));
	assert_int_equal(users_set(file, "ann", "another one", &e), 0);
	assert_true(users_mark(file, "ann", after));
	assert_memory_not_equal(before, after, 16);
	assert_false(users_mark(file, "nobody", after));
	assert_false(users_check(file, "ann", "correct horse"));
	assert_true(users_check(file, "ann", "another one"));
	assert_int_equal(users_list(file, &b, NULL), 2);
	assert_string_equal(buf_cstr(&b), "bob\nann\n");
	assert_int_equal(users_delete(file, "bob", &e), 0);
	assert_int_equal(users_delete(file, "bob", &e), -1);
	assert_false(users_has(file, "bob"));
	assert_true(users_has(file, "ann"));
	buf_fini(&b);
}

/* A users' file that is a folder cannot be read, by nobody. */
static void test_unreadable(void **state)
{
	struct err e;
	char other[112];
	(void)state;
	(void)snprintf(other, sizeof other, "%s/unreadable", dir);
	assert_int_equal(mkdir(other, 0700), 0);
	assert_int_equal(users_set(other, "ann", "correct horse", &e), -1);
	assert_non_null(strstr(e.text, "cannot read"));
	assert_int_equal(rmdir(other), 0);
	struct buf b = { 0 };
	assert_int_equal(users_list(other, &b, &e), 0); /* nobody yet */
	(void)snprintf(other, sizeof other, "%s/below", file);
	assert_int_equal(users_list(other, &b, &e), -1);
	assert_non_null(strstr(e.text, "cannot read"));
	buf_fini(&b);
}

/* Eight programs that each add a user at the same time, and four that take one away. */
static void test_at_once(void **state)
{
	struct buf b = { 0 };
	struct err e;
	char other[112];
	(void)state;
	(void)snprintf(other, sizeof other, "%s/others", dir);
	for (int i = 0; i < 8; i++)
		if (fork() == 0) {
			char name[8];
			(void)snprintf(name, sizeof name, "user%d", i);
			_exit(users_set(other, name, "correct horse", &e) ? 1 : 0);
		}
	for (int i = 0, status; i < 8; i++)
		assert_true(wait(&status) > 0 && status == 0);
	assert_int_equal(users_list(other, &b, NULL), 8);
	for (int i = 0; i < 4; i++)
		if (fork() == 0) {
			char name[8];
			(void)snprintf(name, sizeof name, "user%d", i);
			_exit(users_delete(other, name, &e) ? 1 : 0);
		}
	for (int i = 0, status; i < 4; i++)
		assert_true(wait(&status) > 0 && status == 0);
	buf_clear(&b);
	assert_int_equal(users_list(other, &b, NULL), 4);
	buf_fini(&b);
	unlink(other);
}

static void test_refused(void **state)
{
	struct err e;
	(void)state;
	assert_int_equal(users_set(file, "a:b", "long enough", &e), -1);
	assert_int_equal(users_set(file, "", "long enough", &e), -1);
	assert_int_equal(users_set(file, "a\nb", "long enough", &e), -1);
	assert_int_equal(users_set(file, "ann", "short", &e), -1);
}

static void test_tokens(void **state)
{
	struct login_token t;
	struct err e;
	char user[USERS_NAME_MAX + 1];
	(void)state;
	assert_int_equal(login_token_make(dir, "desk", 1000, 3600, &t, &e), 0);
	assert_int_equal(login_token_use(dir, "something else", 1001, user), -1);
	assert_int_equal(login_token_use(dir, "../users", 1001, user), -1);
	assert_int_equal(login_token_use(dir, t.s, 1001, user), 0);
	assert_string_equal(user, "desk");
	assert_int_equal(login_token_use(dir, t.s, 1001, user), -1); /* once */
	assert_int_equal(login_token_make(dir, "desk", 1000, 3600, &t, &e), 0);
	assert_int_equal(login_token_use(dir, t.s, 4601, user), -1); /* too late */
	struct login_token ann;
	assert_int_equal(login_token_make(dir, "desk", 1000, 3600, &t, &e), 0);
	assert_int_equal(login_token_make(dir, "ann", 1000, 3600, &ann, &e), 0);
	login_tokens_forget(dir, "ann"); /* who is deleted */
	assert_int_equal(login_token_use(dir, ann.s, 1001, user), -1);
	assert_int_equal(login_token_use(dir, t.s, 1001, user), 0);
}

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof dir, "/tmp/test-users-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(file, sizeof file, "%s/users", dir);
	return 0;
}

static int teardown(void **state)
{
	char login[96];
	(void)state;
	(void)snprintf(login, sizeof login, "%s/login", dir);
	unlink(file);
	rmdir(login);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_users), cmocka_unit_test(test_refused), cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_unreadable), cmocka_unit_test(test_at_once) };
	return cmocka_run_group_tests_name("users", tests, setup, teardown);
}
