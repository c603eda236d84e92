/* rollup: what the overview shows. Volume is added up between two commits, per 5 minutes. What principals and receivers did is added
 * up per hour, in memory and (what came to it from commit to commit) in hour_now; when the hour is over only those remain that a list of the most could show, as rows
 * for each of the rest would cost more than all else (a receiver or principal that never was among the first of an hour is missing
 * from a day's list, too, where it could not stand anyway). */
#ifndef ANALYZER_ROLLUP_H
#define ANALYZER_ROLLUP_H

#include "lib/arena.h"
#include "lib/sv.h"

#define ROLLUP_BUCKET_US (300LL * 1000000)
#define ROLLUP_TOP 100u       /* of an hour: by recipients, and as many by what was refused */
#define ROLLUP_IDS_MAX 262144u /* of one hour; further ones are not counted one by one */

enum { ROLLUP_MESSAGES, ROLLUP_RECIPIENTS, ROLLUP_SENT, ROLLUP_DEFERRED, ROLLUP_BOUNCED, ROLLUP_REFUSED, ROLLUP_AUTH_FAILED, ROLLUP_COLUMNS };

struct rollup_row {
	uint64_t hash;
	int64_t time_us;     /* start of the bucket or hour */
	uint8_t kind;        /* of the principal */
	bool dirty;          /* changed since the last commit */
	bool kept;           /* among the first of its hour */
	struct sv id;        /* principal or receiver; lives in the rollup */
	uint32_t n[ROLLUP_COLUMNS];
	uint32_t stored[ROLLUP_COLUMNS]; /* of n: at the last commit */
};

struct rollup_map {
	struct rollup_row *row; /* dense */
	size_t n, cap_rows;
	uint32_t *dirty;        /* those that changed since the last commit, in the order in which they did */
	size_t n_dirty;
	uint64_t *slot;         /* 1 + index into row, and the upper half of its hash: other rows need not be looked at */
	size_t cap;
	struct rollup_row none; /* counts for those that found no place */
};

/* Rows of hours that are over and not in the store yet. */
struct rollup_tops { struct rollup_row *row; size_t n, cap; };

struct rollup {
	struct rollup_map volume;              /* since the last commit */
	size_t volume_at;                      /* the row that was asked for last */
	struct rollup_map principal, receiver; /* of the hour at hand */
	struct rollup_tops top_principals, top_receivers;
	int64_t hour_us;                       /* at hand */
	bool anew;                             /* hour_now speaks of another hour */
	size_t stored_rows;                    /* in hour_now */
	struct arena text, top_text;
};

struct rollup *rollup_new(void);
void rollup_free(struct rollup *r);
/* The row of that hash and time; made when missing (id is copied), and dirty. hash must tell apart kind and id. Valid until the next call. */
struct rollup_row *rollup_volume(struct rollup *r, int64_t bucket_us);
struct rollup_row *rollup_principal(struct rollup *r, uint64_t hash, uint8_t kind, struct sv id);
struct rollup_row *rollup_receiver(struct rollup *r, uint64_t hash, struct sv id);
/* The principal's row, dirty; NULL when it is missing. */
struct rollup_row *rollup_principal_kept(struct rollup *r, uint64_t hash);
/* The principal will be asked for soon: memory may begin to fetch its place; then its row. */
static inline void rollup_place_soon(const struct rollup *r, uint64_t hash)
{
	if (r->principal.cap)
		__builtin_prefetch(&r->principal.slot[(size_t)hash & (r->principal.cap - 1)]);
}
static inline void rollup_row_soon(const struct rollup *r, uint64_t hash)
{
	uint64_t s = r->principal.cap ? r->principal.slot[(size_t)hash & (r->principal.cap - 1)] : 0;
	if (s && !((s ^ hash) >> 32))
		__builtin_prefetch(r->principal.row[(uint32_t)s - 1].n);
}
/* Event time has come to this hour. */
void rollup_hour(struct rollup *r, int64_t hour_us);
/* Whether the next commit writes the hour at hand as a whole, and not what came to it: it is another one, or hour_now became long. */
bool rollup_whole(const struct rollup *r);
/* The rows of hours that are over are in the store, or will be with the commit at hand: they are forgotten. */
void rollup_ended_written(struct rollup *r);
/* After a commit. */
void rollup_committed(struct rollup *r);

#endif
