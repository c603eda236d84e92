#include "collector/pool.h"

#include <stdlib.h>

#include "lib/buf.h"

#define POOL_MIN_LOG2 7u
#define POOL_MIN (1u << POOL_MIN_LOG2)
#define POOL_MAX (POOL_MIN << (POOL_CLASSES - 1) / 2)
#define SLAB_BYTES (1u << 20)

struct slab { struct slab *next; _Alignas(16) char bytes[]; };

/* 128, 192, 256, 384, 512, 768, … */
static size_t bytes_of(unsigned class)
{
	return (size_t)(class % 2 ? POOL_MIN / 2 * 3 : POOL_MIN) << class / 2;
}

static unsigned class_of(size_t n)
{
	if (n <= POOL_MIN)
		return 0;
	unsigned doubling = 63 - (unsigned)__builtin_clzll(n - 1); /* n - 1 is in [2^doubling, 2^(doubling + 1)) */
	return 2 * (doubling - POOL_MIN_LOG2) + (n > (size_t)3 << (doubling - 1) ? 2 : 1);
}

static void *carve(struct pool *p, size_t cap)
{
	if ((size_t)(p->end - p->at) < cap) {
		struct slab *s = xmalloc(sizeof *s + SLAB_BYTES);
		s->next = p->slabs;
		p->slabs = s;
		p->at = s->bytes;
		p->end = s->bytes + SLAB_BYTES;
	}
	void *piece = p->at;
	p->at += cap;
	return piece;
}

void *pool_alloc(struct pool *p, size_t n, size_t *ret_cap)
{
	if (n > POOL_MAX) {
		*ret_cap = n;
		p->bytes += n;
		return xmalloc(n);
	}
	unsigned c = class_of(n);
	*ret_cap = bytes_of(c);
	p->bytes += *ret_cap;
	void *piece = p->free[c];
	if (!piece)
		return carve(p, *ret_cap);
	memcpy(&p->free[c], piece, sizeof(void *));
	return piece;
}

void pool_free(struct pool *p, void *piece, size_t cap)
{
	if (!piece)
		return;
	p->bytes -= cap;
	if (cap > POOL_MAX) {
		free(piece);
		return;
	}
	unsigned c = class_of(cap);
	memcpy(piece, &p->free[c], sizeof(void *));
	p->free[c] = piece;
}

void pool_fini(struct pool *p)
{
	for (struct slab *s = p->slabs, *next; s; s = next) {
		next = s->next;
		free(s);
	}
	*p = (struct pool){ 0 };
}
