#include "analyzer/hours.h"

#include "lib/times.h"
#include "lib/wire.h"

void hours_fini(struct hours *h)
{
	buf_fini(&h->packed);
}

static bool any(const struct hours *h)
{
	return (h->n[HOURS_MESSAGES] | h->n[HOURS_RECIPIENTS] | h->n[HOURS_BOUNCED] | h->n[HOURS_REFUSED]) != 0;
}

static void put_entry(const struct hours *h, struct buf *out)
{
	if (!any(h))
		return;
	wire_put_u(out, h->hour);
	for (unsigned i = 0; i < HOURS_COLUMNS; i++)
		wire_put_u(out, h->n[i]);
}

bool hours_move(struct hours *h, int64_t at_us, struct buf *ret_day, int32_t *ret_day_number)
{
	int32_t day = (int32_t)(at_us / US_PER_DAY);
	uint32_t hour = (uint32_t)(at_us % US_PER_DAY / US_PER_HOUR);
	if (day == h->day && hour == h->hour)
		return false;
	put_entry(h, &h->packed);
	memset(h->n, 0, sizeof h->n);
	h->hour = hour;
	bool ended = day != h->day && h->packed.n > 0;
	if (ended) {
		*ret_day_number = h->day;
		buf_addsv(ret_day, buf_sv(&h->packed));
	}
	if (day != h->day)
		buf_clear(&h->packed);
	h->day = day;
	return ended;
}

void hours_encode(const struct hours *h, struct buf *out)
{
	wire_put_i(out, h->day);
	buf_addsv(out, buf_sv(&h->packed));
	put_entry(h, out);
}

int32_t hours_today(struct sv bytes, struct wire *w)
{
	*w = wire_of(bytes.p ? bytes : SV(""));
	return bytes.n ? (int32_t)wire_get_i(w) : 0;
}

bool hours_next(struct wire *w, int32_t day, struct hours_entry *e)
{
	if (w->bad || w->p == w->end)
		return false;
	e->hour_us = day * US_PER_DAY + (int64_t)(wire_get_u(w) % 24) * US_PER_HOUR;
	for (unsigned i = 0; i < HOURS_COLUMNS; i++)
		e->n[i] = wire_get_u(w);
	return !w->bad;
}

void hours_decode(struct hours *h, struct sv bytes)
{
	struct wire w;
	struct hours_entry e;
	h->day = hours_today(bytes, &w);
	const uint8_t *from = w.p;
	for (const uint8_t *at = w.p; hours_next(&w, h->day, &e); at = w.p) { /* the last one is the hour at hand */
		h->hour = (uint32_t)(e.hour_us % US_PER_DAY / US_PER_HOUR);
		for (unsigned i = 0; i < HOURS_COLUMNS; i++)
			h->n[i] = (uint32_t)e.n[i];
		if (w.p == w.end)
			buf_add(&h->packed, from, (size_t)(at - from));
	}
}
