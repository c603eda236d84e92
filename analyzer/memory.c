#include "analyzer/memory.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/table.h"

#define LARGE_BYTES (4u << 20)

static size_t words(const struct memory *m)
{
	return (m->n / MEMORY_PAGE_BYTES + 63) / 64;
}

void memory_init(struct memory *m, const char *name, size_t n)
{
	n = (n + MEMORY_PAGE_BYTES - 1) / MEMORY_PAGE_BYTES * MEMORY_PAGE_BYTES;
	*m = (struct memory){ .name = name, .n = n };
	m->p = n >= LARGE_BYTES ? table_new(n) : xcalloc(1, n);
	m->touched = xcalloc(words(m), sizeof *m->touched);
	m->kept = xcalloc(words(m), sizeof *m->kept);
	m->late = xcalloc(words(m), sizeof *m->late);
}

void memory_fini(struct memory *m)
{
	if (m->n >= LARGE_BYTES)
		table_free(m->p, m->n);
	else
		free(m->p);
	free(m->touched);
	free(m->kept);
	free(m->late);
	free(m->stored);
	*m = (struct memory){ 0 };
}

void memory_touch_all(struct memory *m)
{
	for (size_t page = 0; page < m->n / MEMORY_PAGE_BYTES; page++)
		memory_touch(m, page * MEMORY_PAGE_BYTES);
}

void memory_clean(struct memory *m)
{
	if (m->any)
		memset(m->touched, 0, words(m) * sizeof *m->touched);
	m->any = false;
}
