/* The index of message-ids: who may be a copy of whom. Messages have nodes of their own in it, which stay when they are folded. */
#include "collector/open.h"

#include <stdlib.h>

static __attribute__((noinline)) void more_nodes(struct correlate *c)
{
	c->cap_node += c->cap_node / 8 + 1024; /* most are of folded messages, of which there may be many */
	c->node = xrealloc(c->node, c->cap_node * sizeof *c->node);
}

static inline uint32_t node_new(struct correlate *c, uint32_t ref, uint32_t hash)
{
	uint32_t node = c->free_node;
	if (node == OPEN_NONE) {
		if (c->n_node == c->cap_node)
			more_nodes(c);
		c->node[node = c->n_node++].next = OPEN_NONE;
	}
	struct open_node *at = &c->node[node];
	c->free_node = at->next;
	at->ref = ref;
	at->hash = hash;
	return node;
}

uint32_t open_node_new(struct correlate *c, uint32_t ref, uint32_t hash)
{
	return node_new(c, ref, hash);
}

void open_node_free(struct correlate *c, uint32_t node)
{
	c->node[node].next = c->free_node;
	c->free_node = node;
}

static inline void bucket_put(struct correlate *c, uint32_t node)
{
	struct open_node *all = c->node, *at = &all[node];
	uint32_t *b = &c->bucket[at->hash & c->bucket_mask], first = *b;
	*b = node + 1;
	at->prev = OPEN_NONE;
	at->next = first - 1; /* OPEN_NONE, if there is none */
	if (first)
		all[first - 1].prev = node;
}

/* Every chain becomes two, each in the order it had. */
static void buckets_double(struct correlate *c)
{
	uint32_t had = c->bucket_mask + 1;
	c->bucket = xrealloc(c->bucket, had * 2 * sizeof *c->bucket);
	c->bucket_mask = had * 2 - 1;
	for (uint32_t i = 0; i < had; i++) {
		uint32_t last[2] = { OPEN_NONE, OPEN_NONE }, node = c->bucket[i];
		c->bucket[i] = c->bucket[i + had] = 0;
		while (node--) {
			struct open_node *at = &c->node[node];
			unsigned half = (at->hash & had) != 0;
			if (last[half] == OPEN_NONE)
				c->bucket[half ? i + had : i] = node + 1;
			else
				c->node[last[half]].next = node;
			at->prev = last[half];
			last[half] = node;
			node = at->next == OPEN_NONE ? 0 : at->next + 1;
			at->next = OPEN_NONE;
		}
	}
}

void open_index(struct correlate *c, uint32_t m)
{
	const struct open_msg *o = c->msg[m];
	struct open_stub *s = &c->stub[m];
	if (s->node != OPEN_NONE)
		open_unindex(c, m);
	struct sv id = open_get(o, o->message_id);
	if (!id.n)
		return;
	uint32_t node = s->node = node_new(c, m, (uint32_t)open_hash(c, id, o->host));
	s->id_order = ++c->id_order;
	if (++c->indexed > c->bucket_mask)
		buckets_double(c);
	bucket_put(c, node);
}

void open_unindex(struct correlate *c, uint32_t m)
{
	uint32_t node = c->stub[m].node;
	if (node == OPEN_NONE)
		return;
	const struct open_node *at = &c->node[node];
	if (at->prev == OPEN_NONE)
		c->bucket[at->hash & c->bucket_mask] = at->next == OPEN_NONE ? 0 : at->next + 1;
	else
		c->node[at->prev].next = at->next;
	if (at->next != OPEN_NONE)
		c->node[at->next].prev = at->prev;
	open_node_free(c, node);
	c->stub[m].node = OPEN_NONE;
	c->indexed--;
}

static int by_order(const void *a, const void *b)
{
	uint64_t x = ((const struct open_indexed *)a)->order, y = ((const struct open_indexed *)b)->order;
	return x < y ? -1 : x > y;
}

void open_rebuild_index(struct correlate *c, struct open_indexed *all, uint32_t n)
{
	if (n)
		qsort(all, n, sizeof *all, by_order);
	while (c->bucket_mask < n)
		c->bucket_mask = c->bucket_mask * 2 + 1;
	free(c->bucket);
	c->bucket = xcalloc(c->bucket_mask + 1, sizeof *c->bucket);
	for (uint32_t i = 0; i < n; i++)
		bucket_put(c, all[i].node);
	c->indexed = n;
}
