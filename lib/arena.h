/* arena: memory that dies together. Bump allocation in blocks; arena_reset keeps the first block. */
#ifndef LIB_ARENA_H
#define LIB_ARENA_H

#include "lib/sv.h"

struct arena_block;
struct arena {
	struct arena_block *head, *first;
	size_t used, bytes; /* used in head; bytes held in all */
};

void arena_fini(struct arena *a);
void arena_reset(struct arena *a);
/* n zeroed bytes, aligned to 16. Never NULL. */
void *arena_alloc(struct arena *a, size_t n);
/* A NUL-terminated copy that lives in a (absent stays absent). */
struct sv arena_sv(struct arena *a, struct sv s);

#endif
