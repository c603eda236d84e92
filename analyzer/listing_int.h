/* listing_int: the parts of the listing module, for each other, for its detector and for the store. */
#ifndef ANALYZER_LISTING_INT_H
#define ANALYZER_LISTING_INT_H

#include "analyzer/listing.h"

/* An option's share in 1/10000. */
static inline uint64_t listing_share(double share)
{
	return (uint64_t)(share * 10000 + 0.5);
}
/* Its reasons as one sentence's part. */
void listing_say_reasons(const struct listing_target *t, struct buf *out);
/* A receiver refused mail of the pair's target and named the list. */
void listing_named(struct judge *j, struct listing_pair *p, int64_t at_us);
/* For listing_risk.c and the store: what is not there is made. */
struct listing_target *listing_target_made(struct judge *j, struct sv name, int64_t at_us);
void listing_judge(struct judge *j, struct listing_target *t, struct sv line, int64_t at_us);
void listing_touch_target(struct judge *j, struct listing_target *t);

/* From the store: everything is copied. */
struct listing_zone *listing_zone_made(struct judge *j, struct sv name);
struct listing_pair *listing_pair_made(struct judge *j, struct listing_target *t, struct listing_zone *z);
void listing_loaded(struct judge *j);
/* After a commit. */
void listing_committed(struct listing *l);

#endif
