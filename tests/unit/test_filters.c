/* Filters in the archive: what is found with them is what is found without, after joining and retention, too; one that is damaged, short, of other
 * segments or gone is told and made anew; one that was not committed is removed. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "analyzer/archive.h"
#include "analyzer/archive_int.h"
#include "analyzer/db.h"
#include "tests/unit/filter_messages.h"

#define SEGMENT_ROWS 4200 /* a commit of so many is a segment */

struct fixture { char dir[64], path[96]; struct db db; struct archive *a; };

static void begin(struct fixture *f)
{
	assert_int_equal(db_exec(&f->db, "BEGIN IMMEDIATE", NULL), 0);
}

static void end(struct fixture *f, bool ok)
{
	assert_int_equal(db_exec(&f->db, ok ? "COMMIT" : "ROLLBACK", NULL), 0);
	archive_retained(f->a, ok);
}

static void add(struct fixture *f, int from, int to)
{
	struct made m;
	for (int n = from; n < to; n++)
		assert_int_equal(archive_add(f->a, make(n, &m), NULL), 0);
	begin(f);
	assert_int_equal(archive_flush(f->a, NULL), 0);
	assert_int_equal(db_exec(&f->db, "COMMIT", NULL), 0);
	archive_end(f->a, true);
}

static int64_t number(struct fixture *f, const char *sql)
{
	sqlite3_stmt *st = NULL;
	assert_int_equal(sqlite3_prepare_v2(f->db.h, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

static void shell(struct fixture *f, const char *what)
{
	char command[400];
	(void)snprintf(command, sizeof command, "cd %s/t.db.d && %s", f->dir, what);
	assert_int_equal(system(command), 0);
}

static void reopen(struct fixture *f)
{
	struct err e = { "" };
	archive_free(f->a);
	db_close(&f->db);
	assert_int_equal(db_open(&f->db, f->path, &e), 0);
	f->a = archive_open(f->db.h, f->path, true, &e);
	assert_non_null(f->a);
}

static int filter(struct fixture *f, bool ok)
{
	struct err e = { "" };
	begin(f);
	int done = archive_filter(f->a, 4, &e);
	if (done < 0)
		fail_msg("%s", e.text);
	end(f, ok);
	return done;
}

/* Six segments of two days, of which the oldest five have a filter. */
static void fill(struct fixture *f)
{
	for (int i = 0; i < 3; i++)
		add(f, i * SEGMENT_ROWS, (i + 1) * SEGMENT_ROWS);
	for (int i = 0; i < 2; i++)
		add(f, DAY_MESSAGES + i * SEGMENT_ROWS, DAY_MESSAGES + (i + 1) * SEGMENT_ROWS);
	assert_int_equal(filter(f, true), 1);
	add(f, DAY_MESSAGES + 2 * SEGMENT_ROWS, DAY_MESSAGES + 3 * SEGMENT_ROWS);
	assert_int_equal(number(f, "SELECT count(*) FROM segment"), 6);
	assert_int_equal(number(f, "SELECT count(*) FROM segment WHERE filter <> 0"), 5);
}

struct heard { uint64_t print; size_t n; };

static bool hear(void *ctx, const struct txn *t)
{
	struct heard *h = ctx;
	h->print = (h->print + (uint64_t)t->size + 1) * 1099511628211u;
	h->n++;
	return true;
}

/* What is found, and in which order, by a program that opens the store anew. */
static int64_t search(struct archive *a, const struct archive_query *q, struct heard *h, struct err *e)
{
	bool more;
	*h = (struct heard){ 0 };
	return archive_search(a, q, hear, h, &more, e);
}

static struct archive *reader(struct fixture *f)
{
	struct archive *a = archive_open(f->db.h, f->path, false, NULL);
	assert_non_null(a);
	return a;
}

/* The same with the filters and without them. */
static void same_both_ways(struct fixture *f)
{
	static const int some[] = { 0, 1, 100, 4199, 4200, 8000, 12599, 12600, 50000, DAY_MESSAGES, DAY_MESSAGES + 4201, DAY_MESSAGES + 12599, DAY_MESSAGES + 12601 };
	struct archive *with = reader(f), *without;
	struct made m;
	struct heard x[N(some)][ARCHIVE_KEYS][2];
	struct err e = { "" };
	for (int way = 0; way < 2; way++) {
		if (way)
			shell(f, "mkdir ../away && mv *.filter ../away/ 2>/dev/null || true");
		without = reader(f);
		for (size_t i = 0; i < N(some); i++)
			for (int k = 0; k < ARCHIVE_KEYS; k++) {
				const struct txn *t = make(some[i], &m);
				const struct sv key[ARCHIVE_KEYS] = { t->sender, t->rcpt[i % 2].recipient, t->account, t->client_ip, t->queue_id, t->message_id };
				struct archive_query q = { .limit = i == 6 ? 0 : 20, .offset = i % 4 ? 0 : 7 };
				q.key[k] = key[k];
				q.key[ARCHIVE_RECIPIENT] = i % 5 == 4 ? SV("list@c.example") : q.key[ARCHIVE_RECIPIENT];
				q.since_us = i % 7 == 3 ? DAY0 + 5000 * US_PER_S : 0;
				assert_true(search(way ? without : with, &q, &x[i][k][way], &e) >= 0);
			}
		archive_free(without);
	}
	shell(f, "mv ../away/* . 2>/dev/null; rmdir ../away");
	archive_free(with);
	for (size_t i = 0; i < N(some); i++)
		for (int k = 0; k < ARCHIVE_KEYS; k++) {
			assert_int_equal(x[i][k][0].n, x[i][k][1].n);
			assert_true(x[i][k][0].print == x[i][k][1].print);
		}
}

/* Whether the second segment is looked into for what it does not hold: it is cut, which is told then. */
static bool looks_into_second(struct fixture *f)
{
	struct archive_query q = { .limit = 0 };
	struct heard h;
	struct err e = { "" };
	q.key[ARCHIVE_QUEUE_ID] = SV("Q1");
	shell(f, "second=$(ls *.seg | sed -n 2p) && cp -p $second ../whole && truncate -s 100 $second");
	struct archive *a = reader(f);
	int64_t found = search(a, &q, &h, &e);
	archive_free(a);
	shell(f, "second=$(ls *.seg | sed -n 2p) && mv ../whole $second");
	assert_int_equal(h.n, found < 0 ? 0 : 1); /* it is in the first one, which is older */
	return found < 0;
}

static void the_same_with_and_without(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 3; i++)
		add(f, i * SEGMENT_ROWS, (i + 1) * SEGMENT_ROWS);
	assert_int_equal(filter(f, true), 0); /* too few */
	assert_true(looks_into_second(f));
	add(f, 3 * SEGMENT_ROWS, 4 * SEGMENT_ROWS);
	assert_int_equal(filter(f, false), 1);
	shell(f, "! ls | grep -q filter"); /* a transaction that fails leaves nothing */
	assert_true(looks_into_second(f));
	assert_int_equal(filter(f, true), 1);
	assert_int_equal(filter(f, true), 0);
	assert_false(looks_into_second(f));
	same_both_ways(f);
	reopen(f);
	shell(f, "test $(ls | grep -c filter) = 1");
	assert_false(looks_into_second(f));
	add(f, DAY_MESSAGES, DAY_MESSAGES + SEGMENT_ROWS);
	same_both_ways(f);
}

static void joined_and_dropped_segments_do_not_count(void **state)
{
	struct fixture *f = *state;
	struct err e = { "" };
	fill(f);
	same_both_ways(f);
	begin(f);
	assert_int_equal(archive_compact(f->a, 20001, &e), 1);
	end(f, true);
	assert_int_equal(number(f, "SELECT count(*) FROM segment"), 4);
	assert_int_equal(number(f, "SELECT count(*) FROM segment WHERE filter <> 0"), 2);
	same_both_ways(f);
	assert_int_equal(filter(f, true), 0); /* two have none */
	begin(f);
	assert_int_equal(archive_compact(f->a, 20002, &e), 1); /* the second day, too: nobody has the filter any more */
	end(f, true);
	assert_int_equal(number(f, "SELECT count(*) FROM segment_filter"), 0);
	shell(f, "! ls | grep -q filter");
	same_both_ways(f);
}

static void retention_removes_filters(void **state)
{
	struct fixture *f = *state;
	struct err e = { "" };
	fill(f);
	begin(f);
	assert_int_equal(archive_drop_before(f->a, 20001, &e), 0);
	end(f, true);
	same_both_ways(f);
	assert_int_equal(number(f, "SELECT count(*) FROM segment WHERE filter <> 0"), 2);
	/* A name may come back, for another file: what was known of the old one does not hold. */
	add(f, 20000, 20000 + SEGMENT_ROWS);
	same_both_ways(f);
	begin(f);
	assert_int_equal(archive_drop_before(f->a, 20002, &e), 0);
	end(f, true);
	assert_int_equal(number(f, "SELECT count(*) FROM segment_filter"), 0);
	shell(f, "test -z \"$(ls)\"");
}

static void useless_filters_are_told_and_made_anew(void **state)
{
	static const char *const damage[] = { "truncate -s -4096 *.filter", "truncate -s 100 *.filter", "truncate -s +4096 *.filter", "rm *.filter",
		"printf X | dd of=$(ls *.filter) bs=1 seek=300 conv=notrunc 2>/dev/null", "printf AWFLT9 | dd of=$(ls *.filter) bs=1 conv=notrunc 2>/dev/null" };
	struct fixture *f = *state;
	fill(f);
	for (size_t i = 0; i < N(damage); i++) {
		assert_false(looks_into_second(f));
		shell(f, damage[i]);
		assert_true(looks_into_second(f));
		same_both_ways(f);
		reopen(f);
		assert_int_equal(number(f, "SELECT count(*) FROM segment_filter"), 0);
		shell(f, "! ls | grep -q filter");
		assert_int_equal(filter(f, true), 1);
	}
}

static bool holds_removed_files(const struct fixture *f)
{
	char line[600];
	bool any = false;
	FILE *maps = fopen("/proc/self/maps", "r");
	assert_non_null(maps);
	while (fgets(line, sizeof line, maps))
		any |= strstr(line, f->dir) && strstr(line, "(deleted)");
	assert_int_equal(fclose(maps), 0);
	return any;
}

/* A program that searches for months does not keep what retention removed: its room on the disk would not be free. */
static void removed_files_are_let_go(void **state)
{
	struct fixture *f = *state;
	struct archive_query q = { .limit = 0 };
	struct heard h;
	struct err e = { "" };
	fill(f);
	struct archive *a = reader(f);
	q.key[ARCHIVE_RECIPIENT] = SV("list@c.example"); /* in each */
	assert_true(search(a, &q, &h, &e) > 0);
	begin(f);
	assert_int_equal(archive_drop_before(f->a, 20002, &e), 0);
	end(f, true);
	assert_true(holds_removed_files(f));
	for (int i = 0; i < 16; i++)
		add(f, 2 * DAY_MESSAGES + i * SEGMENT_ROWS, 2 * DAY_MESSAGES + (i + 1) * SEGMENT_ROWS);
	for (int i = 0; i < 2; i++) {
		assert_true(search(a, &q, &h, &e) > 0);
		assert_int_equal(h.n, 16 * SEGMENT_ROWS);
	}
	assert_false(holds_removed_files(f));
	archive_free(a);
}

/* How often some text is told while a program searches twice. */
static int told(struct fixture *f, const char *text)
{
	char path[120], line[600];
	int n = 0, before = dup(STDERR_FILENO);
	struct archive_query q = { .limit = 10 };
	struct heard h;
	struct err e = { "" };
	(void)snprintf(path, sizeof path, "%s/told", f->dir);
	assert_non_null(freopen(path, "w", stderr));
	struct archive *a = reader(f);
	q.key[ARCHIVE_RECIPIENT] = SV("list@c.example");
	for (int i = 0; i < 2; i++)
		assert_int_equal(search(a, &q, &h, &e), 10);
	archive_free(a);
	assert_int_equal(fflush(stderr), 0);
	assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
	close(before);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof line, file))
		n += strstr(line, text) != NULL;
	assert_int_equal(fclose(file), 0);
	return n;
}

static void damage_within_a_filter_is_told_once(void **state)
{
	struct fixture *f = *state;
	fill(f);
	assert_int_equal(told(f, ".filter"), 0);
	shell(f, "size=$(stat -c %s *.filter) && dd if=/dev/zero of=$(ls *.filter) bs=4096 seek=1 count=$((size / 4096 - 1)) conv=notrunc 2>/dev/null");
	assert_int_equal(told(f, ".filter: damaged"), 1);
	same_both_ways(f);
}

/* A whole filter of other segments, as of a folder that was put together from two. */
static void a_filter_of_other_segments(void **state)
{
	struct fixture *f = *state;
	fill(f);
	for (int i = 3; i < 6; i++)
		add(f, DAY_MESSAGES + i * SEGMENT_ROWS, DAY_MESSAGES + (i + 1) * SEGMENT_ROWS);
	assert_int_equal(filter(f, true), 1);
	shell(f, "set -- *.filter; test $# = 2 && mv $1 x && mv $2 $1 && mv x $2");
	assert_true(looks_into_second(f));
	same_both_ways(f);
}

/* How many segments of the catalog are left for a search, and that they are its own, newest first. */
static size_t left(struct fixture *f, struct archive *a, const struct archive_query *q, const struct filter_answers *answers)
{
	struct buf entries = { 0 };
	struct archive_entry before = { .id = INT64_MAX, .day = INT64_MAX }, x;
	struct err e = { "" };
	char sql[200];
	assert_int_equal(archive_filters_left(archive_files(a), q, answers, &entries, &e), 0);
	for (size_t at = 0; at < entries.n; at += sizeof x, before = x) {
		memcpy(&x, entries.p + at, sizeof x);
		assert_true(x.day < before.day || (x.day == before.day && x.id < before.id));
		(void)snprintf(sql, sizeof sql, "SELECT count(*) FROM segment WHERE id = %lld AND day = %lld AND file = '%s'", (long long)x.id, (long long)x.day, x.name);
		assert_int_equal(number(f, sql), 1);
	}
	size_t n = entries.n / sizeof x;
	buf_fini(&entries);
	return n;
}

/* A search asks the filters, then which segments they leave: whatever the writer commits in between, none is missing. */
static void filters_change_between_the_questions(void **state)
{
	struct fixture *f = *state;
	struct filter_answers all, none;
	struct err e = { "" };
	struct archive_query q = { .limit = 50 }, absent = q;
	q.key[ARCHIVE_RECIPIENT] = SV("list@c.example"); /* in each */
	absent.key[ARCHIVE_RECIPIENT] = SV("nobody@nowhere.example");
	fill(f);
	struct archive *a = reader(f);
	struct heard h;
	assert_int_equal(search(a, &absent, &h, &e), 0); /* opens the filter */
	assert_int_equal(archive_filters_ask(archive_files(a), &q, &all, &e), 0);
	assert_int_equal(archive_filters_ask(archive_files(a), &absent, &none, &e), 0);
	assert_int_equal(left(f, a, &q, &all), 6);
	assert_int_equal(left(f, a, &absent, &none), 1); /* it has no filter */
	absent.until_us = DAY0 + 10 * US_PER_S;
	assert_int_equal(left(f, a, &absent, &none), 0);
	absent.until_us = 0;
	for (int i = 3; i < 6; i++)
		add(f, DAY_MESSAGES + i * SEGMENT_ROWS, DAY_MESSAGES + (i + 1) * SEGMENT_ROWS);
	assert_int_equal(filter(f, true), 1);
	assert_int_equal(number(f, "SELECT count(*) FROM segment WHERE filter = 0"), 0);
	assert_int_equal(left(f, a, &q, &all), 9);
	assert_int_equal(left(f, a, &absent, &none), 4);
	assert_int_equal(db_exec(&f->db, "UPDATE segment SET filter = 0", &e), 0);
	assert_int_equal(left(f, a, &absent, &none), 9);
	free(all.v);
	free(none.v);
	archive_free(a);
}

/* Hundreds of segments are left for a search, and none holds what is looked for: each time more of them are looked into at once, but not more than there is room
 * for. They are copies of one, which has the sender and the recipient, in different messages. */
static void hundreds_of_segments_and_nothing_in_them(void **state)
{
	struct fixture *f = *state;
	struct heard h;
	struct err e = { "" };
	fill(f);
	shell(f, "first=$(ls *.seg | sed -n 1p); for i in $(seq 1000 1399); do ln $first copy-$i.seg; done");
	assert_int_equal(db_exec(&f->db, "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 1399) "
	                                 "INSERT INTO segment (id, day, first_us, last_us, messages, recipients, bytes, file) "
	                                 "SELECT i, s.day, first_us, last_us, messages, recipients, bytes, 'copy-' || i || '.seg' "
	                                 "FROM n, (SELECT * FROM segment ORDER BY id LIMIT 1) s", &e), 0);
	while (filter(f, true) == 1)
		;
	struct archive *a = reader(f);
	for (size_t limit = 10; limit <= 100; limit += 10) { /* the first number of segments depends on it */
		struct archive_query q = { .limit = limit };
		q.key[ARCHIVE_RECIPIENT] = SV("rcpt4001@b.example");
		q.key[ARCHIVE_SENDER] = SV("sender0@a.example");
		assert_int_equal(search(a, &q, &h, &e), 0);
		q.key[ARCHIVE_SENDER] = SV("sender1@a.example");
		assert_int_equal(search(a, &q, &h, &e), 1); /* all copies are one message */
	}
	archive_free(a);
}

static void killed_before_the_commit(void **state)
{
	struct fixture *f = *state;
	int status;
	for (int i = 0; i < 4; i++)
		add(f, i * SEGMENT_ROWS, (i + 1) * SEGMENT_ROWS);
	archive_free(f->a);
	db_close(&f->db);
	pid_t child = fork();
	if (child == 0) {
		struct db db;
		if (db_open(&db, f->path, NULL) < 0 || db_exec(&db, "BEGIN IMMEDIATE", NULL) < 0)
			_exit(1);
		struct archive *a = archive_open(db.h, f->path, true, NULL);
		if (!a || archive_filter(a, 4, NULL) != 1)
			_exit(1);
		(void)kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	shell(f, "test $(ls | grep -c filter) = 1");
	assert_int_equal(db_open(&f->db, f->path, NULL), 0);
	f->a = archive_open(f->db.h, f->path, true, NULL);
	assert_non_null(f->a);
	shell(f, "! ls | grep -q filter");
	assert_true(looks_into_second(f));
	same_both_ways(f);
	assert_int_equal(filter(f, true), 1);
	assert_false(looks_into_second(f));
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	(void)snprintf(f->dir, sizeof f->dir, "/tmp/aw-filter-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	(void)snprintf(f->path, sizeof f->path, "%s/t.db", f->dir);
	if (db_open(&f->db, f->path, NULL) < 0)
		return -1;
	f->a = archive_open(f->db.h, f->path, true, NULL);
	*state = f;
	return f->a ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	archive_free(f->a);
	db_close(&f->db);
	int bad = remove_dir(f->dir);
	free(f);
	return bad;
}

#define OF_ARCHIVE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OF_ARCHIVE(the_same_with_and_without), OF_ARCHIVE(joined_and_dropped_segments_do_not_count), OF_ARCHIVE(retention_removes_filters),
		OF_ARCHIVE(useless_filters_are_told_and_made_anew), OF_ARCHIVE(a_filter_of_other_segments), OF_ARCHIVE(killed_before_the_commit), OF_ARCHIVE(removed_files_are_let_go),
		OF_ARCHIVE(filters_change_between_the_questions), OF_ARCHIVE(hundreds_of_segments_and_nothing_in_them), OF_ARCHIVE(damage_within_a_filter_is_told_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
