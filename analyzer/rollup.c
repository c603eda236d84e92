#include "analyzer/rollup.h"

#include <stdlib.h>

#include "lib/buf.h"
#include "lib/hash.h"

struct rollup *rollup_new(void)
{
	return xcalloc(1, sizeof(struct rollup));
}

static void map_fini(struct rollup_map *m)
{
	free(m->row);
	free(m->slot);
}

void rollup_free(struct rollup *r)
{
	if (!r)
		return;
	map_fini(&r->volume);
	map_fini(&r->principal);
	map_fini(&r->receiver);
	arena_fini(&r->text);
	free(r);
}

static void map_clear(struct rollup_map *m)
{
	if (m->n)
		memset(m->slot, 0, m->cap * sizeof *m->slot);
	m->n = 0;
}

void rollup_clear(struct rollup *r)
{
	map_clear(&r->volume);
	map_clear(&r->principal);
	map_clear(&r->receiver);
	arena_reset(&r->text);
}

static void map_grow(struct rollup_map *m)
{
	m->cap = m->cap ? m->cap * 2 : 256;
	free(m->slot);
	m->slot = xcalloc(m->cap, sizeof *m->slot);
	m->cap_rows = m->cap / 2;
	m->row = xrealloc(m->row, m->cap_rows * sizeof *m->row);
	for (size_t i = 0; i < m->n; i++) {
		size_t at = (size_t)m->row[i].hash & (m->cap - 1);
		while (m->slot[at])
			at = (at + 1) & (m->cap - 1);
		m->slot[at] = (uint32_t)i + 1;
	}
}

struct rollup_row *rollup_at(struct rollup *r, struct rollup_map *m, uint64_t hash, int64_t time_us, uint8_t kind, struct sv id)
{
	uint64_t h = hash_mix(hash, (uint64_t)time_us);
	if (m->n == m->cap_rows)
		map_grow(m);
	size_t at = (size_t)h & (m->cap - 1);
	for (; m->slot[at]; at = (at + 1) & (m->cap - 1))
		if (m->row[m->slot[at] - 1].hash == h)
			return &m->row[m->slot[at] - 1];
	struct rollup_row *row = &m->row[m->n++];
	m->slot[at] = (uint32_t)m->n;
	*row = (struct rollup_row){ .hash = h, .time_us = time_us, .kind = kind, .id = arena_sv(&r->text, id) };
	return row;
}
