/* segment_filter: one file that says, for up to 64 segments, which of them may hold a key: a look-up reads a page of it, instead of some of each
 * segment. It is made of what the segments' indexes hold, so it rules out those only whose index has nothing of that hash. For each index a
 * Bloom filter per segment, side by side: a row of 64 bits has one bit of each segment. The rows of a key lie in one page, which has a sum of
 * its own: what is damaged rules out nothing. Numbers are little endian. */
#ifndef ANALYZER_SEGMENT_FILTER_H
#define ANALYZER_SEGMENT_FILTER_H

#include "analyzer/segment.h"

#define FILTER_SEGMENTS 64u
#define FILTER_NAME 40u /* bytes of a segment's name, with its end */

struct filter_member { const struct segment *segment; char name[FILTER_NAME]; }; /* segment: NULL when it cannot be read; it is never ruled out */

/* Writes a new file and syncs it; an existing one of that name is replaced. */
int segment_filter_write(const char *path, const struct filter_member *member, unsigned n, int64_t *ret_bytes, struct err *e);

struct segment_filter;
struct segment_filter *segment_filter_open(const char *path, struct err *e);
void segment_filter_free(struct segment_filter *f);
/* Whether that bit stands for the segment of that name. */
bool segment_filter_covers(const struct segment_filter *f, unsigned bit, const char *name);
/* Whether the query has a key that is looked up by an index. */
bool segment_filter_helps(const struct archive_query *q);
/* Has the pages read that segment_filter_ask() will look at, without waiting for them. */
void segment_filter_ahead(const struct segment_filter *f, const struct archive_query *q);
/* A bit for each segment that may hold what the query asks for. *ret_damaged is set when a page is damaged, and left alone otherwise. */
uint64_t segment_filter_ask(const struct segment_filter *f, const struct archive_query *q, bool *ret_damaged);

#endif
