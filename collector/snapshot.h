/* snapshot: the whole state of one stream as bytes, and back. What is read again after loading it gives the same
 * reports with the same numbers as if reading had never stopped. */
#ifndef COLLECTOR_SNAPSHOT_H
#define COLLECTOR_SNAPSHOT_H

#include "collector/pipeline.h"
#include "collector/position.h"

struct snapshot {
	struct positions positions;
	struct obs_counters totals; /* of reading; the pipeline keeps its own */
	struct buf again, heading;  /* see struct feed */
	int64_t wall_us;            /* the machine's clock when something was last read; 0: not known */
};

void snapshot_fini(struct snapshot *s);
void snapshot_save(const struct snapshot *s, const struct pipeline *p, struct buf *out);
/* Into an empty snapshot and a fresh pipeline. An empty blob is the state at the beginning. 0, or 1 when an older version wrote it: only the snapshot was
 * read, and the messages that were open then are given up (pipeline_skip_to() what was applied). -1 and e when the bytes mean nothing to this
 * version: then both must be thrown away. */
int snapshot_load(struct sv blob, struct snapshot *s, struct pipeline *p, struct err *e);

#endif
