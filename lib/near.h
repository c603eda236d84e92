/* near: searching and copying where what is looked for is near and what is copied is short, as in the fields of a line: there a call of the
 * C library takes longer than the work. */
#ifndef LIB_NEAR_H
#define LIB_NEAR_H

#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#ifdef __SSE2__
/* Which of the 16 bytes at p are a, b or c, as bits.  */
static inline unsigned near_hits(const char *p, char a, char b, char c)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i any = _mm_cmpeq_epi8(v, _mm_set1_epi8(a));
	if (b != a)
		any = _mm_or_si128(any, _mm_cmpeq_epi8(v, _mm_set1_epi8(b)));
	if (c != a && c != b)
		any = _mm_or_si128(any, _mm_cmpeq_epi8(v, _mm_set1_epi8(c)));
	return (unsigned)_mm_movemask_epi8(any);
}
#endif

/* Where the first of three bytes, which may be the same, is; n: nowhere. */
static inline size_t near_first_of(const char *p, size_t n, char a, char b, char c)
{
	size_t i = 0;
#ifdef __SSE2__
	unsigned hit;
	for (; i + 16 <= n; i += 16)
		if ((hit = near_hits(p + i, a, b, c)))
			return i + (size_t)__builtin_ctz(hit);
	if (n >= 16) { /* what is left, together with bytes that were looked at */
		hit = i < n ? near_hits(p + n - 16, a, b, c) : 0;
		return hit ? n - 16 + (size_t)__builtin_ctz(hit) : n;
	}
#endif
	while (i < n && p[i] != a && p[i] != b && p[i] != c)
		i++;
	return i;
}

/* Where the first is that is one of two, or less than below as a signed char, as bytes beyond ASCII are, too; n: nowhere. */
static inline size_t near_first_below(const char *p, size_t n, char stop, char also, char below)
{
	size_t i = 0;
#ifdef __SSE2__
	const __m128i s = _mm_set1_epi8(stop), t = _mm_set1_epi8(also), b = _mm_set1_epi8(below);
	for (; i + 16 <= n; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
		__m128i any = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, s), _mm_cmpeq_epi8(v, t)), _mm_cmplt_epi8(v, b));
		unsigned hit = (unsigned)_mm_movemask_epi8(any);
		if (hit)
			return i + (size_t)__builtin_ctz(hit);
	}
#endif
	while (i < n && p[i] != stop && p[i] != also && (signed char)p[i] >= below)
		i++;
	return i;
}

/* The same as memchr(). */
static inline const char *near_chr(const char *p, char c, size_t n)
{
	size_t i = near_first_of(p, n, c, c, c);
	return i < n ? p + i : NULL;
}

/* Which of n bytes, at most 16, are digits, and which are dots, as bits. */
static inline void near_digits_dots(const char *p, size_t n, unsigned *ret_digits, unsigned *ret_dots)
{
	unsigned digits = 0, dots = 0;
#ifdef __SSE2__
	uint64_t b[2] = { 0 };
	if (n >= 16) {
		memcpy(b, p, 16);
	} else if (n >= 8) {
		memcpy(b, p, 8);
		memcpy(b + 1, p + n - 8, 8);
		b[1] >>= 8 * (16 - n) & 63; /* n == 8: says the same twice, and is masked below */
	} else {
		for (size_t i = 0; i < n; i++)
			b[0] |= (uint64_t)(unsigned char)p[i] << 8 * i;
	}
	__m128i v = _mm_set_epi64x((long long)(n == 8 ? 0 : b[1]), (long long)b[0]);
	digits = (unsigned)_mm_movemask_epi8(_mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('0' - 1)), _mm_cmplt_epi8(v, _mm_set1_epi8('9' + 1))));
	dots = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('.')));
#else
	for (unsigned i = 0; i < n && i < 16; i++) {
		digits |= (unsigned)(p[i] >= '0' && p[i] <= '9') << i;
		dots |= (unsigned)(p[i] == '.') << i;
	}
#endif
	*ret_digits = digits;
	*ret_dots = dots;
}

/* The number that begins at p, where eight bytes must be there: how many digits it has, at most seven; 0: none, or more. */
static inline size_t near_number(const char *p, int64_t *ret)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	uint64_t w;
	memcpy(&w, p, 8);
	w ^= 0x3030303030303030u; /* digits are 0 to 9 now */
	uint64_t other = ((w & 0x7f7f7f7f7f7f7f7fu) + 0x7676767676767676u) | w; /* the highest bit of what is none */
	other &= 0x8080808080808080u;
	if (!other || (other & 0x80))
		return 0;
	unsigned n = (unsigned)__builtin_ctzll(other) / 8;
	w <<= 64 - 8 * n; /* as if zeros stood before it; then pairs, fours and eights of digits are joined */
	w = (w * 10 + (w >> 8)) & 0x00ff00ff00ff00ffu;
	w = (w * 100 + (w >> 16)) & 0x0000ffff0000ffffu;
	*ret = (int64_t)((w * 10000 + (w >> 32)) & 0xffffffffu);
	return n;
#else
	size_t n = 0;
	for (*ret = 0; n < 8 && p[n] >= '0' && p[n] <= '9'; n++)
		*ret = *ret * 10 + (p[n] - '0');
	return n < 8 ? n : 0;
#endif
}

/* The first place of k bytes among n, or NULL: candidates are places whose first and last byte fit. */
static inline const char *near_find(const char *p, size_t n, const char *want, size_t k)
{
	size_t i = 0;
	if (!k || n < k)
		return k ? NULL : p;
#ifdef __SSE2__
	const __m128i first = _mm_set1_epi8(want[0]), last = _mm_set1_epi8(want[k - 1]);
	for (; i + k - 1 + 16 <= n; i += 16) {
		__m128i a = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + i)), first);
		__m128i b = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + i + k - 1)), last);
		for (unsigned hit = (unsigned)_mm_movemask_epi8(_mm_and_si128(a, b)); hit; hit &= hit - 1) {
			const char *at = p + i + __builtin_ctz(hit);
			if (memcmp(at, want, k) == 0)
				return at;
		}
	}
#endif
	for (; i + k <= n; i++)
		if (p[i] == want[0] && memcmp(p + i, want, k) == 0)
			return p + i;
	return NULL;
}

/* How many of the first 16 bytes, which must be there, are digits or A to F, up to the first that is not. */
static inline size_t near_hex(const char *p)
{
#ifdef __SSE2__
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i digit = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('0' - 1)), _mm_cmplt_epi8(v, _mm_set1_epi8('9' + 1)));
	__m128i letter = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('A' - 1)), _mm_cmplt_epi8(v, _mm_set1_epi8('F' + 1)));
	unsigned other = ~(unsigned)_mm_movemask_epi8(_mm_or_si128(digit, letter));
	return (size_t)__builtin_ctz(other | 1u << 16);
#else
	size_t i = 0;
	while (i < 16 && ((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'A' && p[i] <= 'F')))
		i++;
	return i;
#endif
}

/* Which of the 16 bytes at p, which must be there, are letters or digits of ASCII, as bits. */
static inline unsigned near_alnum(const char *p)
{
#ifdef __SSE2__
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p), low = _mm_or_si128(v, _mm_set1_epi8(0x20));
	__m128i digit = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('0' - 1)), _mm_cmplt_epi8(v, _mm_set1_epi8('9' + 1)));
	__m128i letter = _mm_and_si128(_mm_cmpgt_epi8(low, _mm_set1_epi8('a' - 1)), _mm_cmplt_epi8(low, _mm_set1_epi8('z' + 1)));
	return (unsigned)_mm_movemask_epi8(_mm_or_si128(digit, letter));
#else
	unsigned bits = 0;
	for (unsigned i = 0; i < 16; i++) {
		char c = p[i], low = (char)(c | 0x20);
		bits |= (unsigned)((c >= '0' && c <= '9') || (low >= 'a' && low <= 'z')) << i;
	}
	return bits;
#endif
}

/* The same as memcpy(). */
static inline void near_copy(char *to, const char *from, size_t n)
{
	if (n > 64) {
		memcpy(to, from, n);
	} else if (n >= 16) {
		for (size_t at = 0; at + 16 < n; at += 16)
			memcpy(to + at, from + at, 16);
		memcpy(to + n - 16, from + n - 16, 16);
	} else if (n >= 8) {
		memcpy(to, from, 8);
		memcpy(to + n - 8, from + n - 8, 8);
	} else if (n >= 4) {
		memcpy(to, from, 4);
		memcpy(to + n - 4, from + n - 4, 4);
	} else {
		for (size_t i = 0; i < n; i++)
			to[i] = from[i];
	}
}

/* The last k of n bytes at p, 1 to 8 of them, as memcpy() would put them into a number; n >= k. Assembled from whole readings: a number that is
 * read where single bytes were just written makes the processor wait. */
static inline uint64_t near_last(const char *p, size_t n, size_t k)
{
	uint64_t v = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	uint32_t a, b;
	if (n >= 8) {
		memcpy(&v, p + n - 8, 8);
		return v >> 8 * (8 - k);
	}
	p += n - k;
	if (k >= 4) {
		memcpy(&a, p, 4);
		memcpy(&b, p + k - 4, 4);
		return a | (uint64_t)b << 8 * (k - 4);
	}
	const unsigned char *u = (const unsigned char *)p;
	return u[0] | (uint64_t)u[k / 2] << 8 * (k / 2) | (uint64_t)u[k - 1] << 8 * (k - 1);
#else
	memcpy(&v, p + n - k, k);
	return v;
#endif
}

/* Eight bytes with A to Z in lower case. */
static inline uint64_t near_lower_eight(uint64_t v)
{
#ifdef __x86_64__
	__m128i x = _mm_cvtsi64_si128((long long)v);
	/* 0x3f more, and they are the 26 least signed numbers */
	__m128i upper = _mm_cmplt_epi8(_mm_add_epi8(x, _mm_set1_epi8(0x3f)), _mm_set1_epi8(-128 + 26));
	return (uint64_t)_mm_cvtsi128_si64(_mm_or_si128(x, _mm_and_si128(upper, _mm_set1_epi8(0x20))));
#else
	uint64_t low = v & 0x7f7f7f7f7f7f7f7fu;
	/* The high bits say: at least 'A', and not more than 'Z'. */
	uint64_t upper = (low + 0x3f3f3f3f3f3f3f3fu) & ~(low + 0x2525252525252525u) & ~v & 0x8080808080808080u;
	return v | upper >> 2;
#endif
}

/* A copy with A to Z in lower case; both may be the same place. */
static inline void near_lower(char *to, const char *from, size_t n)
{
	uint64_t a, b;
	uint32_t c, d;
	size_t i = 0;
	if (n < 8) {
		if (n < 4) {
			for (; i < n; i++)
				to[i] = (char)(from[i] >= 'A' && from[i] <= 'Z' ? from[i] + 32 : from[i]);
			return;
		}
		memcpy(&c, from, 4);
		memcpy(&d, from + n - 4, 4);
		c = (uint32_t)near_lower_eight(c);
		d = (uint32_t)near_lower_eight(d);
		memcpy(to, &c, 4);
		memcpy(to + n - 4, &d, 4);
		return;
	}
	memcpy(&b, from + n - 8, 8);
	for (; i + 8 < n; i += 8) {
		memcpy(&a, from + i, 8);
		a = near_lower_eight(a);
		memcpy(to + i, &a, 8);
	}
	b = near_lower_eight(b); /* the last eight overlap with those before */
	memcpy(to + n - 8, &b, 8);
}

/* Whether n bytes are the same. */
static inline int near_same(const char *a, const char *b, size_t n)
{
	uint64_t x, y;
	uint32_t v, w;
	if (n < 8) {
		if (n >= 4) {
			memcpy(&v, a, 4);
			memcpy(&w, b, 4);
			if (v != w)
				return 0;
			memcpy(&v, a + n - 4, 4);
			memcpy(&w, b + n - 4, 4);
			return v == w;
		}
		for (size_t i = 0; i < n; i++)
			if (a[i] != b[i])
				return 0;
		return 1;
	}
	for (size_t at = 0; at + 8 < n; at += 8) {
		memcpy(&x, a + at, 8);
		memcpy(&y, b + at, 8);
		if (x != y)
			return 0;
	}
	memcpy(&x, a + n - 8, 8);
	memcpy(&y, b + n - 8, 8);
	return x == y;
}

#endif
