#include <stdlib.h>

#include "analyzer/segment_making.h"
#include "lib/arena.h"
#include "lib/hash.h"
#include "lib/msg.h"
#include "lib/near.h"

#define MESSAGE_BYTES 128u /* in the file; mostly fewer */

struct segment_writer *segment_writer_new(void)
{
	struct segment_writer *w = xcalloc(1, sizeof *w);
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
	buf_fini(&w->out);
	buf_fini(&w->table);
	buf_fini(&w->body);
	buf_fini(&w->raw);
	free(w->number);
	free(w->word);
	free(w->slot);
	free(w->is_last);
	free(w->seen);
	free(w->rank[0]);
	free(w->rank[1]);
	free(w->new_number);
	arena_fini(&w->arena);
#ifdef WITH_ZSTD
	ZSTD_freeCCtx(w->zstd);
#endif
	free(w);
}

/* Empty, but with all its memory. */
static void begin(struct segment_writer *w, size_t n)
{
	for (int c = 0; c < SECTIONS; c++)
		buf_clear(&w->column[c]);
	for (int k = 0; k < INDEXES; k++)
		buf_clear(&w->key[k]);
	memset(w->last_text, 0, sizeof w->last_text);
	memset(w->absent, 0, sizeof w->absent);
	w->n_waiting = 0;
	if (w->cap)
		memset(w->slot, 0, w->cap * sizeof *w->slot);
	w->n_words = w->messages = w->recipients = 0;
	memset(w->of_class, 0, sizeof w->of_class);
	w->stats = (struct segment_stats){ 0 };
	buf_clear(&w->out);
	if (w->uncached)
		segment_align(&w->out, n * MESSAGE_BYTES);
	if (n <= w->cap_last)
		return;
	w->cap_last = n;
	w->is_last = xrealloc(w->is_last, n * sizeof *w->is_last);
}

static inline uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32);
}

static void grow_slots(struct segment_writer *w)
{
	w->cap = w->cap ? w->cap * 2 : 1u << 14;
	free(w->slot);
	w->slot = xcalloc(w->cap, sizeof *w->slot);
	for (uint32_t i = 0; i < w->n_words; i++) {
		size_t at = (size_t)w->word[i].hash & (w->cap - 1);
		while (w->slot[at].word)
			at = (at + 1) & (w->cap - 1);
		w->slot[at] = (struct slot){ i + 1, tag_of(w->word[i].hash) };
	}
}

uint32_t segment_intern(struct segment_writer *w, uint64_t h, struct sv s, enum word_class class)
{
	if ((size_t)w->n_words * 2 >= w->cap)
		grow_slots(w);
	size_t at = (size_t)h & (w->cap - 1);
	for (; w->slot[at].word; at = (at + 1) & (w->cap - 1)) {
		if (w->slot[at].tag != tag_of(h))
			continue;
		struct word *x = &w->word[w->slot[at].word - 1];
		/* no word, no slot that is taken: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
		if (x->hash == h && x->class == class && x->text.n == s.n && near_same(x->text.p, s.p, s.n))
			return w->slot[at].word;
	}
	if (w->n_words == w->cap_words) {
		w->cap_words = w->cap_words ? w->cap_words * 2 : 8192;
		w->word = xrealloc(w->word, w->cap_words * sizeof *w->word);
	}
	w->word[w->n_words] = (struct word){ .hash = h, .text = s, .class = (uint8_t)class };
	w->of_class[class]++;
	w->slot[at] = (struct slot){ ++w->n_words, tag_of(h) };
	return w->n_words;
}

static void put_absent(struct segment_writer *w, unsigned c, uint32_t n)
{
	struct buf *b = &w->column[c];
	if (!n)
		return;
	buf_reserve(b, n * sizeof(uint32_t));
	memset(b->p + b->n, 0, n * sizeof(uint32_t));
	b->n += n * sizeof(uint32_t);
}

/* The word that is probably meant, whose slot memory has fetched by now; NULL: none is. */
static inline const struct word *likely(const struct segment_writer *w, uint64_t hash)
{
	const struct slot *s = w->cap ? &w->slot[(size_t)hash & (w->cap - 1)] : NULL;
	return s && s->word && s->tag == tag_of(hash) ? &w->word[s->word - 1] : NULL;
}

void segment_soon(const struct segment_writer *w, uint64_t hash)
{
	const struct word *x = likely(w, hash);
	if (x)
		__builtin_prefetch(x);
}

/* The texts that wait get their numbers. Memory is asked for slots, then words, then their texts, each some steps before they are looked
 * at, so that it answers at once. */
static void put_waiting(struct segment_writer *w)
{
	const struct word *x;
	for (unsigned i = 0; i < w->n_waiting; i++)
		if (!w->waiting[i].same && (x = likely(w, w->waiting[i].hash)))
			__builtin_prefetch(x);
	for (unsigned i = 0; i < w->n_waiting; i++)
		if (!w->waiting[i].same && (x = likely(w, w->waiting[i].hash))) {
			__builtin_prefetch(x->text.p);
			__builtin_prefetch(x->text.p + w->waiting[i].text.n); /* it may lie in two lines */
		}
	for (unsigned i = 0; i < w->n_waiting; i++) {
		const struct waiting *t = &w->waiting[i];
		uint32_t v = t->same ? w->last[t->column] : segment_intern(w, t->hash, t->text, t->class == WORD_KEYED ? WORD_OTHER : (enum word_class)t->class);
		if (t->class == WORD_KEYED)
			w->word[v - 1].keyed = true;
		w->last[t->column] = v;
		put_absent(w, t->column, t->absent);
		segment_put(&w->column[t->column], &v, sizeof v);
	}
	w->n_waiting = 0;
}

static void put_present(struct segment_writer *w, enum section c, enum word_class class, struct sv s)
{
	if (w->n_waiting == WAITING_MAX)
		put_waiting(w);
	struct waiting *x = &w->waiting[w->n_waiting++];
	struct sv *last = &w->last_text[c];
	x->text = s;
	x->column = (uint8_t)c;
	x->class = (uint8_t)class;
	x->absent = w->absent[c];
	/* Hosts, statuses and relays repeat from row to row. */
	x->same = last->p && last->n == s.n && near_same(last->p, s.p, s.n);
	w->absent[c] = 0;
	*last = s;
	if (x->same)
		return;
	x->hash = segment_hash(s);
	if (w->cap)
		__builtin_prefetch(&w->slot[(size_t)x->hash & (w->cap - 1)]);
}

static inline void put_text(struct segment_writer *w, enum section c, enum word_class class, struct sv s)
{
	if (s.p)
		put_present(w, c, class, s);
	else
		w->absent[c]++;
}

static void put_plain(struct segment_writer *w, enum section c, enum section texts, struct sv s)
{
	s = sv_take(s, SEGMENT_TEXT_MAX);
	uint32_t n = s.p ? (uint32_t)s.n + 1 : 0;
	segment_put(&w->column[c], &n, sizeof n);
	if (s.p)
		buf_add(&w->column[texts], s.p, s.n);
}

static void put_key(struct segment_writer *w, enum section c, enum section texts, enum segment_index index, struct sv s)
{
	struct rank k = { 0, w->messages };
	put_plain(w, c, texts, s);
	if (!s.p)
		return;
	k.hash = segment_hash(index == INDEX_message_id ? index_bare(s) : s);
	segment_put(&w->key[index], &k, sizeof k);
}

static void put_int(struct segment_writer *w, enum section c, int64_t v)
{
	segment_put(&w->column[c], &v, sizeof v);
}

static void add_message(struct segment_writer *w, const struct txn *t)
{
	put_int(w, SECTION_RCPT, w->recipients);
#define M_TEXT(name, class) put_text(w, SECTION_M_##name, WORD_##class, t->name);
#define M_KEY(name) put_key(w, SECTION_M_##name, SECTION_##name##_text, INDEX_##name, t->name);
#define M_INT(name) put_int(w, SECTION_M_##name, (int64_t)t->name);
#define M_TIME(name) M_INT(name)
#include "analyzer/segment_cols.def"
	for (size_t i = 0; i < t->n_rcpt; i++) {
		const struct txn_rcpt *r = &t->rcpt[i];
#define R_TEXT(name, class) put_text(w, SECTION_R_##name, WORD_##class, r->name);
#define R_INT(name) put_int(w, SECTION_R_##name, (int64_t)r->name);
#define R_TIME(name) R_INT(name)
#define R_PLAIN(name) put_plain(w, SECTION_R_##name, SECTION_R_##name##_text, r->name);
#include "analyzer/segment_cols.def"
	}
	w->messages++;
	w->recipients += (uint32_t)t->n_rcpt;
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

int segment_write(struct segment_writer *w, const char *path, const struct segment_body *bodies, size_t n, struct segment_stats *ret_stats, struct err *e)
{
	begin(w, n);
	mark_last(w, bodies, n);
	for (size_t i = 0; i < n; i++) {
		struct txn t;
		if (!w->is_last[i])
			continue;
		arena_reset(&w->arena);
		if (txn_decode(bodies[i].bytes, &w->arena, &t, e) < 0)
			return -1;
		add_message(w, &t);
	}
	put_waiting(w);
	for (unsigned c = 0; c < SECTIONS; c++)
		put_absent(w, c, w->absent[c]);
	int bad = segment_pack(w, path, e);
	*ret_stats = w->stats;
	return bad;
}
