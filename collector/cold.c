#include "collector/cold.h"

#include <stdlib.h>

#include "lib/buf.h"
#include "lib/wire.h"

/* Blocks in order; in one: number (COLD_NONE: removed), length, bytes, and so on. */
struct cold_block {
	uint32_t prev, next;
	uint32_t cap, n, live; /* bytes that there are, that are in use, and those of pieces that were not removed */
	uint32_t from;         /* where the first of these begins */
	char bytes[];
};

#define BLOCK_BYTES (65536u - 64u) /* with its head and malloc's no more than 64 KiB */
#define OWN_BYTES (BLOCK_BYTES / 8) /* what is longer gets a block of its own */
#define BLOCKS_MAX (COLD_PLACES >> 16)
#define HEAD_MAX (sizeof(uint32_t) + WIRE_NUMBER_MAX)

void cold_init(struct cold *c, void (*moved)(void *ctx, uint32_t number, uint32_t at), void *ctx)
{
	*c = (struct cold){ .moved = moved, .ctx = ctx, .first = COLD_NONE, .last = COLD_NONE, .sweep = COLD_NONE };
}

void cold_fini(struct cold *c)
{
	for (uint32_t i = 0; i < c->n_block; i++)
		free(c->block[i]);
	free(c->block);
	cold_init(c, c->moved, c->ctx);
}

struct piece { uint32_t number, n; struct sv bytes; }; /* n: with its head */

/* end: where the block's pieces end. */
static struct piece piece_before(const struct cold_block *b, uint32_t offset, uint32_t end)
{
	struct piece p;
	struct wire w = wire_of(sv_make(b->bytes + offset + sizeof p.number, end - offset - sizeof p.number));
	memcpy(&p.number, b->bytes + offset, sizeof p.number);
	uint64_t n = wire_get_u(&w);
	p.bytes = sv_make((const char *)w.p, (size_t)n);
	p.n = (uint32_t)(p.bytes.p + n - (b->bytes + offset));
	return p;
}

static struct piece piece_at(const struct cold_block *b, uint32_t offset)
{
	return piece_before(b, offset, b->n);
}

/* -- blocks -- */

static uint32_t block_new(struct cold *c, uint32_t cap)
{
	while (c->free_block < c->n_block && c->block[c->free_block])
		c->free_block++;
	if (c->free_block == BLOCKS_MAX)
		return COLD_NONE;
	if (c->free_block == c->n_block) {
		uint32_t n = c->n_block ? c->n_block * 2 : 16;
		c->block = xrealloc(c->block, n * sizeof(struct cold_block *));
		memset(c->block + c->n_block, 0, (n - c->n_block) * sizeof(struct cold_block *));
		c->n_block = n;
	}
	uint32_t id = c->free_block;
	struct cold_block *b = c->block[id] = xmalloc(sizeof *b + cap);
	*b = (struct cold_block){ .prev = c->last, .next = COLD_NONE, .cap = cap };
	*(c->last == COLD_NONE ? &c->first : &c->block[c->last]->next) = id;
	c->last = id;
	return id;
}

static void block_free(struct cold *c, uint32_t id)
{
	struct cold_block *b = c->block[id];
	*(b->prev == COLD_NONE ? &c->first : &c->block[b->prev]->next) = b->next;
	*(b->next == COLD_NONE ? &c->last : &c->block[b->next]->prev) = b->prev;
	if (c->sweep == id)
		c->sweep = b->next;
	c->dead -= b->n - b->live;
	c->block[id] = NULL;
	if (id < c->free_block)
		c->free_block = id;
	free(b);
}

static uint32_t place(uint32_t id, uint32_t offset)
{
	return id << 16 | offset;
}

/* -- pieces -- */

static char *put_head(char *to, uint32_t number, size_t n)
{
	memcpy(to, &number, sizeof number);
	return wire_raw_u(to + sizeof number, n);
}

size_t cold_takes(size_t n)
{
	char head[HEAD_MAX];
	return (size_t)(put_head(head, 0, n) - head) + n;
}

uint32_t cold_add(struct cold *c, uint32_t number, struct sv piece)
{
	size_t takes = cold_takes(piece.n);
	uint32_t id = c->last;
	if (piece.n > COLD_PIECE_MAX)
		return COLD_NONE;
	if (id == COLD_NONE || c->block[id]->cap - c->block[id]->n < takes)
		id = block_new(c, takes > OWN_BYTES ? (uint32_t)takes : BLOCK_BYTES);
	if (id == COLD_NONE)
		return COLD_NONE;
	struct cold_block *b = c->block[id];
	uint32_t offset = b->n;
	char *to = put_head(b->bytes + offset, number, piece.n);
	if (piece.n)
		memcpy(to, piece.p, piece.n);
	b->n += (uint32_t)takes;
	b->live += (uint32_t)takes;
	c->bytes += takes;
	c->n++;
	return place(id, offset);
}

struct sv cold_get(const struct cold *c, uint32_t at, uint32_t *ret_number)
{
	struct piece p = piece_at(c->block[at >> 16], at & 0xffff);
	*ret_number = p.number;
	return p.bytes;
}

/* The pieces of a block move together: those for which there is room to the block before it, the others to its beginning. */
static void pull_together(struct cold *c, uint32_t id)
{
	struct cold_block *b = c->block[id], *to;
	uint32_t end = b->n, to_id = b->prev, offset = b->from;
	c->dead -= b->n - b->live;
	b->n = b->live = b->from = 0;
	for (struct piece p; offset < end; offset += p.n) {
		p = piece_before(b, offset, end);
		if (p.number == COLD_NONE)
			continue;
		if (to_id == COLD_NONE || c->block[to_id]->cap - c->block[to_id]->n < p.n)
			to_id = id;
		to = c->block[to_id];
		memmove(to->bytes + to->n, b->bytes + offset, p.n);
		c->moved(c->ctx, p.number, place(to_id, to->n));
		to->n += p.n;
		to->live += p.n;
	}
	if (!b->live)
		block_free(c, id);
}

/* Pulls blocks together that are worth it, one after the other, while there is too much of what was removed. */
static void sweep(struct cold *c)
{
	while (c->dead > c->bytes / COLD_DEAD_SHARE + BLOCK_BYTES) {
		uint32_t id = c->sweep == COLD_NONE ? c->first : c->sweep;
		const struct cold_block *b = c->block[id];
		/* what was removed is in some block: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
		c->sweep = b->next;
		if ((size_t)(b->n - b->live) * 2 * COLD_DEAD_SHARE >= b->n)
			pull_together(c, id);
	}
}

void cold_remove(struct cold *c, uint32_t at)
{
	uint32_t id = at >> 16, none = COLD_NONE;
	struct cold_block *b = c->block[id];
	struct piece p = piece_at(b, at & 0xffff);
	memcpy(b->bytes + (at & 0xffff), &none, sizeof none);
	b->live -= p.n;
	c->bytes -= p.n;
	c->dead += p.n;
	c->n--;
	if (!b->live) {
		block_free(c, id);
		return;
	}
	while (p = piece_at(b, b->from), p.number == COLD_NONE)
		b->from += p.n;
	sweep(c);
}

uint32_t cold_first(const struct cold *c)
{
	return c->first == COLD_NONE ? COLD_NONE : place(c->first, c->block[c->first]->from);
}

uint32_t cold_next(const struct cold *c, uint32_t at)
{
	const struct cold_block *b = c->block[at >> 16];
	uint32_t offset = (at & 0xffff) + piece_at(b, at & 0xffff).n;
	for (struct piece p; offset < b->n; offset += p.n) {
		p = piece_at(b, offset);
		if (p.number != COLD_NONE)
			return place(at >> 16, offset);
	}
	return b->next == COLD_NONE ? COLD_NONE : place(b->next, c->block[b->next]->from);
}

/* -- the index -- */

static uint32_t home(const struct cold_index *x, uint32_t hash)
{
	return (uint32_t)((uint64_t)hash * x->size >> 32);
}

static uint32_t after(const struct cold_index *x, uint32_t i)
{
	return i + 1 == x->size ? 0 : i + 1;
}

void cold_index_make(struct cold_index *x, uint32_t n)
{
	cold_index_fini(x);
	x->size = n < 640 ? 1024 : n + n / 2 + n / 16; /* 0.64 of it in use, 0.8 when it is full */
	x->number = xmalloc(x->size * sizeof *x->number);
	x->tag = xcalloc(x->size + 1, 1);
}

void cold_index_fini(struct cold_index *x)
{
	free(x->number);
	free(x->tag);
	*x = (struct cold_index){ 0 };
}

bool cold_index_full(const struct cold_index *x, uint32_t more)
{
	return ((uint64_t)x->n + x->gone + more) * 5 > (uint64_t)x->size * 4;
}

void cold_index_put(struct cold_index *x, uint32_t hash, uint32_t number)
{
	uint32_t i = home(x, hash);
	while (x->tag[i] > 1)
		i = after(x, i);
	x->gone -= x->tag[i];
	x->tag[i] = cold_index_tag(hash);
	x->number[i] = number;
	x->n++;
}

void cold_index_remove(struct cold_index *x, uint32_t hash, uint32_t number)
{
	uint32_t i = home(x, hash);
	while (x->tag[i] != cold_index_tag(hash) || x->number[i] != number)
		i = after(x, i);
	x->n--;
	if (x->tag[after(x, i)]) { /* who looks for what lies behind must not stop here */
		x->tag[i] = 1;
		x->gone++;
		return;
	}
	x->tag[i] = 0;
	while (i = i ? i - 1 : x->size - 1, x->tag[i] == 1) {
		x->tag[i] = 0;
		x->gone--;
	}
}
