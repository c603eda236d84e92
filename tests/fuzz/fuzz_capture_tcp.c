/* Segments between four pairs of ends, each of eight bytes and a payload: pair and direction, flags, sequence and acknowledgement as offsets of the
 * conversation's, time, length. */
#include "tests/fuzz/capture_target.h"

static void put16(uint8_t *p, unsigned v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }
static void put32(uint8_t *p, uint32_t v) { put16(p, v >> 16); put16(p + 2, v & 0xffff); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct capture *c = target_new(false);
	int64_t at = 1700000000000000;
	for (size_t i = 0; i + 8 <= size;) {
		const uint8_t *h = data + i;
		i += 8;
		size_t n = h[7] < size - i ? h[7] : size - i, all = 40 + n;
		uint8_t *f = calloc(1, all);
		unsigned pair = h[0] & 3, server = h[0] >> 7;
		f[0] = 0x45;
		put16(f + 2, (unsigned)all);
		f[9] = 6;
		put32(f + 12, server ? 0xc6336419 : 0xc0000200 + pair);
		put32(f + 16, server ? 0xc0000200 + pair : 0xc6336419);
		put16(f + 20, server ? 25 : 40000);
		put16(f + 22, server ? 40000 : 25);
		put32(f + 24, (server ? 5000u : 0xfffffff0u) + (uint32_t)(h[2] << 8 | h[3]) % 1024);
		put32(f + 28, (server ? 0xfffffff0u : 5000u) + (uint32_t)(h[4] << 8 | h[5]) % 1024);
		f[32] = 5 << 4;
		f[33] = h[1] & 31;
		memcpy(f + 40, data + i, n);
		at += (int64_t)(h[6] & 15) << (h[6] >> 3);
		capture_frame(c, 101, at, f, (uint32_t)all, (uint32_t)all);
		capture_sync(c);
		free(f);
		i += n;
	}
	capture_end(c);
	capture_free(c);
	return 0;
}
