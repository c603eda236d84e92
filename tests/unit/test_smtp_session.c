/* Captured sessions: their binary form there and back, on hostile bytes too, and the fingerprint of texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/capture/body.h"
#include "collector/capture/pair.h"
#include "lib/buf.h"
#include "lib/smtp_session.h"

static struct smtp_session example(struct smtp_message *m, struct smtp_rcpt *r, struct sv *attachment)
{
	r[0] = (struct smtp_rcpt){ .recipient = SV("b@b.example"), .dsn = SV("2.1.5"), .reply = SV("2.1.5 Ok"), .code = 250 };
	r[1] = (struct smtp_rcpt){ .recipient = SV("c@b.example") };
	attachment[0] = SV("a.zip");
	*m = (struct smtp_message){ .sender = SV(""), .rcpt = r, .n_rcpt = 2, .data_bytes = 1234567890123ull, .has_data = true, .accepted = true, .mail_code = 250,
		.code = 250, .reply = SV("queued"), .subject_hash = 42, .attachment = attachment, .n_attachments = 1, .has_hash = true };
	for (size_t i = 0; i < SMTP_MINHASHES; i++)
		m->hash[i] = (uint16_t)(i * 2000);
	struct smtp_session s = { .seq = 7, .first_us = 1700000000000000, .last_us = 1700000001000001, .client_port = 40000, .server_port = 25,
		.flags = SMTP_QUIT | SMTP_GAP, .end = SMTP_END_RST, .helo = SV("x.example"), .commands = 5, .client_bytes = 99, .message = m, .n_messages = 1 };
	assert_int_equal(ipaddr_parse(SV("192.0.2.1"), &s.client), 0);
	assert_int_equal(ipaddr_parse(SV("2001:db8::1"), &s.server), 0);
	s.verbs[SMTP_VERB_RCPT] = 2;
	s.replies[2] = 4;
	return s;
}

static void there_and_back(void **state)
{
	(void)state;
	struct smtp_message m;
	struct smtp_rcpt r[2];
	struct sv attachment[1];
	struct smtp_session s = example(&m, r, attachment), t;
	struct buf wire = { 0 }, a = { 0 }, b = { 0 };
	struct arena arena = { 0 };
	struct err e;
	smtp_session_encode(&s, &wire);
	assert_int_equal(smtp_session_decode(buf_sv(&wire), &arena, &t, &e), 0);
	smtp_session_json(&s, &a);
	smtp_session_json(&t, &b);
	assert_string_equal(buf_cstr(&a), buf_cstr(&b));
	assert_non_null(strstr(buf_cstr(&a), "\"sender\":\"\",")); /* the null sender is there, an unknown one is not */
	assert_null(strstr(buf_cstr(&a), "\"banner\""));
	assert_int_equal(t.seq, 7);
	/* Each shorter piece is refused, whatever it holds. */
	for (size_t n = 0; n < wire.n; n++)
		assert_int_equal(smtp_session_decode(sv_make(wire.p, n), &arena, &t, &e), -1);
	arena_fini(&arena);
	buf_fini(&wire);
	buf_fini(&a);
	buf_fini(&b);
}

static void hostile_bytes(void **state)
{
	(void)state;
	struct smtp_message m;
	struct smtp_rcpt r[2];
	struct sv attachment[1];
	struct smtp_session s = example(&m, r, attachment), t;
	struct buf wire = { 0 };
	struct arena arena = { 0 };
	struct err e;
	uint32_t seed = 1;
	smtp_session_encode(&s, &wire);
	for (unsigned i = 0; i < 20000; i++) {
		struct buf bad = { 0 };
		buf_addsv(&bad, buf_sv(&wire));
		for (unsigned k = 0; k < 3; k++) {
			seed = seed * 1664525u + 1013904223u;
			bad.p[(seed >> 8) % bad.n] = (char)(seed >> 24);
		}
		arena_reset(&arena);
		(void)smtp_session_decode(buf_sv(&bad), &arena, &t, &e);
		buf_fini(&bad);
	}
	arena_fini(&arena);
	buf_fini(&wire);
}

static void print_of(const char *text, struct print *t)
{
	print_begin(t);
	print_lines(t, SV(""), (const uint8_t *)text, strlen(text));
	assert_true(print_done(t));
}

#define PARCEL(name, number) "Dear " name ", your parcel " number " could not be delivered because the address was not complete. Please confirm it at " \
	"http://track.example/p/" number " within two days or it goes back to the sender. Thank you for your help, the parcel service team."

static void alike(void **state)
{
	(void)state;
	struct print a, b, c;
	print_of(PARCEL("Anna", "4711"), &a);
	print_of(PARCEL("Anna", "99120815"), &b);
	assert_int_equal(smtp_hash_likeness(a.hash, b.hash), SMTP_MINHASHES); /* numbers and paths of links count for nothing */
	print_of(PARCEL("Bert", "99"), &b);
	assert_in_range(smtp_hash_likeness(a.hash, b.hash), 20, SMTP_MINHASHES);
	print_of("Figures of the quarter are in. Turnover rose by a tenth while costs stayed where they were, and the board thanks everybody who worked on the "
	         "move to the new warehouse. The full report lies on the shared drive.", &c);
	assert_in_range(smtp_hash_likeness(a.hash, c.hash), 0, 8);
}

static void too_little_text(void **state)
{
	(void)state;
	struct print t;
	print_begin(&t);
	print_lines(&t, SV(""), (const uint8_t *)"see the file\r\n", 14);
	assert_false(print_done(&t));
	for (unsigned i = 0; i < 40; i++)
		print_lines(&t, SV(""), (const uint8_t *)"an odd set of one or two or ten, as it may be\r\n", 47);
	assert_false(print_done(&t)); /* words that are in every text */
}

static uint32_t next(uint32_t *seed)
{
	return (*seed = *seed * 1664525u + 1013904223u) >> 8;
}

static size_t put_word(char *to, uint32_t which)
{
	size_t n = 4 + which % 5;
	for (size_t i = 0; i < n; i++, which = which / 26 * 7 + which % 13)
		to[i] = (char)('a' + which % 26);
	to[n] = ' ';
	return n + 1;
}

/* Equal places are the share of pairs of words that two texts have in common, on average. */
static void likeness(void **state)
{
	(void)state;
	uint32_t seed = 3;
	for (unsigned percent = 0; percent <= 40; percent += 20) {
		double want = 0, got = 0;
		for (unsigned i = 0; i < 300; i++) {
			char a[1200], b[1200];
			size_t na = 0, nb = 0;
			unsigned same = 0, words = 100;
			bool before = false;
			for (unsigned k = 0; k < words; k++) {
				uint32_t w = next(&seed) % 50000;
				bool other = next(&seed) % 100 < percent;
				na += put_word(a + na, w);
				nb += put_word(b + nb, other ? next(&seed) % 50000 + 50000 : w);
				same += k && !other && before;
				before = !other;
			}
			struct print p, q;
			print_begin(&p);
			print_begin(&q);
			print_lines(&p, SV(""), (uint8_t *)a, na);
			print_lines(&q, SV(""), (uint8_t *)b, nb);
			assert_true(print_done(&p) && print_done(&q));
			want += SMTP_MINHASHES * (double)same / (2 * (words - 1) - same) / 300;
			got += smtp_hash_likeness(p.hash, q.hash) / 300.0;
		}
		assert_true(got > want - 0.6 && got < want + 0.6);
	}
}

/* Text as hostile as it gets: long words, no words, addresses one in another, bytes of any kind. */
static size_t some_lines(uint8_t *to, size_t cap, uint32_t *seed)
{
	static const char *const bits[] = { "http://", "a://b/c", "word", "of", "\xc3\xa4\xc3\xb6", ":", "//", "/", "<a href=\"", "\">", "1", "=", " ", " ", "\r\n", "\n",
		"antidisestablishmentarianism", "sixteen-letters.", "sixteenlettersxx", "seventeenletters." };
	size_t n = 0, want = next(seed) % cap;
	while (n < want) {
		const char *b = bits[next(seed) % (sizeof bits / sizeof *bits)];
		size_t len = strlen(b) < want - n ? strlen(b) : want - n;
		memcpy(to + n, b, len);
		n += len;
		if (next(seed) % 7 == 0 && n < want)
			to[n++] = (uint8_t)next(seed);
	}
	return n;
}

/* Whatever the processor can, the same comes out. */
static void every_way(void **state)
{
	(void)state;
	uint32_t seed = 7;
	for (unsigned i = 0; i < 4000; i++) {
		uint8_t text[PRINT_CHUNK], other[PRINT_CHUNK];
		size_t n = some_lines(text, sizeof text, &seed);
		struct print first, t = { 0 };
		memset(other, "a \0\xff"[i % 4], sizeof other);
		print_begin(&first);
		assert_true(print_lines_by(PRINT_PLAIN, &first, text, n));
		assert_true(print_lines_by(PRINT_PLAIN, &first, text, n / 2));
		for (int way = 1; way < PRINT_WAYS; way++) {
			(void)print_lines_by((enum print_way)way, &t, other, sizeof other); /* what lies around from the way before must not help */
			print_begin(&t);
			if (!print_lines_by((enum print_way)way, &t, text, n) || !print_lines_by((enum print_way)way, &t, text, n / 2))
				continue;
			assert_memory_equal(t.hash, first.hash, sizeof t.hash);
			assert_int_equal(t.n_words, first.n_words);
		}
		char ch = ".-\n\r"[next(&seed) % 4];
		size_t at = next(&seed) % (n + 1), want, got;
		assert_true(pair_find_by(PAIR_PLAIN, text + at, n - at, (uint8_t)ch, &want));
		for (int way = 1; way < PAIR_WAYS; way++)
			if (pair_find_by((enum pair_way)way, text + at, n - at, (uint8_t)ch, &got))
				assert_int_equal(got, want);
	}
}

/* What is cut into chunks at ends of lines is the same as the whole. */
static void lines_by_themselves(void **state)
{
	(void)state;
	uint32_t seed = 11;
	for (unsigned i = 0; i < 1000; i++) {
		uint8_t text[PRINT_CHUNK];
		size_t n = some_lines(text, sizeof text, &seed), from = 0;
		struct print whole, t;
		print_begin(&whole);
		print_begin(&t);
		print_lines(&whole, SV(""), text, n);
		for (size_t k = 0; k < n; k++)
			if (text[k] == '\n' || k + 1 == n) {
				print_lines(&t, SV(""), text + from, k + 1 - from);
				from = k + 1;
			}
		assert_memory_equal(t.hash, whole.hash, sizeof t.hash);
	}
}

static void encoded_words(void **state)
{
	(void)state;
	static const struct { const char *in, *out; } cases[] = {
		{ "plain", "plain" },
		{ "=?utf-8?B?R3LDvMOfZQ==?=", "Gr\xc3\xbc\xc3\x9f" "e" },
		{ "=?iso-8859-1?Q?Gr=FC=DFe_an?= =?iso-8859-1?q?_alle?=", "Gr\xc3\xbc\xc3\x9f" "e an alle" },
		{ "Re: =?US-ASCII*en?Q?a=20b?= c", "Re: a b c" },
		{ "=?koi8-r?B?eHh4?=", "=?koi8-r?B?eHh4?=" },
		{ "=?utf-8?B?", "=?utf-8?B?" },
		{ "=?utf-8?Q?=4?=", "=4" },
	};
	char out[100];
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t n = header_decode(sv_cstr(cases[i].in), out, sizeof out - 1);
		out[n] = 0;
		assert_string_equal(out, cases[i].out);
	}
	assert_int_equal(header_decode(SV("longer than there is room for"), out, 6), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back), cmocka_unit_test(hostile_bytes), cmocka_unit_test(alike), cmocka_unit_test(too_little_text), cmocka_unit_test(likeness), cmocka_unit_test(every_way), cmocka_unit_test(lines_by_themselves),
		cmocka_unit_test(encoded_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
