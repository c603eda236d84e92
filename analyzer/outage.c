#include "analyzer/outage.h"

#include <limits.h>

#include "lib/times.h"

#define SETS 256
#define WAYS 8

struct slot {
	uint32_t domain, hour, principals; /* principals: 32-bit linear counter */
	uint16_t all, bad;
};

void outage_init(struct memory *m)
{
	memory_init(m, "outage", (size_t)SETS * WAYS * sizeof(struct slot));
}

/* Its place of this hour. Of eight who share one set the one heard of least makes room: most domains get a message or two, and who refuses everybody
 * is heard of often. Where the search begins differs, so that newcomers do not all throw out the one before. */
static struct slot *slot_of(const struct memory *m, uint64_t domain, uint32_t hour)
{
	uint32_t name = (uint32_t)(domain >> 32) | 1;
	struct slot *set = (struct slot *)(void *)m->p + domain % SETS * WAYS, *least = NULL;
	unsigned lowest = UINT_MAX;
	for (unsigned i = 0; i < WAYS; i++) {
		struct slot *s = &set[(i + (name >> 8)) % WAYS];
		if (s->domain == name && s->hour == hour)
			return s;
		unsigned heard = s->hour == hour ? s->all : 0;
		if (heard < lowest) {
			lowest = heard;
			least = s;
		}
	}
	*least = (struct slot){ .domain = name, .hour = hour };
	return least;
}

bool outage_note(struct memory *m, uint64_t domain, uint64_t principal, bool bad, int64_t at_us)
{
	struct slot *s = slot_of(m, domain, (uint32_t)(at_us / US_PER_HOUR));
	s->principals |= 1u << (principal >> 59);
	if (s->all < UINT16_MAX) {
		s->all++;
		s->bad = (uint16_t)(s->bad + bad);
	}
	memory_touch_item(m, s, sizeof *s);
	return s->all >= 20 && s->bad * 10 >= s->all * 9 && __builtin_popcount(s->principals) >= 3;
}
