#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "analyzer/archive.h"
#include "analyzer/db.h"
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/times.h"

struct fixture { char dir[64], path[96]; struct db db; struct archive *a; };

#define DAY0 (20000LL * US_PER_DAY)

static struct txn message(int n, char text[8][64], struct txn_rcpt r[2])
{
	snprintf(text[0], 64, "Q%06X", n);
	snprintf(text[1], 64, n % 10 == 8 ? "<m%d@a.example" : "<m%d@a.example>", n); /* some servers give any header as it is */
	snprintf(text[2], 64, n % 10 == 8 ? "<sender%d@a.example>" : "sender%d@a.example", n % 10);
	snprintf(text[3], 64, "rcpt%d@B.example", n);
	snprintf(text[4], 64, "198.18.0.%d", n % 200);
	r[0] = (struct txn_rcpt){ .recipient = sv_cstr(text[3]), .status = TXN_SENT, .dsn = SV("2.0.0"), .reply = SV("250 ok"), .time_us = DAY0 + n };
	r[1] = (struct txn_rcpt){ .recipient = SV("both@c.example"), .status = TXN_BOUNCED, .dsn = SV("5.1.1"), .reply = SV("550 no") };
	return (struct txn){ .host = SV("mx1"), .mta = SV("postfix"), .queue_id = sv_cstr(text[0]), .message_id = sv_cstr(text[1]),
		             .sender = n % 10 == 9 ? SV("s\0" "9@a.example") : sv_cstr(text[2]), .sender_known = true, .client_ip = sv_cstr(text[4]), .uid = -1, .size = n, .nrcpt = 2,
		             .account = n % 10 == 4 ? SV("Web9@a.example") : n % 10 == 5 ? SV("web9") : (struct sv){ 0 },
		             .local_user = n % 10 == 6 ? SV("web9") : n % 10 == 7 ? SV("web99") : (struct sv){ 0 }, .cwd = n % 10 == 6 ? SV("/home/web9") : (struct sv){ 0 },
		             .first_us = DAY0 + n * US_PER_S, .last_us = DAY0 + n * US_PER_S, .rcpt = r, .n_rcpt = 2, .complete = true };
}

static void add(struct fixture *f, int from, int to)
{
	char text[8][64];
	struct txn_rcpt r[2];
	for (int n = from; n < to; n++) {
		struct txn t = message(n, text, r);
		assert_int_equal(archive_add(f->a, &t, NULL), 0);
	}
}

static void commit(struct fixture *f)
{
	struct err e = { "" };
	assert_int_equal(db_exec(&f->db, "BEGIN IMMEDIATE", &e), 0);
	if (archive_flush(f->a, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(db_exec(&f->db, "COMMIT", &e), 0);
	archive_end(f->a, true);
}

struct seen { size_t n; char first_qid[32]; int64_t size; size_t n_rcpt; char reply[32]; };

static bool note(void *ctx, const struct txn *t)
{
	struct seen *s = ctx;
	if (s->n++ == 0) {
		snprintf(s->first_qid, sizeof s->first_qid, "%.*s", SVARG(t->queue_id));
		s->size = t->size;
		s->n_rcpt = t->n_rcpt;
		snprintf(s->reply, sizeof s->reply, "%.*s", SVARG(t->rcpt[t->n_rcpt - 1].reply));
	}
	return true;
}

static struct seen find(struct fixture *f, enum archive_key k, struct sv v, bool substring)
{
	struct seen s = { 0 };
	struct err e = { "" };
	struct archive_query q = { .substring = substring };
	q.key[k] = v;
	if (archive_search(f->a, &q, note, &s, NULL, &e) < 0)
		fail_msg("%s", e.text);
	return s;
}

static void every_key_finds_in_rows_and_in_segments(void **state)
{
	struct fixture *f = *state;
	for (int round = 0; round < 2; round++) {
		add(f, round * 10000, round * 10000 + (round ? 9000 : 100)); /* rows first, then a segment takes all */
		commit(f);
		struct seen s = find(f, ARCHIVE_QUEUE_ID, SV("q000007"), false);
		assert_int_equal(s.n, 1);
		assert_int_equal(s.size, 7);
		assert_int_equal(s.n_rcpt, 2);
		assert_string_equal(s.reply, "550 no");
		assert_int_equal(find(f, ARCHIVE_MESSAGE_ID, SV("m7@a.example"), false).n, 1);
		assert_int_equal(find(f, ARCHIVE_CLIENT, SV("::FFFF:c612:7"), false).n, round ? 46 : 1); /* 198.18.0.7 */
		assert_int_equal(find(f, ARCHIVE_MESSAGE_ID, SV("<m8@a.example"), false).n, 1);
		assert_int_equal(find(f, ARCHIVE_MESSAGE_ID, SV("m8@a.exampl"), false).n, 0);
		assert_int_equal(find(f, ARCHIVE_MESSAGE_ID, SV("@a.example"), false).n, 0); /* nobody's address */
		assert_int_equal(find(f, ARCHIVE_RECIPIENT, SV("RCPT7@b.example"), false).n, 1);
		assert_int_equal(find(f, ARCHIVE_RECIPIENT, SV("cpt77@"), true).n, 1);
		assert_int_equal(find(f, ARCHIVE_RECIPIENT, SV("@b.example"), false).n, round ? 9100 : 100);
		assert_int_equal(find(f, ARCHIVE_SENDER, SV("<sender3@a.example>"), false).n, round ? 910 : 10);
		assert_int_equal(find(f, ARCHIVE_SENDER, SV("nobody@a.example"), false).n, 0);
		assert_int_equal(find(f, ARCHIVE_SENDER, SV("Sender8@a.example"), false).n, round ? 910 : 10); /* the log has brackets around it */
		assert_int_equal(find(f, ARCHIVE_SENDER, SV("<sender8@a.example>"), false).n, round ? 910 : 10);
		assert_int_equal(find(f, ARCHIVE_SENDER, SV("sender8@a.example"), true).n, round ? 910 : 10);
		assert_int_equal(find(f, ARCHIVE_SENDER, SV("s\0" "9@A.example"), false).n, round ? 910 : 10);
		assert_int_equal(find(f, ARCHIVE_SENDER, SV("s\0" "7@a.example"), false).n, 0); /* no text ends at a NUL */
		assert_int_equal(find(f, ARCHIVE_SENDER, SV("\0" "7@a"), true).n, 0);
		struct archive_query both = { .key = { [ARCHIVE_SENDER] = SV("s\0" "7@a.example"), [ARCHIVE_RECIPIENT] = SV("both@c.example") } };
		s = (struct seen){ 0 };
		assert_int_equal(archive_search(f->a, &both, note, &s, NULL, NULL), 0);
		assert_int_equal(find(f, ARCHIVE_SENDER, SV("\0" "9@a"), true).n, round ? 910 : 10);
		assert_int_equal(find(f, ARCHIVE_CLIENT, SV("198.18.0.5"), false).n, round ? 46 : 1);
		assert_int_equal(find(f, ARCHIVE_ACCOUNT, SV("x"), false).n, 0);
		size_t tenth = round ? 910 : 10;
		assert_int_equal(find(f, ARCHIVE_ACCOUNT, SV("WEB9"), false).n, 2 * tenth); /* log-ins and local users of that name */
		assert_int_equal(find(f, ARCHIVE_ACCOUNT, SV("web99"), false).n, tenth);
		assert_int_equal(find(f, ARCHIVE_ACCOUNT, SV("web9"), true).n, 3 * tenth); /* within log-ins, local users whole */
		assert_int_equal(find(f, ARCHIVE_ACCOUNT, SV("@a.example"), false).n, tenth);
		assert_int_equal(find(f, ARCHIVE_ACCOUNT, SV(""), false).n, 0);
	}
}

static void the_newest_report_of_a_message_is_shown_once(void **state)
{
	struct fixture *f = *state;
	char text[8][64];
	struct txn_rcpt r[2];
	add(f, 0, 20);
	commit(f);
	struct txn t = message(5, text, r);
	t.size = 4711;
	assert_int_equal(archive_add(f->a, &t, NULL), 0);
	commit(f);
	struct seen s = find(f, ARCHIVE_QUEUE_ID, SV("Q000005"), false);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.size, 4711);
	add(f, 100, 10000);
	commit(f);
	s = find(f, ARCHIVE_QUEUE_ID, SV("Q000005"), false);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.size, 4711);
}

/* A reader keeps the rows that it read and reads only new ones: it must not keep those that became a segment, were dropped or never were. */
static void a_reader_finds_what_is_there_now(void **state)
{
	struct fixture *f = *state;
	struct fixture reader = { .a = NULL };
	struct err e = { "" };
	assert_int_equal(db_open(&reader.db, f->path, &e), 0);
	reader.a = archive_open(reader.db.h, f->path, false, &e);
	assert_int_equal(find(&reader, ARCHIVE_RECIPIENT, SV("both@c.example"), false).n, 0);
	add(f, 0, 50);
	commit(f);
	assert_int_equal(find(&reader, ARCHIVE_RECIPIENT, SV("BOTH@c.example"), false).n, 50);
	add(f, 50, 100);
	assert_int_equal(db_exec(&f->db, "BEGIN IMMEDIATE", NULL), 0);
	assert_int_equal(archive_flush(f->a, NULL), 0);
	assert_int_equal(find(&reader, ARCHIVE_RECIPIENT, SV("both@c.example"), false).n, 50);
	assert_int_equal(find(f, ARCHIVE_RECIPIENT, SV("both@c.example"), false).n, 100);
	assert_int_equal(db_exec(&f->db, "ROLLBACK", NULL), 0);
	archive_end(f->a, false);
	assert_int_equal(find(f, ARCHIVE_RECIPIENT, SV("both@c.example"), false).n, 50);
	commit(f);
	struct seen s = find(&reader, ARCHIVE_RECIPIENT, SV("both@c.example"), false);
	assert_int_equal(s.n, 100);
	assert_string_equal(s.first_qid, "Q000063"); /* 99 */
	add(f, 100, 9000); /* all become a segment */
	commit(f);
	assert_int_equal(find(&reader, ARCHIVE_RECIPIENT, SV("both@c.example"), false).n, 9000);
	add(f, 9000, 9010);
	add(f, 90000, 90010); /* of the day after */
	commit(f);
	assert_int_equal(find(&reader, ARCHIVE_RECIPIENT, SV("both@c.example"), false).n, 9020);
	assert_int_equal(db_exec(&f->db, "BEGIN IMMEDIATE", &e), 0);
	assert_int_equal(archive_drop_before(f->a, 20001, &e), 0);
	assert_int_equal(db_exec(&f->db, "COMMIT", &e), 0);
	archive_retained(f->a, true);
	assert_int_equal(find(&reader, ARCHIVE_RECIPIENT, SV("both@c.example"), false).n, 10);
	assert_int_equal(db_exec(&f->db, "UPDATE hot_message SET body = substr(body, 1, 20) WHERE id % 5 = 0; UPDATE hot_removed SET times = times + 1", &e), 0);
	struct archive_query q = { .limit = 100 };
	memset(&s, 0, sizeof s);
	assert_int_equal(archive_search(reader.a, &q, note, &s, NULL, &e), -1);
	assert_int_equal(s.n, 8);
	archive_free(reader.a);
	db_close(&reader.db);
}

static void a_rolled_back_commit_is_tried_again(void **state)
{
	struct fixture *f = *state;
	add(f, 0, 5000);
	assert_int_equal(db_exec(&f->db, "BEGIN IMMEDIATE", NULL), 0);
	assert_int_equal(archive_flush(f->a, NULL), 0);
	assert_int_equal(db_exec(&f->db, "ROLLBACK", NULL), 0);
	archive_end(f->a, false);
	assert_int_equal(find(f, ARCHIVE_RECIPIENT, SV("both@c.example"), false).n, 0);
	commit(f);
	assert_int_equal(find(f, ARCHIVE_RECIPIENT, SV("both@c.example"), false).n, 5000);
}

static void days_are_dropped(void **state)
{
	struct fixture *f = *state;
	struct err e;
	add(f, 0, 5000);
	add(f, 90000, 95000); /* the next day */
	commit(f);
	assert_int_equal(find(f, ARCHIVE_RECIPIENT, SV("both@c.example"), false).n, 10000);
	assert_int_equal(db_exec(&f->db, "BEGIN IMMEDIATE", NULL), 0);
	assert_int_equal(archive_drop_before(f->a, 20001, &e), 0);
	assert_int_equal(db_exec(&f->db, "COMMIT", NULL), 0);
	archive_retained(f->a, true);
	assert_int_equal(find(f, ARCHIVE_RECIPIENT, SV("both@c.example"), false).n, 5000);
}

static int segments(struct fixture *f)
{
	sqlite3_stmt *st = NULL;
	assert_int_equal(sqlite3_prepare_v2(f->db.h, "SELECT count(*) FROM segment", -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	int n = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return n;
}

/* Dropping days fails while a batch is under way and after one was catalogued: neither may be lost or counted again. */
static void a_failed_drop_leaves_batches_alone(void **state)
{
	struct fixture *f = *state;
	struct err e;
	add(f, 0, 66000); /* more than one batch */
	commit(f);
	int before = segments(f);
	add(f, 172800, 238800); /* two days later */
	assert_int_equal(db_exec(&f->db, "BEGIN IMMEDIATE", NULL), 0);
	assert_int_equal(archive_drop_before(f->a, 20001, &e), 0);
	assert_int_equal(db_exec(&f->db, "ROLLBACK", NULL), 0);
	archive_retained(f->a, false);
	commit(f);
	assert_int_equal(segments(f), 2 * before);
	assert_int_equal(find(f, ARCHIVE_QUEUE_ID, SV("Q000007"), false).n, 1);
	assert_int_equal(find(f, ARCHIVE_QUEUE_ID, SV("Q02A307"), false).n, 1); /* 172807 */
}

static int compact(struct fixture *f, int64_t day, bool ok)
{
	struct err e = { "" };
	assert_int_equal(db_exec(&f->db, "BEGIN IMMEDIATE", NULL), 0);
	int done = archive_compact(f->a, day, &e);
	assert_int_equal(db_exec(&f->db, ok ? "COMMIT" : "ROLLBACK", NULL), 0);
	archive_retained(f->a, ok);
	return done;
}

/* Small segments of days that are over become one; what is found, and in which order, stays the same. */
static void small_segments_are_joined(void **state)
{
	struct fixture *f = *state;
	char text[8][64];
	struct txn_rcpt r[2];
	for (int i = 0; i < 3; i++) {
		add(f, i * 5000, i * 5000 + 5000);
		commit(f);
	}
	struct txn t = message(7, text, r);
	t.size = 4711;
	assert_int_equal(archive_add(f->a, &t, NULL), 0);
	add(f, 90000, 95000); /* the next day */
	commit(f);
	assert_int_equal(segments(f), 5);
	assert_int_equal(compact(f, 20000, true), 0); /* no day before that one */
	assert_int_equal(compact(f, 20001, false), 1); /* the transaction fails: nothing has happened */
	assert_int_equal(segments(f), 5);
	assert_int_equal(find(f, ARCHIVE_RECIPIENT, SV("both@c.example"), false).n, 20000);
	assert_int_equal(compact(f, 20001, true), 1);
	assert_int_equal(segments(f), 2);
	assert_int_equal(compact(f, 20001, true), 0);
	assert_int_equal(find(f, ARCHIVE_RECIPIENT, SV("both@c.example"), false).n, 20000);
	struct seen s = find(f, ARCHIVE_QUEUE_ID, SV("Q000007"), false);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.size, 4711); /* its newest report */
	for (uint32_t i = 0; i < 15000; i += 1234) {
		char id[16];
		(void)snprintf(id, sizeof id, "Q%06X", i);
		assert_int_equal(find(f, ARCHIVE_QUEUE_ID, sv_cstr(id), false).n, 1);
	}
}

static bool catalog_read(struct archive *a, struct err *e)
{
	struct archive_query q = { .key[ARCHIVE_QUEUE_ID] = SV("none") };
	return archive_search(a, &q, note, &(struct seen){ 0 }, NULL, e) == 0;
}

/* Who began to read before segments were joined finds in their files what was in them. */
static void joining_takes_nothing_from_searches(void **state)
{
	struct fixture *f = *state;
	struct err e = { "" };
	struct fixture reader = { 0 };
	for (int i = 0; i < 3; i++) {
		add(f, i * 5000, i * 5000 + 5000);
		commit(f);
	}
	assert_int_equal(db_open(&reader.db, f->path, &e), 0);
	reader.a = archive_open(reader.db.h, f->path, false, &e);
	assert_int_equal(db_exec(&reader.db, "BEGIN", &e), 0);
	assert_true(catalog_read(reader.a, &e));
	archive_free(reader.a); /* and what it has open */
	reader.a = archive_open(reader.db.h, f->path, false, &e);
	assert_int_equal(compact(f, 20001, true), 1);
	assert_int_equal(find(&reader, ARCHIVE_RECIPIENT, SV("both@c.example"), false).n, 15000);
	assert_int_equal(find(f, ARCHIVE_RECIPIENT, SV("both@c.example"), false).n, 15000);
	archive_free(reader.a);
	db_close(&reader.db);
	archive_remove_joined(f->a);
	assert_int_equal(find(f, ARCHIVE_RECIPIENT, SV("both@c.example"), false).n, 15000);
	char one[100];
	snprintf(one, sizeof one, "[ $(ls %s/t.db.d/*.seg | wc -l) = 1 ]", f->dir);
	assert_int_equal(system(one), 0);
}

struct taker { sqlite3 *db; size_t n; };

static bool take_slowly(void *ctx, const struct txn *t)
{
	struct taker *x = ctx;
	(void)t;
	x->n++;
	for (sqlite3_stmt *st = NULL; (st = sqlite3_next_stmt(x->db, st));)
		assert_false(sqlite3_stmt_busy(st));
	return true;
}

/* Who takes what was found may take hours: nothing is being read meanwhile, or the store's log could not be written back. */
static void nothing_is_read_while_messages_are_given(void **state)
{
	struct fixture *f = *state;
	struct archive_query q = { .limit = 0 };
	struct taker x = { f->db.h, 0 };
	for (int i = 0; i < 2; i++) {
		add(f, i * 5000, i * 5000 + 5000);
		commit(f);
	}
	add(f, 10000, 11000); /* rows */
	commit(f);
	assert_int_equal(archive_search(f->a, &q, take_slowly, &x, NULL, NULL), 11000);
	assert_int_equal(x.n, 11000);
}

/* The catalog is read some at a time: nothing of it is passed over, whatever the day and number. */
static void a_long_catalog_is_read_to_its_end(void **state)
{
	struct fixture *f = *state;
	struct err e = { "" };
	for (int i = 0; i < 3; i++) {
		add(f, i * 5000, i * 5000 + 5000);
		commit(f);
	}
	/* Files that are gone, between and after those: of the same day with numbers between, of others before and after. */
	assert_int_equal(db_exec(&f->db, "UPDATE segment SET id = id * 1000;"
	                                 "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2500) "
	                                 "INSERT INTO segment (id, day, first_us, last_us, messages, recipients, bytes, file) "
	                                 "SELECT i + 600, day + i % 3 - 1, first_us, last_us, 1, 1, 1, 'gone-' || i "
	                                 "FROM n, (SELECT * FROM segment WHERE id = 1000) WHERE i NOT IN (400, 1400, 2400)", &e), 0);
	assert_int_equal(find(f, ARCHIVE_RECIPIENT, SV("both@c.example"), false).n, 15000);
}

static int out_of_steps(void *ctx)
{
	int *left = ctx;
	return (*left)-- <= 0;
}

/* When rows or the catalog cannot be read, that is an error, and not a search that found less. */
static void what_cannot_be_read_is_told(void **state)
{
	struct fixture *f = *state;
	struct archive_query q = { .key[ARCHIVE_RECIPIENT] = SV("both@c.example") };
	unsigned whole = 0, failed = 0;
	add(f, 0, 5000);
	commit(f);
	add(f, 5000, 5010); /* rows */
	commit(f);
	for (int steps = 0; steps < 200; steps++) {
		struct err e = { "" };
		struct seen s = { 0 };
		int left = steps;
		sqlite3_progress_handler(f->db.h, 1, out_of_steps, &left);
		int64_t n = archive_search(f->a, &q, note, &s, NULL, &e);
		sqlite3_progress_handler(f->db.h, 0, NULL, NULL);
		assert_true(n == 5010 || (n == -1 && strstr(e.text, "interrupted")));
		whole += n >= 0;
		failed += n < 0;
	}
	assert_true(whole > 0 && failed > 0);
}

#define LIST_MEMBERS 60000

/* n messages of mailing lists. */
static void add_lists(struct fixture *f, int from, int n)
{
	char text[8][64], (*member)[24] = xmalloc(LIST_MEMBERS * sizeof *member);
	struct txn_rcpt r[2], *all = xmalloc(LIST_MEMBERS * sizeof *all);
	for (int i = 0; i < LIST_MEMBERS; i++) {
		snprintf(member[i], sizeof *member, "m%d@list.example", i);
		all[i] = (struct txn_rcpt){ .recipient = sv_cstr(member[i]), .status = TXN_SENT, .dsn = SV("2.0.0"), .reply = SV("250 2.0.0 Ok: queued as 0A1B2C3D4E5F0A1B2C3D4E5F"),
			                    .relay_host = SV("mx.list.example"), .time_us = DAY0 };
	}
	for (int i = from; i < from + n; i++) {
		struct txn t = message(i, text, r);
		t.rcpt = all;
		t.n_rcpt = LIST_MEMBERS;
		assert_int_equal(archive_add(f->a, &t, NULL), 0);
	}
	free(all);
	free(member);
}

/* A few messages to very many take as much memory as very many messages: they are sealed as early, and not joined without end. */
static void recipients_count(void **state)
{
	struct fixture *f = *state;
	add_lists(f, 5, 2);
	commit(f);
	assert_int_equal(segments(f), 0);
	add_lists(f, 5, 5);
	commit(f);
	assert_int_equal(segments(f), 2); /* of the rows and of what was new */
	add_lists(f, 10, 5);
	commit(f);
	assert_int_equal(segments(f), 4); /* and four of the five before the commit */
	assert_int_equal(compact(f, 20001, true), 1);
	assert_int_equal(segments(f), 3);
	assert_int_equal(compact(f, 20001, true), 1);
	assert_int_equal(segments(f), 2);
	assert_int_equal(compact(f, 20001, true), 0);
	assert_int_equal(find(f, ARCHIVE_RECIPIENT, SV("m59999@list.example"), false).n, 10);
}

/* The file of joined segments has a number beyond those in the catalog: after a restart it is not given again. */
static void names_are_not_given_twice(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 3; i++) {
		add(f, i * 5000, i * 5000 + 5000);
		commit(f);
	}
	assert_int_equal(compact(f, 20001, true), 1);
	archive_free(f->a);
	f->a = archive_open(f->db.h, f->path, true, NULL);
	assert_non_null(f->a);
	for (int i = 3; i < 6; i++) {
		add(f, i * 5000, i * 5000 + 5000);
		commit(f);
	}
	assert_int_equal(segments(f), 4);
	assert_int_equal(find(f, ARCHIVE_RECIPIENT, SV("both@c.example"), false).n, 30000);
}

static int64_t looked_for(struct fixture *f, struct seen *s, struct err *e)
{
	struct archive_query q = { .limit = 0 };
	*s = (struct seen){ 0 };
	q.key[ARCHIVE_RECIPIENT] = SV("both@c.example");
	return archive_search(f->a, &q, note, s, NULL, e);
}

/* A file that is no segment any more is told, after what newer ones hold; one that is gone was removed by retention. */
static void damaged_files_are_told(void **state)
{
	struct fixture *f = *state;
	struct seen s;
	struct err e = { "" };
	char cut[200], gone[200];
	for (int i = 0; i < 3; i++) {
		add(f, i * 5000, i * 5000 + 5000);
		commit(f);
	}
	assert_int_equal(segments(f), 3);
	snprintf(cut, sizeof cut, "truncate -s 100 $(ls %s/t.db.d/*.seg | sed -n 2p)", f->dir);
	snprintf(gone, sizeof gone, "rm $(ls %s/t.db.d/*.seg | sed -n 2p)", f->dir);
	assert_int_equal(system(cut), 0);
	assert_int_equal(looked_for(f, &s, &e), -1);
	assert_non_null(strstr(e.text, ".seg: damaged"));
	assert_int_equal(s.n, 5000);
	assert_int_equal(system(gone), 0);
	assert_int_equal(looked_for(f, &s, &e), 10000);
}

/* A row that is none any more is counted and told behind what was found, and keeps none from becoming a segment. */
static void damaged_rows_are_told(void **state)
{
	struct fixture *f = *state;
	struct seen s;
	struct err e = { "" };
	add(f, 0, 5000);
	commit(f);
	add(f, 5000, 5100);
	commit(f);
	assert_int_equal(db_exec(&f->db, "UPDATE hot_message SET body = substr(body, 1, 20) WHERE id % 50 = 10", &e), 0);
	assert_int_equal(looked_for(f, &s, &e), -1);
	assert_non_null(strstr(e.text, "2 of the newest messages are damaged"));
	assert_int_equal(s.n, 5098);
	add(f, 5100, 14000);
	commit(f);
	assert_int_equal(looked_for(f, &s, &e), 13998);
}

/* Those that cannot be read stay as they are; what lies before, between and after them is joined, and found. */
static void damaged_segments_are_looked_past(void **state)
{
	struct fixture *f = *state;
	struct seen s;
	struct err e = { "" };
	char cut[200], gone[300];
	for (int i = 0; i < 7; i++) {
		add(f, i * 5000, i * 5000 + 5000);
		commit(f);
	}
	add(f, 90000, 95000); /* the next day */
	commit(f);
	add(f, 95000, 100000);
	commit(f);
	snprintf(cut, sizeof cut, "for i in 3 6; do truncate -s 2000 $(ls %s/t.db.d/*.seg | sed -n ${i}p); done", f->dir);
	snprintf(gone, sizeof gone, "rm $(find %s/t.db.d -name '*.seg' -size -5) && [ $(ls %s/t.db.d/*.seg | wc -l) = 4 ]", f->dir, f->dir);
	assert_int_equal(system(cut), 0);
	assert_int_equal(compact(f, 20002, true), 1);
	assert_int_equal(segments(f), 8); /* 12 3 4 5 6 7, and the next day's */
	assert_int_equal(compact(f, 20002, true), 1);
	assert_int_equal(compact(f, 20002, true), 1);
	assert_int_equal(segments(f), 6); /* 12 3 45 6 7, and the next day's */
	assert_int_equal(compact(f, 20002, true), 0);
	assert_int_equal(looked_for(f, &s, &e), -1);
	archive_remove_joined(f->a);
	assert_int_equal(system(gone), 0);
	assert_int_equal(looked_for(f, &s, &e), 35000);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	snprintf(f->dir, sizeof f->dir, "/tmp/aw-archive-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof f->path, "%s/t.db", f->dir);
	if (db_open(&f->db, f->path, NULL) < 0)
		return -1;
	f->a = archive_open(f->db.h, f->path, true, NULL);
	*state = f;
	return f->a ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char rm[128];
	archive_free(f->a);
	db_close(&f->db);
	snprintf(rm, sizeof rm, "rm -rf %s", f->dir);
	int bad = system(rm);
	free(f);
	return bad;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_key_finds_in_rows_and_in_segments, setup, teardown),
		cmocka_unit_test_setup_teardown(the_newest_report_of_a_message_is_shown_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_rolled_back_commit_is_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(days_are_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(small_segments_are_joined, setup, teardown), cmocka_unit_test_setup_teardown(damaged_files_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_rows_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reader_finds_what_is_there_now, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_segments_are_looked_past, setup, teardown),
		cmocka_unit_test_setup_teardown(joining_takes_nothing_from_searches, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_read_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_read_while_messages_are_given, setup, teardown),
		cmocka_unit_test_setup_teardown(a_long_catalog_is_read_to_its_end, setup, teardown),
		cmocka_unit_test_setup_teardown(recipients_count, setup, teardown),
		cmocka_unit_test_setup_teardown(names_are_not_given_twice, setup, teardown), cmocka_unit_test_setup_teardown(a_failed_drop_leaves_batches_alone, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
