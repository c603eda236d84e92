/* Telling a verdict to whoever asked for it. */
#include <strings.h>

#include "lib/plain.h"
#include "probe/engine_int.h"

#define PART_LEAST 3 /* characters of a key that was cut off at the end of a text */

/* What a list says may hold our key (it is part of the name that was asked): no reader may see it, nor its first part at the end of a text that was cut
 * (by us or by the list). */
static void redact(struct buf *b, const char *key)
{
	size_t n = key ? strlen(key) : 0;
	for (size_t i = 0; n && i + n <= b->n; i++)
		if (strncasecmp(b->p + i, key, n) == 0)
			memset(b->p + i, '*', n);
	for (size_t part = n; part && --part >= PART_LEAST;)
		if (part <= b->n && strncasecmp(b->p + b->n - part, key, part) == 0)
			memset(b->p + b->n - part, '*', part);
}

static uint64_t pair_of(const struct zone_rt *z, const struct target *t, uint64_t nth)
{
	struct ipaddr a = target_address(t, nth);
	uint64_t half[2];
	memcpy(half, a.b, sizeof half);
	return state_pair(z->key, t->kind == DNSBL_DOMAIN ? state_key(sv_cstr(t->domain)) : hash_mix(half[0], half[1]));
}

static void tell(struct engine_run *run, struct zone_rt *z, const struct target *t, uint64_t nth, struct verdict v, struct engine_result *r)
{
	struct engine *e = run->e;
	char target[TARGET_TEXT];
	unsigned kind = t->kind == DNSBL_IP4 ? 0 : t->kind == DNSBL_IP6 ? 1 : 2;
	run->done++;
	if (run->cancelled)
		return;
	r->health = z->state->kind[kind].health;
	r->zone = z->z;
	r->target = sv_make(target, target_text(t, nth, target));
	r->verdict = v.verdict;
	r->kind = v.kind;
	r->points = v.points;
	r->code = v.code;
	r->reason = sv_cstr(v.reason ? v.reason : "");
	r->meaning = buf_sv(&e->meaning);
	if (r->text.n) {
		struct sv raw = r->text;
		e->text.n = 0;
		plain_show(&e->text, raw, "");
		redact(&e->text, z->z->key);
		r->text = buf_sv(&e->text);
	}
	if (v.verdict == DNSBL_LISTED)
		r->since_us = state_seen(e->c.state, pair_of(z, t, nth), r->asked_us);
	else if (v.verdict == DNSBL_CLEAN)
		state_gone(e->c.state, pair_of(z, t, nth));
	run->r.result(run->r.ctx, r);
}

/* By the zone's health or its budget alone. */
void engine_tell_without(struct engine_run *run, struct zone_rt *z, const struct target *t, uint64_t nth, struct verdict v)
{
	struct engine_result r = { .asked_us = run->e->now_us };
	run->e->meaning.n = 0;
	tell(run, z, t, nth, v, &r);
}

void engine_tell_codes(struct engine_run *run, struct zone_rt *z, unsigned kind, const struct target *t, uint64_t nth, enum outcome o, const uint32_t *code, unsigned n,
                       struct engine_result *r)
{
	struct engine *e = run->e;
	e->meaning.n = 0;
	struct verdict v = verdict_of(z->z, o, code, n, &e->meaning);
	tell(run, z, t, nth, verdict_tell(v, z->state->kind[kind].health), r);
}
