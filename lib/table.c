#include "lib/table.h"

#include <stdint.h>
#include <sys/mman.h>

#include "lib/msg.h"

#define LARGE_PAGE ((size_t)2 << 20)

static size_t whole_pages(size_t bytes)
{
	return (bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
}

void *table_new(size_t bytes)
{
	size_t n = whole_pages(bytes);
	char *p = mmap(NULL, n + LARGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		panic("out of memory (%zu bytes)", bytes);
	size_t before = (LARGE_PAGE - (uintptr_t)p % LARGE_PAGE) % LARGE_PAGE;
	if (before)
		munmap(p, before);
	if (before < LARGE_PAGE)
		munmap(p + before + n, LARGE_PAGE - before);
	(void)madvise(p + before, n, MADV_HUGEPAGE);
	return p + before;
}

void table_free(void *table, size_t bytes)
{
	if (table)
		munmap(table, whole_pages(bytes));
}
