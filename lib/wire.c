#include "lib/wire.h"

const uint8_t *wire_read(const uint8_t *p, const uint8_t *end, uint64_t *ret_v)
{
	uint64_t v = 0;
	const uint8_t *after = wire_read_eight(p, end, ret_v);
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
