#include "lib/jsonw.h"

#include "lib/times.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static bool continues(uint8_t c)
{
	return (c & 0xc0) == 0x80;
}

/* The second byte's range is narrower after some leads (overlong forms, surrogates, beyond U+10FFFF). */
static bool second_ok(uint8_t lead, uint8_t c)
{
	switch (lead) {
	case 0xe0: return c >= 0xa0 && c <= 0xbf;
	case 0xed: return c >= 0x80 && c <= 0x9f;
	case 0xf0: return c >= 0x90 && c <= 0xbf;
	case 0xf4: return c >= 0x80 && c <= 0x8f;
	default: return continues(c);
	}
}

size_t utf8_length(struct sv s)
{
	if (!s.n)
		return 0;
	uint8_t lead = (uint8_t)s.p[0];
	if (lead < 0x80)
		return 1;
	size_t n = lead >= 0xc2 && lead <= 0xdf ? 2 : (lead & 0xf0) == 0xe0 ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
	if (!n || s.n < n || !second_ok(lead, (uint8_t)s.p[1]))
		return 0;
	for (size_t i = 2; i < n; i++)
		if (!continues((uint8_t)s.p[i]))
			return 0;
	return n;
}

/* Bytes that stand for themselves inside a JSON string. */
static inline bool plain(char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

#ifdef __SSE2__
/* Which of the 16 bytes do not. */
static inline unsigned odd_bits(__m128i v)
{
	/* signed: what is not ASCII lies below the space, too */
	__m128i odd = _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(0x20)), _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)));
	odd = _mm_or_si128(odd, _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
	return (unsigned)_mm_movemask_epi8(odd);
}

static inline unsigned copy_sixteen(char *to, const char *p)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	_mm_storeu_si128((__m128i *)(void *)to, v);
	return odd_bits(v);
}

/* 8 to 15 bytes, as two eights that overlap: how many are plain. */
static inline size_t copy_eight(char *to, const char *p, size_t n)
{
	uint64_t first, last;
	memcpy(&first, p, 8);
	memcpy(&last, p + n - 8, 8);
	memcpy(to, &first, 8);
	memcpy(to + n - 8, &last, 8);
	unsigned odd = odd_bits(_mm_set_epi64x((long long)last, (long long)first));
	if (!odd)
		return n;
	size_t at = (size_t)__builtin_ctz(odd);
	return at < 8 ? at : n - 16 + at;
}
#endif

/* Copies up to the first byte of n that is not plain, and says how many came before it. What lies behind them, up to n, may be written, too. */
static size_t copy_plain(char *to, const char *p, size_t n)
{
	size_t i = 0;
#ifdef __SSE2__
	unsigned odd;
	for (; i + 16 <= n; i += 16)
		if ((odd = copy_sixteen(to + i, p + i)))
			return i + (size_t)__builtin_ctz(odd);
	if (n >= 16) { /* what is left, together with bytes that were looked at */
		odd = i < n ? copy_sixteen(to + n - 16, p + n - 16) : 0;
		return odd ? n - 16 + (size_t)__builtin_ctz(odd) : n;
	}
	if (n >= 8)
		return copy_eight(to, p, n);
#endif
	for (; i < n && plain(p[i]); i++)
		to[i] = p[i];
	return i;
}

static void escape_ascii(struct buf *b, uint8_t c)
{
	static const char hex[] = "0123456789abcdef";
	char out[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
	switch (c) {
	case '"': buf_add(b, "\\\"", 2); break;
	case '\\': buf_add(b, "\\\\", 2); break;
	case '\n': buf_add(b, "\\n", 2); break;
	case '\r': buf_add(b, "\\r", 2); break;
	case '\t': buf_add(b, "\\t", 2); break;
	default: buf_add(b, out, 6);
	}
}

void jsonw_text(struct buf *b, struct sv s)
{
	buf_reserve(b, s.n + 2);
	b->p[b->n++] = '"';
	for (size_t i = 0;;) {
		buf_reserve(b, s.n - i + 1);
		size_t run = copy_plain(b->p + b->n, s.p + i, s.n - i);
		b->n += run;
		i += run;
		if (i == s.n)
			break;
		size_t n = utf8_length(sv_skip(s, i));
		if (n == 1)
			escape_ascii(b, (uint8_t)s.p[i]);
		else if (n)
			buf_add(b, s.p + i, n);
		else
			buf_add(b, "\xef\xbf\xbd", 3);
		i += n ? n : 1;
	}
	b->p[b->n++] = '"';
}

void jsonw_int(struct buf *b, int64_t v)
{
	char d[20];
	size_t i = sizeof d;
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	do
		d[--i] = (char)('0' + u % 10);
	while (u /= 10);
	if (v < 0)
		buf_addc(b, '-');
	buf_add(b, d + i, sizeof d - i);
}

void jsonw_time(struct buf *b, int64_t us, int32_t utc_offset_s)
{
	buf_reserve(b, TIMES_BYTES + 2);
	char *p = b->p + b->n, *end = times_put(p + 1, us, utc_offset_s);
	*p = *end = '"';
	b->n = (size_t)(end + 1 - b->p);
}

void jsonw_field_bool(struct buf *b, struct sv name, bool v)
{
	jsonw_key(b, name);
	buf_puts(b, v ? "true" : "false");
}
