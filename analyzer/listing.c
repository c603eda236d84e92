#include "analyzer/listing_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "analyzer/asked.h"
#include "analyzer/detector.h"
#include "analyzer/judge_int.h"

extern const struct detector detector_list_risk;

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

const struct listing_options *listing_options(const struct judge *j)
{
	size_t d = 0;
	while (detector_registry[d] != &detector_list_risk)
		d++;
	return judge_options(j, d);
}

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
	buf_fini(&l->asks);
	memory_fini(&l->blame_memory);
	memory_fini(&l->asked_memory);
	free(l);
}

static void set_text(char **to, struct sv text)
{
	if (*to && sv_eq(sv_cstr(*to), text))
		return;
	free(*to);
	*to = xsvdup(text);
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

static struct listing_pair *find_pair(const struct listing *l, const struct listing_target *t, const struct listing_zone *z)
{
	return l->n_slots ? l->slot[slot_of(l, t, z)] : NULL;
}

struct listing_target *listing_target_named(const struct judge *j, struct sv name)
{
	uint64_t key = hash_sv(&j->key, name);
	for (struct listing_target *t = j->listing->targets; t; t = t->next)
		if (t->key == key && sv_eq(sv_cstr(t->name), name))
			return t;
	return NULL;
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

static uint8_t kind_of(const struct judge *j, const struct listing_target *t)
{
	return !t->is_ip ? PRINCIPAL_DOMAIN : enrich_is_egress(j->enrich, &t->ip) ? PRINCIPAL_OWN_IP : PRINCIPAL_HOST;
}

struct listing_target *listing_target_made(struct judge *j, struct sv name, int64_t at_us)
{
	struct listing_target *t = listing_target_named(j, name);
	if (t)
		return t;
	t = xcalloc(1, sizeof *t);
	t->name = xsvdup(name);
	t->key = hash_sv(&j->key, name);
	t->is_ip = ipaddr_parse(name, &t->ip) == 0;
	t->kind = kind_of(j, t);
	t->first_us = at_us;
	t->next = j->listing->targets;
	j->listing->targets = t;
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
	l->n_zones++;
	return z;
}

struct listing_pair *listing_pair_made(struct judge *j, struct listing_target *t, struct listing_zone *z)
{
	struct listing *l = j->listing;
	struct listing_pair *p = find_pair(l, t, z);
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
	z->pairs++;
	l->slot[slot_of(l, t, z)] = p;
	return p;
}

static void touch(struct listing *l, struct listing_pair *p)
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

/* --- what a target comes to --------------------------------------------------------------------------------------- */

static bool counts(const struct listing_pair *p)
{
	return p->state == LISTING_LISTED && p->kind == DNSBL_BLOCK;
}

/* Adds up; returns whether anything is another than before. */
static bool add_up(struct judge *j, struct listing_target *t)
{
	int32_t points = 0;
	uint32_t on = 0, main_on = 0;
	int64_t since_us = 0;
	for (const struct listing_pair *p = t->pairs; p; p = p->of_target) {
		if (!counts(p))
			continue;
		points += p->points;
		on++;
		main_on += p->points >= listing_options(j)->base_points;
		since_us = since_us && since_us < p->since_us ? since_us : p->since_us;
	}
	bool other = points != t->points || on != t->on || main_on != t->main_on;
	t->points = points;
	t->on = on;
	t->main_on = main_on;
	t->since_us = since_us;
	if (other)
		listing_touch_target(j, t);
	return other;
}

void listing_loaded(struct judge *j)
{
	for (struct listing_target *t = j->listing->targets; t; t = t->next)
		(void)add_up(j, t);
	for (struct listing_pair *p = j->listing->pairs; p; p = p->next) {
		p->zone->held += p->state == LISTING_HELD;
		if (p->heard_us > j->listing->clock_us)
			j->listing->clock_us = p->heard_us;
	}
	listing_committed(j->listing);
}

void listing_judge(struct judge *j, struct listing_target *t, struct sv line, int64_t at_us)
{
	struct principal *p = judge_principal(j, (enum principal_kind)t->kind, sv_cstr(t->name), at_us);
	judge_listing(j, p, &(struct listing_view){ .target = t, .line = line, .at_us = at_us });
}

void listing_configure(struct judge *j)
{
	for (struct listing_target *t = j->listing->targets; t; t = t->next) {
		uint8_t kind = kind_of(j, t);
		if (kind == t->kind)
			continue;
		struct listing_target none = { .name = t->name, .kind = t->kind };
		if (t->points || t->own_points)
			listing_judge(j, &none, SV(""), t->heard_us);
		t->kind = kind;
		t->own_points = kind == PRINCIPAL_OWN_IP ? t->own_points : 0;
		t->risk = kind == PRINCIPAL_OWN_IP ? t->risk : LISTING_RISK_NONE;
		if (t->points || t->own_points)
			listing_judge(j, t, SV(""), t->heard_us);
		listing_touch_target(j, t);
	}
}

static void add_change(struct judge *j, const struct listing_change *c)
{
	struct listing *l = j->listing;
	if (l->n_changes == l->cap_changes) {
		l->cap_changes = l->cap_changes ? l->cap_changes * 2 : 16;
		l->change = xrealloc(l->change, l->cap_changes * sizeof *l->change);
	}
	l->change[l->n_changes++] = *c;
}

static void pair_changed(struct judge *j, const struct listing_pair *p, enum listing_what what, int64_t at_us, uint32_t before)
{
	const struct listing_target *t = p->target;
	bool weighs = p->kind == DNSBL_BLOCK && p->points >= listing_options(j)->alert_points && what != LISTING_WHAT_UNWATCHED && what != LISTING_WHAT_WITHDRAWN;
	add_change(j, &(struct listing_change){
		.at_us = at_us, .since_us = p->since_us, .what = (uint8_t)what, .tell = weighs && !(p->fresh && what == LISTING_WHAT_LISTED),
		.target = xstrdup(t->name), .zone = xstrdup(p->zone->name), .meaning = xstrdup(p->meaning), .text = xstrdup(p->text),
		.cause = p->cause ? xstrdup(p->cause) : NULL, .customer = enrich_customer(j->enrich, (enum principal_kind)t->kind, sv_cstr(t->name)),
		.kind = t->kind, .entry = p->kind, .code = p->code, .points = p->points, .before = before, .after = t->on });
}

static void zone_changed(struct judge *j, const struct listing_zone *z, enum listing_what what, int64_t at_us)
{
	add_change(j, &(struct listing_change){
		.at_us = at_us, .since_us = z->suspended_us, .what = (uint8_t)what, .tell = true, .target = xstrdup(""), .zone = xstrdup(z->name), .meaning = xstrdup(""),
		.text = xstrdup(""), .customer = "", .before = z->pairs, .after = z->held });
}

/* --- the state machine -------------------------------------------------------------------------------------------- */

static void evidence_line(const struct listing_pair *p, struct buf *out)
{
	buf_printf(out, "DNS: %s says %u.%u.%u.%u about %s", p->zone->name, p->code >> 24, p->code >> 16 & 255, p->code >> 8 & 255, p->code & 255, p->target->name);
	if (p->meaning[0])
		buf_printf(out, " (%s)", p->meaning);
	if (p->text[0])
		buf_printf(out, ": %s", p->text);
}

/* The target's lists may be others now. */
static void settle(struct judge *j, struct listing_pair *p, int64_t at_us)
{
	struct buf line = { 0 };
	if (!add_up(j, p->target))
		return;
	evidence_line(p, &line);
	listing_judge(j, p->target, buf_sv(&line), at_us);
	buf_fini(&line);
}

static void become_listed(struct judge *j, struct listing_pair *p, int64_t at_us)
{
	uint32_t before = p->target->on;
	p->state = LISTING_LISTED;
	p->listed_us = at_us;
	settle(j, p, at_us);
	pair_changed(j, p, LISTING_WHAT_LISTED, at_us, before);
}

static void become_clear(struct judge *j, struct listing_pair *p, int64_t at_us, enum listing_what what)
{
	uint32_t before = p->target->on;
	bool was_listed = p->state == LISTING_LISTED;
	p->zone->held -= p->state == LISTING_HELD;
	p->state = LISTING_CLEAR;
	touch(j->listing, p);
	if (was_listed) {
		settle(j, p, at_us);
		pair_changed(j, p, what, at_us, before);
	}
	p->since_us = p->listed_us = p->negative_us = p->named_us = p->named_from_us = 0;
	p->negatives = p->named = 0;
	p->fresh = false;
	free(p->cause);
	p->cause = NULL;
}

/* A receiver named the list within a day of the first entry, or after it. */
static bool is_named(const struct listing_pair *p)
{
	return p->named_us && p->named_us >= p->since_us - US_PER_DAY;
}

static void hold(struct judge *j, struct listing_pair *p, int64_t at_us)
{
	uint32_t before = p->target->on;
	bool was_listed = p->state == LISTING_LISTED;
	p->state = LISTING_HELD;
	p->listed_us = 0;
	p->zone->held++;
	touch(j->listing, p);
	if (!was_listed)
		return;
	settle(j, p, at_us);
	pair_changed(j, p, LISTING_WHAT_WITHDRAWN, at_us, before);
}

static bool exceeds(const struct judge *j, uint32_t n, uint32_t all)
{
	const struct listing_options *o = listing_options(j);
	return n >= (uint32_t)o->suspend_least && n * 10000ull > all * listing_share(o->suspend_share);
}

/* More of what we watch turned up within an hour than is believable: the list is wrong about them, or was made to be. */
static void suspend_if_flooded(struct judge *j, struct listing_zone *z, int64_t at_us)
{
	uint32_t turned = 0;
	for (const struct listing_pair *p = j->listing->pairs; p; p = p->next)
		turned += p->zone == z && p->kind == DNSBL_BLOCK && (p->state == LISTING_SUSPECT || p->state == LISTING_LISTED) && p->since_us > at_us - US_PER_HOUR;
	if (!exceeds(j, turned, z->pairs))
		return;
	z->suspended_us = at_us;
	z->dirty = true;
	for (struct listing_pair *p = j->listing->pairs; p; p = p->next)
		if (p->zone == z && (p->state == LISTING_SUSPECT || p->state == LISTING_LISTED) && p->since_us > at_us - US_PER_HOUR)
			hold(j, p, at_us);
	zone_changed(j, z, LISTING_WHAT_SUSPENDED, at_us);
}

/* Few are left: what is still held must be seen twice again. */
static void resume_if_ebbed(struct judge *j, struct listing_zone *z, int64_t at_us)
{
	if (!z->suspended_us || exceeds(j, z->held, z->pairs))
		return;
	zone_changed(j, z, LISTING_WHAT_RESUMED, at_us);
	z->suspended_us = 0;
	z->dirty = true;
	for (struct listing_pair *p = j->listing->pairs; p; p = p->next)
		if (p->zone == z && p->state == LISTING_HELD) {
			p->state = LISTING_SUSPECT;
			p->since_us = at_us;
			touch(j->listing, p);
		}
	z->held = 0;
}

static void begin(struct judge *j, struct listing_pair *p, int64_t at_us)
{
	struct buf cause = { 0 };
	p->since_us = at_us;
	p->state = p->zone->suspended_us ? LISTING_HELD : LISTING_SUSPECT;
	p->zone->held += p->state == LISTING_HELD;
	if (p->target->kind == PRINCIPAL_OWN_IP)
		blame_json(j, &cause);
	p->cause = cause.n ? xsvdup(buf_sv(&cause)) : NULL;
	buf_fini(&cause);
}

static void on_entry(struct judge *j, struct listing_pair *p, const struct obs_listing *a, bool first)
{
	bool other = p->kind != a->kind || p->points != a->points;
	p->kind = a->kind;
	p->code = a->code;
	p->points = a->kind == DNSBL_BLOCK ? a->points : 0;
	p->negatives = 0;
	p->negative_us = 0;
	set_text(&p->meaning, sv_take(a->meaning, OBS_LISTING_TEXT));
	set_text(&p->text, sv_take(a->text, OBS_LISTING_TEXT));
	if (p->state == LISTING_CLEAR) {
		p->fresh = first;
		begin(j, p, a->time_us);
		if (p->state == LISTING_SUSPECT)
			suspend_if_flooded(j, p->zone, a->time_us);
	}
	if (p->state == LISTING_SUSPECT && (a->time_us - p->since_us >= listing_options(j)->debounce_s * US_PER_S || is_named(p)))
		become_listed(j, p, a->time_us);
	else if (other && p->state == LISTING_LISTED)
		settle(j, p, a->time_us);
}

static void on_no_entry(struct judge *j, struct listing_pair *p, int64_t at_us)
{
	const struct listing_options *o = listing_options(j);
	if (p->state == LISTING_CLEAR) {
		resume_if_ebbed(j, p->zone, at_us);
		return;
	}
	p->negative_us = p->negatives ? p->negative_us : at_us;
	p->negatives++;
	if (p->state == LISTING_LISTED && (p->negatives < (uint32_t)o->clear_answers || at_us - p->negative_us < o->clear_s * US_PER_S))
		return;
	become_clear(j, p, at_us, LISTING_WHAT_DELISTED);
	resume_if_ebbed(j, p->zone, at_us);
}

/* Entries of targets that nobody looks at any more. */
static void forget_unwatched(struct judge *j, int64_t now_us)
{
	int64_t before_us = now_us - listing_options(j)->forget_s * US_PER_S;
	if (now_us / US_PER_DAY == j->listing->clock_us / US_PER_DAY || now_us < j->listing->clock_us)
		return;
	j->listing->clock_us = now_us;
	for (struct listing_pair *p = j->listing->pairs; p; p = p->next)
		if (p->state != LISTING_CLEAR && p->heard_us < before_us) {
			become_clear(j, p, p->heard_us, LISTING_WHAT_UNWATCHED);
			resume_if_ebbed(j, p->zone, now_us);
		}
}

void listing_answer(struct judge *j, const struct obs_listing *a)
{
	struct listing_target *t = listing_target_named(j, a->target);
	struct listing_zone *z = listing_zone_made(j, a->zone);
	if (!z || (!t && j->listing->n_pairs >= LISTING_PAIRS)) {
		j->listing->dropped++;
		return;
	}
	t = t ? t : listing_target_made(j, a->target, a->time_us);
	struct listing_pair *p = listing_pair_made(j, t, z);
	if (!p) {
		j->listing->dropped++;
		return;
	}
	bool first = !p->heard_us;
	if (a->time_us <= p->heard_us)
		return;
	p->heard_us = a->time_us;
	p->verdict = a->verdict;
	touch(j->listing, p);
	if (a->time_us > t->heard_us) {
		t->heard_us = a->time_us;
		listing_touch_target(j, t);
	}
	if (a->verdict == DNSBL_LISTED && dnsbl_is_bad(a->kind))
		on_entry(j, p, a, first);
	else if (a->verdict == DNSBL_LISTED || a->verdict == DNSBL_CLEAN)
		on_no_entry(j, p, a->time_us);
	forget_unwatched(j, a->time_us);
}

void listing_named(struct judge *j, struct listing_pair *p, int64_t at_us)
{
	if (at_us - p->named_from_us >= US_PER_DAY || !p->named) {
		p->named_from_us = at_us;
		p->named = 0;
	}
	p->named++;
	p->named_us = at_us;
	touch(j->listing, p);
	if (p->state == LISTING_SUSPECT && p->since_us <= at_us)
		become_listed(j, p, at_us);
}

void listing_zone_said(struct judge *j, const struct obs_zone *said)
{
	struct listing_zone *z = listing_zone_made(j, said->zone);
	if (!z || said->time_us <= z->heard_us)
		return;
	if (z->verdict != said->verdict || !z->since_us)
		z->since_us = said->time_us;
	z->heard_us = said->time_us;
	z->verdict = said->verdict;
	set_text(&z->reason, sv_take(said->reason, OBS_LISTING_TEXT));
	z->dirty = true;
}

