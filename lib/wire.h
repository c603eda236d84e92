/* wire: LEB128 varints, zig-zag for signed, length-prefixed text. Readers are bounded: after the first
 * short or overlong item w->bad is set and every further read gives 0 or an absent text. */
#ifndef LIB_WIRE_H
#define LIB_WIRE_H

#include "lib/buf.h"
#include "lib/near.h"

struct wire {
	const uint8_t *p, *end;
	bool bad;
};

static inline void wire_put_u(struct buf *b, uint64_t v)
{
	buf_reserve(b, 10);
	while (v >= 0x80) {
		b->p[b->n++] = (char)(v | 0x80);
		v >>= 7;
	}
	b->p[b->n++] = (char)v;
}
static inline void wire_put_i(struct buf *b, int64_t v)
{
	wire_put_u(b, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0));
}
/* The same three into memory that has room for them; they return where it goes on. */
#define WIRE_NUMBER_MAX 10u
static inline char *wire_raw_u(char *p, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (char)(v | 0x80);
	*p++ = (char)v;
	return p;
}
static inline char *wire_raw_i(char *p, int64_t v)
{
	return wire_raw_u(p, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0));
}
static inline char *wire_raw_sv(char *p, struct sv s)
{
	p = wire_raw_u(p, s.p ? (uint64_t)s.n + 1 : 0);
	near_copy(p, s.p, s.p ? s.n : 0);
	return p + (s.p ? s.n : 0);
}
/* Absent and empty text stay apart: length + 1, 0 = absent. */
static inline void wire_put_sv(struct buf *b, struct sv s)
{
	if (!s.p) {
		wire_put_u(b, 0);
		return;
	}
	wire_put_u(b, (uint64_t)s.n + 1);
	buf_add(b, s.p, s.n);
}

static inline struct wire wire_of(struct sv s)
{
	return (struct wire){ (const uint8_t *)s.p, (const uint8_t *)s.p + s.n, false };
}
/* A number that is eight bytes long at most, where eight are at hand, as times are: where it goes on; NULL: not of that kind. */
static inline const uint8_t *wire_read_eight(const uint8_t *p, const uint8_t *end, uint64_t *ret_v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	uint64_t v;
	if (end - p < 8)
		return NULL;
	memcpy(&v, p, 8);
	uint64_t ends = ~v & 0x8080808080808080u;
	if (!ends)
		return NULL;
	v &= ends ^ (ends - 1); /* up to its last byte; then sevens of bits move together */
	v = (v & 0x007f007f007f007fu) | (v & 0x7f007f007f007f00u) >> 1;
	v = (v & 0x00003fff00003fffu) | (v & 0x3fff00003fff0000u) >> 2;
	*ret_v = (v & 0x0fffffffu) | (v & 0x0fffffff00000000u) >> 4;
	return p + __builtin_ctzll(ends) / 8 + 1;
#else
	(void)p, (void)end, (void)ret_v;
	return NULL;
#endif
}
/* A number of any length at p: where it goes on, or NULL. */
const uint8_t *wire_read(const uint8_t *p, const uint8_t *end, uint64_t *ret_v);
/* What was read is no such thing: the end is reached, so that each further number is 0 and each text absent. */
static inline void wire_spoil(struct wire *w)
{
	w->bad = true;
	w->p = w->end;
}
static inline uint64_t wire_get_u(struct wire *w)
{
	uint64_t v = 0;
	if (__builtin_expect(w->p < w->end && *w->p < 0x80, 1)) /* most are lengths and counts */
		return *w->p++;
	const uint8_t *p = wire_read(w->p, w->end, &v);
	if (p)
		w->p = p;
	else
		wire_spoil(w);
	return v;
}
/* The same, for what mostly is long: times. */
static inline uint64_t wire_get_long(struct wire *w)
{
	uint64_t v;
	const uint8_t *p = wire_read_eight(w->p, w->end, &v);
	if (__builtin_expect(!p, 0))
		return wire_get_u(w);
	w->p = p;
	return v;
}
static inline int64_t wire_signed(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}
static inline int64_t wire_get_i(struct wire *w)
{
	return wire_signed(wire_get_u(w));
}
static inline int64_t wire_get_time(struct wire *w)
{
	return wire_signed(wire_get_long(w));
}
static inline struct sv wire_get_sv(struct wire *w)
{
	uint64_t n = wire_get_u(w);
	struct sv s = { n ? (const char *)w->p : NULL, (size_t)(n - (n != 0)) };
	if (__builtin_expect(s.n > (size_t)(w->end - w->p), 0)) {
		wire_spoil(w);
		return (struct sv){ 0 };
	}
	w->p += s.n;
	return s;
}

#endif
