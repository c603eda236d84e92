/* outage: receivers that refuse nearly everybody at the moment (a migration, a broken directory) say nothing about one
 * sender. Per receiving domain and hour: how many recipients, how many unknown, from how many principals. */
#ifndef ANALYZER_OUTAGE_H
#define ANALYZER_OUTAGE_H

#include "analyzer/memory.h"

void outage_init(struct memory *m);
/* Counts one outcome; true when the domain's verdicts are void: at least 90 % of 20 or more recipients of three or
 * more principals were unknown in this hour. */
bool outage_note(struct memory *m, uint64_t domain, uint64_t principal, bool bad, int64_t at_us);

#endif
