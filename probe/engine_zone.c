/* How each zone does: its self-test, its pace, its day. */
#include <stdlib.h>

#include "lib/times.h"
#include "probe/engine_int.h"

#define FAILURES_MOST 8       /* one after the other, and the zone is left alone */
#define EMPTY_TESTS 3         /* a zone without its test entry in so many tests … */
#define EMPTY_US (2 * US_PER_DAY) /* … over so long is empty */
#define BURST_S 2             /* what may be saved up: a look-up of a few targets is not held up */
#define BURST_LEAST 10
#define CLOCK_US (60 * US_PER_S) /* so far behind a time that was seen the clock was put back, not set right a little */
#define WATCH_SHARE 2         /* the watch takes at most 1/2 of a day */
#define WATCH_WINDOW 4        /* of one list it has at most 1/4 of the resolver's window under way … */
#define WATCH_LEAST 2         /* … and always so many: what is lost on the way to one list closes the window of all */

static const int64_t again_s[] = { 15, 60, 300, 1800, 6 * 3600 };

/* --- health ------------------------------------------------------------------------------------------------------- */

/* Spread over an hour, so that not all are tested at once; by name, so that it is the same each time. */
static int64_t day_us(const struct zone_rt *z)
{
	uint64_t h = 5381;
	for (const char *p = z->z->name; *p; p++)
		h = h * 33 + (unsigned char)*p;
	return 23 * US_PER_HOUR + (int64_t)(h % 3600) * US_PER_S;
}

static int64_t next_us(const struct zone_rt *z, const struct state_health *s)
{
	unsigned n = s->fails ? s->fails - 1 : 0, most = sizeof again_s / sizeof *again_s - 1, i = n < most ? n : most;
	switch (s->health) {
	case HEALTH_GOOD: case HEALTH_WILDCARD: case HEALTH_GONE: case HEALTH_EMPTY: return day_us(z);
	case HEALTH_REFUSED: return US_PER_HOUR;
	default: return again_s[i] * US_PER_S;
	}
}

static void set_health(struct engine *e, struct zone_rt *z, unsigned kind, uint8_t health)
{
	struct state_health *s = &z->state->kind[kind];
	int64_t now = e->now_us;
	bool was_silent = s->health == HEALTH_SILENT || s->health == HEALTH_EMPTY;
	if (health == HEALTH_SILENT && was_silent && s->fails + 1 >= EMPTY_TESTS && now - s->since_us >= EMPTY_US)
		health = HEALTH_EMPTY;
	bool changed = s->health != health, silent = health == HEALTH_SILENT || health == HEALTH_EMPTY;
	s->fails = health == HEALTH_GOOD ? 0 : changed && !(was_silent && silent) ? 1 : s->fails + 1;
	if (changed && !(was_silent && silent))
		s->since_us = now;
	s->health = health;
	s->tested_us = now;
	s->next_us = now + next_us(z, s);
	if (health == HEALTH_GOOD)
		z->failures = 0;
	if (changed && e->health_cb)
		e->health_cb(e->health_ctx, z->z, kind, s);
}

bool zone_due(const struct engine *e, const struct zone_rt *z, unsigned kind)
{
	const struct state_health *s = &z->state->kind[kind];
	bool put_back = e->now_us < s->tested_us - CLOCK_US; /* the clock was: a test of next year makes none due until then */
	return !z->test[kind].running && (s->health == HEALTH_UNTESTED || e->now_us >= s->next_us || put_back);
}

enum gate zone_gate(struct engine *e, struct zone_rt *z, unsigned kind)
{
	if (zone_due(e, z, kind))
		zone_test(e, z, kind);
	uint8_t health = z->state->kind[kind].health;
	if (health == HEALTH_GOOD || health == HEALTH_SILENT)
		return z->test[kind].running && health == HEALTH_SILENT ? GATE_HOLD : GATE_GO;
	return z->test[kind].running ? GATE_HOLD : GATE_ANSWERED;
}

void zone_learn(struct engine *e, struct zone_rt *z, unsigned kind, const struct verdict *v, enum outcome o)
{
	uint8_t health = z->state->kind[kind].health;
	if (o == OUTCOME_TIMEOUT || o == OUTCOME_FAILED || o == OUTCOME_MALFORMED) {
		if (++z->failures >= FAILURES_MOST && health == HEALTH_GOOD)
			set_health(e, z, kind, HEALTH_UNREACHABLE);
		return;
	}
	z->failures = 0;
	if (v->verdict == DNSBL_REFUSED && health == HEALTH_GOOD)
		set_health(e, z, kind, HEALTH_REFUSED);
}

/* --- the self-test ------------------------------------------------------------------------------------------------ */

static bool test_name(const struct zone_rt *z, unsigned kind, const char *entry, struct dnsname *ret)
{
	struct ipaddr a;
	if (kind == 2)
		return dnsname_of_domain(sv_cstr(entry), &z->suffix, ret);
	return ipaddr_parse(sv_cstr(entry), &a) == 0 && dnsname_of_address(&a, kind == 1, &z->suffix, ret);
}

/* Whether there is such a test. One that cannot even be asked has failed. */
static bool test_ask(struct engine *e, struct zone_rt *z, unsigned kind, enum role role, const char *entry, struct verdict *ret_failed)
{
	if (!*entry)
		return false;
	struct query *q = engine_query(e);
	q->zone = z;
	q->kind = (uint8_t)kind;
	q->role = (uint8_t)role;
	if (test_name(z, kind, entry, &q->name) && engine_ask(e, q, DNS_A) == 0) {
		(void)zone_count(e, z, true);
		z->test[kind].waiting++;
		return true;
	}
	engine_drop(e, q);
	*ret_failed = (struct verdict){ .verdict = DNSBL_UNKNOWN, .reason = "" };
	return true;
}

static void finish(struct engine *e, struct zone_rt *z, unsigned kind, uint8_t health)
{
	z->test[kind].running = false;
	if (health == HEALTH_GOOD && z->state->kind[kind].health != HEALTH_GOOD)
		z->good_from_us[kind] = z->test[kind].begun_us;
	set_health(e, z, kind, health);
	engine_release_held(e, z, kind);
}

static void test_file(struct engine *e, struct zone_rt *z, unsigned kind)
{
	struct test *t = &z->test[kind];
	struct sv text;
	struct ipaddr a;
	const char *entry[2] = { z->z->test_listed[kind], z->z->test_clean[kind] };
	struct verdict *v[2] = { &t->listed, &t->clean };
	uint8_t health = zonefile_health(z->file, e->now_us);
	for (int i = 0; i < 2 && health == HEALTH_GOOD; i++) {
		uint32_t code = 0;
		if (!*entry[i])
			continue;
		if (kind == 2)
			code = zonefile_domain(z->file, sv_cstr(entry[i]), &text);
		else if (ipaddr_parse(sv_cstr(entry[i]), &a) == 0)
			code = zonefile_address(z->file, &a, kind == 1, &text);
		e->word.n = 0;
		*v[i] = verdict_of(z->z, code ? OUTCOME_ANSWER : OUTCOME_NONE, &code, code != 0, &e->word);
	}
	if (health == HEALTH_GOOD)
		health = health_of(*entry[0], &t->listed, *entry[1], &t->clean);
	finish(e, z, kind, health);
}

void zone_test(struct engine *e, struct zone_rt *z, unsigned kind)
{
	struct test *t = &z->test[kind];
	*t = (struct test){ .running = true, .begun_us = e->now_us };
	if (z->file) {
		test_file(e, z, kind);
		return;
	}
	t->waiting = 1; /* so that an answer that comes at once does not end it */
	t->has_listed = test_ask(e, z, kind, ROLE_TEST_LISTED, z->z->test_listed[kind], &t->listed);
	t->has_clean = test_ask(e, z, kind, ROLE_TEST_CLEAN, z->z->test_clean[kind], &t->clean);
	if (--t->waiting == 0)
		finish(e, z, kind, health_of(t->has_listed, &t->listed, t->has_clean, &t->clean));
}

/* Does the zone exist? A key's zone need not. */
static bool ask_apex(struct engine *e, struct zone_rt *z, unsigned kind)
{
	struct query *q = engine_query(e);
	q->zone = z;
	q->kind = (uint8_t)kind;
	q->role = ROLE_APEX;
	q->name = z->suffix;
	if (!z->z->key && engine_ask(e, q, DNS_SOA) == 0)
		return true;
	engine_drop(e, q);
	return false;
}

void zone_test_answer(struct engine *e, struct query *q)
{
	struct zone_rt *z = q->zone;
	struct test *t = &z->test[q->kind];
	unsigned kind = q->kind;
	e->word.n = 0;
	struct verdict v = verdict_of(z->z, (enum outcome)q->outcome, q->code, q->n_code, &e->word);
	uint8_t role = q->role;
	bool none = q->outcome == OUTCOME_NONE;
	engine_drop(e, q);
	if (role == ROLE_APEX) {
		finish(e, z, kind, none ? HEALTH_GONE : HEALTH_SILENT);
		return;
	}
	*(role == ROLE_TEST_LISTED ? &t->listed : &t->clean) = v;
	if (--t->waiting)
		return;
	uint8_t health = health_of(t->has_listed, &t->listed, t->has_clean, &t->clean);
	if (health != HEALTH_SILENT || !ask_apex(e, z, kind))
		finish(e, z, kind, health);
}

/* --- pace --------------------------------------------------------------------------------------------------------- */

static void new_day(struct zone_rt *z, int64_t now_us)
{
	int64_t day = now_us / US_PER_DAY;
	if (z->state->day == day)
		return;
	z->state->day = day;
	z->state->asked = z->state->asked_by_watch = 0;
}

bool zone_count(struct engine *e, struct zone_rt *z, bool anyway)
{
	new_day(z, e->now_us);
	if (!anyway && z->z->per_day && z->state->asked >= z->z->per_day)
		return false;
	z->state->asked++;
	return true;
}

bool zone_has_room(const struct zone_rt *z, bool watch)
{
	const struct resolver *r = z->via;
	return (watch && z->n_asked < WATCH_LEAST) || (r->outstanding < r->window && (!watch || z->n_asked < r->window / WATCH_WINDOW));
}

int zone_take(struct engine *e, struct zone_rt *z, bool watch)
{
	int64_t now = e->now_us, per_day = z->z->per_day;
	double per_s = (double)z->z->per_second, most = per_s * BURST_S < BURST_LEAST ? BURST_LEAST : per_s * BURST_S;
	new_day(z, now);
	if (per_day && (z->state->asked >= per_day || (watch && z->state->asked_by_watch >= per_day / WATCH_SHARE)))
		return -1;
	if (z->z->per_second) {
		int64_t passed = now - z->tokens_us;
		z->tokens += passed > 0 ? (double)passed / 1e6 * per_s : 0;
		z->tokens = !z->tokens_us || z->tokens > most ? most : z->tokens;
		z->tokens_us = now;
		if (z->tokens < 1)
			return 0;
		z->tokens -= 1;
	}
	z->state->asked++;
	z->state->asked_by_watch += watch;
	return 1;
}
