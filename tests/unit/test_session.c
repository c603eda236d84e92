/* What is remembered of sessions: filled in, replaced, borrowed beyond the session's end, bounded, saved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/session.h"
#include "lib/buf.h"
#include "lib/wire.h"

static struct record of(const char *session, enum record_kind kind)
{
	struct record r;
	record_clear(&r);
	r.host = SV("mx1");
	r.session = sv_cstr(session);
	r.kind = kind;
	return r;
}

static void is(struct sv got, const char *want)
{
	if (want ? !got.p || !sv_eq(got, sv_cstr(want)) : got.p != NULL)
		fail_msg("\"%.*s\" instead of \"%s\"", SVARG(got), want ? want : "(absent)");
}

static void state(const struct sessions *s, struct buf *out)
{
	buf_clear(out);
	session_table_save(s, out);
}

static void what_was_said_is_told(void **unused)
{
	(void)unused;
	struct sessions *s = session_table_new();
	struct record r = of("1", RECORD_AUTH_OK), later = of("1", RECORD_ACCEPT), other = of("2", RECORD_ACCEPT);
	r.client_ip = SV("192.0.2.1"), r.account = SV("anna"), r.auth_method = SV("PLAIN"), r.client_port = 4711;
	session_table_apply(s, &r);
	later.client_name = SV("pc.isp.example");
	session_table_apply(s, &later);
	is(later.client_ip, "192.0.2.1"), is(later.account, "anna"), is(later.auth_method, "PLAIN"), is(later.helo, NULL);
	assert_int_equal(later.client_port, 4711);
	session_table_apply(s, &other);
	is(other.account, NULL);
	session_table_free(s);
}

static void whose_port_that_is(void **unused)
{
	(void)unused;
	struct sessions *s = session_table_new();
	struct record tells = of("", RECORD_OTHER), message = of("", RECORD_ACCEPT), end = of("", RECORD_DISCONNECT), r;
	tells.client_port = message.client_port = end.client_port = 41000;
	tells.local_user = SV("web12");
	session_table_local(s, &tells);
	session_table_local(s, (r = message, &r));
	is(r.local_user, "web12");
	r = message;
	r.account = SV("anna"); /* who logged in is known better */
	session_table_local(s, &r);
	is(r.local_user, NULL);
	r = message;
	r.client_port = 41001;
	session_table_local(s, &r);
	is(r.local_user, NULL);
	r = message;
	r.time_us = tells.time_us + SESSION_YOUNG_US + 1;
	session_table_local(s, &r);
	is(r.local_user, NULL);
	struct buf saved = { 0 };
	state(s, &saved);
	struct wire w = wire_of(buf_sv(&saved));
	session_table_free(s);
	s = session_table_new();
	assert_int_equal(session_table_load(s, &w), 0);
	session_table_local(s, (r = message, &r));
	is(r.local_user, "web12");
	session_table_local(s, &end);
	session_table_local(s, (r = message, &r));
	is(r.local_user, NULL);
	session_table_free(s);
	buf_fini(&saved);
}

static void who_only_asks_takes_no_room(void **unused)
{
	(void)unused;
	struct sessions *s = session_table_new();
	struct record login = of("login", RECORD_AUTH_OK), later = of("login", RECORD_ACCEPT);
	char name[24];
	login.client_ip = SV("192.0.2.1"), login.account = SV("anna");
	session_table_apply(s, &login);
	for (unsigned i = 0; i < 2 * SESSIONS_MAX; i++) {
		(void)snprintf(name, sizeof name, "%u", i);
		struct record r = of(name, RECORD_ACCEPT);
		r.client_ip = SV("192.0.2.9");
		r.session_asks = true;
		session_table_apply(s, &r);
		is(r.account, NULL);
	}
	later.session_asks = true;
	session_table_apply(s, &later);
	is(later.account, "anna"), is(later.client_ip, "192.0.2.1");
	assert_int_equal(session_table_forgotten(s), 0);
	session_table_free(s);
}

static void login(struct sessions *s, struct record *r, const char *ip, int64_t s_later)
{
	r->client_ip = sv_cstr(ip);
	r->time_us = s_later * 1000000;
	r->logged_in = true;
	session_table_apply(s, r);
	session_table_login(s, r);
}

/* Where a message comes in another session than the log-in, the last log-in from its address within the hour is whose it is. */
static void login_from_address(void **unused)
{
	(void)unused;
	struct sessions *s = session_table_new(), *again = session_table_new();
	struct buf saved = { 0 };
	struct record in = of("1", RECORD_AUTH_OK), in2 = of("2", RECORD_AUTH_OK);
	in.account = SV("anna"), in.auth_method = SV("PLAIN"), in2.account = SV("ben");
	login(s, &in, "192.0.2.1", 10);
	session_table_save(s, &saved);
	struct wire w = wire_of(buf_sv(&saved));
	assert_int_equal(session_table_load(again, &w), 0);
	static const struct { const char *session, *ip, *who; int64_t s; } told[] = {
		{ "8", "192.0.2.1", "anna", 20 }, { "9", "192.0.2.2", NULL, 20 }, { "10", "192.0.2.1", "anna", 3610 }, { "11", "192.0.2.1", NULL, 3611 },
	};
	for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
		struct record m = of(told[i].session, RECORD_ACCEPT);
		login(again, &m, told[i].ip, told[i].s);
		is(m.account, told[i].who);
	}
	login(s, &in2, "192.0.2.1", 30);
	struct record own = of("1", RECORD_ACCEPT), last = of("7", RECORD_ACCEPT), unsaid = of("6", RECORD_ACCEPT);
	login(s, &own, "192.0.2.1", 40), is(own.account, "anna"); /* the session itself knows better */
	login(s, &last, "192.0.2.1", 40), is(last.account, "ben");
	unsaid.client_ip = SV("192.0.2.1");
	session_table_apply(s, &unsaid), session_table_login(s, &unsaid), is(unsaid.account, NULL); /* nothing says that it had logged in */
	session_table_free(s);
	session_table_free(again);
	buf_fini(&saved);
}

/* Longer and shorter texts take each other's place until the session's bytes are packed, many times. */
static void replaced_texts(void **unused)
{
	(void)unused;
	struct sessions *s = session_table_new(), *again = session_table_new();
	struct buf one = { 0 }, two = { 0 };
	char text[700];
	for (unsigned i = 0; i < 3000; i++) {
		struct record said = of("1", RECORD_OTHER), told = of("1", RECORD_DELIVERY);
		int n = snprintf(text, sizeof text, "%u%0*u@isp.example", i, (int)(i * 37 % 600), i);
		said.queue_id = SV("42"), said.sender = sv_make(text, (size_t)n), said.helo = sv_take(said.sender, i % 50 + 1);
		said.recipient = SV("same@isp.example");
		session_table_apply(s, &said);
		session_table_apply(s, &told);
		assert_true(sv_eq(told.sender, sv_take(said.sender, 512)));
		assert_true(sv_eq(told.helo, said.helo));
		is(told.recipient, "same@isp.example"), is(told.queue_id, "42"), is(told.account, NULL);
	}
	state(s, &one);
	struct wire w = wire_of(buf_sv(&one));
	assert_int_equal(session_table_load(again, &w), 0);
	state(again, &two);
	assert_true(sv_eq(buf_sv(&one), buf_sv(&two)));
	session_table_free(s);
	session_table_free(again);
	buf_fini(&one);
	buf_fini(&two);
}

static void asked_and_answered(void **unused)
{
	(void)unused;
	struct sessions *s = session_table_new();
	struct record ask = of("1", RECORD_OTHER), answer = of("1", RECORD_REJECT), next = of("1", RECORD_OTHER), last = of("1", RECORD_REJECT);
	ask.asked = answer.asked = next.asked = last.asked = true;
	ask.sender = SV("a@isp.example"), ask.recipient = SV("b@isp.example");
	session_table_apply(s, &ask);
	session_table_apply(s, &answer);
	is(answer.sender, "a@isp.example"), is(answer.recipient, "b@isp.example");
	next.sender = SV("c@isp.example"); /* another message: its recipients are not those of the one before */
	session_table_apply(s, &next);
	session_table_apply(s, &last);
	is(last.sender, "c@isp.example"), is(last.recipient, NULL);
	session_table_free(s);
}

static void a_failed_login_is_nobody(void **unused)
{
	(void)unused;
	struct sessions *s = session_table_new();
	struct record tries = of("1", RECORD_WARNING), fails = of("1", RECORD_AUTH_FAIL), once = of("1", RECORD_AUTH_FAIL), mail = of("1", RECORD_ACCEPT);
	tries.account = SV("anna");
	session_table_apply(s, &tries);
	session_table_apply(s, &fails);
	is(fails.account, "anna");
	session_table_apply(s, &once);
	is(once.account, NULL);
	session_table_apply(s, &mail);
	is(mail.account, NULL);
	session_table_free(s);
}

static void the_end(void **unused)
{
	(void)unused;
	struct sessions *s = session_table_new();
	struct record r = of("1", RECORD_CONNECT), end = of("1", RECORD_DISCONNECT), after = of("1", RECORD_ACCEPT);
	r.client_ip = SV("192.0.2.1");
	session_table_apply(s, &r);
	end.session_end = true;
	session_table_apply(s, &end);
	is(end.client_ip, "192.0.2.1"); /* still borrowed */
	session_table_apply(s, &after);
	is(after.client_ip, NULL);
	session_table_free(s);
}

static void the_oldest_is_forgotten(void **unused)
{
	(void)unused;
	struct sessions *s = session_table_new();
	char name[16];
	for (unsigned i = 0; i < SESSIONS_MAX + 100; i++) {
		(void)snprintf(name, sizeof name, "%u", i);
		struct record r = of(name, RECORD_AUTH_OK);
		r.account = sv_cstr(name);
		session_table_apply(s, &r);
	}
	uint64_t forgotten = session_table_forgotten(s);
	assert_true(forgotten >= 100);
	for (unsigned i = SESSIONS_MAX + 99; i >= forgotten; i--) { /* found, so nothing is begun and nothing forgotten */
		(void)snprintf(name, sizeof name, "%u", i);
		struct record r = of(name, RECORD_ACCEPT);
		session_table_apply(s, &r);
		is(r.account, name);
	}
	struct record first = of("0", RECORD_ACCEPT);
	session_table_apply(s, &first);
	is(first.account, NULL);
	assert_int_equal(session_table_forgotten(s), forgotten + 1);
	struct record later = of("later", RECORD_ACCEPT);
	later.time_us = first.time_us + SESSION_YOUNG_US - 1;
	session_table_apply(s, &later);
	assert_int_equal(session_table_forgotten(s), forgotten + 2);
	struct record late = of("late", RECORD_ACCEPT);
	late.time_us = first.time_us + SESSION_YOUNG_US; /* what it takes the place of has said all */
	session_table_apply(s, &late);
	assert_int_equal(session_table_forgotten(s), forgotten + 2);
	session_table_free(s);
}

/* -- recipients, of which deliveries do not speak -- */

static void apply(struct sessions *s, unsigned number, enum record_kind kind, bool found)
{
	char name[16];
	(void)snprintf(name, sizeof name, "%u", number);
	struct record r = of(name, kind);
	r.session_end = kind == RECORD_DISCONNECT;
	if (kind == RECORD_AUTH_OK)
		r.account = sv_cstr(name);
	session_table_apply(s, &r);
	if (found)
		is(r.account, name);
}

/* Sessions end in any order: the others are found, and of too many those are forgotten that were begun first. */
static void others_stay(void **unused)
{
	(void)unused;
	struct sessions *s = session_table_new();
	unsigned n = SESSIONS_MAX, left = 0;
	for (unsigned i = 0; i < n; i++)
		apply(s, i, RECORD_AUTH_OK, false);
	for (unsigned i = 0; i < n; i++)
		if (i * 2654435761u >> 31)
			apply(s, i, RECORD_DISCONNECT, false);
	for (unsigned i = 0; i < n; i++)
		if (!(i * 2654435761u >> 31)) {
			apply(s, i, RECORD_ACCEPT, true);
			left++;
		}
	for (unsigned i = left; i < n + 1000; i++) /* as many as there is room for, and a thousand more */
		apply(s, n + i, RECORD_AUTH_OK, false);
	assert_int_equal(session_table_forgotten(s), 1000);
	for (unsigned i = 0, nth = 0; i < n; i++)
		if (!(i * 2654435761u >> 31) && nth++ >= 1000)
			apply(s, i, RECORD_ACCEPT, true);
	for (unsigned i = left; i < n + 1000; i++)
		apply(s, n + i, RECORD_ACCEPT, true);
	assert_int_equal(session_table_forgotten(s), 1000);
	session_table_free(s);
}

static void granted(struct sessions *s, const char *session, const char *recipient)
{
	struct record r = of(session, RECORD_OTHER);
	r.granted = true;
	r.queue_id = SV("A.1"), r.sender = SV("anna@isp.example");
	r.recipient = sv_cstr(recipient);
	session_table_apply(s, &r);
}

static void counted(struct sessions *s, const char *session, int64_t n)
{
	struct record r = of(session, RECORD_OTHER);
	r.granted = true;
	r.nrcpt = n;
	session_table_apply(s, &r);
}

static struct record queued(struct sessions *s, const char *session)
{
	struct record r = of(session, RECORD_ENVELOPE);
	r.queue_id = SV("A.1");
	session_table_apply(s, &r);
	return r;
}

static void an_envelope_has_all_recipients(void **unused)
{
	(void)unused;
	struct sessions *s = session_table_new();
	for (int i = 0; i < 400; i++)
		granted(s, "1", i % 2 ? "bob@far.example" : "cy@far.example");
	granted(s, "2", "dan@far.example");
	counted(s, "1", 400);
	struct record r = queued(s, "1");
	is(r.sender, "anna@isp.example");
	assert_int_equal(r.recipients.n, 200 * (strlen("bob@far.example") + strlen("cy@far.example") + 2));
	assert_true(sv_starts(r.recipients, SV("cy@far.example\nbob@far.example\ncy@")));
	is(queued(s, "2").recipients, "dan@far.example\n");
	is(queued(s, "3").recipients, NULL);
	session_table_free(s);
}

static void who_is_meant_is_not_guessed(void **unused)
{
	(void)unused;
	struct sessions *s = session_table_new();
	granted(s, "1", "bob@far.example");
	granted(s, "1", "cy@far.example");
	counted(s, "1", 1);
	struct buf saved = { 0 };
	session_table_save_granted(s, &saved);
	assert_int_equal(saved.n, 1); /* as if nobody had been granted */
	is(queued(s, "1").recipients, NULL);
	buf_fini(&saved);
	session_table_free(s);
}

static void too_many_are_cut(void **unused)
{
	(void)unused;
	struct sessions *s = session_table_new();
	for (int i = 0; i < 100000; i++)
		granted(s, "1", "bob@far.example");
	struct sv all = queued(s, "1").recipients;
	assert_in_range(all.n, 32000, 32768);
	assert_int_equal(all.n % 16, 0);
	session_table_free(s);
}

static void granted_ones_are_saved(void **unused)
{
	(void)unused;
	struct sessions *s = session_table_new(), *again = session_table_new();
	struct buf saved = { 0 }, granted_ones = { 0 }, second = { 0 };
	session_table_save_granted(s, &granted_ones);
	assert_int_equal(granted_ones.n, 1); /* none */
	buf_clear(&granted_ones);
	granted(s, "1", "bob@far.example");
	granted(s, "1", "cy@far.example");
	granted(s, "2", "dan@far.example");
	session_table_save(s, &saved);
	session_table_save_granted(s, &granted_ones);
	struct wire w = wire_of(buf_sv(&saved)), g = wire_of(buf_sv(&granted_ones));
	assert_int_equal(session_table_load(again, &w), 0);
	assert_int_equal(session_table_load_granted(again, &g), 0);
	session_table_save_granted(again, &second);
	assert_true(sv_eq(buf_sv(&second), buf_sv(&granted_ones)));
	is(queued(again, "1").recipients, "bob@far.example\ncy@far.example\n");
	struct wire of_nobody = wire_of(buf_sv(&granted_ones));
	session_table_free(again);
	again = session_table_new();
	assert_int_equal(session_table_load_granted(again, &of_nobody), -1);
	buf_fini(&saved);
	buf_fini(&granted_ones);
	buf_fini(&second);
	session_table_free(again);
	session_table_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_was_said_is_told), cmocka_unit_test(whose_port_that_is), cmocka_unit_test(who_only_asks_takes_no_room), cmocka_unit_test(login_from_address), cmocka_unit_test(replaced_texts), cmocka_unit_test(asked_and_answered),
		cmocka_unit_test(a_failed_login_is_nobody), cmocka_unit_test(the_end), cmocka_unit_test(the_oldest_is_forgotten), cmocka_unit_test(others_stay),
		cmocka_unit_test(an_envelope_has_all_recipients), cmocka_unit_test(who_is_meant_is_not_guessed), cmocka_unit_test(too_many_are_cut),
		cmocka_unit_test(granted_ones_are_saved) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
