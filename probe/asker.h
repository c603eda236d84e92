/* asker: looks targets up for a program that waits for the end: through the running probe when there is one (its cache, its pace, its counts), else with an
 * engine of its own. */
#ifndef PROBE_ASKER_H
#define PROBE_ASKER_H

#include "lib/conf.h"
#include "probe/engine.h"

struct asker_options {
	const struct conf *conf;             /* NULL: none */
	const char *zones_path;              /* instead of the config's; NULL */
	const char *const *forward; size_t n_forward; /* instead of the config's; none */
	bool alone;                          /* never through a running probe */
	bool no_texts;
	conf_mistake_cb *mistake;            /* of the table of lists; NULL: they are logged */
	int64_t timeout_s;                   /* 0: the config's, or 5 s */
};

struct asker;
/* NULL and e (or mistakes on stderr, e->text empty). */
struct asker *asker_new(const struct asker_options *o, struct err *e);
void asker_free(struct asker *a);
const struct dnsbl_zones *asker_zones(const struct asker *a);
struct engine *asker_engine(struct asker *a); /* NULL when it asks through the probe */
uint64_t asker_questions(const struct asker *a);

/* progress may be NULL; it is called a few times a second. 0 when every verdict was told, -1 and e when it ended before. */
int asker_look_up(struct asker *a, const struct target *t, size_t n, const struct dnsbl_zone *const *zone, size_t n_zone,
                  engine_result_cb *result, void (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx, struct err *e);

/* The parts of an engine that come from a config; zones and state belong to the caller afterwards. conf may be NULL. -1: mistakes were said. */
struct dnsbl_zones *asker_load_zones(const struct conf *conf, const char *zones_path, conf_mistake_cb *mistake);
struct state *asker_load_state(const struct conf *conf);

#endif
