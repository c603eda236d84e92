/* merge: several finished files as one stream of lines in the order of their times. Files whose times do not overlap
 * are read one after another; those that do (several hosts' logs of one day) line by line. A file is opened when its
 * turn comes; ties go to the file that begins first, then to the one that was added first. */
#ifndef COLLECTOR_MERGE_H
#define COLLECTOR_MERGE_H

#include "collector/archive_reader.h"
#include "collector/pipeline.h"
#include "collector/position.h"

struct merge;

/* mta, host: see struct feed; host is borrowed (NULL: a placeholder). */
struct merge *merge_new(const struct mta *mta, const char *host, const struct zone *z, int year, int64_t now_us);
/* Of files that are added from now on; see struct stamp. */
void merge_believe_until(struct merge *m, int64_t us);
void merge_free(struct merge *m);
/* Looks at the file's first lines. -1 and e when it cannot be read. A file without any stamp counts as oldest. */
int merge_add(struct merge *m, const char *path, struct err *e);

/* Where reading stands in each file; known ones (by their first bytes) are resumed or skipped when done. Both before and
 * during merge_run. */
void merge_resume(struct merge *m, const struct positions *p);
void merge_positions(const struct merge *m, struct positions *ret);

/* Bytes of all files, as they lie on the disk. */
uint64_t merge_total(const struct merge *m);
/* Called between lines now and then (at least every ARCHIVE_READER_BYTES): bytes of files read, lines so far. False: stop. */
typedef bool merge_progress(void *ctx, uint64_t done, uint64_t lines);
/* Reads everything into p. -1 and e when a file is damaged: the others are read nevertheless, e is the first one's. */
int merge_run(struct merge *m, struct pipeline *p, merge_progress *cb, void *ctx, struct err *e);
/* Adds the files' totals. */
void merge_counters(const struct merge *m, struct obs_counters *ret);
/* The i-th file that was added, and how its lines were read; NULL beyond the last. */
const struct feed *merge_feed(const struct merge *m, size_t i, const char **ret_path);
/* The file whose line came last. */
const char *merge_path(const struct merge *m);

#endif
