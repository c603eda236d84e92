/* stamp: the time at the start of a line. RFC 3164 ("Nov 24 00:00:00", no year, no zone; also with a fraction), RFC 3339/ISO 8601 with
 * fraction and zone, and journalctl's short-full and short-unix. A stamp without a year takes the one of the stamps before it (rolling over from December to
 * January), the first one `year` when given, else the newest year that does not lie in the future of `now_us`.
 * Where the lines are judged a clock that was never set must not carry the others along: a stamp beyond `until_us`, and a week and more beyond all before
 * it, counts as the newest one that was believed (before the first: as `now_us`), unless a thousand of them come in a row. */
#ifndef COLLECTOR_STAMP_H
#define COLLECTOR_STAMP_H

#include "collector/zone.h"

struct stamp {
	struct zone zone;
	int64_t now_us;  /* what the future is measured by; asked only until a stamp is believed */
	int64_t until_us; /* what lies after it and all before is not believed; 0: everything is */
	int year;        /* of the last year-less stamp; 0 before the first */
	bool year_given; /* the first stamp's year was said by the operator */
	int64_t last_us; /* the newest stamp without a year or without a zone */
	int64_t left_us; /* where the year-less stamps were before they went to the next year over some days; 0: they did not, or went on from there */
	int64_t leapt_us; /* where they went */
	int64_t heard_us; /* the newest that was believed (of a clock that was set back a little, the one set back); 0: none */
	uint64_t future; /* stamps that were not */
	unsigned in_a_row; /* of these */
	/* lines of one second share their stamp */
	char memo[20];
	size_t memo_n;
	int64_t memo_us;
	int32_t memo_offset_s;
};

#define STAMP_FUTURE_US (86400LL * 1000000) /* what clocks that are set may be ahead by: zones are wrong, too */

/* year 0: not given. */
void stamp_init(struct stamp *s, const struct zone *z, int year, int64_t now_us);
/* The machine's clock was put back to now_us: what was believed because it was near the time of then says no more what year it is and what is dated ahead. */
void stamp_put_back(struct stamp *s, int64_t now_us);
/* Reads the stamp at the start of *text, which moves past it and the space after it. False: there is none. */
bool stamp_read(struct stamp *s, struct sv *text, int64_t *ret_us, int32_t *ret_offset_s);
/* Does text begin with the n bytes that were the last stamp? */
static inline bool stamp_is_memo(const struct stamp *s, struct sv text, size_t n)
{
	return s->memo_n == n && text.n >= n && memcmp(s->memo, text.p, n) == 0;
}
/* Reads the stamp at p (15 bytes: without a year, or 19: a date and a time) where it is a later second of the minute of the stamp before:
 * then nothing but the seconds changes, and s->memo_us says when. False: it is not, and nothing was done. */
bool stamp_later_second(struct stamp *s, const char *p, size_t n);

#endif
