/* The targets, zones and pairs in memory, and what of them waits for the commit. */
#include <stdlib.h>

#include "analyzer/asked.h"
#include "analyzer/listing_int.h"

#define S(e, name) name,
static const char *const states[] = { LISTING_STATE_LIST(S) };
static const char *const risks[] = { LISTING_RISK_LIST(S) };
static const char *const whats[] = { LISTING_WHAT_LIST(S) };
#undef S

static int named(const char *const *list, int n, struct sv name)
{
	for (int i = 0; i < n; i++)
		if (sv_eq(name, sv_cstr(list[i])))
			return i;
	return -1;
}

const char *listing_state_name(uint8_t s) { return states[s]; }
const char *listing_risk_name(uint8_t r) { return risks[r]; }
const char *listing_what_name(uint8_t w) { return whats[w]; }
int listing_state_named(struct sv name) { return named(states, LISTING_STATES, name); }
int listing_risk_named(struct sv name) { return named(risks, LISTING_RISKS, name); }

/* --- the tables --------------------------------------------------------------------------------------------------- */

struct listing *listing_new(void)
{
	struct listing *l = xcalloc(1, sizeof *l);
	blame_init(&l->blame_memory);
	asked_init(&l->asked_memory);
	return l;
}

static void pair_free(struct listing_pair *p)
{
	free(p->meaning);
	free(p->text);
	free(p->cause);
	free(p);
}

static void change_free(struct listing_change *c)
{
	free(c->target);
	free(c->zone);
	free(c->meaning);
	free(c->text);
	free(c->cause);
}

void listing_free(struct listing *l)
{
	for (struct listing_pair *p = l->pairs, *next; p; p = next) {
		next = p->next;
		pair_free(p);
	}
	for (struct listing_target *t = l->targets, *next; t; t = next) {
		next = t->next;
		free(t->name);
		free(t->reasons);
		free(t->cause);
		free(t);
	}
	for (struct listing_zone *z = l->zones, *next; z; z = next) {
		next = z->next;
		free(z->name);
		free(z->reason);
		free(z);
	}
	for (size_t i = 0; i < l->n_changes; i++)
		change_free(&l->change[i]);
	free(l->change);
	free(l->slot);
	free(l->by_name);
	buf_fini(&l->asks);
	memory_fini(&l->blame_memory);
	memory_fini(&l->asked_memory);
	free(l);
}

static size_t slot_of(const struct listing *l, const struct listing_target *t, const struct listing_zone *z)
{
	size_t at = (size_t)hash_mix(t->key, z->key) & (l->n_slots - 1);
	while (l->slot[at] && (l->slot[at]->target != t || l->slot[at]->zone != z))
		at = (at + 1) & (l->n_slots - 1);
	return at;
}

static void grow_slots(struct listing *l)
{
	free(l->slot);
	l->n_slots = l->n_slots ? l->n_slots * 2 : 1024;
	l->slot = xcalloc(l->n_slots, sizeof(struct listing_pair *));
	for (struct listing_pair *p = l->pairs; p; p = p->next)
		l->slot[slot_of(l, p->target, p->zone)] = p;
}

struct listing_pair *listing_find_pair(const struct listing *l, const struct listing_target *t, const struct listing_zone *z)
{
	return l->n_slots ? l->slot[slot_of(l, t, z)] : NULL;
}

static size_t name_slot(const struct listing *l, uint64_t key, struct sv name)
{
	size_t at = (size_t)key & (l->n_by_name - 1);
	while (l->by_name[at] && (l->by_name[at]->key != key || !sv_eq(sv_cstr(l->by_name[at]->name), name)))
		at = (at + 1) & (l->n_by_name - 1);
	return at;
}

static void grow_names(struct listing *l)
{
	free(l->by_name);
	l->n_by_name = l->n_by_name ? l->n_by_name * 2 : 256;
	l->by_name = xcalloc(l->n_by_name, sizeof(struct listing_target *));
	for (struct listing_target *t = l->targets; t; t = t->next)
		l->by_name[name_slot(l, t->key, sv_cstr(t->name))] = t;
}

struct listing_target *listing_target_named(const struct judge *j, struct sv name)
{
	const struct listing *l = j->listing;
	return l->n_by_name ? l->by_name[name_slot(l, hash_sv(&j->key, name), name)] : NULL;
}

struct listing_target *listing_of(const struct judge *j, const struct principal *p)
{
	struct listing_target *t = listing_target_named(j, sv_cstr(p->id));
	return t && t->kind == p->kind ? t : NULL;
}

void listing_touch_target(struct judge *j, struct listing_target *t)
{
	if (t->dirty)
		return;
	t->dirty = true;
	t->next_dirty = j->listing->dirty_targets;
	j->listing->dirty_targets = t;
}

uint8_t listing_kind_of(const struct judge *j, const struct listing_target *t)
{
	return !t->is_ip ? PRINCIPAL_DOMAIN : enrich_is_egress(j->enrich, &t->ip) ? PRINCIPAL_OWN_IP : PRINCIPAL_HOST;
}

struct listing_target *listing_target_made(struct judge *j, struct sv name, int64_t at_us)
{
	struct listing *l = j->listing;
	struct listing_target *t = listing_target_named(j, name);
	if (t || l->n_targets >= LISTING_TARGETS + LISTING_TARGETS_MORE)
		return t;
	if (((size_t)l->n_targets + 1) * 2 > l->n_by_name)
		grow_names(l);
	t = xcalloc(1, sizeof *t);
	t->name = xsvdup(name);
	t->key = hash_sv(&j->key, name);
	t->is_ip = ipaddr_parse(name, &t->ip) == 0;
	t->kind = listing_kind_of(j, t);
	t->first_us = at_us;
	l->by_name[name_slot(l, t->key, name)] = t;
	l->n_targets++;
	t->next = l->targets;
	l->targets = t;
	listing_touch_target(j, t); /* when it was first heard of is known from then on, whatever comes */
	return t;
}

struct listing_zone *listing_zone_made(struct judge *j, struct sv name)
{
	struct listing *l = j->listing;
	uint64_t key = hash_sv(&j->key, name);
	struct listing_zone *z = l->zones;
	while (z && (z->key != key || !sv_eq(sv_cstr(z->name), name)))
		z = z->next;
	if (z || l->n_zones >= LISTING_ZONES)
		return z;
	z = xcalloc(1, sizeof *z);
	z->name = xsvdup(name);
	z->key = key;
	z->verdict = DNSBL_CLEAN;
	z->reason = xstrdup("");
	z->next = l->zones;
	l->zones = z;
	z->id = l->n_zones++;
	z->dirty = true;
	return z;
}

struct listing_pair *listing_pair_made(struct judge *j, struct listing_target *t, struct listing_zone *z)
{
	struct listing *l = j->listing;
	struct listing_pair *p = listing_find_pair(l, t, z);
	if (p || l->n_pairs >= LISTING_PAIRS)
		return p;
	if (((size_t)l->n_pairs + 1) * 2 > l->n_slots)
		grow_slots(l);
	p = xcalloc(1, sizeof *p);
	p->target = t;
	p->zone = z;
	p->verdict = DNSBL_UNKNOWN;
	p->meaning = xstrdup("");
	p->text = xstrdup("");
	p->of_target = t->pairs;
	t->pairs = p;
	p->next = l->pairs;
	l->pairs = p;
	l->n_pairs++;
	l->slot[slot_of(l, t, z)] = p;
	return p;
}

void listing_touch(struct listing *l, struct listing_pair *p)
{
	if (p->dirty)
		return;
	p->dirty = true;
	p->next_dirty = l->dirty;
	l->dirty = p;
}

void listing_committed(struct listing *l)
{
	for (; l->dirty; l->dirty = l->dirty->next_dirty)
		l->dirty->dirty = false;
	for (; l->dirty_targets; l->dirty_targets = l->dirty_targets->next_dirty)
		l->dirty_targets->dirty = false;
	for (struct listing_zone *z = l->zones; z; z = z->next)
		z->dirty = false;
	for (size_t i = 0; i < l->n_changes; i++)
		change_free(&l->change[i]);
	l->n_changes = 0;
}
