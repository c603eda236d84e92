/* fragments: puts fragmented IP packets together, a few at a time, in memory of fixed size. What overlaps is cut off the later
 * fragment: the first wins, as with TCP segments. */
#ifndef COLLECTOR_CAPTURE_FRAGMENTS_H
#define COLLECTOR_CAPTURE_FRAGMENTS_H

#include <stdbool.h>
#include <stdint.h>

struct fragments;

struct fragment {
	uint64_t address[2][2];
	uint32_t id;
	uint8_t protocol;
	bool more;
	uint32_t offset, n; /* bytes */
	const uint8_t *p;
	int64_t at_us;
};

struct fragments *fragments_new(void);
void fragments_free(struct fragments *f);
/* Takes one in. The whole payload, borrowed until the next call, when this was the last one missing; else NULL. */
uint8_t *fragments_add(struct fragments *f, const struct fragment *part, uint32_t *ret_n);

#endif
