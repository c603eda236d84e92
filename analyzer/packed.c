#include "analyzer/packed.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

/* --- finding ------------------------------------------------------------------------------------------------------- */

/* What is looked for: bits of n rows that begin at p. */
struct sought { const char *p; size_t n, width; uint64_t code, mask; };

/* Which of the m rows from `row` on, at most 64, hold it, as bits. No branch depends on what is read. */
static uint64_t hits_of(const struct sought *s, size_t row, size_t m)
{
	uint64_t hits = 0, w;
	if (!s->width)
		return s->code == 0 ? UINT64_MAX >> (64 - m) : 0;
	for (size_t j = 0; j < m; j++) {
		size_t bit = (row + j) * s->width;
		memcpy(&w, s->p + (bit >> 3), 8);
		hits |= (uint64_t)((w >> (bit & 7) & s->mask) == s->code) << j;
	}
	return hits;
}

#ifdef __x86_64__
#define EIGHT_WIDEST 25u /* with up to seven bits before it, a number lies in four bytes */

/* Where the bytes of eight numbers lie, four in each half, and how far they are to be shifted. */
struct eight { char byte[32]; uint32_t shift[8]; };

static struct eight eight_of(size_t width)
{
	struct eight x;
	for (size_t j = 0; j < 8; j++) {
		size_t bit = j * width - (j < 4 ? 0 : 4 * width / 8 * 8); /* the upper half begins at the byte of its first number */
		for (size_t b = 0; b < 4; b++)
			x.byte[j * 4 + b] = (char)(bit / 8 + b);
		x.shift[j] = bit & 7;
	}
	return x;
}

/* Eight rows at a time: they begin at a whole byte. */
__attribute__((target("avx2"))) static uint64_t hits_of_64(const struct sought *s, const struct eight *x, size_t row)
{
	const __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)x->byte), shift = _mm256_loadu_si256((const __m256i *)(const void *)x->shift);
	const __m256i mask = _mm256_set1_epi32((int)s->mask), code = _mm256_set1_epi32((int)s->code);
	const char *p = s->p + row / 8 * s->width;
	uint64_t hits = 0;
	for (unsigned j = 0; j < 64; j += 8, p += s->width) {
		__m128i low = _mm_loadu_si128((const __m128i *)(const void *)p), high = _mm_loadu_si128((const __m128i *)(const void *)(p + s->width / 2));
		__m256i v = _mm256_shuffle_epi8(_mm256_set_m128i(high, low), bytes);
		v = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_srlv_epi32(v, shift), mask), code);
		hits |= (uint64_t)(unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(v)) << j;
	}
	return hits;
}
#endif

static bool tell(uint64_t hits, size_t row, packed_found *found, void *ctx)
{
	for (; hits; hits &= hits - 1)
		if (!found(ctx, row + (size_t)__builtin_ctzll(hits)))
			return false;
	return true;
}

void packed_find(const struct packed *k, const char *p, size_t n, int64_t v, packed_found *found, void *ctx)
{
	struct sought s = { p + (size_t)k->table * 8, n, k->width, 0, k->width == 64 ? UINT64_MAX : (1ull << k->width) - 1 };
	size_t row = 0;
	if (!packed_code(k, p, v, &s.code))
		return;
#ifdef __x86_64__
	if (s.width && s.width <= EIGHT_WIDEST && __builtin_cpu_supports("avx2")) {
		struct eight x = eight_of(s.width);
		/* 64 rows behind these: what is read too much is still of this column */
		for (; row + 128 + 128 / s.width <= n; row += 64)
			if (!tell(hits_of_64(&s, &x, row), row, found, ctx))
				return;
	}
#endif
	for (size_t m; row < n; row += m) {
		m = n - row < 64 ? n - row : 64;
		if (!tell(hits_of(&s, row, m), row, found, ctx))
			return;
	}
}

/* --- packing ------------------------------------------------------------------------------------------------------- */

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t t = a % b;
		a = b;
		b = t;
	}
	return a;
}

/* The largest step that leads from base to every value: times in whole seconds need no microseconds. */
static uint64_t scale_of(const int64_t *v, size_t n, int64_t base)
{
	uint64_t g = 0;
	for (size_t i = 0; i < n && g != 1; i++) {
		uint64_t d = (uint64_t)v[i] - (uint64_t)base;
		if (g == 0 || d % g)
			g = gcd(g, d);
	}
	return g ? g : 1;
}

static uint32_t bits_for(uint64_t most)
{
	uint32_t n = most ? 64 - (uint32_t)__builtin_clzll(most) : 0;
	return n > PACKED_WIDE ? 64 : n;
}

/* The different values, when they are few. */
struct table { int64_t value[PACKED_TABLE]; uint8_t slot[1024]; uint32_t n; };

static uint32_t slot_of(const struct table *t, int64_t v)
{
	uint32_t at = (uint32_t)((uint64_t)v * 0x9e3779b97f4a7c15u >> 54);
	while (t->slot[at] && t->value[t->slot[at] - 1] != v)
		at = (at + 1) % 1024;
	return at;
}

static bool table_of(struct table *t, const int64_t *v, size_t n)
{
	memset(t, 0, sizeof *t);
	for (size_t i = 0; i < n; i++) {
		uint32_t at = slot_of(t, v[i]);
		if (t->slot[at])
			continue;
		if (t->n == PACKED_TABLE)
			return false;
		t->value[t->n++] = v[i];
		t->slot[at] = (uint8_t)t->n;
	}
	return true;
}

/* Writes numbers of width bits one after the other: whole words, as a store into part of a word that was just written makes the
 * processor wait. */
struct bits { char *p; uint64_t word; uint32_t width, used; };

static inline void put_bits(struct bits *b, uint64_t v)
{
	b->word |= v << b->used;
	b->used += b->width;
	if (b->used < 64)
		return;
	memcpy(b->p, &b->word, 8);
	b->p += 8;
	b->used -= 64;
	b->word = b->used ? v >> (b->width - b->used) : 0;
}

static void end_bits(const struct bits *b)
{
	memcpy(b->p, &b->word, (b->used + 7) / 8);
}

static char *room(struct buf *out, size_t bytes)
{
	buf_reserve(out, bytes);
	memset(out->p + out->n, 0, bytes);
	out->n += bytes;
	return out->p + out->n - bytes;
}

static struct packed put_table(struct buf *out, const struct table *t, const int64_t *v, size_t n)
{
	struct packed k = { bits_for(t->n - 1), t->n, 0, 1 };
	char *p = room(out, packed_bytes(&k, n));
	memcpy(p, t->value, t->n * sizeof *t->value);
	struct bits b = { p + t->n * sizeof *t->value, 0, k.width, 0 };
	for (size_t i = 0; i < n && k.width; i++)
		put_bits(&b, t->slot[slot_of(t, v[i])] - 1u);
	end_bits(&b);
	return k;
}

struct packed packed_put(struct buf *out, const int64_t *v, size_t n)
{
	struct table t;
	int64_t least = n ? v[0] : 0, most = least;
	for (size_t i = 1; i < n; i++) {
		least = v[i] < least ? v[i] : least;
		most = v[i] > most ? v[i] : most;
	}
	struct packed k = { 0, 0, least, scale_of(v, n, least) };
	k.width = bits_for(((uint64_t)most - (uint64_t)least) / k.scale);
	if (k.width > 1 && table_of(&t, v, n) && bits_for(t.n - 1) < k.width && (size_t)(k.width - bits_for(t.n - 1)) * n > (size_t)t.n * 64)
		return put_table(out, &t, v, n);
	if (!k.width)
		return k;
	struct bits b = { room(out, packed_bytes(&k, n)), 0, k.width, 0 };
	for (size_t i = 0; i < n; i++) {
		uint64_t d = (uint64_t)v[i] - (uint64_t)least;
		put_bits(&b, k.scale == 1 ? d : d / k.scale);
	}
	end_bits(&b);
	return k;
}
