#include "analyzer/sparse.h"

#include <endian.h>
#include <string.h>

#include "lib/wire.h"

#define GAP 3 /* so many zero bytes are shorter as a number; kept_of() says the same */
#define RUN_BYTES 16 /* most are shorter */

size_t sparse_zeros(const unsigned char *p, size_t n)
{
	size_t k = 0;
	for (uint64_t w; k + sizeof w <= n; k += sizeof w) {
		memcpy(&w, p + k, sizeof w);
		if (w)
			return k + (size_t)__builtin_ctzll(le64toh(w)) / 8;
	}
	while (k < n && !p[k])
		k++;
	return k;
}

bool sparse_is(const unsigned char *p, size_t n)
{
	size_t others = 0, k = 0;
	for (uint64_t w; k + sizeof w <= n; k += sizeof w) {
		memcpy(&w, p + k, sizeof w);
		w |= w >> 4; /* into the lowest bit of each byte: whether any of its bits is set */
		w |= w >> 2;
		w |= w >> 1;
		others += (size_t)(((w & 0x0101010101010101u) * 0x0101010101010101u) >> 56);
	}
	for (; k < n; k++)
		others += p[k] != 0;
	return others <= n / 4;
}

/* A bit for each of up to 64 bytes: it is not zero. */
static uint64_t others_of(const unsigned char *p, size_t n)
{
	uint64_t mask = 0, w;
	if (sparse_zeros(p, n) == n) /* as most of what changed in a page is */
		return 0;
	for (size_t at = 0; at < n; at += sizeof w) {
		w = 0;
		memcpy(&w, p + at, n - at < sizeof w ? n - at : sizeof w);
		w = le64toh(w);
		w |= w >> 4; /* into the lowest bit of each byte */
		w |= w >> 2;
		w |= w >> 1;
		mask |= ((w & 0x0101010101010101u) * 0x0102040810204080u >> 56) << at;
	}
	return mask;
}

/* The same of what is written: fewer zero bytes between others than a number takes stay. before, behind: of the 64 bytes beside them. */
static uint64_t kept_of(uint64_t before, uint64_t m, uint64_t behind)
{
	uint64_t left1 = m << 1 | before >> 63, left2 = m << 2 | before >> 62, right1 = m >> 1 | behind << 63, right2 = m >> 2 | behind << 62;
	return m | (left1 & right1) | (left1 & right2) | (left2 & right1);
}

/* What is being written: runs that end before `at` are. */
struct runs { const unsigned char *p; size_t n, at, from; bool inside; char *to; };

static void put_run(struct runs *r, size_t end)
{
	size_t n = end - r->from;
	r->to = wire_raw_u(r->to, r->from - r->at);
	r->to = wire_raw_u(r->to, n);
	if (n <= RUN_BYTES && r->from + RUN_BYTES <= r->n) /* there is room for more, and the next run overwrites it */
		memcpy(r->to, r->p + r->from, RUN_BYTES);
	else
		memcpy(r->to, r->p + r->from, n);
	r->to += n;
	r->at = end;
}

/* The runs that begin or end among 64 bytes. */
static void put_word(struct runs *r, size_t at, uint64_t kept)
{
	uint64_t edges = kept ^ (kept << 1 | r->inside);
	for (; edges; edges &= edges - 1) {
		size_t edge = at + (size_t)__builtin_ctzll(edges);
		if (r->inside)
			put_run(r, edge);
		else
			r->from = edge;
		r->inside = !r->inside;
	}
}

void sparse_put(const unsigned char *p, size_t n, struct buf *out)
{
	buf_reserve(out, n + (n / (GAP + 1) + 1) * 2 * WIRE_NUMBER_MAX + RUN_BYTES); /* a byte and GAP zeros for two numbers */
	struct runs r = { .p = p, .n = n, .to = out->p + out->n };
	uint64_t before = 0, m = others_of(p, n < 64 ? n : 64);
	for (size_t at = 0; at < n; at += 64) {
		size_t left = n - at;
		uint64_t behind = left > 64 ? others_of(p + at + 64, left < 128 ? left - 64 : 64) : 0;
		put_word(&r, at, kept_of(before, m, behind));
		before = m;
		m = behind;
	}
	if (r.inside)
		put_run(&r, n);
	out->n = (size_t)(r.to - out->p);
}

int sparse_get(struct sv bytes, unsigned char *p, size_t n)
{
	struct wire w = wire_of(bytes);
	for (size_t at = 0; w.p < w.end;) {
		uint64_t gap = wire_get_u(&w), k = wire_get_u(&w);
		if (w.bad || gap > n - at || k > n - at - gap || k > (size_t)(w.end - w.p))
			return -1;
		memcpy(p + at + gap, w.p, (size_t)k);
		w.p += k;
		at += (size_t)(gap + k);
	}
	return 0;
}
