/* What the store keeps of the analyzer's memory and of the hour at hand: a store that was closed, or whose commit failed, knows what one knows that never was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/wait.h>

#include "analyzer/rollup.h"
#include "analyzer/sparse.h"
#include "gen/sql.h"
#include "lib/times.h"
#include "lib/wire.h"
#include "tests/unit/store_run.h"

#define HOUR (480000LL * US_PER_HOUR)
#define IDS 3000u

static void same_contacts(const struct contacts *a, const struct contacts *b)
{
	assert_memory_equal(a->young.p, b->young.p, a->young.n);
	assert_memory_equal(a->old.p, b->old.p, a->old.n);
}

static void add(struct contacts *a, struct contacts *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t pair = next();
		contacts_add(a, pair);
		contacts_add(b, pair);
	}
}

/* Few and many between commits, past the limit from which pages are written, and across a generation. */
static void contacts_are_the_same_after_a_restart(void **state)
{
	struct err e;
	(void)state;
	fresh();
	struct open o = open_store();
	struct contacts want;
	contacts_init(&want, o.judge->contacts.young.n);
	static const unsigned rounds[] = { 5, 0, 700, CONTACTS_NEW_MAX - 800, 50, 400, 9, CONTACTS_NEW_MAX + 100, 3, 1 };
	bool in_pages = false, waits = false;
	for (size_t i = 0; i < sizeof rounds / sizeof *rounds; i++) {
		add(&o.judge->contacts, &want, rounds[i]);
		if (i == 8) {
			contacts_age(&o.judge->contacts);
			contacts_age(&want);
			add(&o.judge->contacts, &want, 20);
		}
		assert_int_equal(store_commit(o.store, o.judge, &e), 0);
		in_pages |= number("SELECT count(*) FROM memory WHERE key = 'contacts-young'") > 0;
		waits |= number("SELECT count(*) FROM contact_new") > 1;
		close_store(&o);
		o = open_store();
		same_contacts(&o.judge->contacts, &want);
	}
	assert_true(in_pages && waits);
	contacts_fini(&want);
	close_store(&o);
}

/* So long as few are added, no page is written; and what waits stays bounded. */
static void pages_are_written_now_and_then(void **state)
{
	struct err e;
	struct contacts also;
	(void)state;
	fresh();
	struct open o = open_store();
	contacts_init(&also, o.judge->contacts.young.n);
	for (unsigned i = 0; i < 10; i++) {
		add(&o.judge->contacts, &also, 100);
		assert_int_equal(store_commit(o.store, o.judge, &e), 0);
	}
	assert_int_equal(number("SELECT count(*) FROM memory WHERE key = 'contacts-young'"), 0);
	assert_true(number("SELECT sum(length(pairs)) FROM contact_new") > 990 * 8);
	for (unsigned i = 0; i < 15; i++) {
		add(&o.judge->contacts, &also, 10000);
		assert_int_equal(store_commit(o.store, o.judge, &e), 0);
		assert_true(number("SELECT coalesce(sum(length(pairs)), 0) FROM contact_new") <= (int64_t)CONTACTS_NEW_MAX * 8);
	}
	assert_true(number("SELECT count(*) FROM memory WHERE key = 'contacts-young'") > 0);
	contacts_fini(&also);
	close_store(&o);
}

static char *id_of(unsigned i, char out[32])
{
	(void)snprintf(out, 32, "u%u@isp.example", i);
	return out;
}

static void count(struct judge *j, unsigned i, uint32_t want[2][IDS], unsigned n)
{
	char id[32];
	struct sv s = sv_cstr(id_of(i, id));
	rollup_principal(j->rollup, judge_key(j, PRINCIPAL_ACCOUNT, s), PRINCIPAL_ACCOUNT, s)->n[ROLLUP_MESSAGES] += n;
	rollup_receiver(j->rollup, hash_sv(&j->key, s), s)->n[ROLLUP_SENT] += n + 1;
	want[0][i] += n;
	want[1][i] += n + 1;
}

static void same_hour(struct judge *j, uint32_t want[2][IDS])
{
	char id[32];
	for (unsigned i = 0; i < IDS; i++) {
		struct sv s = sv_cstr(id_of(i, id));
		if (want[0][i] || want[1][i])
			assert_int_equal(rollup_principal(j->rollup, judge_key(j, PRINCIPAL_ACCOUNT, s), PRINCIPAL_ACCOUNT, s)->n[ROLLUP_MESSAGES], want[0][i]);
		if (want[1][i])
			assert_int_equal(rollup_receiver(j->rollup, hash_sv(&j->key, s), s)->n[ROLLUP_SENT], want[1][i]);
	}
}

static void the_hour_at_hand_adds_up(void **state)
{
	struct err e;
	static uint32_t want[2][IDS];
	(void)state;
	fresh();
	struct open o = open_store();
	for (unsigned round = 0; round < 60; round++) {
		rollup_hour(o.judge->rollup, HOUR + (round >= 50) * US_PER_HOUR);
		if (round == 50)
			memset(want, 0, sizeof want);
		for (unsigned i = 0; i < 400; i++)
			count(o.judge, (unsigned)(next() % (round < 30 ? 600 : IDS)), want, 1 + (unsigned)(next() % 3));
		assert_int_equal(store_commit(o.store, o.judge, &e), 0);
		int64_t ids = number("SELECT count(*) FROM (SELECT DISTINCT what, kind, id FROM hour_now)"), rows = number("SELECT count(*) FROM hour_now");
		assert_true(rows <= 2 * ids + 4096 + 800 + 2 * IDS); /* who is looked at below counts as changed */
		assert_int_equal(number("SELECT count(DISTINCT hour_us) FROM hour_now"), 1);
		if (round % 7 == 3) {
			close_store(&o);
			o = open_store();
			same_hour(o.judge, want);
		}
	}
	same_hour(o.judge, want);
	close_store(&o);
}

/* The last thing that a commit writes cannot be written: nothing of it is in the store, and the next commit holds all. */
static void a_failed_commit_loses_nothing(void **state)
{
	struct err e;
	static uint32_t want[2][IDS];
	struct contacts contacts;
	(void)state;
	fresh();
	struct open o = open_store();
	contacts_init(&contacts, o.judge->contacts.young.n);
	rollup_hour(o.judge->rollup, HOUR);
	(void)store_input(o.store, SV("mx1"));
	for (unsigned round = 0; round < 6; round++) {
		bool fails = round % 2;
		if (fails)
			sql("CREATE TRIGGER no BEFORE INSERT ON input BEGIN SELECT RAISE(ABORT, 'no'); END");
		o.store->input[0]->dirty = true;
		add(&o.judge->contacts, &contacts, round == 3 ? CONTACTS_NEW_MAX + 5 : 10);
		for (unsigned i = 0; i < 50; i++)
			count(o.judge, i, want, 1);
		assert_int_equal(store_commit(o.store, o.judge, &e), fails ? -1 : 0);
		if (fails)
			sql("DROP TRIGGER no");
	}
	assert_int_equal(store_commit(o.store, o.judge, &e), 0);
	close_store(&o);
	o = open_store();
	same_contacts(&o.judge->contacts, &contacts);
	same_hour(o.judge, want);
	contacts_fini(&contacts);
	close_store(&o);
}

#define MEMORIES 32u

static void same_memory(struct judge *j, const struct buf *want)
{
	struct memory *m;
	for (size_t i = 0, k = 0; (m = judge_memory(j, &i)) != NULL; k++)
		if (m != &j->contacts.young && m != &j->contacts.old) {
			assert_int_equal(m->n, want[k].n);
			assert_memory_equal(m->p, want[k].p, m->n);
		}
}

/* A few bytes here and there, or a whole page, now and then back to zero. */
static void change_memory(struct judge *j, struct buf *want)
{
	struct memory *m;
	for (size_t i = 0, k = 0; (m = judge_memory(j, &i)) != NULL; k++) {
		if (m == &j->contacts.young || m == &j->contacts.old || m == &j->site_memory || next() % 3 == 0)
			continue;
		size_t n = next() % 8 ? 1 + next() % 40 : MEMORY_PAGE_BYTES;
		size_t at = next() % 3 ? next() % (m->n / MEMORY_PAGE_BYTES) * MEMORY_PAGE_BYTES : next() % m->n;
		n = n < m->n - at ? n : m->n - at;
		for (size_t b = 0; b < n; b++)
			want[k].p[at + b] = (char)(m->p[at + b] = next() % 4 ? (unsigned char)next() : 0);
		memory_touch_item(m, m->p + at, n);
		if (n > MEMORY_PAGE_BYTES / 2)
			memory_touch(m, at + n / 2);
	}
}

/* What changed is added to the end of a table, and goes into its page once a minute or when the store is opened: in any order of commits that stand and that fail. */
static void late_changes_are_in_their_pages(void **state)
{
	struct buf want[MEMORIES] = { { 0 } };
	struct memory *m;
	struct err e;
	(void)state;
	fresh();
	struct open o = open_store();
	for (size_t i = 0, k = 0; (m = judge_memory(o.judge, &i)) != NULL; k++)
		buf_add(&want[k], m->p, m->n);
	o.judge->site->now_us = HOUR;
	bool late = false;
	for (unsigned round = 0; round < 600; round++) {
		bool fails = next() % 5 == 0;
		(void)store_input(o.store, SV("mx1"));
		if (next() % 20 == 0)
			store_settle(o.store);
		if (fails)
			sql("CREATE TRIGGER no BEFORE INSERT ON input BEGIN SELECT RAISE(ABORT, 'no'); END");
		o.store->input[0]->dirty = true;
		change_memory(o.judge, want);
		o.judge->site->now_us += (int64_t)(next() % 15) * US_PER_S;
		memory_touch(&o.judge->site_memory, 0);
		bool settles = o.store->settles;
		assert_int_equal(store_commit(o.store, o.judge, &e), fails ? -1 : 0);
		memcpy(want[2].p, o.judge->site_memory.p, want[2].n);
		if (fails) {
			sql("DROP TRIGGER no");
			continue;
		}
		int64_t rows = number("SELECT count(*) FROM memory_late");
		assert_true(rows <= (int64_t)o.store->late_bytes && (!settles || rows == 0));
		late |= rows > 3;
		if (next() % 10)
			continue;
		close_store(&o);
		o = open_store();
		same_memory(o.judge, want);
		if (next() % 3)
			store_defer(o.store, o.judge);
	}
	assert_true(late);
	close_store(&o);
	sql("DELETE FROM memory_late; INSERT INTO memory_late VALUES (x'00')");
	refused("damaged");
	for (size_t k = 0; k < MEMORIES; k++)
		buf_fini(&want[k]);
}

/* A page that begins with other values than zero, as histograms do, is what was written, also where that is zero. */
static void pages_of_zero_come_back(void **state)
{
	struct err e;
	(void)state;
	fresh();
	struct open o = open_store();
	struct memory *m = &o.judge->site_memory;
	struct buf before = { 0 };
	for (size_t i = sizeof(int64_t) * 8; i + 1 < m->n; i += 2)
		m->p[i] = 0;
	o.judge->site->next_case = 1;
	buf_add(&before, m->p, m->n);
	memory_touch_all(m);
	assert_int_equal(store_commit(o.store, o.judge, &e), 0);
	assert_true(number("SELECT min(length(value)) FROM memory WHERE key = 'site'") < MEMORY_PAGE_BYTES);
	close_store(&o);
	o = open_store();
	assert_memory_equal(o.judge->site_memory.p, before.p, before.n);
	buf_fini(&before);
	close_store(&o);
	sql("UPDATE memory SET value = x'00ff' WHERE key = 'site' AND page = 0");
	refused("damaged");
}

#define BEFORE 8 /* migrations before the one that finds principals however they are written */

/* A store of then: an account is there twice, the source has a snapshot, the hour at hand was counted. */
static void a_store_of_before_is_taken_over(void **state)
{
	char version[64];
	(void)state;
	fresh();
	sqlite3 *db;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	for (int i = 0; i < BEFORE; i++)
		assert_int_equal(sqlite3_exec(db, migration_text[i], NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	(void)snprintf(version, sizeof version, "PRAGMA user_version = %d", BEFORE);
	sql(version);
	sql("INSERT INTO principal (kind, id, first_us, last_us, messages, case_id, state) VALUES ('account', 'bob@isp.example', 1, 9, 5, NULL, x''),"
	    " ('account', 'Bob@isp.example', 1, 8, 7, 3, x''), ('account', 'Eve@isp.example', 1, 8, 2, NULL, x'')");
	sql("INSERT INTO input (source, applied_seq, snapshot, counters) VALUES ('mx1', 42, 'abc', '{}'), ('mx2', 7, NULL, '{}')");
	sql("INSERT INTO hour_now VALUES ('principal', 'account', 'Eve@isp.example', 3600000000, 4, 4, 4, 0, 0, 0)");
	struct open o = open_store();
	struct store_input *in = store_input(o.store, SV("mx1"));
	assert_int_equal(in->applied_seq, 42);
	assert_true(sv_eq(buf_sv(&in->snapshot), SV("abc")));
	assert_int_equal(store_input(o.store, SV("mx2"))->applied_seq, 7);
	struct principal *p = judge_principal(o.judge, PRINCIPAL_ACCOUNT, SV("BOB@isp.example"), 100);
	assert_int_equal(p->messages, 7); /* the one with a case */
	assert_string_equal(p->id, "Bob@isp.example");
	assert_int_equal(judge_principal(o.judge, PRINCIPAL_ACCOUNT, SV("eve@isp.example"), 100)->messages, 2);
	struct sv eve = SV("Eve@isp.example");
	assert_int_equal(rollup_principal(o.judge->rollup, judge_key(o.judge, PRINCIPAL_ACCOUNT, eve), PRINCIPAL_ACCOUNT, eve)->n[ROLLUP_MESSAGES], 4);
	close_store(&o);
	assert_int_equal(number("SELECT count(*) FROM principal"), 2);
}

/* Byte by byte: what begins with another one than zero goes on until three zeros, or zeros to the end. */
static void put_plainly(const unsigned char *p, size_t n, struct buf *out)
{
	for (size_t at = 0; at < n;) {
		size_t from = at, to, zeros = 0;
		while (from < n && !p[from])
			from++;
		if (from == n)
			return;
		for (to = from; to < n && zeros < 3; to++)
			zeros = p[to] ? 0 : zeros + 1;
		wire_put_u(out, from - at);
		wire_put_u(out, to - zeros - from);
		buf_add(out, p + from, to - zeros - from);
		at = to - zeros;
	}
}

static void bytes_without_zeros_come_back(void **state)
{
	unsigned char from[200], to[200];
	struct buf packed = { 0 }, plainly = { 0 };
	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		size_t n = next() % (sizeof from + 1);
		unsigned density = (unsigned)(next() % 256);
		for (size_t i = 0; i < n; i++)
			from[i] = next() % 256 < density ? (unsigned char)next() : 0;
		memset(to, 0, sizeof to);
		buf_clear(&packed);
		sparse_put(from, n, &packed);
		buf_clear(&plainly);
		put_plainly(from, n, &plainly);
		assert_true(sv_eq(buf_sv(&packed), buf_sv(&plainly)));
		assert_int_equal(sparse_get(buf_sv(&packed), to, n), 0);
		assert_memory_equal(from, to, n);
		if (packed.n && n)
			assert_int_equal(sparse_get(buf_sv(&packed), to, sparse_zeros(from, n)), -1); /* less room than it needs */
	}
	buf_fini(&packed);
	buf_fini(&plainly);
}

static int interrupt(void *ctx)
{
	(void)ctx;
	return 1;
}

/* A log whose row cannot be read would be taken for one that was never read, and read again. */
static void what_cannot_be_read_is_not_new(void **state)
{
	struct open o;
	int status = 0;
	(void)state;
	fresh();
	o = open_store();
	pid_t child = fork();
	if (child == 0) {
		sqlite3_progress_handler(o.store->db.h, 1, interrupt, NULL);
		(void)store_input(o.store, SV("mx"));
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_not_equal(status, 0); /* it ended with an error, or, where SQLite asks the handler while it reads a query, at once */
	close_store(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contacts_are_the_same_after_a_restart),
		cmocka_unit_test(pages_are_written_now_and_then),
		cmocka_unit_test(the_hour_at_hand_adds_up),
		cmocka_unit_test(a_failed_commit_loses_nothing),
		cmocka_unit_test(late_changes_are_in_their_pages),
		cmocka_unit_test(pages_of_zero_come_back),
		cmocka_unit_test(a_store_of_before_is_taken_over),
		cmocka_unit_test(bytes_without_zeros_come_back),
		cmocka_unit_test(what_cannot_be_read_is_not_new),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
