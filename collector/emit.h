/* emit: what a pipeline makes, as frames (lib/obs.h) in a buffer that its owner drains. */
#ifndef COLLECTOR_EMIT_H
#define COLLECTOR_EMIT_H

#include "collector/snapshot.h"

#define EMIT_SNAPSHOT_BYTES (16u << 20) /* of input between two snapshots */

struct emit { struct buf out, blob; };

/* The sink of a pipeline whose reports shall go to e, which must stay where it is. */
struct pipeline_sink emit_sink(struct emit *e);
/* SHAPEs that are new or have doubled, and COUNTERS. */
void emit_counters(struct emit *e, struct pipeline *p, const struct snapshot *s, uint64_t lag_bytes, struct sv path);
/* The same and a SNAPSHOT. s: positions and totals of reading. */
void emit_state(struct emit *e, struct pipeline *p, const struct snapshot *s, uint64_t lag_bytes, struct sv path);
void emit_fini(struct emit *e);

#endif
