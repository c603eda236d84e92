/* state: what the probe must not forget between runs: how each list did with its test entries, what was asked of it today, and since when
 * a target is seen on it. A text file, replaced as a whole; a damaged line is passed over. Bounded. */
#ifndef PROBE_STATE_H
#define PROBE_STATE_H

#include "lib/dnsbl_zones.h"
#include "lib/hash.h"

#define STATE_SEEN_MOST 32768            /* listed pairs that are remembered, in sets of four; of a full set the one seen longest ago makes room */
#define STATE_SEEN_DAYS 8                /* not seen for so long: a new listing */

struct state_health { uint8_t health; unsigned fails; int64_t since_us, tested_us, next_us; };
/* way: how it is asked (the engine's number); its health was learned that way. */
struct state_zone { char *name; uint64_t way; struct state_health kind[3]; int64_t day, asked, asked_by_watch; };
struct state;

/* Reads it; a file that does not exist is an empty one. path may be "": nothing is kept. */
struct state *state_load(const char *path);
void state_free(struct state *s);
/* 0, or -1 and e: it could not be written. */
int state_save(struct state *s, struct err *e);
/* The record of that zone, made when there is none. Valid until the state is freed. */
struct state_zone *state_zone(struct state *s, const char *name);
/* A number that stands for a zone, a target, or both. Two pairs with one number show each other's date, no more. */
uint64_t state_key(struct sv text);
static inline uint64_t state_pair(uint64_t zone, uint64_t target) { return hash_mix(zone, target) | 1; }
/* The pair is listed at now_us; since when it was seen so. */
int64_t state_seen(struct state *s, uint64_t pair, int64_t now_us);
/* It is not any more. */
void state_gone(struct state *s, uint64_t pair);

#endif
