/* pair: looks for a line that begins with some byte, many bytes at a time. */
#ifndef COLLECTOR_CAPTURE_PAIR_H
#define COLLECTOR_CAPTURE_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Index of the first line feed that is followed by ch, or n. */
size_t pair_find(const uint8_t *p, size_t n, uint8_t ch);

/* How it is done, for tests: each way gives the same. False: this processor cannot. */
enum pair_way { PAIR_PLAIN, PAIR_SSE2, PAIR_AVX2, PAIR_WAYS };
bool pair_find_by(enum pair_way way, const uint8_t *p, size_t n, uint8_t ch, size_t *ret);

#endif
