/* lookup: block lists are asked by abusewatch-probe; the dashboard, which has no network, asks it over its socket and hands its answers on as they come.
 *   /rbl/stream?target=…  NDJSON as the probe writes it (probe/probe.h), for the page /rbl
 *   /rbl.json?target=…    one object: {"target":…,"results":[…],"counts":{…}}
 *   /rbl.csv?target=…     a row per list
 * Where the config says so (rbl { public = true }) everybody may ask, one target at a time and not too often. */
#ifndef WEB_LOOKUP_H
#define WEB_LOOKUP_H

#include "web/call.h"

/* The request is for the look-up page or its answers, and everybody may have them. */
bool lookup_is_public(const struct call *c);
/* The request is for an answer in pieces. */
bool lookup_is_stream(const struct call *c);
void lookup_answer(struct call *c);
/* Targets that one request may name. */
unsigned lookup_most(const struct call *c);
/* The lists and how they are, as out["lists"] and out["dead"]. -1 and e when the probe does not answer. */
int lookup_lists(struct call *c, struct json_object *out, struct err *e);

#endif
