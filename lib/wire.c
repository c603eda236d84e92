#include "lib/wire.h"

/* What is eight bytes long at most, where eight are at hand, as times are; NULL: not of that kind. */
static const uint8_t *read_eight(const uint8_t *p, const uint8_t *end, uint64_t *ret_v)
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

const uint8_t *wire_read(const uint8_t *p, const uint8_t *end, uint64_t *ret_v)
{
	uint64_t v = 0;
	const uint8_t *after = read_eight(p, end, ret_v);
	if (after)
		return after;
	for (unsigned shift = 0; shift < 64 && p < end; shift += 7) {
		uint8_t c = *p++;
		v |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80)) {
			*ret_v = v;
			return p;
		}
	}
	*ret_v = 0;
	return NULL;
}
