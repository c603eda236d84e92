/* cells: all memory that grows with traffic: blocks of one size out of one mapping, never more than was asked for. Pages that were not
 * used yet take no memory. Block 0 is never handed out and means "none". */
#ifndef COLLECTOR_CAPTURE_CELLS_H
#define COLLECTOR_CAPTURE_CELLS_H

#include <stddef.h>
#include <stdint.h>

#define CELL_BYTES 512

struct cells {
	uint8_t *base;
	uint32_t n, fresh, free_head, used, peak; /* blocks; fresh: the first that was never used */
};

void cells_init(struct cells *p, size_t bytes);
void cells_fini(struct cells *p);
/* A block whose contents are undefined, or 0 when there is none left. */
uint32_t cells_take(struct cells *p);
void cells_give(struct cells *p, uint32_t block);
static inline void *cells_at(const struct cells *p, uint32_t block) { return p->base + (size_t)block * CELL_BYTES; }

#endif
