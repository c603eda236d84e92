#include "lib/newlines.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#define STEP 64u
#define FAR (UINT16_MAX & ~(STEP - 1)) /* offsets behind it have no room */

/* The bytes from i on, one by one: what is left of a piece behind its last whole step. */
static void one_by_one(const char *p, size_t i, size_t n, struct newlines *r)
{
	for (; i < n && r->n < NEWLINES_MAX && i < FAR; i++) {
		if (p[i] == '\n')
			r->at[r->n++] = (uint16_t)i;
		r->odd |= (signed char)p[i] <= 0;
	}
	r->looked = i;
}

static void find_plain(const char *p, size_t n, struct newlines *r)
{
	one_by_one(p, 0, n, r);
}

#ifdef __x86_64__
/* LOOK says which of the STEP bytes at p + i are newlines, as bits. What is counted stays in a register: bytes may lie anywhere, also in *r, for
 * all the compiler knows. */
#define EACH_STEP(LOOK)                                                                                      \
	size_t i = 0;                                                                                        \
	unsigned found = 0;                                                                                  \
	for (; i + STEP <= n && i + STEP <= FAR && found + STEP <= NEWLINES_MAX; i += STEP)                    \
		for (uint64_t hits = LOOK; hits; hits &= hits - 1)                                           \
			r->at[found++] = (uint16_t)(i + (size_t)__builtin_ctzll(hits));                      \
	r->n = found

static inline uint64_t look_sse2(const char *p, __m128i *high, __m128i *low)
{
	uint64_t hits = 0;
	for (unsigned j = 0; j < STEP; j += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + j));
		hits |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n'))) << j;
		*high = _mm_or_si128(*high, v);
		*low = _mm_min_epu8(*low, v);
	}
	return hits;
}

static void find_sse2(const char *p, size_t n, struct newlines *r)
{
	__m128i high = _mm_setzero_si128(), low = _mm_set1_epi8(-1);
	EACH_STEP(look_sse2(p + i, &high, &low));
	r->odd = _mm_movemask_epi8(_mm_or_si128(high, _mm_cmpeq_epi8(low, _mm_setzero_si128())));
	one_by_one(p, i, n - i < STEP ? n : i, r);
}

#define FOR_AVX2 __attribute__((target("avx2,bmi")))

FOR_AVX2 static inline uint64_t look_avx2(const char *p, __m256i *high, __m256i *low)
{
	const __m256i newline = _mm256_set1_epi8('\n');
	__m256i a = _mm256_loadu_si256((const __m256i *)(const void *)p), b = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32));
	*high = _mm256_or_si256(*high, _mm256_or_si256(a, b));
	*low = _mm256_min_epu8(*low, _mm256_min_epu8(a, b));
	return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, newline)) | (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, newline)) << 32;
}

FOR_AVX2 static void find_avx2(const char *p, size_t n, struct newlines *r)
{
	__m256i high = _mm256_setzero_si256(), low = _mm256_set1_epi8(-1);
	EACH_STEP(look_avx2(p + i, &high, &low));
	r->odd = _mm256_movemask_epi8(_mm256_or_si256(high, _mm256_cmpeq_epi8(low, _mm256_setzero_si256())));
	one_by_one(p, i, n - i < STEP ? n : i, r);
}
#endif

typedef void find_fn(const char *, size_t, struct newlines *);

/* NULL: not on this processor. */
static find_fn *way_of(enum newlines_way way)
{
#ifdef __x86_64__
	if (way == NEWLINES_AVX2)
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") ? find_avx2 : NULL;
	if (way == NEWLINES_SSE2)
		return find_sse2;
#endif
	return way == NEWLINES_PLAIN ? find_plain : NULL;
}

bool newlines_find_by(enum newlines_way way, const char *p, size_t n, struct newlines *ret)
{
	find_fn *fn = way_of(way);
	if (!fn)
		return false;
	ret->n = 0;
	ret->odd = false;
	fn(p, n, ret);
	return true;
}

void newlines_find(const char *p, size_t n, struct newlines *ret)
{
	static _Thread_local find_fn *best;
	for (int way = NEWLINES_WAYS; !best && way-- > 0;)
		best = way_of((enum newlines_way)way);
	ret->n = 0;
	ret->odd = false;
	best(p, n, ret);
}
