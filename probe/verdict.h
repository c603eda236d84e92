/* verdict: what one answer of one block list means. Pure: no clock, no state. The rules and their sources:
 * RFC 5782 sections 2.1 and 5; Spamhaus' codes 127.255.255.252, .254 and .255 (spamhaus.org/news/article/788, returnc/vol). */
#ifndef PROBE_VERDICT_H
#define PROBE_VERDICT_H

#include "lib/dnsbl_zones.h"

/* How a question ended. */
enum outcome { OUTCOME_ANSWER, OUTCOME_NONE /* no such name, or none of that type */, OUTCOME_REFUSED /* rcode 5 */, OUTCOME_FAILED, OUTCOME_TIMEOUT, OUTCOME_MALFORMED };

#define VERDICT_CODES 8

struct verdict {
	uint8_t verdict, kind;
	int32_t points;
	uint32_t code;       /* the one that weighs most; 0 = none */
	const char *reason;  /* static: why it is refused, unknown or dead; "" */
};

/* Of n addresses; n is 0 unless the outcome is an answer. The words of the code go to *meaning. */
struct verdict verdict_of(const struct dnsbl_zone *z, enum outcome o, const uint32_t *address, unsigned n, struct buf *meaning);

/* How a zone does with its own test entries (RFC 5782 section 5). */
enum health {
	HEALTH_UNTESTED,
	HEALTH_GOOD,
	HEALTH_SILENT,      /* does not list its test entry: empty, or it does not answer us truthfully */
	HEALTH_EMPTY,       /* the same for days */
	HEALTH_WILDCARD,    /* lists what must never be listed */
	HEALTH_GONE,        /* there is no such zone */
	HEALTH_REFUSED,
	HEALTH_UNREACHABLE,
	HEALTH_REWRITTEN,   /* answers outside 127/8 */
	HEALTHS
};

/* "untested", "good", …; the sentence for people, "" when it is good. */
const char *health_name(uint8_t h);
const char *health_reason(uint8_t h);
int health_named(struct sv name);
/* What every look-up there comes to; DNSBL_CLEAN when it is good. */
uint8_t health_verdict(uint8_t h);
/* Of the two test answers; a test that the zone has not is told as has_… false and counts as passed. */
uint8_t health_of(bool has_listed, const struct verdict *listed, bool has_clean, const struct verdict *clean);
/* The answer as it may be told, given how the zone does. */
struct verdict verdict_tell(struct verdict v, uint8_t health);

#endif
