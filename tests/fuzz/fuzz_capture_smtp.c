/* A dialogue in order: a byte for who speaks and the length's high bits, one for the length, then that text. */
#include "tests/fuzz/capture_target.h"

static void put16(uint8_t *p, unsigned v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }
static void put32(uint8_t *p, uint32_t v) { put16(p, v >> 16); put16(p + 2, v & 0xffff); }

static uint32_t seq[2];

static void say(struct capture *c, unsigned server, unsigned flags, const uint8_t *p, size_t n)
{
	static int64_t at = 1700000000000000;
	size_t all = 40 + n;
	uint8_t *f = calloc(1, all);
	f[0] = 0x45;
	put16(f + 2, (unsigned)all);
	f[9] = 6;
	put32(f + 12, server ? 0xc6336419 : 0xc0000201);
	put32(f + 16, server ? 0xc0000201 : 0xc6336419);
	put16(f + 20, server ? 25 : 40000);
	put16(f + 22, server ? 40000 : 25);
	put32(f + 24, seq[server]);
	put32(f + 28, seq[1 - server]);
	f[32] = 5 << 4;
	f[33] = (uint8_t)flags;
	if (n)
		memcpy(f + 40, p, n);
	capture_frame(c, 101, at += 1000, f, (uint32_t)all, (uint32_t)all);
	capture_sync(c);
	free(f);
	seq[server] += (uint32_t)n + (flags & 3 ? 1 : 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct capture *c = target_new(false);
	seq[0] = 1000;
	seq[1] = 5000;
	say(c, 0, 2, NULL, 0);
	say(c, 1, 18, NULL, 0);
	for (size_t i = 0; i + 2 <= size;) {
		size_t n = (size_t)(data[i] & 15) << 8 | data[i + 1];
		unsigned server = data[i] >> 7;
		i += 2;
		n = n < size - i ? n : size - i;
		say(c, server, 16, data + i, n);
		i += n;
	}
	capture_end(c);
	capture_free(c);
	return 0;
}
