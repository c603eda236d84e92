/* Lines → messages: how they interleave, where reading stops and resumes, and what memory there is must not matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/open.h"
#include "tests/unit/messages_run.h"

/* -- a log made here: 400 messages of many kinds, their lines shuffled into one another -- */

#define MESSAGES 400
#define LINES_MAX 40

struct script { struct buf line[LINES_MAX]; int64_t at_s[LINES_MAX]; unsigned n, next; };

static void say(struct script *s, int64_t at_s, const char *program, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static void say(struct script *s, int64_t at_s, const char *program, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	assert_true(s->n < LINES_MAX);
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	s->at_s[s->n] = at_s;
	buf_clear(&s->line[s->n]);
	times_rfc3339(at_s * US_PER_S, 0, &s->line[s->n]);
	buf_printf(&s->line[s->n++], " mx postfix/%s[9]: %s\n", program, text);
}

static const char *const to_line = "%s: to=<r%u@d%u.example>, relay=mx.d%u.example[203.0.113.%u]:25, delay=1, delays=0/0/0/1, dsn=%s, status=%s (%s)";

static void deliver(struct script *s, int64_t t, const char *qid, unsigned rcpt, const char *dsn, const char *status, const char *reply)
{
	say(s, t, "smtp", to_line, qid, rcpt, rcpt, rcpt, rcpt % 250, dsn, status, reply);
}

static void head(struct script *s, int64_t t, const char *qid, unsigned m, unsigned nrcpt)
{
	say(s, t, "submission/smtpd", "%s: client=c%u.example[198.51.100.%u], sasl_method=PLAIN, sasl_username=u%u", qid, m, m % 250, m % 40);
	say(s, t, "cleanup", "%s: message-id=<m%u@x.example>", qid, m);
	say(s, t, "qmgr", "%s: from=<s%u@x.example>, size=%u, nrcpt=%u (queue active)", qid, m, 1000 + m, nrcpt);
}

static void plain_message(struct script *s, int64_t t, const char *qid, unsigned m)
{
	unsigned n = 1 + rnd(6);
	head(s, t, qid, m, n);
	bool deferred = false;
	for (unsigned i = 0; i < n; i++) {
		unsigned how = rnd(4);
		deferred |= how == 3;
		deliver(s, t + 1 + rnd(50), qid, m * 8 + i, how == 2 ? "5.1.1" : how == 3 ? "4.2.0" : "2.0.0",
		        how == 2 ? "bounced" : how == 3 ? "deferred" : "sent", how == 2 ? "550 unknown user" : "250 ok");
	}
	if (deferred) {
		say(s, t + 600, "qmgr", "%s: from=<s%u@x.example>, size=%u, nrcpt=%u (queue active)", qid, m, 1000 + m, n);
		for (unsigned i = 0; i < n; i++)
			if (strstr(buf_cstr(&s->line[3 + i]), "deferred"))
				deliver(s, t + 601, qid, m * 8 + i, "2.0.0", "sent", "250 ok");
	}
	say(s, t + 602, "qmgr", "%s: removed", qid);
}

static void filtered_message(struct script *s, int64_t t, const char *qid, unsigned m)
{
	char copy[16];
	(void)snprintf(copy, sizeof copy, "F%s", qid + 1);
	head(s, t, qid, m, 1);
	say(s, t, "smtpd", "%s: client=localhost[127.0.0.1]", copy);
	say(s, t, "cleanup", "%s: message-id=<m%u@x.example>", copy, m);
	say(s, t, "qmgr", "%s: from=<s%u@x.example>, size=%u, nrcpt=1 (queue active)", copy, m, 1400 + m);
	say(s, t + 1, "smtp", "%s: to=<r%u@d.example>, relay=127.0.0.1[127.0.0.1]:10024, delay=1, delays=0/0/0/1, dsn=2.0.0, "
	    "status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as %s)", qid, m * 8, copy);
	say(s, t + 1, "qmgr", "%s: removed", qid);
	deliver(s, t + 2, copy, m * 8, "2.0.0", "sent", "250 ok");
	say(s, t + 2, "qmgr", "%s: removed", copy);
}

static void make_scripts(struct script *v, uint32_t seed)
{
	rnd_state = seed;
	for (unsigned m = 0; m < MESSAGES; m++) {
		char qid[16];
		(void)snprintf(qid, sizeof qid, "A%09X", (m % 100) * 7919); /* ids are used again */
		v[m].n = v[m].next = 0;
		int64_t t = 1795312800 + (int64_t)(m / 100) * 2000 + rnd(600);
		if (m % 9 == 4)
			filtered_message(&v[m], t, qid, m);
		else
			plain_message(&v[m], t, qid, m);
	}
}

/* Lines of one second in any order, but those of one message in theirs. */
static void shuffle(struct script *v, uint32_t seed, struct buf *out)
{
	rnd_state = seed;
	buf_clear(out);
	for (unsigned m = 0; m < MESSAGES; m++)
		v[m].next = 0;
	for (;;) {
		int64_t least = INT64_MAX;
		unsigned n = 0, pick = 0;
		for (unsigned m = 0; m < MESSAGES; m++) {
			if (v[m].next == v[m].n)
				continue;
			int64_t at = v[m].at_s[v[m].next];
			if (at < least) {
				least = at;
				n = 0;
			}
			if (at == least && rnd(++n) == 0)
				pick = m;
		}
		if (least == INT64_MAX)
			return;
		buf_addsv(out, buf_sv(&v[pick].line[v[pick].next++]));
	}
}

static void free_scripts(struct script *v)
{
	for (unsigned m = 0; m < MESSAGES; m++)
		for (unsigned i = 0; i < LINES_MAX; i++)
			buf_fini(&v[m].line[i]);
	free(v);
}

/* -- running it -- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The messages of a log, each once, sorted by text. */
static struct buf messages_of(struct sv log)
{
	struct run r = { 0 };
	struct buf sorted = { 0 };
	char *line[MESSAGES * 4] = { 0 };
	size_t n = 0;
	start(&r, true, 0);
	pipeline_bytes(r.p, &r.f, log);
	pipeline_idle(r.p);
	stop(&r);
	for (char *p = strtok((char *)(uintptr_t)buf_cstr(&r.out), "\n"); p; p = strtok(NULL, "\n"))
		line[n++] = strchr(p, '{');
	qsort(line, n, sizeof *line, by_text);
	for (size_t i = 0; i < n; i++)
		buf_printf(&sorted, "%s\n", line[i]);
	assert_int_equal(n, MESSAGES);
	buf_fini(&r.out);
	return sorted;
}

static void interleaving_does_not_matter(void **state)
{
	struct script *v = xcalloc(MESSAGES, sizeof *v);
	struct buf log = { 0 }, want, got;
	(void)state;
	make_scripts(v, 1);
	shuffle(v, 1, &log);
	want = messages_of(buf_sv(&log));
	for (uint32_t seed = 2; seed < 8; seed++) {
		shuffle(v, seed, &log);
		got = messages_of(buf_sv(&log));
		assert_string_equal(buf_cstr(&got), buf_cstr(&want));
		buf_fini(&got);
	}
	buf_fini(&want);
	buf_fini(&log);
	free_scripts(v);
}

static void resuming_changes_nothing(void **state)
{
	struct script *v = xcalloc(MESSAGES, sizeof *v);
	struct buf log = { 0 };
	(void)state;
	make_scripts(v, 3);
	shuffle(v, 3, &log);
	for (unsigned memory = 0; memory < 2; memory++) { /* with room, and with so little that messages are evicted */
		struct run whole = { 0 };
		run_through(&whole, buf_sv(&log), 0, memory ? 60000 : 0);
		assert_true(whole.txns > 300);
		for (uint32_t seed = 1; seed <= 25; seed++) {
			rnd_state = seed;
			same_reports(&whole, buf_sv(&log), 0, 1 + seed % 3, memory ? 60000 : 0);
		}
		stop(&whole);
		buf_fini(&whole.out);
	}
	buf_fini(&log);
	free_scripts(v);
}

/* Messages that wait are folded, opened, folded again and go through snapshots: nothing that is told of them changes. */
static void folding_changes_nothing(void **state)
{
	static const int64_t after_us[] = { 1, 20000000, CORRELATE_FOLD_US };
	struct script *v = xcalloc(MESSAGES, sizeof *v);
	struct buf log = { 0 };
	(void)state;
	for (uint32_t seed = 1; seed < 4; seed++) {
		struct run never = { .fold_after_us = INT64_MAX };
		make_scripts(v, seed);
		shuffle(v, seed, &log);
		run_through(&never, buf_sv(&log), 0, 0);
		for (unsigned i = 0; i < 9; i++)
			same_reports(&never, buf_sv(&log), after_us[i % 3], i / 3, 0);
		stop(&never);
		buf_fini(&never.out);
	}
	buf_fini(&log);
	free_scripts(v);
}

static void memory_is_bounded(void **state)
{
	struct run r = { 0 };
	struct obs_counters c = { 0 };
	struct buf line = { 0 };
	size_t limit = 512u << 10;
	(void)state;
	start(&r, false, limit);
	for (unsigned i = 0; i < 20000; i++) { /* nothing ever ends */
		buf_clear(&line);
		buf_printf(&line, "2026-11-22T10:00:00Z mx postfix/smtpd[1]: B%09X: client=x[192.0.2.1]\n"
		           "2026-11-22T10:00:00Z mx postfix/qmgr[1]: B%09X: from=<a@b.example>, size=1, nrcpt=50 (queue active)\n", i, i);
		pipeline_bytes(r.p, &r.f, buf_sv(&line));
	}
	pipeline_counters(r.p, &c);
	assert_true(c.open_bytes <= limit);
	assert_true(c.evicted > 15000);
	assert_int_equal(c.tail_missing, c.evicted);
	assert_int_equal(c.evicted + c.open_messages, 20000);
	stop(&r);
	buf_fini(&line);
	buf_fini(&r.out);
}

/* -- when a message is reported -- */

static unsigned count(const struct buf *b, const char *what)
{
	unsigned n = 0;
	for (const char *p = b->p; b->n && (p = memmem(p, (size_t)(b->p + b->n - p), what, strlen(what))); p++)
		n++;
	return n;
}

#define AT(t) "2026-11-22T10:" t "Z mx postfix/"
#define OUT(t, rcpt, status) AT(t) "smtp[1]: C000000001: to=<" rcpt "@d.example>, relay=mx.d.example[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=4.0.0, status=" status " (x)\n"

static void reports_when_it_should(void **state)
{
	struct run r = { 0 };
	(void)state;
	start(&r, false, 0);
	feed_text(&r, AT("00:00") "smtpd[1]: C000000001: client=x[192.0.2.1]\n"
	              AT("00:00") "cleanup[1]: C000000001: message-id=<i@x>\n"
	              AT("00:00") "qmgr[1]: C000000001: from=<a@b.example>, size=1, nrcpt=2 (queue active)\n" OUT("00:01", "one", "sent"));
	assert_int_equal(r.txns, 0);
	feed_text(&r, OUT("00:02", "two", "deferred"));
	assert_int_equal(r.txns, 1); /* all known, one deferred: at once */
	assert_int_equal(count(&r.out, " 0 11{"), 1);
	feed_text(&r, OUT("10:02", "two", "deferred"));
	assert_int_equal(r.txns, 2); /* a replay in which only the second is new */
	assert_int_equal(count(&r.out, " 16 01{"), 1);
	assert_int_equal(count(&r.out, "\"attempts\":2"), 1);
	feed_text(&r, OUT("20:02", "two", "sent"));
	assert_int_equal(r.txns, 2); /* "removed" is about to come */
	feed_text(&r, AT("20:02") "qmgr[1]: C000000001: removed\n");
	assert_int_equal(r.txns, 3);
	assert_int_equal(count(&r.out, "\"complete\":true"), 1);
	/* one of three is slow: the first two are reported after 30 s of event time */
	feed_text(&r, AT("30:00") "smtpd[1]: C000000001: client=x[192.0.2.1]\n"
	              AT("30:00") "qmgr[1]: C000000001: from=<a@b.example>, size=1, nrcpt=3 (queue active)\n"
	              OUT("30:01", "one", "sent") OUT("30:02", "two", "bounced"));
	assert_int_equal(r.txns, 3);
	feed_text(&r, AT("30:30") "anvil[1]: statistics: max cache size 1 at x\n");
	assert_int_equal(r.txns, 3);
	feed_text(&r, AT("30:31") "anvil[1]: statistics: max cache size 1 at x\n");
	assert_int_equal(r.txns, 4);
	pipeline_idle(r.p);
	assert_int_equal(r.txns, 4);
	/* provisional, and a fact in between has a number of its own */
	feed_text(&r, AT("31:00") "smtpd[1]: warning: x[192.0.2.1]: SASL LOGIN authentication failed: no\n"
	              AT("31:00") "qmgr[1]: C000000002: from=<a@b.example>, size=1, nrcpt=3 (queue active)\n");
	assert_int_equal(count(&r.out, "5 fact "), 1);
	pipeline_idle(r.p);
	assert_int_equal(r.txns, 5);
	assert_int_equal(count(&r.out, "0 1795343460000000 9 {"), 1);
	pipeline_idle(r.p);
	assert_int_equal(r.txns, 5);
	stop(&r);
	buf_fini(&r.out);
}

static void hostile_snapshots_are_refused(void **state)
{
	struct script *v = xcalloc(MESSAGES, sizeof *v);
	struct buf log = { 0 };
	struct run r = { 0 };
	(void)state;
	make_scripts(v, 5);
	shuffle(v, 5, &log);
	start(&r, false, 0);
	pipeline_bytes(r.p, &r.f, sv_take(buf_sv(&log), 20000));
	damage(&r, 40);
	stop(&r);
	buf_fini(&r.out);
	buf_fini(&log);
	free_scripts(v);
}

/* Resumed between any two lines the log gives what it gave whole. Ends both. */
static void same_when_resumed(struct run *whole, struct buf *log)
{
	for (uint32_t seed = 1; seed <= 25; seed++) {
		rnd_state = seed;
		same_reports(whole, buf_sv(log), 0, 1, 0);
	}
	stop(whole);
	buf_fini(&whole->out);
	buf_fini(log);
}

/* What Exim was called in is remembered across a restart between any two lines. */
static void resuming_keeps_folders(void **state)
{
	struct buf log = { 0 };
	struct run whole = { 0 };
	(void)state;
	for (unsigned i = 0; i < 120; i++) { /* some wait for ever, and more processes than there is room for */
		unsigned pid = 100 + i * 37 % 50;
		if (i % 3)
			buf_printf(&log, "2026-11-24 09:00:%02u [%u] cwd=/home/web%u/www 3 args: /usr/sbin/sendmail -t\n", i / 4, pid, i % 7);
		if (i % 2)
			buf_printf(&log, "2026-11-24 09:00:%02u cwd=/home/web%u/www 3 args: /usr/sbin/sendmail -t\n", i / 4, i % 5);
		const char *with = i % 5 ? "" : " [117]";
		buf_printf(&log, "2026-11-24 09:00:%02u%s 1vNlAb-0000000%04u-0aaa <= a@isp.example U=web%u P=local S=1 for b@far.example\n", i / 4, with, i, i % 5);
		buf_printf(&log, "2026-11-24 09:00:%02u%s 1vNlAb-0000000%04u-0aaa => b@far.example R=r T=t\n", i / 4, with, i);
		buf_printf(&log, "2026-11-24 09:00:%02u%s 1vNlAb-0000000%04u-0aaa Completed\n", i / 4, with, i);
	}
	rnd_state = 1;
	run_through(&whole, buf_sv(&log), 0, 0);
	assert_true(sv_find(buf_sv(&whole.out), SV("\"cwd\":\"/home/web")) > 0);
	same_when_resumed(&whole, &log);
}

/* A list: its recipients have an index, which a resumed reading makes anew. */
static void resuming_keeps_many_recipients(void **state)
{
	struct run whole = { 0 };
	struct buf log = { 0 };
	(void)state;
	buf_puts(&log, "2026-11-24T09:00:00+00:00 mx postfix/qmgr[1]: AB12CD34EF: from=<a@x.example>, size=9, nrcpt=300 (queue active)\n");
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < 300; i++)
			buf_printf(&log, "2026-11-24T09:0%u:00+00:00 mx postfix/smtp[1]: AB12CD34EF: to=<r%u@y.example>, relay=m[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=%s (x)\n",
			           round, i, round == 2 ? "2.0.0, status=sent" : "4.2.0, status=deferred");
	buf_puts(&log, "2026-11-24T09:09:00+00:00 mx postfix/qmgr[1]: AB12CD34EF: removed\n");
	rnd_state = 1;
	run_through(&whole, buf_sv(&log), 0, 0);
	unsigned sent = 0;
	struct sv all = buf_sv(&whole.out), last = sv_skip(all, (size_t)sv_rchr(sv_take(all, all.n - 1), '\n') + 1);
	for (ptrdiff_t at; (at = sv_find(last, SV("\"status\":\"sent\""))) >= 0; last = sv_skip(last, (size_t)at + 1))
		sent++;
	assert_int_equal(sent, 300);
	same_when_resumed(&whole, &log);
}

/* A filter that gives back more copies of a message than it may have queue ids. */
static void resuming_keeps_many_copies(void **state)
{
	struct run whole = { 0 };
	struct buf log = { 0 };
	(void)state;
	buf_puts(&log, "2026-11-24T09:00:00+00:00 mx postfix/qmgr[1]: AB12CD34EF: from=<a@x.example>, size=9, nrcpt=1 (queue active)\n");
	for (unsigned i = 0; i < 2 * OPEN_KEYS_MAX; i++) {
		buf_printf(&log, "2026-11-24T09:00:01+00:00 mx postfix/smtpd[1]: C%09X: client=localhost[127.0.0.1], orig_queue_id=AB12CD34EF, orig_client=c[192.0.2.1]\n", i);
		buf_printf(&log, "2026-11-24T09:00:01+00:00 mx postfix/qmgr[1]: C%09X: from=<a@x.example>, size=9, nrcpt=1 (queue active)\n", i);
	}
	for (unsigned i = 0; i < 2 * OPEN_KEYS_MAX; i++) {
		buf_printf(&log, "2026-11-24T09:00:02+00:00 mx postfix/smtp[1]: C%09X: to=<r%u@y.example>, relay=m[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (x)\n", i, i);
		buf_printf(&log, "2026-11-24T09:00:02+00:00 mx postfix/qmgr[1]: C%09X: removed\n", i);
	}
	rnd_state = 1;
	run_through(&whole, buf_sv(&log), 0, 0);
	assert_true(whole.txns > OPEN_KEYS_MAX);
	same_when_resumed(&whole, &log);
}

/* -- a clock that stood a year ahead, and was set right -- */

#define PUT_BACK INT64_C(1795514400000000) /* 2026-11-24 10:00 */

struct heard { unsigned n, later; int64_t last_us; bool tail_missing; };

static void on_heard(void *ctx, const struct txn *t)
{
	struct heard *h = ctx;
	h->n++;
	h->later += t->at_us > PUT_BACK + 30 * US_PER_DAY;
	h->last_us = t->at_us;
	h->tail_missing |= (t->flags & TXN_TAIL_MISSING) != 0;
}

static void put_message(struct pipeline *p, struct feed *f, const char *stamp, const char *id, const char *end)
{
	char text[600];
	(void)snprintf(text, sizeof text, "%s mx postfix/smtpd[1]: %s: client=a.example[192.0.2.1]\n%s mx postfix/qmgr[1]: %s: from=<a@a.example>, size=9, nrcpt=1 (queue active)\n"
	               "%s mx postfix/smtp[3]: %s: to=<x@b.example>, relay=m[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=%s (x)\n", stamp, id, stamp, id, stamp, id, end);
	pipeline_bytes(p, f, sv_cstr(text));
}

static void put_back(unsigned fold_after_s, bool by_snapshot)
{
	struct heard h = { 0 };
	struct zone z = { .kind = ZONE_FIXED };
	struct pipeline_options o = { .correlate = true, .fold_after_us = fold_after_s * US_PER_S };
	struct pipeline_sink sink = { .ctx = &h, .txn = on_heard };
	struct pipeline *p = pipeline_new(&o, &sink);
	struct feed f;
	feed_init(&f, NULL, &z, 0, PUT_BACK + 366 * US_PER_DAY);
	put_message(p, &f, "2026-11-24T09:59:00+00:00", "AB12CD30EF", "4.2.0, status=deferred");
	put_message(p, &f, "2027-11-24T10:00:00+00:00", "AB12CD31EF", "4.2.0, status=deferred");
	put_message(p, &f, "2027-11-24T10:00:01+00:00", "AB12CD35EF", "4.2.0, status=deferred");
	put_message(p, &f, "2027-11-24T10:20:00+00:00", "AB12CD32EF", "4.2.0, status=deferred"); /* by now the ones before are folded */
	put_message(p, &f, "2027-11-24T10:20:01+00:00", "AB12CD33EF", "2.0.0, status=sent");
	if (by_snapshot) {
		struct snapshot s = { .wall_us = 7 }, t = { 0 };
		struct buf blob = { 0 };
		struct err e;
		snapshot_save(&s, p, &blob);
		pipeline_free(p);
		p = pipeline_new(&o, &sink);
		assert_int_equal(snapshot_load(buf_sv(&blob), &t, p, &e), 0);
		assert_true(t.wall_us == 7);
		snapshot_fini(&s);
		snapshot_fini(&t);
		buf_fini(&blob);
	}
	unsigned before = h.n;
	h.later = 0;
	pipeline_put_back(p, &f, PUT_BACK);
	assert_true(pipeline_now(p) == PUT_BACK);
	put_message(p, &f, "2026-11-24T10:00:10+00:00", "AB12CD34EF", "2.0.0, status=sent");
	pipeline_bytes(p, &f, SV("2026-11-24T10:00:11+00:00 mx postfix/qmgr[1]: AB12CD34EF: removed\n"
	                         "2026-11-24T10:05:00+00:00 mx postfix/smtpd[9]: connect from x.example[192.0.2.77]\n"));
	assert_int_equal(h.n, before + 2); /* both that were sent, one of which is not removed yet */
	pipeline_bytes(p, &f, SV("2026-11-24T11:00:00+00:00 mx postfix/smtp[3]: AB12CD31EF: to=<x@b.example>, relay=m[203.0.113.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (x)\n"
	                         "2026-11-24T11:00:00+00:00 mx postfix/qmgr[1]: AB12CD31EF: removed\n2026-11-24T11:05:00+00:00 mx postfix/smtpd[9]: connect from x.example[192.0.2.77]\n"));
	assert_int_equal(h.n, before + 3);
	assert_false(h.tail_missing);
	pipeline_bytes(p, &f, SV("2026-12-01T11:00:00+00:00 mx postfix/smtpd[9]: connect from x.example[192.0.2.77]\n"));
	struct obs_counters c = { 0 };
	pipeline_counters(p, &c);
	assert_int_equal(c.open_messages, 0); /* nothing was heard of the others for six days */
	assert_int_equal(h.later, 0);
	feed_fini(&f);
	pipeline_free(p);
}

static void a_clock_that_was_put_back(void **state)
{
	(void)state;
	put_back(0, false);
	put_back(60, false);
	put_back(60, true);
}

#define CAME "2026-11-24T12:00:01Z mx1 postfix/smtpd[17]: 4TtR14z1WJlz9v: client=far.example[192.0.2.5]\n" \
             "2026-11-24T12:00:01Z mx1 postfix/cleanup[18]: 4TtR14z1WJlz9v: message-id=<1@far.example>\n" \
             "2026-11-24T12:00:01Z mx1 postfix/qmgr[19]: 4TtR14z1WJlz9v: from=<x@far.example>, size=700, nrcpt=2 (queue active)\n"
#define WENT "2026-11-24T12:00:02Z mx1 postfix/pickup[20]: 4TtR15z1WJlz9v: uid=1001 from=<anna@isp.example>\n" \
             "2026-11-24T12:00:02Z mx1 postfix/cleanup[18]: 4TtR15z1WJlz9v: message-id=<1@far.example>\n" \
             "2026-11-24T12:00:02Z mx1 postfix/qmgr[19]: 4TtR15z1WJlz9v: from=<anna@isp.example>, size=700, nrcpt=1 (queue active)\n" \
             "2026-11-24T12:00:02Z mx1 postfix/smtp[21]: 4TtR15z1WJlz9v: to=<bert@far.example>, relay=mx.far.example[192.0.2.50]:25, delay=1, delays=0/0/1/0, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n"
#define WENT_ALL "2026-11-24T12:00:03Z mx1 postfix/qmgr[19]: 4TtR15z1WJlz9v: removed\n"
#define ENDED "2026-11-24T12:00:04Z mx1 postfix/local[22]: 4TtR14z1WJlz9v: to=<anna@isp.example>, relay=local, delay=3, delays=0/0/0/3, dsn=2.0.0, status=sent (delivered to mailbox)\n" \
              "2026-11-24T12:00:04Z mx1 postfix/local[22]: 4TtR14z1WJlz9v: to=<carl@isp.example>, relay=local, delay=3, delays=0/0/0/3, dsn=2.0.0, status=sent (delivered to mailbox)\n" \
              "2026-11-24T12:00:04Z mx1 postfix/qmgr[19]: 4TtR14z1WJlz9v: removed\n"
#define LATER "2026-11-24T12:01:30Z mx1 postfix/smtpd[17]: connect from far.example[192.0.2.5]\n"

/* What a mailbox's rule sends on waits for the message that it may be a copy of, and is told when that ends, whether it has left the queue or not. */
static void sent_on(void **state)
{
	(void)state;
	for (int all = 0; all < 2; all++) {
		struct buf log = { 0 };
		struct run r = { 0 };
		buf_puts(&log, CAME WENT);
		buf_puts(&log, all ? WENT_ALL ENDED : ENDED);
		buf_puts(&log, LATER);
		run_through(&r, buf_sv(&log), 0, 0);
		stop(&r);
		assert_true(sv_find(buf_sv(&r.out), SV("\"queue_id\":\"4TtR14z1WJlz9v\"")) >= 0);
		assert_true(sv_find(buf_sv(&r.out), SV("\"queue_id\":\"4TtR15z1WJlz9v\"")) >= 0);
		buf_fini(&r.out);
		buf_fini(&log);
	}
}

/* Of a message (how it came in, an outcome) and of a fact: a line that was cut ends with a sign, where a letter of it ends, one that fits is whole. */
static void cut_lines_say_so(void **state)
{
	(void)state;
	for (size_t n = 300; n < 700; n++) {
		struct run r = { .fold_after_us = INT64_MAX };
		struct buf why = { 0 }, log = { 0 }, frame = { 0 };
		char room[TXN_LINE_BYTES];
		while (why.n < n)
			buf_puts(&why, "\xc3\xa9"); /* é */
		buf_printf(&log, "2026-11-24T12:00:02Z mx1 postfix/smtpd[17]: 4TtR15z1WJlz9v: client=far.example[192.0.2.5], sasl_method=PLAIN, sasl_username=%s\n", buf_cstr(&why));
		buf_puts(&log, "2026-11-24T12:00:02Z mx1 postfix/qmgr[19]: 4TtR15z1WJlz9v: from=<anna@isp.example>, size=700, nrcpt=1 (queue active)\n");
		buf_printf(&log, "2026-11-24T12:00:02Z mx1 postfix/smtp[21]: 4TtR15z1WJlz9v: to=<bert@far.example>, relay=mx.far.example[192.0.2.50]:25, delay=1, delays=0/0/1/0, dsn=5.0.0, "
		           "status=bounced (host mx.far.example[192.0.2.50] said: 550 %s)\n" WENT_ALL LATER, buf_cstr(&why));
		run_through(&r, buf_sv(&log), 0, 0);
		stop(&r);
		for (struct sv rest = buf_sv(&log), line; rest.n; rest = sv_skip(rest, line.n + 1)) {
			line = sv_take(rest, (size_t)sv_chr(rest, '\n'));
			struct sv kept = txn_line(line, room);
			assert_true(kept.n <= TXN_LINE_BYTES && (line.n <= TXN_LINE_BYTES) == sv_eq(kept, line));
			if (line.n > TXN_LINE_BYTES) {
				assert_true(kept.n > TXN_LINE_BYTES - 3 && memcmp(kept.p + kept.n - 5, "\xc3\xa9\xe2\x80\xa6", 5) == 0 && memcmp(kept.p, line.p, kept.n - 3) == 0);
				assert_true(sv_find(buf_sv(&r.out), kept) >= 0);
			}
		}
		struct record rec;
		struct obs_record back;
		struct err e;
		enum obs_type type;
		struct sv payload;
		size_t used;
		record_clear(&rec);
		obs_put_record(&frame, 1, &rec, buf_sv(&why));
		assert_int_equal(obs_next(buf_sv(&frame), &type, &payload, &used, &e), 1);
		assert_int_equal(obs_get_record(payload, &back, &e), 0);
		assert_true(sv_eq(back.line, txn_line(buf_sv(&why), room)));
		buf_fini(&why), buf_fini(&log), buf_fini(&frame), buf_fini(&r.out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interleaving_does_not_matter), cmocka_unit_test(resuming_changes_nothing), cmocka_unit_test(resuming_keeps_folders),
		cmocka_unit_test(resuming_keeps_many_recipients), cmocka_unit_test(resuming_keeps_many_copies),
		cmocka_unit_test(folding_changes_nothing), cmocka_unit_test(memory_is_bounded), cmocka_unit_test(reports_when_it_should),
		cmocka_unit_test(hostile_snapshots_are_refused), cmocka_unit_test(sent_on), cmocka_unit_test(cut_lines_say_so), cmocka_unit_test(a_clock_that_was_put_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
