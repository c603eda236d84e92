#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "analyzer/backup.h"
#include "lib/buf.h"

#define NOW (20000LL * US_PER_DAY)
#define MINUTE (60 * US_PER_S)

/* --- arithmetic --------------------------------------------------------------------------------------------------- */

static void wilsons_interval(void **state)
{
	static const struct { uint32_t yes, all; int32_t low, high; } known[] = {
		{ 0, 10, 0, 2775 }, { 5, 10, 2366, 7634 }, { 10, 10, 7225, 10000 }, { 95, 100, 8882, 9785 }, { 1, 1, 2065, 10000 },
	};
	int32_t low, high;
	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		backup_wilson(known[i].yes, known[i].all, &low, &high);
		assert_int_equal(low, known[i].low);
		assert_int_equal(high, known[i].high);
	}
	backup_wilson(0, 0, &low, &high);
	assert_int_equal(low, -1);
	assert_int_equal(high, -1);
}

static void what_a_slice_says(void **state)
{
	struct backup_health h = { .first_us = NOW };
	(void)state;
	uint32_t s = (uint32_t)(NOW / BACKUP_SLICE_US);
	backup_slice_failure(&h, NOW);
	assert_int_equal(backup_slice_get(&h, s), BACKUP_UNKNOWN); /* one may be chance */
	backup_slice_failure(&h, NOW + MINUTE);
	assert_int_equal(backup_slice_get(&h, s), BACKUP_DOWN);
	backup_slice_answer(&h, NOW + 2 * MINUTE, true);
	assert_int_equal(backup_slice_get(&h, s), BACKUP_DEGRADED);
	backup_slice_answer(&h, NOW + 3 * MINUTE, false);
	assert_int_equal(backup_slice_get(&h, s), BACKUP_UP);
	backup_slice_answer(&h, NOW + 4 * MINUTE, true); /* a later "later" does not undo that */
	backup_slice_failure(&h, NOW + 4 * MINUTE);
	backup_slice_failure(&h, NOW + 4 * MINUTE);
	assert_int_equal(backup_slice_get(&h, s), BACKUP_UP);
	assert_int_equal(backup_slice_get(&h, s + 1), BACKUP_UNKNOWN);
	h.outage_us = NOW;
	backup_slice_failure(&h, NOW + 11 * MINUTE); /* in an outage one is enough */
	assert_int_equal(backup_slice_get(&h, s + 2), BACKUP_DOWN);
	backup_slice_answer(&h, NOW + 7 * MINUTE, false); /* told late */
	assert_int_equal(backup_slice_get(&h, s + 1), BACKUP_UP);
}

static void slices_are_kept_for_a_month(void **state)
{
	struct backup_health h = { .first_us = NOW };
	(void)state;
	uint32_t s = (uint32_t)(NOW / BACKUP_SLICE_US);
	backup_slice_answer(&h, NOW, false);
	backup_slice_answer(&h, NOW + 31 * US_PER_DAY, false);
	assert_int_equal(backup_slice_get(&h, s), BACKUP_UP);
	backup_slice_answer(&h, NOW + 32 * US_PER_DAY, true); /* the same place in the ring */
	assert_int_equal(backup_slice_get(&h, s), BACKUP_UNKNOWN);
	assert_int_equal(backup_slice_get(&h, s + 32 * BACKUP_SLICES_DAY), BACKUP_DEGRADED);
	backup_slice_answer(&h, NOW, false); /* too old: must not overwrite what is now there */
	assert_int_equal(backup_slice_get(&h, s + 32 * BACKUP_SLICES_DAY), BACKUP_DEGRADED);
	backup_slice_answer(&h, NOW + 400 * US_PER_DAY, false);
	for (uint32_t i = 1; i < BACKUP_SLICES; i++)
		assert_int_equal(backup_slice_get(&h, s + 400 * BACKUP_SLICES_DAY - i), BACKUP_UNKNOWN);
}

static void availability_and_how_much_is_known(void **state)
{
	struct backup_health h = { .first_us = NOW };
	(void)state;
	for (int i = 0; i < 9; i++)
		backup_slice_answer(&h, NOW + i * BACKUP_SLICE_US, i == 4);
	backup_slice_failure(&h, NOW + 9 * BACKUP_SLICE_US);
	backup_slice_failure(&h, NOW + 9 * BACKUP_SLICE_US);
	struct backup_availability a = backup_available(&h, NOW - US_PER_DAY, NOW + 100 * BACKUP_SLICE_US);
	assert_int_equal(a.all, 100); /* nothing before the first mail */
	assert_int_equal(a.up, 8);
	assert_int_equal(a.degraded, 1);
	assert_int_equal(a.down, 1);
	assert_int_equal(a.share, 9000);
	assert_int_equal(a.coverage, 1000);
	assert_true(a.low < a.share && a.share < a.high);
	a = backup_available(&h, NOW + 20 * BACKUP_SLICE_US, NOW + 30 * BACKUP_SLICE_US);
	assert_int_equal(a.share, -1); /* nothing known is not 100 % */
	assert_int_equal(a.coverage, 0);
	a = backup_available(&(struct backup_health){ .version = 1 }, NOW, NOW + US_PER_DAY);
	assert_int_equal(a.share, -1);
	assert_int_equal(a.coverage, -1);
}

static void set_ring(struct backup_health *h, int64_t hours_ago, uint32_t n)
{
	h->ring[(NOW / US_PER_HOUR - hours_ago) % BACKUP_RING_HOURS] = n;
	h->queued += n;
}

static void what_expires_when(void **state)
{
	struct backup_health h = { .first_us = NOW };
	(void)state;
	set_ring(&h, 170, 1); /* lifetime 168 h: overdue */
	set_ring(&h, 150, 3);
	set_ring(&h, 130, 5);
	set_ring(&h, 10, 100);
	struct backup_projection p = backup_project(&h, 7 * 86400, NOW);
	assert_int_equal(p.queued, 109);
	assert_int_equal(p.overdue, 1);
	assert_int_equal(p.within_24h, 3);
	assert_int_equal(p.within_48h, 8);
	assert_int_equal(p.oldest_us, NOW - 170 * US_PER_HOUR);
	assert_int_equal(p.expiry_us, NOW - 2 * US_PER_HOUR);
	assert_int_equal(p.first, 1);
	assert_int_equal(backup_expiring(&h, 8 * 86400, NOW, NOW + US_PER_DAY), 1);
	assert_int_equal(backup_expiring(&h, 7 * 86400, NOW, NOW + 20 * US_PER_DAY), 109);
}

static void how_fast_the_queue_must_drain(void **state)
{
	struct backup_health h = { .first_us = NOW };
	(void)state;
	set_ring(&h, 158, 100);  /* 10 hours left: 10 an hour */
	set_ring(&h, 148, 1000); /* 1100 in 20 hours: 55 an hour */
	set_ring(&h, 8, 200);    /* 1300 in 160 hours: less */
	assert_int_equal(backup_project(&h, 7 * 86400, NOW).needed_hour, 55);
	assert_int_equal(backup_project(&h, 7 * 86400, NOW).clear_us, 0);
	h.drain_hour = (uint32_t)(NOW / US_PER_HOUR);
	h.drained = 30;
	h.drained_before = 100;
	struct backup_projection p = backup_project(&h, 7 * 86400, NOW + US_PER_HOUR / 2); /* half an hour on: 30, and half of 100 */
	assert_int_equal(p.drained_hour, 80);
	assert_int_equal(p.clear_us, NOW + US_PER_HOUR / 2 + 1300 * US_PER_HOUR / 80);
	assert_int_equal(backup_project(&h, 7 * 86400, NOW + 3 * US_PER_HOUR).drained_hour, 0);
}

/* --- replies ------------------------------------------------------------------------------------------------------ */

static void what_an_outcome_says_of_the_server(void **state)
{
	static const struct { const char *mta, *reply, *dsn; int status; int said, reason; } known[] = {
		{ "postfix", "250 2.0.0 Ok", "2.0.0", TXN_SENT, BACKUP_SAID_YES, -1 },
		{ "postfix", "host mx.x[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command)", "5.1.1", TXN_BOUNCED, BACKUP_SAID_NO, -1 },
		{ "postfix", "host mx.x[192.0.2.1] said: 451 4.3.0 Connection timed out upstream (in reply to DATA)", "4.3.0", TXN_DEFERRED, BACKUP_SAID_LATER, -1 },
		{ "postfix", "host mx.x[192.0.2.1] refused to talk to me: 421 too busy", "4.0.0", TXN_DEFERRED, BACKUP_SAID_LATER, -1 },
		{ "postfix", "connect to mx.x[192.0.2.1]:25: Connection refused", "4.4.1", TXN_DEFERRED, BACKUP_FAILED, BACKUP_REFUSED },
		{ "postfix", "connect to mx.x[2001:db8::1]:25: Network is unreachable", "4.4.1", TXN_DEFERRED, BACKUP_FAILED, BACKUP_UNREACHABLE },
		{ "postfix", "connect to mx.x[192.0.2.1]:25: Connection timed out", "4.4.1", TXN_DEFERRED, BACKUP_FAILED, BACKUP_TIMED_OUT },
		{ "postfix", "lost connection with mx.x[192.0.2.1] while receiving the initial server greeting", "4.4.2", TXN_DEFERRED, BACKUP_FAILED, BACKUP_DROPPED },
		{ "postfix", "delivery temporarily suspended: connect to mx.x[192.0.2.1]:25: Connection refused", "4.4.1", TXN_DEFERRED, BACKUP_SAID_NOTHING, -1 },
		{ "postfix", "Host or domain name not found. Name service error for name=mx.x type=A: Host not found", "5.4.4", TXN_BOUNCED, BACKUP_FAILED, BACKUP_NO_HOST },
		{ "postfix", "Host or domain name not found. Name service error for name=mx.x type=MX: Host not found, try again", "4.4.3", TXN_DEFERRED, BACKUP_FAILED, BACKUP_DNS },
		{ "postfix", "Domain x does not accept mail (nullMX)", "5.1.0", TXN_BOUNCED, BACKUP_FAILED, BACKUP_NULL_MX },
		{ "postfix", "mail for x loops back to myself", "5.4.6", TXN_BOUNCED, BACKUP_FAILED, BACKUP_LOOP },
		{ "exim", "Connection refused", "", TXN_DEFERRED, BACKUP_FAILED, BACKUP_REFUSED },
		{ "exim", "retry time not reached for any host for 'x'", "", TXN_DEFERRED, BACKUP_SAID_NOTHING, -1 },
		{ "exim", "host lookup did not complete", "", TXN_DEFERRED, BACKUP_FAILED, BACKUP_DNS },
		{ "exim", "all relevant MX records point to non-existent hosts", "", TXN_BOUNCED, BACKUP_FAILED, BACKUP_NO_HOST },
		{ "exim", "550 5.1.10 Recipient not found", "5.1.10", TXN_BOUNCED, BACKUP_SAID_NO, -1 },
		{ "exim", "450-4.2.0 try\\n450 again", "4.2.0", TXN_DEFERRED, BACKUP_SAID_LATER, -1 },
		{ "sendmail", "Deferred: Connection refused by mx.x.", "4.0.0", TXN_DEFERRED, BACKUP_FAILED, BACKUP_REFUSED },
		{ "sendmail", "Deferred: Connection timed out with mx.x.", "4.0.0", TXN_DEFERRED, BACKUP_FAILED, BACKUP_TIMED_OUT },
		{ "sendmail", "Host unknown (Name server: mx.x: host not found)", "5.1.2", TXN_BOUNCED, BACKUP_FAILED, BACKUP_NO_HOST },
		{ "sendmail", "Deferred: Name server: mx.x: host name lookup failure", "4.4.3", TXN_DEFERRED, BACKUP_FAILED, BACKUP_DNS },
		{ "exchange", "421 4.4.1 Connection timed out", "4.4.1", TXN_DEFERRED, BACKUP_FAILED, BACKUP_TIMED_OUT },
		{ "exchange", "451 4.7.0 Temporary server error", "4.7.0", TXN_DEFERRED, BACKUP_SAID_LATER, -1 },
		{ "postfix", "mail transport unavailable", "4.3.0", TXN_DEFERRED, BACKUP_SAID_NOTHING, -1 },
		{ "postfix", "", "", TXN_PENDING, BACKUP_SAID_NOTHING, -1 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		enum backup_reason reason = BACKUP_REASONS;
		struct txn t = { .mta = sv_cstr(known[i].mta) };
		struct txn_rcpt r = { .reply = sv_cstr(known[i].reply), .dsn = sv_cstr(known[i].dsn), .status = (uint8_t)known[i].status,
			              .relay_host = sv_cstr(known[i].status == TXN_SENT ? "mx.x" : "") };
		if (backup_reply(&t, &r, &reason) != (enum backup_said)known[i].said || (known[i].reason >= 0 && reason != (enum backup_reason)known[i].reason))
			fail_msg("%s: %d, reason %d", known[i].reply, (int)backup_reply(&t, &r, &reason), (int)reason);
	}
	struct txn t = { .mta = SV("postfix") };
	struct txn_rcpt greylisted = { .reply = SV("host x said: 450 4.2.0 Greylisted"), .status = TXN_DEFERRED, .reply_class = REPLY_GREYLIST };
	enum backup_reason reason;
	assert_int_equal(backup_reply(&t, &greylisted, &reason), BACKUP_SAID_NO); /* as good an answer as any */
	struct txn_rcpt full = { .reply = SV("host x said: 452 4.2.2 Mailbox full"), .status = TXN_DEFERRED, .reply_class = REPLY_MAILBOX_FULL };
	assert_int_equal(backup_reply(&t, &full, &reason), BACKUP_SAID_NO);
	struct txn_rcpt given_up = { .reply = SV("connect to mx.x[192.0.2.1]:25: Connection timed out"), .dsn = SV("4.4.1"), .status = TXN_EXPIRED };
	assert_int_equal(backup_reply(&t, &given_up, &reason), BACKUP_SAID_NOTHING); /* nobody tried */
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

struct fixture { struct conf conf; struct conf_backup backup[2]; struct enrich *enrich; struct judge *j; };

static struct backup_domain *works(struct fixture *f) { return backup_find(f->j, SV("Works.Example")); }

static void report(struct fixture *f, const char *id, int64_t at_us, int64_t first_us, uint8_t status, bool changed, uint32_t flags)
{
	const char *reply = status == TXN_SENT ? "250 Ok" : "connect to mail.works.example[192.0.2.9]:25: Connection timed out";
	struct txn_rcpt r = { .recipient = SV("ann@works.example"), .status = status, .changed = changed, .time_us = at_us, .reply = sv_cstr(reply),
		              .relay_host = sv_cstr(status == TXN_SENT ? "mail.works.example" : ""), .dsn = sv_cstr(status == TXN_SENT ? "2.0.0" : "4.4.1") };
	struct txn t = { .at_us = at_us, .first_us = first_us, .last_us = at_us, .host = SV("mx1"), .mta = SV("postfix"), .queue_id = sv_cstr(id),
		         .client_ip = SV("203.0.113.9"), .sender = SV("bob@far.example"), .sender_known = true, .uid = -1, .size = -1, .nrcpt = 1, .flags = flags,
		         .complete = status == TXN_SENT, .rcpt = &r, .n_rcpt = 1 };
	judge_txn(f->j, &t);
}

static void a_waiting_message_is_counted_once(void **state)
{
	struct fixture *f = *state;
	struct backup_health *h = &works(f)->health;
	report(f, "A1", NOW + MINUTE, NOW, TXN_DEFERRED, true, 0);
	assert_int_equal(h->queued, 1);
	report(f, "A1", NOW + 30 * MINUTE, NOW, TXN_DEFERRED, true, TXN_REPLAY);
	report(f, "A1", NOW + 31 * MINUTE, NOW, TXN_DEFERRED, false, TXN_REPLAY);
	assert_int_equal(h->queued, 1);
	assert_int_equal(backup_days_sum(h, NOW + US_PER_HOUR, 1).accepted, 1);
	assert_int_equal(backup_days_sum(h, NOW + US_PER_HOUR, 1).deferred, 2);
	report(f, "B2", NOW + 40 * MINUTE, NOW + 39 * MINUTE, TXN_DEFERRED, true, 0);
	assert_int_equal(h->queued, 2);
	report(f, "A1", NOW + 50 * MINUTE, NOW, TXN_SENT, true, TXN_REPLAY);
	assert_int_equal(h->queued, 1);
	assert_int_equal(h->drained, 1);
	report(f, "A1", NOW + 51 * MINUTE, NOW, TXN_SENT, false, TXN_REPLAY);
	assert_int_equal(h->queued, 1);
	assert_int_equal(backup_expiring(h, 0, NOW + US_PER_HOUR, NOW + 2 * US_PER_HOUR), 1);
	assert_int_equal(h->first_us, NOW + MINUTE);
}

static void the_log_loses_sight_of_a_message(void **state)
{
	struct fixture *f = *state;
	struct backup_health *h = &works(f)->health;
	report(f, "A1", NOW + MINUTE, NOW, TXN_DEFERRED, true, 0);
	report(f, "B2", NOW + MINUTE, NOW, TXN_DEFERRED, true, 0);
	report(f, "A1", NOW + 2 * MINUTE, NOW, TXN_DEFERRED, false, TXN_REPLAY | TXN_TAIL_MISSING); /* its queue id is used again */
	assert_int_equal(h->queued, 1);
	backup_queue_sweep(f->j, NOW + 71 * US_PER_HOUR);
	assert_int_equal(h->queued, 1);
	backup_queue_sweep(f->j, NOW + 73 * US_PER_HOUR); /* nobody waits three days between two tries */
	assert_int_equal(h->queued, 0);
	assert_int_equal(h->lost, 1);
	for (size_t i = 0; i < BACKUP_RING_HOURS; i++)
		assert_int_equal(h->ring[i], 0);
}

static void thousands_wait_and_leave_in_any_order(void **state)
{
	enum { N = 5000 };
	struct fixture *f = *state;
	struct backup_health *h = &works(f)->health;
	char id[24];
	for (int i = 0; i < N; i++) {
		(void)snprintf(id, sizeof id, "Q%d", i);
		report(f, id, NOW + i * US_PER_S, NOW + i * US_PER_S, TXN_DEFERRED, true, 0);
	}
	assert_int_equal(h->queued, N);
	for (int k = 0; k < N; k++) { /* 1811 has no common divisor with 5000 */
		int i = k * 1811 % N;
		(void)snprintf(id, sizeof id, "Q%d", i);
		report(f, id, NOW + (N + k) * US_PER_S, NOW + i * US_PER_S, TXN_SENT, true, TXN_REPLAY);
		assert_int_equal(h->queued, N - 1 - k);
	}
	assert_int_equal(f->j->backup->queued, 0);
	for (size_t i = 0; i < BACKUP_RING_HOURS; i++)
		assert_int_equal(h->ring[i], 0);
}

static void an_outage_needs_failures_of_several_messages_over_time(void **state)
{
	struct fixture *f = *state;
	struct backup_health *h = &works(f)->health;
	report(f, "A1", NOW + MINUTE, NOW, TXN_SENT, true, 0);
	for (int i = 2; i < 10; i++)
		report(f, "B2", NOW + i * 10 * MINUTE, NOW, TXN_DEFERRED, true, i == 2 ? 0 : TXN_REPLAY);
	assert_int_equal(h->outage_us, 0); /* one message may be the reason itself */
	report(f, "C3", NOW + 101 * MINUTE, NOW + 100 * MINUTE, TXN_DEFERRED, true, 0);
	assert_int_equal(h->outage_us, NOW + 20 * MINUTE);
	assert_int_equal(backup_state_of(h, NOW + 102 * MINUTE), BACKUP_STATE_OUTAGE);
	report(f, "C3", NOW + 120 * MINUTE, NOW + 100 * MINUTE, TXN_SENT, true, TXN_REPLAY);
	assert_int_equal(h->outage_us, 0);
	assert_int_equal(h->over_us, NOW + 120 * MINUTE);
	assert_int_equal(backup_state_of(h, NOW + 121 * MINUTE), BACKUP_STATE_UP);
	assert_int_equal(f->j->backup->n_outages, 1);
	assert_int_equal(f->j->backup->outage[0].end_us, NOW + 120 * MINUTE);
}

static void a_domain_without_mail(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(backup_state_of(&works(f)->health, NOW), BACKUP_STATE_NO_MAIL);
	assert_null(backup_find(f->j, SV("elsewhere.example")));
	assert_null(backup_find(f->j, SV("sub.works.example")));
}

static void a_new_config_keeps_what_is_known(void **state)
{
	struct fixture *f = *state;
	report(f, "A1", NOW + MINUTE, NOW, TXN_DEFERRED, true, 0);
	f->conf.n_backup = 1;
	backup_configure(f->j);
	assert_int_equal(works(f)->health.queued, 1);
	assert_null(backup_find(f->j, SV("other.example")));
	f->conf.n_backup = 0;
	backup_configure(f->j);
	assert_null(works(f));
	backup_queue_sweep(f->j, NOW + US_PER_HOUR); /* nobody's any more */
	assert_int_equal(f->j->backup->queued, 0);
}

static struct backup_health stored;

static bool load_stored(void *ctx, struct backup_domain *d)
{
	(void)ctx;
	if (strcmp(d->name, "works.example") != 0)
		return false;
	d->health = stored;
	return true;
}

/* A line of the config that is gone by mistake and comes back: what was known is known again, and what left the queue meanwhile does not
 * wait for ever. */
static void a_domain_comes_back(void **state)
{
	struct fixture *f = *state;
	f->j->store.load_backup = load_stored;
	report(f, "A1", NOW + MINUTE, NOW, TXN_SENT, true, 0);
	report(f, "B2", NOW + 2 * MINUTE, NOW, TXN_DEFERRED, true, 0);
	stored = works(f)->health;
	f->conf.n_backup = 0;
	backup_configure(f->j);
	f->conf.n_backup = 2;
	backup_configure(f->j);
	assert_int_equal(works(f)->health.answered_us, NOW + MINUTE);
	assert_int_equal(works(f)->health.queued, 1);
	f->conf.n_backup = 0;
	backup_configure(f->j);
	backup_queue_sweep(f->j, NOW + US_PER_HOUR);
	f->conf.n_backup = 2;
	backup_configure(f->j);
	const struct backup_health *h = &works(f)->health;
	assert_int_equal(h->answered_us, NOW + MINUTE);
	assert_int_equal(h->queued, 0);
	assert_int_equal(backup_expiring(h, 0, NOW + US_PER_HOUR, NOW + 20 * US_PER_DAY), 0);
}

static int setup(void **state)
{
	static char a[] = "works.example", b[] = "other.example", pa[] = "mail.works.example", pb[] = "192.0.2.9";
	struct fixture *f = xcalloc(1, sizeof *f);
	struct err e;
	f->backup[0] = (struct conf_backup){ a, pa };
	f->backup[1] = (struct conf_backup){ b, pb };
	f->conf = (struct conf){ .backup = f->backup, .n_backup = 2 };
	f->enrich = enrich_new(&f->conf, &e);
	f->j = f->enrich ? judge_new(&f->conf, f->enrich, &e) : NULL;
	if (!f->j)
		return -1;
	backup_configure(f->j);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	judge_free(f->j);
	enrich_free(f->enrich);
	free(f);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wilsons_interval), cmocka_unit_test(what_a_slice_says), cmocka_unit_test(slices_are_kept_for_a_month),
		cmocka_unit_test(availability_and_how_much_is_known), cmocka_unit_test(what_expires_when), cmocka_unit_test(how_fast_the_queue_must_drain),
		cmocka_unit_test(what_an_outcome_says_of_the_server), TEST(a_waiting_message_is_counted_once), TEST(a_domain_comes_back),
		TEST(the_log_loses_sight_of_a_message),
		TEST(thousands_wait_and_leave_in_any_order), TEST(an_outage_needs_failures_of_several_messages_over_time), TEST(a_domain_without_mail),
		TEST(a_new_config_keeps_what_is_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
