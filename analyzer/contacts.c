#include "analyzer/contacts.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"

#define BLOCK_BYTES 64

void contacts_init(struct contacts *c, size_t bytes)
{
	*c = (struct contacts){ 0 };
	memory_init(&c->young, "contacts-young", bytes);
	memory_init(&c->old, "contacts-old", bytes);
	c->inverse = UINT64_MAX / (c->young.n / BLOCK_BYTES) + 1;
}

void contacts_fini(struct contacts *c)
{
	memory_fini(&c->young);
	memory_fini(&c->old);
	free(c->added);
}

/* The remainder of 32 bits by the number of blocks (Lemire, Kaser and Kurz 2019). */
static size_t block_of(const struct contacts *c, uint64_t pair)
{
	uint64_t fraction = c->inverse * (uint32_t)(pair >> 36);
	return (size_t)((unsigned __int128)fraction * (c->young.n / BLOCK_BYTES) >> 64) * BLOCK_BYTES;
}

/* Four bits of 512, from 36 bits of the hash. */
static bool block_has(const unsigned char *block, uint64_t pair)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned bit = (unsigned)(pair >> (9 * i)) & 511;
		if (!(block[bit / 8] >> (bit % 8) & 1))
			return false;
	}
	return true;
}

void contacts_soon(const struct contacts *c, uint64_t pair)
{
	size_t at = block_of(c, pair);
	__builtin_prefetch(c->young.p + at);
	if (c->old.used)
		__builtin_prefetch(c->old.p + at);
}

bool contacts_known(const struct contacts *c, uint64_t pair)
{
	size_t at = block_of(c, pair);
	return block_has(c->young.p + at, pair) || (c->old.used && block_has(c->old.p + at, pair));
}

static void note(struct contacts *c, uint64_t pair)
{
	if (c->pages)
		return;
	if (c->waiting + c->n_added >= CONTACTS_NEW_MAX) {
		c->pages = true;
		return;
	}
	if (c->n_added == c->cap_added) {
		c->cap_added = c->cap_added ? c->cap_added * 2 : 256;
		c->added = xrealloc(c->added, c->cap_added * sizeof *c->added);
	}
	c->added[c->n_added++] = pair;
}

void contacts_add(struct contacts *c, uint64_t pair)
{
	size_t at = block_of(c, pair);
	if (block_has(c->young.p + at, pair))
		return;
	for (unsigned i = 0; i < 4; i++) {
		unsigned bit = (unsigned)(pair >> (9 * i)) & 511;
		c->young.p[at + bit / 8] |= (unsigned char)(1u << (bit % 8));
	}
	memory_touch(&c->young, at);
	note(c, pair);
}

void contacts_age(struct contacts *c)
{
	memcpy(c->old.p, c->young.p, c->young.n);
	memset(c->young.p, 0, c->young.n);
	memory_touch_all(&c->old);
	memory_touch_all(&c->young);
	c->pages = true;
}

bool contacts_in_pages(const struct contacts *c)
{
	return c->pages;
}

void contacts_loaded(struct contacts *c)
{
	c->waiting = c->n_added;
	c->n_added = 0;
}

void contacts_committed(struct contacts *c)
{
	if (c->pages)
		memory_clean(&c->young);
	c->waiting = c->pages ? 0 : c->waiting + c->n_added;
	c->n_added = 0;
	c->pages = false;
}
