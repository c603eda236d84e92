/* state: what the probe must not forget between runs: how each list did with its test entries, what was asked of it today, and since when
 * a target is seen on it. A text file, replaced as a whole; a damaged line is passed over. Bounded. */
#ifndef PROBE_STATE_H
#define PROBE_STATE_H

#include "lib/dnsbl_zones.h"

#define STATE_SEEN_MOST 20000            /* listed pairs that are remembered; the one seen longest ago makes room */
#define STATE_SEEN_DAYS 8                /* not seen for so long: a new listing */

struct state_health { uint8_t health; unsigned fails; int64_t since_us, tested_us, next_us; };
struct state_zone { char *name; struct state_health kind[3]; int64_t day, asked, asked_by_watch; };
struct state;

/* Reads it; a file that does not exist is an empty one. path may be "": nothing is kept. */
struct state *state_load(const char *path);
void state_free(struct state *s);
/* 0, or -1 and e: it could not be written. */
int state_save(struct state *s, struct err *e);
/* The record of that zone, made when there is none. Valid until the state is freed. */
struct state_zone *state_zone(struct state *s, const char *name);
/* The target is listed there at now_us; since when it was seen so. */
int64_t state_seen(struct state *s, const char *zone, struct sv target, int64_t now_us);
/* It is not any more. */
void state_gone(struct state *s, const char *zone, struct sv target);

#endif
