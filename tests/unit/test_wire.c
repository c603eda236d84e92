/* Everything that travels comes back as it was, and bytes that are cut anywhere are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/arena.h"
#include "lib/jsonw.h"
#include "lib/obs.h"
#include "lib/wire.h"

static void numbers(void **state)
{
	static const int64_t all[] = { 0, 1, -1, 63, 64, -64, -65, 127, 128, INT32_MAX, INT64_MAX, INT64_MIN };
	struct buf b = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		wire_put_i(&b, all[i]);
		wire_put_u(&b, (uint64_t)all[i]);
	}
	struct wire w = wire_of(buf_sv(&b));
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		assert_int_equal(wire_get_i(&w), all[i]);
		assert_int_equal(wire_get_u(&w), (uint64_t)all[i]);
	}
	assert_false(w.bad);
	assert_int_equal(wire_get_u(&w), 0);
	assert_true(w.bad);
	buf_fini(&b);
}

static uint64_t byte_by_byte(const uint8_t *p, const uint8_t *end, const uint8_t **ret_p, bool *ret_bad)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 64 && p < end; shift += 7, p++) {
		v |= (uint64_t)(*p & 0x7f) << shift;
		if (*p < 0x80) {
			*ret_p = p + 1;
			return v;
		}
	}
	*ret_bad = true;
	return 0;
}

/* Numbers of all lengths, also longer than need be or without an end, as reading them byte by byte gives them. */
static void numbers_byte_by_byte(void **state)
{
	uint8_t bytes[24];
	uint32_t r = 1;
	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		size_t n = i % sizeof bytes, k = i / sizeof bytes % 12;
		bool bad = false;
		const uint8_t *after = bytes;
		for (size_t at = 0; at < n; at++) {
			r = r * 1664525u + 1013904223u;
			bytes[at] = (uint8_t)((r >> 16 & 0x7f) | (at < k ? 0x80 : 0));
		}
		struct wire w = { bytes, bytes + n, false };
		uint64_t want = byte_by_byte(bytes, bytes + n, &after, &bad);
		assert_int_equal(wire_get_u(&w), want);
		assert_int_equal(w.bad, bad);
		if (!bad)
			assert_ptr_equal(w.p, after);
	}
}

static struct txn sample(struct txn_rcpt *r)
{
	r[0] = (struct txn_rcpt){ .recipient = SV("a@b.example"), .dsn = SV("5.1.1"), .reply = SV("550 no \"such\" user"),
		.relay_host = SV("mx.b.example"), .relay_ip = SV("192.0.2.1"), .time_us = 5, .attempts = 2, .status = TXN_BOUNCED,
		.reply_class = 1, .changed = true };
	r[1] = (struct txn_rcpt){ .recipient = SV("c@d.example"), .orig_recipient = SV(""), .status = TXN_SENT, .local = true };
	return (struct txn){ .seq = 7, .at_us = 1795312868000000, .first_us = 1795312860000000, .last_us = 1795312868000000,
		.utc_offset_s = 3600, .host = SV("mx"), .mta = SV("postfix"), .queue_id = SV("4104E3D"), .sender = SV(""),
		.sender_known = true, .uid = -1, .local_user = SV("web12"), .cwd = SV("/home/web12/www"), .size = 1234, .nrcpt = 2, .origin = TXN_BOUNCE, .complete = true,
		.flags = TXN_HEAD_MISSING | TXN_REINJECTED, .rcpt = r, .n_rcpt = 2, .lines = { SV("line one"), SV("\xff\0x") }, .n_lines = 2 };
}

static void transactions(void **state)
{
	struct txn_rcpt r[2];
	struct txn t = sample(r), back;
	struct buf wire = { 0 }, a = { 0 }, b = { 0 };
	struct arena arena = { 0 };
	struct err e;
	(void)state;
	txn_encode(&t, &wire);
	assert_int_equal(txn_decode(buf_sv(&wire), &arena, &back, &e), 0);
	txn_json(&t, &a);
	txn_json(&back, &b);
	assert_string_equal(buf_cstr(&a), buf_cstr(&b));
	assert_int_equal(back.seq, 7);
	assert_true(back.rcpt[0].changed);
	assert_false(back.rcpt[1].changed);
	assert_true(back.rcpt[1].orig_recipient.p != NULL);
	assert_true(back.rcpt[0].orig_recipient.p == NULL);
	assert_int_equal(back.n_lines, 2);
	assert_true(sv_eq(back.lines[1], t.lines[1]));
	for (size_t n = 0; n < wire.n; n++)
		assert_int_equal(txn_decode(sv_make(wire.p, n), &arena, &back, &e), -1);
	arena_fini(&arena);
	buf_fini(&wire);
	buf_fini(&a);
	buf_fini(&b);
}

static void transaction_text(void **state)
{
	struct txn_rcpt r[2];
	struct txn t = sample(r);
	struct buf b = { 0 };
	(void)state;
	txn_json(&t, &b);
	assert_string_equal(buf_cstr(&b),
		"{\"host\":\"mx\",\"mta\":\"postfix\",\"queue_id\":\"4104E3D\",\"first_time\":\"2026-11-22T03:01:00+01:00\","
		"\"last_time\":\"2026-11-22T03:01:08+01:00\",\"local_user\":\"web12\",\"cwd\":\"/home/web12/www\",\"sender\":\"\",\"size\":1234,\"nrcpt\":2,\"origin\":\"bounce\","
		"\"complete\":true,\"flags\":[\"head_missing\",\"reinjected\"],\"recipients\":[{\"recipient\":\"a@b.example\","
		"\"status\":\"bounced\",\"dsn\":\"5.1.1\",\"reply\":\"550 no \\\"such\\\" user\",\"reply_class\":\"unknown-user\","
		"\"relay_host\":\"mx.b.example\",\"relay_ip\":\"192.0.2.1\",\"time\":\"1970-01-01T01:00:00.000005+01:00\",\"attempts\":2},"
		"{\"recipient\":\"c@d.example\",\"orig_recipient\":\"\",\"status\":\"sent\",\"local\":true,\"attempts\":0}]}\n");
	buf_fini(&b);
}

static struct record a_record(void)
{
	struct record r;
	record_clear(&r);
	r.time_us = 1795312868000000;
	r.host = SV("mx");
	r.program = SV("postfix/smtpd");
	r.pid = 12;
	r.mta = "postfix";
	r.kind = RECORD_DISCONNECT;
	r.client_ip = SV("192.0.2.1");
	r.size = 0;
	r.orig_queue_id = SV("X");
	r.has_counts = true;
	r.counts.rcpt = 5;
	r.counts.rcpt_ok = 3;
	return r;
}

static void frames(void **state)
{
	struct record r = a_record();
	struct obs_record back;
	struct obs_counters c = { .lines = 5, .path = SV("/x") }, c2;
	struct obs_resume resume = { 9, SV("blob") }, resume2;
	struct buf b = { 0 }, x = { 0 }, y = { 0 };
	enum obs_type type;
	struct sv payload;
	size_t used;
	struct err e;
	(void)state;
	obs_put_record(&b, 3, &r, SV("the line"));
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(obs_next(sv_make(b.p, n), &type, &payload, &used, &e), 0);
	assert_int_equal(obs_next(buf_sv(&b), &type, &payload, &used, &e), 1);
	assert_int_equal(used, b.n);
	assert_int_equal(type, OBS_RECORD);
	assert_int_equal(obs_get_record(payload, &back, &e), 0);
	assert_int_equal(back.seq, 3);
	record_json(&r, &x);
	record_json(&back.record, &y);
	assert_string_equal(buf_cstr(&x), buf_cstr(&y));
	assert_string_equal(buf_cstr(&x), "{\"time\":\"2026-11-22T02:01:08+00:00\",\"host\":\"mx\",\"program\":\"postfix/smtpd\",\"pid\":12,"
		"\"mta\":\"postfix\",\"kind\":\"disconnect\",\"client_ip\":\"192.0.2.1\",\"size\":0,\"orig_queue_id\":\"X\","
		"\"counts\":{\"rcpt\":5,\"rcpt_ok\":3}}\n");
	for (size_t n = 0; n < payload.n; n++)
		assert_int_equal(obs_get_record(sv_make(payload.p, n), &back, &e), -1);
	buf_clear(&b);
	obs_put_counters(&b, &c);
	assert_int_equal(obs_next(buf_sv(&b), &type, &payload, &used, &e), 1);
	assert_int_equal(obs_get_counters(payload, &c2, &e), 0);
	assert_int_equal(c2.lines, 5);
	buf_clear(&b);
	obs_put_resume(&b, &resume);
	assert_int_equal(obs_next(buf_sv(&b), &type, &payload, &used, &e), 1);
	assert_int_equal(obs_get_resume(payload, &resume2, &e), 0);
	assert_int_equal(resume2.applied_seq, 9);
	assert_true(sv_eq(resume2.snapshot, SV("blob")));
	assert_int_equal(obs_next(SV("\xff\xff\xff\xff\x03zz"), &type, &payload, &used, &e), -1);
	assert_int_equal(obs_next(SV("\x01\0\0\0\x63zz"), &type, &payload, &used, &e), -1);
	buf_fini(&b);
	buf_fini(&x);
	buf_fini(&y);
}

static void json_text(void **state)
{
	struct buf b = { 0 };
	(void)state;
	jsonw_text(&b, sv_make("a\"\\\n\t\x01\x7f\xc3\xa9\xff\xc3\xe2\x82\xac\xed\xa0\x80\xf4\x90\x80\x80z\0", 23));
	assert_string_equal(buf_cstr(&b), "\"a\\\"\\\\\\n\\t\\u0001\\u007f\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xe2\x82\xac"
		"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\\u0000\"");
	buf_clear(&b);
	jsonw_int(&b, INT64_MIN);
	assert_string_equal(buf_cstr(&b), "-9223372036854775808");
	buf_fini(&b);
}

/* Texts of every length with one or two bytes to escape at every place; in a buffer that is as long as it must be. */
static void json_text_everywhere(void **state)
{
	(void)state;
	static const struct { char byte; const char *as; } odd[] = { { '"', "\\\"" }, { '\\', "\\\\" }, { 0x1f, "\\u001f" }, { 0x7f, "\\u007f" }, { (char)0x80, "\xef\xbf\xbd" } };
	for (size_t n = 0; n < 70; n++) {
		for (size_t at = 0; at <= n; at++) { /* at n: none */
			char *text = xmalloc(n + 1);
			struct buf b = { 0 }, want = { 0 };
			buf_addc(&want, '"');
			for (size_t i = 0; i < n; i++) {
				size_t kind = (n + at) % 5;
				bool is_odd = i == at || (at < n && i == (at * 7 + 3) % 70);
				text[i] = is_odd ? odd[kind].byte : (char)(' ' + i % 2 + 'A' - ' ');
				buf_puts(&want, is_odd ? odd[kind].as : (char[2]){ text[i], 0 });
			}
			buf_addc(&want, '"');
			jsonw_text(&b, sv_make(text, n));
			assert_true(sv_eq(buf_sv(&b), buf_sv(&want)));
			buf_fini(&b);
			buf_fini(&want);
			free(text);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers), cmocka_unit_test(numbers_byte_by_byte), cmocka_unit_test(transactions), cmocka_unit_test(transaction_text),
		cmocka_unit_test(frames), cmocka_unit_test(json_text), cmocka_unit_test(json_text_everywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
