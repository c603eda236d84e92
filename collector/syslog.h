/* syslog: the header of a line. RFC 3164 and RFC 5424, with or without <PRI>, as files and forwarders write them. */
#ifndef COLLECTOR_SYSLOG_H
#define COLLECTOR_SYSLOG_H

#include "collector/mta.h"
#include "collector/stamp.h"

/* Reads stamp, host, program, pid; what is left is l->text. False: the line has no stamp we know. A line with a stamp
 * but without a program gets an empty one. */
bool syslog_read(struct stamp *s, struct sv line, struct logline *ret_line);

/* "message repeated 3 times: [ text]" → 3, and l->text becomes text. "last message repeated 3 times" (no program, or that
 * of the line before) → 3 and *ret_again: the line before is meant. Any other line → 1. */
unsigned syslog_repeats(struct logline *l, bool *ret_again);

#endif
