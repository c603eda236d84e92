/* Client check: addresses from which accounts send, looked up when the analyzer wants to know. Bounded in how many wait, how many are under way and how many are
 * asked a day; what does not fit is counted and simply not known. */
#include <stdlib.h>

#include "lib/msg.h"
#include "lib/times.h"
#include "probe/probe.h"

#define WAIT_MOST 4096
#define ABREAST 32

/* Lists of machines that are somebody else's tool, which is what a stolen password is used from. */
static const char *const usual[] = { "authbl.dq.spamhaus.net", "zen.dq.spamhaus.net", "zen.spamhaus.org" };

struct clients {
	const struct conf *conf;
	struct engine *engine;
	struct feed *feed;
	int64_t (*now_us)(void);
	const struct dnsbl_zone **zone; size_t n_zone;
	struct target wait[WAIT_MOST]; size_t first, n_wait;
	struct engine_run *run[ABREAST];
	struct look { struct clients *c; size_t at; } look[ABREAST];
	int64_t day, today, left_out;
};

static void next(struct clients *c);

static void on_result(void *ctx, const struct engine_result *r)
{
	struct look *l = ctx;
	struct obs_listing o = { .time_us = r->asked_us, .target = r->target, .zone = sv_cstr(r->zone->name), .verdict = r->verdict, .kind = r->kind, .cause = OBS_LISTING_ASKED,
		.code = r->code, .points = r->points, .meaning = r->meaning.n ? r->meaning : r->reason, .text = r->text };
	if (r->verdict == DNSBL_LISTED || r->verdict == DNSBL_CLEAN)
		feed_listing(l->c->feed, &o);
}

static void on_done(void *ctx)
{
	struct look *l = ctx;
	l->c->run[l->at] = NULL;
	next(l->c);
}

static void next(struct clients *c)
{
	for (size_t i = 0; i < ABREAST && c->n_wait; i++) {
		if (c->run[i])
			continue;
		struct engine_request r = { .target = &c->wait[c->first], .n_target = 1, .zone = c->zone, .n_zone = c->n_zone, .result = on_result, .done = on_done, .ctx = &c->look[i] };
		c->look[i] = (struct look){ c, i };
		c->run[i] = engine_look_up(c->engine, &r);
		c->first = (c->first + 1) % WAIT_MOST;
		c->n_wait--;
	}
}

void clients_ask(struct clients *c, struct sv text)
{
	struct target t;
	struct err e;
	int64_t day = c->now_us() / US_PER_DAY;
	if (c->day != day) {
		if (c->left_out)
			msg_info("addresses of clients that were not looked up: %lld, more than client-per-day allows", (long long)c->left_out);
		c->day = day;
		c->today = c->left_out = 0;
	}
	if (!c->n_zone || target_parse(text, &t, &e) < 0 || t.kind == DNSBL_DOMAIN || t.count > 1)
		return;
	if (c->today >= c->conf->rbl.client_per_day || c->n_wait == WAIT_MOST) {
		c->left_out++;
		return;
	}
	c->today++;
	c->wait[(c->first + c->n_wait++) % WAIT_MOST] = t;
	next(c);
}

static void add_zone(struct clients *c, const struct dnsbl_zones *zones, const char *name, bool said)
{
	const struct dnsbl_zone *z = dnsbl_zone_find(zones, sv_cstr(name));
	if (z && z->enabled && (!*z->key_name || z->key || *z->file))
		c->zone[c->n_zone++] = z;
	else if (said)
		msg_warn("client-zones: the list %s %s", name, z ? "is off or lacks its key" : "is not in the table");
}

struct clients *clients_new(const struct conf *conf, struct engine *e, const struct dnsbl_zones *zones, struct feed *feed, int64_t (*now_us)(void))
{
	struct clients *c = xcalloc(1, sizeof *c);
	const struct conf_list *l = &conf->rbl.client_zones;
	c->conf = conf;
	c->engine = e;
	c->feed = feed;
	c->now_us = now_us;
	c->zone = xcalloc(l->n + sizeof usual / sizeof *usual, sizeof *c->zone);
	for (size_t i = 0; i < l->n; i++)
		add_zone(c, zones, l->v[i], true);
	for (size_t i = 0; !l->n && i < sizeof usual / sizeof *usual; i++)
		add_zone(c, zones, usual[i], false);
	return c;
}

void clients_stop(struct clients *c)
{
	for (size_t i = 0; i < ABREAST; i++)
		if (c->run[i])
			engine_cancel(c->run[i]);
	free(c->zone);
	free(c);
}
