#include "collector/capture/cells.h"

#include <string.h>
#include <sys/mman.h>

#include "lib/msg.h"

void cells_init(struct cells *p, size_t bytes)
{
	*p = (struct cells){ .n = (uint32_t)(bytes / CELL_BYTES), .fresh = 1 };
	p->base = mmap(NULL, (size_t)p->n * CELL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p->base == MAP_FAILED)
		fatal("no memory for %zu bytes of captured sessions: %m", bytes);
}

void cells_fini(struct cells *p)
{
	if (p->base)
		munmap(p->base, (size_t)p->n * CELL_BYTES);
	*p = (struct cells){ 0 };
}

uint32_t cells_take(struct cells *p)
{
	uint32_t b = p->free_head;
	if (b)
		memcpy(&p->free_head, cells_at(p, b), sizeof b);
	else if (p->fresh < p->n)
		b = p->fresh++;
	else
		return 0;
	if (++p->used > p->peak)
		p->peak = p->used;
	return b;
}

void cells_give(struct cells *p, uint32_t block)
{
	memcpy(cells_at(p, block), &p->free_head, sizeof block);
	p->free_head = block;
	p->used--;
}
