/* memory: a flat piece of the analyzer's global memory (contact filters, histograms, tables) that is kept in the store
 * page by page. Whoever writes into it says so with memory_touch(); the next commit writes only touched pages. */
#ifndef ANALYZER_MEMORY_H
#define ANALYZER_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY_PAGE_BYTES 1024

struct memory {
	const char *name;   /* key in the store; static */
	unsigned char *p;
	size_t n;           /* bytes, a multiple of MEMORY_PAGE_BYTES */
	uint64_t *touched;  /* one bit a page */
	/* The store's (analyzer/store_memory.c): pages that have a row there; those whose row is older than the last commit; and, where changes are kept
	 * instead of pages, all bytes as of the last commit. */
	uint64_t *kept, *late;
	unsigned char *stored;
	bool any;           /* page touched */
	bool used;          /* ever written, or loaded: else all zero */
};

/* n is rounded up to whole pages; zeroed. */
void memory_init(struct memory *m, const char *name, size_t n);
void memory_fini(struct memory *m);
static inline void memory_touch(struct memory *m, size_t offset)
{
	size_t page = offset / MEMORY_PAGE_BYTES;
	m->touched[page / 64] |= 1ull << (page % 64);
	m->any = m->used = true;
}
/* An item within it, which may lie across two pages. */
static inline void memory_touch_item(struct memory *m, const void *item, size_t bytes)
{
	size_t at = (size_t)((const unsigned char *)item - m->p);
	memory_touch(m, at);
	memory_touch(m, at + bytes - 1);
}
static inline bool memory_bit(const uint64_t *bits, size_t page)
{
	return bits[page / 64] >> (page % 64) & 1;
}
/* The first touched page from this one on; the number of pages when there is none. */
static inline size_t memory_next_touched(const struct memory *m, size_t page)
{
	size_t n = m->any ? m->n / MEMORY_PAGE_BYTES : 0;
	for (; page < n; page = (page | 63) + 1) {
		uint64_t left = m->touched[page / 64] >> (page % 64);
		if (left) {
			page += (size_t)__builtin_ctzll(left);
			break;
		}
	}
	return page < n ? page : m->n / MEMORY_PAGE_BYTES;
}
void memory_touch_all(struct memory *m);
/* After a commit, by whoever keeps it (analyzer/store_memory.c): nobody else knows what was written of it. */
void memory_clean(struct memory *m);

#endif
