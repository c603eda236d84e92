#include <stdlib.h>

#include "analyzer/segment_reading.h"
#include "lib/near.h"

#define ARCHIVE_KEY_MAX 64u /* so much of a key is looked for at first */

/* --- wanted words ------------------------------------------------------------------------------------------------- */

/* Which dictionary words answer to a key: a few, or a bit per word. */
#define FEW 8u
struct wanted { uint32_t few[FEW]; unsigned n; uint8_t *bit; bool any; };

static void want(const struct segment *s, struct wanted *w, uint32_t i)
{
	w->any = true;
	if (!w->bit && w->n < FEW) {
		w->few[w->n++] = i + 1;
		return;
	}
	if (!w->bit) {
		w->bit = xcalloc(s->words / 8 + 1, 1);
		for (unsigned k = 0; k < w->n; k++)
			w->bit[(w->few[k] - 1) / 8] |= (uint8_t)(1u << ((w->few[k] - 1) % 8));
	}
	w->bit[i / 8] |= (uint8_t)(1u << (i % 8));
}

static void unwant(struct wanted *w, uint32_t i)
{
	for (unsigned k = w->bit ? 0 : w->n; k-- > 0;)
		if (w->few[k] == i + 1)
			w->few[k] = w->few[--w->n];
	if (w->bit)
		w->bit[i / 8] &= (uint8_t)~(1u << (i % 8));
}

/* v: 1 + number of a word, 0 for none. */
static inline bool is_wanted(const struct segment *s, const struct wanted *w, int64_t v)
{
	return v > 0 && v <= (int64_t)s->words && (w->bit[(v - 1) / 8] >> ((v - 1) % 8) & 1);
}

/* With or without <> around it. */
static bool answers(struct sv text, struct sv key)
{
	text = archive_bare(text);
	return text.n == key.n && archive_same(text.p, key.p, key.n);
}

/* A byte for each message. */
static char *clear_marks(struct buf *b, size_t n, int value)
{
	buf_clear(b);
	buf_reserve(b, n);
	return memset(b->p, value, n);
}

/* --- by index ----------------------------------------------------------------------------------------------------- */

/* What may have that hash: calls found with each item below `items`, until it returns other than 0. */
typedef int item_cb(void *ctx, uint32_t item, struct err *e);
static int index_each(const struct segment *s, enum segment_index k, uint64_t hash, uint32_t items, item_cb *found, void *ctx, struct err *e)
{
	int first = SECTION_INDEX + (int)k * INDEX_PARTS;
	int64_t entry = (int64_t)index_entry(hash, index_bits(s->h.section[first + INDEX_HASH].rows)), from, to;
	if (!segment_bucket(s, k, hash, &from, &to))
		return err_set(e, "%s: damaged (an index)", s->path);
	for (int64_t past = to; from < past;) { /* to the first that is not below */
		int64_t mid = from + (past - from) / 2;
		if (segment_number(s, first + INDEX_HASH, (size_t)mid) < entry)
			from = mid + 1;
		else
			past = mid;
	}
	for (int64_t i = from; i < to && segment_number(s, first + INDEX_HASH, (size_t)i) == entry; i++) {
		int64_t item = segment_number(s, first + INDEX_ITEM, (size_t)i);
		if (item < 0 || item >= (int64_t)items)
			return err_set(e, "%s: damaged (items of an index)", s->path);
		int bad = found(ctx, (uint32_t)item, e);
		if (bad)
			return bad;
	}
	return 0;
}

struct exact { const struct segment *s; struct segment_reader *r; struct sv key; struct wanted *w; int lengths, texts; };

static int word_found(void *ctx, uint32_t item, struct err *e)
{
	const struct exact *x = ctx;
	struct sv word;
	if (segment_word(x->s, x->r, item, &word, e) < 0)
		return -1;
	if (answers(word, x->key))
		want(x->s, x->w, item);
	return 0;
}

static int row_found(void *ctx, uint32_t row, struct err *e)
{
	const struct exact *x = ctx;
	struct sv text;
	if (segment_plain(x->s, x->r, x->lengths, x->texts, row, &text, e) < 0)
		return -1;
	if (!text.p || !answers(text, x->key))
		return 0;
	if (!x->w->any)
		(void)clear_marks(&x->r->mark_too, x->s->h.messages + 1u, 0);
	x->w->any = true;
	x->r->mark_too.p[row] = 1;
	return 0;
}

static uint32_t hash_before_at(const char *p, size_t i)
{
	uint32_t v = 0;
	memcpy(&v, p + i * SEGMENT_HASH_BYTES, SEGMENT_HASH_BYTES);
	return v;
}

/* In the format before: the first of n sorted hashes that is not below h. */
static uint32_t first_not_below(const char *hashes, uint32_t n, uint32_t h)
{
	uint32_t lo = 0, hi = n;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (hash_before_at(hashes, mid) < h)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int want_before(struct exact *x, enum word_class class, struct sv text, struct err *e)
{
	const struct segment *s = x->s;
	uint32_t h = (uint32_t)(segment_hash(text) >> 40), first = class == WORD_ADDRESS ? 0 : s->h.words[0], n = s->h.words[class == WORD_ADDRESS ? 0 : 1];
	const char *hashes = s->map + s->h.section[SECTION_HASH].offset + (size_t)first * SEGMENT_HASH_BYTES;
	for (uint32_t i = first_not_below(hashes, n, h); i < n && hash_before_at(hashes, i) == h; i++) {
		int64_t number = segment_number(s, SECTION_ORDER, first + i);
		if (number < 0 || number > UINT32_MAX || word_found(x, (uint32_t)number, e) < 0)
			return -1;
	}
	return 0;
}

/* In the format before a word's hash is of its text with the brackets. */
static int want_both_before(struct exact *x, enum word_class class, struct err *e)
{
	struct buf text = { 0 };
	buf_addc(&text, '<');
	buf_addsv(&text, x->key);
	buf_addc(&text, '>');
	int bad = want_before(x, class, x->key, e) < 0 ? -1 : want_before(x, class, buf_sv(&text), e);
	buf_fini(&text);
	return bad;
}

/* The words of that class whose text is key. */
static int want_exact(const struct segment *s, struct segment_reader *r, enum word_class class, struct sv key, struct wanted *w, struct err *e)
{
	struct exact x = { .s = s, .r = r, .key = key, .w = w };
	if (s->before)
		return want_both_before(&x, class, e);
	return index_each(s, class == WORD_ADDRESS ? INDEX_ADDRESS : INDEX_KEYED, segment_hash(key), s->h.words[0] + s->h.words[1], word_found, &x, e);
}

/* --- a piece of an address ---------------------------------------------------------------------------------------- */

/* An address answers when its local part does (holds `local`, or ends with it when `ends`) and its domain does (r->domain); or, where
 * `either`, when one of them does. */
struct piece {
	const struct segment *s;
	struct segment_reader *r;
	struct sv key;          /* as asked for */
	struct sv local;        /* in lower case, at most ARCHIVE_KEY_MAX bytes of it */
	bool substring, ends, either;
	struct buf whole;       /* uint32_t: addresses that are to be compared as a whole */
	struct wanted *w;
};

static bool domain_answers(const struct piece *p, uint32_t i)
{
	int64_t d = segment_number(p->s, SECTION_DOMAIN, i);
	return d > 0 && d <= (int64_t)p->s->h.domains && p->r->domain.p[d - 1];
}

static bool any_domain(const struct piece *p, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		if (domain_answers(p, i))
			return true;
	return false;
}

/* One word behind the other. */
struct walk { struct segment_texts t; uint32_t next, last; size_t start, end; };

static bool step(struct walk *w, bool *ret_bad)
{
	if (w->next >= w->last)
		return false;
	size_t n = segment_length(&w->t, w->next);
	w->start = w->end;
	*ret_bad = !n || n - 1 > w->t.bytes.n - w->start;
	if (*ret_bad)
		return false;
	w->end += n - 1;
	w->next++;
	return true;
}

static int damaged_words(const struct piece *p, struct err *e)
{
	return err_set(e, "%s: damaged (words)", p->s->path);
}

/* The words of a block below `last`; r->low has them in lower case. */
static int begin_walk(const struct piece *p, const struct segment_blocks *b, uint32_t k, uint32_t last, struct walk *w, struct err *e)
{
	*w = (struct walk){ .start = 0 };
	if (segment_unpack(p->s, p->r, SECTION_TEXT, SECTION_LENGTH, b, k, &w->t, e) < 0)
		return -1;
	buf_clear(&p->r->low);
	buf_reserve(&p->r->low, w->t.bytes.n + 1);
	near_lower(p->r->low.p, w->t.bytes.p, w->t.bytes.n);
	w->next = w->t.first;
	w->last = w->t.last < last ? w->t.last : last;
	return 0;
}

/* The word at hand holds p->local at `place` (of its block), or begins to. */
static void at_place(struct piece *p, const struct walk *w, size_t place)
{
	uint32_t i = w->next - 1;
	struct sv word = sv_make(p->r->low.p + w->start, w->end - w->start);
	if (p->s->before) {
		if (archive_key_matches(word, p->key, p->substring))
			want(p->s, p->w, i);
		return;
	}
	size_t end = place + p->local.n;
	if (end > w->end || (p->ends && end != w->end) || !(p->either || domain_answers(p, i)))
		return;
	if (p->local.n == ARCHIVE_KEY_MAX) /* there may be more of it */
		buf_add(&p->whole, &i, sizeof i);
	else
		want(p->s, p->w, i);
}

static int scan_block(struct piece *p, struct walk *w, struct err *e)
{
	const char *low = p->r->low.p;
	size_t raw = w->t.bytes.n, from = 0;
	bool bad = false;
	for (const char *at; from <= raw && (at = near_find(low + from, raw - from, p->local.p, p->local.n)); from = (size_t)(at - low) + 1) {
		size_t place = (size_t)(at - low);
		while (w->end <= place)
			if (!step(w, &bad))
				return bad ? damaged_words(p, e) : 0;
		at_place(p, w, place);
	}
	return 0;
}

/* Local parts (in the format before: addresses): block by block, leaving out blocks of no domain that answers. */
static int scan_locals(struct piece *p, struct err *e)
{
	struct segment_blocks b;
	struct walk w;
	int bad = segment_blocks(p->s, SECTION_TEXT, &b, e);
	bool all = p->s->before || p->either;
	uint32_t words = p->s->h.words[0];
	if (!bad && all)
		segment_ahead(p->s, SECTION_TEXT);
	for (uint32_t k = 0; !bad && k < b.n && segment_block_at(&b, k).item < words; k++) {
		uint32_t first = segment_block_at(&b, k).item, last = segment_block_at(&b, k + 1).item;
		if (all || any_domain(p, first, last < words ? last : words))
			bad = begin_walk(p, &b, k, words, &w, e) < 0 ? -1 : scan_block(p, &w, e);
	}
	return bad;
}

/* Addresses in brackets, or with more than one @, are compared as a whole. Nearly no segment has any. */
static int scan_odd(struct piece *p, struct err *e)
{
	struct segment_blocks b;
	struct walk w;
	int bad = segment_blocks(p->s, SECTION_TEXT, &b, e);
	for (uint32_t k = 0; !bad && k < b.n && segment_block_at(&b, k).item < p->s->h.words[0]; k++) {
		bool damaged = false;
		if (begin_walk(p, &b, k, p->s->h.words[0], &w, e) < 0)
			return -1;
		while (step(&w, &damaged)) {
			uint32_t i = w.next - 1;
			const char *local = p->r->low.p + w.start;
			if (w.end > w.start && (*local == '<' || memchr(local, '@', w.end - w.start)))
				buf_add(&p->whole, &i, sizeof i);
		}
		bad = damaged ? damaged_words(p, e) : 0;
	}
	return bad;
}

static bool domain_matches(const struct piece *p, struct sv domain, struct sv want)
{
	if (p->either) /* anywhere inside */
		return near_find(domain.p, domain.n, want.p, want.n) != NULL;
	return p->key.p[0] == '@' ? sv_eq(domain, want) : sv_starts(domain, want);
}

/* Which domains answer. */
static int match_domains(struct piece *p, struct sv want, bool *ret_any, struct err *e)
{
	struct segment_blocks b;
	struct walk w;
	uint32_t first = p->s->h.words[0] + p->s->h.words[1];
	buf_clear(&p->r->domain);
	buf_reserve(&p->r->domain, p->s->h.domains + 1u);
	memset(p->r->domain.p, 0, p->s->h.domains + 1u);
	*ret_any = false;
	if (segment_blocks(p->s, SECTION_TEXT, &b, e) < 0)
		return -1;
	for (uint32_t k = b.n; k-- > 0 && segment_block_at(&b, k + 1).item > first;) {
		bool damaged = false;
		if (begin_walk(p, &b, k, p->s->words, &w, e) < 0)
			return -1;
		while (step(&w, &damaged)) {
			if (w.next - 1 < first || !domain_matches(p, sv_make(p->r->low.p + w.start, w.end - w.start), want))
				continue;
			p->r->domain.p[w.next - 1 - first] = 1;
			*ret_any = true;
		}
		if (damaged)
			return damaged_words(p, e);
	}
	return 0;
}

/* What is compared as a whole overrules. */
static int settle_whole(struct piece *p, struct err *e)
{
	struct sv word;
	for (size_t at = 0; at < p->whole.n; at += sizeof(uint32_t)) {
		uint32_t i;
		memcpy(&i, p->whole.p + at, sizeof i);
		if (segment_word(p->s, p->r, i, &word, e) < 0)
			return -1;
		if (archive_key_matches(word, p->key, p->substring))
			want(p->s, p->w, i);
		else
			unwant(p->w, i);
	}
	return 0;
}

static int scan_parts(struct piece *p, struct sv local, struct sv domain, struct err *e)
{
	bool any;
	if (match_domains(p, domain, &any, e) < 0)
		return -1;
	if ((p->either || (any && local.n && !memchr(local.p, '@', local.n))) && scan_locals(p, e) < 0)
		return -1;
	if (any && (p->either || !local.n))
		for (uint32_t i = 0; i < p->s->h.words[0]; i++)
			if (domain_answers(p, i))
				want(p->s, p->w, i);
	if (p->s->h.section[SECTION_DOMAIN].odd && scan_odd(p, e) < 0)
		return -1;
	return settle_whole(p, e);
}

/* Addresses that hold key. */
static int want_piece(const struct segment *s, struct segment_reader *r, struct sv key, bool substring, struct wanted *w, struct err *e)
{
	struct buf low = { 0 };
	struct piece p = { .s = s, .r = r, .key = key, .substring = substring, .w = w };
	buf_reserve(&low, key.n);
	near_lower(low.p, key.p, key.n);
	struct sv all = sv_make(low.p, key.n), local = all, domain = all;
	ptrdiff_t at = sv_rchr(all, '@');
	p.either = at < 0 || s->before;
	p.ends = !p.either;
	if (!p.either) {
		local = sv_take(all, (size_t)at);
		domain = sv_skip(all, (size_t)at + 1);
	}
	/* of one that is to end the local part, its end */
	p.local = p.ends && local.n > ARCHIVE_KEY_MAX ? sv_skip(local, local.n - ARCHIVE_KEY_MAX) : sv_take(local, ARCHIVE_KEY_MAX);
	int bad = s->before ? scan_locals(&p, e) : scan_parts(&p, local, domain, e);
	buf_fini(&low);
	buf_fini(&p.whole);
	return bad;
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

static bool is_address(enum archive_key k)
{
	return k == ARCHIVE_SENDER || k == ARCHIVE_RECIPIENT || k == ARCHIVE_ACCOUNT;
}

static bool is_piece(enum archive_key k, struct sv key, bool substring)
{
	return is_address(k) && key.n && (key.p[0] == '@' || substring);
}

enum segment_index segment_index_of(const struct archive_query *q, enum archive_key k)
{
	if (!q->key[k].p || is_piece(k, q->key[k], q->substring))
		return INDEXES;
	if (is_address(k))
		return INDEX_ADDRESS;
	return k == ARCHIVE_CLIENT ? INDEX_KEYED : k == ARCHIVE_QUEUE_ID ? INDEX_queue_id : INDEX_message_id;
}

static int want_words(const struct segment *s, struct segment_reader *r, enum archive_key k, struct sv key, bool substring, struct wanted *w, struct err *e)
{
	if (is_piece(k, key, substring))
		return want_piece(s, r, key, substring, w, e);
	return want_exact(s, r, is_address(k) ? WORD_ADDRESS : WORD_OTHER, key, w, e);
}

static const int key_section[ARCHIVE_KEYS] = {
	[ARCHIVE_SENDER] = SECTION_M_sender,     [ARCHIVE_RECIPIENT] = SECTION_R_recipient, [ARCHIVE_ACCOUNT] = SECTION_M_account,
	[ARCHIVE_CLIENT] = SECTION_M_client_ip,  [ARCHIVE_QUEUE_ID] = SECTION_M_queue_id,   [ARCHIVE_MESSAGE_ID] = SECTION_M_message_id,
};

struct marking { const struct segment *s; char *mark; bool recipients; uint32_t message; };

/* Rows come in ascending order. The message that recipient `row` belongs to is the last that begins not behind it: near the one of the row
 * before, or looked for by halving. */
static bool mark(void *ctx, size_t row)
{
	struct marking *m = ctx;
	if (!m->recipients) {
		m->mark[row] = 1;
		return true;
	}
	uint32_t lo = m->message, hi = m->s->h.messages, step = 1;
	while (lo + step < hi && segment_number(m->s, SECTION_RCPT, lo + step) <= (int64_t)row) {
		lo += step;
		step *= 2;
	}
	hi = lo + step < hi ? lo + step : hi;
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (segment_number(m->s, SECTION_RCPT, mid) <= (int64_t)row)
			lo = mid;
		else
			hi = mid;
	}
	m->message = lo;
	m->mark[lo] = 1;
	return true;
}

/* Marks the messages whose column c holds one of the wanted words. */
static void mark_column(const struct segment *s, const struct wanted *w, int c, bool recipients, char *marks)
{
	const struct packed *k = &s->h.section[c].packed;
	const char *p = s->map + s->h.section[c].offset;
	size_t rows = recipients ? s->h.recipients : s->h.messages;
	if (!s->h.messages || !w->any)
		return;
	segment_ahead(s, c);
	struct marking m = { s, marks, recipients, 0 };
	for (unsigned i = 0; i < w->n && !w->bit; i++, m.message = 0)
		packed_find(k, p, rows, w->few[i], mark, &m);
	if (w->bit)
		for (size_t i = 0; i < rows; i++)
			if (is_wanted(s, w, packed_get(k, p, i)))
				(void)mark(&m, i);
}

/* Marks what answers to this key in r->mark_too. False in *ret_any: nothing does; then it was not touched, which is most of what searching does. */
static int mark_key(const struct segment *s, struct segment_reader *r, enum archive_key k, struct sv key, bool substring, bool *ret_any, struct err *e)
{
	struct wanted w = { .n = 0 }, user = { .n = 0 };
	int bad;
	if (!s->before && (k == ARCHIVE_QUEUE_ID || k == ARCHIVE_MESSAGE_ID)) {
		bool mid = k == ARCHIVE_MESSAGE_ID;
		struct exact x = { .s = s, .r = r, .key = key, .w = &w, .lengths = key_section[k], .texts = mid ? SECTION_message_id_text : SECTION_queue_id_text };
		bad = index_each(s, mid ? INDEX_message_id : INDEX_queue_id, segment_hash(key), s->h.messages, row_found, &x, e);
		*ret_any = w.any;
		return bad;
	}
	bad = want_words(s, r, k, key, substring, &w, e);
	if (!bad && k == ARCHIVE_ACCOUNT && archive_may_be_user(key))
		bad = want_exact(s, r, WORD_OTHER, key, &user, e);
	*ret_any = w.any || user.any;
	if (!bad && *ret_any) {
		char *marks = clear_marks(&r->mark_too, s->h.messages + 1u, 0);
		mark_column(s, &w, key_section[k], k == ARCHIVE_RECIPIENT, marks);
		if (k == ARCHIVE_RECIPIENT)
			mark_column(s, &w, SECTION_R_orig_recipient, true, marks);
		mark_column(s, &user, SECTION_M_local_user, false, marks);
	}
	free(w.bit);
	free(user.bit);
	return bad;
}

static bool in_time(const struct segment *s, const struct archive_query *q, uint32_t i)
{
	return (!q->since_us || segment_time(s, SECTION_M_last_us, i, i) >= q->since_us) && (!q->until_us || segment_time(s, SECTION_M_first_us, i, i) <= q->until_us);
}

static void give_rows(const struct segment *s, const struct archive_query *q, const char *marks, struct buf *ret)
{
	const char *at;
	for (size_t left = s->h.messages; left && (at = memrchr(marks, 1, left)); left = (size_t)(at - marks)) {
		uint32_t row = (uint32_t)(at - marks);
		if (in_time(s, q, row))
			buf_add(ret, &row, sizeof row);
	}
}

int segment_match(const struct segment *s, struct segment_reader *r, const struct archive_query *q, struct buf *ret_rows, struct err *e)
{
	size_t n = s->h.messages + 1u;
	bool all = true, any = true;
	for (int k = 0; k < ARCHIVE_KEYS && any; k++) {
		if (!q->key[k].p)
			continue;
		if (mark_key(s, r, (enum archive_key)k, q->key[k], q->substring, &any, e) < 0)
			return -1;
		for (size_t i = 0; any && !all && i < n; i++)
			r->mark_too.p[i] &= r->mark.p[i];
		struct buf swap = r->mark;
		r->mark = r->mark_too;
		r->mark_too = swap;
		all = false;
	}
	if (any && all)
		(void)clear_marks(&r->mark, n, 1);
	if (any)
		give_rows(s, q, r->mark.p, ret_rows);
	return 0;
}
