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

/* How many of the first n do, up to the first that does not. */
static size_t plain_run(const char *p, size_t n)
{
	size_t i = 0;
#ifdef __SSE2__
	for (; i + 16 <= n; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
		/* signed: what is not ASCII lies below the space, too */
		__m128i odd = _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(0x20)), _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)));
		odd = _mm_or_si128(odd, _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
		unsigned bits = (unsigned)_mm_movemask_epi8(odd);
		if (bits)
			return i + (size_t)__builtin_ctz(bits);
	}
#endif
	while (i < n && plain(p[i]))
		i++;
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
	for (size_t i = 0; i < s.n;) {
		size_t run = plain_run(s.p + i, s.n - i);
		buf_add(b, s.p + i, run);
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
	buf_addc(b, '"');
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
	buf_addc(b, '"');
	times_rfc3339(us, utc_offset_s, b);
	buf_addc(b, '"');
}

void jsonw_key(struct buf *b, struct sv name)
{
	jsonw_sep(b);
	buf_reserve(b, name.n + 3);
	b->p[b->n++] = '"';
	memcpy(b->p + b->n, name.p, name.n);
	b->n += name.n;
	b->p[b->n++] = '"';
	b->p[b->n++] = ':';
}

void jsonw_field_text(struct buf *b, struct sv name, struct sv s)
{
	if (!s.p)
		return;
	jsonw_key(b, name);
	jsonw_text(b, s);
}

void jsonw_field_int(struct buf *b, struct sv name, int64_t v)
{
	jsonw_key(b, name);
	jsonw_int(b, v);
}

void jsonw_field_bool(struct buf *b, struct sv name, bool v)
{
	jsonw_key(b, name);
	buf_puts(b, v ? "true" : "false");
}
