/* Stamps around the places where clocks and calendars are odd, and what becomes of messages when they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "collector/pipeline.h"
#include "lib/times.h"

static struct stamp stamps(const char *zone_name, int year)
{
	struct zone z;
	struct err e;
	struct stamp s;
	assert_int_equal(zone_init(&z, zone_name, &e), 0);
	stamp_init(&s, &z, year, 1795514400 * US_PER_S); /* 2026-11-24 10:00:00 UTC */
	return s;
}

static void reads(struct stamp *s, const char *text, const char *want)
{
	struct sv t = sv_cstr(text);
	int64_t us = 0;
	int32_t off = 0;
	assert_true(stamp_read(s, &t, &us, &off));
	assert_string_equal(times_text(us, off).s, want);
}

static void year_rolls_over(void **state)
{
	struct stamp s = stamps("UTC", 2025);
	(void)state;
	reads(&s, "Dec 31 23:59:58 x", "2025-12-31T23:59:58+00:00");
	reads(&s, "Jan  1 00:00:01 x", "2026-01-01T00:00:01+00:00");
	reads(&s, "Dec 31 23:59:59 x", "2025-12-31T23:59:59+00:00"); /* a late line */
	reads(&s, "Jan  1 00:00:02 x", "2026-01-01T00:00:02+00:00");
	reads(&s, "Jun  1 00:00:00 x", "2026-06-01T00:00:00+00:00");
	reads(&s, "Dec 31 23:59:59 x", "2026-12-31T23:59:59+00:00");
	reads(&s, "Jan  1 00:00:00 x", "2027-01-01T00:00:00+00:00");
}

static void a_clock_that_was_never_set_is_not_believed(void **state)
{
	struct stamp s = stamps("UTC", 0); /* it is November 24, 2026 */
	(void)state;
	s.until_us = s.now_us + STAMP_FUTURE_US;
	reads(&s, "Nov 23 12:00:00 x", "2026-11-23T12:00:00+00:00");
	reads(&s, "Jan  1 00:00:12 x", "2026-11-23T12:00:00+00:00");
	reads(&s, "Jan  1 00:00:12 x", "2026-11-23T12:00:00+00:00");
	reads(&s, "2099-01-01T00:00:00Z x", "2026-11-23T12:00:00+00:00");
	assert_false(stamp_later_second(&s, "2099-01-01T00:00:01", 19));
	reads(&s, "2099-01-01 00:00:01 x", "2026-11-23T12:00:00+00:00");
	assert_int_equal(s.future, 4);
	reads(&s, "Nov 23 12:00:01 x", "2026-11-23T12:00:01+00:00");
	reads(&s, "Nov 25 09:00:00 x", "2026-11-25T09:00:00+00:00"); /* of a wrong zone, or of a day that is dated ahead */
	reads(&s, "Nov 30 09:00:00 x", "2026-11-30T09:00:00+00:00"); /* and so on */
	reads(&s, "1970-01-01T00:00:00Z x", "1970-01-01T00:00:00+00:00");
	reads(&s, "2026-11-24T09:00:00Z x", "2026-11-24T09:00:00+00:00");
	assert_int_equal(s.future, 4);
}

static void not_even_in_the_first_line(void **state)
{
	struct stamp s = stamps("UTC", 0);
	(void)state;
	s.until_us = s.now_us + STAMP_FUTURE_US;
	reads(&s, "2099-01-01T00:00:00Z x", times_text(s.now_us, 0).s);
	reads(&s, "2026-11-23T12:00:00Z x", "2026-11-23T12:00:00+00:00");
	reads(&s, "2099-01-01T00:00:00Z x", "2026-11-23T12:00:00+00:00");
	assert_int_equal(s.future, 2);
}

/* Where a new year may well have begun, the stamps after it say whether it did. */
static void a_year_that_did_not_begin(void **state)
{
	struct stamp s = stamps("UTC", 2024);
	(void)state;
	reads(&s, "Nov 23 12:00:00 x", "2024-11-23T12:00:00+00:00");
	reads(&s, "Jan  1 00:00:12 x", "2025-01-01T00:00:12+00:00");
	reads(&s, "Nov 23 12:00:01 x", "2024-11-23T12:00:01+00:00");
	reads(&s, "Jan  3 00:00:00 x", "2025-01-03T00:00:00+00:00");
	reads(&s, "Jan  5 00:00:00 x", "2025-01-05T00:00:00+00:00");
	reads(&s, "Nov 23 12:00:01 x", "2025-11-23T12:00:01+00:00");
}

/* One that did, after days of silence, is not taken back when its own end comes, and late in December it may not have begun, either. */
static void a_year_that_did_begin(void **state)
{
	struct stamp s = stamps("UTC", 2024);
	struct buf text = { 0 };
	int64_t last = 0;
	(void)state;
	reads(&s, "Dec 18 00:00:00 x", "2024-12-18T00:00:00+00:00");
	reads(&s, "Dec 20 00:00:00 x", "2024-12-20T00:00:00+00:00");
	for (int64_t t = 1735776000; t < 1735776000 + 500 * 86400; t += 20 * 3600) { /* from January 2, 2025 on */
		static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
		struct times_text iso = times_text(t * US_PER_S, 0);
		int month = (iso.s[5] - '0') * 10 + iso.s[6] - '0', day = (iso.s[8] - '0') * 10 + iso.s[9] - '0';
		int32_t off;
		buf_clear(&text);
		buf_printf(&text, "%s %2d %.8s x", months[month - 1], day, iso.s + 11);
		struct sv line = buf_sv(&text);
		assert_true(stamp_read(&s, &line, &last, &off));
		assert_int_equal(last, t * US_PER_S);
	}
	buf_fini(&text);
	s = stamps("UTC", 2024);
	reads(&s, "Dec 25 12:00:00 x", "2024-12-25T12:00:00+00:00");
	reads(&s, "Jan  1 00:00:05 x", "2025-01-01T00:00:05+00:00");
	reads(&s, "Dec 25 12:00:20 x", "2024-12-25T12:00:20+00:00");
}

static void clocks_of_the_past_change_nothing(void **state)
{
	struct stamp s = stamps("UTC", 0);
	(void)state;
	s.until_us = s.now_us + STAMP_FUTURE_US;
	reads(&s, "2026-11-23T12:00:00Z x", "2026-11-23T12:00:00+00:00");
	reads(&s, "1970-01-01T00:00:05Z x", "1970-01-01T00:00:05+00:00");
	reads(&s, "2099-01-01T00:00:00Z x", "2026-11-23T12:00:00+00:00");
	for (unsigned i = 0; i < 1022; i++)
		reads(&s, "2027-03-10T00:00:00Z x", "2026-11-23T12:00:00+00:00");
	reads(&s, "2027-03-10T00:00:00Z x", "2027-03-10T00:00:00+00:00"); /* so many: it is this machine's clock that is behind */
	reads(&s, "2027-03-10T00:00:01Z x", "2027-03-10T00:00:01+00:00");
}

static void leap_day(void **state)
{
	struct stamp s = stamps("UTC", 0);
	(void)state;
	reads(&s, "Feb 29 12:00:00 x", "2024-02-29T12:00:00+00:00"); /* neither 2026 nor 2025 had one */
	reads(&s, "Mar  1 12:00:00 x", "2024-03-01T12:00:00+00:00");
	s = stamps("UTC", 0);
	reads(&s, "Feb 28 12:00:00 x", "2026-02-28T12:00:00+00:00");
}

static void hour_that_comes_twice(void **state)
{
	static const char *const year_less[] = { "Oct 25 01:59:59 x", "Oct 25 02:00:00 x", "Oct 25 02:59:59 x", "Oct 25 02:00:00 x", "Oct 25 02:59:58 x",
		"Oct 25 02:20:00 x", "Oct 25 02:59:59 x", "Oct 25 03:00:00 x" };
	static const char *const iso[] = { "2026-10-25T01:59:59 x", "2026-10-25T02:00:00 x", "2026-10-25T02:59:59 x", "2026-10-25T02:00:00 x",
		"2026-10-25T02:59:58 x", "2026-10-25T02:20:00 x", "2026-10-25T02:59:59 x", "2026-10-25T03:00:00 x" };
	static const char *const want[] = { "2026-10-25T01:59:59+02:00", "2026-10-25T02:00:00+02:00", "2026-10-25T02:59:59+02:00",
		"2026-10-25T02:00:00+01:00", "2026-10-25T02:59:58+02:00" /* late */, "2026-10-25T02:20:00+01:00", "2026-10-25T02:59:59+01:00",
		"2026-10-25T03:00:00+01:00" };
	(void)state;
	for (unsigned form = 0; form < 2; form++) {
		struct stamp s = stamps("Europe/Berlin", 2026);
		for (size_t i = 0; i < sizeof want / sizeof *want; i++)
			reads(&s, form ? iso[i] : year_less[i], want[i]);
	}
}

static void hour_that_is_left_out(void **state)
{
	struct stamp s = stamps("Europe/Berlin", 2026);
	(void)state;
	reads(&s, "Mar 29 01:59:59 x", "2026-03-29T01:59:59+01:00");
	reads(&s, "Mar 29 02:30:00 x", "2026-03-29T02:30:00+01:00"); /* of a clock that was not changed yet: still after what was before */
	reads(&s, "Mar 29 03:30:00 x", "2026-03-29T03:30:00+02:00");
	s = stamps("America/New_York", 2026);
	reads(&s, "Nov  1 01:30:00 x", "2026-11-01T01:30:00-04:00");
	reads(&s, "Nov  1 01:26:00 x", "2026-11-01T01:26:00-04:00"); /* some minutes late are late */
	reads(&s, "Nov  1 01:59:59 x", "2026-11-01T01:59:59-04:00");
	reads(&s, "Nov  1 01:10:00 x", "2026-11-01T01:10:00-05:00");
}

/* -- messages -- */

struct seen { unsigned complete, other; };

static void on_txn(void *ctx, const struct txn *t)
{
	struct seen *s = ctx;
	if (t->complete && t->n_rcpt == 1)
		s->complete++;
	else
		s->other++;
}

/* Messages one after the other, each line's clock as the function says. */
static struct seen run(unsigned messages, int64_t (*clock_of)(unsigned message, unsigned line))
{
	static const char *const lines[] = {
		"smtpd[1]: %s: client=h.example[192.0.2.1]", "cleanup[1]: %s: message-id=<%s@x.example>",
		"qmgr[1]: %s: from=<a@x.example>, size=9, nrcpt=1 (queue active)",
		"smtp[1]: %s: to=<b@y.example>, relay=m[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (ok)", "qmgr[1]: %s: removed",
	};
	struct seen seen = { 0, 0 };
	struct pipeline_options o = { .correlate = true, .final_only = true };
	struct pipeline_sink sink = { .ctx = &seen, .txn = on_txn };
	struct pipeline *p = pipeline_new(&o, &sink);
	struct zone z;
	struct err e;
	struct feed f;
	struct buf text = { 0 };
	(void)zone_init(&z, "UTC", &e);
	feed_init(&f, NULL, &z, 2026, 0);
	f.stamp.until_us = 1795514400 * US_PER_S + STAMP_FUTURE_US;
	for (unsigned m = 0; m < messages; m++) {
		for (unsigned l = 0; l < 5; l++) {
			char id[16];
			(void)snprintf(id, sizeof id, "AB%08X", m);
			times_rfc3339(clock_of(m, l) * US_PER_S, 0, &text);
			buf_puts(&text, " mx postfix/");
			for (const char *c = lines[l]; *c; c++) {
				if (c[0] == '%')
					buf_puts(&text, id), c++;
				else
					buf_addc(&text, *c);
			}
			buf_addc(&text, '\n');
		}
	}
	pipeline_bytes(p, &f, buf_sv(&text));
	pipeline_idle(p);
	pipeline_free(p);
	feed_fini(&f);
	buf_fini(&text);
	return seen;
}

static int64_t steady(unsigned m, unsigned l)
{
	return 1795514400 + m * 2 + l / 3;
}

/* In the middle of a message, too. */
static int64_t jumps_back(unsigned m, unsigned l)
{
	return steady(m, l) - (m * 5 + l >= 252 ? 6 * 3600 : 0);
}

static int64_t jumps_ahead(unsigned m, unsigned l)
{
	return steady(m, l) + (m * 5 + l >= 252 ? 6 * 3600 : 0);
}

/* Two processes of which one has another zone. */
static int64_t wrong_zone(unsigned m, unsigned l)
{
	return steady(m, l) + (l == 3 ? 7200 : 0);
}

/* One process has a clock that was never set. */
static int64_t never_set(unsigned m, unsigned l)
{
	return l == 3 && m % 3 == 1 ? 4070908800 + m : steady(m, l); /* 2099 */
}

static void clocks_that_jump_lose_nothing(void **state)
{
	int64_t (*const clocks[])(unsigned, unsigned) = { steady, jumps_back, jumps_ahead, wrong_zone, never_set };
	(void)state;
	for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
		struct seen s = run(100, clocks[i]);
		assert_int_equal(s.complete, 100);
		assert_int_equal(s.other, 0);
	}
}

static void shown(const char *local, const char *want)
{
	int64_t us, wanted;
	assert_int_equal(times_parse_local(sv_cstr(local), &us), 0);
	assert_int_equal(times_parse(sv_cstr(want), &wanted), 0);
	assert_int_equal(us, wanted);
}

static void ends(const char *local, const char *want)
{
	int64_t us, wanted;
	assert_int_equal(times_parse_local_end(sv_cstr(local), &us), 0);
	assert_int_equal(times_parse(sv_cstr(want), &wanted), 0);
	assert_int_equal(us, wanted);
}

static void days_that_are_none(void **state)
{
	static const char *const none[] = { "2026-02-29", "2026-02-30", "2024-02-30", "2100-02-29", "2026-04-31",
		                            "2026-13-01", "2026-00-01", "2026-01-00", "2026-01-32", "2026-02-30T10:00:00Z" };
	static const char *const days[] = { "2024-02-29", "2000-02-29", "2026-02-28", "2026-12-31", "2026-04-30T10:00:00Z" };
	int64_t us;
	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_int_equal(times_parse(sv_cstr(none[i]), &us), -1);
	for (size_t i = 0; i < sizeof days / sizeof *days; i++)
		assert_int_equal(times_parse(sv_cstr(days[i]), &us), 0);
}

/* On the days on which clocks change, too. */
static void what_people_write_is_local(void **state)
{
	(void)state;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	shown("2026-03-29", "2026-03-29T00:00:00+01:00");
	shown("2026-03-29T01:30", "2026-03-29T01:30:00+01:00");
	shown("2026-03-29T03:30", "2026-03-29T03:30:00+02:00");
	shown("2026-03-30", "2026-03-30T00:00:00+02:00");
	shown("2026-10-25", "2026-10-25T00:00:00+02:00");
	shown("2026-10-26", "2026-10-26T00:00:00+01:00");
	shown("2026-10-26T12:00:00Z", "2026-10-26T12:00:00Z");
	shown("2026-10-26T12:00-05:00", "2026-10-26T17:00:00Z");
	ends("2026-03-29", "2026-03-29T23:59:59.999999+02:00"); /* of 23 hours */
	ends("2026-10-25", "2026-10-25T23:59:59.999999+01:00");
	ends("2026-10-26T12:00", "2026-10-26T12:00:00+01:00");
	setenv("TZ", "EST5EDT,M3.2.0,M11.1.0", 1);
	tzset();
	shown("2026-03-08T05:00", "2026-03-08T05:00:00-04:00");
	unsetenv("TZ");
	tzset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(year_rolls_over), cmocka_unit_test(a_clock_that_was_never_set_is_not_believed),
		cmocka_unit_test(not_even_in_the_first_line), cmocka_unit_test(a_year_that_did_not_begin),
		cmocka_unit_test(a_year_that_did_begin), cmocka_unit_test(clocks_of_the_past_change_nothing),
		cmocka_unit_test(what_people_write_is_local), cmocka_unit_test(days_that_are_none),
		cmocka_unit_test(leap_day), cmocka_unit_test(hour_that_comes_twice),
		cmocka_unit_test(hour_that_is_left_out), cmocka_unit_test(clocks_that_jump_lose_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
