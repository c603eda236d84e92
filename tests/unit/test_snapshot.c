/* What other versions of this program saved: where reading was is kept, or it is said what to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "collector/feed.h"
#include "collector/pipeline.h"
#include "collector/snapshot.h"
#include "lib/sv.h"
#include "messages_run.h"

#define THIS_VERSION 11
#define PIPELINE_SINCE 10

/* A message on its way, the file read up to byte 700 in the snapshot that version wrote. */
static struct buf saved_by(char version)
{
	struct run r = { 0 };
	struct snapshot s = { 0 };
	struct buf blob = { 0 };
	struct position at = { .dev = 1, .inode = 2, .offset = 700, .year = 2026 };
	start(&r, false, 0);
	feed_text(&r, "2026-11-22T10:31:00Z mx1 postfix/smtpd[1]: 4F1234ABCD: client=a.example[198.51.100.7], sasl_username=ann\n");
	positions_set(&s.positions, &at);
	s.totals.lines = 9;
	snapshot_save(&s, r.p, &blob);
	assert_int_equal(blob.p[0], THIS_VERSION);
	blob.p[0] = version;
	if (version < 11) { /* without the clock, which is 0 here: a byte */
		memmove(blob.p + 1, blob.p + 2, blob.n - 2);
		blob.n--;
	}
	snapshot_fini(&s);
	stop(&r);
	buf_fini(&r.out);
	return blob;
}

static int load(char version, struct snapshot *s, struct run *r, struct err *e)
{
	struct buf blob = saved_by(version);
	start(r, false, 0);
	int got = snapshot_load(buf_sv(&blob), s, r->p, e);
	buf_fini(&blob);
	return got;
}

static void end(struct snapshot *s, struct run *r)
{
	snapshot_fini(s);
	stop(r);
	buf_fini(&r->out);
}

static void test_older(void **state)
{
	struct err e;
	(void)state;
	for (char version = PIPELINE_SINCE - 1; version <= THIS_VERSION; version++) {
		struct snapshot s = { 0 };
		struct run r = { 0 };
		assert_int_equal(load(version, &s, &r, &e), version < PIPELINE_SINCE);
		assert_int_equal(s.positions.n, 1);
		assert_int_equal(s.positions.v[0].offset, 700);
		assert_int_equal(s.totals.lines, 9);
		pipeline_skip_to(r.p, 41);
		feed_text(&r, "2026-11-22T10:31:02Z mx1 postfix/smtp[2]: 4F1234ABCD: to=<b@b.example>, relay=none, delay=1, delays=1/0/0/0, dsn=5.0.0, status=bounced (no)\n"
			      "2026-11-22T10:31:02Z mx1 postfix/qmgr[3]: 4F1234ABCD: removed\n"
			      "2026-11-22T11:31:02Z mx1 postfix/smtpd[9]: disconnect from unknown[192.0.2.9]\n");
		pipeline_idle(r.p);
		assert_int_equal(r.txns, 1);
		assert_true(strncmp(buf_cstr(&r.out), "42 ", 3) == 0); /* behind what was applied */
		assert_true(!strstr(buf_cstr(&r.out), "ann") == (version < PIPELINE_SINCE)); /* its beginning is given up */
		end(&s, &r);
	}
}

static void test_foreign(void **state)
{
	static const struct { char version; const char *advice; } other[] = { { THIS_VERSION + 1, "install that one again" }, { 1, "import the logs anew" } };
	struct err e;
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct snapshot s = { 0 };
		struct run r = { 0 };
		assert_int_equal(load(other[i].version, &s, &r, &e), -1);
		assert_non_null(strstr(e.text, other[i].advice));
		end(&s, &r);
	}
}

/* One recipient's copy is taken out of the queue while another waits: the message ends with the other's, also where that was saved in between. */
static void test_taken_away(void **state)
{
	static const char log[] =
		"2026-11-24T08:00:00Z mx1 smtpd[7]: 0123456789abcdef smtp connected address=192.0.2.9 host=a.example\n"
		"2026-11-24T08:00:00Z mx1 smtpd[7]: 0123456789abcdef smtp message msgid=2f2e3d4c size=9 nrcpt=2 proto=ESMTP\n"
		"2026-11-24T08:00:00Z mx1 smtpd[7]: 0123456789abcdef smtp envelope evpid=2f2e3d4c00000001 from=<a@b.example> to=<c@d.example>\n"
		"2026-11-24T08:00:01Z mx1 smtpd[7]: fedcba9876543210 mta delivery evpid=2f2e3d4c00000001 from=<a@b.example> to=<c@d.example> rcpt=<-> "
			"source=\"192.0.2.1\" relay=\"192.0.2.2 (mx.d.example)\" delay=1s result=\"TempFail\" stat=\"451 4.7.1 later\"\n"
		"2026-11-24T08:04:00Z mx1 smtpd[7]: relay: Remove for 2f2e3d4c00000001: from=<a@b.example>, to=<c@d.example>, rcpt=<->, delay=4m, "
			"stat=Removed by administrator\n"
		"2026-11-24T10:00:00Z mx1 smtpd[7]: fedcba9876543210 mta delivery evpid=2f2e3d4c00000002 from=<a@b.example> to=<e@d.example> rcpt=<-> "
			"source=\"192.0.2.1\" relay=\"192.0.2.2 (mx.d.example)\" delay=2h result=\"Ok\" stat=\"250 2.0.0 ok\"\n"
		"2026-11-24T11:00:00Z mx1 smtpd[7]: 0123456789abcdff smtp connected address=192.0.2.9 host=a.example\n";
	const int64_t never = INT64_MAX;
	struct run want = { .fold_after_us = never };
	(void)state;
	run_through(&want, sv_cstr(log), 0, 0);
	assert_non_null(strstr(buf_cstr(&want.out), "c@d.example\",\"status\":\"deferred\""));
	assert_non_null(strstr(buf_cstr(&want.out), "e@d.example\",\"status\":\"sent\""));
	assert_null(strstr(buf_cstr(&want.out), "bounced"));
	assert_null(strstr(buf_cstr(&want.out), "missing"));
	for (unsigned i = 1; i < 20; i++) {
		rnd_state = i;
		same_reports(&want, sv_cstr(log), i % 2 ? 1 : never, i % 3, 0);
	}
	stop(&want);
	buf_fini(&want.out);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_older), cmocka_unit_test(test_foreign), cmocka_unit_test(test_taken_away) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
