/* Rows that go in many at once come to the same as rows that go in one by one. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "analyzer/db.h"

#define MOST 3 * DB_ROWS + 5

struct entries { char key[MOST][24], value[MOST][24]; };

static void bind_entry(struct db_binder *b, const void *ctx, size_t i)
{
	const struct entries *x = ctx;
	db_bind(b, "ss", x->key[i], x->value[i]);
}

static void bind_principal(struct db_binder *b, const void *ctx, size_t i)
{
	const struct entries *x = ctx;
	db_bind(b, "sssiiiiiiibb", "account", x->key[i], "", (int64_t)i, (int64_t)1, (int64_t)2, (int64_t)3, (int64_t)4, (int64_t)5, (int64_t)(i % 2), SV("s"), SV("t"));
}

static int64_t number(struct db *d, const char *sql)
{
	sqlite3_stmt *st;
	assert_int_equal(sqlite3_prepare_v2(d->h, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

static void rows_of_any_number(void **state)
{
	static const size_t sizes[] = { 0, 1, DB_ROWS - 1, DB_ROWS, DB_ROWS + 1, MOST };
	char dir[] = "/tmp/aw-db.XXXXXX", path[64];
	struct entries x;
	struct err e;
	struct db d;
	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof path, "%s/db", dir);
	assert_int_equal(db_open(&d, path, &e), 0);
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
		size_t n = sizes[s];
		assert_int_equal(db_exec(&d, "DELETE FROM meta; DELETE FROM principal", &e), 0);
		for (size_t i = 0; i < n; i++) {
			(void)snprintf(x.key[i], sizeof x.key[i], "%zu", i / 2); /* each twice: the second one stays */
			(void)snprintf(x.value[i], sizeof x.value[i], "%zu", i);
		}
		assert_int_equal(db_run_rows(&d, &e, Q_META_SET, n, bind_entry, &x), 0);
		assert_int_equal(number(&d, "SELECT count(*) FROM meta"), (n + 1) / 2);
		assert_int_equal(number(&d, "SELECT count(*) FROM meta WHERE value + 0 <> min(key * 2 + 1, (SELECT max(value + 0) FROM meta))"), 0);
		for (size_t i = 0; i < n; i++)
			(void)snprintf(x.key[i], sizeof x.key[i], "%zu", i);
		assert_int_equal(db_run_rows(&d, &e, Q_PRINCIPAL_PUT, n, bind_principal, &x), 0);
		assert_int_equal(number(&d, "SELECT count(*) FROM principal WHERE score = id AND bounced = 5 AND case_id IS nullif(id % 2, 0) AND today = x'74'"), n);
	}
	db_close(&d);
	(void)snprintf(path, sizeof path, "rm -r %s", dir);
	assert_int_equal(system(path), 0);
}

/* Whoever opens the store next must see that it is in use: else SQLite makes its index of the log anew, under our feet. */
static void locks_are_kept(void **state)
{
	char dir[] = "/tmp/aw-db.XXXXXX", path[64], shm[72], rm[64];
	struct err e;
	struct db d;
	int status;
	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof path, "%s/db", dir);
	(void)snprintf(shm, sizeof shm, "%s-shm", path);
	assert_int_equal(db_open(&d, path, &e), 0);
	assert_int_equal(number(&d, "SELECT count(*) FROM meta"), 0);
	pid_t pid = fork();
	if (pid == 0) { /* locks are those of a process */
		struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 128, .l_len = 1 };
		int fd = open(shm, O_RDWR);
		_exit(fd >= 0 && fcntl(fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	db_close(&d);
	(void)snprintf(rm, sizeof rm, "rm -rf %s", dir);
	assert_int_equal(system(rm), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(rows_of_any_number), cmocka_unit_test(locks_are_kept) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
