/* engine_int: what the files of the engine share among themselves. Nobody else includes this. */
#ifndef PROBE_ENGINE_INT_H
#define PROBE_ENGINE_INT_H

#include "probe/cache.h"
#include "probe/engine.h"
#include "probe/resolver.h"
#include "probe/zonefile.h"

#define ENGINE_KINDS 3 /* ip4, ip6, domain */

enum role { ROLE_LOOK_UP, ROLE_TEXT, ROLE_TEST_LISTED, ROLE_TEST_CLEAN, ROLE_APEX, ROLE_ADDRESS };

/* One question under way, or an answer that waits until its zone was tested. */
struct query {
	struct query *next;        /* free, or held */
	struct engine_run *run;    /* NULL of a test */
	struct zone_rt *zone;
	struct resolve *resolve;   /* of ROLE_ADDRESS, which has no zone */
	const struct target *target; /* of the run */
	uint64_t nth, cache_key;
	struct dnsname name;
	uint8_t kind, role;
	uint8_t outcome, n_code;
	uint32_t code[VERDICT_CODES];
	uint32_t ttl_s;
	int64_t asked_us;
};

struct resolve { struct resolve *next; void (*cb)(void *ctx, const uint32_t *address, unsigned n); void *ctx; };

struct query_block { struct query_block *next; struct query q[64]; };

struct test { bool running; unsigned waiting; int64_t begun_us; bool has_listed, has_clean; struct verdict listed, clean; };

struct zone_rt {
	const struct dnsbl_zone *z;
	struct dnsname suffix;
	bool ready;                /* its name can be asked: a key that it needs is there */
	struct resolver *via;
	struct zonefile *file;     /* instead of asking; NULL */
	struct state_zone *state;
	uint64_t key;              /* of its name, for the state */
	struct test test[ENGINE_KINDS];
	int64_t good_from_us[ENGINE_KINDS]; /* what was answered before is not believed */
	struct query *held[ENGINE_KINDS];
	unsigned n_held, n_asked;  /* answers that wait for the test; look-ups under way */
	unsigned failures;         /* one after the other */
	double tokens;
	int64_t tokens_us;
};

struct cursor { size_t target; uint64_t nth; bool done; };

struct engine_run {
	struct engine *e;
	struct engine_run *next;
	struct engine_request r;
	struct target_set *set; const struct target *target; /* target: the set's */
	struct zone_rt **zone; struct cursor *cursor; size_t n_zone, at;
	unsigned outstanding;      /* questions and held answers */
	uint64_t done, all;
	bool cancelled, paused;
};

struct direct_server { char *name; struct resolver *r; };

struct engine {
	uv_loop_t *loop;
	struct engine_config c;
	struct zone_rt *zone; size_t n_zone;
	struct resolver *main, *whole; /* whole: for answers that did not fit into a datagram; made when first needed */
	struct direct_server *server; size_t n_server;
	struct cache *cache;
	struct engine_run *runs;
	struct query *free_query;
	struct query_block *blocks;
	struct resolve *resolves;
	uv_timer_t tick;
	uv_prepare_t before_poll;  /* so that a batch of answers is followed by one batch of questions */
	unsigned handles;
	bool pumping, dirty;
	uint64_t questions;
	int64_t now_us;            /* looked at once a round: the clock costs more than an answer out of a file */
	engine_health_cb *health_cb;
	void *health_ctx;
	struct buf meaning, text, word;
};

/* engine.c */
void engine_pump(struct engine *e);
int engine_ask(struct engine *e, struct query *q, uint16_t type);
struct query *engine_query(struct engine *e);
void engine_drop(struct engine *e, struct query *q);
/* Tells the answers that waited for the zone's test. */
void engine_release_held(struct engine *e, struct zone_rt *z, unsigned kind);

/* engine_tell.c: a verdict by the zone's health or budget alone; and what a question came to. */
void engine_tell_without(struct engine_run *run, struct zone_rt *z, const struct target *t, uint64_t nth, struct verdict v);
void engine_tell_codes(struct engine_run *run, struct zone_rt *z, unsigned kind, const struct target *t, uint64_t nth, enum outcome o, const uint32_t *code, unsigned n,
                       struct engine_result *r);

/* engine_resolve.c */
void engine_resolved(struct engine *e, struct query *q);
/* Nobody will be told any more; those who wait are told so. */
void engine_end_resolves(struct engine *e);

/* engine_zone.c */
/* May a question of that kind go out? GATE_GO, GATE_HOLD (a test runs: a few may, their answers wait), GATE_ANSWERED (its health is the answer). */
enum gate { GATE_GO, GATE_HOLD, GATE_ANSWERED };
enum gate zone_gate(struct engine *e, struct zone_rt *z, unsigned kind);
/* Whether there is room for one more look-up on the zone's way. Of the watch each list has a little, and none nearly
 * all: one that never answers would keep those up that go the same way. */
bool zone_has_room(const struct zone_rt *z, bool watch);
/* Takes one question out of the zone's pace and day: 1, 0: not now, -1: the day is used up. */
int zone_take(struct engine *e, struct zone_rt *z, bool watch);
/* Counts a question beside the look-ups; false: the day is used up, and it is not to be asked. anyway: it is asked none the less. */
bool zone_count(struct engine *e, struct zone_rt *z, bool anyway);
void zone_test_answer(struct engine *e, struct query *q);
/* What an ordinary answer says about the zone itself. */
void zone_learn(struct engine *e, struct zone_rt *z, unsigned kind, const struct verdict *v, enum outcome o);
void zone_test(struct engine *e, struct zone_rt *z, unsigned kind);
bool zone_due(const struct engine *e, const struct zone_rt *z, unsigned kind);

#endif
