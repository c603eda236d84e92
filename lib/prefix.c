#include "lib/prefix.h"

#include <stdlib.h>
#include <strings.h>

#include "lib/buf.h"

static const uint8_t prefix_v4_head[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* Reads exactly one dotted quad; leading zeros are refused because some readers take them as octal. */
static int parse_v4(const char *p, const char *end, uint8_t *ret_quad)
{
	for (int part = 0; part < 4; part++) {
		unsigned v, digit;
		if (part && (p == end || *p++ != '.'))
			return -1;
		if (p == end || (v = (unsigned)(*p - '0')) > 9)
			return -1;
		if (++p < end && (digit = (unsigned)(*p - '0')) <= 9) {
			if (v == 0)
				return -1;
			v = v * 10 + digit;
			if (++p < end && (digit = (unsigned)(*p - '0')) <= 9) {
				v = v * 10 + digit;
				p++;
			}
		}
		if (v > 255)
			return -1;
		ret_quad[part] = (uint8_t)v;
	}
	return p == end ? 0 : -1;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One group of up to four digits into two bytes; returns how many characters it took, 0 when there are none. */
static size_t hex_group(const char *p, const char *end, uint8_t *ret_two)
{
	unsigned v = 0;
	size_t n = 0;
	for (; n < 4 && p + n < end; n++) {
		int d = hex_digit(p[n]);
		if (d < 0)
			break;
		v = v << 4 | (unsigned)d;
	}
	ret_two[0] = (uint8_t)(v >> 8);
	ret_two[1] = (uint8_t)v;
	return n;
}

/* Moves what stands after "::" to the end and fills the gap with zeros. */
static int close_gap(uint8_t *b, int filled, int gap)
{
	if (gap < 0)
		return filled == 16 ? 0 : -1;
	if (filled > 14)
		return -1;
	int tail = filled - gap;
	memmove(b + 16 - tail, b + gap, (size_t)tail);
	memset(b + gap, 0, (size_t)(16 - filled));
	return 0;
}

static int parse_v6(const char *p, const char *end, uint8_t *b)
{
	int filled = 0, gap = -1;
	if (end - p >= 2 && p[0] == ':' && p[1] == ':') {
		gap = 0;
		p += 2;
	}
	while (p < end) {
		if (filled <= 12 && parse_v4(p, end, b + filled) == 0) {
			filled += 4;
			break;
		}
		size_t n = filled < 16 ? hex_group(p, end, b + filled) : 0;
		if (!n)
			return -1;
		filled += 2;
		p += n;
		if (p == end)
			break;
		if (*p++ != ':' || p == end)
			return -1;
		if (*p == ':') {
			if (gap >= 0)
				return -1;
			gap = filled;
			p++;
		}
	}
	return close_gap(b, filled, gap);
}

static struct sv unwrap(struct sv s)
{
	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = sv_make(s.p + 1, s.n - 2);
	if (s.n > 5 && strncasecmp(s.p, "IPv6:", 5) == 0)
		s = sv_skip(s, 5);
	return s;
}

int ipaddr_parse(struct sv s, struct ipaddr *ret)
{
	if (s.n < 2)
		return -1;
	if (s.p[0] == '[' || (s.p[0] | 0x20) == 'i')
		s = unwrap(s);
	if (s.n > 45)
		return -1;
	memcpy(ret->b, prefix_v4_head, 12);
	if (s.n <= 15 && parse_v4(s.p, s.p + s.n, ret->b + 12) == 0)
		return 0;
	return parse_v6(s.p, s.p + s.n, ret->b);
}

bool ipaddr_is_v4(const struct ipaddr *a)
{
	return memcmp(a->b, prefix_v4_head, 12) == 0;
}

bool ipaddr_is_loopback(const struct ipaddr *a)
{
	static const uint8_t one[16] = { [15] = 1 };
	return ipaddr_is_v4(a) ? a->b[12] == 127 : memcmp(a->b, one, 16) == 0;
}

static char *put_byte(char *o, unsigned v)
{
	if (v >= 100)
		*o++ = (char)('0' + v / 100);
	if (v >= 10)
		*o++ = (char)('0' + v / 10 % 10);
	*o++ = (char)('0' + v % 10);
	return o;
}

static size_t text_v4(const uint8_t *q, char *out)
{
	char *o = out;
	for (int i = 0; i < 4; i++) {
		if (i)
			*o++ = '.';
		o = put_byte(o, q[i]);
	}
	*o = 0;
	return (size_t)(o - out);
}

/* RFC 5952 4.2: the longest run of at least two zero groups, the first of equals. */
static void zero_run(const unsigned *g, int *ret_at, int *ret_len)
{
	*ret_at = -1;
	*ret_len = 1;
	for (int i = 0; i < 8; i++) {
		int n = 0;
		while (i + n < 8 && g[i + n] == 0)
			n++;
		if (n > *ret_len) {
			*ret_at = i;
			*ret_len = n;
		}
		i += n;
	}
}

static char *put_group(char *o, unsigned v)
{
	static const char hex[] = "0123456789abcdef";
	int shift = 12;
	while (shift && !(v >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*o++ = hex[v >> shift & 15];
	return o;
}

size_t ipaddr_text(const struct ipaddr *a, char *out)
{
	unsigned g[8];
	int at, len;
	char *o = out;
	if (ipaddr_is_v4(a))
		return text_v4(a->b + 12, out);
	for (int i = 0; i < 8; i++)
		g[i] = (unsigned)a->b[2 * i] << 8 | a->b[2 * i + 1];
	zero_run(g, &at, &len);
	for (int i = 0; i < 8; i++) {
		if (i == at) {
			*o++ = ':';
			*o++ = ':';
			i += len - 1;
			continue;
		}
		if (i && (at < 0 || i != at + len))
			*o++ = ':';
		o = put_group(o, g[i]);
	}
	*o = 0;
	return (size_t)(o - out);
}

static void mask(struct ipaddr *a, unsigned bits)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = bits >= 8 * (i + 1) ? 8 : bits > 8 * i ? bits - 8 * i : 0;
		a->b[i] &= (uint8_t)(0xff00u >> keep);
	}
}

static int parse_bits(struct sv s, unsigned most, unsigned *ret)
{
	unsigned v = 0;
	if (s.n < 1 || s.n > 3)
		return -1;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -1;
		v = v * 10 + (unsigned)(s.p[i] - '0');
	}
	*ret = v;
	return v <= most ? 0 : -1;
}

int prefix_parse(struct sv s, struct prefix *ret)
{
	ptrdiff_t slash = sv_chr(s, '/');
	struct sv addr = slash < 0 ? s : sv_take(s, (size_t)slash);
	*ret = (struct prefix){ .bits = 128 };
	if (ipaddr_parse(addr, &ret->addr) < 0)
		return -1;
	if (slash < 0)
		return 0;
	bool dotted = sv_chr(addr, ':') < 0;
	unsigned bits;
	if (parse_bits(sv_skip(s, (size_t)slash + 1), dotted ? 32 : 128, &bits) < 0)
		return -1;
	ret->bits = (uint8_t)(dotted ? 96 + bits : bits);
	struct ipaddr masked = ret->addr;
	mask(&masked, ret->bits);
	return memcmp(&masked, &ret->addr, sizeof masked) == 0 ? 0 : -2;
}

void prefix_table_add(struct prefix_table *t, const struct prefix *p)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 16;
		t->v = xrealloc(t->v, t->cap * sizeof *t->v);
	}
	t->v[t->n++] = *p;
	t->lengths[p->bits >> 6] |= 1ull << (p->bits & 63);
}

static int prefix_cmp(const void *x, const void *y)
{
	const struct prefix *a = x, *b = y;
	int c = memcmp(&a->addr, &b->addr, sizeof a->addr);
	return c ? c : (int)a->bits - (int)b->bits;
}

/* A stable merge: qsort would forget which of two equal prefixes was written later. */
static void merge_sort(struct prefix *v, struct prefix *tmp, size_t n)
{
	for (size_t w = 1; w < n; w *= 2) {
		for (size_t lo = 0; lo < n; lo += 2 * w) {
			size_t mid = lo + w < n ? lo + w : n, hi = lo + 2 * w < n ? lo + 2 * w : n;
			size_t i = lo, j = mid, k = lo;
			while (k < hi)
				tmp[k++] = i < mid && (j >= hi || prefix_cmp(&v[i], &v[j]) <= 0) ? v[i++] : v[j++];
		}
		memcpy(v, tmp, n * sizeof *v);
	}
}

void prefix_table_seal(struct prefix_table *t)
{
	size_t n = 0;
	if (t->n < 2)
		return;
	struct prefix *tmp = xmalloc(t->n * sizeof *tmp);
	merge_sort(t->v, tmp, t->n);
	free(tmp);
	for (size_t i = 0; i < t->n; i++) {
		if (n && prefix_cmp(&t->v[n - 1], &t->v[i]) == 0)
			n--;
		t->v[n++] = t->v[i];
	}
	t->n = n;
}

/* An address as two numbers, the first bytes first: they compare as the bytes do. */
struct halves { uint64_t high, low; };

static uint64_t big_endian(const uint8_t *b)
{
	uint64_t v;
	memcpy(&v, b, sizeof v);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

static struct halves halves_of(const struct ipaddr *a)
{
	return (struct halves){ big_endian(a->b), big_endian(a->b + 8) };
}

static uint64_t first_bits(uint64_t v, unsigned bits)
{
	return bits ? v & UINT64_MAX << (64 - bits) : 0;
}

static const struct prefix *find_exact(const struct prefix_table *t, struct halves want, unsigned bits)
{
	size_t lo = 0, hi = t->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct prefix *p = &t->v[mid];
		struct halves its = halves_of(&p->addr);
		if (its.high == want.high && its.low == want.low && p->bits == bits)
			return p;
		bool below = its.high != want.high ? its.high < want.high : its.low != want.low ? its.low < want.low : p->bits < bits;
		lo = below ? mid + 1 : lo;
		hi = below ? hi : mid;
	}
	return NULL;
}

const struct prefix *prefix_table_find(const struct prefix_table *t, const struct ipaddr *a)
{
	struct halves want = halves_of(a);
	if (!t->n)
		return NULL;
	for (int word = 2; word >= 0; word--) {
		for (uint64_t left = t->lengths[word]; left;) {
			unsigned bit = 63u - (unsigned)__builtin_clzll(left), bits = (unsigned)word * 64 + bit;
			left &= ~(1ull << bit);
			/* lengths fall, so masking what is masked already is right */
			want.low = first_bits(want.low, bits > 64 ? bits - 64 : 0);
			want.high = first_bits(want.high, bits < 64 ? bits : 64);
			const struct prefix *hit = find_exact(t, want, bits);
			if (hit)
				return hit;
		}
	}
	return NULL;
}

void prefix_table_fini(struct prefix_table *t)
{
	free(t->v);
	*t = (struct prefix_table){ 0 };
}
