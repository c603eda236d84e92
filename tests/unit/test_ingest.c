/* Frames to the analyzer: whether many come at once or a few bytes at a time, and whether principals are packed in between, the same is held of everybody, and the same of each source was applied; also
 * where another source begins in the middle, a report comes twice, and where a frame is broken: what came before it counts, what came behind does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "analyzer/ingest.h"
#include "analyzer/resting.h"
#include "lib/txn.h"

#define NOW (20000LL * US_PER_DAY)
#define ACCOUNTS 7
#define STREAM 400
#define RCPTS 40 /* more than hashes are taken of */

static char dir[] = "/tmp/aw-ingest-XXXXXX";
static uint32_t turn = 7;

static uint32_t below(uint32_t n)
{
	turn = turn * 1664525u + 1013904223u;
	return (turn >> 8) % n;
}

/* The i-th report of a source. */
static void put_report(struct buf *out, uint64_t seq, unsigned i)
{
	char account[64], sender[64], queue_id[32], ip[32], to[RCPTS][64];
	struct txn_rcpt rcpt[RCPTS] = { 0 };
	(void)snprintf(account, sizeof account, i % 3 ? "u%u@isp.example" : "U%u@isp.EXAMPLE", i % ACCOUNTS);
	(void)snprintf(sender, sizeof sender, "s%u@isp.example", i % 5);
	(void)snprintf(queue_id, sizeof queue_id, "Q%u", i);
	(void)snprintf(ip, sizeof ip, "192.0.2.%u", i % 200);
	struct txn t = { .seq = seq, .at_us = NOW + i * US_PER_S, .first_us = NOW + i * US_PER_S, .last_us = NOW + i * US_PER_S, .host = SV("mx"), .mta = SV("postfix"),
		.queue_id = sv_cstr(queue_id), .client_ip = sv_cstr(ip), .sender = sv_cstr(sender), .sender_known = true, .uid = -1, .size = 1000, .nrcpt = 1,
		.complete = true, .rcpt = rcpt, .n_rcpt = i % 11 ? 1 + i % 4 : RCPTS };
	if (i % 9)
		t.account = sv_cstr(account);
	for (size_t k = 0; k < t.n_rcpt; k++) {
		(void)snprintf(to[k], sizeof to[k], k % 2 ? "R%zu@D%u.example" : "r%zu@d%u.example", k, i % 31);
		rcpt[k] = (struct txn_rcpt){ .recipient = sv_cstr(to[k]), .status = i % 4 ? TXN_SENT : TXN_BOUNCED, .changed = true, .attempts = 1,
			.reply = i % 4 ? SV("250 ok") : SV("550 5.1.1 no such user"), .time_us = t.at_us };
	}
	obs_put_txn(out, &t);
}

static struct buf stream(void)
{
	struct buf b = { 0 };
	uint64_t seq[2] = { 0 };
	obs_put_hello(&b, SV("first"));
	for (unsigned i = 0, of = 0; i < STREAM; i++) {
		if (i % 37 == 20) { /* in the middle of what waits */
			of = 1 - of;
			obs_put_hello(&b, of ? SV("second") : SV("first"));
		}
		if (i % 13 == 5)
			obs_put_empty(&b, OBS_IDLE);
		put_report(&b, i % 23 == 3 && seq[of] ? seq[of] : ++seq[of], i);
	}
	return b;
}

struct seen { uint64_t applied[2], messages[ACCOUNTS]; int32_t score[ACCOUNTS]; struct buf state; int bad; size_t rested; char error[200]; };

/* Everybody is packed; those packed first are forgotten, so that they come from the store. */
static void rest(struct ingest *in, struct seen *ret)
{
	struct err e;
	struct judge *j = in->judge;
	assert_int_equal(ingest_commit(in, &e), 0);
	j->limits.rest_s = -1000000;
	j->rest_us = 0;
	judge_rest(j);
	ret->rested += resting_count(j->resting);
	if (below(3) == 0 && resting_count(j->resting) > 4) {
		size_t n = resting_count(j->resting), gone = resting_shrink(j->resting, resting_bytes(j->resting) - 400);
		assert_true(gone > 0 && gone < n && resting_count(j->resting) == n - gone);
		in->store->had_principals = true;
	}
}

/* The path of an empty store in place of the one before. */
static const char *empty_store(char path[96])
{
	char cp[256];
	(void)snprintf(path, 96, "%s/t.db", dir);
	(void)snprintf(cp, sizeof cp, "rm -rf %s/t.*; cp %s/empty %s", dir, dir, path);
	assert_int_equal(system(cp), 0);
	return path;
}

/* What is held after bytes came, at most `most` at a time; the store is a copy of one, as its key makes the hashes. */
static void take(struct sv bytes, uint32_t most, bool rests, struct seen *ret)
{
	static char none[] = "", conf_path[] = "test.conf";
	char path[96];
	struct conf conf = { .path = conf_path, .customers_path = none };
	struct err e = { "" };
	struct enrich *enrich = enrich_new(&conf, &e);
	struct judge *j = judge_new(&conf, enrich, &e);
	struct ingest in = { .store = store_open(empty_store(path), j, &e), .judge = j };
	assert_non_null(in.store);
	struct ingest_source source = { 0 };
	struct buf waits = { 0 }, reply = { 0 };
	*ret = (struct seen){ 0 };
	for (size_t at = 0; at < bytes.n && !ret->bad;) {
		struct sv part = sv_take(sv_skip(bytes, at), most < bytes.n ? 1 + below(most) : bytes.n);
		size_t used;
		buf_addsv(&waits, part);
		ret->bad = ingest_bytes(&in, &source, buf_sv(&waits), &used, &reply, &e);
		buf_drop(&waits, used);
		at += part.n;
		if (rests && !ret->bad)
			rest(&in, ret);
	}
	(void)snprintf(ret->error, sizeof ret->error, "%.199s", ret->bad ? e.text : "");
	assert_int_equal(ingest_commit(&in, &e), 0);
	ret->applied[0] = store_input(in.store, SV("first"))->applied_seq;
	ret->applied[1] = store_input(in.store, SV("second"))->applied_seq;
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		char id[32];
		(void)snprintf(id, sizeof id, "u%u@isp.example", i);
		struct principal *p = judge_principal(j, PRINCIPAL_ACCOUNT, sv_cstr(id), j->site->now_us);
		ret->messages[i] = p->messages;
		ret->score[i] = p->score;
		buf_add(&ret->state, p->state, j->slab_bytes[PRINCIPAL_ACCOUNT]);
		buf_addsv(&ret->state, sv_cstr(p->id)); /* as it was written first */
	}
	buf_fini(&waits);
	buf_fini(&reply);
	ingest_fini(&in);
	store_close(in.store, j);
	judge_free(j);
	enrich_free(enrich);
}

static void same(struct sv bytes, int bad)
{
	struct seen once, parts;
	take(bytes, UINT32_MAX, false, &once);
	assert_int_equal(once.bad, bad);
	assert_true(once.messages[0] > 0 && once.applied[0] > 0 && once.applied[1] > 0);
	for (uint32_t most = 300; most < 100000; most *= 5) {
		take(bytes, most, most > 1000 && most < 10000, &parts);
		assert_true(most <= 1000 || most >= 10000 || parts.rested >= ACCOUNTS);
		assert_int_equal(parts.bad, bad);
		assert_string_equal(parts.error, once.error);
		assert_memory_equal(parts.applied, once.applied, sizeof once.applied);
		assert_memory_equal(parts.messages, once.messages, sizeof once.messages);
		assert_memory_equal(parts.score, once.score, sizeof once.score);
		assert_true(sv_eq(buf_sv(&parts.state), buf_sv(&once.state)));
		buf_fini(&parts.state);
	}
	buf_fini(&once.state);
}

static void at_once_or_in_parts(void **state)
{
	struct buf b = stream();
	(void)state;
	same(buf_sv(&b), 0);
	buf_fini(&b);
}

static void a_broken_frame_ends_it(void **state)
{
	struct buf b = stream();
	struct seen before, after;
	(void)state;
	obs_put_hello(&b, SV("first"));
	put_report(&b, 1000, 1);
	size_t at = b.n;
	put_report(&b, 1001, 2);
	b.p[b.n - 1] = (char)0xff; /* a number that does not end */
	take(sv_make(b.p, at), UINT32_MAX, false, &before);
	for (unsigned i = 0; i < 40; i++)
		put_report(&b, 1002 + i, i);
	same(buf_sv(&b), -1);
	take(buf_sv(&b), UINT32_MAX, false, &after);
	assert_int_equal(after.applied[0], 1000);
	assert_true(sv_eq(buf_sv(&before.state), buf_sv(&after.state)));
	assert_non_null(strstr(after.error, "does not decode"));
	buf_fini(&before.state);
	buf_fini(&after.state);
	buf_fini(&b);
}

static unsigned number(struct store *s, const char *sql)
{
	sqlite3_stmt *st;
	assert_int_equal(sqlite3_prepare_v2(s->db.h, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	unsigned n = (unsigned)sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return n;
}

static int64_t at_now(void)
{
	return NOW;
}

/* Says it, and reads what is answered; gone: that the log is. */
static void says(struct ingest *in, struct ingest_source *source, uint64_t want, bool gone)
{
	struct buf b = { 0 }, reply = { 0 };
	struct obs_resume r;
	enum obs_type type;
	struct sv payload;
	struct err e;
	size_t used;
	obs_put_hello(&b, SV("mx:/log/mail-1.log"));
	if (gone) {
		put_report(&b, want + 1, 1);
		put_report(&b, want + 2, 2);
		obs_put_snapshot(&b, want + 2, SV("its state"));
		obs_put_empty(&b, OBS_GONE);
	}
	assert_int_equal(ingest_bytes(in, source, buf_sv(&b), &used, &reply, &e), 0);
	for (unsigned i = 0; i < 1u + gone; i++) {
		assert_int_equal(obs_next(buf_sv(&reply), &type, &payload, &used, &e), 1);
		assert_int_equal(type, OBS_RESUME);
		assert_int_equal(obs_get_resume(payload, &r, &e), 0);
		assert_int_equal(r.applied_seq, i ? 0 : want);
		assert_int_equal(r.snapshot.n, 0);
		buf_drop(&reply, used);
	}
	assert_int_equal(reply.n, 0);
	buf_fini(&reply);
	buf_fini(&b);
}

/* Of a log that is gone nothing is kept but totals, and those for some days. */
static void a_log_that_is_gone(void **state)
{
	static char none[] = "", conf_path[] = "test.conf";
	struct conf conf = { .path = conf_path, .customers_path = none, .keep_messages_days = 30, .keep_cases_days = 30, .keep_recipients_days = 30 };
	struct err e;
	char path[96];
	(void)state;
	struct enrich *enrich = enrich_new(&conf, &e);
	struct judge *j = judge_new(&conf, enrich, &e);
	struct ingest in = { .store = store_open(empty_store(path), j, &e), .judge = j, .wall_us = at_now };
	struct ingest_source one = { 0 }, two = { 0 };
	says(&in, &one, 0, true);
	assert_int_equal(number(in.store, "SELECT count(*) FROM input_snapshot"), 0);
	assert_int_equal(number(in.store, "SELECT count(*) FROM input WHERE applied_seq = 0 AND heard_us = 0"), 1);
	assert_int_equal(number(in.store, "SELECT count(*) FROM hot_message"), 2);
	assert_int_equal(in.store->n_inputs, 0);
	says(&in, &one, 0, true); /* it comes back, and another connection speaks of it, too */
	says(&in, &two, 0, false);
	assert_int_equal(in.store->n_inputs, 1);
	says(&in, &one, 0, true);
	assert_int_equal(in.store->n_inputs, 1);
	ingest_source_end(&two);
	assert_int_equal(store_retention(in.store, &conf, NOW + 6 * US_PER_DAY, &e), 0);
	assert_int_equal(number(in.store, "SELECT count(*) FROM input"), 1);
	assert_int_equal(store_retention(in.store, &conf, NOW + 8 * US_PER_DAY, &e), 0);
	assert_int_equal(number(in.store, "SELECT count(*) FROM input"), 0);
	ingest_fini(&in);
	store_close(in.store, j);
	judge_free(j);
	enrich_free(enrich);
}

static unsigned events;

static void count_event(struct ingest *in, int64_t at_us)
{
	(void)in, (void)at_us;
	events++;
}

/* So many events are judged of what is in b, which is empty then. */
static void judges(struct ingest *in, struct ingest_source *source, struct buf *b, unsigned want)
{
	struct buf reply = { 0 };
	struct err e;
	size_t used;
	events = 0;
	assert_int_equal(ingest_bytes(in, source, buf_sv(b), &used, &reply, &e), 0);
	assert_int_equal(used, b->n);
	assert_int_equal(events, want);
	buf_clear(b);
	buf_fini(&reply);
}

static void put_session(struct buf *b, uint64_t seq, int64_t at_us)
{
	struct smtp_session s = { .seq = seq, .first_us = at_us, .last_us = at_us, .client_port = 4711, .server_port = 25 };
	obs_put_session(b, &s);
}

/* A collector that was killed says again what it said since its snapshot: each counts once, the last one, too. What another connection of the source said is in the store when it is
 * told where to go on. */
static void what_is_said_twice(void **state)
{
	static char none[] = "", conf_path[] = "test.conf";
	struct conf conf = { .path = conf_path, .customers_path = none };
	struct err e;
	char path[96];
	struct record failed = { .kind = RECORD_AUTH_FAIL, .time_us = NOW + US_PER_HOUR };
	struct buf b = { 0 }, reply = { 0 };
	size_t used;
	(void)state;
	struct enrich *enrich = enrich_new(&conf, &e);
	struct judge *j = judge_new(&conf, enrich, &e);
	struct ingest in = { .store = store_open(empty_store(path), j, &e), .judge = j, .wall_us = at_now, .before = count_event };
	struct ingest_source one = { 0 }, two = { 0 };
	put_report(&b, 1, 1);
	assert_int_equal(ingest_bytes(&in, &one, buf_sv(&b), &used, &reply, &e), -1); /* who is it? */
	buf_clear(&b);
	obs_put_hello(&b, SV("mx"));
	put_report(&b, 1, 1);
	put_report(&b, 1, 1);
	judges(&in, &one, &b, 1);
	obs_put_record(&b, 2, &failed, SV("line"));
	obs_put_record(&b, 2, &failed, SV("line"));
	put_report(&b, 1, 1);
	put_report(&b, 2, 1);
	judges(&in, &one, &b, 1);
	const struct store_input *input = one.input;
	assert_int_equal(input->last_event_us, NOW + US_PER_HOUR);
	put_session(&b, 3, NOW + 2 * US_PER_HOUR);
	put_session(&b, 3, NOW + 3 * US_PER_HOUR);
	judges(&in, &one, &b, 0);
	assert_int_equal(input->applied_seq, 3);
	assert_int_equal(input->last_event_us, NOW + 2 * US_PER_HOUR);
	obs_put_snapshot(&b, 3, SV("its state"));
	put_report(&b, 4, 4);
	obs_put_snapshot(&b, 4, SV("newer"));
	judges(&in, &one, &b, 1);
	obs_put_hello(&b, SV("mx"));
	judges(&in, &two, &b, 0);
	assert_int_equal(number(in.store, "SELECT applied_seq FROM input"), 4);
	assert_int_equal(number(in.store, "SELECT count(*) FROM hot_message"), 2);
	assert_int_equal(number(in.store, "SELECT snapshot = CAST('newer' AS BLOB) FROM input_snapshot"), 1);
	assert_int_equal(in.pending, 0);
	ingest_source_end(&one);
	ingest_source_end(&two);
	ingest_fini(&in);
	store_close(in.store, j);
	judge_free(j);
	enrich_free(enrich);
	buf_fini(&b);
	buf_fini(&reply);
}

/* A store of which each run gets a copy. */
static int begin(void **state)
{
	static char none[] = "", conf_path[] = "test.conf";
	struct conf conf = { .path = conf_path, .customers_path = none };
	struct err e;
	char path[64];
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof path, "%s/empty", dir);
	struct enrich *enrich = enrich_new(&conf, &e);
	struct judge *j = judge_new(&conf, enrich, &e);
	struct store *s = store_open(path, j, &e);
	if (!s)
		return -1;
	store_close(s, j);
	judge_free(j);
	enrich_free(enrich);
	return 0;
}

static int end(void **state)
{
	char rm[64];
	(void)state;
	(void)snprintf(rm, sizeof rm, "rm -rf %s", dir);
	return system(rm);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(at_once_or_in_parts), cmocka_unit_test(a_broken_frame_ends_it), cmocka_unit_test(a_log_that_is_gone), cmocka_unit_test(what_is_said_twice) };
	return cmocka_run_group_tests(tests, begin, end);
}
