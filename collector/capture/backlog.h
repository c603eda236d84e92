/* backlog: sessions on their way to the analyzer. Those that were not sent yet wait, up to a limit; of those that were, the newest are kept, as a
 * connection that breaks takes with it what the analyzer had not read or not committed: then they are sent again. */
#ifndef COLLECTOR_CAPTURE_BACKLOG_H
#define COLLECTOR_CAPTURE_BACKLOG_H

#include "lib/buf.h"

struct backlog {
	struct buf bytes;      /* of each session its number, its length, its frame */
	size_t head, next;     /* the oldest that is kept; the first that was not sent */
	uint64_t forgotten, applied; /* highest number that was sent and is no longer kept; that the analyzer is known to have */
};

#define BACKLOG_WAIT (8u << 20) /* bytes that were not sent: some minutes of a busy link */
#define BACKLOG_SENT (2u << 20) /* bytes that were: the analyzer commits twice a second */

void backlog_fini(struct backlog *b);
/* False: there is no room, and the session is dropped. Numbers rise by one. */
bool backlog_put(struct backlog *b, uint64_t seq, struct sv frame);
/* Appends frames that were not sent yet, until there are `most` bytes. */
void backlog_take(struct backlog *b, struct buf *out, size_t most);
/* Bytes that were not sent yet. */
static inline size_t backlog_waiting(const struct backlog *b) { return b->bytes.n - b->next; }
/* A new connection, whose other side has everything up to `applied`. What is behind that will be sent again; returns how many sessions are lost: sent,
 * not applied and no longer kept. */
uint64_t backlog_rewind(struct backlog *b, uint64_t applied);

#endif
