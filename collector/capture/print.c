/* The fingerprint of a text: MinHash (Broder 1997) over runs of two words, one hash for all places (Li, Owen and Zhang 2012). Some lines at a time, in
 * steps without branches that depend on the text: which bytes are letters, as bits; where words begin and end, as a list; each word's hash and its
 * run's place. The steps are compiled twice from the same lines: for any processor, and for those with AVX2 and BMI2. */
#include "collector/capture/print.h"

#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#define FOR_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#endif
#define INLINE static inline __attribute__((always_inline))
#define LEAST_WORDS 8 /* of four letters or more */
#define SHORT_WORD 16
#define BLOCK 64
#define BLOCKS (PRINT_CHUNK / BLOCK + 1) /* the end is no letter */
#define PATHS (PRINT_CHUNK / 4)

/* The lines at hand, with room to read more than there is. */
struct chunk {
	uint64_t letters[BLOCKS + 1];      /* one more than there are: none */
	uint16_t begin[BLOCKS * BLOCK / 2 + 32], last[BLOCKS * BLOCK / 2 + 32]; /* where words begin, and their last three letters */
	uint16_t address[PATHS];           /* colons of "://" */
	uint32_t run[BLOCKS * BLOCK / 2 + 1];
	size_t n, n_words, n_addresses;
	uint8_t text[BLOCKS * BLOCK + 16];
};

/* -- letters, as bits of 64 bytes; and colons -- */

static inline uint64_t letters_plain(const uint8_t *p, uint64_t *ret_colons)
{
	uint64_t bits = 0, colons = 0;
	for (size_t i = 0; i < BLOCK; i++) {
		bits |= (uint64_t)((uint8_t)((p[i] | 32) - 'a') < 26 || p[i] >= 0x80) << i;
		colons |= (uint64_t)(p[i] == ':') << i;
	}
	*ret_colons = colons;
	return bits;
}

#ifdef __x86_64__
static inline uint64_t letters_sse2(const uint8_t *p, uint64_t *ret_colons)
{
	uint64_t bits = 0, colons = 0;
	for (size_t i = 0; i < BLOCK; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i)), low = _mm_or_si128(v, _mm_set1_epi8(32));
		/* signed: bytes from 0x80 on are below zero, so they are no letters here, but their top bit says what they are */
		__m128i in = _mm_and_si128(_mm_cmpgt_epi8(low, _mm_set1_epi8('a' - 1)), _mm_cmplt_epi8(low, _mm_set1_epi8('z' + 1)));
		bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_or_si128(in, v)) << i;
		colons |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(':'))) << i;
	}
	*ret_colons = colons;
	return bits;
}

FOR_AVX2 static inline uint64_t letters_avx2(const uint8_t *p, uint64_t *ret_colons)
{
	uint64_t bits = 0, colons = 0;
	for (size_t i = 0; i < BLOCK; i += 32) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p + i)), low = _mm256_or_si256(v, _mm256_set1_epi8(32));
		__m256i in = _mm256_and_si256(_mm256_cmpgt_epi8(low, _mm256_set1_epi8('a' - 1)), _mm256_cmpgt_epi8(_mm256_set1_epi8('z' + 1), low));
		bits |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_or_si256(in, v)) << i;
		colons |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, _mm256_set1_epi8(':'))) << i;
	}
	*ret_colons = colons;
	return bits;
}
#endif

/* -- words, and runs of two -- */

INLINE uint64_t eight_letters(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return v | 0x2020202020202020ull; /* lower case */
}

static uint64_t long_word(const uint8_t *p, size_t n)
{
	uint64_t h = n;
	for (size_t i = 0; i + 8 <= n; i += 8)
		h = (h ^ h >> 29 ^ eight_letters(p + i)) * 0xbf58476d1ce4e5b9ull;
	return (h ^ h >> 29 ^ eight_letters(p + n - 8)) * 0xbf58476d1ce4e5b9ull;
}

/* 16 bytes can be read from where it begins. Nearly all words are short: no branch depends on how short. */
INLINE uint32_t word_hash(const uint8_t *p, size_t n)
{
	static const uint64_t part[SHORT_WORD + 9] = {
#define M(bytes) ((1ull << 8 * (bytes)) - 1)
#define ALL ~0ull
		[8] = 0, M(1), M(2), M(3), M(4), M(5), M(6), M(7), ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL,
#undef ALL
#undef M
	}; /* the part of the first eight bytes, by length; of the second eight, eight before */
	if (__builtin_expect(n > SHORT_WORD, 0))
		return (uint32_t)(long_word(p, n) >> 32);
	uint64_t h = (eight_letters(p) & part[8 + n]) + n;
	return (uint32_t)((h * 0xbf58476d1ce4e5b9ull + (eight_letters(p + 8) & part[n]) * 0x94d049bb133111ebull) >> 32);
}

/* A run's hash: the highest five bits name one of 32 places, sixteen others are what stays there if it is the greatest. Returns the first run: with
 * the text's first word none ends. */
INLINE size_t hash_runs(struct print *t, struct chunk *k)
{
	uint64_t words = t->last;
	for (size_t i = 0; i < k->n_words; i++) {
		size_t at = k->begin[i], n = k->last[i] + 3 - at;
		words = words << 32 | word_hash(k->text + at, n);
		k->run[i] = (uint32_t)(words * 0x9e3779b97f4a7c15ull >> 32);
	}
	size_t first = !t->n_words;
	t->last = words;
	t->n_words += (uint32_t)k->n_words;
	return first;
}

#define PLACE(run) ((run) >> 27)
#define VALUE(run) ((uint16_t)((run) >> 8)) /* 0 is as good as none */

static void place_runs(struct print *t, const struct chunk *k, size_t first)
{
	for (size_t i = first; i < k->n_words; i++)
		if (t->hash[PLACE(k->run[i])] < VALUE(k->run[i]))
			t->hash[PLACE(k->run[i])] = VALUE(k->run[i]);
}

#ifdef __x86_64__
/* All places at once: which one it is may be no branch. */
FOR_AVX2 static void place_runs_avx2(struct print *t, const struct chunk *k, size_t first)
{
	static const uint16_t mask[2 * SMTP_MINHASHES] = { [SMTP_MINHASHES] = 0xffff };
	__m256i *hash = (__m256i *)(void *)t->hash, low = _mm256_loadu_si256(hash), high = _mm256_loadu_si256(hash + 1);
	for (size_t i = first; i < k->n_words; i++) {
		const __m256i *at = (const __m256i *)(const void *)(mask + SMTP_MINHASHES - PLACE(k->run[i]));
		__m256i v = _mm256_set1_epi16((short)VALUE(k->run[i]));
		low = _mm256_max_epu16(low, _mm256_and_si256(v, _mm256_loadu_si256(at)));
		high = _mm256_max_epu16(high, _mm256_and_si256(v, _mm256_loadu_si256(at + 1)));
	}
	_mm256_storeu_si256(hash, low);
	_mm256_storeu_si256(hash + 1, high);
}
#endif

/* -- addresses on the web -- */

static bool ends_address(uint8_t ch)
{
	return ch <= ' ' || ch == '"' || ch == '<' || ch == '>' || ch == '\'' || ch == ')';
}

static void clear_letters(struct chunk *k, size_t from, size_t to)
{
	for (; from < to; from++)
		k->letters[from / BLOCK] &= ~(1ull << from % BLOCK);
}

/* Only the host counts, so that each recipient may get a link of his own: what follows it, up to the next "://", is no word. */
static void drop_paths(struct chunk *k)
{
	for (size_t i = 0; i < k->n_addresses; i++) {
		size_t at = k->address[i] + 3u, until = i + 1 < k->n_addresses ? k->address[i + 1] : k->n;
		while (at < k->n && k->text[at] != '/' && !ends_address(k->text[at]))
			at++;
		size_t to = at;
		while (to < until && !ends_address(k->text[to]))
			to++;
		clear_letters(k, at, to);
	}
}

/* colons: those behind a letter. */
static void find_addresses(struct chunk *k, size_t base, uint64_t colons)
{
	for (; colons; colons &= colons - 1) {
		size_t at = base + (size_t)__builtin_ctzll(colons);
		if (k->text[at + 1] == '/' && k->text[at + 2] == '/' && k->n_addresses < PATHS)
			k->address[k->n_addresses++] = (uint16_t)at;
	}
}

/* -- one chunk -- */

#define FIND_LETTERS(letters_of)                                                                        \
	uint64_t open = 0;                                                                             \
	for (size_t i = 0; i * BLOCK <= k->n; i++) {                                                   \
		uint64_t colons, bits = letters_of(k->text + i * BLOCK, &colons);                      \
		k->letters[i] = bits;                                                                  \
		colons &= bits << 1 | open;                                                            \
		open = bits >> 63;                                                                     \
		if (colons)                                                                            \
			find_addresses(k, i * BLOCK, colons);                                          \
	}                                                                                              \
	if (k->n_addresses)                                                                            \
		drop_paths(k)

/* Of the block at base: where words of four letters or more begin, and where their last three do. Shorter ones are in every text. open: the block
 * before ended in the middle of one. */
INLINE void word_bits(const struct chunk *k, size_t base, uint64_t *open, uint64_t *ret_begin, uint64_t *ret_last)
{
	const uint64_t *l = k->letters + base / BLOCK;
	uint64_t two = l[0] & (l[0] >> 1 | l[1] << 63), after = l[1] & l[1] >> 1;
	uint64_t four = two & (two >> 2 | after << 62), before = four << 1 | *open;
	*ret_begin = four & ~before;
	*ret_last = ~four & before;
	*open = four >> 63;
}

static void list_words(struct chunk *k)
{
	uint64_t open = 0;
	uint16_t *begin = k->begin, *last = k->last;
	for (size_t base = 0; base <= k->n; base += BLOCK) {
		uint64_t b, e;
		word_bits(k, base, &open, &b, &e);
		for (; b; b &= b - 1)
			*begin++ = (uint16_t)(base + (size_t)__builtin_ctzll(b));
		for (; e; e &= e - 1)
			*last++ = (uint16_t)(base + (size_t)__builtin_ctzll(e));
	}
	k->n_words = (size_t)(last - k->last);
}

static void chunk_plain(struct print *t, struct chunk *k)
{
	FIND_LETTERS(letters_plain);
	list_words(k);
	place_runs(t, k, hash_runs(t, k));
}

#ifdef __x86_64__
static void chunk_sse2(struct print *t, struct chunk *k)
{
	FIND_LETTERS(letters_sse2);
	list_words(k);
	place_runs(t, k, hash_runs(t, k));
}

/* No branch for each word: those behind the last are written over by the next block's. */
#define PUT(j)                                                                                         \
	begin[j] = (uint16_t)(base + _tzcnt_u64(b)), last[j] = (uint16_t)(base + _tzcnt_u64(e)), b = _blsr_u64(b), e = _blsr_u64(e)

FOR_AVX2 static void list_words_avx2(struct chunk *k)
{
	uint64_t open = 0;
	uint16_t *begin = k->begin, *last = k->last;
	for (size_t base = 0; base <= k->n; base += BLOCK) {
		uint64_t b, e;
		word_bits(k, base, &open, &b, &e);
		size_t begins = (size_t)_mm_popcnt_u64(b), ends = (size_t)_mm_popcnt_u64(e);
		PUT(0), PUT(1), PUT(2), PUT(3), PUT(4), PUT(5), PUT(6), PUT(7);
		for (size_t j = 8; b | e; j += 2)
			PUT(j), PUT(j + 1);
		begin += begins;
		last += ends;
	}
	k->n_words = (size_t)(last - k->last);
}

FOR_AVX2 static void chunk_avx2(struct print *t, struct chunk *k)
{
	FIND_LETTERS(letters_avx2);
	list_words_avx2(k);
	place_runs_avx2(t, k, hash_runs(t, k));
}
#endif

typedef void chunk_fn(struct print *, struct chunk *);

/* NULL: not on this processor. */
static chunk_fn *way_of(enum print_way way)
{
#ifdef __x86_64__
	if (way == PRINT_SSE2)
		return chunk_sse2;
	if (way == PRINT_AVX2)
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt")
		           ? chunk_avx2 : NULL;
#endif
	return way == PRINT_PLAIN ? chunk_plain : NULL;
}

static void lines_by(chunk_fn *way, struct print *t, struct sv before, const uint8_t *p, size_t n)
{
	struct chunk k;
	memcpy(k.text, before.p, before.n);
	memcpy(k.text + before.n, p, n);
	n += before.n;
	k.n = n;
	k.n_addresses = 0;
	k.letters[n / BLOCK + 1] = 0;
	memset(k.text + n, 0, sizeof k.text - n < 2 * BLOCK ? sizeof k.text - n : 2 * BLOCK);
	way(t, &k);
}

void print_lines(struct print *t, struct sv before, const uint8_t *p, size_t n)
{
	static chunk_fn *best;
	for (int way = PRINT_WAYS; !best && way-- > 0;)
		best = way_of((enum print_way)way);
	lines_by(best, t, before, p, n);
}

bool print_lines_by(enum print_way way, struct print *t, const uint8_t *p, size_t n)
{
	chunk_fn *fn = way_of(way);
	if (fn)
		lines_by(fn, t, SV(""), p, n);
	return fn;
}

void print_begin(struct print *t)
{
	memset(t, 0, sizeof *t);
}

bool print_done(struct print *t)
{
	unsigned used = 0;
	for (size_t i = 0; i < SMTP_MINHASHES; i++)
		used += t->hash[i] != 0;
	if (t->n_words < LEAST_WORDS || !used)
		return false;
	for (size_t i = 0; i < SMTP_MINHASHES; i++) { /* an empty place borrows from the next */
		size_t j = i;
		while (!t->hash[j])
			j = (j + 1) % SMTP_MINHASHES;
		if (j != i)
			t->hash[i] = (uint16_t)(t->hash[j] ^ (uint16_t)((j - i) % SMTP_MINHASHES * 0x1357u));
		if (!t->hash[i])
			t->hash[i] = 1;
	}
	return true;
}
