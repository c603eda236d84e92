/* The watch: our own egress addresses, customers' mail servers, and our and our customers' domains, each on every list that may be asked of it, as often as the
 * lists' days allow. */
#include <stdlib.h>

#include "lib/hash.h"
#include "lib/msg.h"
#include "lib/times.h"
#include "probe/probe.h"
#include "probe/verdict.h"

#define TICK_MS 5000
#define START_MS 1000
#define PREFIX_MOST 256        /* addresses of one prefix that are watched by DNS; larger ones only on lists that lie here as files */
#define TARGETS_MOST 20000
#define SEEN_SLOTS 65536     /* a power of two; a third of them is used at most */
#define KNOWN_MOST 65536
#define PRIMARY_ADDRESSES 8
#define RESOLVE_AGAIN_US (15 * US_PER_S) /* the first time; then twice as long each time, up to an hour */
#define SETS_MOST 4          /* of targets that rounds under way go through: each goes on with those of when it began */
#define SECOND_LOOK_US (11 * 60 * US_PER_S) /* a new entry counts when it is there ten minutes later, too */

/* Whose name is given, and what it stands for. */
struct primary { struct watch *watch; const char *name; uint32_t address[PRIMARY_ADDRESSES]; unsigned n; bool is_address, unknown; };
/* A list and its rounds. How long one takes is the list's own affair: others do not wait for it. */
struct round {
	struct watch *watch;
	const struct dnsbl_zone *zone;
	struct engine_run *run;    /* NULL between rounds */
	const struct target_set *set; /* of the run, which keeps it */
	int64_t due_us;            /* by the loop's clock, which nobody puts back */
	bool again;                /* all is to be told in the next round, which is due at once */
	bool all;                  /* it is told in this one */
	bool soon;                 /* something new is listed there */
	bool untold;               /* not of all targets was it told yet what it says of them: the analyzer may know older things */
	bool unsure;               /* of a target there was no answer in the round that runs */
};

struct pair { char *target; const struct dnsbl_zone *zone; bool fresh; };

struct watch {
	uv_loop_t *loop;
	const struct conf *conf;
	struct engine *engine;
	const struct dnsbl_zones *zones;
	struct feed *feed;
	uv_timer_t tick;
	struct target_set *set; size_t n_small; /* the small ones first; what lies behind is for files only. All rounds that begin go through these */
	struct target *target; size_t n_target; /* while they are collected */
	bool others;               /* there may be others than those of the set by now */
	uint64_t *seen;            /* hashes of the targets, by open addressing; in 64 bits no two of so few meet */
	bool left_out;             /* some were, and that was told */
	struct round *round;       /* per zone */
	struct pair *known; size_t n_known; /* listed at the last look, sorted */
	bool tell_all, stopping;
	struct primary *primary; size_t n_primary;
	int64_t resolve_us, again_us; /* when primaries are asked about next; how long after that, without an answer */
	unsigned resolving;
	bool closed;
};

/* When nothing comes any more. */
static void end(struct watch *w)
{
	if (!w->closed || w->resolving)
		return;
	free(w->primary);
	free(w);
}

/* --- whom ---------------------------------------------------------------------------------------------------------- */

/* Where its hash stands, or belongs. */
static uint64_t *slot_of(struct watch *w, const struct target *t, uint64_t *ret_hash)
{
	static const struct hash_key key;
	uint64_t part[2];
	memcpy(part, t->first.b, sizeof part);
	uint64_t h = hash_mix(hash_mix(part[0], part[1]), hash_mix(t->kind, t->count));
	h = hash_mix(h, hash_sv(&key, sv_cstr(t->domain)));
	*ret_hash = h ? h : 1;
	size_t i = *ret_hash % SEEN_SLOTS;
	while (w->seen[i] && w->seen[i] != *ret_hash)
		i = (i + 1) % SEEN_SLOTS;
	return &w->seen[i];
}

static void add(struct watch *w, const struct target *t)
{
	uint64_t hash, *slot = slot_of(w, t, &hash);
	if (*slot)
		return;
	if (w->n_target == TARGETS_MOST) {
		if (!w->left_out)
			msg_warn("more than %d targets to watch; the rest is left out", TARGETS_MOST);
		w->left_out = true;
		return;
	}
	*slot = hash;
	if (w->n_target % 64 == 0)
		w->target = xrealloc(w->target, (w->n_target + 64) * sizeof *w->target);
	w->target[w->n_target++] = *t;
}

static void add_text(struct watch *w, const char *text)
{
	struct target t;
	struct err e;
	if (target_parse(sv_cstr(text), &t, &e) == 0)
		add(w, &t);
	else
		msg_debug("not watched: %s", e.text);
}

static void add_list(struct watch *w, const struct conf_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		add_text(w, l->v[i]);
}

static void add_prefixes(struct watch *w, const struct prefix_table *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct target t = { .kind = ipaddr_is_v4(&p->v[i].addr) ? DNSBL_IP4 : DNSBL_IP6, .first = p->v[i].addr };
		if (p->v[i].bits >= 104) {
			t.count = UINT64_C(1) << (128 - p->v[i].bits);
			add(w, &t);
		}
	}
}

static int by_size(const void *a, const void *b)
{
	const struct target *x = a, *y = b;
	return (x->count > PREFIX_MOST) - (y->count > PREFIX_MOST);
}

static void add_address(struct watch *w, uint32_t address)
{
	struct target t = { .count = 1, .kind = DNSBL_IP4, .first.b = { [10] = 0xff, [11] = 0xff } };
	for (unsigned k = 0; k < 4; k++)
		t.first.b[12 + k] = (uint8_t)(address >> (24 - 8 * k));
	add(w, &t);
}

static void add_customers(struct watch *w)
{
	for (size_t i = 0; i < w->conf->n_customer; i++) {
		const struct conf_customer *c = &w->conf->customer[i];
		if (c->kind == CUSTOMER_PREFIX || c->kind == CUSTOMER_DOMAIN)
			add_text(w, c->value);
	}
	for (size_t i = 0; i < w->conf->n_backup; i++)
		add_text(w, w->conf->backup[i].domain);
	for (size_t i = 0; i < w->n_primary; i++) {
		const struct primary *p = &w->primary[i];
		if (p->is_address)
			add_text(w, p->name);
		for (unsigned k = 0; k < p->n; k++)
			add_address(w, p->address[k]);
	}
}

static bool is_same(const struct watch *w)
{
	if (!w->set || w->set->n != w->n_target)
		return false;
	for (size_t i = 0; i < w->n_target; i++) {
		const struct target *a = &w->set->v[i], *b = &w->target[i];
		if (a->kind != b->kind || a->count != b->count || memcmp(&a->first, &b->first, sizeof a->first) != 0 || strcmp(a->domain, b->domain) != 0)
			return false;
	}
	return true;
}

/* How many sets rounds under way go through. */
static size_t count_sets(const struct watch *w)
{
	size_t n = 0;
	for (size_t i = 0; i < w->zones->n; i++) {
		const struct round *r = &w->round[i];
		bool seen = !r->run;
		for (size_t k = 0; k < i && !seen; k++)
			seen = w->round[k].run && w->round[k].set == r->set;
		n += !seen;
	}
	return n;
}

/* What was collected is what rounds to come go through. As long as very long rounds go through as many others as there may be, those who are new wait. */
static void take_set(struct watch *w)
{
	w->others = false;
	if (!is_same(w) && count_sets(w) >= SETS_MOST) {
		w->others = true;
	} else if (!is_same(w)) {
		target_set_drop(w->set);
		w->set = target_set_new(w->target, w->n_target);
		for (w->n_small = 0; w->n_small < w->n_target && w->target[w->n_small].count <= PREFIX_MOST;)
			w->n_small++;
	}
	free(w->target);
	w->target = NULL;
}

/* All that is to be watched by now, by config, inventory, and what the primaries' names are known to stand for. */
static void collect(struct watch *w)
{
	w->n_target = 0;
	memset(w->seen, 0, SEEN_SLOTS * sizeof *w->seen);
	add_prefixes(w, &w->conf->egress);
	add_list(w, &w->conf->rbl.also);
	add_list(w, &w->conf->local_domains);
	add_list(w, &w->conf->relay_domains);
	add_customers(w);
	if (w->n_target)
		qsort(w->target, w->n_target, sizeof *w->target, by_size);
	take_set(w);
}

static int64_t clock_us(const struct watch *w)
{
	return (int64_t)uv_now(w->loop) * 1000;
}

/* --- primaries ---------------------------------------------------------------------------------------------------- */

/* The primary of a domain that we are the second MX of is a customer's mail server. Without an answer what was known of it stays, and it is asked again soon: the network may be
 * later than we. */
static void on_address(void *ctx, const uint32_t *address, unsigned n)
{
	struct primary *p = ctx;
	struct watch *w = p->watch;
	w->resolving--;
	if (w->stopping) {
		end(w);
		return;
	}
	p->unknown = n == 0;
	p->n = n ? n < PRIMARY_ADDRESSES ? n : PRIMARY_ADDRESSES : p->n;
	if (n)
		memcpy(p->address, address, p->n * sizeof *address);
	collect(w);
	if (w->resolving)
		return;
	bool all = true;
	for (size_t i = 0; i < w->n_primary; i++)
		all = all && !w->primary[i].unknown;
	w->resolve_us = clock_us(w) + (all ? US_PER_DAY : w->again_us);
	w->again_us = all ? RESOLVE_AGAIN_US : w->again_us * 2 < US_PER_HOUR ? w->again_us * 2 : US_PER_HOUR;
}

/* Those without an answer; when all have one, all. */
static void resolve(struct watch *w)
{
	bool any = false;
	for (size_t i = 0; i < w->n_primary; i++)
		any = any || w->primary[i].unknown;
	w->resolve_us = INT64_MAX;
	for (size_t i = 0; i < w->n_primary; i++) {
		struct primary *p = &w->primary[i];
		if (p->is_address || (any && !p->unknown))
			continue;
		if (engine_resolve(w->engine, sv_cstr(p->name), on_address, p) == 0)
			w->resolving++;
		else
			p->unknown = false; /* no such name can be */
	}
}

static void list_primaries(struct watch *w)
{
	struct ipaddr a;
	w->primary = xcalloc(w->conf->n_backup + 1, sizeof *w->primary);
	for (size_t i = 0; i < w->conf->n_backup; i++) {
		const char *name = w->conf->backup[i].primary;
		size_t k = 0;
		while (k < w->n_primary && strcmp(w->primary[k].name, name) != 0)
			k++;
		if (k == w->n_primary)
			w->primary[w->n_primary++] = (struct primary){ .watch = w, .name = name, .is_address = ipaddr_parse(sv_cstr(name), &a) == 0 };
	}
	for (size_t i = 0; i < w->n_primary; i++)
		w->primary[i].unknown = !w->primary[i].is_address;
}

/* --- rounds ------------------------------------------------------------------------------------------------------- */

/* Large prefixes are for files. */
static size_t n_of(const struct watch *w, const struct dnsbl_zone *z)
{
	return *z->file ? w->set->n : w->n_small;
}

static int64_t looks_of(const struct watch *w, const struct dnsbl_zone *z)
{
	int64_t n = 0;
	for (size_t i = 0; i < n_of(w, z); i++)
		if (w->set->v[i].kind & z->targets)
			n += (int64_t)w->set->v[i].count;
	return n;
}

/* As often as asked for, unless the list's day does not suffice: the watch may take half of it. */
static int64_t interval_us(const struct watch *w, const struct dnsbl_zone *z)
{
	int64_t every = w->conf->rbl.every_s * US_PER_S, day = z->per_day / 2;
	int64_t least = *z->file || !z->per_day ? 0 : looks_of(w, z) * (US_PER_DAY / (day ? day : 1));
	return every > least ? every : least;
}

static int by_pair(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	if (x->zone != y->zone)
		return x->zone < y->zone ? -1 : 1;
	return strcmp(x->target, y->target);
}

static struct pair *find_known(struct watch *w, const char *target, const struct dnsbl_zone *zone)
{
	struct pair key = { .target = (char *)(uintptr_t)target, .zone = zone };
	return w->n_known ? bsearch(&key, w->known, w->n_known, sizeof key, by_pair) : NULL;
}

static void remember(struct watch *w, const char *target, const struct dnsbl_zone *zone)
{
	if (w->n_known == KNOWN_MOST)
		return;
	if (w->n_known % 256 == 0)
		w->known = xrealloc(w->known, (w->n_known + 256) * sizeof *w->known);
	size_t at = w->n_known++;
	struct pair p = { xstrdup(target), zone, false };
	while (at && by_pair(&w->known[at - 1], &p) > 0) {
		w->known[at] = w->known[at - 1];
		at--;
	}
	w->known[at] = p;
}

static void forget(struct watch *w, struct pair *p)
{
	free(p->target);
	memmove(p, p + 1, (size_t)(w->known + w->n_known - p - 1) * sizeof *p);
	w->n_known--;
}

static void pause_all(struct watch *w, bool pause)
{
	for (size_t i = 0; i < w->zones->n; i++)
		if (w->round[i].run)
			engine_pause(w->round[i].run, pause);
}

static void on_result(void *ctx, const struct engine_result *r)
{
	struct round *round = ctx;
	struct watch *w = round->watch;
	char target[TARGET_TEXT];
	memcpy(target, r->target.p, r->target.n);
	target[r->target.n] = 0;
	struct pair *known = find_known(w, target, r->zone);
	bool listed = r->verdict == DNSBL_LISTED, clean = r->verdict == DNSBL_CLEAN;
	/* How a list does as a whole is told by itself, not once more for each target. */
	bool own = listed || clean || r->health == HEALTH_GOOD;
	round->unsure |= !listed && !clean;
	if (listed && !known) {
		remember(w, target, r->zone);
		round->soon |= dnsbl_is_bad(r->kind);
		if (dnsbl_is_bad(r->kind))
			engine_doubt(w->engine, r->zone);
	}
	if (!listed && !known && !(round->all && own) && !(clean && round->untold))
		return;
	struct obs_listing l = { .time_us = r->asked_us, .target = r->target, .zone = sv_cstr(r->zone->name), .verdict = r->verdict, .kind = r->kind, .cause = OBS_LISTING_WATCHED,
		.code = r->code, .points = r->points, .meaning = r->meaning.n || r->verdict == DNSBL_LISTED ? r->meaning : r->reason, .text = r->text };
	feed_listing(w->feed, &l);
	if (clean && known)
		forget(w, known);
	if (feed_is_full(w->feed)) /* whole networks may be listed */
		pause_all(w, true);
}

static void on_done(void *ctx)
{
	struct round *r = ctx;
	int64_t wait = interval_us(r->watch, r->zone);
	r->run = NULL;
	r->set = NULL;
	r->due_us = clock_us(r->watch) + (r->soon && wait > SECOND_LOOK_US ? SECOND_LOOK_US : wait);
	r->untold &= r->unsure;
	r->all = r->soon = r->unsure = false;
}

static void begin(struct watch *w, struct round *r)
{
	const struct engine_request q = { .set = w->set, .n_target = n_of(w, r->zone), .zone = &r->zone, .n_zone = 1, .texts = true, .watch = true,
		.result = on_result, .done = on_done, .ctx = r };
	r->all = r->again;
	r->untold |= r->again;
	r->again = false;
	r->set = w->set;
	r->run = engine_look_up(w->engine, &q);
	engine_pause(r->run, feed_is_full(w->feed));
}

static void on_tick(uv_timer_t *t)
{
	struct watch *w = t->data;
	int64_t now = clock_us(w);
	engine_test_due(w->engine);
	if (!w->resolving && now >= w->resolve_us)
		resolve(w);
	if (w->others && count_sets(w) < SETS_MOST)
		watch_renew(w);
	if (w->resolving || !w->set->n)
		return;
	for (size_t i = 0; i < w->zones->n; i++) {
		struct round *r = &w->round[i];
		const struct dnsbl_zone *z = r->zone;
		r->again |= w->tell_all;
		bool may = z->enabled && z->watch && (!*z->key_name || z->key || *z->file);
		if (may && !r->run && (r->again || r->due_us <= now) && looks_of(w, z) > 0)
			begin(w, r);
	}
	w->tell_all = false;
}

struct watch *watch_new(uv_loop_t *loop, const struct conf *conf, struct engine *e, const struct dnsbl_zones *zones, struct feed *feed)
{
	struct watch *w = xcalloc(1, sizeof *w);
	*w = (struct watch){ .loop = loop, .conf = conf, .engine = e, .zones = zones, .feed = feed, .tell_all = true };
	w->seen = xcalloc(SEEN_SLOTS, sizeof *w->seen);
	w->round = xcalloc(zones->n + 1, sizeof *w->round);
	for (size_t i = 0; i < zones->n; i++)
		w->round[i] = (struct round){ .watch = w, .zone = &zones->v[i] };
	w->again_us = RESOLVE_AGAIN_US;
	list_primaries(w);
	collect(w);
	resolve(w);
	uv_timer_init(loop, &w->tick);
	w->tick.data = w;
	uv_timer_start(&w->tick, on_tick, START_MS, TICK_MS);
	msg_info("%zu target%s watched on block lists", w->set->n, w->set->n == 1 ? " is" : "s are");
	return w;
}

void watch_renew(struct watch *w)
{
	size_t before = w->set->n;
	collect(w);
	if (w->set->n != before)
		msg_info("%zu target%s watched on block lists, %zu before", w->set->n, w->set->n == 1 ? " is" : "s are", before);
}

void watch_go_on(struct watch *w)
{
	pause_all(w, false);
}

void watch_again(struct watch *w)
{
	w->tell_all = true;
}

static void on_closed(uv_handle_t *h)
{
	struct watch *w = h->data;
	for (size_t i = 0; i < w->n_known; i++)
		free(w->known[i].target);
	free(w->known);
	target_set_drop(w->set);
	free(w->seen);
	free(w->round);
	w->closed = true;
	end(w);
}

void watch_stop(struct watch *w)
{
	w->stopping = true;
	for (size_t i = 0; i < w->zones->n; i++)
		if (w->round[i].run)
			engine_cancel(w->round[i].run);
	uv_timer_stop(&w->tick);
	uv_close((uv_handle_t *)&w->tick, on_closed);
}
