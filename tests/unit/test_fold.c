/* Messages that wait are kept as few bytes (collector/fold.c): nothing that is told of them changes by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/messages_run.h"

/* What may happen to a message that waited: %c is part of its queue ids, times are minutes and seconds. */
static const char *const waited[] = {
	/* a content filter's copy is deferred, the message itself left the queue, and the copy is delivered later */
	"10:00 smtpd[1]: A%c00000001: client=a.example[192.0.2.1]", "10:00 cleanup[1]: A%c00000001: message-id=<%c1@a.example>", "10:00 qmgr[1]: A%c00000001: from=<a@a.example>, size=9, nrcpt=2 (queue active)",
	"10:01 smtpd[2]: B%c00000001: client=localhost[127.0.0.1]", "10:01 cleanup[1]: B%c00000001: message-id=<%c1@a.example>", "10:01 qmgr[1]: B%c00000001: from=<a@a.example>, size=9, nrcpt=2 (queue active)",
	"10:01 smtp[3]: A%c00000001: to=<x@b.example>, relay=127.0.0.1[127.0.0.1]:10024, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 from MTA: 250 Ok: queued as B%c00000001)",
	"10:01 smtp[3]: A%c00000001: to=<y@b.example>, relay=127.0.0.1[127.0.0.1]:10024, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 from MTA: 250 Ok: queued as B%c00000001)", "10:01 qmgr[1]: A%c00000001: removed",
	"10:02 smtp[4]: B%c00000001: to=<x@b.example>, relay=mx.b.example[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=4.0.0, status=deferred (450 later)", "10:02 smtp[4]: B%c00000001: to=<y@b.example>, relay=mx.b.example[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (550 nobody)",
	"20:00 smtp[4]: B%c00000001: to=<x@b.example>, relay=mx.b.example[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 Ok)", "20:00 qmgr[1]: B%c00000001: removed",
	/* the filter was away; its copy, named by the server or by the reply, comes when it is back */
	"10:00 smtpd[1]: C%c00000001: client=a.example[192.0.2.1]", "10:00 cleanup[1]: C%c00000001: message-id=<%c2@a.example>", "10:00 qmgr[1]: C%c00000001: from=<a@a.example>, size=9, nrcpt=1 (queue active)",
	"10:01 smtp[3]: C%c00000001: to=<x@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (connect to 127.0.0.1[127.0.0.1]:10024: Connection refused)",
	"22:01 smtpd[2]: D%c00000001: client=localhost[127.0.0.1], orig_queue_id=C%c00000001, orig_client=a.example[192.0.2.1]", "22:01 cleanup[1]: D%c00000001: message-id=<%c2@a.example>", "22:01 qmgr[1]: D%c00000001: from=<a@a.example>, size=9, nrcpt=1 (queue active)",
	"22:01 smtp[3]: C%c00000001: to=<x@b.example>, relay=127.0.0.1[127.0.0.1]:10024, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as D%c00000001)", "22:01 qmgr[1]: C%c00000001: removed",
	"22:02 smtp[4]: D%c00000001: to=<x@b.example>, relay=mx.b.example[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 Ok)", "22:02 qmgr[1]: D%c00000001: removed",
	/* a copy without a name is deferred for long before the line that says whose it is */
	"10:00 smtpd[1]: E%c00000001: client=a.example[192.0.2.1]", "10:00 cleanup[1]: E%c00000001: message-id=<%c3@a.example>", "10:00 qmgr[1]: E%c00000001: from=<a@a.example>, size=9, nrcpt=1 (queue active)",
	"10:01 smtpd[2]: F%c00000001: client=localhost[127.0.0.1]", "10:01 cleanup[1]: F%c00000001: message-id=<other%c3@a.example>", "10:01 qmgr[1]: F%c00000001: from=<a@a.example>, size=9, nrcpt=1 (queue active)",
	"10:02 smtp[4]: F%c00000001: to=<x@b.example>, relay=mx.b.example[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=4.0.0, status=deferred (450 later)",
	"24:01 smtp[3]: E%c00000001: to=<x@b.example>, relay=127.0.0.1[127.0.0.1]:10024, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as F%c00000001)", "24:01 qmgr[1]: E%c00000001: removed",
	"25:02 smtp[4]: F%c00000001: to=<x@b.example>, relay=mx.b.example[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 Ok)", "25:02 qmgr[1]: F%c00000001: removed",
	/* the same message-id comes back by a list while the first one waits: only a guess, until the first was handed to it */
	"10:00 smtpd[1]: A%c00000002: client=a.example[192.0.2.1]", "10:00 cleanup[1]: A%c00000002: message-id=<%c4@a.example>", "10:00 qmgr[1]: A%c00000002: from=<a@a.example>, size=9, nrcpt=2 (queue active)",
	"10:01 smtp[3]: A%c00000002: to=<x@b.example>, relay=mx.b.example[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=4.0.0, status=deferred (450 later)", "10:01 smtp[3]: A%c00000002: to=<list@b.example>, relay=mx.b.example[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=4.0.0, status=deferred (450 later)",
	"17:01 smtpd[2]: B%c00000002: client=localhost[127.0.0.1]", "17:01 cleanup[1]: B%c00000002: message-id=<%c4@a.example>", "17:01 qmgr[1]: B%c00000002: from=<list@b.example>, size=9, nrcpt=1 (queue active)",
	"17:02 smtp[4]: B%c00000002: to=<z@c.example>, relay=mx.c.example[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=4.0.0, status=deferred (450 later)",
	"29:01 smtp[3]: A%c00000002: to=<list@b.example>, relay=127.0.0.1[127.0.0.1]:10024, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok)", "29:05 smtp[3]: A%c00000002: to=<x@b.example>, relay=mx.b.example[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 Ok)", "29:05 qmgr[1]: A%c00000002: removed",
	"30:02 smtp[4]: B%c00000002: to=<z@c.example>, relay=mx.c.example[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 Ok)", "30:02 qmgr[1]: B%c00000002: removed",
	/* two copies, of which one has ended when the other waits */
	"10:00 smtpd[1]: E%c00000002: client=a.example[192.0.2.1]", "10:00 cleanup[1]: E%c00000002: message-id=<%c5@a.example>", "10:00 qmgr[1]: E%c00000002: from=<a@a.example>, size=9, nrcpt=2 (queue active)",
	"10:01 smtp[3]: E%c00000002: to=<x@b.example>, relay=127.0.0.1[127.0.0.1]:10024, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as F%c00000002)",
	"10:01 smtp[3]: E%c00000002: to=<y@b.example>, relay=127.0.0.1[127.0.0.1]:10024, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as A%c00000003)", "10:01 qmgr[1]: E%c00000002: removed",
	"10:01 smtpd[2]: F%c00000002: client=localhost[127.0.0.1]", "10:01 qmgr[1]: F%c00000002: from=<a@a.example>, size=9, nrcpt=1 (queue active)", "10:01 smtpd[2]: A%c00000003: client=localhost[127.0.0.1]", "10:01 qmgr[1]: A%c00000003: from=<a@a.example>, size=9, nrcpt=1 (queue active)",
	"10:02 smtp[4]: F%c00000002: to=<x@b.example>, relay=mx.b.example[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 Ok)", "10:02 qmgr[1]: F%c00000002: removed",
	"10:02 smtp[4]: A%c00000003: to=<y@b.example>, relay=mx.b.example[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=4.0.0, status=deferred (450 later)",
	"21:00 smtp[4]: A%c00000003: to=<y@b.example>, relay=mx.b.example[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 Ok)", "21:00 qmgr[1]: A%c00000003: removed",
	/* a notice and the end of what was never delivered */
	"10:00 smtpd[1]: C%c00000002: client=a.example[192.0.2.1]", "10:00 qmgr[1]: C%c00000002: from=<a@a.example>, size=9, nrcpt=1 (queue active)",
	"10:01 smtp[3]: C%c00000002: to=<x@b.example>, relay=mx.b.example[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=4.0.0, status=deferred (450 later)",
	"20:30 smtp[3]: C%c00000002: to=<x@b.example>, relay=mx.b.example[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=4.0.0, status=deferred (450 much later)",
	"31:00 qmgr[1]: C%c00000002: from=<a@a.example>, status=expired, returned to sender", "31:00 bounce[5]: C%c00000002: sender non-delivery notification: D%c00000002", "31:00 qmgr[1]: D%c00000002: from=<>, size=9, nrcpt=1 (queue active)", "31:00 qmgr[1]: C%c00000002: removed",
	"31:01 smtp[3]: D%c00000002: to=<a@a.example>, relay=mx.a.example[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 Ok)", "31:01 qmgr[1]: D%c00000002: removed",
};

/* All lines of all second by second; something else is logged every second, so that time goes on. */
static void put_waited(struct buf *log)
{
	for (unsigned t = 600; t < 1920; t++) {
		char at[8];
		(void)snprintf(at, sizeof at, "%02u:%02u ", t / 60, t % 60);
		buf_printf(log, "2026-11-22T10:%.5sZ mx1 postfix/smtpd[9]: connect from unknown[192.0.2.9]\n", at);
		for (const char *id = "ABCDEF"; *id; id++)
			for (size_t i = 0; i < sizeof waited / sizeof *waited; i++) {
				if (strncmp(waited[i], at, 6) != 0)
					continue;
				buf_printf(log, "2026-11-22T10:%.5sZ mx1 postfix/", at);
				for (const char *p = waited[i] + 6; *p; p++)
					if (p[0] == '%' && p[1] == 'c')
						buf_addc(log, *id), p++;
					else
						buf_addc(log, *p);
				buf_addc(log, '\n');
			}
	}
}

static void folding_changes_no_joining(void **state)
{
	struct run never = { .fold_after_us = INT64_MAX };
	struct buf log = { 0 };
	(void)state;
	put_waited(&log);
	run_through(&never, buf_sv(&log), 0, 0);
	assert_true(never.txns >= 6 * 10);
	for (unsigned i = 0; i < 60; i++) {
		rnd_state = i + 1;
		same_reports(&never, buf_sv(&log), i % 3 ? 1 : 60000000, i % 4, 0);
	}
	stop(&never);
	buf_fini(&never.out);
	buf_fini(&log);
}

/* A message that waits for its moment to be told, as servers without a last line have, and one of which nothing that counts was told yet: neither is put away,
 * so that the first is told then and the second when a collector has nothing to read. */
static void what_is_to_be_told_is_at_hand(void **state)
{
	static const char *const lines[] = {
		"00 sm-mta[1]: 6AO810aB001001: from=<a@a.example>, size=9, class=0, nrcpts=1, msgid=<1@a.example>, proto=ESMTP, daemon=MTA, relay=a.example [192.0.2.1]",
		"01 sm-mta[2]: 6AO810aB001001: to=<x@b.example>, delay=00:00:01, mailer=esmtp, pri=39, relay=mx.b.example. [203.0.113.1], dsn=2.0.0, stat=Sent (Ok)",
		"02 postfix/smtpd[1]: A00000001: client=a.example[192.0.2.1]",
		"02 postfix/cleanup[1]: A00000001: message-id=<2@a.example>",
		"02 postfix/qmgr[1]: A00000001: from=<a@a.example>, size=9, nrcpt=1 (queue active)",
		"03 postfix/smtp[3]: A00000001: to=<x@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=unheard-of (x)",
		"08 sm-mta[2]: 6AO810aB001001: to=<y@b.example>, delay=00:00:08, mailer=esmtp, pri=39, relay=mx.b.example. [203.0.113.1], dsn=2.0.0, stat=Sent (Ok)",
	};
	struct run r[2] = { { .fold_after_us = INT64_MAX }, { .fold_after_us = 1 } };
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		start(&r[i], false, 0);
		for (unsigned s = 0; s < 50; s++) {
			char line[300];
			(void)snprintf(line, sizeof line, "2026-11-22T10:00:%02uZ mx1 postfix/smtpd[9]: connect from unknown[192.0.2.9]\n", s);
			feed_text(&r[i], line);
			for (size_t l = 0; l < sizeof lines / sizeof *lines; l++)
				if (strtoul(lines[l], NULL, 10) == s) {
					(void)snprintf(line, sizeof line, "2026-11-22T10:00:%.2sZ mx1 %s\n", lines[l], lines[l] + 3);
					feed_text(&r[i], line);
				}
		}
		pipeline_idle(r[i].p);
		stop(&r[i]);
	}
	assert_true(r[0].txns >= 3);
	assert_int_equal(r[1].out.n, r[0].out.n);
	assert_memory_equal(r[1].out.p, r[0].out.p, r[0].out.n);
	buf_fini(&r[0].out);
	buf_fini(&r[1].out);
}

/* A line of another message may be the last that is heard of one: those behind it still end after six days, and not when it is as old. */
static void old_ones_end_in_time(void **state)
{
	static const char *const names_it[] = {
		"smtpd[2]: C00000001: client=localhost[127.0.0.1], orig_queue_id=A00000001, orig_client=a.example[192.0.2.1]",
		"bounce[5]: D00000001: sender non-delivery notification: A00000001",
	};
	(void)state;
	for (unsigned i = 0; i < 2 * sizeof names_it / sizeof *names_it; i++) {
		struct run r = { .fold_after_us = i % 2 ? 60000000 : INT64_MAX };
		struct obs_counters c = { 0 };
		struct buf log = { 0 };
		start(&r, false, 0);
		for (const char *id = "AB"; *id; id++) {
			buf_printf(&log, "2026-11-01T1%c:00:00Z mx1 postfix/qmgr[1]: %c00000001: from=<a@a.example>, size=9, nrcpt=1 (queue active)\n", *id - 'A' + '0', *id);
			buf_printf(&log, "2026-11-01T1%c:00:01Z mx1 postfix/smtp[3]: %c00000001: to=<x@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.0.0, status=deferred (x)\n", *id - 'A' + '0', *id);
		}
		buf_printf(&log, "2026-11-05T10:00:00Z mx1 postfix/%s\n", names_it[i / 2]);
		pipeline_bytes(r.p, &r.f, buf_sv(&log));
		feed_text(&r, "2026-11-07T12:00:00Z mx1 postfix/smtpd[1]: connect from unknown[192.0.2.1]\n");
		pipeline_counters(r.p, &c);
		assert_int_equal(c.open_messages, 1);
		stop(&r);
		buf_fini(&log);
		buf_fini(&r.out);
	}
}

/* Of messages of one second the parts of it count, too. */
static void old_ones_end_within_their_second(void **state)
{
	static const char waits[] = "2026-11-01T10:00:01.%u00000Z mx1 postfix/%s: %c00000001: %s\n";
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct run r = { .fold_after_us = i ? 60000000 : INT64_MAX };
		struct buf log = { 0 };
		start(&r, false, 0);
		for (unsigned k = 0; k < 2; k++) {
			buf_printf(&log, waits, 4 + 2 * k, "qmgr[1]", 'A' + (int)k, "from=<a@a.example>, size=9, nrcpt=1 (queue active)");
			buf_printf(&log, waits, 4 + 2 * k, "smtp[3]", 'A' + (int)k, "to=<x@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.0.0, status=deferred (x)");
		}
		buf_printf(&log, "2026-11-01T11:00:00.000000Z mx1 postfix/smtpd[1]: connect from unknown[192.0.2.1]\n");
		for (unsigned tenth = 2; tenth < 9; tenth++)
			buf_printf(&log, "2026-11-07T10:00:01.%u00000Z mx1 postfix/smtpd[1]: connect from unknown[192.0.2.1]\n", tenth);
		for (struct sv left = buf_sv(&log); left.n;) {
			struct obs_counters c = { 0 };
			struct sv line = sv_take(left, (size_t)sv_chr(left, '\n') + 1);
			pipeline_bytes(r.p, &r.f, line);
			pipeline_counters(r.p, &c);
			if (line.p[9] == '7')
				assert_int_equal(c.open_messages, line.p[20] < '4' ? 2 : line.p[20] < '6' ? 1 : 0);
			left = sv_skip(left, line.n);
		}
		stop(&r);
		buf_fini(&log);
		buf_fini(&r.out);
	}
}

/* Many messages, three with each message-id, some of which end; then copies come, and what one was a copy of is handed to the filter. */
static void put_copies(struct buf *log)
{
	enum { GROUPS = 1000, N = 3 * GROUPS };
#define AT(s) (s) / 3600 + 1, (s) / 60 % 60, (s) % 60
#define STAMP "2026-11-22T%02u:%02u:%02uZ mx1 postfix/"
#define DELIVERY "%08X0: to=<x@b.example>, relay=%s:25, delay=1, delays=0/0/0/1, dsn=%u.0.0, status=%s (%s)\n"
	for (unsigned i = 0; i < N; i++) {
		unsigned s = i / 10, group = i * 7 % GROUPS;
		buf_printf(log, STAMP "smtpd[1]: %08X0: client=a.example[192.0.2.1]\n", AT(s), i);
		buf_printf(log, STAMP "cleanup[1]: %08X0: message-id=<%u@a.example>\n", AT(s), i, group);
		buf_printf(log, STAMP "qmgr[1]: %08X0: from=<a%u@a.example>, size=9, nrcpt=1 (queue active)\n", AT(s), i, i);
		buf_printf(log, STAMP "smtp[1]: " DELIVERY, AT(s), i, "mx.b.example[203.0.113.1]", 4u, "deferred", "450 later");
	}
	for (unsigned s = 300; s < 1200; s += 10)
		buf_printf(log, STAMP "smtpd[1]: connect from unknown[192.0.2.1]\n", AT(s));
	for (unsigned i = 0; i < N; i += 4) {
		buf_printf(log, STAMP "smtp[1]: " DELIVERY, AT(1200 + i / 100), i, "mx.b.example[203.0.113.1]", 2u, "sent", "250 Ok");
		buf_printf(log, STAMP "qmgr[1]: %08X0: removed\n", AT(1200 + i / 100), i);
	}
	for (unsigned i = 0; i < 2 * GROUPS; i++) {
		unsigned s = 1300 + i / 10, id = 0xc0000 + i, g = i % GROUPS;
		buf_printf(log, STAMP "smtpd[1]: %08X0: client=localhost[127.0.0.1]\n", AT(s), id);
		buf_printf(log, STAMP "cleanup[1]: %08X0: message-id=<%u@a.example>\n", AT(s), id, g);
		buf_printf(log, STAMP "qmgr[1]: %08X0: from=<a@a.example>, size=9, nrcpt=1 (queue active)\n", AT(s), id);
		buf_printf(log, STAMP "smtp[1]: " DELIVERY, AT(s), id, "mx.b.example[203.0.113.1]", 4u, "deferred", "450 later");
	}
	for (unsigned i = 1; i < N; i++)
		if (i % 4)
			buf_printf(log, STAMP "smtp[1]: " DELIVERY, AT(1600 + i / 10), i, "127.0.0.1[127.0.0.1]", 2u, "sent", "250 2.0.0 Ok");
	buf_printf(log, STAMP "smtpd[1]: connect from unknown[192.0.2.1]\n", AT(3600));
}

static void copies_are_of_the_newest(void **state)
{
	struct run never = { .fold_after_us = INT64_MAX };
	struct buf log = { 0 };
	(void)state;
	put_copies(&log);
	run_through(&never, buf_sv(&log), 0, 0);
	assert_true(never.txns >= 5000);
	for (unsigned i = 0; i < 4; i++) {
		rnd_state = i + 1;
		same_reports(&never, buf_sv(&log), i % 2 ? 1 : 60000000, i, 0);
	}
	stop(&never);
	buf_fini(&never.out);
	buf_fini(&log);
}

/* Messages of very many recipients, too, and of many queue ids. */
static void large_ones_come_back(void **state)
{
	struct run never = { .fold_after_us = INT64_MAX };
	struct buf log = { 0 };
	(void)state;
	for (unsigned m = 0; m < 150; m++) {
		unsigned n = m < 110 ? 1 : m == 120 ? 9000 : m * 10;
		for (unsigned i = 0; i < n; i++)
			buf_printf(&log, "2026-11-22T10:00:%02uZ mx1 postfix/smtp[%u]: C%08X: to=<%x@b%u.example>, relay=mx.b%u.example[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=4.0.0, status=deferred (450 later %u)\n",
			           m % 50, i % 7, m, rnd(1u << 24), i % 90, i % 90, rnd(i + 1));
		for (unsigned i = 0; m % 10 == 3 && i < 70; i++)
			buf_printf(&log, "2026-11-22T10:00:%02uZ mx1 postfix/smtp[7]: C%08X: to=<f%u@b.example>, relay=127.0.0.1[127.0.0.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as D%0*X)\n",
			           m % 50, m, i, (int)(5 + i % 19), m << 8 | i);
		for (unsigned i = 0; m % 10 == 3 && i < 70; i += 3)
			buf_printf(&log, "2026-11-22T10:00:%02uZ mx1 postfix/smtp[7]: D%0*X: to=<f%u@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.0.0, status=deferred (x)\n", m % 50, (int)(5 + i % 19), m << 8 | i, i);
	}
	for (unsigned t = 0; t < 50; t++)
		for (unsigned m = 0; m < 150; m++)
			if (m % 50 == t)
				buf_printf(&log, "2026-11-22T11:10:%02uZ mx1 postfix/qmgr[1]: C%08X: from=<a@a.example>, status=expired, returned to sender\n2026-11-22T11:10:%02uZ mx1 postfix/qmgr[1]: C%08X: removed\n", t, m, t, m);
	buf_printf(&log, "2026-11-22T12:00:00Z mx1 postfix/smtpd[1]: connect from unknown[192.0.2.1]\n");
	run_through(&never, buf_sv(&log), 0, 0);
	for (unsigned i = 0; i < 3; i++) {
		rnd_state = i + 1;
		same_reports(&never, buf_sv(&log), 1, i, 0);
	}
	stop(&never);
	buf_fini(&never.out);
	buf_fini(&log);
}

/* n messages, five in a second, all deferred, and then half an hour of which nothing is said. */
static void queue_up(struct run *r, unsigned n)
{
	struct buf line = { 0 };
	rnd_state = 5;
	for (unsigned i = 0; i < n; i++) {
		unsigned t = i / 5;
		buf_clear(&line);
#define LINE(daemon) "2026-11-22T10:%02u:%02uZ mx1 postfix/" daemon ": B%09X: "
		buf_printf(&line, LINE("submission/smtpd[31]") "client=dyn-%u.isp.example[198.51.100.%u], sasl_method=PLAIN, sasl_username=u%u@isp.example\n", t / 60, t % 60, i, rnd(60000), rnd(250), rnd(5000));
		buf_printf(&line, LINE("cleanup[32]") "message-id=<%08x%08x.%u@client.example>\n", t / 60, t % 60, i, rnd(UINT32_MAX), rnd(UINT32_MAX), i);
		buf_printf(&line, LINE("qmgr[33]") "from=<u%u@isp.example>, size=%u, nrcpt=1 (queue active)\n", t / 60, t % 60, i, rnd(5000), rnd(200000));
		buf_printf(&line, LINE("smtp[34]") "to=<anna%u@far%u.example>, relay=mx.far%u.example[203.0.113.%u]:25, delay=%u.2, delays=0/0/0/1, dsn=4.7.1, status=deferred (host mx.far%u.example said: 451 4.7.1 try again later)\n",
		           t / 60, t % 60, i, rnd(90000), i % 90, i % 90, rnd(250), rnd(9), i % 90);
		pipeline_bytes(r->p, &r->f, buf_sv(&line));
	}
	feed_text(r, "2026-11-22T10:30:00Z mx1 postfix/smtpd[1]: connect from unknown[192.0.2.1]\n");
	buf_fini(&line);
}

/* A queue of deferred messages: how little each takes, and that all of them end as they would have. */
static void waiting_takes_little(void **state)
{
	struct run r = { .fold_after_us = CORRELATE_FOLD_US };
	struct obs_counters c = { 0 };
	struct snapshot s = { 0 };
	struct buf blob = { 0 };
	unsigned n = 3000;
	(void)state;
	start(&r, false, 0);
	queue_up(&r, n);
	pipeline_counters(r.p, &c);
	assert_int_equal(c.open_messages, n);
	assert_true(c.open_bytes < n * 200ull);
	snapshot_save(&s, r.p, &blob);
	assert_true(blob.n < n * 170ull);
	size_t told = r.out.n;
	all_removed(r.p, &r.f, n);
	c = (struct obs_counters){ 0 };
	pipeline_idle(r.p);
	feed_text(&r, "2026-11-22T10:50:00Z mx1 postfix/smtpd[1]: connect from unknown[192.0.2.1]\n");
	pipeline_counters(r.p, &c);
	assert_int_equal(c.open_messages, 0);
	assert_true(r.out.n > told + n * 300ull);
	stop(&r);
	buf_fini(&blob);
	buf_fini(&r.out);
}

static uint64_t open_bytes(const struct run *r)
{
	struct obs_counters c = { 0 };
	pipeline_counters(r->p, &c);
	return c.open_bytes;
}

/* Packing and unpacking costs: what takes no memory worth the name is left alone. */
static void few_are_left_as_they_are(void **state)
{
	struct run few = { 0 }, many = { 0 };
	(void)state;
	start(&few, false, 0);
	queue_up(&few, 1000);
	assert_true(open_bytes(&few) > 1000 * 800ull && open_bytes(&few) < CORRELATE_UNFOLDED_BYTES);
	start(&many, false, 0);
	queue_up(&many, 5000);
	assert_true(open_bytes(&many) > CORRELATE_UNFOLDED_BYTES && open_bytes(&many) < CORRELATE_UNFOLDED_BYTES + 5000 * 200ull);
	stop(&few);
	stop(&many);
	buf_fini(&few.out);
	buf_fini(&many.out);
}

/* Memory decides which messages are told early, so after a snapshot they take as much as before, whatever numbers their keys get. */
static void a_snapshot_takes_as_much(void **state)
{
	struct run r = { .fold_after_us = CORRELATE_FOLD_US }, other = { .fold_after_us = CORRELATE_FOLD_US };
	struct snapshot s = { 0 }, t = { 0 };
	struct buf blob = { 0 }, line = { 0 };
	struct err e;
	(void)state;
	start(&r, false, 0);
	start(&other, false, 0);
	queue_up(&r, 400);
	for (unsigned i = 0; i < 300; i++) {
		buf_clear(&line);
		buf_printf(&line, "2026-11-22T10:31:00Z mx1 postfix/qmgr[33]: B%09X: removed\n", i);
		pipeline_bytes(r.p, &r.f, buf_sv(&line));
	}
	feed_text(&r, "2026-11-22T10:50:00Z mx1 postfix/smtpd[1]: connect from unknown[192.0.2.1]\n");
	snapshot_save(&s, r.p, &blob);
	assert_int_equal(snapshot_load(buf_sv(&blob), &t, other.p, &e), 0);
	assert_int_equal(open_bytes(&other), open_bytes(&r));
	stop(&r);
	stop(&other);
	snapshot_fini(&t);
	buf_fini(&line);
	buf_fini(&blob);
	buf_fini(&r.out);
	buf_fini(&other.out);
}

/* All of n messages are tried again, to no avail. */
static void try_again(struct run *r, unsigned n, unsigned minute, unsigned second)
{
	struct buf line = { 0 };
	for (unsigned i = 0; i < n; i++) {
		buf_clear(&line);
		buf_printf(&line, "2026-11-22T10:%02u:%02uZ mx1 postfix/smtp[34]: B%09X: to=<anna@far.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)\n", minute, second + i / 200, i);
		pipeline_bytes(r->p, &r->f, buf_sv(&line));
	}
	buf_fini(&line);
}

/* Messages that waited for long and were tried again are few bytes soon, also when the collector was started anew in between. */
static void tried_again_they_take_little(void **state)
{
	struct run r = { .fold_after_us = CORRELATE_FOLD_US }, other = { .fold_after_us = CORRELATE_FOLD_US };
	struct snapshot s = { 0 }, t = { 0 };
	struct buf blob = { 0 };
	struct err e;
	unsigned n = 2000;
	(void)state;
	start(&r, false, 0);
	start(&other, false, 0);
	queue_up(&r, n);
	uint64_t waiting = open_bytes(&r);
	try_again(&r, n, 35, 0);
	assert_true(open_bytes(&r) > n * 1000ull);
	snapshot_save(&s, r.p, &blob);
	assert_int_equal(snapshot_load(buf_sv(&blob), &t, other.p, &e), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct run *one = i ? &other : &r;
		try_again(one, n, 35, 20);
		assert_true(open_bytes(one) > n * 1000ull);
		feed_text(one, "2026-11-22T10:36:30Z mx1 postfix/smtpd[1]: connect from unknown[192.0.2.1]\n");
		assert_true(open_bytes(one) < waiting + n * 100ull);
	}
	assert_int_equal(open_bytes(&other), open_bytes(&r));
	stop(&r);
	stop(&other);
	snapshot_fini(&t);
	buf_fini(&blob);
	buf_fini(&r.out);
	buf_fini(&other.out);
}

/* A queue of which some are folded and some are not: tried again and gone, it is told as one of which none is. */
static void a_part_of_them_is_told_alike(void **state)
{
	struct run r[2] = { { .fold_after_us = INT64_MAX }, { 0 } };
	unsigned n = 4000;
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		start(&r[i], false, 0);
		r[i].fold_after_us = 1; /* its lines are told along from now on */
		queue_up(&r[i], n);
		try_again(&r[i], n, 35, 0);
		feed_text(&r[i], "2026-11-22T10:36:30Z mx1 postfix/smtpd[1]: connect from unknown[192.0.2.1]\n");
		struct obs_counters c = { 0 };
		pipeline_counters(r[i].p, &c);
		assert_true(i ? c.open_bytes < n * 1000ull && c.open_bytes > CORRELATE_UNFOLDED_BYTES : c.open_bytes > n * 1000ull);
		all_removed(r[i].p, &r[i].f, n);
		pipeline_idle(r[i].p);
		stop(&r[i]);
	}
	assert_int_equal(r[1].out.n, r[0].out.n);
	assert_memory_equal(r[1].out.p, r[0].out.p, r[0].out.n);
	buf_fini(&r[0].out);
	buf_fini(&r[1].out);
}

/* Where memory ends those are given up that were not heard of for longest: first what waited, of it what was not tried again since. */
static void the_oldest_are_given_up(void **state)
{
	struct run r = { .fold_after_us = CORRELATE_FOLD_US };
	struct buf line = { 0 };
	unsigned n = 2000, tried = 300, known = 0;
	(void)state;
	start(&r, false, 1200000);
	queue_up(&r, n); /* of which the first are given up, as they come before any of them is folded */
	struct obs_counters c = { 0 };
	pipeline_counters(r.p, &c);
	assert_true(c.open_messages > 700 && c.open_messages < n);
	unsigned first = n - (unsigned)c.open_messages;
	for (unsigned i = first; i < first + tried; i++) {
		buf_clear(&line);
		buf_printf(&line, "2026-11-22T10:%02u:00Z mx1 postfix/smtp[34]: B%09X: to=<anna@far.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)\n", 31 + i / 100 % 20, i);
		pipeline_bytes(r.p, &r.f, buf_sv(&line));
	}
	feed_text(&r, "2026-11-22T10:55:00Z mx1 postfix/smtpd[1]: connect from unknown[192.0.2.1]\n");
	for (unsigned i = 0; i < 970; i++) { /* new ones, which take most there is */
		buf_clear(&line);
		buf_printf(&line, "2026-11-22T10:55:00Z mx1 postfix/qmgr[1]: F%08X: from=<a@a.example>, size=9, nrcpt=1 (queue active)\n", i);
		pipeline_bytes(r.p, &r.f, buf_sv(&line));
	}
	/* Of those that are known no line is the first: from the one that was heard of last to the first. */
	for (unsigned k = n - first; k-- > 0;) {
		unsigned untried = n - first - tried, i = k >= untried ? first + k - untried : first + tried + k;
		size_t from = r.out.n;
		buf_clear(&line);
		buf_printf(&line, "2026-11-22T10:56:00Z mx1 postfix/qmgr[33]: B%09X: removed\n", i);
		pipeline_bytes(r.p, &r.f, buf_sv(&line));
		bool is = sv_find(sv_skip(buf_sv(&r.out), from), SV("\"replay\"")) >= 0;
		assert_true(!is || known == n - first - k - 1);
		known += is;
	}
	assert_true(known > tried && known < n - first);
	stop(&r);
	buf_fini(&line);
	buf_fini(&r.out);
}

static void damage_is_harmless(void **state)
{
	struct run r = { .fold_after_us = CORRELATE_FOLD_US };
	(void)state;
	start(&r, false, 0);
	queue_up(&r, 300); /* folded, the last of them packed */
	damage(&r, 200);
	stop(&r);
	buf_fini(&r.out);
}

/* A snapshot that lies about how much of a message's text is in use: no more memory is asked for than the text needs. */
static void damage_takes_no_memory(void **state)
{
	static const char waits[] = "2026-11-22T10:40:00Z mx1 postfix/smtp[3]: %s: to=<%0300u@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.0.0, status=deferred (x)\n";
	struct run r = { .fold_after_us = CORRELATE_FOLD_US };
	struct snapshot s = { 0 };
	struct buf blob = { 0 }, line = { 0 };
	struct err e;
	(void)state;
	start(&r, false, 0);
	queue_up(&r, 1);
	buf_printf(&line, waits, "C00000001", 0u);
	pipeline_bytes(r.p, &r.f, buf_sv(&line));
	buf_clear(&line);
	for (unsigned i = 1; i < 4; i++) {
		buf_printf(&line, waits, "B000000000", i);
		buf_printf(&line, waits, "C00000001", i);
	}
	snapshot_save(&s, r.p, &blob);
	for (size_t i = 1; i < 4 * blob.n; i++) {
		struct run other = { 0 };
		struct snapshot t = { 0 };
		char *at = &blob.p[i / 4], was = *at;
		*at = "\x01\x02\x40\x7e"[i % 4];
		start(&other, false, 0);
		if (snapshot_load(buf_sv(&blob), &t, other.p, &e) == 0) {
			pipeline_bytes(other.p, &other.f, buf_sv(&line));
			assert_true(open_bytes(&other) < 1u << 20);
		}
		*at = was;
		stop(&other);
		snapshot_fini(&t);
		buf_fini(&other.out);
	}
	stop(&r);
	buf_fini(&line);
	buf_fini(&blob);
	buf_fini(&r.out);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(folding_changes_no_joining), cmocka_unit_test(what_is_to_be_told_is_at_hand), cmocka_unit_test(old_ones_end_in_time), cmocka_unit_test(old_ones_end_within_their_second), cmocka_unit_test(copies_are_of_the_newest), cmocka_unit_test(large_ones_come_back),
		cmocka_unit_test(waiting_takes_little), cmocka_unit_test(few_are_left_as_they_are),
		cmocka_unit_test(a_snapshot_takes_as_much), cmocka_unit_test(tried_again_they_take_little),
		cmocka_unit_test(a_part_of_them_is_told_alike), cmocka_unit_test(the_oldest_are_given_up),
		cmocka_unit_test(damage_is_harmless), cmocka_unit_test(damage_takes_no_memory) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
