/* Filters of segments: what is found with them is what is found without, after joining and retention, too; a filter that is damaged, short, of other
 * segments or gone rules out nothing; one that was not committed is removed; whatever stands in a header, nothing else is read. */
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
#include "analyzer/db.h"
#include "analyzer/segment_filter_int.h"
#include "lib/buf.h"
#include "lib/times.h"

#define DAY0 (20000LL * US_PER_DAY)
#define DAY_MESSAGES 86400 /* a message a second */
#define N(array) (sizeof array / sizeof *array)

struct made { char text[6][64]; struct txn_rcpt rcpt[2]; struct txn txn; };

static struct sv text(char to[64], const char *before, int n, const char *behind)
{
	(void)snprintf(to, 64, "%s%d%s", before, n, behind);
	return sv_cstr(to);
}

static const struct txn *make(int n, struct made *m)
{
	static const struct sv none;
	int64_t at = DAY0 + n * US_PER_S;
	m->rcpt[0] = (struct txn_rcpt){ .recipient = text(m->text[0], "rcpt", n, "@B.example"), .status = TXN_SENT, .time_us = at };
	m->rcpt[1] = (struct txn_rcpt){ .recipient = text(m->text[1], "both", n / 7000, "@c.example"), .orig_recipient = SV("List@c.example"), .status = TXN_BOUNCED };
	m->txn = (struct txn){ .host = SV("mx1"), .mta = SV("postfix"), .uid = -1, .size = n, .sender_known = true, .first_us = at, .last_us = at, .rcpt = m->rcpt, .n_rcpt = 2 };
	m->txn.queue_id = text(m->text[2], "Q", n, "");
	m->txn.message_id = text(m->text[3], n % 2 ? "<m" : "m", n, n % 2 ? "@id.example>" : "@id.example");
	m->txn.sender = n % 100 ? text(m->text[4], "sender", n / 3000, "@a.example") : SV("");
	m->txn.client_ip = text(m->text[5], "198.51.100.", n / 5000 % 250, "");
	m->txn.account = n % 3 ? m->txn.sender : none;
	m->txn.local_user = n / 1000 % 10 == 3 ? SV("web9") : none;
	return &m->txn;
}

/* -- files alone -- */

#define FILES FILTER_SEGMENTS

struct files { char dir[64]; struct filter_member member[FILES]; struct segment *segment[FILES]; int first[FILES + 1]; };

static char *path_in(struct files *f, const char *name)
{
	static char path[160];
	(void)snprintf(path, sizeof path, "%s/%s", f->dir, name);
	return path;
}

/* Segments of 1 to some thousand messages; one of the format before, and one that cannot be read. */
static void write_files(struct files *f)
{
	struct segment_writer *w = segment_writer_new();
	struct made m;
	struct err e = { "" };
	for (unsigned i = 0; i < FILES; i++) {
		int n = 1 + (int)(i % 8) * (int)i * 6;
		struct segment_body *body = calloc((size_t)n, sizeof *body);
		struct buf *bytes = calloc((size_t)n, sizeof *bytes);
		struct segment_stats stats;
		f->first[i + 1] = f->first[i] + n;
		for (int k = 0; k < n; k++) {
			txn_encode(make(f->first[i] + k, &m), &bytes[k]);
			body[k] = (struct segment_body){ buf_sv(&bytes[k]), (uint64_t)k + 1 };
		}
		(void)snprintf(f->member[i].name, FILTER_NAME, "1-%08u.seg", i);
		assert_int_equal(segment_write(w, path_in(f, f->member[i].name), body, (size_t)n, &stats, &e), 0);
		for (int k = 0; k < n; k++)
			buf_fini(&bytes[k]);
		free(bytes);
		free(body);
		f->segment[i] = segment_open(i == 5 ? "tests/unit/segment-before.seg" : path_in(f, f->member[i].name), &e);
		assert_non_null(f->segment[i]);
		f->member[i].segment = i == 9 ? NULL : f->segment[i];
	}
	segment_writer_free(w);
}

static uint64_t holding(const struct files *f, struct segment_reader *r, const struct archive_query *q)
{
	uint64_t mask = 0;
	struct err e = { "" };
	for (unsigned i = 0; i < FILES; i++) {
		struct buf rows = { 0 };
		assert_int_equal(segment_match(f->segment[i], r, q, &rows, &e), 0);
		mask |= rows.n ? 1ull << i : 0;
		buf_fini(&rows);
	}
	return mask;
}

static const uint64_t always = 1ull << 5 | 1ull << 9;

/* Returns how many segments were not ruled out although they hold nothing of it. */
static int ask_file(const struct files *f, const struct segment_filter *filter, struct segment_reader *r, const struct archive_query *q)
{
	bool damaged = false;
	uint64_t may = segment_filter_ask(filter, q, &damaged), hold = holding(f, r, q);
	assert_false(damaged);
	assert_true((hold & ~may) == 0);
	assert_true((may & always) == always);
	return __builtin_popcountll(may & ~hold & ~always);
}

static void rules_out_only_what_holds_nothing(void **state)
{
	struct files *f = *state;
	struct segment_reader *r = segment_reader_new();
	struct err e = { "" };
	struct made m;
	int64_t bytes;
	int wrong = 0, asked = 0;
	assert_int_equal(segment_filter_write(path_in(f, "1.filter"), f->member, FILES, &bytes, &e), 0);
	struct segment_filter *filter = segment_filter_open(path_in(f, "1.filter"), &e);
	assert_non_null(filter);
	for (unsigned i = 0; i < FILES; i++)
		assert_true(segment_filter_covers(filter, i, f->member[i].name));
	assert_false(segment_filter_covers(filter, 1, f->member[0].name));
	assert_false(segment_filter_covers(filter, FILES, f->member[0].name));
	for (int n = 0; n < f->first[FILES] + 3000; n += 197) { /* the last 3000 are absent */
		const struct txn *t = make(n, &m);
		const struct sv key[ARCHIVE_KEYS] = { t->sender, t->rcpt[0].recipient, t->account, t->client_ip, t->queue_id, t->message_id };
		for (int k = 0; k < ARCHIVE_KEYS; k++) {
			struct archive_query q = { .limit = 0 };
			q.key[k] = k == ARCHIVE_MESSAGE_ID ? index_bare(key[k]) : key[k];
			if (!q.key[k].p)
				continue;
			wrong += ask_file(f, filter, r, &q);
			asked++;
			q.key[ARCHIVE_RECIPIENT] = SV("LIST@c.example"); /* everybody has it, as the first recipient it was for */
			wrong += ask_file(f, filter, r, &q);
			q.key[ARCHIVE_ACCOUNT] = SV("web9");
			(void)ask_file(f, filter, r, &q);
		}
	}
	assert_true(wrong < asked * 2 * (int)FILES / 25); /* 4 %; as sizes differ, some have much less room than they need */
	segment_filter_free(filter);
	segment_reader_free(r);
}

static void pieces_rule_out_nothing(void **state)
{
	struct files *f = *state;
	struct err e = { "" };
	int64_t bytes;
	bool damaged = false;
	assert_int_equal(segment_filter_write(path_in(f, "1.filter"), f->member, 7, &bytes, &e), 0);
	struct segment_filter *filter = segment_filter_open(path_in(f, "1.filter"), &e);
	assert_non_null(filter);
	struct archive_query q = { .substring = true };
	assert_false(segment_filter_helps(&q));
	assert_int_equal(segment_filter_ask(filter, &q, &damaged), 0x7f);
	q.key[ARCHIVE_SENDER] = SV("nobody");
	assert_false(segment_filter_helps(&q));
	assert_int_equal(segment_filter_ask(filter, &q, &damaged), 0x7f);
	q.substring = false;
	assert_true(segment_filter_helps(&q));
	assert_int_equal(segment_filter_ask(filter, &q, &damaged), 1 << 5);
	q.key[ARCHIVE_SENDER] = SV("@nowhere.example");
	assert_false(segment_filter_helps(&q));
	assert_int_equal(segment_filter_ask(filter, &q, &damaged), 0x7f);
	assert_false(damaged);
	segment_filter_free(filter);
}

static struct buf slurp(const char *path)
{
	struct buf b = { 0 };
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	for (size_t n = 1; n; b.n += n) {
		buf_reserve(&b, 65536);
		n = fread(b.p + b.n, 1, 65536, f);
	}
	assert_int_equal(fclose(f), 0);
	return b;
}

static void put(const char *path, struct sv bytes)
{
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
	assert_int_equal(fclose(f), 0);
}

static uint32_t turn_by(uint32_t *turn)
{
	*turn = *turn * 1664525u + 1013904223u;
	return *turn >> 8;
}

static void ask_some(const char *path)
{
	struct err e;
	bool damaged = false;
	struct segment_filter *filter = segment_filter_open(path, &e);
	static const char *const some[] = { "sender1@a.example", "rcpt7@b.example", "Q7", "m7@id.example", "198.51.100.7", "web9", "" };
	for (size_t i = 0; filter && i < N(some); i++)
		for (int k = 0; k < ARCHIVE_KEYS; k++) {
			struct archive_query q = { .limit = 0 };
			q.key[k] = sv_cstr(some[i]);
			(void)segment_filter_ask(filter, &q, &damaged);
			segment_filter_ahead(filter, &q);
			(void)segment_filter_covers(filter, (unsigned)i * 11, "x");
		}
	segment_filter_free(filter);
}

/* Headers with whatever numbers and a sum that fits, on files of any size. */
static void hostile_headers(void **state)
{
	struct files *f = *state;
	struct err e = { "" };
	int64_t bytes;
	uint32_t turn = 3;
	assert_int_equal(segment_filter_write(path_in(f, "1.filter"), f->member, FILES, &bytes, &e), 0);
	struct buf whole = slurp(path_in(f, "1.filter"));
	for (int i = 0; i < 300; i++) {
		struct buf b = { 0 };
		struct filter_header h;
		buf_add(&b, whole.p, whole.n);
		memcpy(&h, b.p, sizeof h);
		for (unsigned changes = turn_by(&turn) % 3 + 1; changes--;) {
			size_t at = offsetof(struct filter_header, segments) + turn_by(&turn) % (turn_by(&turn) % 2 ? 24 : 280);
			((char *)&h)[at] = (char)(turn_by(&turn) % 4 ? turn_by(&turn) : 255);
		}
		if (i % 3 == 0) { /* pages that go with the file's size */
			h.pages[0] += 1;
			h.pages[1] -= 1;
		}
		h.sum = filter_header_sum(&h);
		memcpy(b.p, &h, sizeof h);
		b.n -= i % 5 == 0 ? turn_by(&turn) % b.n : 0;
		put(path_in(f, "2.filter"), buf_sv(&b));
		ask_some(path_in(f, "2.filter"));
		buf_fini(&b);
	}
	buf_fini(&whole);
}

static void damaged_pages_rule_out_nothing(void **state)
{
	struct files *f = *state;
	struct err e = { "" };
	int64_t bytes;
	struct archive_query q = { .limit = 0 };
	q.key[ARCHIVE_QUEUE_ID] = SV("absent");
	assert_int_equal(segment_filter_write(path_in(f, "1.filter"), f->member, FILES, &bytes, &e), 0);
	struct buf b = slurp(path_in(f, "1.filter"));
	for (size_t at = FILTER_PAGE_BYTES + 12; at < b.n; at += FILTER_PAGE_BYTES)
		b.p[at] ^= 4;
	put(path_in(f, "1.filter"), buf_sv(&b));
	struct segment_filter *filter = segment_filter_open(path_in(f, "1.filter"), &e);
	bool damaged = false;
	assert_non_null(filter);
	assert_true(segment_filter_ask(filter, &q, &damaged) == ~0ull);
	assert_true(damaged);
	segment_filter_free(filter);
	buf_clear(&b);
	buf_addsv(&b, SV("short"));
	put(path_in(f, "1.filter"), buf_sv(&b));
	assert_null(segment_filter_open(path_in(f, "1.filter"), &e));
	buf_fini(&b);
}

static int files_setup(void **state)
{
	struct files *f = calloc(1, sizeof *f);
	(void)snprintf(f->dir, sizeof f->dir, "/tmp/aw-filter-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	write_files(f);
	*state = f;
	return 0;
}

static int remove_dir(const char *dir)
{
	char rm[128];
	(void)snprintf(rm, sizeof rm, "rm -rf %s", dir);
	return system(rm);
}

static int files_teardown(void **state)
{
	struct files *f = *state;
	int bad = remove_dir(f->dir);
	for (unsigned i = 0; i < FILES; i++)
		segment_free(f->segment[i]);
	free(f);
	return bad;
}

/* -- in the archive -- */

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
				struct archive_query q = { .limit = i % 6 ? 20 : 0, .offset = i % 4 ? 0 : 7 };
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
	struct fixture *f = calloc(1, sizeof *f);
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

#define OF_FILES(test) cmocka_unit_test_setup_teardown(test, files_setup, files_teardown)
#define OF_ARCHIVE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OF_FILES(rules_out_only_what_holds_nothing), OF_FILES(pieces_rule_out_nothing), OF_FILES(hostile_headers), OF_FILES(damaged_pages_rule_out_nothing),
		OF_ARCHIVE(the_same_with_and_without), OF_ARCHIVE(joined_and_dropped_segments_do_not_count), OF_ARCHIVE(retention_removes_filters),
		OF_ARCHIVE(useless_filters_are_told_and_made_anew), OF_ARCHIVE(a_filter_of_other_segments), OF_ARCHIVE(killed_before_the_commit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
