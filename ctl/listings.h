/* listings: a file of what DNS block lists said, one JSON object a line, as `abusewatch import --listings` takes it:
 *   {"at":"2026-11-23T10:00:00Z","target":"192.0.2.25","zone":"bl.example","verdict":"listed","kind":"block","code":"127.0.0.2","points":5,
 *    "meaning":"spam source","text":"…"}                      kind, code, points, meaning and text only of what is listed
 *   {"at":"…","zone":"bl.example","verdict":"dead","reason":"…"} without a target: how the list itself is
 * What `abusewatch rbl --format ndjson` prints is such a file, too ("answered" instead of "at"; other fields are left out).
 * "asked":true: of a client that somebody asked about, not of a watched target. */
#ifndef CTL_LISTINGS_H
#define CTL_LISTINGS_H

#include "analyzer/ingest.h"

struct listings_row { bool of_zone; struct obs_listing listing; struct obs_zone zone; int64_t at_us; size_t line; };
struct listings {
	struct listings_row *row; /* by time, then by line */
	size_t n, next;           /* those before next were given */
	struct arena arena;       /* their texts */
};

/* NULL and e ("FILE:LINE: …") when a line is none. path may be "-". */
struct listings *listings_load(const char *path, struct err *e);
void listings_free(struct listings *l);
/* Gives all up to that time to the judge; INT64_MAX: the rest. */
void listings_until(struct listings *l, struct ingest *in, int64_t at_us);

#endif
