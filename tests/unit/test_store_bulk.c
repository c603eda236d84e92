/* An import's way of writing: rows of hours that are over go ahead of their commit, and a new store's first commit needs no WAL. Whatever write it is killed
 * at, the store holds all of a commit or nothing of it, and doing it again gives what one gets that was never killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "analyzer/rollup.h"
#include "lib/times.h"
#include "tests/unit/store_run.h"

#define HOUR (480000LL * US_PER_HOUR)
#define HOURS 140u /* some more than fill what goes ahead at once */
#define IDS 120u

static const char all_rows[] = "SELECT (SELECT count(*) * 1000000 + sum(messages) FROM principal_hour) + (SELECT sum(sent) FROM receiver_hour)";

/* --- a file system that kills ------------------------------------------------------------------------------------- */

static long left = -1; /* writes that it still does; -1: any number */
static long *writes;   /* that it did; seen by who forked it, too */
static struct kind { const sqlite3_io_methods *was; sqlite3_io_methods now; } kinds[4]; /* a journal has others than a database */
static sqlite3_vfs *below, vfs;

static int dying_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	const sqlite3_io_methods *was = kinds[0].was;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (f->pMethods == &kinds[i].now)
			was = kinds[i].was;
	if (left == 0) {
		(void)was->xWrite(f, p, n / 2, at); /* torn */
		(void)raise(SIGKILL);
	}
	left -= left > 0;
	++*writes;
	return was->xWrite(f, p, n, at);
}

static int dying_open(sqlite3_vfs *v, sqlite3_filename name, sqlite3_file *f, int flags, int *ret_flags)
{
	(void)v;
	int rc = below->xOpen(below, name, f, flags, ret_flags);
	if (rc != SQLITE_OK || !f->pMethods)
		return rc;
	struct kind *k = kinds;
	while (k->was && k->was != f->pMethods)
		k++;
	*k = (struct kind){ f->pMethods, *f->pMethods };
	k->now.xWrite = dying_write;
	f->pMethods = &k->now;
	return rc;
}

static void make_mortal(void)
{
	below = sqlite3_vfs_find(NULL);
	vfs = *below;
	vfs.zName = "mortal";
	vfs.xOpen = dying_open;
	assert_int_equal(sqlite3_vfs_register(&vfs, 1), SQLITE_OK);
}

/* --- */

static bool there_is(const char *suffix)
{
	char name[128];
	(void)snprintf(name, sizeof name, "%s%s", path, suffix);
	return access(name, F_OK) == 0;
}

static void hours(struct open *o, unsigned from, unsigned to)
{
	char id[32];
	struct err e;
	struct judge *j = o->judge;
	for (unsigned h = from; h < to; h++) {
		rollup_hour(j->rollup, HOUR + h * US_PER_HOUR);
		for (unsigned i = 0; i < IDS; i++) {
			(void)snprintf(id, sizeof id, "u%u@isp.example", i * 7 + h % 5);
			struct sv s = sv_cstr(id);
			uint32_t *p = rollup_principal(j->rollup, judge_key(j, PRINCIPAL_ACCOUNT, s), PRINCIPAL_ACCOUNT, s)->n;
			p[ROLLUP_MESSAGES] += h + i;
			p[ROLLUP_RECIPIENTS] += i + 1;
			uint32_t *r = rollup_receiver(j->rollup, hash_sv(&j->key, s), s)->n;
			r[ROLLUP_RECIPIENTS] += i + 1;
			r[ROLLUP_SENT] += h + i + 1;
		}
		assert_int_equal(store_write_ahead(o->store, j, &e), 0);
	}
}

static int64_t rows_when_written_at_once(void)
{
	struct err e;
	fresh();
	struct open o = open_store();
	hours(&o, 0, 1); /* and no more: nothing goes ahead */
	assert_false(o.store->ahead);
	for (unsigned h = 1; h < HOURS; h++) {
		hours(&o, h, h + 1);
		assert_int_equal(store_commit(o.store, o.judge, &e), 0);
	}
	close_store(&o);
	return number(all_rows);
}

static void import_once(void)
{
	struct err e;
	struct open o = open_store_with(store_open_bulk);
	hours(&o, 0, HOURS);
	if (store_commit(o.store, o.judge, &e) < 0)
		fail_msg("%s", e.text);
	close_store(&o);
}

static void what_goes_ahead_is_there_once(void **state)
{
	struct err e;
	(void)state;
	int64_t want = rows_when_written_at_once();
	fresh();
	struct open o = open_store_with(store_open_bulk);
	assert_false(there_is("-wal"));
	hours(&o, 0, HOURS);
	assert_true(o.store->ahead && store_rollup_ended_bytes(o.judge) < 2u << 20);
	assert_int_equal(number("SELECT count(*) FROM principal_hour"), 0); /* for others not yet */
	assert_int_equal(store_commit(o.store, o.judge, &e), 0);
	assert_false(o.store->ahead);
	assert_true(number(all_rows) == want && want > 0);
	assert_int_equal(store_commit(o.store, o.judge, &e), 0); /* in the WAL now */
	assert_true(there_is("-wal") && !there_is("-journal"));
	close_store(&o);
	assert_true(there_is("-wal") && there_is("-shm")); /* for readers under another uid */
	assert_int_equal(number(all_rows), want);
}

/* Nothing came: a store as any other. */
static void an_empty_import_leaves_a_wal(void **state)
{
	(void)state;
	fresh();
	struct open o = open_store_with(store_open_bulk);
	assert_true(o.store->db.bulk);
	close_store(&o);
	assert_true(there_is("-wal"));
	for (unsigned i = 0; i < 2; i++) { /* now with its key */
		o = open_store_with(i ? store_open : store_open_bulk);
		assert_true(!o.store->db.bulk && !o.store->ahead);
		close_store(&o);
		assert_int_equal(number("SELECT count(*) FROM meta WHERE key = 'hash-key'"), 1);
	}
}

/* In a process of its own, which dies at that write. How it ended. */
static int import_and_die(long at)
{
	int status;
	fresh();
	*writes = 0;
	pid_t pid = fork();
	if (pid == 0) {
		make_mortal();
		left = at;
		import_once();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* Whether it held nothing. */
static bool goes_on(int64_t want)
{
	struct open o = open_store_with(store_open_bulk);
	close_store(&o);
	assert_int_equal(number("SELECT count(*) = 1 AND max(integrity_check) = 'ok' FROM pragma_integrity_check"), 1);
	bool empty = number("SELECT count(*) FROM principal_hour") == 0;
	if (empty)
		import_once();
	assert_int_equal(number(all_rows), want);
	return empty;
}

static void killed_at_any_write(void **state)
{
	(void)state;
	int64_t want = rows_when_written_at_once();
	unsigned empty = 0, full = 0;
	writes = mmap(NULL, sizeof *writes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(import_and_die(-1), 0);
	long all = *writes;
	assert_true(all > 200);
	for (long at = 0, step; at < all; at += step) {
		step = at < 8 || at >= all - 8 ? 1 : at + all / 20 < all - 8 ? all / 20 : all - 8 - at;
		int status = import_and_die(at);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		if (goes_on(want))
			empty++;
		else
			full++;
	}
	if (empty < 20 || !full)
		fail_msg("of %ld writes %u left nothing, %u all", all, empty, full);
	munmap(writes, sizeof *writes);
}

/* Rows that went ahead are in nobody's memory: after a roll-back nothing can be made of the rest. */
static void after_a_failed_commit_it_does_not_go_on(void **state)
{
	struct err e = { "" };
	(void)state;
	fresh();
	struct open o = open_store_with(store_open_bulk);
	(void)store_input(o.store, SV("mx1"));
	assert_int_equal(db_exec(&o.store->db, "CREATE TRIGGER no BEFORE INSERT ON input BEGIN SELECT RAISE(ABORT, 'no'); END", &e), 0); /* rolled back, too */
	hours(&o, 0, HOURS);
	assert_true(o.store->ahead);
	o.store->input[0]->dirty = true;
	assert_int_equal(store_commit(o.store, o.judge, &e), -1);
	assert_int_equal(store_commit(o.store, o.judge, &e), -1);
	assert_non_null(strstr(e.text, "begin again"));
	close_store(&o);
	assert_int_equal(number("SELECT count(*) FROM principal_hour"), 0);
	import_once();
	assert_true(number("SELECT count(*) FROM principal_hour") > 0);
}

/* A read that needs room in the page cache may find the disk full, and SQLite ends the transaction then. */
static void rolled_back_unnoticed_it_does_not_go_on(void **state)
{
	struct err e = { "" };
	(void)state;
	fresh();
	struct open o = open_store_with(store_open_bulk);
	(void)store_input(o.store, SV("mx1"));
	hours(&o, 0, HOURS);
	assert_true(o.store->ahead);
	assert_int_equal(db_exec(&o.store->db, "ROLLBACK", &e), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(store_commit(o.store, o.judge, &e), -1);
		assert_non_null(strstr(e.text, "begin again"));
	}
	close_store(&o);
	assert_int_equal(number("SELECT count(*) FROM principal_hour"), 0);
	assert_int_equal(number("SELECT count(*) FROM input"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_ahead_is_there_once),
		cmocka_unit_test(an_empty_import_leaves_a_wal),
		cmocka_unit_test(killed_at_any_write),
		cmocka_unit_test(after_a_failed_commit_it_does_not_go_on),
		cmocka_unit_test(rolled_back_unnoticed_it_does_not_go_on),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
