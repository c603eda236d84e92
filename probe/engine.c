#include "probe/engine_int.h"

#include <stdlib.h>
#include <strings.h>

#include "lib/times.h"

#define TICK_MS 10             /* for zones that are paced, and for what could not go out at once */
#define AT_ONCE 50000          /* verdicts without a question (cache, file, suspended) between two looks at the loop */
#define DOUBT_US (5 * 60 * US_PER_S) /* a test that was passed so long ago says nothing of now */
#define HELD_MOST 16           /* look-ups of a zone while it is tested */

/* An answer that has all that is wanted of it. */
static void complete(struct engine *e, struct query *q, struct sv text)
{
	struct engine_run *run = q->run;
	struct engine_result r = { .asked_us = q->asked_us, .ttl_s = q->ttl_s, .text = text };
	enum outcome o = (enum outcome)q->outcome;
	if (o == OUTCOME_ANSWER || o == OUTCOME_NONE)
		cache_put(e->cache, q->cache_key, q->asked_us, q->ttl_s, q->code, q->n_code, text);
	engine_tell_codes(run, q->zone, q->kind, q->target, q->nth, o, q->code, q->n_code, &r);
	run->outstanding--;
	q->zone->n_asked--;
	engine_drop(e, q);
}

/* --- questions ---------------------------------------------------------------------------------------------------- */

struct query *engine_query(struct engine *e)
{
	if (!e->free_query) {
		struct query_block *b = xmalloc(sizeof *b);
		b->next = e->blocks;
		e->blocks = b;
		for (size_t i = 0; i < sizeof b->q / sizeof *b->q; i++)
			engine_drop(e, &b->q[i]);
	}
	struct query *q = e->free_query;
	e->free_query = q->next;
	q->next = NULL;
	q->run = NULL;
	q->outcome = q->n_code = 0;
	q->ttl_s = 0;
	q->asked_us = e->now_us;
	return q;
}

void engine_drop(struct engine *e, struct query *q)
{
	q->next = e->free_query;
	e->free_query = q;
}

int engine_ask(struct engine *e, struct query *q, uint16_t type)
{
	struct resolver *r = q->zone->via;
	if (r->ops->ask(r, &q->name, type, q) < 0)
		return -1;
	e->questions++;
	return 0;
}

/* Whoever is listed gets the list's own words. -1: there are none to be had. */
static int ask_text(struct engine *e, struct query *q)
{
	if (!q->run->r.texts || q->run->cancelled)
		return -1;
	if (!zone_count(e, q->zone, false))
		return -1;
	q->role = ROLE_TEXT;
	return engine_ask(e, q, DNS_TXT);
}

static void on_look_up(struct engine *e, struct query *q)
{
	struct zone_rt *z = q->zone;
	e->word.n = 0;
	struct verdict v = verdict_of(z->z, (enum outcome)q->outcome, q->code, q->n_code, &e->word);
	zone_learn(e, z, q->kind, &v, (enum outcome)q->outcome);
	bool worth = v.verdict == DNSBL_LISTED || v.verdict == DNSBL_REFUSED;
	if (worth && q->n_code && ask_text(e, q) == 0)
		return;
	if (z->test[q->kind].running && z->state->kind[q->kind].health != HEALTH_GOOD) {
		q->next = z->held[q->kind];
		z->held[q->kind] = q;
		z->n_held++;
		return;
	}
	complete(e, q, sv_make("", 0));
}

/* The words came while the zone is still being tested: rare, and then they are left out. */
static void on_text(struct engine *e, struct query *q, const struct dnsmsg *m)
{
	struct zone_rt *z = q->zone;
	if (z->test[q->kind].running && z->state->kind[q->kind].health != HEALTH_GOOD) {
		q->next = z->held[q->kind];
		z->held[q->kind] = q;
		z->n_held++;
		if (m && m->has_text && m->ttl_s)
			cache_put(e->cache, q->cache_key, q->asked_us, q->ttl_s, q->code, q->n_code, sv_make(m->text, m->n_text));
		return;
	}
	complete(e, q, m && m->has_text ? sv_make(m->text, m->n_text) : sv_make("", 0));
}

void engine_release_held(struct engine *e, struct zone_rt *z, unsigned kind)
{
	struct query *q = z->held[kind];
	z->held[kind] = NULL;
	for (struct query *next; q; q = next) {
		const struct cached *c = cache_get(e->cache, q->cache_key, q->asked_us);
		char text[DNSMSG_TEXT]; /* a copy: the cache's own goes when the answer is put there again */
		size_t n = c && c->text ? c->n_text : 0;
		memcpy(text, n ? c->text : "", n);
		next = q->next;
		z->n_held--;
		complete(e, q, sv_make(text, n));
	}
}

/* Did not fit into a datagram: libunbound asks again by TCP. */
static bool ask_whole(struct engine *e, struct query *q)
{
	return (q->zone ? q->zone->via : e->main) != e->whole && e->whole->ops->ask(e->whole, &q->name, q->role == ROLE_TEXT ? DNS_TXT : DNS_A, q) == 0;
}

static void on_answer(void *ctx, void *question, enum outcome o, const struct dnsmsg *m)
{
	struct engine *e = ctx;
	struct query *q = question;
	bool cut = m && m->truncated && !m->n_address && !m->has_text;
	if (cut && ask_whole(e, q))
		return;
	if (q->role != ROLE_TEXT) {
		q->outcome = cut ? OUTCOME_FAILED : (uint8_t)o;
		q->n_code = m ? (uint8_t)(m->n_address < VERDICT_CODES ? m->n_address : VERDICT_CODES) : 0;
		for (unsigned i = 0; i < q->n_code; i++)
			q->code[i] = m->address[i];
		q->ttl_s = m ? m->ttl_s : 0;
	}
	if (q->role == ROLE_LOOK_UP)
		on_look_up(e, q);
	else if (q->role == ROLE_TEXT)
		on_text(e, q, o == OUTCOME_ANSWER ? m : NULL);
	else if (q->role == ROLE_ADDRESS)
		engine_resolved(e, q);
	else
		zone_test_answer(e, q);
	e->dirty = true;
}

/* --- runs --------------------------------------------------------------------------------------------------------- */

static unsigned kind_of(const struct target *t)
{
	return t->kind == DNSBL_IP4 ? 0 : t->kind == DNSBL_IP6 ? 1 : 2;
}

static void step(struct engine_run *run, struct cursor *c)
{
	if (++c->nth < run->target[c->target].count)
		return;
	c->nth = 0;
	c->target++;
}

/* The next target that the zone has an opinion of; false: none is left. */
static bool seek(struct engine_run *run, const struct zone_rt *z, struct cursor *c)
{
	while (!c->done && c->target < run->r.n_target && !(run->target[c->target].kind & z->z->targets)) {
		c->target++;
		c->nth = 0;
	}
	c->done = c->done || run->cancelled || c->target >= run->r.n_target;
	return !c->done;
}

static bool question_name(const struct zone_rt *z, const struct target *t, uint64_t nth, struct dnsname *ret)
{
	if (t->kind == DNSBL_DOMAIN)
		return dnsname_of_domain(sv_cstr(z->z->registered ? t->registered : t->domain), &z->suffix, ret);
	struct ipaddr a = target_address(t, nth);
	return dnsname_of_address(&a, t->kind == DNSBL_IP6, &z->suffix, ret);
}

static void from_file(struct engine_run *run, struct zone_rt *z, const struct target *t, uint64_t nth, unsigned kind)
{
	struct engine *e = run->e;
	struct engine_result r = { .asked_us = e->now_us, .from_file = true };
	struct ipaddr a = target_address(t, nth);
	char target[TARGET_TEXT];
	uint32_t code = kind == 2 ? zonefile_domain(z->file, sv_cstr(z->z->registered ? t->registered : t->domain), &r.text) : zonefile_address(z->file, &a, kind == 1, &r.text);
	e->word.n = 0;
	if (code && run->r.texts)
		zonefile_text(r.text, sv_make(target, target_text(t, nth, target)), &e->word);
	r.text = buf_sv(&e->word);
	engine_tell_codes(run, z, kind, t, nth, code ? OUTCOME_ANSWER : OUTCOME_NONE, &code, code != 0, &r);
}

static bool from_cache(struct engine_run *run, struct zone_rt *z, const struct target *t, uint64_t nth, unsigned kind, uint64_t key)
{
	struct engine *e = run->e;
	int64_t now = e->now_us;
	const struct cached *c = cache_get(e->cache, key, now);
	if (!c || c->asked_us < z->good_from_us[kind]) /* from a time when the list was not to be believed */
		return false;
	struct engine_result r = { .asked_us = c->asked_us, .ttl_s = (uint32_t)((c->until_us - now) / US_PER_S), .cached = true, .text = sv_make(c->text ? c->text : "", c->n_text) };
	engine_tell_codes(run, z, kind, t, nth, c->n_code ? OUTCOME_ANSWER : OUTCOME_NONE, c->code, c->n_code, &r);
	return true;
}

enum started { STARTED_ASKED, STARTED_TOLD, STARTED_BLOCKED };

static enum started ask_for(struct engine_run *run, struct zone_rt *z, const struct target *t, uint64_t nth, unsigned kind, bool held)
{
	struct engine *e = run->e;
	struct query *q = engine_query(e);
	static const struct verdict used_up = { DNSBL_UNKNOWN, DNSBL_INFO, 0, 0, "as many questions as may be asked of it in a day were asked today" };
	static const struct verdict no_name = { DNSBL_UNKNOWN, DNSBL_INFO, 0, 0, "the name to ask for would be too long" };
	enum started result = STARTED_TOLD;
	bool named = question_name(z, t, nth, &q->name);
	q->cache_key = named ? cache_key(e->cache, &q->name) : 0;
	if (!named) {
		engine_tell_without(run, z, t, nth, no_name);
	} else if (held || !from_cache(run, z, t, nth, kind, q->cache_key)) {
		int room = zone_has_room(z, run->r.watch) ? zone_take(e, z, run->r.watch) : 0;
		q->run = run;
		q->zone = z;
		q->target = t;
		q->nth = nth;
		q->kind = (uint8_t)kind;
		q->role = ROLE_LOOK_UP;
		if (room > 0 && engine_ask(e, q, DNS_A) == 0) {
			run->outstanding++;
			z->n_asked++;
			return STARTED_ASKED;
		}
		if (room < 0)
			engine_tell_without(run, z, t, nth, used_up);
		else
			result = STARTED_BLOCKED;
	}
	engine_drop(e, q);
	return result;
}

/* The zone's next target. */
static enum started start(struct engine_run *run, size_t slot)
{
	struct zone_rt *z = run->zone[slot];
	struct cursor *c = &run->cursor[slot];
	if (!seek(run, z, c))
		return STARTED_BLOCKED;
	const struct target *t = &run->target[c->target];
	unsigned kind = kind_of(t);
	if (!z->file && !zone_has_room(z, run->r.watch) && z->state->kind[kind].health == HEALTH_GOOD)
		return STARTED_BLOCKED; /* the usual case of a large scan, before anything is worked out */
	static const struct verdict no_key = { DNSBL_UNKNOWN, DNSBL_INFO, 0, 0, "the list needs a key, and none is given" };
	enum started result = STARTED_TOLD;
	enum gate g = z->ready || z->file ? zone_gate(run->e, z, kind) : GATE_ANSWERED;
	if (!z->ready && !z->file)
		engine_tell_without(run, z, t, c->nth, no_key);
	else if (g == GATE_ANSWERED)
		engine_tell_without(run, z, t, c->nth, verdict_tell((struct verdict){ 0 }, z->state->kind[kind].health));
	else if (z->file)
		from_file(run, z, t, c->nth, kind);
	else if (g == GATE_HOLD && z->n_asked >= HELD_MOST)
		return STARTED_BLOCKED;
	else
		result = ask_for(run, z, t, c->nth, kind, g == GATE_HOLD);
	if (result != STARTED_BLOCKED)
		step(run, c);
	return result;
}

/* A round of all its zones, each one target. Returns how many were told or asked. */
static unsigned turn(struct engine_run *run, unsigned *told)
{
	unsigned n = 0;
	for (size_t i = 0; i < run->n_zone && !run->paused; i++) {
		if (run->cursor[i].done)
			continue;
		enum started s = start(run, i);
		n += s != STARTED_BLOCKED;
		*told += s == STARTED_TOLD;
	}
	return n;
}

static bool finished(const struct engine_run *run)
{
	for (size_t i = 0; i < run->n_zone; i++)
		if (!run->cursor[i].done)
			return false;
	return run->outstanding == 0;
}

static void run_free(struct engine_run *run)
{
	target_set_drop(run->set);
	free(run->zone);
	free(run->cursor);
	free(run);
}

static void end_runs(struct engine *e)
{
	for (struct engine_run **at = &e->runs, *run; (run = *at);) {
		if (!finished(run)) {
			at = &run->next;
			continue;
		}
		*at = run->next;
		if (!run->cancelled && run->r.done)
			run->r.done(run->r.ctx);
		run_free(run);
		at = &e->runs; /* the callback may have begun another */
	}
}

static void flush(struct engine *e)
{
	if (e->main && e->main->ops->flush)
		e->main->ops->flush(e->main);
	for (size_t i = 0; i < e->n_server; i++)
		if (e->server[i].r->ops->flush)
			e->server[i].r->ops->flush(e->server[i].r);
}

static void on_tick(uv_timer_t *t)
{
	engine_pump(t->data);
}

static void on_before_poll(uv_prepare_t *h)
{
	struct engine *e = h->data;
	if (e->dirty)
		engine_pump(e);
}

void engine_pump(struct engine *e)
{
	unsigned told = 0, n = 1;
	if (e->pumping)
		return;
	e->pumping = true;
	e->dirty = false;
	e->now_us = e->c.now_us();
	while (n && told < AT_ONCE) {
		n = 0;
		for (struct engine_run *run = e->runs; run; run = run->next)
			n += turn(run, &told);
	}
	flush(e);
	end_runs(e);
	e->pumping = false;
	if (!e->runs)
		uv_timer_stop(&e->tick);
	else if (told >= AT_ONCE)
		uv_timer_start(&e->tick, on_tick, 0, TICK_MS);
}

static void count_all(struct engine_run *run)
{
	for (size_t i = 0; i < run->n_zone; i++)
		for (size_t k = 0; k < run->r.n_target; k++)
			if (run->target[k].kind & run->zone[i]->z->targets)
				run->all += run->target[k].count;
}

static void add_zone(struct engine_run *run, struct zone_rt *z)
{
	run->zone[run->n_zone++] = z;
	if (!z->file)
		return;
	zonefile_refresh(z->file);
	for (unsigned k = 0; k < ENGINE_KINDS; k++)
		z->state->kind[k].next_us = 0; /* a test costs nothing there, and the file may be another one or old by now */
}

struct engine_run *engine_look_up(struct engine *e, const struct engine_request *r)
{
	struct engine_run *run = xcalloc(1, sizeof *run);
	run->e = e;
	run->r = *r;
	run->set = r->target ? target_set_new(r->target, r->n_target) : target_set_keep(r->set);
	run->target = run->set->v;
	size_t n_zone = r->zone && r->n_zone < e->n_zone ? r->n_zone : e->n_zone;
	run->zone = xcalloc(n_zone + 1, sizeof(struct zone_rt *));
	run->cursor = xcalloc(n_zone + 1, sizeof *run->cursor);
	for (size_t i = 0; i < e->n_zone; i++) {
		bool want = !r->zone && e->zone[i].z->enabled && (e->zone[i].ready || e->zone[i].file);
		for (size_t k = 0; k < r->n_zone && r->zone && !want; k++)
			want = r->zone[k] == e->zone[i].z;
		if (want)
			add_zone(run, &e->zone[i]);
	}
	count_all(run);
	run->next = e->runs;
	e->runs = run;
	uv_timer_start(&e->tick, on_tick, 0, TICK_MS);
	return run;
}

void engine_pause(struct engine_run *run, bool pause)
{
	run->paused = pause;
	run->e->dirty = true;
}

void engine_cancel(struct engine_run *run)
{
	run->cancelled = true;
	run->paused = false;
	uv_timer_start(&run->e->tick, on_tick, 0, TICK_MS);
}

void engine_progress(const struct engine_run *run, uint64_t *ret_done, uint64_t *ret_all)
{
	*ret_done = run->done;
	*ret_all = run->all;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

void engine_on_health(struct engine *e, engine_health_cb *cb, void *ctx)
{
	e->health_cb = cb;
	e->health_ctx = ctx;
}

void engine_test_due(struct engine *e)
{
	e->now_us = e->c.now_us();
	for (size_t i = 0; i < e->n_zone; i++)
		for (unsigned k = 0; k < ENGINE_KINDS; k++)
			if (e->zone[i].z->enabled && (e->zone[i].ready || e->zone[i].file) && e->zone[i].z->targets & 1u << k && zone_due(e, &e->zone[i], k))
				zone_test(e, &e->zone[i], k);
	flush(e);
}

void engine_doubt(struct engine *e, const struct dnsbl_zone *z)
{
	struct state_health *s = e->zone[z - e->c.zones->v].state->kind;
	for (unsigned k = 0; k < ENGINE_KINDS; k++)
		if (s[k].health == HEALTH_GOOD && e->now_us - s[k].tested_us >= DOUBT_US)
			s[k].next_us = e->now_us;
}

static const struct zone_rt *rt_of(const struct engine *e, const struct dnsbl_zone *z)
{
	return &e->zone[z - e->c.zones->v];
}

const struct state_health *engine_health(const struct engine *e, const struct dnsbl_zone *z, unsigned kind)
{
	return &rt_of(e, z)->state->kind[kind];
}

int64_t engine_asked_today(const struct engine *e, const struct dnsbl_zone *z)
{
	const struct state_zone *s = rt_of(e, z)->state;
	return s->day == e->c.now_us() / US_PER_DAY ? s->asked : 0;
}

uint64_t engine_questions(const struct engine *e)
{
	return e->questions;
}

static struct resolver *server_for(struct engine *e, const char *name, struct err *err)
{
	for (size_t i = 0; i < e->n_server; i++)
		if (strcmp(e->server[i].name, name) == 0)
			return e->server[i].r;
	struct resolver *r = resolver_direct_new(e->loop, &name, 1, false, e->c.timeout_ms, on_answer, e, err);
	if (!r)
		return NULL;
	e->server = xrealloc(e->server, (e->n_server + 1) * sizeof *e->server);
	e->server[e->n_server++] = (struct direct_server){ xstrdup(name), r };
	return r;
}

static uint64_t mix_text(uint64_t h, const char *text)
{
	return hash_mix(h, state_key(sv_cstr(text)));
}

/* A number that stands for how a zone is asked and tested. Of a key only so much goes in that a new one is noticed: it is written to the state. */
static uint64_t way_of(const struct engine *e, const struct dnsbl_zone *z)
{
	uint64_t h = z->key ? state_key(sv_cstr(z->key)) & 0xffff : 0;
	for (size_t i = 0; !*z->server && !*z->file && i < e->c.n_forward; i++)
		h = mix_text(h, e->c.forward[i]);
	h = mix_text(mix_text(h, z->server), z->file);
	for (unsigned k = 0; k < ENGINE_KINDS; k++)
		h = mix_text(mix_text(h, z->test_listed[k]), z->test_clean[k]);
	return h | 1;
}

static int open_zone(struct engine *e, size_t i, struct err *err)
{
	struct zone_rt *z = &e->zone[i];
	struct buf suffix = { 0 };
	z->z = &e->c.zones->v[i];
	z->state = state_zone(e->c.state, z->z->name);
	z->key = state_key(sv_cstr(z->z->name));
	z->via = e->main;
	z->ready = dnsbl_zone_suffix(z->z, &suffix) == 0 && dnsname_parse(buf_sv(&suffix), &z->suffix) == 0;
	if (suffix.p)
		explicit_bzero(suffix.p, suffix.n);
	buf_fini(&suffix);
	uint64_t way = way_of(e, z->z);
	if (z->state->way != way) /* its tests were passed on another way */
		memset(z->state->kind, 0, sizeof z->state->kind);
	z->state->way = way;
	if (*z->z->file && !(z->file = zonefile_open(z->z->file, err)))
		return -1;
	return *z->z->server && !(z->via = server_for(e, z->z->server, err)) ? -1 : 0;
}

static int open_resolvers(struct engine *e, struct err *err)
{
	bool fast = e->c.fast && e->c.n_forward;
	size_t n = 0;
	const char *(*stub)[2] = xcalloc(e->c.zones->n + 1, sizeof *stub);
	for (size_t i = 0; i < e->c.zones->n; i++)
		if (*e->c.zones->v[i].server) {
			stub[n][0] = e->c.zones->v[i].name;
			stub[n++][1] = e->c.zones->v[i].server;
		}
	e->whole = resolver_unbound_new(e->loop, e->c.forward, e->c.n_forward, (const char *const (*)[2])stub, n, e->c.timeout_ms, on_answer, e, err);
	free(stub);
	e->main = !e->whole ? NULL : fast ? resolver_direct_new(e->loop, e->c.forward, e->c.n_forward, true, e->c.timeout_ms, on_answer, e, err) : e->whole;
	return e->main ? 0 : -1;
}

struct engine *engine_new(uv_loop_t *loop, const struct engine_config *c, struct err *err)
{
	struct engine *e = xcalloc(1, sizeof *e);
	e->loop = loop;
	e->c = *c;
	e->cache = cache_new(c->cache_entries);
	e->now_us = c->now_us();
	uv_timer_init(loop, &e->tick);
	uv_prepare_init(loop, &e->before_poll);
	e->tick.data = e->before_poll.data = e;
	e->handles = 2;
	uv_prepare_start(&e->before_poll, on_before_poll);
	uv_unref((uv_handle_t *)&e->before_poll);
	e->zone = xcalloc(c->zones->n + 1, sizeof *e->zone);
	int bad = open_resolvers(e, err);
	for (; !bad && e->n_zone < c->zones->n; e->n_zone++)
		bad = open_zone(e, e->n_zone, err);
	if (!bad)
		return e;
	engine_free(e);
	return NULL;
}

static void on_closed(uv_handle_t *h)
{
	struct engine *e = h->data;
	if (--e->handles == 0)
		free(e);
}

void engine_free(struct engine *e)
{
	if (e->main && e->main != e->whole)
		e->main->ops->free(e->main);
	if (e->whole)
		e->whole->ops->free(e->whole);
	for (size_t i = 0; i < e->n_server; i++) {
		e->server[i].r->ops->free(e->server[i].r);
		free(e->server[i].name);
	}
	while (e->runs) {
		struct engine_run *run = e->runs;
		e->runs = run->next;
		run_free(run);
	}
	engine_end_resolves(e);
	for (struct query_block *b; (b = e->blocks);) {
		e->blocks = b->next;
		free(b);
	}
	for (size_t i = 0; i < e->n_zone; i++)
		zonefile_close(e->zone[i].file);
	free(e->server);
	free(e->zone);
	cache_free(e->cache);
	buf_fini(&e->meaning);
	buf_fini(&e->text);
	buf_fini(&e->word);
	uv_close((uv_handle_t *)&e->tick, on_closed);
	uv_close((uv_handle_t *)&e->before_poll, on_closed);
}
