/* Bytes → lines → stamps and headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/pipeline.h"
#include "collector/syslog.h"
#include "lib/times.h"

static int64_t us(const char *t)
{
	int64_t v;
	assert_int_equal(times_parse(sv_cstr(t), &v), 0);
	return v;
}

static void assert_sv(struct sv got, const char *want)
{
	assert_int_equal(got.n, strlen(want));
	assert_memory_equal(got.p, want, got.n);
}

/* -- frame -- */

static void lines_of_blocks(void **state)
{
	struct frame f = { 0 };
	struct sv line, in = SV("one\ntwo\r\n\nthr");
	(void)state;
	frame_feed(&f, in);
	assert_true(frame_next(&f, &in, &line));
	assert_sv(line, "one");
	assert_true(frame_next(&f, &in, &line));
	assert_sv(line, "two");
	assert_true(frame_next(&f, &in, &line));
	assert_sv(line, "");
	assert_false(frame_next(&f, &in, &line));
	assert_int_equal(f.rest_bytes, 3);
	in = SV("ee\nlast");
	frame_feed(&f, in);
	assert_true(frame_next(&f, &in, &line));
	assert_sv(line, "three");
	assert_false(frame_next(&f, &in, &line));
	assert_true(frame_last(&f, &line));
	assert_sv(line, "last");
	assert_false(frame_last(&f, &line));
	assert_int_equal(f.lines, 5);
	assert_int_equal(f.bytes, 4 + 5 + 1 + 6 + 4);
	frame_fini(&f);
}

/* What comes first, and may be too little to tell lines from units of a framing, makes no difference. */
static void lines_of_two_blocks(void **state)
{
	static const char *const texts[] = { "Nov 24 00:00:00 mx one\ntwo\nthree\n", "ab\n\ncdefghijklmnopq\nx\n", "abcdefghi\nb\n" };
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		for (size_t cut = 1; cut < strlen(texts[i]); cut++) {
			struct sv text = sv_cstr(texts[i]), line, all = text;
			struct frame f = { 0 };
			for (size_t begin = 0; begin < text.n; begin = begin ? text.n : cut) {
				struct sv in = begin ? sv_skip(text, cut) : sv_take(text, cut);
				frame_feed(&f, in);
				while (frame_next(&f, &in, &line)) {
					struct sv want = sv_take(all, (size_t)sv_chr(all, '\n'));
					assert_true(sv_eq(line, want));
					all = sv_skip(all, want.n + 1);
				}
			}
			assert_int_equal(all.n, 0);
			assert_int_equal(f.bytes, text.n);
			frame_fini(&f);
		}
}

/* Wherever the reads end, the units of a container's log are the same: lines of both its streams, among pieces of a long line. */
static void units_of_two_blocks(void **state)
{
#define CRI(stream, tag) "2026-11-20T10:00:00.123456789Z " stream " " tag " "
#define DOCKER(text, stream) "{\"log\":\"" text "\",\"stream\":\"" stream "\",\"time\":\"2026-11-20T10:00:00Z\"}\n"
	static const char *const texts[] = {
		CRI("stdout", "P") "one \n" CRI("stdout", "F") "line\n" CRI("stdout", "P") "a piece\n" CRI("stderr", "F") "the other stream\n" CRI("stdout", "F") "last\n" "plain\n",
		DOCKER("one ", "stdout") DOCKER("line\\n", "stdout") DOCKER("a piece", "stdout") DOCKER("the other stream\\n", "stderr") DOCKER("last\\n", "stdout") "plain\n",
	};
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		for (size_t cut = 1; cut < strlen(texts[i]); cut++) {
			struct sv text = sv_cstr(texts[i]), line;
			struct frame f = { 0 };
			struct buf got = { 0 };
			for (size_t begin = 0; begin < text.n; begin = begin ? text.n : cut) {
				struct sv part = begin ? sv_skip(text, cut) : sv_take(text, cut);
				char *own = xmalloc(part.n); /* so that reading beside it is noticed */
				memcpy(own, part.p, part.n);
				struct sv in = sv_make(own, part.n);
				frame_feed(&f, in);
				while (frame_next(&f, &in, &line)) {
					buf_addsv(&got, line);
					buf_addc(&got, '|');
				}
				assert_int_equal(in.n, 0);
				assert_int_equal(f.bytes + f.rest_bytes, begin ? text.n : cut);
				free(own);
			}
			struct sv all = buf_sv(&got);
			unsigned units = 0;
			for (size_t at = 0; at < all.n; at++)
				units += all.p[at] == '|';
			assert_int_equal(f.bytes, text.n);
			assert_int_equal(units, 5); /* one line; a piece; the other stream's; the last; plain */
			assert_true(sv_find(all, SV("last")) > sv_find(all, SV("the other stream")));
			assert_true(sv_ends(all, SV("|plain|")));
			buf_fini(&got);
			frame_fini(&f);
		}
}

static void long_lines_are_cut(void **state)
{
	struct frame f = { 0 };
	size_t n = FRAME_LINE_MAX * 3;
	char *text = malloc(n + 3);
	struct sv line;
	(void)state;
	memset(text, 'x', n);
	memcpy(text + n, "\na\n", 3);
	for (size_t step = 7000; step <= n + 3; step += n - 7000) { /* in pieces and at once */
		struct sv all = sv_make(text, n + 3);
		uint64_t cut = f.cut_lines;
		unsigned lines = 0;
		while (all.n) {
			struct sv in = sv_take(all, step);
			all = sv_skip(all, in.n);
			frame_feed(&f, in);
			while (frame_next(&f, &in, &line)) {
				if (lines++ == 0)
					assert_int_equal(line.n, FRAME_LINE_MAX);
				else
					assert_sv(line, "a");
			}
		}
		assert_int_equal(lines, 2);
		assert_int_equal(f.cut_lines, cut + 1);
	}
	free(text);
	frame_fini(&f);
}

static void odd_bytes_are_counted(void **state)
{
	struct frame f = { 0 };
	struct sv line, in = sv_make("a\0b\0\n\xc3\xa9\n\xff x \xfe\nplain\n", 20);
	(void)state;
	frame_feed(&f, in);
	while (frame_next(&f, &in, &line))
		;
	assert_int_equal(f.nul_bytes, 2);
	assert_int_equal(f.bad_utf8, 1);
	assert_int_equal(f.lines, 4);
	frame_fini(&f);
}

/* -- stamp -- */

struct one { const char *text, *want; };

static int64_t stamp(struct stamp *s, const char *text)
{
	struct sv t = sv_cstr(text);
	int64_t v;
	int32_t off;
	assert_true(stamp_read(s, &t, &v, &off));
	assert_sv(t, "x");
	return v;
}

static struct stamp stamp_in(const char *zone, int year, const char *now)
{
	struct stamp s;
	struct zone z;
	struct err e;
	assert_int_equal(zone_init(&z, zone, &e), 0);
	stamp_init(&s, &z, year, us(now));
	return s;
}

static void stamps_with_everything(void **state)
{
	static const struct one all[] = {
		{ "2026-11-22T02:01:01.947541+00:00 x", "2026-11-22T02:01:01.947541Z" },
		{ "2026-11-22T02:01:01.5Z x", "2026-11-22T02:01:01.5Z" },
		{ "2026-11-22T02:01:01+0130 x", "2026-11-22T00:31:01Z" },
		{ "2026-11-22T02:01:01-05:00 x", "2026-11-22T07:01:01Z" },
		{ "2026-11-22T02:01:01 x", "2026-11-22T00:01:01Z" }, /* the zone of the source */
		{ "2026-11-22 02:01:01,250 x", "2026-11-22T00:01:01.25Z" },
		{ "Nov 22 02:01:01.25 x", "2026-11-22T00:01:01.25Z" },
		{ "Sun 2026-11-22 02:01:01 UTC x", "2026-11-22T02:01:01Z" },
		{ "Sun 2026-11-22 02:01:01 EET x", "2026-11-22T00:01:01Z" }, /* the zone of the source, whatever its letters */
		{ "1795312861.123456 x", "2026-11-22T02:01:01.123456Z" },
	};
	struct stamp s = stamp_in("+02:00", 0, "2026-11-23");
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		assert_int_equal(stamp(&s, all[i].text), us(all[i].want));
}

static void years_that_are_not_said(void **state)
{
	struct stamp s = stamp_in("UTC", 0, "2026-11-23T20:00:00Z");
	(void)state;
	assert_int_equal(stamp(&s, "Nov 24 00:00:00 x"), us("2025-11-24")); /* tomorrow: so last year's */
	assert_int_equal(stamp(&s, "Dec 31 23:59:59 x"), us("2025-12-31T23:59:59Z"));
	assert_int_equal(stamp(&s, "Jan  1 00:00:01 x"), us("2026-01-01T00:00:01Z"));
	assert_int_equal(stamp(&s, "Dec 31 23:59:58 x"), us("2025-12-31T23:59:58Z")); /* a late line */
	assert_int_equal(stamp(&s, "Jan  1 00:00:02 x"), us("2026-01-01T00:00:02Z"));
	s = stamp_in("UTC", 0, "2026-11-23T20:00:00Z");
	assert_int_equal(stamp(&s, "Nov 23 19:59:59 x"), us("2026-11-23T19:59:59Z"));
	s = stamp_in("UTC", 2019, "2026-11-23");
	assert_int_equal(stamp(&s, "Dec 31 10:00:00 x"), us("2019-12-31T10:00:00Z"));
	assert_int_equal(stamp(&s, "Jan  2 10:00:00 x"), us("2020-01-02T10:00:00Z"));
	assert_int_equal(stamp(&s, "Feb 29 10:00:00 x"), us("2020-02-29T10:00:00Z"));
}

static void named_zones(void **state)
{
	struct stamp s = stamp_in("Europe/Prague", 2026, "2026-11-23");
	struct zone z;
	struct err e;
	(void)state;
	assert_int_equal(stamp(&s, "Jul  1 12:00:00 x"), us("2026-07-01T10:00:00Z"));
	assert_int_equal(stamp(&s, "Dec  1 12:00:00 x"), us("2026-12-01T11:00:00Z"));
	assert_int_equal(zone_init(&z, "Mars/Olympus", &e), -1);
	assert_int_equal(zone_init(&z, "../../etc/passwd", &e), -1);
	assert_int_equal(zone_init(&z, "+99:00", &e), -1);
}

/* What the pipeline does for most lines: the same stamp again, or a later second of its minute. */
static int64_t quickly(struct stamp *s, const char *text, size_t n)
{
	if (stamp_is_memo(s, sv_cstr(text), n) || stamp_later_second(s, text, n))
		return s->memo_us;
	return stamp(s, text);
}

/* A log whose clock goes on, stands still, goes back, and passes the end of a minute, an hour (and with it summer time) and a year. */
static void later_seconds(void **state)
{
	static const char *const from[] = { "Oct 25 02:5", "Dec 31 23:5", "Mar 29 01:5", "Feb 28 23:5", "Nov  9 00:0" };
	static const char *const until[] = { "Oct 25 02:0", "Jan  1 00:0", "Mar 29 03:0", "Mar  1 00:0", "Nov  9 00:1" };
	uint32_t turn = 7, quick = 0;
	(void)state;
	for (unsigned k = 0; k < 40; k++) {
		struct stamp a = stamp_in("Europe/Prague", k % 2 ? 2026 : 0, "2026-11-23"), b = a;
		int second = 0;
		for (unsigned i = 0; i < 2000; i++) {
			char text[32];
			turn = turn * 1664525u + 1013904223u;
			second = turn >> 24 ? second + (int)(turn >> 8) % 3 : (int)(turn >> 8) % 1200; /* now and then anywhere */
			if (second >= 1200)
				second = 0;
			snprintf(text, sizeof text, "%s%d:%02d x", second < 600 ? from[k % 5] : until[k % 5], second / 60 % 10, second % 60);
			int64_t slow = stamp(&a, text);
			quick += stamp_later_second(&b, text, 15);
			int64_t got = quickly(&b, text, 15);
			assert_int_equal(got, slow);
			assert_int_equal(b.last_us, a.last_us);
			assert_int_equal(b.year, a.year);
		}
	}
	assert_true(quick > 8000); /* else it was not tried */
}

static void no_stamps(void **state)
{
	static const char *const all[] = {
		"", "x", "Nov", "Nov 24 00:00:00", "Nov 24 00:00:60x", "Foo 24 00:00:00 x", "Nov 99 00:00:00 x", "Nov 24 25:00:00 x",
		"2026-13-01T00:00:00Z x", "2026-11-22T02:01:01+ x", "2026-11-22T02:01:01", "2026-11-22T02:01:01Zx", "20261122T020101Z x",
		"Nov 24 2026 00:00:00 x", "Nov 24 00:00:00.5x", "Nov 24 00:00:00,5 x", "Nov 24 00:00:00Z x", "Sun 2026-11-22 02:01:01 UTCUTCUTC x", "Sun 2026-11-22 02:01:01x UTC x",
		"1795312861.1234567x", "1795312861 mx1 postfix", "17953128a1.123456 x",
	};
	struct stamp s = stamp_in("UTC", 0, "2026-11-23");
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct sv t = sv_cstr(all[i]);
		int64_t v;
		int32_t off;
		assert_false(stamp_read(&s, &t, &v, &off));
		assert_sv(t, all[i]);
	}
	assert_int_equal(stamp(&s, "Nov 22 10:00:00 x"), us("2026-11-22T10:00:00Z"));
	struct sv bad = SV("Jan  1 00:00:00.bad x");
	int64_t v;
	int32_t off;
	assert_false(stamp_read(&s, &bad, &v, &off));
	assert_int_equal(stamp(&s, "Nov 22 10:00:01 x"), us("2026-11-22T10:00:01Z")); /* what is no stamp says nothing about the year */
}

/* The clock stood years ahead, and so did what was believed. */
static void a_clock_that_was_put_back(void **state)
{
	struct stamp s = stamp_in("UTC", 0, "2028-11-24");
	(void)state;
	s.until_us = us("2028-11-25T00:00:00Z");
	assert_int_equal(stamp(&s, "Nov 23 10:00:00 x"), us("2028-11-23T10:00:00Z"));
	s.until_us = us("2026-11-25T00:00:00Z");
	stamp_put_back(&s, us("2026-11-24T00:00:00Z"));
	assert_int_equal(stamp(&s, "Nov 23 23:59:59 x"), us("2026-11-23T23:59:59Z"));
	assert_int_equal(stamp(&s, "2028-11-23T10:00:00Z x"), us("2026-11-23T23:59:59Z")); /* written while it was ahead, and read now */
	assert_int_equal(s.future, 1);
	assert_int_equal(stamp(&s, "Nov 24 00:00:00 x"), us("2026-11-24T00:00:00Z"));
	stamp_put_back(&s, us("2026-11-24T00:00:00Z")); /* of what is not ahead the year stands */
	assert_int_equal(s.year, 2026);
}

/* -- header -- */

static void headers(void **state)
{
	static const struct { const char *line, *host, *program; int64_t pid; const char *text; } all[] = {
		{ "Nov 22 02:01:01 mx postfix/smtpd[12]: connect", "mx", "postfix/smtpd", 12, "connect" },
		{ "Nov 22 02:01:01 mx postfix/a/smtpd[12]: x: y", "mx", "postfix/a/smtpd", 12, "x: y" },
		{ "Nov 22 02:01:01 mx kernel: boo", "mx", "kernel", RECORD_UNSET, "boo" },
		{ "Nov 22 02:01:01 mx no colon here", "mx", "", RECORD_UNSET, "no colon here" },
		{ "<22>Nov 22 02:01:01 mx a[1]: t", "mx", "a", 1, "t" },
		{ "Nov 22 02:01:01 <mail.info> mx a[1]: t", "mx", "a", 1, "t" },
		{ "<22>1 2026-11-22T02:01:01Z mx postfix/smtpd 12 - -  connect", "mx", "postfix/smtpd", 12, "connect" },
		{ "<22>1 2026-11-22T02:01:01Z mx a - ID [x y=\"]\\\"\"][z] \xef\xbb\xbft", "mx", "a", RECORD_UNSET, "t" },
		{ "2026-11-22T02:01:01Z mx a[1]: t", "mx", "a", 1, "t" },
	};
	struct stamp s = stamp_in("UTC", 2026, "2026-11-23");
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct logline l;
		assert_true(syslog_read(&s, sv_cstr(all[i].line), &l));
		assert_int_equal(l.time_us, us("2026-11-22T02:01:01Z"));
		assert_sv(l.host, all[i].host);
		assert_sv(l.program, all[i].program);
		assert_int_equal(l.pid, all[i].pid);
		assert_sv(l.text, all[i].text);
	}
}

static void repeats(void **state)
{
	struct feed f;
	struct zone z = { .kind = ZONE_FIXED };
	struct logline l;
	unsigned n;
	(void)state;
	feed_init(&f, NULL, &z, 2026, 0);
	assert_true(feed_line(&f, SV("Nov 22 02:01:01 mx a[1]: hello"), &l, &n));
	assert_int_equal(n, 1);
	assert_true(feed_line(&f, SV("Nov 22 02:01:05 mx last message repeated 4 times"), &l, &n));
	assert_null(l.native);
	assert_int_equal(n, 4);
	assert_sv(l.text, "hello");
	assert_sv(l.program, "a");
	assert_int_equal(l.time_us, us("2026-11-22T02:01:05Z"));
	assert_true(feed_line(&f, SV("Nov 22 02:01:05 mx a[1]: last message repeated 2 times"), &l, &n));
	assert_int_equal(n, 2);
	assert_sv(l.text, "hello");
	assert_true(feed_line(&f, SV("Nov 22 02:01:05 mx a[2]: last message repeated 2 times"), &l, &n)); /* of another process */
	assert_int_equal(n, 1);
	assert_sv(l.text, "last message repeated 2 times");
	assert_true(feed_line(&f, SV("Nov 22 02:01:05 mx a[1]: last message repeated 2 times, says somebody"), &l, &n));
	assert_int_equal(n, 1);
	assert_true(feed_line(&f, SV("Nov 22 02:01:06 mx b[1]: message repeated 3 times: [ well [x]]"), &l, &n));
	assert_int_equal(n, 3);
	assert_sv(l.text, "well [x]");
	assert_true(feed_line(&f, SV("Nov 22 02:01:06 mx b[1]: message repeated 999999999 times: [ x]"), &l, &n));
	assert_int_equal(n, 10000);
	assert_true(feed_line(&f, SV("Nov 22 02:01:06 mx b[1]: message repeated x times: [ x]"), &l, &n));
	assert_int_equal(n, 1);
	assert_false(feed_line(&f, SV("no stamp"), &l, &n));
	assert_int_equal(f.bad_stamps, 1);
	feed_fini(&f);
}

/* -- a server's own log, quickly and in full -- */

static void add_txn(void *ctx, const struct txn *t)
{
	txn_json(t, ctx);
}

static void add_fact(void *ctx, uint64_t seq, const struct record *r, struct sv line)
{
	buf_printf(ctx, "%llu %lld %d %lld %.*s: ", (unsigned long long)seq, (long long)r->time_us, (int)r->utc_offset_s, (long long)r->pid, SVARG(line));
	record_json(r, ctx);
}

static void no_record(void *ctx, const struct record *r, const struct logline *l)
{
	(void)ctx, (void)r, (void)l;
}

/* Where somebody wants every record, no line is read quickly. */
static struct buf read_all(const char *const *lines, size_t n, const char *zone, bool quick)
{
	struct buf out = { 0 };
	struct pipeline_sink sink = { .ctx = &out, .txn = add_txn, .fact = add_fact, .record = quick ? NULL : no_record };
	struct pipeline_options o = { .correlate = true, .final_only = true };
	struct pipeline *p = pipeline_new(&o, &sink);
	struct zone z;
	struct feed f;
	struct err e;
	assert_int_equal(zone_init(&z, zone, &e), 0);
	feed_init(&f, NULL, &z, 2026, 0);
	for (size_t i = 0; i < n; i++) {
		pipeline_bytes(p, &f, sv_cstr(lines[i]));
		pipeline_bytes(p, &f, SV("\n"));
	}
	pipeline_idle(p);
	buf_printf(&out, "%llu %lld\n", (unsigned long long)f.bad_stamps, (long long)f.stamp.last_us);
	feed_fini(&f);
	pipeline_free(p);
	return out;
}

/* Lines of one second, with and without a zone and a process of their own, other kinds of lines between them, the hour that comes twice. */
static void own_log(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"2026-10-25 01:59:59 1wXyZa-00Ab12-3C <= a@x.example H=h.example [192.0.2.1] P=esmtp S=100 id=1@x.example",
		"2026-10-25 02:30:00 1wXyZa-00Ab12-3C => b@y.example R=dnslookup T=remote_smtp H=mx.example [192.0.2.2] C=\"250 2.0.0 OK\"",
		"2026-10-25 02:30:00 1wXyZa-00Ab12-3C Completed",
		"2026-10-25 02:30:00 +0300 1wXyZb-00Ab12-3C <= a@x.example H=h.example [192.0.2.1] P=esmtp S=101",
		"2026-10-25 02:30:00 [77] H=h.example [192.0.2.9] F=<a@x.example> rejected RCPT <c@y.example>: relay not permitted",
		"2026-10-25 02:30:00 H=h.example [192.0.2.9] F=<a@x.example> rejected RCPT <d@y.example>: relay not permitted",
		"P Received: from h.example",
		"Envelope-from: <a@x.example>",
		"2026-10-25 02:30:00 1wXyZb-00Ab12-3C == c@y.example R=dnslookup T=remote_smtp defer (-44): 450 4.1.1 later",
		"2026-10-25 02:05:00 H=h.example [192.0.2.9] F=<a@x.example> rejected RCPT <e@y.example>: relay not permitted",
		"2026-10-25 02:05:00 H=h.example [192.0.2.9] F=<a@x.example> rejected RCPT <f@y.example>: relay not permitted",
		"2026-10-25 02:05:00 [78] H=h.example [192.0.2.9] F=<a@x.example> rejected RCPT <h@y.example>: relay not permitted",
		"Oct 25 02:06:00 mx1 exim[5]: 2026-10-25 02:06:00 1wXyZb-00Ab12-3C Completed",
		"2026-10-25 02:05:00 H=h.example [192.0.2.9] F=<a@x.example> rejected RCPT <g@y.example>: relay not permitted",
		"2026-10-25 02:05:00",
		"2026-10-25 02:05:00 ",
		"2026-10-25 02:05:00 x",
		"<13>2026-10-25 02:05:00 x",
		"{\"log\":\"2026-10-25 02:05:01 1wXyZc-00Ab12-3C <= <> R=1wXyZb-00Ab12-3C U=Debian-exim P=local S=102\\n\",\"time\":\"2026-10-25T00:05:01Z\"}",
		"2026-10-25 02:05:01 1wXyZc-00Ab12-3C => a@x.example R=local T=mail_spool",
		"2026-10-25 02:05:01.250 1wXyZc-00Ab12-3C Completed",
		"2026-10-25 02:05:02 1wXyZc-00Ab12-3C Completed",
	};
	static const char *const zones[] = { "UTC", "Europe/Prague", "-03:00" };
	const size_t n = sizeof lines / sizeof *lines;
	for (size_t z = 0; z < sizeof zones / sizeof *zones; z++)
		for (size_t from = 0; from < n; from++) {
			struct buf quick = read_all(lines + from, n - from, zones[z], true), full = read_all(lines + from, n - from, zones[z], false);
			assert_string_equal(buf_cstr(&quick), buf_cstr(&full));
			assert_true(full.n > 10);
			buf_fini(&quick);
			buf_fini(&full);
		}
}

static void add_line(void *ctx, uint64_t seq, const struct record *r, struct sv line)
{
	(void)seq, (void)r;
	buf_addsv(ctx, line);
	buf_addc(ctx, '\n');
}

/* Courier, vchkpw and others log what a client tried to log in with; the desk, the customer and the store do not get to see it. */
static void tried_passwords_are_not_told(void **state)
{
	(void)state;
#define HEAD "Nov 24 10:00:03 mx1 courieresmtpd: error,relay=::ffff:203.0.113.9,port=41001,msg=\"535 Authentication failed.\",cmd: "
#define SMTPD "Nov 24 10:00:04 mx1 smtpd[7]: 9a0c11d2e3f40001 smtp failed-command command=\""
#define EXIM "Nov 24 10:00:05 mx1 exim[8]: H=(x) [203.0.113.9] rejected "
#define SYNC "Nov 24 10:00:06 mx1 exim[8]: SMTP protocol synchronization error (next input sent too soon: pipelining was not advertised): "
#define VPOP "Nov 24 10:00:11 mx1 vpopmail[942]: vchkpw-pop3: password fail "
	static const char text[] = HEAD "AUTH PLAIN AGFubgB3cm9uZw== ann\n" HEAD "auth login YW5u ann\n" HEAD "AUTH PLAIN AGFubgB3cm9uZw==\n" HEAD "AUTH\n" HEAD "AUTH X\n"
		VPOP "(pass: 'a)b') ben@isp.example:203.0.113.9\n" VPOP "(pass: '\n" VPOP "ben@isp.example:203.0.113.9\n"
		SMTPD "AUTH PLAIN AGFubgB3cm9uZw==\" result=\"535 no\"\n" SMTPD "AUTH PLAIN (...)\" result=\"535 no\"\n" SMTPD "RCPT TO:<a@b>\" result=\"550 no\"\n"
		EXIM "AUTH PLAIN AGFubgB3cm9uZw==: not you\n" SYNC "rejected \"auth  PLAIN AGFubgB3cm9uZw==\" H=(x) [203.0.113.9] next input=\"MAIL\"\n"
		SYNC "rejected \"MAIL FROM:<a@b>\" H=(x) [203.0.113.8] next input=\"RCPT\"\n" HEAD "AUTH PLAIN wrong,one ann\n";
	static const char want[] = HEAD "AUTH PLAIN (...) ann\n" HEAD "auth login (...) ann\n" HEAD "AUTH PLAIN (...)\n" HEAD "AUTH\n" HEAD "AUTH X\n"
		VPOP "(...) ben@isp.example:203.0.113.9\n" VPOP "(...)\n" VPOP "ben@isp.example:203.0.113.9\n"
		SMTPD "AUTH PLAIN (...)\" result=\"535 no\"\n" SMTPD "AUTH PLAIN (...)\" result=\"535 no\"\n" SMTPD "RCPT TO:<a@b>\" result=\"550 no\"\n"
		EXIM "AUTH PLAIN (...): not you\n" SYNC "rejected \"auth  (...)\" H=(x) [203.0.113.9] next input=\"MAIL\"\n"
		SYNC "rejected \"MAIL FROM:<a@b>\" H=(x) [203.0.113.8] next input=\"RCPT\"\n" HEAD "AUTH PLAIN (...) ann\n";
#undef HEAD
#undef SMTPD
#undef EXIM
#undef SYNC
#undef VPOP
	struct buf out = { 0 };
	struct pipeline_sink sink = { .ctx = &out, .fact = add_line };
	struct pipeline_options o = { .correlate = true, .final_only = true };
	struct pipeline *p = pipeline_new(&o, &sink);
	struct zone z;
	struct feed f;
	struct err e;
	assert_int_equal(zone_init(&z, "UTC", &e), 0);
	feed_init(&f, NULL, &z, 2026, 0);
	pipeline_bytes(p, &f, sv_cstr(text));
	assert_sv(buf_sv(&out), want);
	feed_fini(&f);
	pipeline_free(p);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_blocks), cmocka_unit_test(lines_of_two_blocks), cmocka_unit_test(long_lines_are_cut), cmocka_unit_test(odd_bytes_are_counted),
		cmocka_unit_test(units_of_two_blocks), cmocka_unit_test(stamps_with_everything), cmocka_unit_test(years_that_are_not_said), cmocka_unit_test(named_zones), cmocka_unit_test(later_seconds),
		cmocka_unit_test(no_stamps), cmocka_unit_test(a_clock_that_was_put_back), cmocka_unit_test(headers), cmocka_unit_test(repeats), cmocka_unit_test(own_log),
		cmocka_unit_test(tried_passwords_are_not_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
