/* Sendmail names the client of a recipient it does not know only in the message's from= line, at the usual log level. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collector/snapshot.h"
#include "tests/unit/messages_run.h"

static struct buf told;

static void on_refusal(void *ctx, uint64_t seq, const struct record *r, struct sv line)
{
	(void)ctx;
	(void)seq;
	(void)line;
	buf_printf(&told, "%.*s %.*s %.*s %.*s: %.*s\n", SVARG(r->client_ip), SVARG(r->account), SVARG(r->sender), SVARG(r->recipient), SVARG(r->reply));
}

static int messages;

static void on_message(void *ctx, const struct txn *t)
{
	(void)ctx;
	(void)t;
	messages++;
}

static void begin(struct run *r)
{
	struct zone z = { .kind = ZONE_FIXED };
	struct pipeline_options o = options(false, 0);
	struct pipeline_sink s = { .fact = on_refusal, .txn = on_message };
	r->p = pipeline_new(&o, &s);
	feed_init(&r->f, NULL, &z, 2026, 0);
}

static void through_snapshot(struct run *r)
{
	struct snapshot s = { 0 }, t = { 0 };
	struct buf blob = { 0 };
	struct err e;
	snapshot_save(&s, r->p, &blob);
	stop(r);
	begin(r);
	assert_int_equal(snapshot_load(buf_sv(&blob), &t, r->p, &e), 0);
	snapshot_fini(&t);
	buf_fini(&blob);
}

#define AT "2026-11-27T05:17:59Z mx sm-mta[277]: "

static void told_with_the_client(void **state)
{
	struct run r = { 0 };
	(void)state;
	begin(&r);
	feed_text(&r, AT "6AR5HwxA000277: <\"un, known <x\"@isp.example>... User unknown\n" AT "6AR5HwxA000277: <nosuch@isp.example>... User unknown\n");
	feed_text(&r, AT "6AR5HwxB000278: <other@isp.example>... User unknown\n");
	assert_int_equal(told.n, 0);
	through_snapshot(&r);
	feed_text(&r, AT "6AR5HwxA000277: from=<ann@partner.example>, size=124, class=0, nrcpts=1, msgid=<x@partner.example>, proto=SMTP, daemon=MTA, relay=mail.partner.example [198.51.100.10]\n");
	assert_string_equal(buf_cstr(&told), "198.51.100.10  ann@partner.example \"un, known <x\"@isp.example: User unknown\n"
	                                    "198.51.100.10  ann@partner.example nosuch@isp.example: User unknown\n");
	buf_clear(&told);
	feed_text(&r, AT "6AR5HwxB000278: from=<ann@partner.example>, size=0, class=0, nrcpts=0, proto=SMTP, daemon=MTA, relay=[198.51.100.11]\n");
	assert_string_equal(buf_cstr(&told), "198.51.100.11  ann@partner.example other@isp.example: User unknown\n");
	buf_clear(&told);
	feed_text(&r, AT "6AR5HwxA000277: from=<ann@partner.example>, size=124, class=0, nrcpts=1, msgid=<x@partner.example>, proto=SMTP, daemon=MTA, relay=mail.partner.example [198.51.100.10]\n");
	assert_int_equal(told.n, 0); /* once */
	stop(&r);
}

/* What a filter refuses before there is a message, and recipients beyond the most that are allowed, of whom no line has the address. */
static void of_filters(void **state)
{
	struct run r = { 0 };
	(void)state;
	begin(&r);
	feed_text(&r, AT "6AR5HwxD000277: Milter: to=<bert@isp.example(, relay=x [203.0.113.66])>, reject=451 4.7.1 later, reject=no\n" AT "6AR5HwxD000277: Too many recipients\n");
	feed_text(&r, AT "6AR5HwxE000278: Milter: from=<ann@partner.example>, reject=550 5.7.1 no\n" AT "6AR5HwxF000279: Milter: cmd=data, reject=550 5.7.1 no\n");
	assert_int_equal(told.n, 0);
	through_snapshot(&r);
	feed_text(&r, AT "6AR5HwxD000277: from=<ann@partner.example>, size=124, class=0, nrcpts=1, msgid=<x@partner.example>, proto=SMTP, daemon=MTA, relay=[198.51.100.10]\n");
	assert_string_equal(buf_cstr(&told), "198.51.100.10  ann@partner.example bert@isp.example(, relay=x [203.0.113.66]): 451 4.7.1 later, reject=no\n"
	                                    "198.51.100.10  ann@partner.example : Too many recipients\n");
	buf_clear(&told);
	feed_text(&r, AT "6AR5HwxE000278: from=<ann@partner.example>, size=0, class=0, nrcpts=0, proto=SMTP, daemon=MTA, relay=[198.51.100.11]\n");
	feed_text(&r, AT "6AR5HwxF000279: from=<ann@partner.example>, size=0, class=0, nrcpts=2, proto=SMTP, daemon=MTA, relay=[198.51.100.12]\n");
	assert_string_equal(buf_cstr(&told), "198.51.100.11  ann@partner.example : 550 5.7.1 no\n198.51.100.12  ann@partner.example : 550 5.7.1 no\n");
	buf_clear(&told);
	stop(&r);
}

/* The from= line comes as if there were a message, of which nothing more would be heard. */
static void cut_off(void **state)
{
	struct run r = { 0 };
	(void)state;
	messages = 0;
	begin(&r);
	feed_text(&r, AT "6AR5HwxG000277: <nosuch@isp.example>... User unknown\n" AT "6AR5HwxG000277: collect: premature EOM: unexpected close\n"
	              AT "6AR5HwxG000277: collect: relay=mail.partner.example, from=<ann@partner.example>, info=unexpected close\n"
	              AT "6AR5HwxG000277: from=<ann@partner.example>, size=19, class=0, nrcpts=1, msgid=<x@partner.example>, proto=ESMTP, daemon=MTA, relay=mail.partner.example [198.51.100.10]\n"
	              AT "6AR5HwxH000278: SYSERR(root): collect: I/O error on connection from mail.partner.example [198.51.100.10], from=<ann@partner.example>\n"
	              AT "6AR5HwxH000278: from=<ann@partner.example>, size=16, class=0, nrcpts=1, proto=ESMTP, daemon=MTA, relay=mail.partner.example [198.51.100.10]\n"
	              AT "6AR5HwxI000279: from=<ann@partner.example>, size=90, class=0, nrcpts=1, msgid=<y@partner.example>, proto=ESMTP, daemon=MTA, relay=mail.partner.example [198.51.100.10]\n");
	assert_string_equal(buf_cstr(&told), "198.51.100.10  ann@partner.example nosuch@isp.example: User unknown\n");
	buf_clear(&told);
	pipeline_end(r.p);
	assert_int_equal(messages, 1); /* the last */
	stop(&r);
}

#define FROM "from=<ann@partner.example>, size=19, class=0, nrcpts=1, msgid=<x@partner.example>, proto=ESMTP, daemon=MTA, relay=mail.partner.example [198.51.100.10]\n"
#define BARE "collect: relay=mail.partner.example, from=<ann@partner.example>, info=Bare linefeed (LF) not allowed, where="

/* A filter's words are the filter's, tabs and all. */
static void told_in_whole(void **state)
{
	struct run r = { 0 };
	(void)state;
	begin(&r);
	feed_text(&r, AT "6AR5HwxG000277: Milter: to=<bert@isp.example>, reject=550 5.7.1 not\tnow\n" AT "6AR5HwxG000277: " FROM);
	assert_string_equal(buf_cstr(&told), "198.51.100.10  ann@partner.example bert@isp.example: 550 5.7.1 not now\n");
	buf_clear(&told);
	stop(&r);
}

/* Who has very many recipients refused and leaves amid the message has sent none all the same. */
static void cut_off_after_many(void **state)
{
	struct run r = { 0 };
	struct buf text = { 0 };
	(void)state;
	messages = 0;
	begin(&r);
	for (int i = 0; i < 2000; i++) /* a power of two is kept of each: nothing is left over */
		buf_printf(&text, AT "6AR5HwxG000277: <%04d@isp.test>... User unknown\n", i);
	feed_text(&r, buf_cstr(&text));
	feed_text(&r, AT "6AR5HwxG000277: collect: premature EOM: unexpected close\n" AT "6AR5HwxG000277: " FROM);
	pipeline_end(r.p);
	assert_int_equal(messages, 0);
	assert_true(told.n > 30000);
	buf_clear(&told);
	buf_fini(&text);
	stop(&r);
}

/* What a client wrote amiss may be let through (srv_features): then there is a message. */
static void taken_as_it_was(void **state)
{
	struct run r = { 0 };
	(void)state;
	messages = 0;
	begin(&r);
	feed_text(&r, AT "6AR5HwxG000277: " BARE "body, status=replaced\n" AT "6AR5HwxG000277: " FROM);
	feed_text(&r, AT "6AR5HwxH000278: " BARE "header+body\n" AT "6AR5HwxH000278: " FROM);
	feed_text(&r, AT "6AR5HwxI000279: " BARE "body, status=tempfail\n" AT "6AR5HwxI000279: " FROM);
	pipeline_end(r.p);
	assert_int_equal(messages, 2);
	stop(&r);
}

/* Where "connect from" named the client it is told at once. */
static void told_at_once(void **state)
{
	struct run r = { 0 };
	(void)state;
	begin(&r);
	feed_text(&r, AT "NOQUEUE: connect from [198.51.100.12]\n" AT "6AR5HwxC000277: <nosuch@isp.example>... User unknown\n");
	assert_string_equal(buf_cstr(&told), "198.51.100.12   nosuch@isp.example: User unknown\n");
	buf_clear(&told);
	feed_text(&r, AT "6AR5HwxC000277: from=<ann@partner.example>, size=0, class=0, nrcpts=0, proto=SMTP, daemon=MTA, relay=[198.51.100.12]\n");
	assert_int_equal(told.n, 0);
	stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(told_with_the_client), cmocka_unit_test(of_filters), cmocka_unit_test(cut_off), cmocka_unit_test(told_in_whole),
		                            cmocka_unit_test(cut_off_after_many), cmocka_unit_test(taken_as_it_was), cmocka_unit_test(told_at_once) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
