#include "analyzer/listing_int.h"

#include <stdlib.h>

#include "analyzer/detector.h"
#include "analyzer/judge_int.h"
#include "lib/msg.h"

extern const struct detector detector_list_risk;

const struct listing_options *listing_options(const struct judge *j)
{
	size_t d = 0;
	while (detector_registry[d] != &detector_list_risk)
		d++;
	return judge_options(j, d);
}

static void set_text(char **to, struct sv text)
{
	if (*to && sv_eq(sv_cstr(*to), text))
		return;
	free(*to);
	*to = xsvdup(text);
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

static void heard(struct listing *l, int64_t at_us)
{
	l->newest_us = at_us > l->newest_us ? at_us : l->newest_us;
}

void listing_loaded(struct judge *j)
{
	for (struct listing_target *t = j->listing->targets; t; t = t->next) {
		(void)add_up(j, t);
		heard(j->listing, t->heard_us);
		for (struct listing_zone *z = j->listing->zones; z; z = z->next)
			z->targets += listing_has_seen(t, z);
	}
	for (struct listing_zone *z = j->listing->zones; z; z = z->next)
		heard(j->listing, z->heard_us);
	for (struct listing_pair *p = j->listing->pairs; p; p = p->next) {
		heard(j->listing, p->heard_us);
		p->zone->held += p->state == LISTING_HELD;
		if (p->heard_us > j->listing->clock_us)
			j->listing->clock_us = p->heard_us;
	}
	listing_committed(j->listing);
}

/* Since when somebody is listed stays as it was told. */
void listing_clock(struct judge *j, int64_t wall_us)
{
	struct listing *l = j->listing;
	if (l->newest_us <= wall_us + LISTING_AHEAD_US)
		return;
	for (struct listing_target *t = l->targets; t; t = t->next) {
		times_no_later(&t->heard_us, wall_us);
		listing_touch_target(j, t);
	}
	for (struct listing_zone *z = l->zones; z; z = z->next) {
		times_no_later(&z->heard_us, wall_us);
		times_no_later(&z->since_us, wall_us);
		times_no_later(&z->suspended_us, wall_us);
		z->dirty = true;
	}
	for (struct listing_pair *p = l->pairs; p; p = p->next) {
		times_no_later(&p->heard_us, wall_us);
		times_no_later(&p->negative_us, wall_us);
		if (p->state != LISTING_LISTED)
			times_no_later(&p->since_us, wall_us);
		listing_touch(l, p);
	}
	times_no_later(&l->clock_us, wall_us);
	l->newest_us = wall_us;
}

void listing_put_back(struct judge *j, int64_t now_us)
{
	for (struct listing_pair *p = j->listing->pairs; p; p = p->next) {
		times_no_later(&p->named_us, now_us);
		times_no_later(&p->named_from_us, now_us);
		listing_touch(j->listing, p);
	}
	for (struct listing_target *t = j->listing->targets; t; t = t->next) {
		times_no_later(&t->risk_us, now_us);
		listing_touch_target(j, t);
	}
}

void listing_judge(struct judge *j, struct listing_target *t, struct sv line, int64_t at_us)
{
	struct principal *p = judge_principal(j, (enum principal_kind)t->kind, sv_cstr(t->name), at_us);
	judge_listing(j, p, &(struct listing_view){ .target = t, .line = line, .at_us = at_us });
}

void listing_configure(struct judge *j)
{
	for (struct listing_target *t = j->listing->targets; t; t = t->next) {
		uint8_t kind = listing_kind_of(j, t);
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
	if (p->kind == DNSBL_POLICY && t->kind != PRINCIPAL_OWN_IP)
		return; /* whole networks of customers are dynamic: no news, and no history */
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
		.text = xstrdup(""), .customer = "", .before = z->targets, .after = z->held });
}

void listing_tell_risk(struct judge *j, const struct listing_target *t)
{
	struct buf why = { 0 };
	listing_say_reasons(t, &why);
	add_change(j, &(struct listing_change){
		.at_us = t->risk_us, .since_us = t->risk_us, .what = LISTING_WHAT_IMMINENT, .tell = true, .target = xstrdup(t->name), .zone = xstrdup(""), .meaning = xstrdup(""),
		.text = xstrdup(buf_cstr(&why)), .cause = t->cause ? xstrdup(t->cause) : NULL, .customer = "", .kind = t->kind, .points = t->risk_points, .before = t->on, .after = t->on });
	buf_fini(&why);
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
	listing_touch(j->listing, p);
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
	listing_touch(j->listing, p);
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
	if (!exceeds(j, turned, z->targets))
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
	if (!z->suspended_us || exceeds(j, z->held, z->targets))
		return;
	zone_changed(j, z, LISTING_WHAT_RESUMED, at_us);
	z->suspended_us = 0;
	z->dirty = true;
	for (struct listing_pair *p = j->listing->pairs; p; p = p->next)
		if (p->zone == z && p->state == LISTING_HELD) {
			p->state = LISTING_SUSPECT;
			p->since_us = at_us;
			listing_touch(j->listing, p);
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
		if (p->state == LISTING_SUSPECT && p->kind == DNSBL_BLOCK)
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

/* Since when nobody knows whether it still has the entry: nobody looked, or the list has not been in order. */
static int64_t unknown_since(const struct listing_pair *p)
{
	bool down = p->zone->verdict != DNSBL_CLEAN && p->zone->since_us && p->zone->since_us < p->heard_us;
	return down ? p->zone->since_us : p->heard_us;
}

/* Entries of targets that nobody looks at any more, and of lists that ended. */
static void forget_unwatched(struct judge *j, int64_t now_us)
{
	int64_t before_us = now_us - listing_options(j)->forget_s * US_PER_S;
	if (now_us / US_PER_DAY == j->listing->clock_us / US_PER_DAY || now_us < j->listing->clock_us)
		return;
	j->listing->clock_us = now_us;
	for (struct listing_pair *p = j->listing->pairs; p; p = p->next)
		if (p->state != LISTING_CLEAR && unknown_since(p) < before_us) {
			become_clear(j, p, unknown_since(p), LISTING_WHAT_UNWATCHED);
			resume_if_ebbed(j, p->zone, now_us);
		}
}

/* The pair of that answer. Of targets without entries only those of our own are kept beyond a quarter of the room: an entry must find some. */
static struct listing_pair *pair_for(struct judge *j, struct listing_target *t, struct listing_zone *z, bool entry)
{
	struct listing *l = j->listing;
	struct listing_pair *p = listing_find_pair(l, t, z);
	uint32_t most = t->kind == PRINCIPAL_HOST ? LISTING_PAIRS / 4 : LISTING_PAIRS / 2;
	if (p || (!entry && l->n_pairs >= most))
		return p;
	p = listing_pair_made(j, t, z);
	l->dropped += !p;
	return p;
}

/* Whether this is the first time that the zone says something about the target. */
static bool see(struct judge *j, struct listing_target *t, struct listing_zone *z, const struct obs_listing *a)
{
	bool first = !listing_has_seen(t, z), says = a->verdict == DNSBL_LISTED || a->verdict == DNSBL_CLEAN;
	if (first && says) {
		t->seen[z->id / 64] |= 1ull << (z->id % 64);
		z->targets++;
		listing_touch_target(j, t);
	}
	if (a->time_us > t->heard_us) {
		t->heard_us = a->time_us;
		listing_touch_target(j, t);
	}
	return first;
}

/* When there are many, who was never listed leaves room for those who are. */
static struct listing_target *target_for(struct judge *j, const struct obs_listing *a, bool entry)
{
	bool full = !entry && j->listing->n_targets >= LISTING_TARGETS;
	return full ? listing_target_named(j, a->target) : listing_target_made(j, a->target, a->time_us);
}

void listing_answer(struct judge *j, const struct obs_listing *a)
{
	bool entry = a->verdict == DNSBL_LISTED && dnsbl_is_bad(a->kind);
	struct listing_zone *z = listing_zone_made(j, a->zone);
	struct listing_target *t = z ? target_for(j, a, entry) : NULL;
	if (!t) {
		if (!j->listing->dropped++)
			msg_warn("block lists: what %.*s says of %.*s is not followed, nor of others: there is no room beside %u targets and %u lists", SVARG(a->zone), SVARG(a->target),
			         j->listing->n_targets, j->listing->n_zones);
		return;
	}
	heard(j->listing, a->time_us);
	/* Old news of a target that was looked at since: what a file says after the fact. */
	bool old = a->time_us < t->heard_us - US_PER_HOUR && listing_has_seen(t, z) && !listing_find_pair(j->listing, t, z);
	bool first = see(j, t, z, a);
	struct listing_pair *p = old ? NULL : pair_for(j, t, z, entry);
	if (p && a->time_us > p->heard_us) {
		p->heard_us = a->time_us;
		p->verdict = a->verdict;
		listing_touch(j->listing, p);
		if (entry)
			on_entry(j, p, a, first);
		else if (a->verdict == DNSBL_LISTED || a->verdict == DNSBL_CLEAN)
			on_no_entry(j, p, a->time_us);
	} else if (!p && a->verdict == DNSBL_CLEAN) {
		resume_if_ebbed(j, z, a->time_us);
	}
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
	listing_touch(j->listing, p);
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
	heard(j->listing, said->time_us);
	z->verdict = said->verdict;
	set_text(&z->reason, sv_take(said->reason, OBS_LISTING_TEXT));
	z->dirty = true;
}

