#include "analyzer/outage.h"

#include "lib/times.h"

#define SLOTS 1024

struct slot {
	uint32_t domain, hour, principals; /* principals: 32-bit linear counter */
	uint16_t all, bad;
};

void outage_init(struct memory *m)
{
	memory_init(m, "outage", SLOTS * sizeof(struct slot));
}

bool outage_note(struct memory *m, uint64_t domain, uint64_t principal, bool bad, int64_t at_us)
{
	uint32_t hour = (uint32_t)(at_us / US_PER_HOUR), name = (uint32_t)(domain >> 32) | 1;
	struct slot *table = (struct slot *)(void *)m->p;
	struct slot *s = &table[domain % SLOTS];
	if (s->hour != hour)
		*s = (struct slot){ .domain = name, .hour = hour };
	if (s->domain != name)
		return false; /* a busier domain has this place for the hour: no guard, which is the strict side */
	s->principals |= 1u << (principal >> 59);
	if (s->all < UINT16_MAX) {
		s->all++;
		s->bad = (uint16_t)(s->bad + bad);
	}
	memory_touch_item(m, s, sizeof *s);
	return s->all >= 20 && s->bad * 10 >= s->all * 9 && __builtin_popcount(s->principals) >= 3;
}
