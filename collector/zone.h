/* zone: the offset of stamps that do not say it themselves. */
#ifndef COLLECTOR_ZONE_H
#define COLLECTOR_ZONE_H

#include "lib/err.h"
#include "lib/sv.h"

struct zone {
	enum { ZONE_FIXED, ZONE_LOCAL, ZONE_NAMED } kind;
	int32_t fixed_s;
	char name[64];
	/* the answer of last time: quarters of an hour share one. Two offsets, where the hour comes twice. */
	int64_t memo_quarter;
	int32_t memo_first_s, memo_second_s;
	bool memo;
};

/* "local", "UTC", "+02:00", "Europe/Prague". -1 and e for another text. */
int zone_init(struct zone *z, const char *text, struct err *e);
/* Offset from UTC in seconds of that wall-clock time (seconds as if it were UTC). When clocks are put back an hour comes twice: a stamp in it
 * that lies more than ZONE_LATE_S before last_s, the time before it, is one of the second time. */
#define ZONE_LATE_S 300
int32_t zone_offset(struct zone *z, int64_t wall_s, int64_t last_s);

#endif
