/* pool: pieces of memory in size classes, taken from big slabs and given back to free lists. Made for the many short
 * texts of open messages: no malloc per line, and its bytes are counted so that a limit can be kept. */
#ifndef COLLECTOR_POOL_H
#define COLLECTOR_POOL_H

#include <stddef.h>

#define POOL_CLASSES 23 /* 128 bytes … 256 KiB, two to each doubling; larger pieces come from malloc */

struct pool {
	void *free[POOL_CLASSES];
	void *slabs;
	char *at, *end; /* what is left of the newest slab */
	size_t bytes;   /* handed out */
};

/* At least n bytes; *ret_cap says how many. Not zeroed. */
void *pool_alloc(struct pool *p, size_t n, size_t *ret_cap);
void pool_free(struct pool *p, void *piece, size_t cap);
void pool_fini(struct pool *p);

#endif
