/* Messages as few bytes and back (collector/brief.c): texts that hold each other, bytes that look like marks, stamps of all kinds, many recipients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/brief.h"

static uint32_t rnd_state;
static uint32_t rnd(uint32_t n)
{
	rnd_state = rnd_state * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)rnd_state * n >> 32);
}

/* Some text: words, pieces of texts made before, any bytes. */
static struct buf before;
static struct sv some_text(struct buf *to)
{
	static const char *const words[] = { "mx1", "host ", " said: 450 later", "@b.example", "192.0.2.", "a", "25", "PLAIN", "=?", "<>" };
	unsigned pieces = rnd(6);
	buf_clear(to);
	for (unsigned i = 0; i < pieces; i++) {
		unsigned kind = rnd(8);
		if (kind < 4)
			buf_puts(to, words[rnd(sizeof words / sizeof *words)]);
		else if (kind < 7 && before.n > 20)
			buf_addsv(to, sv_make(before.p + rnd((uint32_t)before.n - 20), rnd(20)));
		else
			for (unsigned n = rnd(5); n; n--)
				buf_addc(to, (char)rnd(256));
	}
	if (before.n > 4000)
		buf_clear(&before);
	buf_addsv(&before, buf_sv(to));
	return buf_sv(to);
}

static void put_stamp(struct buf *to, unsigned kind)
{
	static const char *const minutes[] = { "Nov 24 08:01:", "Nov  4 23:59:", "2026-11-24T10:01:", "2026-11-24 10:01:", "2026-11-24T10:01:", "2026-11-24T10:01:" }, *const ends[] = { "", "", "", "", ".123456+02:00", ".123+02:00" };
	if (kind < sizeof minutes / sizeof *minutes)
		buf_printf(to, "%s%02u%s", minutes[kind], rnd(60), ends[kind]);
}

static const int64_t times_us[] = { 1795507260000000, 1795507260123456, 0, -5, INT64_C(1) << 59, 1793836799000000 };
#define TIMES (sizeof times_us / sizeof *times_us)

static void set(struct correlate *c, struct open_msg *m, struct open_ref *ref, struct buf *text)
{
	if (rnd(4))
		open_set(c, m, ref, some_text(text));
}

static void fill(struct correlate *c, struct open_msg *m, unsigned n_rcpt)
{
	struct buf text = { 0 };
	m->first_us = times_us[rnd(TIMES)];
	m->last_us = m->first_us + (rnd(2) ? (int64_t)rnd(1000) * 1000000 : rnd(UINT32_MAX));
	m->utc_offset_s = rnd(2) ? 0 : 7200;
	m->uid = (int64_t)rnd(3) - 1, m->size = rnd(100000), m->nrcpt = rnd(9), m->n_again = rnd(2);
	m->mta = rnd(2) ? "postfix" : "exim";
	m->head = rnd(2), m->submission = rnd(2), m->stitched = rnd(2), m->keeps_removed = rnd(2), m->reported = rnd(2), m->removed = rnd(2);
#define T(name) set(c, m, &m->name, &text);
	OPEN_TEXTS(T)
#undef T
	for (unsigned i = 0; i < n_rcpt; i++) {
		struct open_rcpt *r = open_rcpt_add(c, m, rnd(9) ? some_text(&text) : (struct sv){ 0 }, 0);
		r->time_us = m->first_us + (int64_t)rnd(5) * 500000;
		r->attempts = rnd(4), r->status = (uint8_t)rnd(TXN_STATUS_COUNT), r->local = rnd(2), r->handed = rnd(2), r->final_hop = rnd(2), r->changed = rnd(2);
		struct open_ref *rest[] = { &r->orig, &r->dsn, &r->reply, &r->relay_host, &r->relay_ip };
		for (unsigned j = 0; j < 5; j++)
			set(c, m, rest[j], &text);
	}
	for (unsigned i = 0; i < TXN_LINES; i++) {
		struct buf line = { 0 };
		put_stamp(&line, rnd(8));
		buf_addsv(&line, some_text(&text));
		if (m->n_rcpt)
			buf_addsv(&line, open_get(m, m->rcpt[rnd(m->n_rcpt)].reply));
		buf_addsv(&line, open_get(m, m->sender));
		if (rnd(4))
			open_set(c, m, &m->lines[i], buf_sv(&line));
		m->line_refused[i] = rnd(2);
		buf_fini(&line);
	}
	buf_fini(&text);
}

static void same_text(const struct open_msg *a, struct open_ref x, const struct open_msg *b, struct open_ref y)
{
	struct sv s = open_get(a, x), t = open_get(b, y);
	assert_int_equal(!s.p, !t.p);
	assert_int_equal(s.n, t.n);
	assert_memory_equal(s.p ? s.p : "", t.p ? t.p : "", s.n);
}

static void same(const struct open_msg *a, const struct open_msg *b)
{
#define F(name) assert_true(a->name == b->name);
	F(first_us) F(last_us) F(uid) F(size) F(nrcpt) F(n_again) F(utc_offset_s) F(n_rcpt)
	F(head) F(sender_known) F(submission) F(bounce) F(forward) F(probe) F(loopback) F(piped) F(stitched) F(removed) F(reported) F(dirty) F(shown) F(keeps_removed)
#undef F
	assert_string_equal(a->mta, b->mta);
#define T(name) same_text(a, a->name, b, b->name);
	OPEN_TEXTS(T)
#undef T
	for (unsigned i = 0; i < TXN_LINES; i++) {
		same_text(a, a->lines[i], b, b->lines[i]);
		assert_int_equal(a->line_refused[i], b->line_refused[i]);
	}
	for (uint32_t i = 0; i < a->n_rcpt; i++) {
		const struct open_rcpt *r = &a->rcpt[i], *q = &b->rcpt[i];
#define F(name) assert_true(r->name == q->name);
		RCPT_FIGURES(F)
#undef F
#define T(name) same_text(a, r->name, b, q->name);
		RCPT_TEXTS(T)
#undef T
	}
}

static void messages_come_back(void **state)
{
	struct correlate_sink sink = { 0 };
	struct correlate *c = correlate_new(&sink, 0, false);
	struct buf out = { 0 }, scratch = { 0 };
	uint32_t host = open_host(c, SV("mx1"));
	unsigned marked = 0;
	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		rnd_state = i;
		uint32_t a = open_new(c, host, SV("4AbC1")), b = open_bare(c, host);
		fill(c, c->msg[a], i % 1000 == 0 ? 3000 : i % 7 ? rnd(3) : rnd(20));
		buf_clear(&out);
		brief_put(c, c->msg[a], SV("4AbC1"), &out);
		marked += out.n < c->msg[a]->text_n;
		struct wire w = wire_of(buf_sv(&out));
		c->msg[b]->last_us = c->msg[a]->last_us;
		assert_true(brief_get(c, &w, SV("4AbC1"), c->msg[b], &scratch));
		same(c->msg[a], c->msg[b]);
		open_free(c, a);
		open_free(c, b);
	}
	assert_true(marked > 2000);
	assert_int_equal(c->text_bytes, 0);
	buf_fini(&out);
	buf_fini(&scratch);
	buf_fini(&before);
	correlate_free(c);
}

/* The usual line takes no more than what is new in it. */
static void what_was_told_takes_a_byte(void **state)
{
	struct correlate_sink sink = { 0 };
	struct correlate *c = correlate_new(&sink, 0, false);
	struct buf with = { 0 }, without = { 0 };
	uint32_t m = open_new(c, open_host(c, SV("mx1")), SV("4AbC1"));
	struct open_msg *o = c->msg[m];
	(void)state;
	o->mta = "postfix";
	o->first_us = o->last_us = 1795507260000000; /* 2026-11-24 08:01:00 */
	open_set(c, o, &o->client_ip, SV("192.0.2.77"));
	open_set(c, o, &o->client_name, SV("somebody.example"));
	brief_put(c, o, SV("4AbC1"), &without);
	open_set(c, o, &o->lines[0], SV("Nov 24 08:01:07 mx1 4AbC1 somebody.example192.0.2.77"));
	brief_put(c, o, SV("4AbC1"), &with);
	assert_int_equal(with.n - without.n, 2 /* stamp */ + 7 /* each word a byte, and blanks */ + 1 /* end */);
	buf_fini(&with);
	buf_fini(&without);
	correlate_free(c);
}

/* Whatever is no message is told to be none, and takes no more memory than it may. */
static void damage_is_refused(void **state)
{
	struct correlate_sink sink = { 0 };
	struct correlate *c = correlate_new(&sink, 0, false);
	struct buf out = { 0 }, scratch = { 0 };
	uint32_t host = open_host(c, SV("mx1"));
	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		rnd_state = i;
		uint32_t a = open_new(c, host, SV("4AbC1")), b = open_bare(c, host);
		fill(c, c->msg[a], rnd(4));
		buf_clear(&out);
		brief_put(c, c->msg[a], SV("4AbC1"), &out);
		struct wire cut = wire_of(sv_make(out.p, rnd((uint32_t)out.n)));
		assert_false(brief_get(c, &cut, SV("4AbC1"), c->msg[b], &scratch));
		open_free(c, b);
		b = open_bare(c, host);
		for (unsigned k = 1 + rnd(3); k; k--)
			out.p[rnd((uint32_t)out.n)] = (char)rnd(256);
		struct wire w = wire_of(buf_sv(&out));
		(void)brief_get(c, &w, SV("4AbC1"), c->msg[b], &scratch);
		assert_true(c->msg[b]->text_n <= BRIEF_TEXTS_MAX + 65536);
		open_free(c, a);
		open_free(c, b);
	}
	buf_fini(&out);
	buf_fini(&scratch);
	buf_fini(&before);
	correlate_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(messages_come_back), cmocka_unit_test(what_was_told_takes_a_byte), cmocka_unit_test(damage_is_refused) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
