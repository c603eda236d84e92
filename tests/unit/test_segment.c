/* Segments: what is found in one is what comparing each message finds, with addresses and keys of every kind, in this format and in the one before;
 * damaged files are told, or misread, but nothing else happens; a crew does each piece once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "analyzer/crew.h"
#include "analyzer/segment.h"
#include "analyzer/segment_int.h"
#include "lib/buf.h"
#include "lib/hash.h"
#include "lib/times.h"

#define MESSAGES 600u
#define BEFORE "tests/unit/segment-before.seg" /* these messages, as the format before (AWSEG3) has them */

static const char *const addresses[] = {
	"", "anna@a.example", "Anna@A.example", "<anna@a.example>", "<bert@b.example", "x@y@z.example", "@only.example", "user@", "noat", "<>", "<", "@", "a",
	"anna@a.example.example", "an.na@nna.example", "anna@anna@a.example", "\xc3\xa4nna@a.example", "a b@c.example", "<anna>@a.example", "anna@<a.example>",
	"a.local.part.that.is.longer.than.what.is.looked.for.at.first.in.a.block.of.words@a.example",
	"b.local.part.that.is.longer.than.what.is.looked.for.at.first.in.a.block.of.words@a.example",
};
static const char *const keys[] = {
	"anna@a.example", "ANNA@a.EXAMPLE", "anna", "nn", "NNA", "a@a", "na@a.ex", "@a.example", "@A.EXAMPLE", "@a.exam", "@example", "example", "@", "a@", "user@", "@only.example", "y@z",
	"x@y", "x@y@z.example", "@y@z.example", "<", ">", "<anna", "anna@a.example>", "noat", "a", "", "nobody@nowhere.example", "a.example.example", "1@d1", "rcpt1@", "7@d1.ex",
	"local.part.that.is.longer.than.what.is.looked.for.at.first.in.a.block.of.words@a.example",
	"a.local.part.that.is.longer.than.what.is.looked.for.at.first.in.a.block.of.words@A", "words@a", "\xc3\xa4",
	"bert@b.example", "bert@b.exampl", "m7@id.example", "M7@ID.example", "m8@id.example", "Qab7", "qAB10", "198.51.100.7", "web9", "web99", "198.51.100.70",
};
#define N(array) (sizeof array / sizeof *array)

struct made { char text[8][80]; struct txn_rcpt rcpt[3]; struct txn txn; };

static struct sv text(char to[80], const char *before, unsigned n, const char *behind)
{
	(void)snprintf(to, 80, "%s%u%s", before, n, behind);
	return sv_cstr(to);
}

static const struct txn *make(unsigned n, struct made *m)
{
	int64_t at = 20000LL * US_PER_DAY + n * 777000LL;
	const char *odd = addresses[n % N(addresses)];
	static const struct sv none;
	m->rcpt[0] = (struct txn_rcpt){ .recipient = n % 3 ? text(m->text[0], "rcpt", n, "@d1.example") : sv_cstr(addresses[n / 3 % N(addresses)]), .status = TXN_SENT,
		.dsn = SV("2.0.0"), .reply = text(m->text[1], "250 ok ", n, ""), .relay_host = SV("mx.d1.example"), .time_us = at + (n % 7) * US_PER_S, .attempts = 1 };
	m->rcpt[1] = (struct txn_rcpt){ .recipient = text(m->text[2], "both", n % 5, "@D1.example"), .orig_recipient = sv_cstr(odd), .status = TXN_DEFERRED };
	m->rcpt[2] = (struct txn_rcpt){ .recipient = SV("third@c.example"), .reply = SV(""), .time_us = at - 5 };
	m->txn = (struct txn){ .host = SV("mx1"), .mta = SV("postfix"), .at_us = at, .first_us = at - 2 * US_PER_S, .last_us = n % 50 ? at : at + 9 * US_PER_HOUR, .uid = -1,
		.size = n, .nrcpt = 1, .sender_known = true, .rcpt = m->rcpt, .n_rcpt = n % 11 == 0 ? 0 : n % 4 == 0 ? 3 : n % 2 + 1 };
	m->txn.sender = n % 13 == 0 ? none : sv_cstr(odd);
	m->txn.queue_id = n % 17 == 0 ? none : text(m->text[3], "Qab", n, "");
	m->txn.message_id = n % 19 == 0 ? none : text(m->text[4], n % 2 ? "<m" : "m", n, n % 2 ? "@id.example>" : "@id.example");
	m->txn.client_ip = text(m->text[5], "198.51.100.", n % 100, "");
	m->txn.account = n % 4 == 0 ? sv_cstr(addresses[n / 4 % N(addresses)]) : n % 4 == 1 ? SV("web9") : none;
	m->txn.local_user = n % 10 == 6 ? SV("web9") : n % 10 == 7 ? SV("web99") : none;
	return &m->txn;
}

/* -- what is right: each message is compared -- */

static bool matches(const struct txn *t, const struct archive_query *q)
{
	const struct sv value[ARCHIVE_KEYS] = { t->sender, { 0 }, t->account, t->client_ip, t->queue_id, t->message_id };
	bool any = !q->key[ARCHIVE_RECIPIENT].p;
	for (int k = 0; k < ARCHIVE_KEYS; k++) {
		struct sv v = value[k];
		if (k == ARCHIVE_RECIPIENT || !q->key[k].p)
			continue;
		bool inside = q->substring && (k == ARCHIVE_SENDER || k == ARCHIVE_ACCOUNT);
		bool user = k == ARCHIVE_ACCOUNT && archive_may_be_user(q->key[k]) && archive_key_matches(t->local_user, q->key[k], false);
		if (!user && !archive_key_matches(v, q->key[k], inside))
			return false;
	}
	for (size_t i = 0; i < t->n_rcpt && !any; i++)
		any = archive_key_matches(t->rcpt[i].recipient, q->key[ARCHIVE_RECIPIENT], q->substring) ||
		      archive_key_matches(t->rcpt[i].orig_recipient, q->key[ARCHIVE_RECIPIENT], q->substring);
	return any && (!q->since_us || t->last_us >= q->since_us) && (!q->until_us || t->first_us <= q->until_us);
}

static uint64_t print(const struct txn *t)
{
	struct buf b = { 0 };
	struct txn lean = *t;
	uint64_t h = 0;
	lean.seq = 0;
	lean.n_lines = 0;
	txn_encode(&lean, &b);
	for (size_t i = 0; i < b.n; i++)
		h = h * 1099511628211u + (unsigned char)b.p[i];
	buf_fini(&b);
	return h;
}

/* The message with only those texts that a list shows. */
static struct txn listed(const struct txn *t, struct txn_rcpt rcpt[3])
{
	static const struct sv none;
	struct txn x = *t;
	x.mta = x.message_id = x.client_name = x.helo = x.auth_method = x.parent_queue_id = x.cwd = none;
	x.rcpt = rcpt;
	for (size_t i = 0; i < t->n_rcpt; i++) {
		rcpt[i] = t->rcpt[i];
		rcpt[i].dsn = rcpt[i].reply = rcpt[i].relay_host = rcpt[i].relay_ip = none;
	}
	return x;
}

static void ask(const struct segment *s, struct segment_reader *r, const struct archive_query *q, int k)
{
	struct buf rows = { 0 };
	struct err e = { "" };
	struct made m;
	struct arena a = { 0 };
	struct txn got, part;
	struct txn_rcpt rcpt[3];
	if (segment_match(s, r, q, &rows, &e) < 0)
		fail_msg("%s", e.text);
	size_t at = 0;
	for (uint32_t n = MESSAGES; n-- > 0;) {
		uint32_t row = UINT32_MAX;
		const struct txn *t = make(n, &m);
		if (at < rows.n)
			memcpy(&row, rows.p + at, sizeof row);
		bool found = row == n;
		at += found ? sizeof row : 0;
		if (found != matches(t, q))
			fail_msg("key %d \"%.*s\"%s: message %u is %sfound", k, k < 0 ? 0 : (int)q->key[k].n, k < 0 ? "" : q->key[k].p, q->substring ? " inside" : "", n, found ? "" : "not ");
		arena_reset(&a);
		if (found && segment_txn(s, r, n, SEGMENT_WHOLE, &a, &got, &e) < 0)
			fail_msg("%s", e.text);
		if (!found)
			continue;
		assert_true(print(&got) == print(t));
		assert_int_equal(segment_txn(s, r, n, SEGMENT_LISTED, &a, &got, &e), 0);
		part = listed(t, rcpt);
		assert_true(print(&got) == print(&part));
	}
	assert_int_equal(at, rows.n);
	arena_fini(&a);
	buf_fini(&rows);
}

static void ask_all(const char *path)
{
	struct err e = { "" };
	struct segment *s = segment_open(path, &e);
	struct segment_reader *r = segment_reader_new();
	if (!s)
		fail_msg("%s", e.text);
	assert_int_equal(segment_messages(s), MESSAGES);
	struct archive_query all = { .limit = 0 }, day = { .since_us = 20000LL * US_PER_DAY + 100 * US_PER_S, .until_us = 20000LL * US_PER_DAY + 200 * US_PER_S };
	ask(s, r, &all, -1);
	ask(s, r, &day, -1);
	for (size_t i = 0; i < N(keys); i++)
		for (int k = 0; k < ARCHIVE_KEYS; k++)
			for (int inside = 0; inside < 2; inside++) {
				struct archive_query q = { .substring = inside && *keys[i] };
				q.key[k] = sv_cstr(keys[i]);
				ask(s, r, &q, k);
				q.key[ARCHIVE_CLIENT] = SV("198.51.100.7"); /* two keys */
				ask(s, r, &q, k);
			}
	segment_reader_free(r);
	segment_free(s);
}

static char path[] = "/tmp/aw-segment.XXXXXX";

static void write_made(void)
{
	static struct made m;
	static struct segment_body body[MESSAGES];
	static struct buf bytes[MESSAGES];
	struct segment_writer *w = segment_writer_new();
	struct segment_stats stats;
	struct err e = { "" };
	for (unsigned n = 0; n < MESSAGES; n++) {
		buf_clear(&bytes[n]);
		txn_encode(make(n, &m), &bytes[n]);
		body[n] = (struct segment_body){ buf_sv(&bytes[n]), n + 1 };
	}
	if (segment_write(w, path, body, MESSAGES, &stats, &e) < 0)
		fail_msg("%s", e.text);
	for (unsigned n = 0; n < MESSAGES; n++)
		buf_fini(&bytes[n]);
	segment_writer_free(w);
}

static void finds_what_comparing_finds(void **state)
{
	(void)state;
	write_made();
	ask_all(path);
}

static struct buf slurp(const char *name)
{
	struct buf b = { 0 };
	FILE *f = fopen(name, "rb");
	size_t n;
	assert_non_null(f);
	do {
		buf_reserve(&b, 65536);
		n = fread(b.p + b.n, 1, 65536, f);
		b.n += n;
	} while (n);
	(void)fclose(f);
	return b;
}

static size_t found(const struct segment *s, struct segment_reader *r, const struct archive_query *q)
{
	struct buf rows = { 0 };
	struct err e = { "" };
	if (segment_match(s, r, q, &rows, &e) < 0)
		fail_msg("%s", e.text);
	size_t n = rows.n / sizeof(uint32_t);
	buf_fini(&rows);
	return n;
}

/* Numbers in the header that no segment has: tables made by them would have no room, or take all there is. */
static void holds_too_much(void **state)
{
	static const size_t at[] = { offsetof(struct segment_header, messages), offsetof(struct segment_header, domains), offsetof(struct segment_header, words) };
	struct err e = { "" };
	(void)state;
	for (size_t i = 0; i < N(at); i++) {
		uint32_t most = UINT32_MAX;
		write_made();
		FILE *f = fopen(path, "r+");
		assert_non_null(f);
		assert_int_equal(fseek(f, (long)at[i], SEEK_SET), 0);
		assert_int_equal(fwrite(&most, sizeof most, 1, f), 1);
		assert_int_equal(fclose(f), 0);
		assert_null(segment_open(path, &e));
		assert_non_null(strstr(e.text, "damaged"));
	}
}

/* Every sender has a domain of its own: the table of words grows while domains become words, for several numbers of messages so that it does so
 * in the middle. */
static void domains_of_their_own(void **state)
{
	enum { MOST = 7000 };
	static struct made m;
	static char sender[MOST][48];
	struct segment_body *body = calloc(MOST, sizeof *body);
	struct buf *bytes = calloc(MOST, sizeof *bytes);
	struct segment_writer *w = segment_writer_new();
	(void)state;
	for (unsigned n = 0; n < MOST; n++) {
		struct txn t = *make(n * 13 + 1, &m);
		(void)snprintf(sender[n], sizeof sender[n], "u%u@own%u.example", n, n);
		t.sender = sv_cstr(sender[n]);
		t.n_rcpt = 0;
		txn_encode(&t, &bytes[n]);
		body[n] = (struct segment_body){ buf_sv(&bytes[n]), n + 1 };
	}
	for (uint32_t messages = 2800; messages <= MOST; messages += 1400) {
		struct segment_stats stats;
		struct err e = { "" };
		if (segment_write(w, path, body, messages, &stats, &e) < 0)
			fail_msg("%s", e.text);
		struct segment *s = segment_open(path, &e);
		struct segment_reader *r = segment_reader_new();
		assert_non_null(s);
		for (unsigned n = 0; n < messages; n += 97) {
			struct archive_query q = { .limit = 0 };
			q.key[ARCHIVE_SENDER] = sv_cstr(sender[n]);
			assert_int_equal(found(s, r, &q), 1);
			q.key[ARCHIVE_SENDER] = sv_cstr(strchr(sender[n], '@'));
			assert_int_equal(found(s, r, &q), 1);
		}
		segment_reader_free(r);
		segment_free(s);
	}
	for (unsigned n = 0; n < MOST; n++)
		buf_fini(&bytes[n]);
	segment_writer_free(w);
	free(bytes);
	free(body);
}

static const char *const few[] = { NULL, "", "anna@a.example", "bert@b.example", "x" };

static struct sv one_of_few(unsigned n)
{
	const char *p = few[n % N(few)];
	return p ? sv_cstr(p) : (struct sv){ 0 };
}

/* Texts that repeat, are missing and come back, in any order; numbers that need all of their bits. */
static struct txn repeating(unsigned n, bool without, struct txn_rcpt rcpt[2])
{
	const unsigned r = (unsigned)(hash_mix(n / 3, 7) >> 20);
	for (unsigned i = 0; i < 2; i++)
		rcpt[i] = (struct txn_rcpt){ .recipient = one_of_few(r / 5 + i), .dsn = one_of_few(r / 25), .reply = one_of_few(r / 125), .attempts = r % 3 ? 1 : UINT32_MAX,
			.status = (uint8_t)(r % 2), .local = r % 7 == 0, .time_us = (int64_t)n };
	struct txn t = { .host = one_of_few(r), .account = one_of_few(without ? 0 : r / 3), .client_ip = one_of_few(n % 2 ? r : r / 7), .sender = one_of_few(n / 64),
		.utc_offset_s = r % 2 ? -3600 : 7200, .flags = r % 5 ? 0 : 0x80000001u, .uid = r % 11 ? -1 : INT64_MAX, .complete = r % 2, .at_us = (int64_t)n * 1000,
		.rcpt = rcpt, .n_rcpt = n % 3 };
	return t;
}

static void same_text(struct sv a, struct sv b)
{
	assert_true(!a.p == !b.p && a.n == b.n && (!a.n || memcmp(a.p, b.p, a.n) == 0));
}

static void same_message(const struct txn *a, const struct txn *b)
{
	same_text(a->host, b->host);
	same_text(a->account, b->account);
	same_text(a->client_ip, b->client_ip);
	same_text(a->sender, b->sender);
	assert_true(a->utc_offset_s == b->utc_offset_s && a->flags == b->flags && a->uid == b->uid && a->complete == b->complete && a->at_us == b->at_us);
	assert_int_equal(a->n_rcpt, b->n_rcpt);
	for (size_t i = 0; i < a->n_rcpt; i++) {
		const struct txn_rcpt *x = &a->rcpt[i], *y = &b->rcpt[i];
		same_text(x->recipient, y->recipient);
		same_text(x->dsn, y->dsn);
		same_text(x->reply, y->reply);
		assert_true(x->attempts == y->attempts && x->status == y->status && x->local == y->local && x->time_us == y->time_us);
	}
}

/* One writer, many and few messages in turns; in every other segment nobody has an account. */
static void rows_that_repeat(void **state)
{
	enum { MOST = 3000 };
	static const uint32_t messages[] = { MOST, 1, 2, MOST, 97 };
	struct segment_body *body = calloc(MOST, sizeof *body);
	struct buf *bytes = calloc(MOST, sizeof *bytes);
	struct segment_writer *w = segment_writer_new();
	struct segment_reader *r = segment_reader_new();
	struct txn_rcpt rcpt[2];
	struct arena arena = { 0 };
	struct segment_stats stats;
	struct err e = { "" };
	(void)state;
	for (unsigned round = 0; round < N(messages); round++) {
		for (unsigned n = 0; n < messages[round]; n++) {
			struct txn t = repeating(n, round % 2, rcpt);
			buf_clear(&bytes[n]);
			txn_encode(&t, &bytes[n]);
			body[n] = (struct segment_body){ buf_sv(&bytes[n]), n + 1 };
		}
		assert_int_equal(segment_write(w, path, body, messages[round], &stats, &e), 0);
		struct segment *s = segment_open(path, &e);
		assert_non_null(s);
		for (unsigned n = 0; n < messages[round]; n++) {
			struct txn want = repeating(n, round % 2, rcpt), got;
			arena_reset(&arena);
			assert_int_equal(segment_txn(s, r, n, SEGMENT_WHOLE, &arena, &got, &e), 0);
			same_message(&want, &got);
		}
		segment_free(s);
	}
	for (unsigned n = 0; n < MOST; n++)
		buf_fini(&bytes[n]);
	arena_fini(&arena);
	segment_reader_free(r);
	segment_writer_free(w);
	free(bytes);
	free(body);
}

/* Messages that take more room than most do, so that what the file is made in grows, from a few to many. */
static void past_the_page_cache_it_is_the_same(void **state)
{
	enum { MOST = 3000 };
	static char beside[sizeof path + 8], reply[MOST][400];
	static struct made m;
	static struct segment_body body[MOST];
	static struct buf bytes[MOST];
	struct segment_writer *plain = segment_writer_new(), *uncached = segment_writer_new();
	struct segment_stats stats, same;
	struct err e = { "" };
	struct rlimit old, little;
	uint64_t h = 1;
	(void)state;
	segment_writer_uncached(uncached);
	(void)snprintf(beside, sizeof beside, "%s.plain", path);
	for (unsigned n = 0; n < MOST; n++) {
		struct txn t = *make(n * 4, &m);
		for (size_t i = 0; i + 1 < sizeof reply[n]; i++)
			reply[n][i] = (char)(' ' + (h = hash_mix(h, i)) % 90);
		t.rcpt[0].reply = sv_cstr(reply[n]);
		txn_encode(&t, &bytes[n]);
		body[n] = (struct segment_body){ buf_sv(&bytes[n]), n + 1 };
	}
	for (uint32_t messages = 1; messages <= MOST; messages += messages / 2 + 1) {
		assert_int_equal(segment_write(plain, beside, body, messages, &stats, &e), 0);
		assert_int_equal(segment_write(uncached, path, body, messages, &same, &e), 0);
		assert_int_equal(stats.bytes, same.bytes);
		struct buf x = slurp(beside), y = slurp(path);
		assert_true(sv_eq(buf_sv(&x), buf_sv(&y)) && (int64_t)x.n == stats.bytes);
		buf_fini(&x);
		buf_fini(&y);
	}
	/* No room for the second half: no file. */
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	little = (struct rlimit){ (rlim_t)stats.bytes / 2, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	assert_int_equal(segment_write(uncached, beside, body, MOST, &same, &e), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_not_equal(access(beside, F_OK), 0);
	segment_writer_free(plain);
	segment_writer_free(uncached);
	for (unsigned n = 0; n < MOST; n++)
		buf_fini(&bytes[n]);
}

static void so_does_the_format_before(void **state)
{
	(void)state;
	ask_all(BEFORE);
}

/* -- damage -- */

static void read_damaged(void)
{
	struct err e;
	struct segment *s = segment_open(path, &e);
	struct segment_reader *r = segment_reader_new();
	struct buf rows = { 0 };
	struct arena a = { 0 };
	struct txn t;
	const char *const some[] = { "anna@a.example", "nna", "na@a", "@a.example", "Qab7", "m7@id.example" };
	for (size_t i = 0; s && i < N(some); i++)
		for (int k = 0; k < ARCHIVE_KEYS; k++) {
			struct archive_query q = { .substring = i == 1 || i == 2 };
			q.key[k] = sv_cstr(some[i]);
			buf_clear(&rows);
			(void)segment_match(s, r, &q, &rows, &e);
		}
	for (uint32_t n = 0; s && n < segment_messages(s) && n < 40; n++) {
		arena_reset(&a);
		(void)segment_txn(s, r, n * 15, SEGMENT_WHOLE, &a, &t, &e);
	}
	buf_fini(&rows);
	arena_fini(&a);
	segment_reader_free(r);
	segment_free(s);
}

static void put(const struct buf *b)
{
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(b->p, 1, b->n, f), b->n);
	assert_int_equal(fclose(f), 0);
}

static void damage_is_survived(void **state)
{
	(void)state;
	uint32_t turn = 7;
	for (int before = 0; before < 2; before++) {
		write_made();
		struct buf whole = slurp(before ? BEFORE : path), b = { 0 };
		for (unsigned i = 0; i < 800; i++) {
			buf_clear(&b);
			buf_addsv(&b, buf_sv(&whole));
			for (unsigned k = 0; k <= i % 3; k++) {
				turn = turn * 1664525u + 1013904223u;
				size_t at = (turn >> 4) % (i % 2 ? 2400 : b.n); /* the header, half of the times */
				turn = turn * 1664525u + 1013904223u;
				b.p[at] = (char)(turn >> 24);
			}
			if (i % 20 == 19)
				b.n = (turn >> 4) % b.n;
			put(&b);
			read_damaged();
		}
		buf_fini(&whole);
		buf_fini(&b);
	}
}

/* -- crew -- */

struct pieces { unsigned done[1000]; bool strange; };

static void one_piece(void *ctx, unsigned worker, size_t i)
{
	struct pieces *p = ctx;
	if (worker >= CREW_MOST)
		p->strange = true;
	if (worker)
		usleep(100); /* who asked is through before */
	p->done[i]++;
}

static void a_crew_does_each_piece_once(void **state)
{
	(void)state;
	static struct pieces p;
	struct crew *c = crew_new();
	unsigned rounds = 0;
	for (size_t n = 0; n <= 1000; n += n / 3 + 1, rounds++) {
		memset(&p, 0, sizeof p);
		crew_run(c, n, one_piece, &p);
		for (size_t i = 0; i < 1000; i++)
			assert_int_equal(p.done[i], i < n);
		assert_false(p.strange);
	}
	assert_true(rounds > 10);
	crew_free(c);
	crew_free(crew_new());
}

static void slow_piece(void *ctx, unsigned worker, size_t i)
{
	(void)i;
	((atomic_uint *)ctx)[worker]++;
	(void)usleep(3000);
}

/* However few processors there are: where the disk is waited for, all wait side by side. */
static void a_crew_waits_side_by_side(void **state)
{
	(void)state;
	atomic_uint by[CREW_MOST] = { 0 };
	unsigned helped = 0;
	struct crew *c = crew_new();
	crew_run(c, 80, slow_piece, by);
	for (unsigned i = 0; i < CREW_MOST; i++)
		helped += by[i] > 0;
	assert_int_equal(helped, CREW_MOST);
	crew_free(c);
}

int main(int argc, char **argv)
{
	int fd = mkstemp(path);
	if (fd < 0)
		return 1;
	close(fd);
	if (argc > 1) { /* for a fixture of this format, when there is a next one */
		write_made();
		return rename(path, argv[1]) != 0;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_comparing_finds), cmocka_unit_test(domains_of_their_own), cmocka_unit_test(rows_that_repeat), cmocka_unit_test(past_the_page_cache_it_is_the_same), cmocka_unit_test(holds_too_much), cmocka_unit_test(so_does_the_format_before), cmocka_unit_test(damage_is_survived),
		cmocka_unit_test(a_crew_does_each_piece_once),
		cmocka_unit_test(a_crew_waits_side_by_side),
	};
	int bad = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return bad;
}
