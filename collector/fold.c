/* Messages that wait for long (a receiver defers them) are kept as few bytes: what is known of one is written down, packed by a dictionary that was
 * made of the first ones, and its struct, texts and recipients are given back. Nothing of it is lost: the next line that names the message
 * has it as it was. When a message is folded is a function of the records alone, as memory decides when messages are told early (report_limit()). */
#include "collector/open.h"

#include <stdlib.h>
#ifdef WITH_ZSTD
#include <zdict.h>
#include <zstd.h>
#endif

#include "collector/mta.h"
#include "lib/msg.h"
#include "lib/wire.h"

#define FOLD_EVERY_US (5LL * 1000000)
#define DICTIONARY_BYTES (8u << 10)
#define DICTIONARY_HEAD 512u /* at most; what is said of the samples as a whole */
#define DICTIONARY_SAMPLES 100u
#define SAMPLE_BYTES 4096u
#define PACK_LEVEL 3
#define RAW_MAX (64u << 20)

struct fold {
	struct buf dictionary; /* empty: not made yet */
	struct buf samples;    /* the first messages, one behind the other, ... */
	size_t sample_n[DICTIONARY_SAMPLES]; /* ... and how long each is */
	unsigned n_samples;
	struct buf raw, packed; /* scratch */
	size_t bytes;           /* of all folded messages */
	uint32_t n;
	int64_t next_us;
#ifdef WITH_ZSTD
	ZSTD_CCtx *pack;
	ZSTD_DCtx *unpack;
	ZSTD_CDict *pack_by;
	ZSTD_DDict *unpack_by;
#endif
};

static struct fold *fold_of(struct correlate *c)
{
	if (!c->fold)
		c->fold = xcalloc(1, sizeof *c->fold);
	return c->fold;
}

/* -- packing -- */

#ifdef WITH_ZSTD
#define MAGIC_BYTES 4u /* the same for all: left out */
static const char magic[MAGIC_BYTES] = { '\x28', '\xb5', '\x2f', '\xfd' };

/* False: it is no dictionary (one of a snapshot may be damaged). */
static bool use_dictionary(struct fold *f)
{
	f->pack = ZSTD_createCCtx();
	f->unpack = ZSTD_createDCtx();
	f->pack_by = ZSTD_createCDict(f->dictionary.p, f->dictionary.n, PACK_LEVEL);
	f->unpack_by = ZSTD_createDDict(f->dictionary.p, f->dictionary.n);
	if (!f->pack || !f->unpack || !f->pack_by || !f->unpack_by)
		return false;
	(void)ZSTD_CCtx_setParameter(f->pack, ZSTD_c_contentSizeFlag, 0);
	(void)ZSTD_CCtx_setParameter(f->pack, ZSTD_c_dictIDFlag, 0);
	return !ZSTD_isError(ZSTD_CCtx_refCDict(f->pack, f->pack_by));
}

/* The raw bytes are a sample of what messages are like. */
static void learn(struct fold *f)
{
	if (f->dictionary.n || f->raw.n > SAMPLE_BYTES)
		return;
	f->sample_n[f->n_samples++] = f->raw.n;
	buf_addsv(&f->samples, buf_sv(&f->raw));
	if (f->n_samples < DICTIONARY_SAMPLES)
		return;
	buf_reserve(&f->dictionary, DICTIONARY_BYTES);
	/* The newest samples are what others are compared with; choosing the best pieces of all would take three times as long and gain little. */
	size_t content = f->samples.n < DICTIONARY_BYTES - DICTIONARY_HEAD ? f->samples.n : DICTIONARY_BYTES - DICTIONARY_HEAD;
	const char *newest = f->samples.p + f->samples.n - content;
	ZDICT_params_t how = { .compressionLevel = PACK_LEVEL };
	size_t n = ZDICT_finalizeDictionary(f->dictionary.p, DICTIONARY_BYTES, newest, content, f->samples.p, f->sample_n, f->n_samples, how);
	if (ZDICT_isError(n))
		memcpy(f->dictionary.p, newest, n = content);
	f->dictionary.n = n;
	buf_fini(&f->samples);
	if (!use_dictionary(f))
		panic("no memory to pack messages");
}

/* False: as it is, it is shorter. */
static bool pack(struct fold *f)
{
	if (!f->pack || f->raw.n > RAW_MAX) /* more would not be unpacked */
		return false;
	size_t most = ZSTD_compressBound(f->raw.n);
	buf_clear(&f->packed);
	buf_reserve(&f->packed, most);
	size_t n = ZSTD_compress2(f->pack, f->packed.p, most, f->raw.p, f->raw.n);
	if (ZSTD_isError(n) || n < MAGIC_BYTES || n - MAGIC_BYTES >= f->raw.n)
		return false;
	f->packed.n = n;
	return true;
}

static bool unpack(struct fold *f, struct sv packed, size_t raw_n)
{
	if (!f->unpack || raw_n > RAW_MAX)
		return false;
	buf_clear(&f->packed);
	buf_add(&f->packed, magic, MAGIC_BYTES);
	buf_addsv(&f->packed, packed);
	buf_clear(&f->raw);
	buf_reserve(&f->raw, raw_n + 1);
	f->raw.n = raw_n;
	return ZSTD_decompress_usingDDict(f->unpack, f->raw.p, raw_n, f->packed.p, f->packed.n, f->unpack_by) == raw_n;
}

static void end_packing(struct fold *f)
{
	ZSTD_freeCCtx(f->pack);
	ZSTD_freeDCtx(f->unpack);
	ZSTD_freeCDict(f->pack_by);
	ZSTD_freeDDict(f->unpack_by);
}
#else
#define MAGIC_BYTES 0u
static bool use_dictionary(struct fold *f) { return (void)f, false; }
static void learn(struct fold *f) { (void)f; }
static bool pack(struct fold *f) { return (void)f, false; }
static bool unpack(struct fold *f, struct sv packed, size_t raw_n) { return (void)f, (void)packed, (void)raw_n, false; }
static void end_packing(struct fold *f) { (void)f; }
#endif

/* -- a message as bytes. Times are told by how far they are from the first, texts one behind the other. -- */

static void put_text(const struct open_msg *m, struct open_ref ref, struct buf *out)
{
	wire_put_sv(out, open_get(m, ref));
}

static void put_rcpt(const struct open_msg *m, const struct open_rcpt *r, struct buf *out)
{
	wire_put_i(out, r->time_us - m->first_us);
	wire_put_u(out, r->attempts);
	wire_put_u(out, r->status);
	wire_put_u(out, (r->local ? 1u : 0u) | (r->changed ? 2u : 0u) | (r->handed ? 4u : 0u) | (r->final_hop ? 8u : 0u));
#define T(name) put_text(m, r->name, out);
	RCPT_TEXTS(T)
#undef T
}

static void put_msg(const struct open_msg *m, struct buf *out)
{
	struct open_msg told = *m; /* its times as distances */
	told.last_us -= m->first_us;
	told.due_us = 0;
	told.text_lost = 0;
	wire_put_u(out, m->host);
	wire_put_sv(out, sv_cstr(m->mta));
#define F(name) wire_put_i(out, (int64_t)told.name);
	MSG_FIGURES(F)
#undef F
#define T(name) put_text(m, m->name, out);
	OPEN_TEXTS(T)
#undef T
	for (unsigned i = 0; i < TXN_LINES; i++) {
		put_text(m, m->lines[i], out);
		wire_put_u(out, m->line_refused[i]);
	}
	wire_put_u(out, m->n_rcpt);
	for (uint32_t i = 0; i < m->n_rcpt; i++)
		put_rcpt(m, &m->rcpt[i], out);
}

static void get_text(struct correlate *c, struct wire *w, struct open_msg *m, struct open_ref *ref)
{
	struct sv s = wire_get_sv(w);
	if (!w->bad && s.p)
		open_set(c, m, ref, s);
}

static void get_rcpt(struct correlate *c, struct wire *w, struct open_msg *m)
{
	int64_t after_us = wire_get_i(w);
	struct open_rcpt told = { .time_us = m->first_us };
	if (open_sane_us(after_us))
		told.time_us += after_us;
	else
		wire_spoil(w);
	told.attempts = (uint32_t)wire_get_u(w);
	told.status = (uint8_t)wire_get_u(w);
	uint64_t bits = wire_get_u(w);
	struct sv recipient = wire_get_sv(w);
	struct open_rcpt *r = w->bad || told.status >= TXN_STATUS_COUNT ? NULL : open_rcpt_add(c, m, recipient, (uint32_t)open_hash(c, recipient, 0));
	if (!r) {
		wire_spoil(w);
		return;
	}
	r->time_us = told.time_us;
	r->attempts = told.attempts;
	r->status = told.status;
	r->local = bits & 1, r->changed = bits & 2, r->handed = bits & 4, r->final_hop = bits & 8;
	struct open_ref *rest[] = { &r->orig, &r->dsn, &r->reply, &r->relay_host, &r->relay_ip };
	for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
		get_text(c, w, m, rest[i]);
}

static bool get_msg(struct correlate *c, struct wire *w, struct open_msg *m)
{
	uint64_t host = wire_get_u(w);
	const struct mta *format = mta_named(wire_get_sv(w));
	m->host = (uint32_t)host;
	m->mta = format ? format->name : "other";
#define F(name) m->name = (__typeof__(m->name))wire_get_i(w);
	MSG_FIGURES(F)
#undef F
	m->text_lost = 0; /* as put_msg() says */
	if (w->bad || host >= c->n_host || !open_sane_us(m->first_us) || !open_sane_us(m->last_us))
		return false;
	m->last_us += m->first_us;
#define T(name) get_text(c, w, m, &m->name);
	OPEN_TEXTS(T)
#undef T
	for (unsigned i = 0; i < TXN_LINES; i++) {
		get_text(c, w, m, &m->lines[i]);
		m->line_refused[i] = wire_get_u(w) != 0;
	}
	for (uint64_t left = wire_get_u(w); left-- && !w->bad;)
		get_rcpt(c, w, m);
	open_count(m);
	return !w->bad && w->p == w->end;
}

/* -- folding -- */

/* Puts the folded bytes of m in the place of its struct: its keys, how long it is unpacked (0: it is not packed), and then itself. The first
 * key always takes the same room: it has another number after a snapshot, and what messages take decides which are told early. */
static void put_away(struct correlate *c, uint32_t m, size_t raw_n, struct sv body)
{
	struct fold *f = c->fold;
	struct open_stub *s = &c->stub[m];
	const struct open_msg *o = c->msg[m];
	char head[sizeof o->first_key + 3 * WIRE_NUMBER_MAX], *p = head + sizeof o->first_key;
	memcpy(head, &o->first_key, sizeof o->first_key);
	p = wire_raw_u(p, o->n_keys);
	p = wire_raw_u(p, o->keys_open);
	p = wire_raw_u(p, raw_n);
	s->folded_n = (uint32_t)((size_t)(p - head) + body.n);
	s->folded = xmalloc(s->folded_n);
	memcpy(s->folded, head, (size_t)(p - head));
	memcpy(s->folded + (p - head), body.p, body.n);
	s->last_us = o->last_us;
	f->bytes += s->folded_n;
	f->n++;
	open_msg_drop(c, m);
}

/* What is behind the first key. */
static struct wire folded_of(const struct open_stub *s, uint32_t *ret_first_key)
{
	memcpy(ret_first_key, s->folded, sizeof *ret_first_key);
	return wire_of(sv_make(s->folded + sizeof *ret_first_key, s->folded_n - sizeof *ret_first_key));
}

static bool may_fold(const struct correlate *c, const struct open_msg *o)
{
	bool told = c->final_only || (o->reported && !o->dirty && o->shown);
	return told && !o->due && o->maybe_parent == OPEN_NONE && o->first_child == OPEN_NONE;
}

static void fold(struct correlate *c, uint32_t m)
{
	struct fold *f = fold_of(c);
	buf_clear(&f->raw);
	put_msg(c->msg[m], &f->raw);
	learn(f);
	open_touch(c, m, OPEN_FOLDED);
	if (pack(f))
		put_away(c, m, f->raw.n, sv_skip(buf_sv(&f->packed), MAGIC_BYTES));
	else
		put_away(c, m, 0, buf_sv(&f->raw));
}

void fold_idle(struct correlate *c)
{
	struct fold *f = fold_of(c);
	if (c->now_us < f->next_us)
		return;
	f->next_us = c->now_us + FOLD_EVERY_US;
	for (uint32_t m = c->list[OPEN_QUEUED].first, next; m != OPEN_NONE; m = next) {
		next = c->stub[m].list_next;
		if (c->now_us - c->msg[m]->last_us < c->fold_after_us)
			return;
		if (may_fold(c, c->msg[m]))
			fold(c, m);
		else
			open_touch(c, m, OPEN_IDLE);
	}
}

/* A message of which w says how long it is and then itself, up to w's end. */
static bool read_body(struct correlate *c, struct wire w, struct open_msg *m)
{
	uint64_t raw_n = wire_get_u(&w);
	if (w.bad)
		return false;
	if (raw_n) {
		if (!unpack(c->fold, sv_make((const char *)w.p, (size_t)(w.end - w.p)), raw_n))
			return false;
		w = wire_of(buf_sv(&c->fold->raw));
	}
	return get_msg(c, &w, m);
}

static void forget(struct correlate *c, uint32_t m)
{
	struct open_stub *s = &c->stub[m];
	c->fold->bytes -= s->folded_n;
	c->fold->n--;
	free(s->folded);
	s->folded = NULL;
}

void fold_open(struct correlate *c, uint32_t m)
{
	struct open_msg *o = open_msg_new(c, m);
	struct wire w = folded_of(&c->stub[m], &o->first_key);
	o->n_keys = (uint32_t)wire_get_u(&w);
	o->keys_open = (uint32_t)wire_get_u(&w);
	if (!read_body(c, w, o))
		panic("a folded message does not unfold"); /* fold_load() has looked at those that came from elsewhere */
	forget(c, m);
	open_touch_first(c, m, OPEN_QUEUED); /* it is older than what was not folded yet */
}

/* -- figures and snapshots -- */

size_t fold_bytes(const struct correlate *c)
{
	return c->fold ? c->fold->bytes : 0;
}

uint32_t fold_count(const struct correlate *c)
{
	return c->fold ? c->fold->n : 0;
}

void fold_free(struct correlate *c)
{
	struct fold *f = c->fold;
	if (!f)
		return;
	end_packing(f);
	buf_fini(&f->dictionary);
	buf_fini(&f->samples);
	buf_fini(&f->raw);
	buf_fini(&f->packed);
	free(f);
	c->fold = NULL;
}

void fold_save_dictionary(const struct correlate *c, struct buf *out)
{
	const struct fold *f = c->fold;
	wire_put_i(out, f ? f->next_us : 0);
	wire_put_sv(out, f ? buf_sv(&f->dictionary) : sv_make("", 0));
	unsigned n = f && !f->dictionary.n ? f->n_samples : 0;
	wire_put_u(out, n);
	for (size_t i = 0, at = 0; i < n; at += f->sample_n[i++])
		wire_put_sv(out, sv_make(buf_sv(&f->samples).p + at, f->sample_n[i]));
}

void fold_load_dictionary(struct correlate *c, struct wire *w)
{
	struct fold *f = fold_of(c);
	f->next_us = wire_get_i(w);
	struct sv dictionary = wire_get_sv(w);
	uint64_t n = wire_get_u(w);
	if (w->bad || n >= DICTIONARY_SAMPLES || dictionary.n > DICTIONARY_BYTES) {
		wire_spoil(w);
		return;
	}
	for (uint64_t i = 0; i < n && !w->bad; i++) {
		struct sv sample = wire_get_sv(w);
		f->sample_n[f->n_samples++] = sample.n;
		buf_addsv(&f->samples, sample);
	}
	if (w->bad || !dictionary.n)
		return;
	buf_addsv(&f->dictionary, dictionary);
	if (!use_dictionary(f))
		wire_spoil(w);
}

uint32_t fold_keys(const struct correlate *c, uint32_t m)
{
	uint32_t first_key;
	(void)folded_of(&c->stub[m], &first_key);
	return first_key;
}

void fold_save(const struct correlate *c, uint32_t m, struct buf *out)
{
	uint32_t first_key; /* a number of this table */
	struct wire w = folded_of(&c->stub[m], &first_key);
	for (unsigned i = 0; i < 2; i++)
		(void)wire_get_u(&w); /* how many keys: they are saved themselves */
	wire_put_sv(out, sv_make((const char *)w.p, (size_t)(w.end - w.p)));
}

bool fold_load(struct correlate *c, uint32_t m, struct wire *w, struct sv *ret_body)
{
	*ret_body = wire_get_sv(w);
	return !w->bad && ret_body->p && read_body(c, wire_of(*ret_body), c->msg[m]) && may_fold(c, c->msg[m]);
}

void fold_again(struct correlate *c, uint32_t m, struct sv body)
{
	struct wire w = wire_of(body);
	uint64_t raw_n = wire_get_u(&w);
	put_away(c, m, (size_t)raw_n, sv_make((const char *)w.p, (size_t)(w.end - w.p)));
}
