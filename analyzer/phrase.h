/* phrase: small things detectors' sentences and guards share. */
#ifndef ANALYZER_PHRASE_H
#define ANALYZER_PHRASE_H

#include "analyzer/judge.h"

struct phrase_text { char s[64]; };
struct phrase_name { char s[328]; };

/* How a sentence calls the principal: the address, or "uid 1003". */
struct phrase_name phrase_name(const struct principal *p);
struct phrase_name phrase_name_of(enum principal_kind kind, const char *id);

/* "23 Nov 19:47", in the zone of the principal's log. */
struct phrase_text phrase_time(const struct principal *p, int64_t us);
/* Mail that a list or forwarder of ours expands: owner-x@, x-bounces@, bounces+…=…@, SRS0=/SRS1=…@, prvs=… in one of our own
 * domains. (In a foreign domain anybody could write it.) */
bool phrase_is_expansion(const struct judge *j, struct sv sender);

#endif
