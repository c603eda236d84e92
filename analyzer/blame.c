#include "analyzer/blame.h"

#include <stdio.h>

#include "analyzer/listing.h"
#include "lib/jsonw.h"

#define RECEIVERS 16u

struct slot {
	uint64_t key;
	uint8_t kind, pad[7];
	char id[128];
	uint32_t weight[BLAME_HOURS];
};

struct repute { char ip[48], receiver[64]; int64_t last_us; uint32_t times[BLAME_HOURS]; };

struct blame {
	int64_t hour;                      /* at hand; arrays are by hour modulo BLAME_HOURS */
	uint64_t all[BLAME_HOURS], good[BLAME_HOURS], unknown[BLAME_HOURS];
	struct slot slot[BLAME_SLOTS];
	struct repute repute[RECEIVERS];
};

static struct memory *memory_of(const struct judge *j)
{
	return &j->listing->blame_memory;
}

static struct blame *blame_of(const struct judge *j)
{
	return (struct blame *)(void *)memory_of(j)->p;
}

void blame_init(struct memory *m)
{
	memory_init(m, "blame", sizeof(struct blame));
}

static void clear_hour(struct blame *b, size_t at)
{
	b->all[at] = b->good[at] = b->unknown[at] = 0;
	for (size_t i = 0; i < BLAME_SLOTS; i++)
		b->slot[i].weight[at] = 0;
	for (size_t i = 0; i < RECEIVERS; i++)
		b->repute[i].times[at] = 0;
}

/* Moves to the judge's hour; what is a day old is forgotten. Returns its place in the arrays. */
static size_t move(struct judge *j)
{
	struct blame *b = blame_of(j);
	int64_t hour = j->site->now_us / US_PER_HOUR;
	if (b->hour != hour) {
		int64_t passed = b->hour ? hour - b->hour : BLAME_HOURS;
		for (int64_t h = 0; h < passed && h < (int64_t)BLAME_HOURS; h++)
			clear_hour(b, (size_t)((hour - h) % BLAME_HOURS));
		b->hour = hour;
		memory_touch_all(memory_of(j));
	}
	return (size_t)(hour % BLAME_HOURS);
}

/* Whether the hour of that place lies within the day before now. */
static bool is_fresh(const struct judge *j, const struct blame *b, size_t at)
{
	int64_t age = (b->hour - (int64_t)at) % BLAME_HOURS; /* hours before b->hour */
	return j->site->now_us / US_PER_HOUR - (b->hour - age) < (int64_t)BLAME_HOURS;
}

static uint64_t sum32(const struct judge *j, const uint32_t *n)
{
	const struct blame *b = blame_of(j);
	uint64_t s = 0;
	if (b->hour == j->site->now_us / US_PER_HOUR) { /* then all are fresh */
		for (size_t h = 0; h < BLAME_HOURS; h++)
			s += n[h];
		return s;
	}
	for (size_t h = 0; h < BLAME_HOURS; h++)
		s += is_fresh(j, b, h) ? n[h] : 0;
	return s;
}

static uint64_t sum64(const struct judge *j, const uint64_t *n)
{
	const struct blame *b = blame_of(j);
	uint64_t s = 0;
	for (size_t h = 0; h < BLAME_HOURS; h++)
		s += is_fresh(j, b, h) ? n[h] : 0;
	return s;
}

/* p's slot, or that of who has least to blame, made p's. */
static struct slot *slot_of(struct judge *j, const struct principal *p)
{
	struct blame *b = blame_of(j);
	size_t least = 0;
	uint64_t lowest = UINT64_MAX;
	for (size_t i = 0; i < BLAME_SLOTS; i++)
		if (b->slot[i].key == p->key)
			return &b->slot[i];
	for (size_t i = 0; i < BLAME_SLOTS; i++) {
		uint64_t w = b->slot[i].key ? sum32(j, b->slot[i].weight) : 0;
		if (w < lowest) {
			lowest = w;
			least = i;
		}
	}
	b->slot[least] = (struct slot){ .key = p->key, .kind = p->kind };
	(void)snprintf(b->slot[least].id, sizeof b->slot[least].id, "%s", p->id);
	return &b->slot[least];
}

static uint32_t weight_of(const struct rcpt_view *r)
{
	if (r->void_receiver || r->again)
		return 0;
	if (r->blamed)
		return BLAME_SPAM;
	return r->changed && r->outcome == OUTCOME_BAD ? BLAME_UNKNOWN : 0;
}

void blame_note(struct judge *j, const struct principal *p, const struct message_view *m)
{
	uint32_t weight = 0, good = 0, unknown = 0;
	for (size_t i = 0; i < m->n_listed; i++) {
		const struct rcpt_view *r = &m->rcpt[i];
		if (m->txn->rcpt[i].local)
			continue;
		weight += weight_of(r);
		good += r->changed && r->outcome == OUTCOME_GOOD;
		unknown += r->changed && r->outcome == OUTCOME_BAD && !r->void_receiver;
	}
	if (!weight && !good && !unknown)
		return;
	size_t at = move(j);
	struct blame *b = blame_of(j);
	struct memory *mem = memory_of(j);
	b->good[at] += good;
	b->unknown[at] += unknown;
	memory_touch_item(mem, &b->good[at], sizeof b->good[at]);
	memory_touch_item(mem, &b->unknown[at], sizeof b->unknown[at]);
	if (!weight)
		return;
	struct slot *s = slot_of(j, p);
	s->weight[at] += weight;
	b->all[at] += weight;
	memory_touch_item(mem, s, sizeof *s);
	memory_touch_item(mem, &b->all[at], sizeof b->all[at]);
}

struct blame_day blame_day(const struct judge *j)
{
	const struct blame *b = blame_of(j);
	return (struct blame_day){ sum64(j, b->all), sum64(j, b->good), sum64(j, b->unknown) };
}

size_t blame_top(const struct judge *j, struct blame_share ret[BLAME_TOP])
{
	const struct blame *b = blame_of(j);
	uint64_t all = sum64(j, b->all), found[BLAME_TOP] = { 0 };
	const struct slot *top[BLAME_TOP] = { 0 };
	for (size_t i = 0; i < BLAME_SLOTS && all; i++) {
		uint64_t w = b->slot[i].key ? sum32(j, b->slot[i].weight) : 0;
		const struct slot *s = &b->slot[i];
		for (size_t k = 0; k < BLAME_TOP && w * 100 >= all * BLAME_LEAST; k++) {
			if (top[k] && (w < found[k] || (w == found[k] && s->key > top[k]->key)))
				continue;
			for (size_t q = BLAME_TOP - 1; q > k; q--) {
				found[q] = found[q - 1];
				top[q] = top[q - 1];
			}
			found[k] = w;
			top[k] = s;
			break;
		}
	}
	size_t n = 0;
	for (; n < BLAME_TOP && top[n]; n++) {
		ret[n] = (struct blame_share){ .kind = top[n]->kind, .percent = (unsigned)(found[n] * 100 / all) };
		memcpy(ret[n].id, top[n]->id, sizeof ret[n].id);
	}
	return n;
}

void blame_json(const struct judge *j, struct buf *out)
{
	struct blame_share top[BLAME_TOP];
	size_t n = blame_top(j, top);
	for (size_t i = 0; i < n; i++) {
		buf_puts(out, i ? ",{" : "[{");
		jsonw_field_text(out, SV("kind"), sv_cstr(principal_kind_name((enum principal_kind)top[i].kind)));
		jsonw_field_text(out, SV("id"), sv_cstr(top[i].id));
		jsonw_field_int(out, SV("share"), top[i].percent);
		buf_addc(out, '}');
	}
	if (n)
		buf_addc(out, ']');
}

/* --- repute ------------------------------------------------------------------------------------------------------- */

void blame_repute(struct judge *j, struct sv ip, struct sv receiver)
{
	size_t at = move(j);
	struct blame *b = blame_of(j);
	struct repute *oldest = &b->repute[0], *r = NULL;
	ip = sv_take(ip, sizeof oldest->ip - 1);
	receiver = sv_take(receiver, sizeof oldest->receiver - 1);
	for (size_t i = 0; i < RECEIVERS && !r; i++) {
		if (sv_eq(ip, sv_cstr(b->repute[i].ip)) && sv_eq(receiver, sv_cstr(b->repute[i].receiver)))
			r = &b->repute[i];
		else if (b->repute[i].last_us < oldest->last_us)
			oldest = &b->repute[i];
	}
	if (!r) {
		r = oldest;
		*r = (struct repute){ .last_us = 0 };
		memcpy(r->ip, ip.p, ip.n);
		memcpy(r->receiver, receiver.p, receiver.n);
	}
	r->last_us = j->site->now_us;
	r->times[at]++;
	memory_touch_item(memory_of(j), r, sizeof *r);
}

bool blame_reputed(const struct judge *j, struct sv ip, char ret_receiver[64], uint32_t *ret_times)
{
	const struct blame *b = blame_of(j);
	*ret_times = 0;
	for (size_t i = 0; i < RECEIVERS; i++) {
		const struct repute *r = &b->repute[i];
		uint32_t n = (uint32_t)sum32(j, r->times);
		if (n <= *ret_times || !r->receiver[0] || (r->ip[0] && !sv_eq(ip, sv_cstr(r->ip))))
			continue;
		*ret_times = n;
		memcpy(ret_receiver, r->receiver, sizeof r->receiver);
	}
	return *ret_times > 0;
}
