/* contacts: "has this principal written to (or heard from) this address before?" Two generations of a blocked Bloom
 * filter (Putze, Sanders and Singler 2007) over (principal, address): 12 bits a pair, 4 bits set, about 0.4 % of new pairs
 * are taken for known (the safe side). A generation lasts 90 days, so a contact is remembered for 90 to 180 days. */
#ifndef ANALYZER_CONTACTS_H
#define ANALYZER_CONTACTS_H

#include "analyzer/memory.h"

#define CONTACTS_GENERATION_DAYS 90

/* A contact touches a page that no other touches for long, so pages are written now and then only, and what was added meanwhile one after
 * the other. So much of that at most: then pages are written again. */
#define CONTACTS_NEW_MAX 65536u

struct contacts {
	struct memory young, old;
	uint64_t inverse; /* of the number of blocks, for taking remainders without dividing */
	uint64_t *added;  /* since the last commit */
	size_t n_added, cap_added;
	size_t waiting;   /* in the store and in no page there */
	bool pages;       /* the next commit must write pages: there were too many, or the young ones are others now */
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
/* Whether the next commit writes the young ones' pages, and not what was added. */
bool contacts_in_pages(const struct contacts *c);
/* What was added until now comes from the store. */
void contacts_loaded(struct contacts *c);
/* After a commit, which did one or the other. */
void contacts_committed(struct contacts *c);

#endif
