/* times: microseconds since the epoch to text and back. No wall clock in here. */
#ifndef LIB_TIMES_H
#define LIB_TIMES_H

#include "lib/sv.h"

#define US_PER_S 1000000LL
#define US_PER_HOUR (3600LL * US_PER_S)
#define US_PER_DAY (86400LL * US_PER_S)
/* A machine's clock that is a day and more behind what it was: it stood ahead before, or stands behind until it is set right, as machines without a battery begin. Who would follow it
 * waits for so long. */
#define CLOCK_BACK_US US_PER_DAY
#define CLOCK_WAIT_US (600 * US_PER_S)
#define CLOCK_LEAST_US (20454 * US_PER_DAY) /* 2026-01-01: a clock that shows less is not set yet, however long */

struct buf;

/* Days since 1970-01-01 of a proleptic Gregorian date (month 1..12). */
int64_t times_days(int64_t year, unsigned month, unsigned day);
/* RFC 3339 with numeric offset, microseconds only when they are not zero: 2026-11-23T19:47:08+00:00 */
void times_rfc3339(int64_t us, int32_t utc_offset_s, struct buf *out);
/* The same to p, where TIMES_BYTES must be free, and a NUL; returns where that is. */
#define TIMES_BYTES 40u
char *times_put(char *p, int64_t us, int32_t utc_offset_s);
/* The same into a static-size field. */
struct times_text { char s[TIMES_BYTES]; };
struct times_text times_text(int64_t us, int32_t utc_offset_s);
/* Reads RFC 3339 ("T" or space, fraction, "Z" or ±hh:mm; no zone = UTC; date alone = midnight UTC). 0 or -1. */
int times_parse(struct sv text, int64_t *ret_us);
/* The same as people write it: no zone = that of this machine (TZ). */
int times_parse_local(struct sv text, int64_t *ret_us);
/* The same for the end of a stretch of time: of a date alone its last microsecond. */
int times_parse_local_end(struct sv text, int64_t *ret_us);
static inline void times_no_later(int64_t *us, int64_t than_us)
{
	*us = *us < than_us ? *us : than_us;
}
/* When clocks here show what UTC's show at shown_us. */
int64_t times_local_us(int64_t shown_us);

#endif
