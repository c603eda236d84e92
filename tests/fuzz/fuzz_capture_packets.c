/* Frames: a byte for the link type, then frames with their length before them (two bytes). */
#include "tests/fuzz/capture_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int links[] = { 1, 101, 0, 113, 276, 9, 104, 219, 51, 108, 228 };
	if (size < 3)
		return 0;
	struct capture *c = target_new(true);
	int link = links[data[0] % (sizeof links / sizeof *links)];
	int64_t at = 1700000000000000;
	for (size_t i = 1; i + 2 <= size;) {
		size_t n = (size_t)data[i] << 8 | data[i + 1];
		i += 2;
		n = n < size - i ? n : size - i;
		uint8_t *frame = malloc(n + 1); /* so that the sanitizer sees its end */
		memcpy(frame, data + i, n);
		capture_frame(c, link, at += 1000, frame, (uint32_t)n, (uint32_t)n);
		capture_sync(c);
		free(frame);
		i += n;
	}
	capture_end(c);
	capture_free(c);
	return 0;
}
