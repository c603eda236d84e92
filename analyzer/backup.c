#include "analyzer/backup.h"

#include <stdlib.h>

#include "analyzer/judge_int.h"
#include "analyzer/rollup.h"

#define DOMAINS_OF_MESSAGE 8 /* backup domains one message is counted for */

/* --- domains ------------------------------------------------------------------------------------------------------ */

const struct backup_options *backup_options(const struct judge *j)
{
	for (size_t d = 0; d < detector_count(); d++)
		if (strcmp(detector_registry[d]->name, "backup-mx") == 0)
			return judge_options(j, d);
	return NULL;
}

struct backup *backup_new(void)
{
	struct backup *b = xcalloc(1, sizeof *b);
	memory_init(&b->queue_memory, "backup-queue", BACKUP_QUEUED_MAX * (size_t)16);
	memory_init(&b->parent_memory, "backup-parent", BACKUP_PARENTS * (size_t)16);
	return b;
}

static void domain_free(struct backup_domain *d)
{
	free(d->name);
	free(d);
}

void backup_free(struct backup *b)
{
	if (!b)
		return;
	backup_committed(b);
	for (size_t i = 0; i < b->n_domains; i++)
		domain_free(b->domain[i]);
	for (size_t i = 0; i < b->n_retired; i++)
		domain_free(b->retired[i]);
	free(b->retired);
	free(b->domain);
	free(b->outage);
	free(b->alert);
	free(b->rcpt);
	memory_fini(&b->queue_memory);
	memory_fini(&b->parent_memory);
	free(b);
}

static int by_hash(const void *a, const void *b)
{
	const struct backup_domain *const *x = a, *const *y = b;
	return ((*x)->hash > (*y)->hash) - ((*x)->hash < (*y)->hash);
}

static struct backup_domain *by_hash_find(const struct backup *b, uint64_t hash)
{
	size_t low = 0, high = b->n_domains;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (b->domain[mid]->hash == hash)
			return b->domain[mid];
		if (b->domain[mid]->hash < hash)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static struct backup_domain *domain_new(struct sv name, uint64_t hash)
{
	struct backup_domain *d = xcalloc(1, sizeof *d);
	d->name = xsvdup(name);
	for (char *p = d->name; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
	d->hash = hash;
	d->health.version = BACKUP_HEALTH_VERSION;
	d->health.bytes = sizeof d->health;
	d->dirty = true;
	return d;
}

static struct backup_domain *take(struct backup_domain **list, size_t n, uint64_t hash)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] && list[i]->hash == hash) {
			struct backup_domain *d = list[i];
			list[i] = NULL;
			return d;
		}
	return NULL;
}

void backup_configure(struct judge *j)
{
	struct backup *b = j->backup;
	struct backup_domain **old = b->domain;
	size_t n = b->n_domains;
	b->domain = xcalloc(j->conf->n_backup + 1, sizeof(struct backup_domain *));
	b->n_domains = 0;
	for (size_t i = 0; i < j->conf->n_backup; i++) {
		struct sv name = sv_cstr(j->conf->backup[i].domain);
		uint64_t hash = hash_folded(&j->key, name);
		bool twice = false;
		for (size_t k = 0; k < b->n_domains; k++)
			twice |= b->domain[k]->hash == hash;
		if (twice)
			continue;
		struct backup_domain *d = take(old, n, hash);
		if (!d) {
			d = domain_new(name, hash);
			if (j->store.load_backup)
				(void)j->store.load_backup(j->store.ctx, d);
		}
		d->primary = j->conf->backup[i].primary;
		b->domain[b->n_domains++] = d;
	}
	qsort(b->domain, b->n_domains, sizeof *b->domain, by_hash);
	b->retired = xrealloc(b->retired, (b->n_retired + n + 1) * sizeof *b->retired);
	for (size_t i = 0; i < n; i++)
		if (old[i])
			b->retired[b->n_retired++] = old[i];
	free(old);
	backup_recount(j);
}

struct backup_domain *backup_find(const struct judge *j, struct sv domain)
{
	return j->backup->n_domains && domain.n ? by_hash_find(j->backup, enrich_domain(j->enrich, &j->key, domain).hash) : NULL;
}

/* --- the primary -------------------------------------------------------------------------------------------------- */

static void outage_row(struct judge *j, struct backup_domain *d, int64_t begin_us, int64_t end_us)
{
	struct backup *b = j->backup;
	struct backup_outage_row row = { d, begin_us, end_us, d->health.streak, 0 };
	for (unsigned r = 1; r < BACKUP_REASONS; r++)
		if (d->health.cause[r].last_us > d->health.cause[row.reason].last_us)
			row.reason = (uint8_t)r;
	for (size_t i = 0; i < b->n_outages; i++)
		if (b->outage[i].domain == d && b->outage[i].begin_us == begin_us) {
			b->outage[i] = row;
			return;
		}
	if (b->n_outages == b->cap_outages) {
		b->cap_outages = b->cap_outages ? b->cap_outages * 2 : 16;
		b->outage = xrealloc(b->outage, b->cap_outages * sizeof *b->outage);
	}
	b->outage[b->n_outages++] = row;
}

static void relay_seen(struct backup_health *h, const struct txn_rcpt *r, int64_t at_us)
{
	struct sv host = r->relay_host.n ? sv_take(r->relay_host, sizeof h->relay[0].host - 1) : SV("");
	struct sv ip = r->relay_ip.n ? sv_take(r->relay_ip, sizeof h->relay[0].ip - 1) : SV("");
	size_t at = 0;
	if (host.n && host.p[host.n - 1] == '.')
		host.n--;
	for (size_t i = 0; i < BACKUP_RELAYS; i++) {
		struct backup_relay *x = &h->relay[i];
		if (sv_eq(sv_cstr(x->host), host) && sv_eq(sv_cstr(x->ip), ip) && x->last_us) {
			x->answers++;
			x->last_us = at_us > x->last_us ? at_us : x->last_us;
			return;
		}
		if (x->last_us < h->relay[at].last_us)
			at = i;
	}
	struct backup_relay fresh = { .answers = 1, .last_us = at_us };
	memcpy(fresh.host, host.p, host.n);
	memcpy(fresh.ip, ip.p, ip.n);
	h->relay[at] = fresh;
}

static void answered(struct judge *j, struct backup_domain *d, int64_t at_us, enum backup_said said)
{
	struct backup_health *h = &d->health;
	int64_t *kind = said == BACKUP_SAID_LATER ? &h->later_us : &h->good_us;
	backup_slice_answer(h, at_us, said == BACKUP_SAID_LATER);
	*kind = at_us > *kind ? at_us : *kind;
	h->answered_us = at_us > h->answered_us ? at_us : h->answered_us;
	if (said == BACKUP_SAID_YES && at_us > h->accepted_us)
		h->accepted_us = at_us;
	if (at_us < h->failed_us) /* it was told late: what failed since is newer */
		return;
	if (h->outage_us) {
		int64_t begin_us = h->outage_us;
		outage_row(j, d, begin_us, at_us);
		h->outage_us = 0;
		h->over_us = at_us;
		backup_alert_over(j, d, at_us, begin_us);
	}
	h->streak_us = 0;
	h->told &= ~(uint32_t)(1u << BACKUP_ALERT_EXPIRY_48 | 1u << BACKUP_ALERT_EXPIRY_24 | 1u << BACKUP_ALERT_EXPIRY_6);
	h->streak = h->streak_messages = 0;
}

static void failed(struct judge *j, struct backup_domain *d, uint64_t message, const struct txn_rcpt *r, int64_t at_us, enum backup_reason reason)
{
	struct backup_health *h = &d->health;
	const struct backup_options *o = backup_options(j);
	struct sv text = sv_take(r->reply, sizeof h->cause_text - 1);
	h->cause[reason].n++;
	h->cause[reason].last_us = at_us > h->cause[reason].last_us ? at_us : h->cause[reason].last_us;
	memset(h->cause_text, 0, sizeof h->cause_text);
	memcpy(h->cause_text, text.p ? text.p : "", text.n);
	backup_slice_failure(h, at_us);
	h->failed_us = at_us > h->failed_us ? at_us : h->failed_us;
	if (at_us < h->answered_us)
		return;
	if (!h->streak_us) {
		h->streak_us = at_us;
		h->streak_message = message;
		h->streak_messages = 1;
	}
	h->streak++;
	if (message != h->streak_message)
		h->streak_messages = 2;
	if (!h->outage_us && h->streak >= o->outage_failures && h->failed_us - h->streak_us >= o->outage_s * US_PER_S && h->streak_messages >= 2) {
		h->outage_us = h->streak_us;
		backup_alert_outage(j, d);
	}
	if (h->outage_us)
		outage_row(j, d, h->outage_us, 0);
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

static void learn(struct judge *j, struct backup_domain *d, const struct txn_rcpt *r, bool valid, int64_t at_us)
{
	struct backup *b = j->backup;
	struct backup_health *h = &d->health;
	uint32_t today = (uint32_t)(j->site->now_us / US_PER_DAY);
	if (h->learn_day != today) {
		h->learn_day = today;
		h->learned[0] = h->learned[1] = 0;
	}
	if (h->learned[valid] >= BACKUP_LEARN_DAY || r->recipient.n > 320)
		return;
	h->learned[valid]++;
	if (b->n_rcpts == b->cap_rcpts) {
		b->cap_rcpts = b->cap_rcpts ? b->cap_rcpts * 2 : 64;
		b->rcpt = xrealloc(b->rcpt, b->cap_rcpts * sizeof *b->rcpt);
	}
	b->rcpt[b->n_rcpts++] = (struct backup_rcpt_row){ d, at_us, valid, xsvdup(r->recipient) };
}

/* What one message's report says about one domain. */
struct report {
	struct judge *j;
	struct backup_domain *d;
	const struct txn *t;
	uint64_t message;
	bool waits, was_answered;
	const struct txn_rcpt *failure;
	int64_t failure_us, answer_us;
	enum backup_said said;       /* the best answer */
	enum backup_reason reason;
};

static void count_outcome(const struct report *p, const struct txn_rcpt *r, enum backup_said said, int64_t at_us)
{
	struct backup_day *day = backup_day_of(&p->d->health, p->j->site->now_us), none = { .day = 0 };
	bool unknown = r->status == TXN_BOUNCED && r->reply_class == REPLY_UNKNOWN_USER && said == BACKUP_SAID_NO;
	day = day ? day : &none;
	day->delivered += r->status == TXN_SENT;
	day->unknown += unknown;
	day->refused += r->status == TXN_BOUNCED && !unknown;
	day->deferred += r->status == TXN_DEFERRED;
	day->expired += r->status == TXN_EXPIRED;
	if (unknown || said == BACKUP_SAID_YES)
		learn(p->j, p->d, r, !unknown, at_us);
	if (r->status == TXN_EXPIRED && p->t->first_us && at_us > p->t->first_us) {
		uint32_t age_s = (uint32_t)((at_us - p->t->first_us) / US_PER_S), *young = &p->d->health.youngest_expiry_s;
		*young = *young && *young < age_s ? *young : age_s;
	}
}

static void outcome(struct report *p, const struct txn_rcpt *r)
{
	int64_t now_us = p->j->site->now_us, at_us = r->time_us > 0 && r->time_us < now_us ? r->time_us : now_us;
	enum backup_reason reason = BACKUP_REASONS;
	p->waits |= r->status == TXN_DEFERRED;
	if (!r->changed || r->status == TXN_PENDING)
		return;
	enum backup_said said = backup_reply(p->t, r, &reason);
	count_outcome(p, r, said, at_us);
	if (said == BACKUP_FAILED && at_us >= p->failure_us) {
		p->failure = r;
		p->failure_us = at_us;
		p->reason = reason;
	} else if (said != BACKUP_SAID_NOTHING && said != BACKUP_FAILED) {
		relay_seen(&p->d->health, r, at_us);
		p->was_answered |= said != BACKUP_SAID_LATER;
		p->said = !p->answer_us || said < p->said ? said : p->said;
		p->answer_us = at_us > p->answer_us ? at_us : p->answer_us;
	}
}

static bool is_ours(const struct judge *j, const struct txn_rcpt *r)
{
	struct ipaddr ip;
	return ipaddr_parse(r->relay_ip, &ip) == 0 && (ipaddr_is_loopback(&ip) || enrich_is_egress(j->enrich, &ip));
}

static void domain_report(struct judge *j, struct backup_domain *d, const struct txn *t)
{
	struct report p = { .j = j, .d = d, .t = t, .message = backup_message_key(j, t) };
	struct backup_health *h = &d->health;
	for (size_t i = 0; i < t->n_rcpt; i++)
		if (by_hash_find(j->backup, j->domain[i].hash) == d && !is_ours(j, &t->rcpt[i]))
			outcome(&p, &t->rcpt[i]);
	d->dirty = true;
	h->first_us = h->first_us ? h->first_us : j->site->now_us;
	h->last_us = j->site->now_us;
	h->utc_offset_s = t->utc_offset_s;
	if (!(t->flags & TXN_REPLAY)) {
		struct backup_day *day = backup_day_of(h, j->site->now_us);
		if (day)
			day->accepted++;
	}
	if (p.failure && (!p.answer_us || p.failure_us <= p.answer_us))
		failed(j, d, p.message, p.failure, p.failure_us, p.reason);
	if (p.answer_us)
		answered(j, d, p.answer_us, p.said);
	if (p.failure && p.answer_us && p.failure_us > p.answer_us)
		failed(j, d, p.message, p.failure, p.failure_us, p.reason);
	bool over = t->complete || (t->flags & TXN_TAIL_MISSING);
	backup_queue_set(j, d, p.message, p.waits && !over, t->first_us, p.was_answered);
	backup_alerts(j, d, j->site->now_us);
}

/* Mail from outside, as opposed to what our own customers write to the domain. */
static void judge_inbound(struct judge *j, struct backup_domain *d, const struct txn *t)
{
	struct rollup_row hour = { .n = { [ROLLUP_MESSAGES] = !(t->flags & TXN_REPLAY) } };
	bool refused = false;
	struct principal *mx = judge_principal(j, PRINCIPAL_MX, sv_cstr(d->name), t->at_us);
	for (size_t i = 0; i < t->n_rcpt; i++) {
		const struct txn_rcpt *r = &t->rcpt[i];
		refused |= r->changed && r->status == TXN_BOUNCED && r->reply_class == REPLY_UNKNOWN_USER;
		hour.n[ROLLUP_RECIPIENTS] += !(t->flags & TXN_REPLAY);
		hour.n[ROLLUP_BOUNCED] += r->changed && (r->status == TXN_BOUNCED || r->status == TXN_EXPIRED);
	}
	tally_hours(j, mx, hour.n);
	if (refused)
		backup_parent_refused(j, d, t);
	judge_message(j, mx, t);
}

static void judge_bounce(struct judge *j, const struct txn *t)
{
	struct backup_domain *d = backup_parent_of(j, t);
	if (!d || (t->flags & TXN_REPLAY))
		return;
	struct backup_day *day = backup_day_of(&d->health, j->site->now_us);
	if (day)
		day->bounces++;
	d->dirty = true;
	judge_message(j, judge_principal(j, PRINCIPAL_MX, sv_cstr(d->name), t->at_us), t);
}

void backup_txn(struct judge *j, const struct txn *t, bool from_us)
{
	struct backup_domain *mine[DOMAINS_OF_MESSAGE];
	size_t n = 0;
	if (!j->backup->n_domains)
		return;
	for (size_t i = 0; i < t->n_rcpt && n < DOMAINS_OF_MESSAGE; i++) {
		struct backup_domain *d = by_hash_find(j->backup, j->domain[i].hash);
		bool known = !d;
		for (size_t k = 0; k < n && !known; k++)
			known = mine[k] == d;
		if (!known)
			mine[n++] = d;
	}
	for (size_t k = 0; k < n; k++) {
		domain_report(j, mine[k], t);
		if (!from_us && t->origin != TXN_BOUNCE && t->origin != TXN_FORWARD)
			judge_inbound(j, mine[k], t);
	}
	if (t->origin == TXN_BOUNCE)
		judge_bounce(j, t);
}

void backup_record(struct judge *j, const struct record *r)
{
	struct backup_domain *d = backup_find(j, sv_domain(r->recipient));
	struct backup_day *day = d ? backup_day_of(&d->health, j->site->now_us) : NULL;
	if (!day)
		return;
	day->rejected++;
	d->dirty = true;
}

void backup_put_back(struct judge *j, int64_t now_us)
{
	for (size_t i = 0; i < j->backup->n_domains; i++) {
		backup_health_put_back(&j->backup->domain[i]->health, now_us);
		j->backup->domain[i]->dirty = true;
	}
}

void backup_hour(struct judge *j, int64_t now_us)
{
	backup_queue_sweep(j, now_us);
	for (size_t i = 0; i < j->backup->n_domains; i++)
		backup_alerts(j, j->backup->domain[i], now_us);
}

void backup_committed(struct backup *b)
{
	for (size_t i = 0; i < b->n_rcpts; i++)
		free(b->rcpt[i].recipient);
	for (size_t i = 0; i < b->n_alerts; i++)
		free(b->alert[i].text);
	b->n_rcpts = b->n_alerts = b->n_outages = 0;
	for (size_t i = 0; i < b->n_domains; i++)
		b->domain[i]->dirty = false;
}
