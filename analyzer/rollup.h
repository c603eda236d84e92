/* rollup: what the overview shows, added up between two commits: volume per 5 minutes, per principal and hour, per receiver and
 * hour. The store adds it to its tables and clears it. */
#ifndef ANALYZER_ROLLUP_H
#define ANALYZER_ROLLUP_H

#include "lib/arena.h"
#include "lib/sv.h"

#define ROLLUP_BUCKET_US (300LL * 1000000)

enum { ROLLUP_MESSAGES, ROLLUP_RECIPIENTS, ROLLUP_SENT, ROLLUP_DEFERRED, ROLLUP_BOUNCED, ROLLUP_REFUSED, ROLLUP_AUTH_FAILED, ROLLUP_COLUMNS };

struct rollup_row {
	uint64_t hash;
	int64_t time_us;     /* start of the bucket or hour */
	uint8_t kind;        /* of the principal */
	struct sv id;        /* principal or receiver; lives in the rollup's arena */
	uint32_t n[ROLLUP_COLUMNS];
};

struct rollup_map {
	struct rollup_row *row; /* dense */
	size_t n, cap_rows;
	uint32_t *slot;         /* 1 + index into row */
	size_t cap;
};

struct rollup {
	struct rollup_map volume, principal, receiver;
	struct arena text;
};

struct rollup *rollup_new(void);
void rollup_free(struct rollup *r);
void rollup_clear(struct rollup *r);
/* The row with this hash and time; made when missing (id is copied). hash must tell apart kind and id. */
struct rollup_row *rollup_at(struct rollup *r, struct rollup_map *m, uint64_t hash, int64_t time_us, uint8_t kind, struct sv id);

#endif
