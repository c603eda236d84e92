/* Which alerts are due: each once an episode, in event time. They say that a service is in trouble, not that somebody does harm. */
#include <stdio.h>
#include <stdlib.h>

#include "analyzer/backup.h"

#define DRAIN_LEAST 20u  /* a few late messages are no backlog */

/* Given in this episode, or so lately that a primary that comes and goes would make a nuisance of it. */
static bool told(const struct backup_health *h, enum backup_alert a, int64_t now_us)
{
	static const uint8_t gap_hours[BACKUP_ALERTS] = { [BACKUP_ALERT_OUTAGE] = 6, [BACKUP_ALERT_EXPIRY_48] = 24, [BACKUP_ALERT_EXPIRY_24] = 24,
		                                          [BACKUP_ALERT_EXPIRY_6] = 24, [BACKUP_ALERT_NEVER] = 240, [BACKUP_ALERT_DRAIN] = 24 };
	return (h->told >> a & 1) || (h->told_us[a] && now_us - h->told_us[a] < gap_hours[a] * US_PER_HOUR);
}

static struct times_text when(const struct backup_health *h, int64_t us)
{
	struct times_text t = times_text(us - us % US_PER_S, h->utc_offset_s), out;
	(void)snprintf(out.s, sizeof out.s, "%.10s %.5s", t.s, t.s + 11);
	return out;
}

static void tell(struct judge *j, struct backup_domain *d, enum backup_alert a, int64_t at_us, int64_t subject_us, struct buf *text)
{
	struct backup *b = j->backup;
	d->health.told |= 1u << a;
	d->health.told_us[a] = at_us;
	d->dirty = true;
	if (b->n_alerts == b->cap_alerts) {
		b->cap_alerts = b->cap_alerts ? b->cap_alerts * 2 : 16;
		b->alert = xrealloc(b->alert, b->cap_alerts * sizeof *b->alert);
	}
	b->alert[b->n_alerts++] = (struct backup_alert_row){ d, at_us, subject_us, (uint8_t)a, xstrdup(buf_cstr(text)) };
	buf_fini(text);
}

static const char *newest_cause(const struct backup_health *h)
{
	size_t at = 0;
	for (size_t r = 1; r < BACKUP_REASONS; r++)
		if (h->cause[r].last_us > h->cause[at].last_us)
			at = r;
	return h->cause[at].last_us ? backup_reason_name((enum backup_reason)at) : "no answer";
}

static const char *plural(uint32_t n) { return n == 1 ? "" : "s"; }

void backup_alert_outage(struct judge *j, struct backup_domain *d)
{
	const struct backup_health *h = &d->health;
	struct buf text = { 0 };
	if (told(h, BACKUP_ALERT_OUTAGE, j->site->now_us))
		return;
	buf_printf(&text, "The primary %s of %s has not answered since %s (%s).", d->primary, d->name, when(h, h->outage_us).s, newest_cause(h));
	if (h->accepted_us)
		buf_printf(&text, " It last took mail at %s.", when(h, h->accepted_us).s);
	buf_puts(&text, " Mail for it waits with us.");
	tell(j, d, BACKUP_ALERT_OUTAGE, j->site->now_us, h->outage_us, &text);
}

void backup_alert_over(struct judge *j, struct backup_domain *d, int64_t at_us, int64_t begin_us)
{
	struct backup_health *h = &d->health;
	struct buf text = { 0 };
	int64_t minutes = (at_us - begin_us) / US_PER_S / 60;
	bool was_told = (h->told >> BACKUP_ALERT_OUTAGE & 1) || (h->told >> BACKUP_ALERT_NEVER & 1);
	h->told = 0;
	if (!was_told)
		return;
	buf_printf(&text, "The primary %s of %s answers again since %s, after %lld h %02lld min. %u message%s wait%s.", d->primary, d->name, when(h, at_us).s,
	           (long long)minutes / 60, (long long)minutes % 60, h->queued, plural(h->queued), h->queued == 1 ? "s" : "");
	tell(j, d, BACKUP_ALERT_OVER, j->site->now_us, begin_us, &text);
}

/* The nearest warning that is due; the wider ones are then given with it. */
static void expiry(struct judge *j, struct backup_domain *d, const struct backup_projection *p, int64_t now_us)
{
	static const struct { uint8_t alert, hours; } steps[] = { { BACKUP_ALERT_EXPIRY_6, 6 }, { BACKUP_ALERT_EXPIRY_24, 24 }, { BACKUP_ALERT_EXPIRY_48, 48 } };
	struct backup_health *h = &d->health;
	int64_t lifetime_s = backup_options(j)->lifetime_s;
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		int64_t reach_us = steps[i].hours * US_PER_HOUR;
		struct buf text = { 0 };
		if (lifetime_s * US_PER_S <= reach_us || now_us < p->expiry_us - reach_us)
			continue;
		if (told(h, (enum backup_alert)steps[i].alert, now_us))
			return;
		for (size_t k = i; k < sizeof steps / sizeof *steps; k++)
			h->told |= 1u << steps[k].alert;
		uint32_t day = backup_expiring(h, lifetime_s, now_us, (p->expiry_us > now_us ? p->expiry_us : now_us) + US_PER_DAY);
		buf_printf(&text, "Mail that waits for %s will be given up from about %s on, in %u hours, if the primary %s does not take it (%s). ", d->name,
		           when(h, p->expiry_us).s, (unsigned)steps[i].hours, d->primary, newest_cause(h));
		buf_printf(&text, "%u message%s wait%s; %u of them end%s within a day from then.", p->queued, plural(p->queued), p->queued == 1 ? "s" : "", day,
		           day == 1 ? "s" : "");
		tell(j, d, (enum backup_alert)steps[i].alert, now_us, p->expiry_us, &text);
		return;
	}
}

static void never(struct judge *j, struct backup_domain *d, int64_t now_us)
{
	const struct backup_health *h = &d->health;
	const struct backup_options *o = backup_options(j);
	struct buf text = { 0 };
	if (told(h, BACKUP_ALERT_NEVER, now_us) || h->answered_us || !h->streak_us || h->streak < o->outage_failures || now_us - h->streak_us < o->never_s * US_PER_S)
		return;
	buf_printf(&text, "The primary %s of %s has never answered since we saw the first mail for it at %s: %u failure%s, the last one: %s.", d->primary, d->name,
	           when(h, h->streak_us).s, h->streak, plural(h->streak), newest_cause(h));
	buf_puts(&text, " Is there a mail server, and does its firewall let us in?");
	tell(j, d, BACKUP_ALERT_NEVER, now_us, h->streak_us, &text);
}

/* After an outage: servers come back to old mail after minutes to hours, so the first hours prove little unless time is short. */
static void slow_drain(struct judge *j, struct backup_domain *d, const struct backup_projection *p, int64_t now_us)
{
	const struct backup_health *h = &d->health;
	int64_t since_us = now_us - h->over_us;
	struct buf text = { 0 };
	if (told(h, BACKUP_ALERT_DRAIN, now_us) || !h->over_us || h->outage_us || h->queued < DRAIN_LEAST || p->drained_hour >= p->needed_hour)
		return;
	if (since_us < US_PER_HOUR || (since_us < 6 * US_PER_HOUR && p->expiry_us - now_us > 12 * US_PER_HOUR))
		return;
	buf_printf(&text, "The primary %s of %s is back since %s, but its %u waiting messages leave too slowly: %u in the last hour, %u an hour are needed before the first are given up at about %s.",
	           d->primary, d->name, when(h, h->over_us).s, h->queued, p->drained_hour, p->needed_hour, when(h, p->expiry_us).s);
	tell(j, d, BACKUP_ALERT_DRAIN, now_us, h->over_us, &text);
}

void backup_alerts(struct judge *j, struct backup_domain *d, int64_t now_us)
{
	struct backup_health *h = &d->health;
	never(j, d, now_us);
	if (!h->queued)
		return;
	struct backup_projection p = backup_project(h, backup_options(j)->lifetime_s, now_us);
	/* A full mailbox of a primary that answers is a matter between sender and recipient. */
	if (h->outage_us || h->streak_us || !h->answered_us || h->later_us > h->good_us)
		expiry(j, d, &p, now_us);
	slow_drain(j, d, &p, now_us);
}
