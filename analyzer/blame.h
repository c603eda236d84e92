/* blame: whose mail was refused within the last 24 hours, and how our mail as a whole fares with receivers. Receivers see only our outgoing address, so
 * that is whom they list; who caused it is found by share. Counted by the hour of event time, in a piece of memory that the store keeps.
 * Bounded: BLAME_SLOTS principals; a new one takes the place of the one with the least blame, so shares of the largest are exact. */
#ifndef ANALYZER_BLAME_H
#define ANALYZER_BLAME_H

#include "analyzer/judge.h"

#define BLAME_SLOTS 64u
#define BLAME_HOURS 24u
#define BLAME_TOP 3u
#define BLAME_LEAST 20u    /* percent; below that nobody is named: "diffuse" */

/* A refusal as spam, by policy or for a listed domain weighs as much as four recipients that do not exist: newsletters have more of these, lists are fed
 * with the former. Refusals of our address itself are not counted: they hit everybody. */
#define BLAME_SPAM 4u
#define BLAME_UNKNOWN 1u

struct blame_share { uint8_t kind; unsigned percent; char id[128]; };

/* The last day as a whole. */
struct blame_day {
	uint64_t weight;       /* of all blame */
	uint64_t good, unknown; /* recipients of our mail at other servers with a final outcome */
};

void blame_init(struct memory *m);
void blame_note(struct judge *j, const struct principal *p, const struct message_view *m);
struct blame_day blame_day(const struct judge *j);
/* The principals with most blame, at most BLAME_TOP, none below BLAME_LEAST percent. Returns their number. */
size_t blame_top(const struct judge *j, struct blame_share ret[BLAME_TOP]);
/* The same as JSON: [{"kind":"account","id":"ann@isp.example","share":62}, …]; nothing when nobody is to blame. */
void blame_json(const struct judge *j, struct buf *out);

/* A receiver limits or refuses our mail for the address's repute. ip: the address that the reply names, or "" */
void blame_repute(struct judge *j, struct sv ip, struct sv receiver);
/* The receiver that did so most often within a day to that address (or said no address), and how often. False: none did. */
bool blame_reputed(const struct judge *j, struct sv ip, char ret_receiver[64], uint32_t *ret_times);

#endif
