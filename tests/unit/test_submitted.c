/* What a webmail says of a message: before and after the server's lines, whole and through snapshots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "collector/snapshot.h"
#include "tests/unit/messages_run.h"

#define WEB "2026-11-24T12:00:00.9Z web1 roundcube: <b0nccpkl> User anna@isp.example [198.51.100.7]; Message <1@isp.example> for bert@far.example, carl@far.example; 250: 2.0.0 Ok: queued as 4TtR14z1WJlz9v\n"
#define OTHER "2026-11-24T12:00:00.9Z web1 roundcube: <b0nccpkl> User eve@isp.example [203.0.113.66]; Message <%u@isp.example> for x@far.example; 250: 2.0.0 Ok: queued as 4TtR15z1WJlz9v\n"
#define TAKEN "2026-11-24T12:00:01.1Z mail1 postfix/smtpd[17]: 4TtR14z1WJlz9v: client=web1.isp.example[198.51.100.5]\n" \
              "2026-11-24T12:00:01.2Z mail1 postfix/cleanup[18]: 4TtR14z1WJlz9v: message-id=<1@isp.example>\n"
#define SENT "2026-11-24T12:00:02.0Z mail1 postfix/qmgr[19]: 4TtR14z1WJlz9v: from=<anna@isp.example>, size=700, nrcpt=1 (queue active)\n" \
             "2026-11-24T12:00:02.1Z mail1 postfix/smtp[20]: 4TtR14z1WJlz9v: to=<bert@far.example>, relay=mx.far.example[192.0.2.50]:25, delay=1, delays=0/0/1/0, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n" \
             "2026-11-24T12:00:02.2Z mail1 postfix/qmgr[19]: 4TtR14z1WJlz9v: removed\n"

static void same_through_snapshots(struct buf *log, bool joined)
{
	struct run whole = { 0 };
	run_through(&whole, buf_sv(log), 0, 0);
	stop(&whole);
	assert_int_equal(whole.txns, 1);
	assert_int_equal(sv_find(buf_sv(&whole.out), SV("\"client_ip\":\"198.51.100.7\",\"account\":\"anna@isp.example\"")) >= 0, joined);
	for (rnd_state = 1; rnd_state <= 40;) {
		uint32_t seed = rnd_state;
		struct run cut = { 0 };
		run_through(&cut, buf_sv(log), 1, 0);
		stop(&cut);
		assert_string_equal(buf_cstr(&cut.out), buf_cstr(&whole.out));
		buf_fini(&cut.out);
		rnd_state = seed + 1;
	}
	buf_fini(&whole.out);
	buf_fini(log);
}

static void before_and_after(void **state)
{
	struct buf log = { 0 };
	(void)state;
	buf_puts(&log, WEB TAKEN SENT);
	same_through_snapshots(&log, true);
	buf_puts(&log, TAKEN WEB SENT);
	same_through_snapshots(&log, true);
	buf_puts(&log, TAKEN SENT WEB);
	same_through_snapshots(&log, false);
}

/* Of many that wait the newest ones. */
static void among_others(void **state)
{
	struct buf log = { 0 };
	(void)state;
	for (unsigned others = 31; others <= 32; others++) {
		buf_puts(&log, WEB);
		for (unsigned i = 0; i < others; i++)
			buf_printf(&log, OTHER, i + 2);
		buf_puts(&log, TAKEN SENT);
		same_through_snapshots(&log, others < 32);
	}
}

/* The id that another host gave is looked for on as many hosts as a farm has; not where somebody invents their names. */
static void among_hosts(void **state)
{
	(void)state;
	for (unsigned hosts = 1024; hosts <= 1025; hosts++) {
		struct buf log = { 0 };
		struct run r = { 0 };
		buf_puts(&log, TAKEN);
		for (unsigned i = 2; i < hosts; i++) /* beside mail1 and web1 */
			buf_printf(&log, "2026-11-24T12:00:01.3Z mx%u postfix/qmgr[19]: 4TtR16z1WJlz9v: removed\n", i);
		buf_puts(&log, WEB SENT);
		run_through(&r, buf_sv(&log), 0, 0);
		stop(&r);
		assert_int_equal(sv_find(buf_sv(&r.out), SV("\"account\":\"anna@isp.example\"")) >= 0, hosts == 1024);
		buf_fini(&r.out);
		buf_fini(&log);
	}
}

static void damaged(void **state)
{
	struct run r = { 0 };
	(void)state;
	start(&r, false, 0);
	feed_text(&r, WEB);
	damage(&r, 1);
	stop(&r);
	buf_fini(&r.out);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(before_and_after), cmocka_unit_test(among_others), cmocka_unit_test(among_hosts), cmocka_unit_test(damaged) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
