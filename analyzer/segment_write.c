#include <assert.h>
#include <stdlib.h>

#include "analyzer/segment_making.h"
#include "lib/arena.h"
#include "lib/hash.h"
#include "lib/msg.h"
#include "lib/near.h"

#define TEXT_BYTES 64u /* of the texts of a message in one column, and of its new words; mostly fewer */
#define AHEAD_BYTES 2048u
#define MESSAGE_BYTES 128u /* in the file; mostly fewer */

enum {
#define M_TEXT(name, class) OF_M_##name,
#include "analyzer/segment_cols.def"
	TEXTS_OF_MESSAGE
};
enum {
#define R_TEXT(name, class) OF_R_##name,
#include "analyzer/segment_cols.def"
	TEXTS_OF_RECIPIENT
};
static_assert(TEXTS_OF_MESSAGE <= WAITING_ROW && TEXTS_OF_RECIPIENT <= WAITING_ROW, "all of them may wait");

struct segment_writer *segment_writer_new(void)
{
	struct segment_writer *w = xcalloc(1, sizeof *w);
	for (int k = 0; k < WORD_CLASSES; k++)
		w->words[k] = (struct words){ xcalloc(1, sizeof(struct word)), 0, 1 };
#ifdef WITH_ZSTD
	w->zstd = ZSTD_createCCtx();
	if (!w->zstd)
		panic("out of memory");
#endif
	return w;
}

void segment_writer_uncached(struct segment_writer *w)
{
	w->uncached = true;
}

void segment_writer_free(struct segment_writer *w)
{
	if (!w)
		return;
	for (int c = 0; c < SECTIONS; c++)
		buf_fini(&w->column[c]);
	for (int k = 0; k < INDEXES; k++)
		buf_fini(&w->key[k]);
	for (int k = 0; k < WORD_CLASSES; k++)
		free(w->words[k].v);
	buf_fini(&w->texts);
	buf_fini(&w->out);
	buf_fini(&w->table);
	buf_fini(&w->raw);
	free(w->number);
	free(w->slot);
	free(w->is_last);
	free(w->seen);
	free(w->rank);
	arena_fini(&w->arena);
#ifdef WITH_ZSTD
	ZSTD_freeCCtx(w->zstd);
#endif
	free(w);
}

/* Room for so many messages and recipients in all columns but those of texts without a dictionary, so that nothing asks for it from then on. */
static void make_room(struct segment_writer *w, size_t messages, size_t recipients)
{
#define M_TEXT(name, class) buf_reserve(&w->column[SECTION_M_##name], messages * sizeof(uint32_t));
#define M_KEY(name) buf_reserve(&w->column[SECTION_M_##name], messages * sizeof(uint32_t)); \
	buf_reserve(&w->key[INDEX_##name], messages * sizeof(uint64_t));
#define M_INT(name) buf_reserve(&w->column[SECTION_M_##name], messages * SEGMENT_M_BYTES(name));
#define M_TIME(name) M_INT(name)
#define R_TEXT(name, class) buf_reserve(&w->column[SECTION_R_##name], recipients * sizeof(uint32_t));
#define R_INT(name) buf_reserve(&w->column[SECTION_R_##name], recipients * SEGMENT_R_BYTES(name));
#define R_TIME(name) R_INT(name)
#define R_PLAIN(name) buf_reserve(&w->column[SECTION_R_##name], recipients * sizeof(uint32_t));
#include "analyzer/segment_cols.def"
	buf_reserve(&w->column[SECTION_RCPT], (messages + 1) * sizeof(int64_t));
}

/* Room for texts, too, as what grows is copied; when they are longer, it has to. */
static void make_text_room(struct segment_writer *w, size_t n)
{
#define M_KEY(name) buf_reserve(&w->column[SECTION_##name##_text], n * TEXT_BYTES);
#define R_PLAIN(name) buf_reserve(&w->column[SECTION_R_##name##_text], n * TEXT_BYTES);
#include "analyzer/segment_cols.def"
	buf_reserve(&w->column[SECTION_TEXT], n * TEXT_BYTES);
	buf_reserve(&w->texts, n * TEXT_BYTES);
}

static void clear_words(struct segment_writer *w)
{
	memset(w->last, 0, sizeof w->last);
	w->n_waiting = 0;
	buf_clear(&w->texts);
	if (w->cap)
		memset(w->slot, 0, w->cap * sizeof *w->slot);
	for (int k = 0; k < WORD_CLASSES; k++)
		w->words[k].n = 0;
}

/* Empty, but with all its memory. */
static void begin(struct segment_writer *w, size_t n)
{
	for (int c = 0; c < SECTIONS; c++)
		buf_clear(&w->column[c]);
	for (int k = 0; k < INDEXES; k++)
		buf_clear(&w->key[k]);
	if (n > w->room)
		w->room = (uint32_t)n * 2;
	clear_words(w);
	make_room(w, n, w->room);
	make_text_room(w, n);
	w->messages = w->recipients = 0;
	w->stats = (struct segment_stats){ 0 };
	buf_clear(&w->out);
	if (w->uncached)
		segment_align(&w->out, n * MESSAGE_BYTES);
	if (n <= w->cap_last)
		return;
	w->cap_last = n;
	w->is_last = xrealloc(w->is_last, n * sizeof *w->is_last);
}

/* -- words -- */

static inline uint32_t tag_of(uint64_t hash, enum word_class class)
{
	return ((uint32_t)(hash >> 32) & ~3u) | class;
}

uint32_t segment_words(const struct segment_writer *w)
{
	return w->words[WORD_ADDRESS].n + w->words[WORD_OTHER].n + w->words[WORD_DOMAIN].n;
}

static void grow_slots(struct segment_writer *w)
{
	w->cap = w->cap ? w->cap * 2 : 1u << 14;
	free(w->slot);
	w->slot = xcalloc(w->cap, sizeof *w->slot);
	for (unsigned class = 0; class < WORD_CLASSES; class++)
		for (uint32_t i = 1; i <= w->words[class].n; i++) {
			uint64_t hash = w->words[class].v[i].hash;
			size_t at = (size_t)hash & (w->cap - 1);
			while (w->slot[at].word)
				at = (at + 1) & (w->cap - 1);
			w->slot[at] = (struct slot){ i, tag_of(hash, class) };
		}
}

/* Where the text of a new word is: a domain is a piece of an address, which is there. */
static uint32_t text_at(struct segment_writer *w, struct sv s, enum word_class class)
{
	struct buf *b = &w->texts;
	if (class == WORD_DOMAIN)
		return (uint32_t)(s.p - b->p);
	buf_reserve(b, s.n + 1); /* of no bytes, too, there is a place */
	near_copy(b->p + b->n, s.p, s.n);
	b->n += s.n;
	return (uint32_t)(b->n - s.n);
}

static uint32_t new_word(struct segment_writer *w, uint64_t hash, struct sv s, enum word_class class)
{
	struct words *all = &w->words[class];
	if (all->n + 1 >= all->cap) {
		all->cap = all->cap > 1 ? all->cap * 2 : 8192;
		all->v = xrealloc(all->v, all->cap * sizeof *all->v);
	}
	all->v[++all->n] = (struct word){ .hash = hash, .text = text_at(w, s, class), .n = (uint32_t)s.n };
	return all->n;
}

static inline bool is_word(const struct segment_writer *w, const struct word *x, uint64_t hash, struct sv s)
{
	return x->hash == hash && x->n == s.n && near_same(w->texts.p + x->text, s.p, s.n);
}

uint32_t segment_intern(struct segment_writer *w, uint64_t h, struct sv s, enum word_class class)
{
	if ((size_t)segment_words(w) * 2 >= w->cap)
		grow_slots(w);
	size_t at = (size_t)h & (w->cap - 1);
	const uint32_t tag = tag_of(h, class);
	/* no word, no slot that is taken: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	for (; w->slot[at].word; at = (at + 1) & (w->cap - 1))
		if (w->slot[at].tag == tag && is_word(w, &w->words[class].v[w->slot[at].word], h, s))
			return w->slot[at].word;
	w->slot[at] = (struct slot){ new_word(w, h, s, class), tag };
	return w->slot[at].word;
}

/* The number of the word that is probably meant, whose slot memory has fetched by now; 0: none is. */
static inline uint32_t likely(const struct segment_writer *w, uint64_t hash, enum word_class class)
{
	const uint32_t tag = tag_of(hash, class);
	size_t at = (size_t)hash & (w->cap - 1);
	while (w->slot[at].word && w->slot[at].tag != tag)
		at = (at + 1) & (w->cap - 1);
	return w->slot[at].word;
}

void segment_soon(const struct segment_writer *w, uint64_t hash, enum word_class class)
{
	uint32_t number = likely(w, hash, class);
	if (number)
		__builtin_prefetch(&w->words[class].v[number]);
}

/* -- texts on their way into columns, which have room for them -- */

static inline void put_number(struct buf *b, uint32_t v)
{
	memcpy(b->p + b->n, &v, sizeof v);
	b->n += sizeof v;
}

/* Rows that are as the last one with a text, then rows without. */
static void put_runs(struct segment_writer *w, unsigned column, uint32_t again, uint32_t absent)
{
	struct buf *b = &w->column[column];
	for (; again; again--)
		put_number(b, w->last[column].number);
	if (absent)
		memset(b->p + b->n, 0, absent * sizeof(uint32_t));
	b->n += absent * sizeof(uint32_t);
}

static inline uint32_t number_of(struct segment_writer *w, const struct waiting *t)
{
	const struct sv text = sv_make(t->text, t->n);
	if (t->likely && is_word(w, &w->words[t->class].v[t->likely], t->hash, text))
		return t->likely;
	return segment_intern(w, t->hash, text, t->class);
}

/* Memory is asked for slots, then words, then their texts, each some steps before they are looked at, so that it answers at once. */
static void fetch_waiting(struct segment_writer *w)
{
	struct waiting *t = w->waiting, *end = t + w->n_waiting;
	if (!w->cap)
		grow_slots(w);
	for (; t < end; t++) {
		t->likely = t->same ? 0 : likely(w, t->hash, t->class);
		__builtin_prefetch(&w->words[t->class].v[t->likely]);
	}
	for (t = w->waiting; t < end; t++) {
		if (!t->likely)
			continue;
		const char *text = w->texts.p + w->words[t->class].v[t->likely].text;
		__builtin_prefetch(text);
		__builtin_prefetch(text + t->n); /* it may lie in two lines */
	}
}

/* The texts that wait get their numbers. */
static void put_waiting(struct segment_writer *w)
{
	fetch_waiting(w);
	for (unsigned i = 0; i < w->n_waiting; i++) {
		const struct waiting *t = &w->waiting[i];
		uint32_t *number = &w->last[t->column].number;
		if (t->again | t->absent)
			put_runs(w, t->column, t->again, t->absent);
		if (!t->same)
			*number = number_of(w, t);
		if (t->keyed)
			w->words[t->class].v[*number].keyed = true;
		put_number(&w->column[t->column], *number);
	}
	w->n_waiting = 0;
}

static void put_present(struct segment_writer *w, enum section c, enum word_class class, struct sv s, bool keyed)
{
	struct last *last = &w->last[c];
	/* Hosts, statuses and relays repeat from row to row. */
	bool same = last->text && last->n == s.n && near_same(last->text, s.p, s.n);
	last->text = s.p;
	if (same && !last->absent) {
		last->again++;
		return;
	}
	struct waiting *x = &w->waiting[w->n_waiting++];
	x->text = s.p;
	x->n = (uint32_t)s.n;
	x->again = last->again;
	x->absent = last->absent;
	x->column = (uint8_t)c;
	x->class = (uint8_t)class;
	x->keyed = keyed;
	x->same = same;
	last->n = (uint32_t)s.n;
	last->again = last->absent = 0;
	if (same)
		return;
	x->hash = segment_hash(s);
	if (w->cap)
		__builtin_prefetch(&w->slot[(size_t)x->hash & (w->cap - 1)]);
}

static inline void put_text(struct segment_writer *w, enum section c, enum word_class class, struct sv s)
{
	if (s.p)
		put_present(w, c, class == WORD_KEYED ? WORD_OTHER : class, s, class == WORD_KEYED);
	else
		w->last[c].absent++;
}

/* Columns of words are whole; those without any stay empty. */
static void end_texts(struct segment_writer *w)
{
	put_waiting(w);
	for (unsigned c = 0; c < SECTIONS; c++)
		if (w->last[c].text)
			put_runs(w, c, w->last[c].again, w->last[c].absent);
}

/* -- other columns: there is room for the row -- */

static inline void put_int(struct segment_writer *w, enum section c, uint32_t row, const void *v, size_t bytes)
{
	memcpy(w->column[c].p + row * bytes, v, bytes); /* a constant wherever this is inlined */
}

static inline void put_first(struct segment_writer *w)
{
	const int64_t first = w->recipients;
	put_int(w, SECTION_RCPT, w->messages, &first, sizeof first);
}

static inline void put_plain(struct segment_writer *w, enum section c, enum section texts, uint32_t row, struct sv s)
{
	struct buf *b = &w->column[texts];
	s = sv_take(s, SEGMENT_TEXT_MAX);
	uint32_t n = s.p ? (uint32_t)s.n + 1 : 0;
	memcpy(w->column[c].p + row * sizeof n, &n, sizeof n);
	if (!s.p)
		return;
	buf_reserve(b, s.n + 1); /* of no bytes, too, there is a place */
	near_copy(b->p + b->n, s.p, s.n);
	b->n += s.n;
}

static void put_key(struct segment_writer *w, enum section c, enum section texts, enum segment_index index, struct sv s)
{
	put_plain(w, c, texts, w->messages, s);
	if (!s.p)
		return;
	uint64_t k = segment_rank(segment_hash(archive_bare(s)), w->messages);
	memcpy(w->key[index].p + w->key[index].n, &k, sizeof k);
	w->key[index].n += sizeof k;
}

/* So many bytes of columns are in use. */
static void end_numbers(struct segment_writer *w)
{
#define M_KEY(name) w->column[SECTION_M_##name].n = w->messages * sizeof(uint32_t);
#define M_INT(name) w->column[SECTION_M_##name].n = w->messages * SEGMENT_M_BYTES(name);
#define M_TIME(name) M_INT(name)
#define R_INT(name) w->column[SECTION_R_##name].n = w->recipients * SEGMENT_R_BYTES(name);
#define R_TIME(name) R_INT(name)
#define R_PLAIN(name) w->column[SECTION_R_##name].n = w->recipients * sizeof(uint32_t);
#include "analyzer/segment_cols.def"
	put_first(w);
	w->column[SECTION_RCPT].n = (w->messages + 1) * sizeof(int64_t);
}

static void add_recipient(struct segment_writer *w, const struct txn_rcpt *r)
{
	const uint32_t row = w->recipients++;
	if (w->n_waiting > WAITING_MAX)
		put_waiting(w);
#define R_TEXT(name, class) put_text(w, SECTION_R_##name, WORD_##class, r->name);
#define R_INT(name) put_int(w, SECTION_R_##name, row, &r->name, sizeof r->name);
#define R_TIME(name) R_INT(name)
#define R_PLAIN(name) put_plain(w, SECTION_R_##name, SECTION_R_##name##_text, row, r->name);
#include "analyzer/segment_cols.def"
}

static void add_message(struct segment_writer *w, const struct txn *t)
{
	const uint32_t row = w->messages;
	if (w->n_waiting > WAITING_MAX)
		put_waiting(w);
	put_first(w);
#define M_TEXT(name, class) put_text(w, SECTION_M_##name, WORD_##class, t->name);
#define M_KEY(name) put_key(w, SECTION_M_##name, SECTION_##name##_text, INDEX_##name, t->name);
#define M_INT(name) put_int(w, SECTION_M_##name, row, &t->name, sizeof t->name);
#define M_TIME(name) M_INT(name)
#include "analyzer/segment_cols.def"
	if (t->n_rcpt > w->room - w->recipients) {
		w->room = (w->recipients + (uint32_t)t->n_rcpt) * 2;
		make_room(w, 0, w->room);
	}
	for (size_t i = 0; i < t->n_rcpt; i++)
		add_recipient(w, &t->rcpt[i]);
	w->messages++;
	if (!w->stats.first_us || t->first_us < w->stats.first_us)
		w->stats.first_us = t->first_us;
	if (t->last_us > w->stats.last_us)
		w->stats.last_us = t->last_us;
}

uint64_t segment_identity(const struct txn *t)
{
	/* queue ids tell upper from lower case */
	return hash_mix(hash_mix(segment_hash_of(t->host, false), segment_hash_of(t->queue_id, false)), (uint64_t)t->first_us) | 1;
}

int segment_identity_of(struct sv encoded, uint64_t *ret, struct err *e)
{
	struct arena arena = { 0 };
	struct txn t;
	int bad = txn_decode(encoded, &arena, &t, e);
	*ret = bad ? 0 : segment_identity(&t);
	arena_fini(&arena);
	return bad;
}

/* Which bodies are the last report of their message. */
static void mark_last(struct segment_writer *w, const struct segment_body *bodies, size_t n)
{
	size_t cap = 64;
	while (cap < n * 2)
		cap *= 2;
	if (cap > w->cap_seen) {
		free(w->seen);
		w->seen = xmalloc(cap * sizeof *w->seen);
		w->cap_seen = cap;
	}
	memset(w->seen, 0, cap * sizeof *w->seen);
	for (size_t i = n; i-- > 0;) {
		uint64_t id = bodies[i].identity;
		size_t at = (size_t)(id >> 8) & (cap - 1);
		while (w->seen[at] && w->seen[at] != id)
			at = (at + 1) & (cap - 1);
		w->is_last[i] = w->seen[at] != id;
		w->seen[at] = id;
	}
}

/* Bodies lie one behind the other, written by another thread's processor: memory is asked for what lies some messages behind this one. */
static inline void fetch(struct sv body)
{
	for (size_t at = 0; at < body.n; at += 64)
		__builtin_prefetch(body.p + AHEAD_BYTES + at);
}

int segment_write(struct segment_writer *w, const char *path, const struct segment_body *bodies, size_t n, struct segment_stats *ret_stats, struct err *e)
{
	begin(w, n);
	mark_last(w, bodies, n);
	for (size_t i = 0; i < n; i++) {
		struct txn t;
		if (!w->is_last[i])
			continue;
		fetch(bodies[i].bytes);
		arena_reset(&w->arena);
		if (txn_decode(bodies[i].bytes, &w->arena, &t, e) < 0)
			return -1;
		add_message(w, &t);
	}
	end_texts(w);
	end_numbers(w);
	int bad = segment_pack(w, path, e);
	*ret_stats = w->stats;
	return bad;
}
