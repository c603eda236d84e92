#include "collector/capture/pair.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

static size_t find_from(const uint8_t *p, size_t i, size_t n, uint8_t ch)
{
	for (; i + 1 < n; i++)
		if (p[i] == '\n' && p[i + 1] == ch)
			return i;
	return n;
}

static size_t find_plain(const uint8_t *p, size_t n, uint8_t ch)
{
	return find_from(p, 0, n, ch);
}

#ifdef __x86_64__
static inline unsigned pairs16(const uint8_t *p, __m128i second)
{
	__m128i a = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), _mm_set1_epi8('\n'));
	__m128i b = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + 1)), second);
	return (unsigned)_mm_movemask_epi8(_mm_and_si128(a, b));
}

static size_t find_sse2(const uint8_t *p, size_t n, uint8_t ch)
{
	const __m128i second = _mm_set1_epi8((char)ch);
	size_t i = 0;
	for (; i + 17 <= n; i += 16) {
		unsigned hit = pairs16(p + i, second);
		if (hit)
			return i + (size_t)__builtin_ctz(hit);
	}
	return find_from(p, i, n, ch);
}

#define FOR_AVX2 __attribute__((target("avx2")))

FOR_AVX2 static inline __m256i pairs32(const uint8_t *p, __m256i second)
{
	__m256i a = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(const void *)p), _mm256_set1_epi8('\n'));
	return _mm256_and_si256(a, _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(const void *)(p + 1)), second));
}

FOR_AVX2 static size_t find_avx2(const uint8_t *p, size_t n, uint8_t ch)
{
	const __m256i second = _mm256_set1_epi8((char)ch);
	size_t i = 0;
	if (n < 33)
		return find_sse2(p, n, ch);
	for (; i + 65 <= n; i += 64) {
		__m256i a = pairs32(p + i, second), b = pairs32(p + i + 32, second), any = _mm256_or_si256(a, b);
		if (!_mm256_testz_si256(any, any)) {
			uint64_t hit = (uint32_t)_mm256_movemask_epi8(a) | (uint64_t)(uint32_t)_mm256_movemask_epi8(b) << 32;
			return i + (size_t)__builtin_ctzll(hit);
		}
	}
	for (;;) { /* the last one overlaps what was looked at */
		i = i + 33 <= n ? i : n - 33;
		unsigned hit = (unsigned)_mm256_movemask_epi8(pairs32(p + i, second));
		if (hit)
			return i + (size_t)__builtin_ctz(hit);
		if (i + 33 == n)
			return n;
		i += 32;
	}
}
#endif

typedef size_t find_fn(const uint8_t *, size_t, uint8_t);

/* NULL: not on this processor. */
static find_fn *way_of(enum pair_way way)
{
#ifdef __x86_64__
	if (way == PAIR_AVX2)
		return __builtin_cpu_supports("avx2") ? find_avx2 : NULL;
	if (way == PAIR_SSE2)
		return find_sse2;
#endif
	return way == PAIR_PLAIN ? find_plain : NULL;
}

size_t pair_find(const uint8_t *p, size_t n, uint8_t ch)
{
	static find_fn *best;
	for (int way = PAIR_WAYS; !best && way-- > 0;)
		best = way_of((enum pair_way)way);
	return best(p, n, ch);
}

bool pair_find_by(enum pair_way way, const uint8_t *p, size_t n, uint8_t ch, size_t *ret)
{
	find_fn *fn = way_of(way);
	if (fn)
		*ret = fn(p, n, ch);
	return fn;
}
