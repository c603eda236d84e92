/* brief: a message as few bytes, to be packed: what is usual takes nothing, and a text that was told already (the client's address in the line that
 * says how it came) is a mark. */
#ifndef COLLECTOR_BRIEF_H
#define COLLECTOR_BRIEF_H

#include "collector/open.h"
#include "lib/wire.h"

#define BRIEF_TEXTS_MAX (32u << 20) /* of all texts of a message; longer ones are not told */

/* Everything but its keys and when it was last heard of. queue_id: its first key. */
void brief_put(const struct correlate *c, const struct open_msg *m, struct sv queue_id, struct buf *out);
/* Into a new message whose last_us is set. False: it is none, or more follows. The queue id must be the same; scratch is used. */
bool brief_get(struct correlate *c, struct wire *w, struct sv queue_id, struct open_msg *m, struct buf *scratch);

#endif
