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

/* Division by one number, without dividing: odd times a power of two, and the odd part has an inverse modulo 2^64. */
struct divisor { uint64_t inverse, most; unsigned shift; };

static struct divisor divisor_of(uint64_t g)
{
	struct divisor d = { 0, UINT64_MAX / g, (unsigned)__builtin_ctzll(g) };
	uint64_t odd = g >> d.shift;
	d.inverse = odd; /* right in three bits; each step doubles them */
	for (unsigned i = 0; i < 5; i++)
		d.inverse *= 2 - odd * d.inverse;
	return d;
}

/* What is no multiple gives more than any quotient. */
static inline bool divides(const struct divisor *d, uint64_t v)
{
	uint64_t q = v * d->inverse;
	return (q >> d->shift | q << (-d->shift & 63)) <= d->most;
}

/* v is a multiple. */
static inline uint64_t quotient(const struct divisor *d, uint64_t v)
{
	return (v >> d->shift) * d->inverse;
}

/* The largest step that leads from base to every value: times in whole seconds need no microseconds. */
static uint64_t scale_of(const int64_t *v, size_t n, int64_t base)
{
	uint64_t g = 0;
	struct divisor by = { 0 };
	for (size_t i = 0; i < n && g != 1; i++) {
		uint64_t d = (uint64_t)v[i] - (uint64_t)base;
		if (d && (!g || !divides(&by, d))) {
			g = gcd(g, d);
			by = divisor_of(g);
		}
	}
	return g ? g : 1;
}

struct range { int64_t least, most; };

#ifdef __x86_64__
__attribute__((target("avx2"))) static struct range range_avx2(const int64_t *v, size_t n)
{
	__m256i least = _mm256_set1_epi64x(v[0]), most = least;
	struct range r = { v[0], v[0] };
	int64_t low[4], high[4];
	size_t i = 0;
	for (; i + 4 <= n; i += 4) {
		__m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(v + i));
		least = _mm256_blendv_epi8(least, x, _mm256_cmpgt_epi64(least, x));
		most = _mm256_blendv_epi8(most, x, _mm256_cmpgt_epi64(x, most));
	}
	_mm256_storeu_si256((__m256i *)(void *)low, least);
	_mm256_storeu_si256((__m256i *)(void *)high, most);
	for (size_t k = 0; k < 4; k++) {
		r.least = low[k] < r.least ? low[k] : r.least;
		r.most = high[k] > r.most ? high[k] : r.most;
	}
	for (; i < n; i++) {
		r.least = v[i] < r.least ? v[i] : r.least;
		r.most = v[i] > r.most ? v[i] : r.most;
	}
	return r;
}
#endif

static struct range range_of(const int64_t *v, size_t n)
{
	struct range r = { n ? v[0] : 0, n ? v[0] : 0 };
#ifdef __x86_64__
	if (n && __builtin_cpu_supports("avx2"))
		return range_avx2(v, n);
#endif
	for (size_t i = 1; i < n; i++) {
		r.least = v[i] < r.least ? v[i] : r.least;
		r.most = v[i] > r.most ? v[i] : r.most;
	}
	return r;
}

static uint32_t bits_for(uint64_t most)
{
	uint32_t n = most ? 64 - (uint32_t)__builtin_clzll(most) : 0;
	return n > PACKED_WIDE ? 64 : n;
}

static uint32_t slot_of(const struct packed_table *t, int64_t v)
{
	uint32_t at = (uint32_t)((uint64_t)v * 0x9e3779b97f4a7c15u >> 54);
	while (t->slot[at] && t->value[t->slot[at] - 1] != v)
		at = (at + 1) % 1024;
	return at;
}

static bool table_of(struct packed_table *t, const int64_t *v, size_t n)
{
	memset(t, 0, sizeof *t);
	for (size_t i = 0; i < n; i++) {
		if (i && v[i] == v[i - 1])
			continue;
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

/* Writes numbers of so many bits one after the other: whole words, as a store into part of a word that was just written makes the
 * processor wait. */
struct bits { char *p; uint64_t word; uint32_t used; };

static inline void put_bits(struct bits *b, uint64_t v, uint32_t width)
{
	b->word |= v << b->used;
	b->used += width;
	if (b->used < 64)
		return;
	memcpy(b->p, &b->word, 8);
	b->p += 8;
	b->used -= 64;
	b->word = b->used ? v >> (width - b->used) : 0;
}

static void end_bits(const struct bits *b)
{
	memcpy(b->p, &b->word, (b->used + 7) / 8);
}

/* Codes are of eight bits at most: as many as fit into a word, at most eight, are put at once. */
static void put_codes(struct bits b, uint32_t width, const struct packed_table *t, const int64_t *v, size_t n)
{
	uint64_t code = 0;
	int64_t before = n ? ~v[0] : 0;
	for (size_t i = 0, end; i < n;) {
		uint64_t some = 0;
		uint32_t used = 0;
		for (end = n - i < 8 ? n : i + 8; i < end; i++, used += width) {
			if (v[i] != before)
				code = t->slot[slot_of(t, v[i])] - 1u;
			before = v[i];
			some |= code << used;
		}
		put_bits(&b, some, used);
	}
	end_bits(&b);
}

static inline uint64_t step(const struct packed *k, const struct divisor *by, int64_t v)
{
	uint64_t d = (uint64_t)v - (uint64_t)k->base;
	return by ? quotient(by, d) : d;
}

/* Four at once, where they fit into a word. */
static inline void put_steps(struct bits b, const struct packed *k, const struct divisor *by, const int64_t *v, size_t n)
{
	const uint32_t width = k->width;
	size_t i = 0;
	for (; width <= 16 && i + 4 <= n; i += 4) {
		uint64_t low = step(k, by, v[i]) | step(k, by, v[i + 1]) << width, high = step(k, by, v[i + 2]) | step(k, by, v[i + 3]) << width;
		put_bits(&b, low | high << 2 * width, 4 * width);
	}
	for (; width <= 32 && i + 2 <= n; i += 2)
		put_bits(&b, step(k, by, v[i]) | step(k, by, v[i + 1]) << width, 2 * width);
	for (; i < n; i++)
		put_bits(&b, step(k, by, v[i]), width);
	end_bits(&b);
}

struct packed packed_plan(const int64_t *v, size_t n, struct packed_table *ret_table)
{
	struct range r = range_of(v, n);
	struct packed k = { 0, 0, r.least, 1 };
	if (r.least == r.most)
		return k;
	k.scale = scale_of(v, n, r.least);
	k.width = bits_for(((uint64_t)r.most - (uint64_t)r.least) / k.scale);
	if (k.width < 2 || !table_of(ret_table, v, n))
		return k;
	uint32_t bits = bits_for(ret_table->n - 1);
	if (bits < k.width && (size_t)(k.width - bits) * n > (size_t)ret_table->n * 64)
		return (struct packed){ bits, ret_table->n, 0, 1 };
	return k;
}

void packed_put_planned(struct buf *out, const struct packed *k, const struct packed_table *t, const int64_t *v, size_t n)
{
	size_t bytes = packed_bytes(k, n), front = (size_t)k->table * sizeof *t->value;
	buf_reserve(out, bytes);
	char *p = out->p + out->n;
	out->n += bytes;
	if (front)
		memcpy(p, t->value, front);
	if (!k->width)
		return;
	memset(p + bytes - PACKED_SLACK, 0, PACKED_SLACK);
	struct bits b = { p + front, 0, 0 };
	if (k->table) {
		put_codes(b, k->width, t, v, n);
	} else if (k->scale == 1) {
		put_steps(b, k, NULL, v, n);
	} else {
		const struct divisor by = divisor_of(k->scale);
		put_steps(b, k, &by, v, n);
	}
}

struct packed packed_put(struct buf *out, const int64_t *v, size_t n)
{
	struct packed_table t;
	struct packed k = packed_plan(v, n, &t);
	packed_put_planned(out, &k, &t, v, n);
	return k;
}
