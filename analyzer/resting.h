/* resting: principals of whom nothing was heard for a while, packed: some 200 bytes instead of 1,300. The store has them too, so they may
 * be forgotten here. */
#ifndef ANALYZER_RESTING_H
#define ANALYZER_RESTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct judge;
struct principal;
struct resting;

struct resting *resting_new(void);
void resting_free(struct resting *r);
/* Keeps what is known of p, which must be as it is in the store; the caller frees p. */
void resting_put(struct resting *r, const struct judge *j, const struct principal *p);
/* Fills p, whose id, kind and key are set, with what was kept of it (its id, too, as it was written), which is forgotten here. False when nothing was. */
bool resting_take(struct resting *r, struct judge *j, struct principal *p);
size_t resting_count(const struct resting *r);
/* Of memory, all together. */
uint64_t resting_bytes(const struct resting *r);
/* Forgets those that were put here first, until the others take no more than that. Returns how many. */
size_t resting_shrink(struct resting *r, uint64_t most);

#endif
