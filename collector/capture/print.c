/* The fingerprint of a text: MinHash (Broder 1997) over runs of three words, one hash for all places (Li, Owen and Zhang 2012). */
#include "collector/capture/body.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define LEAST_RUNS 8

static bool is_letter(uint8_t ch)
{
	return (uint8_t)((ch | 32) - 'a') < 26 || ch >= 0x80;
}

/* Letters of p[0..n), n at most 32, as bits. */
static uint32_t letters(const uint8_t *p, size_t n)
{
	uint32_t bits = 0;
#ifdef __SSE2__
	if (n >= 32) {
		for (unsigned half = 0; half < 2; half++) {
			__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * half));
			__m128i low = _mm_or_si128(v, _mm_set1_epi8(32));
			/* signed: bytes from 0x80 on are below zero, so they are no letters here, but their top bit says what they are */
			__m128i in = _mm_and_si128(_mm_cmpgt_epi8(low, _mm_set1_epi8('a' - 1)), _mm_cmplt_epi8(low, _mm_set1_epi8('z' + 1)));
			bits |= (uint32_t)_mm_movemask_epi8(_mm_or_si128(in, v)) << 16 * half;
		}
		return bits;
	}
#endif
	for (size_t i = 0; i < n && i < 32; i++)
		bits |= (uint32_t)is_letter(p[i]) << i;
	return bits;
}

/* Of a word in lower case. */
static inline uint64_t word_hash(const uint8_t *p, size_t n, const uint8_t *end)
{
	uint64_t h = n * 0x9e3779b97f4a7c15ull;
	if (n <= 8 && end - p >= 8) {
		uint64_t v;
		memcpy(&v, p, 8);
		v &= UINT64_MAX >> (64 - 8 * n);
		h = (h ^ (v | 0x2020202020202020ull)) * 0xbf58476d1ce4e5b9ull;
		return h ^ h >> 31;
	}
	for (size_t i = 0; i < n; i += 8) {
		uint64_t v = 0;
		size_t left = n - i;
		if (end - (p + i) >= 8) {
			memcpy(&v, p + i, 8);
			if (left < 8)
				v &= (1ull << 8 * left) - 1;
		} else {
			memcpy(&v, p + i, left);
		}
		h = (h ^ (v | 0x2020202020202020ull)) * 0xbf58476d1ce4e5b9ull;
		h ^= h >> 31;
	}
	return h;
}

/* Each run of three words goes to one of 32 places, where the least hash stays. */
static inline void add_word(struct body *b, uint64_t word)
{
	uint32_t w = (uint32_t)(word >> 20);
	uint64_t h = (w + b->words[0] * 0xc2b2ae3d27d4eb4full + b->words[1] * 0x165667b19e3779f9ull) * 0x9e3779b97f4a7c15ull;
	h ^= h >> 32;
	b->words[1] = b->words[0];
	b->words[0] = w;
	if (++b->word_n < 3)
		return;
	uint16_t v = (uint16_t)(h >> 8), *slot = &b->hash[h & (SMTP_MINHASHES - 1)];
	v = (uint16_t)(v - (v == 0xffff));
	*slot = v < *slot ? v : *slot;
	b->shingles++;
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

/* Letters make words, in lower case; everything else lies between them. */
void body_print(struct body *b, const uint8_t *p, size_t n)
{
	size_t word = 0, path_from = n, path_to = n; /* word: where it began */
	bool in_word = false;
	for (size_t base = 0; base < n; base += 32) {
		uint32_t bits = letters(p + base, n - base);
		uint32_t edges = bits ^ (bits << 1 | (uint32_t)in_word); /* where a word begins or ends */
		for (; edges; edges &= edges - 1) {
			size_t at = base + (size_t)__builtin_ctz(edges);
			in_word = !in_word;
			if (in_word) {
				word = at;
				continue;
			}
			if (word < path_from || word >= path_to)
				add_word(b, word_hash(p + word, at - word, p + n));
			if (at + 2 < n && p[at] == ':' && p[at + 1] == '/' && p[at + 2] == '/')
				find_path(p, n, at + 3, &path_from, &path_to);
		}
	}
	if (in_word && (word < path_from || word >= path_to))
		add_word(b, word_hash(p + word, n - word, p + n));
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
