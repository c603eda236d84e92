#include "analyzer/backup_health.h"

#include <math.h>

static const char *const reasons[] = { "no such host", "accepts no mail (null MX)", "loops back to us", "name server trouble", "connection refused",
	                               "timed out", "unreachable", "connection dropped" };
static const char *const slice_names[] = { "unknown", "up", "degraded", "down" };
static const char *const states[] = { "no-mail-seen", "not-tried", "up", "degraded", "failing", "outage", "never-answered" };
static const char *const alerts[] = { "outage", "over", "expiry-48h", "expiry-24h", "expiry-6h", "never-answers", "slow-drain" };

const char *backup_reason_name(enum backup_reason r) { return reasons[r]; }
const char *backup_slice_name(enum backup_slice s) { return slice_names[s]; }
const char *backup_state_name(enum backup_state s) { return states[s]; }
const char *backup_alert_name(enum backup_alert a) { return alerts[a]; }

/* --- slices ------------------------------------------------------------------------------------------------------- */

enum backup_slice backup_slice_get(const struct backup_health *h, uint32_t slice)
{
	if (slice > h->slice || h->slice - slice >= BACKUP_SLICES)
		return BACKUP_UNKNOWN;
	uint32_t i = slice % BACKUP_SLICES;
	return (enum backup_slice)(h->slices[i / 4] >> (i % 4 * 2) & 3);
}

static void slice_set(struct backup_health *h, uint32_t slice, enum backup_slice s)
{
	uint32_t i = slice % BACKUP_SLICES, shift = i % 4 * 2;
	h->slices[i / 4] = (unsigned char)((h->slices[i / 4] & ~(3u << shift)) | (unsigned)s << shift);
}

/* Makes room up to that slice. False when it is too old to be kept. */
static bool slice_reach(struct backup_health *h, uint32_t slice)
{
	if (slice <= h->slice)
		return h->slice - slice < BACKUP_SLICES;
	if (slice - h->slice >= BACKUP_SLICES) {
		memset(h->slices, 0, sizeof h->slices);
		h->slice = slice;
	}
	while (h->slice < slice)
		slice_set(h, ++h->slice, BACKUP_UNKNOWN);
	return true;
}

static uint32_t slice_of(int64_t us)
{
	return us > 0 ? (uint32_t)(us / BACKUP_SLICE_US) : 0;
}

void backup_slice_answer(struct backup_health *h, int64_t at_us, bool later)
{
	uint32_t slice = slice_of(at_us);
	if (!slice_reach(h, slice))
		return;
	enum backup_slice now = backup_slice_get(h, slice);
	slice_set(h, slice, now == BACKUP_UP || !later ? BACKUP_UP : BACKUP_DEGRADED);
}

void backup_slice_failure(struct backup_health *h, int64_t at_us)
{
	uint32_t slice = slice_of(at_us), i = slice & 1;
	if (!slice_reach(h, slice) || slice + 1 < h->slice)
		return;
	if (h->now[i].slice != slice) {
		memset(&h->now[i], 0, sizeof h->now[i]);
		h->now[i].slice = slice;
	}
	h->now[i].failed = (uint16_t)(h->now[i].failed + (h->now[i].failed < UINT16_MAX));
	/* A single failure may be chance; while an outage is open it is not. */
	if (backup_slice_get(h, slice) == BACKUP_UNKNOWN && (h->now[i].failed >= 2 || h->outage_us))
		slice_set(h, slice, BACKUP_DOWN);
}

void backup_wilson(uint32_t yes, uint32_t all, int32_t *ret_low, int32_t *ret_high)
{
	if (!all) {
		*ret_low = *ret_high = -1;
		return;
	}
	double n = all, p = yes / n, z = 1.96, middle = p + z * z / (2 * n), reach = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
	*ret_low = (int32_t)lround(fmax(0, (middle - reach) / (1 + z * z / n)) * 10000);
	*ret_high = (int32_t)lround(fmin(1, (middle + reach) / (1 + z * z / n)) * 10000);
}

struct backup_availability backup_available(const struct backup_health *h, int64_t since_us, int64_t until_us)
{
	struct backup_availability a = { .share = -1, .coverage = -1 };
	if (since_us < h->first_us)
		since_us = h->first_us;
	uint32_t from = slice_of(since_us), to = slice_of(until_us - 1);
	if (h->first_us && until_us > since_us)
		for (uint32_t s = from; s <= to; s++) {
			enum backup_slice x = backup_slice_get(h, s);
			a.all++;
			a.up += x == BACKUP_UP;
			a.degraded += x == BACKUP_DEGRADED;
			a.down += x == BACKUP_DOWN;
		}
	uint32_t known = a.up + a.degraded + a.down, answered = a.up + a.degraded;
	backup_wilson(answered, known, &a.low, &a.high);
	if (known)
		a.share = (int32_t)((uint64_t)answered * 10000 / known);
	if (a.all)
		a.coverage = (int32_t)((uint64_t)known * 10000 / a.all);
	return a;
}

/* --- time --------------------------------------------------------------------------------------------------------- */

void backup_health_put_back(struct backup_health *h, int64_t now_us)
{
	int64_t *const at[] = { &h->first_us, &h->last_us, &h->answered_us, &h->accepted_us, &h->failed_us, &h->good_us, &h->later_us, &h->streak_us, &h->outage_us, &h->over_us };
	uint32_t slice = slice_of(now_us), today = (uint32_t)(now_us / US_PER_DAY);
	for (size_t i = 0; i < sizeof at / sizeof *at; i++)
		times_no_later(at[i], now_us);
	for (size_t i = 0; i < BACKUP_ALERTS; i++)
		times_no_later(&h->told_us[i], now_us);
	for (size_t i = 0; i < BACKUP_DAYS; i++)
		if (h->day[i].day > today)
			h->day[i] = (struct backup_day){ .day = 0 };
	for (uint32_t s = slice + 1; s <= h->slice && s - slice < BACKUP_SLICES; s++)
		slice_set(h, s, BACKUP_UNKNOWN);
	h->slice = h->slice < slice ? h->slice : slice;
	if (h->now[0].slice > slice || h->now[1].slice > slice)
		memset(h->now, 0, sizeof h->now);
}

/* --- queue -------------------------------------------------------------------------------------------------------- */

/* The hours that may have queued mail, oldest first. */
static int64_t oldest_hour(int64_t now_us)
{
	return now_us / US_PER_HOUR - (BACKUP_RING_HOURS - 1);
}

uint32_t backup_expiring(const struct backup_health *h, int64_t lifetime_s, int64_t now_us, int64_t until_us)
{
	uint32_t n = 0;
	for (int64_t hour = oldest_hour(now_us); hour <= now_us / US_PER_HOUR; hour++)
		if (hour >= 0 && hour * US_PER_HOUR + lifetime_s * US_PER_S <= until_us)
			n += h->ring[hour % BACKUP_RING_HOURS];
	return n;
}

static void oldest(const struct backup_health *h, int64_t lifetime_s, int64_t now_us, struct backup_projection *p)
{
	for (int64_t hour = oldest_hour(now_us); hour <= now_us / US_PER_HOUR && !p->oldest_us; hour++)
		if (hour >= 0 && h->ring[hour % BACKUP_RING_HOURS]) {
			p->oldest_us = hour * US_PER_HOUR;
			p->expiry_us = p->oldest_us + lifetime_s * US_PER_S;
			p->first = h->ring[hour % BACKUP_RING_HOURS];
		}
}

/* Which speed is needed: for every hour of arrival, all that came until then must be gone when that hour's mail ends. */
static uint32_t needed_rate(const struct backup_health *h, int64_t lifetime_s, int64_t now_us)
{
	uint64_t before = 0, most = 0;
	for (int64_t hour = oldest_hour(now_us); hour <= now_us / US_PER_HOUR; hour++) {
		uint32_t n = hour >= 0 ? h->ring[hour % BACKUP_RING_HOURS] : 0;
		int64_t left_s = (hour * US_PER_HOUR - now_us) / US_PER_S + lifetime_s;
		before += n;
		if (!n)
			continue;
		/* What ends within the hour, or has ended already, wants to be gone within the hour. */
		uint64_t rate = (before * 3600 + (uint64_t)(left_s > 3600 ? left_s : 3600) - 1) / (uint64_t)(left_s > 3600 ? left_s : 3600);
		most = rate > most ? rate : most;
	}
	return most > UINT32_MAX ? UINT32_MAX : (uint32_t)most;
}

static uint32_t drained_last_hour(const struct backup_health *h, int64_t now_us)
{
	uint32_t hour = (uint32_t)(now_us / US_PER_HOUR), into_s = (uint32_t)(now_us % US_PER_HOUR / US_PER_S);
	uint32_t now = h->drain_hour == hour ? h->drained : 0;
	uint32_t before = h->drain_hour == hour ? h->drained_before : h->drain_hour + 1 == hour ? h->drained : 0;
	return now + (uint32_t)((uint64_t)before * (3600 - into_s) / 3600);
}

struct backup_projection backup_project(const struct backup_health *h, int64_t lifetime_s, int64_t now_us)
{
	struct backup_projection p = { .queued = h->queued };
	p.within_24h = backup_expiring(h, lifetime_s, now_us, now_us + US_PER_DAY);
	p.within_48h = backup_expiring(h, lifetime_s, now_us, now_us + 2 * US_PER_DAY);
	p.overdue = backup_expiring(h, lifetime_s, now_us, now_us);
	p.within_24h -= p.overdue;
	p.within_48h -= p.overdue;
	oldest(h, lifetime_s, now_us, &p);
	p.needed_hour = needed_rate(h, lifetime_s, now_us);
	p.drained_hour = drained_last_hour(h, now_us);
	if (h->queued && p.drained_hour)
		p.clear_us = now_us + (int64_t)h->queued * US_PER_HOUR / p.drained_hour;
	return p;
}

/* --- counts ------------------------------------------------------------------------------------------------------- */

struct backup_day *backup_day_of(struct backup_health *h, int64_t at_us)
{
	uint32_t day = at_us > 0 ? (uint32_t)(at_us / US_PER_DAY) : 0;
	struct backup_day *d = &h->day[day % BACKUP_DAYS];
	if (d->day > day)
		return NULL;
	if (d->day != day)
		*d = (struct backup_day){ .day = day };
	return d;
}

struct backup_day backup_days_sum(const struct backup_health *h, int64_t now_us, uint32_t n)
{
	struct backup_day sum = { .day = (uint32_t)(now_us / US_PER_DAY) };
	for (uint32_t i = 0; i < BACKUP_DAYS; i++) {
		const struct backup_day *d = &h->day[i];
		if (!d->day || d->day > sum.day || sum.day - d->day >= n)
			continue;
		sum.accepted += d->accepted;
		sum.delivered += d->delivered;
		sum.unknown += d->unknown;
		sum.refused += d->refused;
		sum.deferred += d->deferred;
		sum.expired += d->expired;
		sum.bounces += d->bounces;
		sum.rejected += d->rejected;
	}
	return sum;
}

enum backup_state backup_state_of(const struct backup_health *h, int64_t now_us)
{
	if (!h->first_us)
		return BACKUP_STATE_NO_MAIL;
	if (!h->answered_us && h->streak_us && now_us - h->streak_us >= US_PER_DAY)
		return BACKUP_STATE_NEVER;
	if (h->outage_us)
		return BACKUP_STATE_OUTAGE;
	if (h->streak_us)
		return BACKUP_STATE_FAILING;
	if (!h->answered_us)
		return BACKUP_STATE_NO_ANSWER;
	return h->later_us > h->good_us ? BACKUP_STATE_DEGRADED : BACKUP_STATE_UP;
}
