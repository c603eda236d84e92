#include "analyzer/sparse.h"

#include <endian.h>
#include <string.h>

#include "lib/wire.h"

#define GAP 3 /* so many zero bytes are shorter as a number */

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

void sparse_put(const unsigned char *p, size_t n, struct buf *out)
{
	for (size_t at = 0; at < n;) {
		size_t gap = sparse_zeros(p + at, n - at), from = at + gap, to = from;
		if (from == n)
			return;
		for (size_t none; to < n; to += none ? none : 1) { /* fewer zero bytes than a number takes stay */
			none = p[to] ? 0 : sparse_zeros(p + to, n - to);
			if (none >= GAP || none == n - to)
				break;
		}
		wire_put_u(out, gap);
		wire_put_u(out, to - from);
		buf_add(out, p + from, to - from);
		at = to;
	}
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
