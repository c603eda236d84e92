/* health: what the collectors say about themselves, in words: how far behind, and how much of the log they understand. */
#ifndef WEB_HEALTH_H
#define WEB_HEALTH_H

#include "web/call.h"

/* Adds out.collectors[], of packet capture out.captures[], and whether nobody listens to them (out.analyzer_away). -1 and e on failure. */
int health_add(struct call *c, struct json_object *out, struct err *e);

#endif
