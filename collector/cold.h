/* cold: pieces of bytes, each with a number of its owner's, kept one behind the other in the order in which they came, and an index of them. Made for
 * messages that wait: no allocation and no links of their own, and what ended leaves little room behind: pieces move together, and their owner is told.
 * A piece's place is below COLD_PLACES. */
#ifndef COLLECTOR_COLD_H
#define COLLECTOR_COLD_H

#include "lib/sv.h"

#define COLD_NONE UINT32_MAX
#define COLD_PLACES (1u << 30) /* one gigabyte, as a block has 64 KiB */
#define COLD_DEAD_SHARE 16u    /* of the pieces' bytes at most this part, and a block, is what was removed */

struct cold_block;

struct cold {
	void (*moved)(void *ctx, uint32_t number, uint32_t at);
	void *ctx;
	struct cold_block **block; /* by the high half of a place; NULL: not in use */
	uint32_t n_block, free_block; /* none below the latter is free */
	uint32_t first, last, sweep; /* blocks in the order of their pieces; where moving together goes on */
	size_t bytes, dead; /* of pieces with their heads, of removed ones that still take room */
	uint32_t n;
};

/* Longer pieces are not taken. */
#define COLD_PIECE_MAX (256u << 20)

void cold_init(struct cold *c, void (*moved)(void *ctx, uint32_t number, uint32_t at), void *ctx);
void cold_fini(struct cold *c);
/* Behind all others. COLD_NONE: there is no room. */
uint32_t cold_add(struct cold *c, uint32_t number, struct sv piece);
/* Valid until the next cold_remove(). */
struct sv cold_get(const struct cold *c, uint32_t at, uint32_t *ret_number);
/* Others may move. */
void cold_remove(struct cold *c, uint32_t at);
/* The oldest one, and the one behind another; COLD_NONE: there is none. */
uint32_t cold_first(const struct cold *c);
uint32_t cold_next(const struct cold *c, uint32_t at);
/* What a piece of n bytes takes. */
size_t cold_takes(size_t n);

/* -- the index: hash → numbers. It does not know the hashes of what is in it: who owns it puts all in again when it is full. -- */
struct cold_index {
	uint32_t *number;
	uint8_t *tag; /* some bits of the hash; 0: free, 1: was in use. One more than there are, always free */
	uint32_t size, n, gone;
};

/* Room for n and a quarter more; what is in it is forgotten. */
void cold_index_make(struct cold_index *x, uint32_t n);
void cold_index_fini(struct cold_index *x);
/* Is there no room for so many more? */
bool cold_index_full(const struct cold_index *x, uint32_t more);
void cold_index_put(struct cold_index *x, uint32_t hash, uint32_t number);
void cold_index_remove(struct cold_index *x, uint32_t hash, uint32_t number);

static inline uint8_t cold_index_tag(uint32_t hash)
{
	return (uint8_t)(hash | 2);
}

/* Numbers that may have this hash, one after the other. *at: 0 to begin with. COLD_NONE: no more. */
static inline uint32_t cold_index_find(const struct cold_index *x, uint32_t hash, uint32_t *at)
{
	const uint8_t *tag = x->tag, is = cold_index_tag(hash);
	for (uint32_t i = *at ? *at : (uint32_t)((uint64_t)hash * x->size >> 32);; i = 0) {
		while (tag[i] && tag[i] != is)
			i++;
		*at = i + 1;
		if (i < x->size)
			return tag[i] ? x->number[i] : COLD_NONE;
	}
}

#endif
