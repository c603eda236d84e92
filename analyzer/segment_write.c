#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef WITH_ZSTD
#include <zstd.h>
#endif

#include "analyzer/segment.h"
#include "analyzer/segment_int.h"
#include "lib/buf.h"
#include "lib/hash.h"
#include "lib/msg.h"
#include "lib/near.h"

struct word { uint64_t hash; struct sv text; uint8_t class; };
struct rank { uint64_t hash; uint32_t number; };
struct slot { uint32_t word, tag; }; /* 1 + index of word; the upper half of its hash, so that others need not be looked at */

/* A text on its way into a column, and how many rows before it have none. */
struct waiting { struct sv text; uint64_t hash; uint32_t absent; uint8_t column, class; bool same; };
#define WAITING_MAX 96u

struct segment_writer {
	struct waiting waiting[WAITING_MAX];
	unsigned n_waiting;
	struct buf column[SECTIONS];
	struct word *word;
	uint32_t n_words, cap_words, of_class[WORD_CLASSES];
	struct slot *slot;
	size_t cap;
	struct sv last_text[SECTIONS]; /* the one before, and its number */
	uint32_t last[SECTIONS], absent[SECTIONS]; /* absent: rows without a text since then */
	uint32_t messages, recipients;
	struct segment_stats stats;
	bool *is_last;         /* scratch of one segment */
	uint64_t *seen;
	size_t cap_last, cap_seen;
	struct arena arena;    /* of one message */
	struct rank *rank[2];
	uint32_t *new_number;
	uint32_t cap_rank;
	struct buf out, table, body; /* the file; a section of blocks on its way into it */
	int64_t *number;             /* a column on its way into bits */
	size_t cap_number;
#ifdef WITH_ZSTD
	ZSTD_CCtx *zstd;
#endif
};

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

void segment_writer_free(struct segment_writer *w)
{
	if (!w)
		return;
	for (int c = 0; c < SECTIONS; c++)
		buf_fini(&w->column[c]);
	buf_fini(&w->out);
	buf_fini(&w->table);
	buf_fini(&w->body);
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
	memset(w->last_text, 0, sizeof w->last_text);
	memset(w->absent, 0, sizeof w->absent);
	w->n_waiting = 0;
	if (w->cap)
		memset(w->slot, 0, w->cap * sizeof *w->slot);
	w->n_words = w->messages = w->recipients = 0;
	memset(w->of_class, 0, sizeof w->of_class);
	w->stats = (struct segment_stats){ 0 };
	buf_clear(&w->out);
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

/* 1 + provisional number of the text. The dictionary is numbered anew when it is sorted. */
static uint32_t intern(struct segment_writer *w, uint64_t h, struct sv s, uint8_t class)
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
	w->word[w->n_words] = (struct word){ h, s, class };
	w->of_class[class]++;
	w->slot[at] = (struct slot){ ++w->n_words, tag_of(h) };
	return w->n_words;
}

static inline void put(struct buf *b, const void *v, size_t n)
{
	if (b->cap - b->n < n)
		buf_reserve(b, n > 65536 ? n : 65536);
	memcpy(b->p + b->n, v, n); /* n is a constant wherever this is inlined */
	b->n += n;
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

/* The word that is probably meant, whose slot memory has fetched by now. */
static inline const struct word *likely(const struct segment_writer *w, const struct waiting *x)
{
	if (x->same || !w->cap)
		return NULL;
	const struct slot *s = &w->slot[(size_t)x->hash & (w->cap - 1)];
	return s->word && s->tag == tag_of(x->hash) ? &w->word[s->word - 1] : NULL;
}

/* The texts that wait get their numbers. Memory is asked for slots, then words, then their texts, each some steps before they are looked
 * at, so that it answers at once. */
static void put_waiting(struct segment_writer *w)
{
	const struct word *x;
	for (unsigned i = 0; i < w->n_waiting; i++)
		if ((x = likely(w, &w->waiting[i])))
			__builtin_prefetch(x);
	for (unsigned i = 0; i < w->n_waiting; i++)
		if ((x = likely(w, &w->waiting[i])))
			__builtin_prefetch(x->text.p);
	for (unsigned i = 0; i < w->n_waiting; i++) {
		const struct waiting *t = &w->waiting[i];
		uint32_t v = t->same ? w->last[t->column] : intern(w, t->hash, t->text, t->class);
		w->last[t->column] = v;
		put_absent(w, t->column, t->absent);
		put(&w->column[t->column], &v, sizeof v);
	}
	w->n_waiting = 0;
}

static void put_text(struct segment_writer *w, enum section c, enum word_class class, struct sv s)
{
	if (!s.p) {
		w->absent[c]++;
		return;
	}
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

static void put_plain(struct segment_writer *w, enum section c, struct sv s)
{
	s = sv_take(s, SEGMENT_TEXT_MAX);
	uint32_t n = s.p ? (uint32_t)s.n + 1 : 0;
	put(&w->column[c], &n, sizeof n);
	if (s.p)
		buf_add(&w->column[c + 1], s.p, s.n);
}

static void put_int(struct segment_writer *w, enum section c, int64_t v)
{
	put(&w->column[c], &v, sizeof v);
}

static void add_message(struct segment_writer *w, const struct txn *t)
{
	put_int(w, SECTION_RCPT, w->recipients);
#define M_TEXT(name, class) put_text(w, SECTION_M_##name, WORD_##class, t->name);
#define M_INT(name) put_int(w, SECTION_M_##name, (int64_t)t->name);
#define R_TEXT(name, class)
#define R_INT(name)
#define R_PLAIN(name)
#include "analyzer/segment_cols.def"
#undef M_TEXT
#undef M_INT
#undef R_TEXT
#undef R_INT
#undef R_PLAIN
	for (size_t i = 0; i < t->n_rcpt; i++) {
		const struct txn_rcpt *r = &t->rcpt[i];
#define M_TEXT(name, class)
#define M_INT(name)
#define R_TEXT(name, class) put_text(w, SECTION_R_##name, WORD_##class, r->name);
#define R_INT(name) put_int(w, SECTION_R_##name, (int64_t)r->name);
#define R_PLAIN(name) put_plain(w, SECTION_R_##name, r->name);
#include "analyzer/segment_cols.def"
#undef M_TEXT
#undef M_INT
#undef R_TEXT
#undef R_INT
#undef R_PLAIN
	}
	w->messages++;
	w->recipients += (uint32_t)t->n_rcpt;
	if (!w->stats.first_us || t->first_us < w->stats.first_us)
		w->stats.first_us = t->first_us;
	if (t->last_us > w->stats.last_us)
		w->stats.last_us = t->last_us;
}

static void grow_ranks(struct segment_writer *w)
{
	if (w->n_words <= w->cap_rank)
		return;
	w->cap_rank = w->n_words + w->n_words / 4;
	for (unsigned i = 0; i < 2; i++) {
		free(w->rank[i]);
		w->rank[i] = xmalloc(w->cap_rank * sizeof *w->rank[i]);
	}
	free(w->new_number);
	w->new_number = xmalloc(w->cap_rank * sizeof *w->new_number);
}

/* LSD radix sort by hash: three rounds of 11 bits order its upper 33, the rest is settled by insertion. The class comes first. */
static const struct rank *ranked(struct segment_writer *w)
{
	enum { BITS = 11, SIZE = 1 << BITS };
	struct rank *a = w->rank[0], *b = w->rank[1];
	for (uint32_t i = 0; i < w->n_words; i++)
		a[i] = (struct rank){ (uint64_t)w->word[i].class << 63 | w->word[i].hash >> 1, i };
	for (unsigned shift = 64 - 3 * BITS; shift < 64; shift += BITS) {
		uint32_t count[SIZE] = { 0 }, sum = 0;
		for (uint32_t i = 0; i < w->n_words; i++)
			count[a[i].hash >> shift & (SIZE - 1)]++;
		for (uint32_t k = 0; k < SIZE; k++) {
			uint32_t n = count[k];
			count[k] = sum;
			sum += n;
		}
		for (uint32_t i = 0; i < w->n_words; i++)
			b[count[a[i].hash >> shift & (SIZE - 1)]++] = a[i];
		struct rank *t = a;
		a = b;
		b = t;
	}
	for (uint32_t i = 1; i < w->n_words; i++)
		for (uint32_t k = i; k > 0 && a[k - 1].hash > a[k].hash; k--) {
			struct rank t = a[k];
			a[k] = a[k - 1];
			a[k - 1] = t;
		}
	return a;
}

/* -- columns -- */

static int64_t *numbers(struct segment_writer *w, size_t n)
{
	if (n > w->cap_number) {
		w->cap_number = n + n / 4;
		free(w->number);
		w->number = xmalloc(w->cap_number * sizeof *w->number);
	}
	return w->number;
}

static void begin_section(struct segment_writer *w, struct segment_section *s)
{
	while (w->out.n % 8)
		buf_addc(&w->out, 0);
	*s = (struct segment_section){ .offset = w->out.n };
}

static void end_section(const struct segment_writer *w, struct segment_section *s)
{
	s->bytes = (uint32_t)(w->out.n - s->offset);
}

static void pack(struct segment_writer *w, const int64_t *v, size_t n, struct segment_section *s)
{
	begin_section(w, s);
	s->packed = packed_put(&w->out, v, n);
	end_section(w, s);
}

static void pack_ints(struct segment_writer *w, enum section c, struct segment_section *s)
{
	pack(w, (const int64_t *)(void *)w->column[c].p, w->column[c].n / sizeof(int64_t), s);
}

/* Lengths (new_number NULL), or numbers of words, which are 1 + provisional ones. */
static void pack_u32(struct segment_writer *w, enum section c, const uint32_t *new_number, struct segment_section *s)
{
	size_t n = w->column[c].n / sizeof(uint32_t);
	int64_t *v = numbers(w, n);
	for (size_t i = 0; i < n; i++) {
		uint32_t x;
		memcpy(&x, w->column[c].p + i * sizeof x, sizeof x);
		v[i] = new_number && x ? new_number[x - 1] + 1 : x;
	}
	pack(w, v, n, s);
}

/* -- texts in blocks -- */

static void put_block(struct segment_writer *w, struct sv raw, uint32_t first)
{
	struct segment_block k = { (uint32_t)w->body.n, (uint32_t)raw.n, first };
	buf_add(&w->table, &k, sizeof k);
#ifdef WITH_ZSTD
	size_t bound = ZSTD_compressBound(raw.n);
	buf_reserve(&w->body, bound);
	size_t n = ZSTD_compressCCtx(w->zstd, w->body.p + w->body.n, bound, raw.p, raw.n, 1);
	if (!ZSTD_isError(n) && n < raw.n) {
		w->body.n += n;
		return;
	}
#endif
	buf_addsv(&w->body, raw);
}

/* texts holds n items, one after the other; length() says how long each is. */
static void put_blocks(struct segment_writer *w, struct sv texts, const int64_t *length, uint32_t n, struct segment_section *s)
{
	uint32_t first = 0, blocks = 0;
	size_t from = 0, at = 0;
	buf_clear(&w->table);
	buf_clear(&w->body);
	for (uint32_t i = 0; i < n; i++) {
		at += (size_t)length[i];
		if (at - from >= SEGMENT_BLOCK_BYTES || (i + 1 == n && at > from)) {
			put_block(w, sv_make(texts.p + from, at - from), first);
			blocks++;
			first = i + 1;
			from = at;
		}
	}
	struct segment_block end = { (uint32_t)w->body.n, 0, n };
	begin_section(w, s);
	buf_add(&w->out, &blocks, sizeof blocks);
	buf_add(&w->out, w->table.p, w->table.n);
	buf_add(&w->out, &end, sizeof end);
	buf_add(&w->out, w->body.p, w->body.n);
	end_section(w, s);
}

static void put_plain_section(struct segment_writer *w, enum section c, struct segment_header *h)
{
	size_t n = w->column[c].n / sizeof(uint32_t);
	pack_u32(w, c, NULL, &h->section[c]);
	int64_t *v = numbers(w, n);
	for (size_t i = 0; i < n; i++) {
		uint32_t x;
		memcpy(&x, w->column[c].p + i * sizeof x, sizeof x);
		v[i] = x ? x - 1 : 0;
	}
	put_blocks(w, buf_sv(&w->column[c + 1]), v, (uint32_t)n, &h->section[c + 1]);
}

/* Numbers: addresses first, each class in the order of first use. */
static void number_words(struct segment_writer *w)
{
	uint32_t next[WORD_CLASSES] = { 0, w->of_class[WORD_ADDRESS] };
	for (uint32_t i = 0; i < w->n_words; i++)
		w->new_number[i] = next[w->word[i].class]++;
}

static void put_hashes(struct segment_writer *w, struct segment_header *h)
{
	const struct rank *order = ranked(w);
	int64_t *number = numbers(w, w->n_words);
	begin_section(w, &h->section[SECTION_HASH]);
	for (uint32_t i = 0; i < w->n_words; i++) {
		uint32_t upper = (uint32_t)(w->word[order[i].number].hash >> 40);
		number[i] = w->new_number[order[i].number];
		put(&w->out, &upper, SEGMENT_HASH_BYTES);
	}
	end_section(w, &h->section[SECTION_HASH]);
	pack(w, number, w->n_words, &h->section[SECTION_ORDER]);
}

static const uint32_t *put_dictionary(struct segment_writer *w, struct segment_header *h)
{
	grow_ranks(w);
	number_words(w);
	put_hashes(w, h);
	int64_t *length = numbers(w, w->n_words);
	uint32_t n = 0;
	for (unsigned class = 0; class < WORD_CLASSES; class++)
		for (uint32_t i = 0; i < w->n_words; i++) {
			struct sv text = sv_take(w->word[i].text, SEGMENT_TEXT_MAX);
			if (w->word[i].class != class)
				continue;
			length[n++] = (int64_t)text.n;
			buf_addsv(&w->column[SECTION_TEXT], text);
		}
	pack(w, length, w->n_words, &h->section[SECTION_LENGTH]);
	put_blocks(w, buf_sv(&w->column[SECTION_TEXT]), length, w->n_words, &h->section[SECTION_TEXT]);
	return w->new_number;
}

static void put_columns(struct segment_writer *w, const uint32_t *new_number, struct segment_header *h)
{
	put_int(w, SECTION_RCPT, w->recipients);
	pack_ints(w, SECTION_RCPT, &h->section[SECTION_RCPT]);
#define M_TEXT(name, class) pack_u32(w, SECTION_M_##name, new_number, &h->section[SECTION_M_##name]);
#define M_INT(name) pack_ints(w, SECTION_M_##name, &h->section[SECTION_M_##name]);
#define R_TEXT(name, class) pack_u32(w, SECTION_R_##name, new_number, &h->section[SECTION_R_##name]);
#define R_INT(name) pack_ints(w, SECTION_R_##name, &h->section[SECTION_R_##name]);
#define R_PLAIN(name) put_plain_section(w, SECTION_R_##name, h);
#include "analyzer/segment_cols.def"
#undef M_TEXT
#undef M_INT
#undef R_TEXT
#undef R_INT
#undef R_PLAIN
}

static int write_file(const char *path, struct sv bytes, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return err_set(e, "%s: cannot create it: %m", path);
	while (bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		bytes = sv_skip(bytes, (size_t)n);
	}
	if (bytes.n || fdatasync(fd) < 0) {
		(void)err_set(e, "%s: cannot write it: %m", path);
		close(fd);
		unlink(path);
		return -1;
	}
	close(fd);
	return 0;
}

static int write_out(struct segment_writer *w, const char *path, struct err *e)
{
	struct segment_header h = { .messages = w->messages, .recipients = w->recipients, .words = { w->of_class[0], w->of_class[1] }, .sections = SECTIONS };
	memcpy(h.magic, SEGMENT_MAGIC, sizeof h.magic);
	buf_add(&w->out, &h, sizeof h);
	put_columns(w, put_dictionary(w, &h), &h);
	memcpy(w->out.p, &h, sizeof h);
	w->stats.messages = w->messages;
	w->stats.recipients = w->recipients;
	w->stats.bytes = (int64_t)w->out.n;
	return write_file(path, buf_sv(&w->out), e);
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
	int bad = write_out(w, path, e);
	*ret_stats = w->stats;
	return bad;
}
