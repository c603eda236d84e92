/* put_off: refused recipients of which the log said only later whose they were (Sendmail's "<a@b>... User unknown" at the usual log level). */
#ifndef COLLECTOR_PUT_OFF_H
#define COLLECTOR_PUT_OFF_H

#include "collector/correlate.h"
#include "collector/session.h"

/* Keeps r, a refused recipient (with the reply) or the warning that the client left, for the line with its queue id. */
void put_off_keep(struct sessions *s, const struct record *r);
/* Tells c, as refusals of r's client, those that were put off under r's queue id; how many there were. line: the one that names the client.
 * PUT_OFF_CUT: the client left before the message was there, so that r is about none. */
#define PUT_OFF_CUT (-1)
int64_t put_off_tell(struct sessions *s, struct correlate *c, const struct record *r, struct sv line, bool keeps_removed);

#endif
