#include "lib/arena.h"

#include <stdlib.h>

#include "lib/buf.h"

struct arena_block {
	struct arena_block *prev;
	size_t cap;
	_Alignas(16) char bytes[];
};

#define ARENA_BLOCK_BYTES (64u << 10)

static void arena_free_until(struct arena *a, struct arena_block *last)
{
	while (a->head != last) {
		struct arena_block *prev = a->head->prev;
		a->bytes -= a->head->cap;
		free(a->head);
		a->head = prev;
	}
}

void arena_fini(struct arena *a)
{
	arena_free_until(a, NULL);
	*a = (struct arena){ 0 };
}

void arena_reset(struct arena *a)
{
	arena_free_until(a, a->first);
	a->used = 0;
}

static void arena_grow(struct arena *a, size_t n)
{
	size_t cap = n > ARENA_BLOCK_BYTES ? n : ARENA_BLOCK_BYTES;
	struct arena_block *b = xmalloc(sizeof *b + cap);
	b->prev = a->head;
	b->cap = cap;
	a->bytes += cap;
	a->head = b;
	a->used = 0;
	if (!a->first)
		a->first = b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	if (n > SIZE_MAX / 2)
		n = SIZE_MAX / 2; /* the allocation below aborts with the figure */
	n = (n + 15) & ~(size_t)15;
	if (!a->head || a->head->cap - a->used < n)
		arena_grow(a, n);
	void *p = a->head->bytes + a->used;
	a->used += n;
	return memset(p, 0, n);
}

struct sv arena_sv(struct arena *a, struct sv s)
{
	if (!s.p)
		return s;
	char *p = arena_alloc(a, s.n + 1);
	if (s.n)
		memcpy(p, s.p, s.n);
	return sv_make(p, s.n);
}
