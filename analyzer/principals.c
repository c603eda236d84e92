/* The principals in memory: a table by key, filled from the store on first sight. */
#include <stdlib.h>

#include "analyzer/judge_int.h"
#include "analyzer/resting.h"

void principal_free(struct principal *p)
{
	suspicion_free(p->suspicion);
	hours_fini(&p->hours);
	free(p);
}

uint64_t judge_key(const struct judge *j, enum principal_kind kind, struct sv id)
{
	return judge_key_of(kind, hash_folded(&j->key, id));
}

static size_t table_slot(const struct judge *j, uint64_t key)
{
	size_t i = (size_t)key & (j->cap - 1);
	while (j->table[i].principal && j->table[i].key != key)
		i = (i + 1) & (j->cap - 1);
	return i;
}

const struct principal *principal_in_memory(const struct judge *j, uint64_t key)
{
	return j->cap ? j->table[table_slot(j, key)].principal : NULL;
}

static void table_grow(struct judge *j)
{
	struct judge_seat *old = j->table;
	size_t n = j->cap;
	j->cap = n ? n * 2 : 1024;
	j->table = xcalloc(j->cap, sizeof *j->table);
	for (size_t i = 0; i < n; i++)
		if (old[i].principal)
			j->table[table_slot(j, old[i].key)] = old[i];
	free(old);
}

static void make_dirty(struct judge *j, struct principal *p)
{
	p->dirty = true;
	p->next_dirty = j->dirty;
	j->dirty = p;
}

void judge_touch(struct judge *j, struct principal *p)
{
	if (p->dirty)
		return;
	p->heard_s = (uint32_t)(j->site->now_us / US_PER_S);
	make_dirty(j, p);
}

void judge_touch_late(struct judge *j)
{
	for (size_t i = 0; i < j->cap; i++) {
		struct principal *p = j->table[i].principal;
		if (p && p->late && !p->dirty)
			make_dirty(j, p);
	}
}

struct principal *judge_principal(struct judge *j, enum principal_kind kind, struct sv id, int64_t at_us)
{
	return judge_principal_hashed(j, kind, id, hash_folded(&j->key, id), at_us);
}

struct principal *judge_principal_hashed(struct judge *j, enum principal_kind kind, struct sv id, uint64_t hash, int64_t at_us)
{
	uint64_t key = judge_key_of(kind, hash);
	id = sv_take(id, 320);
	if (j->n_principals * 2 >= j->cap)
		table_grow(j);
	size_t at = table_slot(j, key);
	if (j->table[at].principal)
		return j->table[at].principal;
	struct principal *p = xcalloc(1, sizeof *p + j->slab_bytes[kind] + id.n + 1);
	p->key = key;
	p->kind = (uint8_t)kind;
	p->id = (char *)p->state + j->slab_bytes[kind];
	memcpy(p->id, id.p, id.n);
	j->table[at] = (struct judge_seat){ key, p };
	j->n_principals++;
	if (resting_take(j->resting, j, p) || (j->store.load_principal && j->store.load_principal(j->store.ctx, j, p))) {
		if (p->last_us > j->site->now_us + US_PER_DAY) /* the clock was put back since */
			principal_put_back(p, j->site->now_us);
		judge_weigh(j, p);
		return p;
	}
	p->fresh = true;
	p->first_us = p->last_us = at_us;
	judge_weigh(j, p);
	if (kind == PRINCIPAL_ACCOUNT)
		contacts_add(&j->contacts, hash_mix(key, IS_AN_ACCOUNT));
	judge_touch(j, p);
	return p;
}

const char *judge_customer(const struct judge *j, const struct principal *p)
{
	struct principal *cached = (struct principal *)(uintptr_t)p; /* what is cached is no state */
	if (!p->customer || p->inventory != j->inventory) {
		cached->customer = enrich_customer(j->enrich, (enum principal_kind)p->kind, sv_cstr(p->id));
		cached->customer_hash = hash_sv(&j->key, sv_cstr(cached->customer));
		cached->inventory = j->inventory;
	}
	return p->customer;
}

/* --- letting go --------------------------------------------------------------------------------------------------- */

#define OVERHEAD_BYTES 64 /* of allocations and its places in the table */
#define REST_EVERY_US (15 * US_PER_S)

void judge_weigh(struct judge *j, struct principal *p)
{
	size_t n = sizeof *p + j->slab_bytes[p->kind] + strlen(p->id) + p->hours.packed.cap + OVERHEAD_BYTES;
	if (p->suspicion)
		n += suspicion_bytes(p->suspicion);
	j->principals_bytes += n - p->bytes;
	p->bytes = (uint32_t)n;
}

/* The least recently heard of first; of the same moment by key. */
static int by_age(const void *x, const void *y)
{
	const struct principal *a = *(struct principal *const *)x, *b = *(struct principal *const *)y;
	if (a->heard_s != b->heard_s)
		return a->heard_s < b->heard_s ? -1 : 1;
	if (a->last_us != b->last_us)
		return a->last_us < b->last_us ? -1 : 1;
	return (a->key > b->key) - (a->key < b->key);
}

static void table_fill(struct judge *j, struct principal *const *list, size_t n)
{
	memset(j->table, 0, j->cap * sizeof *j->table);
	for (size_t i = 0; i < n; i++)
		if (list[i])
			j->table[table_slot(j, list[i]->key)] = (struct judge_seat){ list[i]->key, list[i] };
}

static struct principal **all(const struct judge *j)
{
	struct principal **list = xcalloc(j->n_principals, sizeof(struct principal *));
	size_t n = 0;
	for (size_t i = 0; i < j->cap; i++)
		if (j->table[i].principal)
			list[n++] = j->table[i].principal;
	return list;
}

static bool may_rest(const struct principal *p)
{
	return !p->open_case && !p->dirty && !p->fresh && !p->late;
}

/* Packs it; *at is in a list of which the table is made anew. */
static void put_to_rest(struct judge *j, struct principal **at)
{
	struct principal *p = *at;
	resting_put(j->resting, j, p);
	j->principals_bytes -= p->bytes;
	j->n_principals--;
	principal_free(p);
	*at = NULL;
}

void judge_rest(struct judge *j)
{
	int64_t now_us = j->site->now_us;
	size_t before = j->n_principals;
	if (now_us < j->rest_us || !before)
		return;
	j->rest_us = now_us + REST_EVERY_US;
	struct principal **list = all(j);
	for (size_t i = 0; i < before; i++)
		if (may_rest(list[i]) && list[i]->heard_s < now_us / US_PER_S - j->limits.rest_s)
			put_to_rest(j, &list[i]);
	if (j->n_principals != before)
		table_fill(j, list, before);
	free(list);
}

static uint64_t bytes_in_all(const struct judge *j)
{
	return j->principals_bytes + resting_bytes(j->resting);
}

bool judge_full(const struct judge *j)
{
	return bytes_in_all(j) > (uint64_t)j->limits.principals_bytes;
}

void judge_evict(struct judge *j)
{
	uint64_t most = (uint64_t)j->limits.principals_bytes, enough = most - most / 8;
	j->kept_bytes = bytes_in_all(j);
	if (!judge_full(j) || !j->store.load_principal)
		return;
	j->evicted += resting_shrink(j->resting, most / 2);
	struct principal **list = all(j);
	size_t n = j->n_principals;
	qsort(list, n, sizeof(struct principal *), by_age);
	for (size_t i = 0; i < n && bytes_in_all(j) > enough; i++) {
		if (!may_rest(list[i]))
			continue;
		put_to_rest(j, &list[i]);
	}
	table_fill(j, list, n);
	free(list);
	j->kept_bytes = bytes_in_all(j);
}

bool judge_crowded(const struct judge *j)
{
	uint64_t most = (uint64_t)j->limits.principals_bytes;
	return bytes_in_all(j) > most / 2 * 3 && bytes_in_all(j) > j->kept_bytes + most / 4;
}
