#include "analyzer/rollup.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/hash.h"

#define ROLLUP_ROWS_SPARE 4096 /* hour_now may have so many more than twice those that are needed */

struct rollup *rollup_new(void)
{
	return xcalloc(1, sizeof(struct rollup));
}

static void map_fini(struct rollup_map *m)
{
	free(m->row);
	free(m->dirty);
	free(m->slot);
}

void rollup_free(struct rollup *r)
{
	if (!r)
		return;
	map_fini(&r->volume);
	map_fini(&r->principal);
	map_fini(&r->receiver);
	free(r->top_principals.row);
	free(r->top_receivers.row);
	arena_fini(&r->text);
	arena_fini(&r->top_text);
	free(r);
}

static void map_clear(struct rollup_map *m)
{
	if (m->n)
		memset(m->slot, 0, m->cap * sizeof *m->slot);
	m->n = m->n_dirty = 0;
}

/* Row i changes. */
static void make_dirty(struct rollup_map *m, size_t i)
{
	if (m->row[i].dirty)
		return;
	m->row[i].dirty = true;
	m->dirty[m->n_dirty++] = (uint32_t)i;
}

static uint64_t seat(uint64_t hash, size_t i)
{
	return (hash & ~(uint64_t)UINT32_MAX) | (i + 1);
}

static void map_grow(struct rollup_map *m)
{
	m->cap = m->cap ? m->cap * 2 : 256;
	free(m->slot);
	m->slot = xcalloc(m->cap, sizeof *m->slot);
	m->cap_rows = m->cap / 2;
	m->row = xrealloc(m->row, m->cap_rows * sizeof *m->row);
	m->dirty = xrealloc(m->dirty, m->cap_rows * sizeof *m->dirty);
	for (size_t i = 0; i < m->n; i++) {
		size_t at = (size_t)m->row[i].hash & (m->cap - 1);
		while (m->slot[at])
			at = (at + 1) & (m->cap - 1);
		m->slot[at] = seat(m->row[i].hash, i);
	}
}

/* The row of that hash, dirty; or NULL and the slot where it belongs. */
static inline struct rollup_row *find(struct rollup_map *m, uint64_t hash, size_t *ret_at)
{
	size_t at = (size_t)hash & (m->cap - 1);
	for (; m->slot[at]; at = (at + 1) & (m->cap - 1)) {
		if ((m->slot[at] ^ hash) >> 32)
			continue;
		struct rollup_row *row = &m->row[(uint32_t)m->slot[at] - 1];
		if (row->hash == hash) {
			make_dirty(m, (size_t)(row - m->row));
			return row;
		}
	}
	*ret_at = at;
	return NULL;
}

static struct rollup_row *row_at(struct rollup_map *m, struct arena *text, uint64_t hash, int64_t time_us, uint8_t kind, struct sv id)
{
	size_t at;
	if (m->n == m->cap_rows)
		map_grow(m);
	struct rollup_row *kept = find(m, hash, &at);
	if (kept)
		return kept;
	if (m->n >= ROLLUP_IDS_MAX)
		return &m->none;
	struct rollup_row *row = &m->row[m->n];
	m->slot[at] = seat(hash, m->n++);
	*row = (struct rollup_row){ .hash = hash, .time_us = time_us, .kind = kind, .id = arena_sv(text, id) };
	make_dirty(m, m->n - 1);
	return row;
}

struct rollup_row *rollup_volume(struct rollup *r, int64_t bucket_us)
{
	struct rollup_map *m = &r->volume;
	if (r->volume_at < m->n && m->row[r->volume_at].time_us == bucket_us) /* as the one before */
		return &m->row[r->volume_at];
	struct rollup_row *row = row_at(m, &r->text, hash_mix((uint64_t)bucket_us, 1), bucket_us, 0, SV(""));
	if (row != &m->none)
		r->volume_at = (size_t)(row - m->row);
	return row;
}

struct rollup_row *rollup_principal(struct rollup *r, uint64_t hash, uint8_t kind, struct sv id)
{
	return row_at(&r->principal, &r->text, hash, r->hour_us, kind, id);
}

struct rollup_row *rollup_principal_kept(struct rollup *r, uint64_t hash)
{
	size_t at;
	return r->principal.cap ? find(&r->principal, hash, &at) : NULL;
}

struct rollup_row *rollup_receiver(struct rollup *r, uint64_t hash, struct sv id)
{
	return row_at(&r->receiver, &r->text, hash, r->hour_us, 0, id);
}

/* -- the end of an hour -- */

static int compare_ids(const struct rollup_row *x, const struct rollup_row *y)
{
	size_t n = x->id.n < y->id.n ? x->id.n : y->id.n;
	int c = n ? memcmp(x->id.p, y->id.p, n) : 0;
	return c ? c : x->id.n < y->id.n ? -1 : x->id.n > y->id.n ? 1 : x->kind - y->kind;
}

static uint64_t refused(const struct rollup_row *r)
{
	return (uint64_t)r->n[ROLLUP_BOUNCED] + r->n[ROLLUP_REFUSED];
}

static int most_recipients(const void *a, const void *b)
{
	const struct rollup_row *x = a, *y = b;
	if (x->n[ROLLUP_RECIPIENTS] != y->n[ROLLUP_RECIPIENTS])
		return x->n[ROLLUP_RECIPIENTS] < y->n[ROLLUP_RECIPIENTS] ? 1 : -1;
	return compare_ids(x, y);
}

static int most_refused(const void *a, const void *b)
{
	const struct rollup_row *x = a, *y = b;
	uint64_t p = refused(x), q = refused(y);
	if (p != q)
		return p < q ? 1 : -1;
	if (x->n[ROLLUP_DEFERRED] != y->n[ROLLUP_DEFERRED])
		return x->n[ROLLUP_DEFERRED] < y->n[ROLLUP_DEFERRED] ? 1 : -1;
	return compare_ids(x, y);
}

static void keep(struct rollup *r, struct rollup_tops *t, const struct rollup_row *row)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 256;
		t->row = xrealloc(t->row, t->cap * sizeof *t->row);
	}
	t->row[t->n] = *row;
	t->row[t->n++].id = arena_sv(&r->top_text, row->id);
}

#define VALUES 1024u

static uint32_t value_of(const struct rollup_row *r, bool by_refused)
{
	uint64_t v = by_refused ? refused(r) * 4 + (r->n[ROLLUP_DEFERRED] != 0) : r->n[ROLLUP_RECIPIENTS];
	return v < VALUES ? (uint32_t)v : VALUES - 1;
}

/* The smallest value of the first ROLLUP_TOP rows; nothing below it needs to be sorted. */
static uint32_t threshold(const struct rollup_map *m, bool by_refused)
{
	uint32_t count[VALUES] = { 0 }, sum = 0, v = VALUES;
	for (size_t i = 0; i < m->n; i++)
		if (!m->row[i].kept)
			count[value_of(&m->row[i], by_refused)]++;
	while (v > 1 && sum < ROLLUP_TOP)
		sum += count[--v];
	return v;
}

static void keep_most(struct rollup *r, struct rollup_map *m, struct rollup_tops *t, bool by_refused)
{
	uint32_t least = threshold(m, by_refused);
	struct rollup_row *v = xmalloc((m->n ? m->n : 1) * sizeof *v);
	size_t n = 0;
	for (size_t i = 0; i < m->n; i++)
		if (!m->row[i].kept && value_of(&m->row[i], by_refused) >= least) {
			v[n] = m->row[i];
			v[n++].time_us = (int64_t)i; /* to find it again */
		}
	if (n)
		qsort(v, n, sizeof *v, by_refused ? most_refused : most_recipients);
	for (size_t i = 0; i < n && i < ROLLUP_TOP; i++) {
		struct rollup_row *row = &m->row[v[i].time_us];
		row->kept = true;
		keep(r, t, row);
	}
	free(v);
}

/* Those that one of the two lists could show. */
static void keep_tops(struct rollup *r, struct rollup_map *m, struct rollup_tops *t)
{
	keep_most(r, m, t, false);
	keep_most(r, m, t, true);
}

void rollup_hour(struct rollup *r, int64_t hour_us)
{
	if (hour_us == r->hour_us)
		return;
	keep_tops(r, &r->principal, &r->top_principals);
	keep_tops(r, &r->receiver, &r->top_receivers);
	map_clear(&r->principal);
	map_clear(&r->receiver);
	arena_reset(&r->text);
	r->anew = r->anew || r->hour_us;
	r->hour_us = hour_us;
}

bool rollup_whole(const struct rollup *r)
{
	return r->anew || r->stored_rows > 2 * (r->principal.n + r->receiver.n) + ROLLUP_ROWS_SPARE;
}

/* How many of its rows were dirty. */
static size_t map_clean(struct rollup_map *m)
{
	size_t n = m->n_dirty;
	for (size_t i = 0; i < n; i++) {
		struct rollup_row *row = &m->row[m->dirty[i]];
		row->dirty = false;
		memcpy(row->stored, row->n, sizeof row->stored);
	}
	m->n_dirty = 0;
	return n;
}

void rollup_ended_written(struct rollup *r)
{
	r->top_principals.n = r->top_receivers.n = 0;
	arena_reset(&r->top_text);
}

void rollup_committed(struct rollup *r)
{
	bool whole = rollup_whole(r);
	map_clear(&r->volume);
	size_t changed = map_clean(&r->principal) + map_clean(&r->receiver);
	r->stored_rows = whole ? r->principal.n + r->receiver.n : r->stored_rows + changed;
	rollup_ended_written(r);
	r->anew = false;
}
