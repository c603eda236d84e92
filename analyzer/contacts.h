/* contacts: "has this principal written to (or heard from) this address before?" Two generations of a blocked Bloom
 * filter (Putze, Sanders and Singler 2007) over (principal, address): 12 bits a pair, 4 bits set, about 0.4 % of new pairs
 * are taken for known (the safe side). A generation lasts 90 days, so a contact is remembered for 90 to 180 days. */
#ifndef ANALYZER_CONTACTS_H
#define ANALYZER_CONTACTS_H

#include "analyzer/memory.h"

#define CONTACTS_GENERATION_DAYS 90

struct contacts {
	struct memory young, old;
};

/* bytes: of each generation. */
void contacts_init(struct contacts *c, size_t bytes);
void contacts_fini(struct contacts *c);
/* It will be asked soon: memory may begin to fetch the place. */
void contacts_soon(const struct contacts *c, uint64_t pair);
bool contacts_known(const struct contacts *c, uint64_t pair);
void contacts_add(struct contacts *c, uint64_t pair);
/* The old generation is forgotten, the young one becomes old. */
void contacts_age(struct contacts *c);

#endif
