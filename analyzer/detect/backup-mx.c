/* D12 backup-mx: we, the second MX of a customer's domain, accept recipients that the first one then refuses, and send the bounces to
 * senders who never wrote: backscatter. A Bernoulli walk on "accepted here, unknown there", 2 % against 30 % (docs/detectors.md A.4), raised
 * by the number of different strangers who got a bounce within an hour. That spammers prefer the highest MX is old (sendmail, 4th ed.,
 * ch. 9.3). The share of a domain's mail that comes through us while the primary is up would be a sign, too, but our log does not show what
 * went to the primary directly: it is left out. The principal is the domain. */
#include "analyzer/acase.h"
#include "analyzer/backup.h"
#include "analyzer/detector.h"
#include "analyzer/phrase.h"

#define O(field) offsetof(struct backup_options, field)
static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, O(enabled), "true", 0, 0, "", "whether this detector speaks; the primary's health is followed in any case" },
	{ "half-life", OPT_TIME_S, O(half_life_s), "24h", 60, 31536000, "s", "evidence halves in this time" },
	{ "theta0", OPT_REAL, O(theta0), "0.02", 0.001, 0.5, "", "share of recipients that the primary does not know in normal mail" },
	{ "theta1", OPT_REAL, O(theta1), "0.30", 0.01, 0.9, "", "share under abuse" },
	{ "least", OPT_INT, O(least), "25", 1, 100000, "recipients",
	  "fewer unknown recipients in about a day open no case alone: highest MXs always get some spam, and no list counts so few bounces" },
	{ "cap", OPT_REAL, O(cap), "16", 0, 64, "nats", "most evidence it may give; above 12 it can open a case alone" },
	{ "lifetime", OPT_TIME_S, O(lifetime_s), "7d", 3600, 1209600, "s",
	  "how long your servers keep mail that cannot be delivered; backup services keep it 7 or 8 days (Postfix and Sendmail unchanged 5, Exim 4)" },
	{ "outage-failures", OPT_INT, O(outage_failures), "3", 2, 1000, "failures", "so many failures in a row, of at least two messages, are an outage of the primary" },
	{ "outage-after", OPT_TIME_S, O(outage_s), "5m", 0, 86400, "s", "when they span so long; a restart takes less" },
	{ "never-after", OPT_TIME_S, O(never_s), "1d", 3600, 2592000, "s", "a primary that has not answered once in so long is reported as wrongly set up" },
	{ 0 },
};
static const struct opt_table table = { "detector", "backup-mx", rows, sizeof(struct backup_options) };

#define QUIET_CAP (8 * NAT)          /* below every opening score: something is unusual, but nothing is proven */
#define GOOD_FOR (7 * US_PER_DAY)    /* an acceptance by the primary proves for so long that it knows its recipients */
#define SILENT_TIMES 4
#define VOID_FOR US_PER_DAY
#define PER_MESSAGE 2u               /* unknown recipients of one message that count: they are not independent */
#define WAS_GOOD 0x676f6f64u

struct state {
	struct walk unknown;         /* first: walk_since() */
	struct walk bounce;
	uint64_t victims;            /* K3: strangers who got a bounce in this hour */
	uint32_t hour, bad, all, bounces; /* since unknown.since_us */
	int32_t recent, turned;      /* unknown ones of about a day, in 1/4096; valid ones that are refused now, since turned_us */
	int64_t recent_at_us, good_us, turned_us, void_us;
	uint32_t kept, voided;       /* valid ones still accepted since turned_us; recipients not counted */
};

/* --- what happened ------------------------------------------------------------------------------------------------ */

static uint64_t good_mark(const struct principal *p, uint64_t recipient)
{
	return hash_mix(hash_mix(p->key, recipient), WAS_GOOD);
}

/* A migration: recipients that the primary took before are unknown now, and hardly any that it still takes. */
static void watch_migration(struct state *s, bool was_good, bool refused, int64_t now_us)
{
	if (now_us - s->turned_us > US_PER_DAY) {
		s->turned = 0;
		s->kept = 0;
	}
	if (was_good && refused) {
		s->turned_us = s->turned ? s->turned_us : now_us;
		s->turned++;
	} else if (was_good && s->turned) {
		s->kept++;
	}
	if (s->turned >= 2 && (uint32_t)s->turned > s->kept)
		s->void_us = now_us + VOID_FOR;
}

static void accepted_there(struct judge *j, const struct principal *p, struct state *s, const struct rcpt_view *r, int64_t now_us)
{
	s->good_us = now_us;
	watch_migration(s, contacts_known(&j->contacts, good_mark(p, r->hash)), false, now_us);
	contacts_add(&j->contacts, good_mark(p, r->hash));
}

/* Whether this refusal counts. */
static bool unknown_there(struct judge *j, const struct principal *p, struct state *s, const struct rcpt_view *r, int64_t now_us)
{
	bool was_good = contacts_known(&j->contacts, good_mark(p, r->hash));
	if (r->repeated)
		return false;
	watch_migration(s, was_good, true, now_us);
	bool counts = !was_good && !r->void_receiver && now_us >= s->void_us;
	s->voided += !counts;
	return counts;
}

static void trials(struct state *s, const struct backup_options *o, uint32_t bad, uint32_t good, int64_t now_us)
{
	int32_t theta0 = (int32_t)(o->theta0 * THETA_ONE), theta1 = (int32_t)(o->theta1 * THETA_ONE);
	uint32_t counted = bad > PER_MESSAGE ? PER_MESSAGE : bad;
	fixed_decay(&s->recent, &s->recent_at_us, now_us, 86400);
	s->recent += (int32_t)(bad > 1000 ? 1000 : bad) * NAT;
	s->recent = s->recent > 100000 * NAT ? 100000 * NAT : s->recent;
	for (uint32_t i = 0; i < counted; i++)
		walk_trial(&s->unknown, true, theta0, theta1, now_us, o->half_life_s);
	uint32_t weighed = bad > counted ? good * counted / bad : good;
	for (uint32_t i = 0; i < weighed && i < 64; i++)
		walk_trial(&s->unknown, false, theta0, theta1, now_us, o->half_life_s);
	s->bad += s->unknown.since_us ? bad : 0;
	s->all += s->unknown.since_us ? bad + good : 0;
}

static bool is_list_owner(struct sv address)
{
	struct sv local = sv_take(address, address.n - sv_domain(address).n);
	return sv_starts(local, SV("owner-")) || sv_find(local, SV("-bounces")) >= 0 || sv_starts(local, SV("bounces+")) || sv_find(local, SV("-owner@")) >= 0 ||
	       sv_find(local, SV("-request@")) >= 0;
}

static void bounced(struct judge *j, struct state *s, const struct backup_options *o, const struct message_view *m)
{
	static const struct { uint8_t victims; int32_t level; } steps[] = { { 5, 2 * NAT }, { 10, 3 * NAT }, { 20, 4 * NAT }, { 40, 5 * NAT } };
	uint32_t hour = (uint32_t)(m->at_us / US_PER_HOUR);
	if (s->hour != hour) {
		s->hour = hour;
		s->victims = 0;
	}
	for (size_t i = 0; i < m->n_listed && m->first_report; i++) {
		struct sv to = m->txn->rcpt[i].recipient;
		if (is_list_owner(to) || enrich_is_local_domain(j->enrich, sv_domain(to)))
			continue;
		linear_add(&s->victims, m->rcpt[i].hash);
		s->bounces += s->unknown.since_us != 0;
	}
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (linear_estimate(s->victims) >= steps[i].victims) {
			walk_reason("senders that get bounces");
			walk_raise(&s->bounce, steps[i].level, m->at_us, o->half_life_s);
		}
}

static void message(struct judge *j, struct principal *p, void *state, const void *opt, const struct message_view *m)
{
	struct state *s = state;
	const struct backup_domain *d = backup_find(j, sv_cstr(p->id));
	uint32_t bad = 0, good = 0;
	s->good_us = fixed_then(s->good_us, m->at_us);
	s->turned_us = fixed_then(s->turned_us, m->at_us);
	s->void_us = fixed_then(s->void_us, m->at_us);
	if (walk_is_over(&s->unknown, m->at_us, ((const struct backup_options *)opt)->half_life_s))
		s->bad = s->all = s->bounces = s->voided = 0;
	if (m->txn->origin == TXN_BOUNCE) {
		bounced(j, s, opt, m);
		return;
	}
	if (m->null_sender || !d) /* nobody gets a bounce of those */
		return;
	for (size_t i = 0; i < m->n_listed; i++) {
		const struct rcpt_view *r = &m->rcpt[i];
		if (!r->changed || r->domain_hash != d->hash || m->txn->rcpt[i].local)
			continue;
		if (r->outcome == OUTCOME_GOOD) {
			accepted_there(j, p, s, r, m->at_us);
			good++;
		} else if (r->outcome == OUTCOME_BAD && r->class == REPLY_UNKNOWN_USER) {
			bad += unknown_there(j, p, s, r, m->at_us);
		}
	}
	trials(s, opt, bad, good, m->at_us);
}

/* --- what it means ------------------------------------------------------------------------------------------------ */

/* Without an acceptance of late the primary may refuse everybody, for reasons of its own: then it takes more. */
static bool is_proven(struct state *s, const struct backup_options *o, int64_t now_us)
{
	bool works = s->good_us && now_us - s->good_us < GOOD_FOR;
	fixed_decay(&s->recent, &s->recent_at_us, now_us, 86400);
	return s->recent / NAT >= o->least * (works ? 1 : SILENT_TIMES);
}

static int32_t score(const struct judge *j, const struct principal *p, void *state, const void *opt, int64_t now_us, int32_t others)
{
	struct state *s = state;
	const struct backup_options *o = opt;
	int32_t cap = NATS(o->cap), unknown = walk_evidence(&s->unknown, now_us, o->half_life_s, cap);
	(void)others;
	if (!unknown)
		return 0;
	int32_t total = unknown + walk_evidence(&s->bounce, now_us, o->half_life_s, cap);
	/* Once there is a case, what it rests on fades by itself. */
	bool proven = p->open_case || is_proven(s, o, now_us);
	if ((!proven || now_us < s->void_us) && cap > QUIET_CAP)
		cap = QUIET_CAP;
	(void)j;
	return total < cap ? total : cap;
}

static void why(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	const struct backup_domain *d = backup_find(j, sv_cstr(p->id));
	(void)opt;
	buf_printf(out, "As backup MX we accepted %u recipients of %s since %s that the primary%s%s refuses as unknown (%u %%)", s->bad, p->id,
	           phrase_time(p, s->unknown.since_us).s, d && d->primary ? " " : "", d && d->primary ? d->primary : "", s->all ? s->bad * 100 / s->all : 0);
	if (s->bounces)
		buf_printf(out, ", and sent %u bounce%s to senders who most likely never wrote", s->bounces, s->bounces == 1 ? "" : "s");
	buf_addc(out, '.');
}

static void guards(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	(void)j, (void)p, (void)opt;
	if (s->voided)
		buf_printf(out, "%u refused recipients not counted: the primary took them before, or refused nearly everybody; ", s->voided);
}

static void forgive(void *state)
{
	struct state *s = state;
	s->unknown = (struct walk){ 0 };
	s->bounce = (struct walk){ 0 };
	s->recent = 0;
}

static int suggests(const void *state)
{
	(void)state;
	return CASE_BACKSCATTER;
}

static void hour(struct judge *j, const void *opt, int64_t now_us)
{
	(void)opt;
	backup_hour(j, now_us);
}

const struct detector detector_backup_mx = {
	.name = "backup-mx",
	.title = "backscatter of a backup MX",
	.group = GROUP_TOPOLOGY,
	.kinds = 1u << PRINCIPAL_MX,
	.state_bytes = sizeof(struct state),
	.walks = 1,
	.options = &table,
	.message = message,
	.hour = hour,
	.score = score,
	.since = walk_since,
	.why = why,
	.suggests = suggests,
	.guards = guards,
	.forgive = forgive,
};
