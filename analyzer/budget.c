#include "analyzer/budget.h"

#include "analyzer/acase.h"

#define BIN_NATS (NAT / 2)
#define MOST (18 * NAT)
#define ONE 256u /* counts are halved every 30 days; whole numbers would vanish too soon */

struct budget {
	int64_t aged_us;
	uint64_t days[PRINCIPAL_KINDS];
	uint32_t bins[PRINCIPAL_KINDS][BUDGET_BINS];
	int32_t open[PRINCIPAL_KINDS]; /* 0: what the config says */
};

static struct budget *budget_of(const struct judge *j)
{
	return (struct budget *)(void *)j->budget_memory.p;
}

void budget_init(struct memory *m)
{
	memory_init(m, "budget", sizeof(struct budget));
}

static void count(struct judge *j, enum principal_kind kind, int32_t score, bool day)
{
	struct budget *b = budget_of(j);
	uint32_t *bin = &b->bins[kind][score / BIN_NATS < BUDGET_BINS ? score / BIN_NATS : BUDGET_BINS - 1];
	if (*bin <= UINT32_MAX - ONE)
		*bin += ONE;
	b->days[kind] += day ? ONE : 0;
	memory_touch(&j->budget_memory, (size_t)((char *)bin - (char *)b));
	memory_touch(&j->budget_memory, (size_t)((char *)&b->days[kind] - (char *)b));
}

void budget_note(struct judge *j, struct principal *p)
{
	int32_t day = (int32_t)(j->site->now_us / US_PER_DAY);
	if (p->top_day != day) {
		if (p->top_day && p->top >= 0)
			count(j, (enum principal_kind)p->kind, p->top, true);
		p->top_day = day;
		p->top = 0;
	}
	/* A day with a case that stands is no false one; if it was, somebody says so. */
	if (p->open_case)
		p->top = -1;
	else if (p->top >= 0 && p->score > p->top)
		p->top = p->score;
}

void budget_false_alarm(struct judge *j, enum principal_kind kind, int32_t peak)
{
	count(j, kind, peak > 0 ? peak : 0, false);
}

static int32_t within(const struct budget *b, enum principal_kind kind, int64_t per_10000, int64_t least)
{
	int32_t lowest = MOST;
	uint64_t above = 0;
	for (int32_t bin = BUDGET_BINS - 1; bin * BIN_NATS >= least; bin--) {
		above += b->bins[kind][bin];
		if (above * 10000 > (uint64_t)per_10000 * b->days[kind])
			break;
		if (bin * BIN_NATS <= MOST)
			lowest = bin * BIN_NATS;
	}
	return lowest;
}

static void age(struct budget *b, int64_t now_us)
{
	b->aged_us = b->aged_us ? fixed_then(b->aged_us, now_us) : now_us;
	if (now_us - b->aged_us < 30 * US_PER_DAY)
		return;
	b->aged_us = now_us;
	for (size_t k = 0; k < PRINCIPAL_KINDS; k++) {
		b->days[k] /= 2;
		for (size_t i = 0; i < BUDGET_BINS; i++)
			b->bins[k][i] /= 2;
	}
}

void budget_retune(struct judge *j)
{
	struct budget *b = budget_of(j);
	age(b, j->site->now_us);
	for (size_t k = 0; k < PRINCIPAL_KINDS; k++) {
		bool enough = b->days[k] >= (uint64_t)BUDGET_DAYS_LEAST * ONE;
		b->open[k] = enough && j->limits.budget ? within(b, (enum principal_kind)k, j->limits.budget, j->limits.budget_least) : 0;
	}
	memory_touch_all(&j->budget_memory);
}

int32_t budget_threshold(const struct judge *j, enum principal_kind kind)
{
	int32_t tuned = budget_of(j)->open[kind];
	return tuned && j->limits.budget ? tuned : (int32_t)j->limits.open;
}
