/* listing_int: the parts of the listing module, for each other, for its detector and for the store. */
#ifndef ANALYZER_LISTING_INT_H
#define ANALYZER_LISTING_INT_H

#include "analyzer/listing.h"

/* An option's share in 1/10000. */
static inline uint64_t listing_share(double share)
{
	return (uint64_t)(share * 10000 + 0.5);
}
/* Of the /24 (IPv6: /48) and wider networks around the target: the one that is nearest to being listed as a whole. Returns the listed addresses in it; 0: none. */
unsigned listing_contagion(const struct judge *j, const struct listing_target *t, uint8_t *ret_bits, unsigned *ret_limit);
/* Its reasons as one sentence's part. */
void listing_say_reasons(const struct listing_target *t, struct buf *out);
/* A receiver refused mail of the pair's target and named the list. */
void listing_named(struct judge *j, struct listing_pair *p, int64_t at_us);
/* The risk that t is listed is imminent now. */
void listing_tell_risk(struct judge *j, const struct listing_target *t);
/* For listing_risk.c and the store: what is not there is made; NULL when there is no room. */
struct listing_target *listing_target_made(struct judge *j, struct sv name, int64_t at_us);
void listing_judge(struct judge *j, struct listing_target *t, struct sv line, int64_t at_us);
struct listing_pair *listing_find_pair(const struct listing *l, const struct listing_target *t, const struct listing_zone *z);
/* Whose it is by the config: enum principal_kind. */
uint8_t listing_kind_of(const struct judge *j, const struct listing_target *t);
/* They are written with the next commit. */
void listing_touch(struct listing *l, struct listing_pair *p);
void listing_touch_target(struct judge *j, struct listing_target *t);

/* From the store: everything is copied. */
struct listing_zone *listing_zone_made(struct judge *j, struct sv name);
struct listing_pair *listing_pair_made(struct judge *j, struct listing_target *t, struct listing_zone *z);
void listing_loaded(struct judge *j);
static inline bool listing_has_seen(const struct listing_target *t, const struct listing_zone *z)
{
	return t->seen[z->id / 64] >> (z->id % 64) & 1;
}
/* After a commit. */
void listing_committed(struct listing *l);

#endif
