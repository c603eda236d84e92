/* The fingerprint of a text: MinHash (Broder 1997) over runs of three words, one hash for all places (Li, Owen and Zhang 2012). */
#include "collector/capture/body.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define LEAST_RUNS 8

#ifdef __SSE2__
/* Letters of 16 bytes as bits. */
static inline uint32_t letters16(const uint8_t *p)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p), low = _mm_or_si128(v, _mm_set1_epi8(32));
	/* signed: bytes from 0x80 on are below zero, so they are no letters here, but their top bit says what they are */
	__m128i in = _mm_and_si128(_mm_cmpgt_epi8(low, _mm_set1_epi8('a' - 1)), _mm_cmplt_epi8(low, _mm_set1_epi8('z' + 1)));
	return (uint32_t)_mm_movemask_epi8(_mm_or_si128(in, v));
}
#else
static bool is_letter(uint8_t ch)
{
	return (uint8_t)((ch | 32) - 'a') < 26 || ch >= 0x80;
}
#endif

/* Letters of p[0..32) as bits. */
static inline uint32_t letters(const uint8_t *p)
{
#ifdef __SSE2__
	return letters16(p) | letters16(p + 16) << 16;
#else
	uint32_t bits = 0;
	for (size_t i = 0; i < 32; i++)
		bits |= (uint32_t)is_letter(p[i]) << i;
	return bits;
#endif
}

static inline uint64_t stir(uint64_t h, uint64_t letters)
{
	h = (h ^ (letters | 0x2020202020202020ull)) * 0xbf58476d1ce4e5b9ull;
	return h ^ h >> 31;
}

/* Of a word in lower case; 16 bytes can be read from where it begins. */
static inline uint64_t word_hash(const uint8_t *p, size_t n)
{
	uint64_t h = n * 0x9e3779b97f4a7c15ull, v[2];
	if (n <= 16) { /* nearly all: no branch that depends on the word */
		memcpy(v, p, sizeof v);
		uint64_t first = stir(h, n < 8 ? v[0] & ((1ull << 8 * n) - 1) : v[0]);
		uint64_t second = stir(first, v[1] & (UINT64_MAX >> (8 * (16 - n) & 63)));
		return n > 8 ? second : first;
	}
	for (size_t i = 0; i < n; i += 8) {
		v[0] = 0;
		memcpy(v, p + i, n - i < 8 ? n - i : 8);
		h = stir(h, v[0]);
	}
	return h;
}

/* The last two words, and how many there were; while a line is read. */
struct words { uint32_t last[2], n, runs; };

/* Each run of three words goes to one of 32 places, where the least hash stays. */
static inline void add_word(struct words *w, uint16_t *hash, uint64_t word)
{
	uint32_t now = (uint32_t)(word >> 20);
	uint64_t h = (now + w->last[0] * 0xc2b2ae3d27d4eb4full + w->last[1] * 0x165667b19e3779f9ull) * 0x9e3779b97f4a7c15ull;
	h ^= h >> 32;
	w->last[1] = w->last[0];
	w->last[0] = now;
	if (++w->n < 3)
		return;
	uint16_t v = (uint16_t)(h >> 8), *slot = &hash[h & (SMTP_MINHASHES - 1)];
	v = (uint16_t)(v - (v == 0xffff));
	if (v < *slot) /* rare once some words were seen */
		*slot = v;
	w->runs++;
}

static bool ends_address(uint8_t ch)
{
	return ch <= ' ' || ch == '"' || ch == '<' || ch == '>' || ch == '\'' || ch == ')';
}

/* Behind "://": of an address on the web only the host counts. Where the path begins and where it ends. */
static void find_path(const uint8_t *p, size_t n, size_t at, size_t *ret_from, size_t *ret_to)
{
	while (at < n && p[at] != '/' && !ends_address(p[at]))
		at++;
	*ret_from = at;
	while (at < n && !ends_address(p[at]))
		at++;
	*ret_to = at;
}

/* Letters make words, in lower case; everything else lies between them. The line is copied, so that more can be read than there is. */
void body_print(struct body *b, const uint8_t *p, size_t n)
{
	uint8_t line[HEADER_BYTES + 32];
	size_t word = 0, path_from = n, path_to = n; /* word: where it began */
	struct words w = { { b->words[0], b->words[1] }, b->word_n, b->shingles };
	uint32_t open = 0; /* a word goes on */
	memcpy(line, p, n);
	memset(line + n, 0, 32);
	for (size_t base = 0; base < n + 1; base += 32) { /* the end is no letter */
		uint32_t bits = letters(line + base), before = bits << 1 | open, ends = ~bits & before;
		uint64_t begins = (bits & ~before) | 1ull << 32; /* none more: somewhere behind */
		if (!open) {
			word = base + (size_t)__builtin_ctzll(begins);
			begins &= begins - 1;
		}
		for (; ends; ends &= ends - 1) {
			size_t at = base + (size_t)__builtin_ctz(ends);
			if (word < path_from || word >= path_to)
				add_word(&w, b->hash, word_hash(line + word, at - word));
			if (line[at] == ':' && line[at + 1] == '/' && line[at + 2] == '/')
				find_path(line, n, at + 3, &path_from, &path_to);
			word = base + (size_t)__builtin_ctzll(begins);
			begins &= begins - 1;
		}
		open = bits >> 31;
	}
	b->words[0] = w.last[0];
	b->words[1] = w.last[1];
	b->word_n = w.n;
	b->shingles = w.runs;
}

bool body_print_done(struct body *b)
{
	if (b->shingles < LEAST_RUNS)
		return false;
	for (size_t i = 0; i < SMTP_MINHASHES; i++) { /* an empty place borrows from the next */
		size_t j = i;
		while (b->hash[j] == 0xffff)
			j = (j + 1) % SMTP_MINHASHES;
		if (j != i)
			b->hash[i] = (uint16_t)(b->hash[j] ^ (uint16_t)((j - i) % SMTP_MINHASHES * 0x1357u));
		if (b->hash[i] == 0xffff)
			b->hash[i] = 0xfffe;
	}
	return true;
}
