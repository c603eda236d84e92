/* hours: what one principal did in each hour of a day, packed: a few bytes for every hour in which it did anything. The day at hand
 * lies in the principal's row, finished days are rows of principal_day. */
#ifndef ANALYZER_HOURS_H
#define ANALYZER_HOURS_H

#include "lib/buf.h"

enum { HOURS_MESSAGES, HOURS_RECIPIENTS, HOURS_BOUNCED, HOURS_REFUSED, HOURS_COLUMNS };

struct hours {
	int32_t day;       /* since 1970-01-01 UTC; 0: nothing yet */
	uint32_t hour;     /* at hand */
	uint32_t n[HOURS_COLUMNS];
	struct buf packed; /* the hours before */
};

struct hours_entry { int64_t hour_us; uint64_t n[HOURS_COLUMNS]; };

void hours_fini(struct hours *h);
/* Moves on to the hour of at_us, which never steps back. True: that ended a day; its bytes were appended to ret_day, which is *ret_day_number. */
bool hours_move(struct hours *h, int64_t at_us, struct buf *ret_day, int32_t *ret_day_number);
/* The day at hand as bytes, and back; hostile bytes give an empty one. */
void hours_encode(const struct hours *h, struct buf *out);
void hours_decode(struct hours *h, struct sv bytes);

/* The entries of one day's bytes, one after the other; false at their end. */
struct wire;
bool hours_next(struct wire *w, int32_t day, struct hours_entry *ret_entry);
/* The day at hand as bytes of hours_encode(): its number and its entries. */
int32_t hours_today(struct sv bytes, struct wire *ret_entries);

#endif
