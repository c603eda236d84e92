/* abusewatch-probe: asks DNS block lists. It looks our own addresses and domains up again and again, answers the look-ups of the dashboard and of the command line, and
 * tells the analyzer what it finds. */
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/msg.h"
#include "lib/proc.h"
#include "lib/sandbox.h"
#include "lib/times.h"
#include "probe/asker.h"
#include "probe/probe.h"
#include "probe/verdict.h"

#define CACHE_ENTRIES 131072
#define SAVE_MS 60000
#define INVENTORY_MS 5000 /* the customers' file is looked at so often */

struct program {
	uv_loop_t loop;
	struct proc proc;
	const char *conf_path;
	struct conf *conf;
	struct dnsbl_zones *zones;
	struct state *state;
	struct engine *engine;
	struct serve *serve;
	struct feed *feed;
	struct watch *watch;
	struct clients *clients;
	uv_timer_t save, inventory;
	struct stat inventory_seen;
};

static int64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

static void save(struct program *p)
{
	struct err e;
	if (state_save(p->state, &e) < 0)
		msg_error("%s", e.text);
}

static void on_save(uv_timer_t *t)
{
	save(t->data);
}

/* One word for all kinds of targets that the zone has: the first that was tested and is not good. */
static void tell_zone(struct program *p, const struct dnsbl_zone *z)
{
	const struct state_health *worst = NULL;
	for (unsigned k = 0; k < 3; k++) {
		const struct state_health *h = engine_health(p->engine, z, k);
		if (z->targets & 1u << k && h->health != HEALTH_UNTESTED && (!worst || worst->health == HEALTH_GOOD))
			worst = h;
	}
	if (!worst)
		return;
	struct obs_zone o = { .time_us = worst->tested_us, .zone = sv_cstr(z->name), .verdict = health_verdict(worst->health), .reason = sv_cstr(health_reason(worst->health)) };
	feed_zone(p->feed, &o);
}

static void on_health(void *ctx, const struct dnsbl_zone *z, unsigned kind, const struct state_health *h)
{
	static const char *const kinds[] = { "IPv4", "IPv6", "domains" };
	struct program *p = ctx;
	if (h->health == HEALTH_GOOD)
		msg_info("%s (%s): in order", z->name, kinds[kind]);
	else
		msg_warn("%s (%s): suspended: %s", z->name, kinds[kind], health_reason(h->health));
	if (p->feed && p->engine)
		tell_zone(p, z);
}

/* The analyzer is there anew. */
static void on_again(void *ctx)
{
	struct program *p = ctx;
	for (size_t i = 0; i < p->zones->n; i++)
		if (p->zones->v[i].enabled)
			tell_zone(p, &p->zones->v[i]);
	if (p->watch)
		watch_again(p->watch);
}

static void on_room(void *ctx)
{
	struct program *p = ctx;
	if (p->watch)
		watch_go_on(p->watch);
}

static void on_ask(void *ctx, struct sv target)
{
	struct program *p = ctx;
	if (p->clients)
		clients_ask(p->clients, target);
}

static struct engine *open_engine(struct program *p, const struct conf *conf, const struct dnsbl_zones *zones, struct err *e)
{
	const struct conf_rbl *r = &conf->rbl;
	struct engine_config c = { .zones = zones, .state = p->state, .forward = (const char *const *)r->forward.v, .n_forward = r->forward.n, .fast = true,
		.timeout_ms = (unsigned)r->timeout_s * 1000, .cache_entries = CACHE_ENTRIES, .now_us = now_us };
	struct engine *engine = engine_new(&p->loop, &c, e);
	if (engine)
		engine_on_health(engine, on_health, p);
	return engine;
}

/* What runs on the engine, with the present config. */
static void open_users(struct program *p)
{
	p->watch = p->conf->rbl.watch ? watch_new(&p->loop, p->conf, p->engine, p->zones, p->feed) : NULL;
	p->clients = p->conf->rbl.client_check ? clients_new(p->conf, p->engine, p->zones, p->feed, now_us) : NULL;
}

static void close_users(struct program *p)
{
	if (p->watch)
		watch_stop(p->watch);
	if (p->clients)
		clients_stop(p->clients);
	p->watch = NULL;
	p->clients = NULL;
}

static void on_reload(void *ctx)
{
	struct program *p = ctx;
	struct err e;
	struct conf *conf = conf_load(p->conf_path, NULL, 0, NULL, NULL);
	struct dnsbl_zones *zones = conf ? asker_load_zones(conf, NULL, NULL) : NULL;
	struct engine *engine = zones ? open_engine(p, conf, zones, &e) : NULL;
	bool beyond = conf ? !zones && (sandbox_denies(conf->rbl.zones) || sandbox_denies(conf->rbl.keys)) : conf_beyond_fence();
	if (beyond && proc_start_again(&p->proc)) {
		conf_free(conf);
		return;
	}
	if (!engine) {
		msg_error("reload: %s; going on with the old one", zones ? e.text : "the config or the table of lists has mistakes");
		dnsbl_zones_free(zones);
		conf_free(conf);
		return;
	}
	close_users(p);
	serve_change(p->serve, engine, zones);
	engine_free(p->engine);
	dnsbl_zones_free(p->zones);
	conf_free(p->conf);
	p->engine = engine;
	p->zones = zones;
	p->conf = conf;
	open_users(p);
	on_again(p);
	msg_info("config and table of lists read again");
}

static void on_stop(void *ctx)
{
	struct program *p = ctx;
	save(p);
	uv_stop(&p->loop);
}

static void not_told(void *ctx, const char *file, int line, const char *text)
{
	(void)ctx, (void)file, (void)line, (void)text; /* the analyzer does */
}

static void on_inventory(uv_timer_t *t)
{
	struct program *p = t->data;
	if (conf_customers_follow(p->conf, &p->inventory_seen, not_told, NULL) > 0 && p->watch)
		watch_renew(p->watch);
}

/* The network, its state, what it reads; no other files. */
static void fence(const struct program *p)
{
	struct sandbox f = { .n = 0 };
	sandbox_allow_system(&f);
	sandbox_allow(&f, p->conf->state_dir, true);
	conf_allow(p->conf, &f);
	sandbox_allow_folder_of(&f, p->conf->rbl.zones, false);
	sandbox_allow_folder_of(&f, p->conf->rbl.keys, false);
	sandbox_allow(&f, "/usr/share/dns", false);
	for (size_t i = 0; i < p->zones->n; i++) {
		const char *colon = strchr(p->zones->v[i].file, ':');
		if (colon)
			sandbox_allow_folder_of(&f, colon + 1, false);
	}
	(void)sandbox_enter(&f);
}

static void start(struct program *p)
{
	struct err e;
	p->conf = conf_load_or_die(p->conf_path, NULL, 0);
	conf_log(p->conf);
	p->zones = asker_load_zones(p->conf, NULL, NULL);
	if (!p->zones)
		fatal("the table of block lists has mistakes");
	p->state = asker_load_state(p->conf);
	p->engine = open_engine(p, p->conf, p->zones, &e);
	if (!p->engine)
		fatal("%s", e.text);
	p->serve = serve_new(&p->loop, conf_probe_socket(p->conf).s, p->engine, p->zones, &e);
	if (!p->serve)
		fatal("%s", e.text);
	p->feed = feed_new(&p->loop, conf_ingest_socket(p->conf).s, on_again, on_room, on_ask, p);
	open_users(p);
	fence(p);
}

static void end(struct program *p)
{
	close_users(p);
	serve_stop(p->serve);
	feed_stop(p->feed);
	engine_free(p->engine);
	uv_close((uv_handle_t *)&p->save, NULL);
	uv_close((uv_handle_t *)&p->inventory, NULL);
	proc_fini(&p->proc);
	uv_run(&p->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&p->loop);
	state_free(p->state);
	dnsbl_zones_free(p->zones);
	conf_free(p->conf);
}

int main(int argc, char **argv)
{
	static struct program p;
	msg_init("abusewatch-probe");
	p.conf_path = proc_options("abusewatch-probe", "Asks DNS block lists (dnsbl.conf(5)). Runs in the foreground; SIGHUP reloads, SIGTERM ends.\n", argc, argv);
	uv_loop_init(&p.loop);
	start(&p);
	uv_timer_init(&p.loop, &p.save);
	p.save.data = &p;
	uv_timer_start(&p.save, on_save, SAVE_MS, SAVE_MS);
	uv_timer_init(&p.loop, &p.inventory);
	p.inventory.data = &p;
	uv_timer_start(&p.inventory, on_inventory, INVENTORY_MS, INVENTORY_MS);
	proc_init(&p.proc, &p.loop, on_reload, on_stop, &p);
	proc_ready(&p.proc);
	uv_run(&p.loop, UV_RUN_DEFAULT);
	end(&p);
	return 0;
}
