/* children: the programs of the house as child processes: started with fd 3 to us, restarted with back-off when they die,
 * pinged, told to reload, and ended in order. */
#ifndef SUPERVISOR_CHILDREN_H
#define SUPERVISOR_CHILDREN_H

#include <uv.h>

#include "lib/conf.h"

#define CHILD_RESTART_FIRST_MS 500   /* then doubled … */
#define CHILD_RESTART_MOST_MS 60000  /* … up to this */
#define CHILD_STEADY_MS 30000        /* ran so long: the next death is a first one again */
#define CHILD_STOP_MS 10000          /* asked to end and still there: killed */
#define CHILD_PING_MS 30000
#define CHILD_PINGS_MISSED 6         /* three minutes without an answer: hung, killed */

struct children;

struct child_spec {
	const char *program; /* "abusewatch-analyzer" */
	unsigned stop_order; /* all of a lower order have ended before the next are asked */
	bool raw_packets; /* it gets CAP_NET_RAW, as far as we have that ourselves */
};

struct children *children_new(uv_loop_t *loop, const char *bin_dir, const char *conf_path, bool debug);
/* Starts one program; it stays until children_stop(), or until it is not wanted any more. */
void children_add(struct children *c, const struct child_spec *spec);
/* Whether that program shall run: starts it, or asks it to end. */
void children_want(struct children *c, const struct child_spec *spec, bool wanted);
void children_reload(struct children *c);
/* Asks all to end, in order; done is called when the last one has. */
void children_stop(struct children *c, void (*done)(void *ctx), void *ctx);
void children_free(struct children *c);

#endif
