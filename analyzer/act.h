/* act: one request of the control socket (lib/control.h) carried out and committed. */
#ifndef ANALYZER_ACT_H
#define ANALYZER_ACT_H

#include "analyzer/store.h"

/* request is one JSON object; the answer (one JSON object without newline) is appended. Never fails: mistakes become
 * {"ok":false,"error":…}. */
void act(struct store *s, struct judge *j, struct sv request, int64_t wall_us, struct buf *answer);

#endif
