/* tap: one interface of the config, followed: packets → sessions → frames to the analyzer. Owns its connection and connects again when that is
 * lost; sessions that end meanwhile wait, those that went with it are sent again, both up to a limit (backlog.h); beyond, they are counted. */
#ifndef COLLECTOR_CAPTURE_TAP_H
#define COLLECTOR_CAPTURE_TAP_H

#include <uv.h>

#include "lib/conf.h"

struct tap;

/* Opens the interface (needs CAP_NET_RAW). c must outlive it. NULL and e. */
struct tap *tap_new(const struct conf_capture *c, struct err *e);
/* Begins: connects to the analyzer's socket, and reads packets once that has answered. */
void tap_start(struct tap *t, uv_loop_t *loop, const char *socket);
/* The interface went down or away: its sessions were ended and sent. It is not followed again, as that takes rights that were given up. */
bool tap_is_lost(const struct tap *t);
const struct conf_capture *tap_conf(const struct tap *t);
/* Ends its sessions, sends them and closes; freed by the loop. */
void tap_stop(struct tap *t);

#endif
