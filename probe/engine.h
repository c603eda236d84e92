/* engine: looks targets up on block lists. One verdict per target and zone (lib/dnsbl.h), told as it comes.
 * A zone is believed only after its self-test (RFC 5782 section 5); it is asked no faster and no more often a day than its table says; a zone
 * that refuses us or does not answer is left alone for a while. Memory does not grow with the size of a scan. */
#ifndef PROBE_ENGINE_H
#define PROBE_ENGINE_H

#include <uv.h>

#include "lib/dnsbl_zones.h"
#include "probe/state.h"
#include "probe/target.h"

struct engine;
struct engine_run;

struct engine_config {
	const struct dnsbl_zones *zones;    /* stays with the caller */
	struct state *state;                /* likewise */
	const char *const *forward; size_t n_forward; /* resolvers to ask; none: own recursion */
	bool fast;                          /* forward: by datagrams of our own, many at once, instead of through libunbound */
	unsigned timeout_ms;                /* per question */
	size_t cache_entries;
	int64_t (*now_us)(void);
};

struct engine_result {
	const struct dnsbl_zone *zone;
	struct sv target;                   /* text; borrowed */
	uint8_t verdict, kind, health;
	int32_t points;
	uint32_t code;                      /* 0: none */
	struct sv meaning, text, reason;    /* text: what the list says, fit to be shown; never with a key in it */
	int64_t asked_us, since_us;         /* since: first seen listed there; 0 when it is not */
	uint32_t ttl_s;
	bool cached, from_file;
};

typedef void engine_result_cb(void *ctx, const struct engine_result *r);
typedef void engine_done_cb(void *ctx);
/* A zone's health changed. kind: 0 ip4, 1 ip6, 2 domain. */
typedef void engine_health_cb(void *ctx, const struct dnsbl_zone *z, unsigned kind, const struct state_health *h);

struct engine_request {
	const struct target *target; size_t n_target; /* copied … */
	struct target_set *set;             /* … or, when target is NULL, the first n_target of these, which the run keeps until it is gone */
	const struct dnsbl_zone *const *zone; size_t n_zone; /* which zones; NULL: all that are enabled */
	bool texts;                         /* ask for the lists' texts */
	bool watch;                         /* scheduled: takes at most half of a zone's day */
	engine_result_cb *result;
	engine_done_cb *done;               /* the run is gone when it returns */
	void *ctx;
};

struct engine *engine_new(uv_loop_t *loop, const struct engine_config *c, struct err *e);
/* No run may be under way, or its callbacks are never called again. Saves the state. */
void engine_free(struct engine *e);
void engine_on_health(struct engine *e, engine_health_cb *cb, void *ctx);
/* Never calls back from within. */
struct engine_run *engine_look_up(struct engine *e, const struct engine_request *r);
/* No more callbacks of it. */
void engine_cancel(struct engine_run *run);
/* Asks nothing new for it, until told to go on: its results are not being read. */
void engine_pause(struct engine_run *run, bool pause);
/* How many verdicts it will give, and how many it gave. */
void engine_progress(const struct engine_run *run, uint64_t *ret_done, uint64_t *ret_all);
/* The IPv4 addresses of a host, by the same resolver. cb comes later, with n = 0 when there are none or no answer, or the
 * engine ends; never when -1 is returned: no such name can be. */
int engine_resolve(struct engine *e, struct sv host, void (*cb)(void *ctx, const uint32_t *address, unsigned n), void *ctx);
/* Tests whatever zone is due; for a program that stays. */
void engine_test_due(struct engine *e);
/* Something turned up there that was not listed at the last look: a list that just began to list everything would say the same. Its next test is due at once, unless one was
 * passed some minutes ago. */
void engine_doubt(struct engine *e, const struct dnsbl_zone *z);
/* The worst health of a zone over the kinds of targets that it has. */
const struct state_health *engine_health(const struct engine *e, const struct dnsbl_zone *z, unsigned kind);
/* What was asked of it today. */
int64_t engine_asked_today(const struct engine *e, const struct dnsbl_zone *z);
/* Questions sent in all. */
uint64_t engine_questions(const struct engine *e);

#endif
