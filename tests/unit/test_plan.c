#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/buf.h"
#include "lib/times.h"
#include "report/letter.h"
#include "report/plan.h"

#define NOW (20000LL * US_PER_DAY)
#define HOUR US_PER_HOUR

struct fixture {
	char dir[64], path[96];
	struct db db;
	struct conf conf;
	struct conf_customer customer;
	struct letter_due due[8];
	size_t n;
};

static void sql(struct fixture *f, const char *text)
{
	struct err e;
	if (db_exec(&f->db, text, &e) < 0)
		fail_msg("%s", e.text);
}

static void add_case(struct fixture *f, int id, const char *customer, const char *level, int64_t opened_us)
{
	char text[1024];
	snprintf(text, sizeof text,
	         "INSERT INTO acase (id, kind, principal_kind, principal_id, customer, state, level, severity, score, peak_score, threshold, first_seen_us,"
	         " opened_us, updated_us, positive_us, sentence) VALUES (%d, 'stolen-account', 'account', 'ann@isp.example', '%s', 'open', '%s', 'high', 1, 1, 1,"
	         " %lld, %lld, %lld, %lld, 'ann@isp.example wrote to strangers.')",
	         id, customer, level, (long long)opened_us, (long long)opened_us, (long long)opened_us, (long long)opened_us);
	sql(f, text);
}

static void add_sent(struct fixture *f, int case_id, const char *kind, const char *status, int64_t at_us)
{
	char text[512];
	snprintf(text, sizeof text,
	         "INSERT INTO notification (case_id, at_us, kind, recipient, status, done_us) VALUES (%d, %lld, '%s', 'x@y.example', '%s', %lld);"
	         "INSERT INTO case_event (case_id, seq, at_us, actor, what) SELECT %d, coalesce(max(seq), 0) + 1, 0, 'abusewatch', 'notified' FROM case_event WHERE case_id = %d",
	         case_id, (long long)at_us, kind, status, (long long)at_us, case_id, case_id);
	sql(f, text);
}

static void note(void *ctx, const struct letter_due *due)
{
	struct fixture *f = ctx;
	if (f->n < 8)
		f->due[f->n] = *due;
	f->n++;
}

static size_t plan(struct fixture *f, int64_t now_us)
{
	f->n = 0;
	assert_int_equal(plan_letters(&f->db, &f->conf, now_us, note, f, NULL), 0);
	return f->n;
}

static void the_customer_hears_of_a_case_once(void **state)
{
	struct fixture *f = *state;
	add_case(f, 1, "C1", "likely", NOW);
	assert_int_equal(plan(f, NOW + US_PER_S), 1);
	assert_string_equal(f->due[0].kind, "open");
	assert_string_equal(f->due[0].recipient, "owner@known.example");
	assert_string_equal(f->due[0].language, "de");
	add_sent(f, 1, "open", "sent", NOW + US_PER_S);
	assert_int_equal(plan(f, NOW + 2 * US_PER_S), 0);
}

/* The case's times are the log's, a letter's are ours: a mail server's clock may be ahead. */
static void a_clock_ahead_repeats_no_letter(void **state)
{
	struct fixture *f = *state;
	add_case(f, 1, "C1", "likely", NOW + HOUR);
	assert_int_equal(plan(f, NOW), 1);
	add_sent(f, 1, "open", "sent", NOW);
	assert_int_equal(plan(f, NOW + 2 * US_PER_S), 0);
	add_case(f, 2, "C1", "likely", NOW + HOUR);
	add_sent(f, 2, "open", "failed", NOW);
	assert_int_equal(plan(f, NOW + 2 * US_PER_S), 0);
}

static void below_the_level_nobody_is_told(void **state)
{
	struct fixture *f = *state;
	add_case(f, 1, "C1", "suspected", NOW);
	assert_int_equal(plan(f, NOW + US_PER_S), 0);
}

static void without_a_contact_the_desk_gets_it(void **state)
{
	struct fixture *f = *state;
	add_case(f, 1, "", "likely", NOW);
	assert_int_equal(plan(f, NOW + US_PER_S), 1);
	assert_string_equal(f->due[0].recipient, "desk@isp.example");
}

static void any_row_of_a_customer_may_have_the_contact(void **state)
{
	static char name[] = "C1", none[] = "", value[] = "198.18.0.0/24";
	struct fixture *f = *state;
	struct conf_customer rows[2] = { { name, none, none, value, CUSTOMER_PREFIX }, f->customer };
	f->conf.customer = rows;
	f->conf.n_customer = 2;
	add_case(f, 1, "C1", "likely", NOW);
	assert_int_equal(plan(f, NOW + US_PER_S), 1);
	assert_string_equal(f->due[0].recipient, "owner@known.example");
	assert_string_equal(f->due[0].language, "de");
}

static void what_belongs_together_is_one_letter(void **state)
{
	struct fixture *f = *state;
	add_case(f, 1, "C1", "likely", NOW);
	add_case(f, 2, "C1", "likely", NOW);
	assert_int_equal(plan(f, NOW + US_PER_S), 2);
	sql(f, "UPDATE acase SET parent = 1 WHERE id = 2");
	assert_int_equal(plan(f, NOW + US_PER_S), 1);
	assert_int_equal(f->due[0].case_id, 1);
	/* The first one is closed, the other goes on. */
	sql(f, "UPDATE acase SET state = 'closed' WHERE id = 1");
	assert_int_equal(plan(f, NOW + US_PER_S), 1);
	assert_int_equal(f->due[0].case_id, 2);
}

static void what_joins_later_is_told(void **state)
{
	struct fixture *f = *state;
	add_case(f, 1, "C1", "likely", NOW);
	add_sent(f, 1, "open", "sent", NOW);
	sql(f, "UPDATE acase SET state = 'acknowledged', positive_us = positive_us + 23 * 3600000000");
	sql(f, "INSERT INTO case_event (case_id, seq, at_us, actor, what) VALUES (1, 99, 0, 'abusewatch', 'merged')");
	assert_int_equal(plan(f, NOW + 25 * HOUR), 1);
	assert_string_equal(f->due[0].kind, "rise");
}

/* What belongs to a case has no letter of its own: its level and its news are told with the first, though that one is a mere suspicion, and quiet. */
static void what_belongs_to_a_quiet_suspicion_is_told(void **state)
{
	struct fixture *f = *state;
	add_case(f, 1, "C1", "suspected", NOW);
	assert_int_equal(plan(f, NOW + US_PER_S), 0);
	add_case(f, 2, "C1", "confirmed", NOW + US_PER_S);
	add_case(f, 3, "C1", "suspected", NOW + US_PER_S);
	sql(f, "UPDATE acase SET parent = 1 WHERE id = 3; UPDATE acase SET parent = 3 WHERE id = 2"); /* 3 led while 1 was closed */
	assert_int_equal(plan(f, NOW + 2 * US_PER_S), 1);
	assert_int_equal(f->due[0].case_id, 1);
	assert_string_equal(f->due[0].kind, "open");
	add_sent(f, 1, "open", "sent", NOW + 2 * US_PER_S);
	sql(f, "UPDATE acase SET positive_us = positive_us + 25 * 3600000000 WHERE id = 2; UPDATE acase SET state = 'acknowledged' WHERE id = 1");
	assert_int_equal(plan(f, NOW + 26 * HOUR), 1);
	assert_string_equal(f->due[0].kind, "reminder");
}

/* A letter to the desk is not one to the customer. */
static void what_the_desk_hears_hides_no_rise(void **state)
{
	struct fixture *f = *state;
	add_case(f, 1, "C1", "likely", NOW);
	add_sent(f, 1, "open", "sent", NOW);
	sql(f, "INSERT INTO case_event (case_id, seq, at_us, actor, what) VALUES (1, 99, 0, 'abusewatch', 'level')");
	add_sent(f, 1, "desk", "sent", NOW + 4 * HOUR);
	sql(f, "UPDATE case_event SET text = 'desk to x@y.example' WHERE seq = 100; UPDATE acase SET positive_us = positive_us + 23 * 3600000000");
	assert_int_equal(plan(f, NOW + 25 * HOUR), 1);
	assert_string_equal(f->due[0].kind, "rise");
}

static void our_own_address_is_the_desks(void **state)
{
	struct fixture *f = *state;
	add_case(f, 1, "C1", "suspected", NOW);
	sql(f, "UPDATE acase SET principal_kind = 'own_ip', kind = 'listing'");
	assert_int_equal(plan(f, NOW + US_PER_S), 1);
	assert_string_equal(f->due[0].kind, "desk");
	assert_string_equal(f->due[0].recipient, "desk@isp.example");
}

static void one_letter_a_day_while_it_goes_on(void **state)
{
	struct fixture *f = *state;
	add_case(f, 1, "C1", "likely", NOW);
	sql(f, "UPDATE acase SET state = 'acknowledged'");
	add_sent(f, 1, "open", "sent", NOW);
	sql(f, "UPDATE acase SET positive_us = positive_us + 23 * 3600000000");
	assert_int_equal(plan(f, NOW + 23 * HOUR), 0);
	assert_int_equal(plan(f, NOW + 25 * HOUR), 1);
	assert_string_equal(f->due[0].kind, "reminder");
	sql(f, "INSERT INTO case_event (case_id, seq, at_us, actor, what) VALUES (1, 99, 0, 'abusewatch', 'level')");
	assert_int_equal(plan(f, NOW + 25 * HOUR), 1);
	assert_string_equal(f->due[0].kind, "rise");
}

static void old_cases_write_no_letters(void **state)
{
	struct fixture *f = *state;
	add_case(f, 1, "C1", "confirmed", NOW);
	assert_int_equal(plan(f, NOW + 25 * HOUR), 0);
}

static void a_failure_waits_before_the_next_try(void **state)
{
	struct fixture *f = *state;
	add_case(f, 1, "C1", "likely", NOW);
	add_sent(f, 1, "open", "failed", NOW + US_PER_S);
	assert_int_equal(plan(f, NOW + 60 * US_PER_S), 0);
	assert_int_equal(plan(f, NOW + 700 * US_PER_S), 1);
}

static void the_desk_is_told_when_nobody_takes_it(void **state)
{
	struct fixture *f = *state;
	add_case(f, 1, "C1", "likely", NOW);
	add_sent(f, 1, "open", "sent", NOW);
	assert_int_equal(plan(f, NOW + 3 * HOUR), 0);
	assert_int_equal(plan(f, NOW + 5 * HOUR), 1);
	assert_string_equal(f->due[0].kind, "desk");
	add_sent(f, 1, "desk", "sent", NOW + 5 * HOUR);
	assert_int_equal(plan(f, NOW + 6 * HOUR), 0);
}

static void add_event(struct fixture *f, int case_id, const char *what, int64_t at_us)
{
	char text[256];
	snprintf(text, sizeof text, "INSERT INTO case_event (case_id, seq, at_us, actor, what) SELECT %d, coalesce(max(seq), 0) + 1, %lld, 'abusewatch', '%s' FROM case_event"
	         " WHERE case_id = %d", case_id, (long long)at_us, what, case_id);
	sql(f, text);
}

/* Opened anew it waits anew for somebody, however long ago it began and whatever the desk heard then. */
static void the_desk_is_told_when_nobody_takes_it_again(void **state)
{
	struct fixture *f = *state;
	add_case(f, 1, "C1", "likely", NOW - 9 * 24 * HOUR);
	add_event(f, 1, "opened", NOW - 9 * 24 * HOUR);
	add_sent(f, 1, "desk", "sent", NOW - 8 * 24 * HOUR);
	add_event(f, 1, "closed", NOW - 7 * 24 * HOUR);
	add_event(f, 1, "reopened", NOW);
	sql(f, "UPDATE acase SET positive_us = positive_us + 9 * 24 * 3600000000");
	add_sent(f, 1, "reminder", "sent", NOW);
	assert_int_equal(plan(f, NOW + 3 * HOUR), 0);
	assert_int_equal(plan(f, NOW + 5 * HOUR), 1);
	assert_string_equal(f->due[0].kind, "desk");
	add_sent(f, 1, "desk", "sent", NOW + 5 * HOUR);
	assert_int_equal(plan(f, NOW + 6 * HOUR), 0);
}

static void what_a_clerk_asked_for_is_sent_at_once(void **state)
{
	struct fixture *f = *state;
	add_case(f, 1, "C1", "suspected", NOW);
	char text[160];
	snprintf(text, sizeof text, "INSERT INTO notification (case_id, at_us, kind, recipient, status) VALUES (1, %lld, 'asked', '', 'queued')", (long long)NOW);
	sql(f, text);
	assert_int_equal(plan(f, NOW + US_PER_S), 1);
	assert_string_equal(f->due[0].kind, "asked");
	assert_string_equal(f->due[0].recipient, "owner@known.example");
	assert_true(f->due[0].notification_id > 0);
	assert_int_equal(plan(f, NOW + 3 * HOUR), 1);
	assert_int_equal(plan(f, NOW + 25 * HOUR), 0); /* letters were off: by now it is settled, or was asked for again */
}

static void letters_are_well_formed(void **state)
{
	struct fixture *f = *state;
	struct letter l;
	struct err e = { "" };
	add_case(f, 1, "C1", "likely", NOW);
	sql(f, "INSERT INTO case_evidence (case_id, seq, at_us, detector, line) VALUES (1, 0, 0, 'new-rcpt', 'a line' || char(10) || '.' || char(10) || 'Bcc: x' || char(27))");
	assert_int_equal(plan(f, NOW + US_PER_S), 1);
	if (letter_write(&f->db, &f->conf, &f->due[0], NOW, &l, &e) < 0)
		fail_msg("%s", e.text);
	assert_non_null(strstr(buf_cstr(&l.body), "a line\xef\xbf\xbd.\xef\xbf\xbd" "Bcc: x\xef\xbf\xbd")); /* hostile bytes cannot make lines of their own */
	assert_non_null(strstr(buf_cstr(&l.body), "abuse+1@isp.example"));
	assert_non_null(strstr(buf_cstr(&l.subject), "Fall 1"));
	assert_null(strstr(buf_cstr(&l.body), "{{"));
	assert_null(strstr(buf_cstr(&l.body), "\n\n\n"));
	assert_non_null(strstr(buf_cstr(&l.message), "Auto-Submitted: auto-generated\r\n"));
	assert_non_null(strstr(buf_cstr(&l.message), "Message-Id: <case-1.open.0@isp.example>\r\n"));
	letter_fini(&l);
}

static void add_alert(struct fixture *f, int id, const char *kind, const char *customer, int64_t at_us)
{
	char text[512];
	snprintf(text, sizeof text,
	         "INSERT INTO service_alert (id, domain, kind, subject_us, at_us, customer, text) VALUES (%d, 'works.example', '%s', %d, %lld, '%s', 'It does not answer.')", id,
	         kind, id, (long long)at_us, customer);
	sql(f, text);
}

static void a_service_alert_goes_to_each_once(void **state)
{
	static char both[] = "both", none[] = "none";
	struct fixture *f = *state;
	add_alert(f, 1, "outage", "C1", NOW);
	assert_int_equal(plan(f, NOW + US_PER_S), 1); /* the desk, unless the config says more */
	assert_string_equal(f->due[0].recipient, "desk@isp.example");
	assert_int_equal(f->due[0].alert_id, 1);
	f->conf.notify.service = both;
	assert_int_equal(plan(f, NOW + US_PER_S), 2);
	assert_string_equal(f->due[1].recipient, "owner@known.example");
	assert_string_equal(f->due[1].language, "de");
	sql(f, "INSERT INTO notification (case_id, alert_id, at_us, kind, recipient, status, done_us) VALUES (0, 1, 1, 'outage', 'desk@isp.example', 'sent', 1)");
	assert_int_equal(plan(f, NOW + 2 * US_PER_S), 1);
	assert_string_equal(f->due[0].recipient, "owner@known.example");
	f->conf.notify.service = none;
	assert_int_equal(plan(f, NOW + 2 * US_PER_S), 0);
}

static void alerts_of_history_and_of_our_own_queue_do_not_bother_customers(void **state)
{
	static char customer[] = "customer";
	struct fixture *f = *state;
	f->conf.notify.service = customer;
	add_alert(f, 1, "outage", "C1", NOW - 25 * HOUR);
	add_alert(f, 2, "slow-drain", "C1", NOW);
	add_alert(f, 3, "outage", "", NOW);
	assert_int_equal(plan(f, NOW + US_PER_S), 2); /* a customer whom nobody knows: the desk */
	assert_string_equal(f->due[0].recipient, "desk@isp.example");
	assert_int_equal(f->due[1].alert_id, 3);
	assert_string_equal(f->due[1].recipient, "desk@isp.example");
}

static void a_letter_about_the_service_is_well_formed(void **state)
{
	static char both[] = "both";
	struct fixture *f = *state;
	struct letter l;
	struct err e = { "" };
	f->conf.notify.service = both;
	add_alert(f, 7, "expiry-6h", "C1", NOW);
	assert_int_equal(plan(f, NOW + US_PER_S), 2);
	for (size_t i = 0; i < 2; i++) {
		if (letter_write(&f->db, &f->conf, &f->due[i], NOW, &l, &e) < 0)
			fail_msg("%s", e.text);
		assert_non_null(strstr(buf_cstr(&l.body), "It does not answer."));
		assert_non_null(strstr(buf_cstr(&l.subject), "works.example"));
		assert_non_null(strstr(buf_cstr(&l.subject), "6 "));
		assert_null(strstr(buf_cstr(&l.body), "{{"));
		assert_null(strstr(buf_cstr(&l.message), "X-Abusewatch-Case"));
		assert_non_null(strstr(buf_cstr(&l.message), "Message-Id: <alert-7."));
		letter_fini(&l);
	}
}

static void add_change(struct fixture *f, const char *what, const char *target, const char *kind, int64_t at_us, int tell)
{
	char text[640];
	snprintf(text, sizeof text,
	         "INSERT INTO listing_change (at_us, what, target, zone, kind, customer, entry, code, points, meaning, text, cause, since_us, before, after, tell) VALUES"
	         " (%lld, '%s', '%s', 'zen.spamhaus.org', '%s', 'C1', 'block', 2130706435, 8, 'CSS', 'hostile' || char(10) || '.' || char(10) || 'text',"
	         " '[{\"kind\":\"account\",\"id\":\"eve@isp.example\",\"share\":62}]', %lld, 0, 1, %d);"
	         "INSERT OR IGNORE INTO service_alert (domain, kind, subject_us, at_us, text) VALUES ('', 'listings', %lld, %lld, '')",
	         (long long)at_us, what, target, kind, (long long)at_us, tell, (long long)(at_us - at_us % HOUR), (long long)(at_us - at_us % HOUR + HOUR));
	sql(f, text);
}

/* All of an hour in one letter to the desk, when the hour is over. */
static void changes_on_lists_are_told_by_the_hour(void **state)
{
	static char en[] = "en", de[] = "de", none[] = "none";
	struct fixture *f = *state;
	struct letter l;
	struct err e = { "" };
	add_change(f, "listed", "198.51.100.25", "own_ip", NOW + 5, 1);
	add_change(f, "listed", "192.0.2.9", "host", NOW + 7, 0); /* the first look: no news */
	add_change(f, "delisted", "192.0.2.7", "host", NOW + 9, 1);
	add_change(f, "suspended", "", "", NOW + 11, 1);
	add_change(f, "delisted", "192.0.2.8", "host", NOW + HOUR, 1);
	assert_int_equal(plan(f, NOW + 59 * 60 * US_PER_S), 0);
	assert_int_equal(plan(f, NOW + HOUR), 1);
	assert_string_equal(f->due[0].recipient, "desk@isp.example");
	for (int i = 0; i < 2; i++) {
		f->conf.notify.default_language = i ? de : en;
		assert_int_equal(plan(f, NOW + HOUR), 1);
		if (letter_write(&f->db, &f->conf, &f->due[0], NOW, &l, &e) < 0)
			fail_msg("%s", e.text);
		assert_non_null(strstr(buf_cstr(&l.subject), i ? "1 neuer Eintrag, 1 Eintrag beendet, 1 Liste ausgesetzt" : "1 new entry, 1 entry ended, 1 list suspended"));
		assert_non_null(strstr(buf_cstr(&l.body), "Spamhaus ZEN (zen.spamhaus.org)"));
		assert_non_null(strstr(buf_cstr(&l.body), "127.0.0.3: CSS"));
		assert_non_null(strstr(buf_cstr(&l.body), "https://check.spamhaus.org/"));
		assert_non_null(strstr(buf_cstr(&l.body), "eve@isp.example 62 %"));
		assert_non_null(strstr(buf_cstr(&l.body), "192.0.2.7"));
		assert_null(strstr(buf_cstr(&l.body), "192.0.2.8"));
		assert_null(strstr(buf_cstr(&l.body), "192.0.2.9"));
		assert_null(strstr(buf_cstr(&l.body), "\n.\n"));
		assert_null(strstr(buf_cstr(&l.body), "{{"));
		letter_fini(&l);
	}
	assert_int_equal(plan(f, NOW + 2 * HOUR), 2);
	f->conf.notify.service = none;
	assert_int_equal(plan(f, NOW + 2 * HOUR), 0);
	f->conf.notify.service = NULL;
	assert_int_equal(plan(f, NOW + 27 * HOUR), 0); /* history */
}

/* A whole network is listed, and the list suspended for it: all are counted, and the few that say why are not crowded out. */
static void many_changes_are_counted(void **state)
{
	static char en[] = "en";
	struct fixture *f = *state;
	struct letter l;
	struct err e = { "" };
	f->conf.notify.default_language = en;
	for (int i = 0; i < 250; i++) {
		char target[32];
		snprintf(target, sizeof target, "192.0.2.%d", i);
		add_change(f, "listed", target, "host", NOW + i, 1);
	}
	add_change(f, "suspended", "", "", NOW + 300, 1);
	sql(f, "UPDATE listing_change SET points = 0 WHERE what = 'suspended'");
	assert_int_equal(plan(f, NOW + HOUR), 1);
	if (letter_write(&f->db, &f->conf, &f->due[0], NOW, &l, &e) < 0)
		fail_msg("%s", e.text);
	assert_non_null(strstr(buf_cstr(&l.subject), "250 new entries, 1 list suspended"));
	assert_non_null(strstr(buf_cstr(&l.body), "192.0.2.99 "));
	assert_null(strstr(buf_cstr(&l.body), "192.0.2.100 "));
	assert_non_null(strstr(buf_cstr(&l.body), "and 150 more\n"));
	assert_non_null(strstr(buf_cstr(&l.body), "LISTS THAT WE DO NOT BELIEVE"));
	assert_null(strstr(buf_cstr(&l.body), "{{"));
	letter_fini(&l);
}

/* Servers that changed their software go along with the hour's letter and cause none; what happens to port 25 is a letter of its own, to the desk alone. */
static void the_network_is_the_desks(void **state)
{
	static char en[] = "en", de[] = "de", none[] = "none";
	struct fixture *f = *state;
	struct letter l;
	struct err e = { "" };
	char text[900];
	snprintf(text, sizeof text, "INSERT INTO network_event (at_us, what, address, customer, host, before, after, text, since_us) VALUES"
	         " (%lld, 'software', '192.0.2.25', 'C1', 'mail.c1.example', 'Exim 4.94', 'Exim 4.97', 'x', 1),"
	         " (%lld, 'software', '192.0.2.26', '', '', 'Postfix', '', 'x', 1)", (long long)NOW + 60, (long long)(NOW + HOUR));
	sql(f, text);
	assert_int_equal(plan(f, NOW + HOUR), 0);
	add_change(f, "listed", "198.51.100.25", "own_ip", NOW + 5, 1);
	for (int i = 0; i < 2; i++) {
		f->conf.notify.default_language = i ? de : en;
		assert_int_equal(plan(f, NOW + HOUR), 1);
		if (letter_write(&f->db, &f->conf, &f->due[0], NOW, &l, &e) < 0)
			fail_msg("%s", e.text);
		assert_non_null(strstr(buf_cstr(&l.body), i ? "vorher Exim 4.94, jetzt Exim 4.97" : "Exim 4.94 before, Exim 4.97 now"));
		assert_non_null(strstr(buf_cstr(&l.body), "192.0.2.25"));
		assert_null(strstr(buf_cstr(&l.body), "192.0.2.26")); /* of the next hour */
		assert_null(strstr(buf_cstr(&l.body), "{{"));
		letter_fini(&l);
	}
	sql(f, "DELETE FROM service_alert");
	snprintf(text, sizeof text, "INSERT INTO service_alert (domain, kind, subject_us, at_us, text) VALUES ('', 'network', %lld, %lld, 'STARTTLS is taken out.')",
	         (long long)NOW, (long long)NOW);
	sql(f, text);
	f->conf.notify.service = none;
	assert_int_equal(plan(f, NOW + US_PER_S), 0);
	f->conf.notify.service = NULL;
	for (int i = 0; i < 2; i++) {
		f->conf.notify.default_language = i ? de : en;
		assert_int_equal(plan(f, NOW + US_PER_S), 1);
		assert_string_equal(f->due[0].recipient, "desk@isp.example");
		if (letter_write(&f->db, &f->conf, &f->due[0], NOW, &l, &e) < 0)
			fail_msg("%s", e.text);
		assert_non_null(strstr(buf_cstr(&l.subject), i ? "Port 25" : "port 25"));
		assert_non_null(strstr(buf_cstr(&l.body), "STARTTLS is taken out."));
		assert_non_null(strstr(buf_cstr(&l.body), "/servers\n"));
		assert_null(strstr(buf_cstr(&l.body), "{{"));
		letter_fini(&l);
	}
}

/* A customer's server on a list is no suspicion: he hears of it below the level, with the way off. */
static void a_listed_customer_hears_of_it(void **state)
{
	struct fixture *f = *state;
	struct letter l;
	struct err e = { "" };
	add_case(f, 1, "C1", "suspected", NOW);
	sql(f, "UPDATE acase SET principal_kind = 'host', principal_id = '192.0.2.9', kind = 'listing';"
	       "INSERT INTO listing (target, zone, state, verdict, entry, code, points, meaning, text, heard_us, since_us, listed_us, negative_us, negatives, named, named_us,"
	       " named_from_us, fresh) VALUES ('192.0.2.9', 'bl.spamcop.net', 'listed', 'listed', 'block', 2130706434, 5, 'listed', '', 9, 5, 7, 0, 0, 0, 0, 0, 0),"
	       " ('192.0.2.9', 'zen.spamhaus.org', 'listed', 'listed', 'policy', 2130706442, 0, 'PBL', '', 9, 5, 7, 0, 0, 0, 0, 0, 0),"
	       " ('192.0.2.9', 'psbl.surriel.com', 'suspect', 'listed', 'block', 2130706434, 4, 'listed', '', 9, 5, 0, 0, 0, 0, 0, 0, 0)");
	assert_int_equal(plan(f, NOW + US_PER_S), 1);
	assert_string_equal(f->due[0].recipient, "owner@known.example");
	if (letter_write(&f->db, &f->conf, &f->due[0], NOW, &l, &e) < 0)
		fail_msg("%s", e.text);
	assert_non_null(strstr(buf_cstr(&l.subject), "192.0.2.9 steht auf Sperrlisten"));
	assert_non_null(strstr(buf_cstr(&l.body), "https://www.spamcop.net/bl.shtml"));
	assert_null(strstr(buf_cstr(&l.body), "PBL"));
	assert_null(strstr(buf_cstr(&l.body), "psbl"));
	assert_null(strstr(buf_cstr(&l.body), "{{"));
	letter_fini(&l);
}

/* In the operator's language, with nothing left of the English one or of the template. */
static void the_desk_has_a_language(void **state)
{
	static char de[] = "de";
	struct fixture *f = *state;
	struct letter l;
	struct err e = { "" };
	f->conf.notify.default_language = de;
	add_case(f, 1, "", "likely", NOW);
	struct letter_due due = { .case_id = 1, .kind = "desk", .recipient = "desk@isp.example", .language = "de" };
	if (letter_write(&f->db, &f->conf, &due, NOW, &l, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(buf_cstr(&l.subject), "[Fall 1] hoch: ann@isp.example - noch hat niemand diesen Fall \xc3\xbc" "bernommen");
	assert_non_null(strstr(buf_cstr(&l.body), "Schwere:         hoch, wahrscheinlich\n"));
	assert_non_null(strstr(buf_cstr(&l.body), "ann@isp.example wrote to strangers."));
	assert_non_null(strstr(buf_cstr(&l.body), "/case/1\n"));
	assert_null(strstr(buf_cstr(&l.body), "{{"));
	letter_fini(&l);
}

static int setup(void **state)
{
	static char contact[] = "owner@known.example", language[] = "de", name[] = "C1", value[] = "ann@isp.example", from[] = "abuse@isp.example",
	            reply[] = "abuse+%c@isp.example", desk[] = "desk@isp.example", level[] = "likely", en[] = "en", op[] = "Example ISP", url[] = "http://x.example",
	            none[] = "";
	struct fixture *f = xcalloc(1, sizeof *f);
	snprintf(f->dir, sizeof f->dir, "/tmp/aw-plan-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof f->path, "%s/t.db", f->dir);
	f->customer = (struct conf_customer){ name, contact, language, value, CUSTOMER_ACCOUNT };
	f->conf = (struct conf){ .customer = &f->customer, .n_customer = 1 };
	f->conf.notify = (struct conf_notify){ .from = from, .reply_to = reply, .desk = desk, .min_level = level, .default_language = en, .operator_name = op,
		                               .letters_dir = none, .cooldown_s = 86400, .escalate_s = 4 * 3600 };
	f->conf.web.base_url = url;
	*state = f;
	return db_open(&f->db, f->path, NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char rm[128];
	db_close(&f->db);
	snprintf(rm, sizeof rm, "rm -rf %s", f->dir);
	int bad = system(rm);
	free(f);
	return bad;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(any_row_of_a_customer_may_have_the_contact), TEST(the_customer_hears_of_a_case_once), TEST(a_clock_ahead_repeats_no_letter),
		TEST(below_the_level_nobody_is_told), TEST(without_a_contact_the_desk_gets_it), TEST(what_belongs_together_is_one_letter),
		TEST(old_cases_write_no_letters), TEST(a_failure_waits_before_the_next_try), TEST(what_joins_later_is_told),
		TEST(what_belongs_to_a_quiet_suspicion_is_told), TEST(what_the_desk_hears_hides_no_rise), TEST(our_own_address_is_the_desks),
		TEST(one_letter_a_day_while_it_goes_on), TEST(the_desk_is_told_when_nobody_takes_it), TEST(the_desk_is_told_when_nobody_takes_it_again),
		TEST(what_a_clerk_asked_for_is_sent_at_once), TEST(letters_are_well_formed), TEST(a_service_alert_goes_to_each_once),
		TEST(alerts_of_history_and_of_our_own_queue_do_not_bother_customers), TEST(a_letter_about_the_service_is_well_formed),
		TEST(changes_on_lists_are_told_by_the_hour), TEST(many_changes_are_counted), TEST(the_network_is_the_desks), TEST(the_desk_has_a_language),
		TEST(a_listed_customer_hears_of_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
