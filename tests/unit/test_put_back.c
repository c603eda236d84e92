/* The machine's clock stands a year ahead, lines are believed for it, and it is set right: nothing stays there (judge_put_back(), analyzer/ingest.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "analyzer/acase.h"
#include "analyzer/asked.h"
#include "analyzer/backup_health.h"
#include "analyzer/ingest.h"
#include "analyzer/rollup.h"
#include "lib/txn.h"

#define NOW (20800LL * US_PER_DAY)
#define AHEAD (NOW + 366 * US_PER_DAY)
#define HOUR US_PER_HOUR

static char dir[] = "/tmp/aw-put-back-XXXXXX";
static int64_t wall;

static int64_t wall_us(void)
{
	return wall;
}

struct world { struct conf conf; struct enrich *enrich; struct ingest in; struct ingest_source source; uint64_t seq; };

static void open_world(struct world *w)
{
	static char none[] = "", conf_path[] = "test.conf";
	struct err e;
	char path[96];
	uint64_t seq = w->seq;
	(void)snprintf(path, sizeof path, "%s/t.db", dir);
	*w = (struct world){ .conf = { .path = conf_path, .customers_path = none }, .seq = seq };
	w->enrich = enrich_new(&w->conf, &e);
	w->in.judge = judge_new(&w->conf, w->enrich, &e);
	w->in.store = store_open(path, w->in.judge, &e);
	w->in.wall_us = wall_us;
	assert_non_null(w->in.store);
}

static void close_world(struct world *w)
{
	struct err e;
	assert_int_equal(ingest_commit(&w->in, &e), 0);
	ingest_source_end(&w->source);
	ingest_fini(&w->in);
	store_close(w->in.store, w->in.judge);
	judge_free(w->in.judge);
	enrich_free(w->enrich);
}

static void begin_world(struct world *w)
{
	char rm[96];
	(void)snprintf(rm, sizeof rm, "rm -rf %s/t.*", dir);
	assert_int_equal(system(rm), 0);
	*w = (struct world){ .seq = 0 };
	open_world(w);
}

static void take(struct world *w, const struct buf *b)
{
	struct buf reply = { 0 };
	struct err e;
	size_t used;
	assert_int_equal(ingest_bytes(&w->in, &w->source, buf_sv(b), &used, &reply, &e), 0);
	assert_int_equal(used, b->n);
	buf_fini(&reply);
}

/* A message of that account at that time to a new address, which there is, or is not. */
static void sends(struct world *w, const char *account, bool bad, int64_t at_us)
{
	char to[64], queue_id[32];
	struct buf b = { 0 };
	(void)snprintf(to, sizeof to, "r%llu@d%llu.example", (unsigned long long)w->seq, (unsigned long long)w->seq % 9);
	(void)snprintf(queue_id, sizeof queue_id, "Q%llu", (unsigned long long)w->seq);
	struct txn_rcpt r = { .recipient = sv_cstr(to), .status = bad ? TXN_BOUNCED : TXN_SENT, .changed = true, .attempts = 1, .time_us = at_us,
		.reply = bad ? SV("550 5.1.1 no such user") : SV("250 ok") };
	struct txn t = { .seq = ++w->seq, .at_us = at_us, .first_us = at_us, .last_us = at_us, .host = SV("mx"), .mta = SV("postfix"), .queue_id = sv_cstr(queue_id), .account = sv_cstr(account),
		.client_ip = SV("192.0.2.9"), .sender = sv_cstr(account), .sender_known = true, .uid = -1, .size = 1000, .nrcpt = 1, .complete = true, .rcpt = &r, .n_rcpt = 1 };
	if (!w->source.input)
		obs_put_hello(&b, SV("mx"));
	obs_put_txn(&b, &t);
	take(w, &b);
	buf_fini(&b);
}

static struct principal *who(struct world *w, const char *account)
{
	return judge_principal(w->in.judge, PRINCIPAL_ACCOUNT, sv_cstr(account), w->in.judge->site->now_us);
}

static int64_t number(struct world *w, const char *sql)
{
	sqlite3_stmt *st;
	assert_int_equal(sqlite3_prepare_v2(w->in.store->db.h, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

/* Ann does as always; the clock leaps, and while it stands there Bob's account writes to whoever there may be. */
static void until_then(struct world *w)
{
	wall = NOW;
	begin_world(w);
	for (int i = 0; i < 10; i++)
		sends(w, "ann@isp.example", false, NOW + i * US_PER_S);
	wall = AHEAD;
	for (int i = 0; i < 200; i++)
		sends(w, "bob@isp.example", i % 3 != 0, AHEAD + i * US_PER_S);
	assert_true(w->in.judge->site->now_us == AHEAD + 199 * US_PER_S);
	assert_non_null(who(w, "bob@isp.example")->open_case);
}

static void from_now_on(struct world *w)
{
	struct err e;
	wall = NOW + HOUR - CLOCK_WAIT_US;
	sends(w, "ann@isp.example", false, wall);
	assert_true(w->in.judge->site->now_us == AHEAD + 199 * US_PER_S); /* not yet */
	wall = NOW + HOUR;
	sends(w, "ann@isp.example", false, NOW + HOUR);
	struct principal *bob = who(w, "bob@isp.example");
	const struct acase *c = bob->open_case;
	assert_true(w->in.judge->site->now_us == NOW + HOUR && w->in.judge->site->first_us <= NOW);
	assert_true(w->in.judge->rollup->hour_us == NOW + HOUR);
	assert_true(bob->first_us <= NOW + HOUR && bob->last_us <= NOW + HOUR);
	assert_non_null(c);
	assert_true(c->opened_us <= NOW + HOUR && c->positive_us <= NOW + HOUR && c->first_seen_us <= NOW + HOUR);
	assert_true(bob->suspicion->since_us <= NOW + HOUR && bob->suspicion->line[0].at_us <= NOW + HOUR);
	sends(w, "ann@isp.example", false, AHEAD + HOUR); /* one that was under way */
	assert_true(w->in.judge->site->now_us == NOW + HOUR);
	assert_int_equal(ingest_commit(&w->in, &e), 0);
	assert_true(number(w, "SELECT max(max(heard_us), max(last_event_us)) FROM input") == NOW + HOUR);
	assert_true(number(w, "SELECT max(max(first_us), max(last_us)) FROM principal") <= NOW + HOUR);
	assert_true(number(w, "SELECT max(max(first_seen_us), max(opened_us), max(updated_us)) FROM acase") <= NOW + HOUR);
	int32_t score = bob->score;
	wall = NOW + 2 * HOUR;
	sends(w, "bob@isp.example", false, wall);
	assert_true(bob->score > score / 2 && bob->score <= score); /* what was done was done */
	for (int i = 3; i < 40 * 24; i++) {
		wall = NOW + i * HOUR;
		sends(w, "ann@isp.example", false, wall);
	}
	assert_null(bob->open_case);
	assert_true(who(w, "ann@isp.example")->last_us == wall);
}

static void while_it_runs(void **state)
{
	struct world w;
	(void)state;
	until_then(&w);
	from_now_on(&w);
	close_world(&w);
}

static void while_nobody_runs(void **state)
{
	struct world w;
	(void)state;
	until_then(&w);
	close_world(&w);
	open_world(&w);
	wall = NOW + HOUR / 2;
	sends(&w, "ann@isp.example", false, wall);
	close_world(&w); /* before it was followed */
	open_world(&w);
	from_now_on(&w);
	close_world(&w);
	open_world(&w); /* once */
	wall += HOUR;
	sends(&w, "ann@isp.example", false, wall);
	assert_false(w.in.put_back);
	close_world(&w);
}

/* Who is not in memory when the clock is put back follows. */
static void who_comes_later(void **state)
{
	struct world w;
	(void)state;
	until_then(&w);
	sends(&w, "eve@isp.example", false, AHEAD + HOUR);
	close_world(&w);
	open_world(&w);
	wall = NOW + HOUR - CLOCK_WAIT_US;
	sends(&w, "ann@isp.example", false, wall);
	wall = NOW + HOUR;
	sends(&w, "ann@isp.example", false, NOW + HOUR);
	assert_true(number(&w, "SELECT max(last_us) FROM principal WHERE id = 'eve@isp.example'") > AHEAD);
	sends(&w, "eve@isp.example", false, NOW + HOUR);
	assert_true(who(&w, "eve@isp.example")->score < NAT); /* she was not away until that day */
	assert_true(who(&w, "eve@isp.example")->first_us == NOW + HOUR && who(&w, "eve@isp.example")->last_us == NOW + HOUR);
	close_world(&w);
}

/* A log that is dated ahead as a whole, beside a clock that is right, and one that is an hour behind, are as they were. */
static void a_log_that_is_ahead(void **state)
{
	struct world w;
	(void)state;
	wall = NOW;
	begin_world(&w);
	sends(&w, "ann@isp.example", false, AHEAD);
	wall = NOW - US_PER_DAY + HOUR;
	sends(&w, "ann@isp.example", false, AHEAD + HOUR);
	close_world(&w);
	open_world(&w);
	wall = NOW + HOUR;
	sends(&w, "ann@isp.example", false, AHEAD + 2 * HOUR);
	assert_true(w.in.judge->site->now_us == AHEAD + 2 * HOUR && !w.in.put_back);
	close_world(&w);
}

/* Machines without a battery begin in the past, too; the next clock that is right finds all as it was. */
static void a_clock_that_begins_behind(void **state)
{
	static const int64_t begins[] = { HOUR, NOW - 300 * US_PER_DAY };
	struct world w;
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		wall = NOW;
		begin_world(&w);
		sends(&w, "ann@isp.example", false, NOW);
		for (int reopened = 0; reopened < 2; reopened++) {
			for (int64_t at_us = 0; at_us < (k ? CLOCK_WAIT_US : HOUR); at_us += 60 * US_PER_S) {
				wall = begins[k] + at_us;
				sends(&w, "ann@isp.example", false, wall);
			}
			assert_true(w.in.judge->site->now_us == NOW);
			close_world(&w);
			open_world(&w);
		}
		wall = NOW + HOUR;
		sends(&w, "ann@isp.example", false, wall);
		assert_true(w.in.judge->site->now_us == wall && !w.in.put_back && w.in.store->heard_us == wall);
		close_world(&w);
	}
}

/* A log-in to webmail from that address. */
static void logs_in(struct world *w, const char *account, const char *ip, int64_t at_us)
{
	struct buf b = { 0 };
	struct record r;
	record_clear(&r);
	r.kind = RECORD_AUTH_OK;
	r.time_us = at_us;
	r.mta = "webmail";
	r.account = sv_cstr(account);
	r.client_ip = sv_cstr(ip);
	if (!w->source.input)
		obs_put_hello(&b, SV("mx"));
	obs_put_record(&b, ++w->seq, &r, SV("a log-in"));
	take(w, &b);
	buf_fini(&b);
}

/* Who logged in to webmail somewhere new while the clock stood ahead did so a moment ago, not in a year. */
static void webmail_from_elsewhere(void **state)
{
	struct world w;
	(void)state;
	wall = NOW;
	begin_world(&w);
	for (int d = 0; d < 20; d++) {
		wall = NOW + d * US_PER_DAY;
		logs_in(&w, "ann@isp.example", "192.0.2.7", wall);
	}
	wall = AHEAD;
	logs_in(&w, "ann@isp.example", "198.51.100.7", AHEAD);
	logs_in(&w, "ida@isp.example", "192.0.2.9", AHEAD);
	assert_true(who(&w, "ann@isp.example")->browser.elsewhere_us == AHEAD);
	wall = NOW + 20 * US_PER_DAY;
	sends(&w, "bob@isp.example", false, wall);
	wall += CLOCK_WAIT_US;
	sends(&w, "bob@isp.example", false, wall);
	assert_true(w.in.judge->site->now_us == wall);
	assert_true(who(&w, "ann@isp.example")->browser.elsewhere_us == wall);
	assert_true(who(&w, "ida@isp.example")->browser.first_day * US_PER_DAY <= wall);
	close_world(&w);
}

static void walks_fade(void **state)
{
	struct walk w = { 0 };
	(void)state;
	walk_add(&w, 8 * NAT, AHEAD, 86400);
	walk_decay(&w, AHEAD - US_PER_DAY, 86400); /* a source that is behind: as it was */
	assert_true(w.at_us == AHEAD && w.s == 8 * NAT);
	walk_decay(&w, NOW, 86400);
	assert_true(w.at_us == NOW && w.since_us == NOW && w.s == 8 * NAT);
	walk_decay(&w, NOW + US_PER_DAY, 86400);
	assert_int_equal(w.s, 4 * NAT);
}

static void a_domain_that_waits(void **state)
{
	static struct backup_health h;
	(void)state;
	h = (struct backup_health){ .first_us = NOW - HOUR };
	backup_slice_answer(&h, NOW - HOUR, false);
	backup_slice_answer(&h, AHEAD, false);
	backup_day_of(&h, AHEAD)->accepted = 7;
	h.outage_us = h.told_us[0] = h.last_us = AHEAD;
	backup_health_put_back(&h, NOW);
	assert_true(h.first_us == NOW - HOUR && h.outage_us == NOW && h.told_us[0] == NOW && h.last_us == NOW);
	assert_int_equal(backup_slice_get(&h, (uint32_t)(AHEAD / BACKUP_SLICE_US)), BACKUP_UNKNOWN);
	backup_slice_answer(&h, NOW + HOUR, false);
	assert_int_equal(backup_slice_get(&h, (uint32_t)((NOW + HOUR) / BACKUP_SLICE_US)), BACKUP_UP);
	for (int64_t d = 0; d < BACKUP_DAYS; d++)
		assert_non_null(backup_day_of(&h, NOW + d * US_PER_DAY));
}

static int begin(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
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
	const struct CMUnitTest tests[] = { cmocka_unit_test(while_it_runs), cmocka_unit_test(while_nobody_runs), cmocka_unit_test(who_comes_later), cmocka_unit_test(a_log_that_is_ahead), cmocka_unit_test(a_clock_that_begins_behind),
		cmocka_unit_test(webmail_from_elsewhere),
		cmocka_unit_test(walks_fade), cmocka_unit_test(a_domain_that_waits) };
	return cmocka_run_group_tests(tests, begin, end);
}
