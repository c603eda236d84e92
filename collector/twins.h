/* twins: Exim hands what it refuses to syslog twice, once for its main log and once for its reject log (unless
 * syslog_duplication is off). Of two equal refusals of one process within a second the second is the first again. */
#ifndef COLLECTOR_TWINS_H
#define COLLECTOR_TWINS_H

#include "lib/record.h"

#define TWINS 8u /* other processes' lines may come between */

struct twins {
	uint64_t hash[TWINS]; /* of refusals whose twin did not come yet; 0: none */
	int64_t time_us[TWINS];
	uint32_t turn;
};

struct wire;
struct buf;

/* Is r the second of two? Else it is remembered. */
bool twins_is_second(struct twins *t, const struct record *r);
void twins_save(const struct twins *t, struct buf *out);
void twins_load(struct twins *t, struct wire *w);

#endif
