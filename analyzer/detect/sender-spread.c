/* D9 sender-spread: forged, rotating or throwaway envelope senders. A Bernoulli walk on "the envelope sender is in a domain that is not the
 * customer's and that this principal did not use in the weeks before", with the principal's own share as the null rate (forwarders and
 * resellers have one), and a count of distinct senders in an hour against the highest hour it had. docs/detectors.md B.2, D9. */
#include "analyzer/detector.h"
#include "analyzer/phrase.h"

struct options {
	bool enabled;
	int64_t half_life_s, learn_days;
	double theta0, theta0_most, theta1, new_domain, walk_cap, cap;
};

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "true", 0, 0, "", "whether this detector speaks" },
	{ "half-life", OPT_TIME_S, offsetof(struct options, half_life_s), "24h", 60, 31536000, "s", "evidence halves in this time" },
	{ "learn-days", OPT_INT, offsetof(struct options, learn_days), "7", 0, 365, "days",
	  "the sender domains of a host or script that has a history are learned silently for so long; one without any is not trusted to have many" },
	{ "theta0", OPT_REAL, offsetof(struct options, theta0), "0.05", 0.001, 0.9, "", "share of messages with an unknown foreign sender domain, at least; else twice the principal's own" },
	{ "theta0-most", OPT_REAL, offsetof(struct options, theta0_most), "0.60", 0.01, 0.95, "", "highest own share that counts as normal: forwarders without SRS" },
	{ "theta1", OPT_REAL, offsetof(struct options, theta1), "0.90", 0.1, 0.99, "", "share under abuse" },
	{ "new-domain", OPT_REAL, offsetof(struct options, new_domain), "0.5", 0, 8, "nats", "the sender domain was never seen on this site before today; at most six a day count" },
	{ "walk-cap", OPT_REAL, offsetof(struct options, walk_cap), "8", 0, 64, "nats", "most evidence of foreign domains alone" },
	{ "cap", OPT_REAL, offsetof(struct options, cap), "12", 0, 64, "nats", "most evidence once many senders were used within an hour, too" },
	{ 0 },
};
static const struct opt_table table = { "detector", "sender-spread", rows, sizeof(struct options) };

struct state {
	struct walk walk, spread;
	struct learned learned;
	uint64_t senders;       /* linear counter of this hour */
	uint32_t hour;
	uint32_t foreign, all;  /* messages since walk.since_us */
	uint32_t shown_senders; /* of the strongest hour */
	uint16_t peak, peak_month, peak_before; /* highest hour of this month and of the one before */
	uint16_t fresh_today, day;
	uint8_t pad[6];
};

#define SITE_SENDER 0x73697465u

/* Whether nobody of this site used the domain as a sender before today. */
static bool domain_fresh(struct judge *j, uint64_t domain, int64_t at_us)
{
	uint64_t ever = hash_mix(domain, SITE_SENDER), today = hash_mix(ever, (uint64_t)(at_us / US_PER_DAY));
	bool old = contacts_known(&j->contacts, ever) && !contacts_known(&j->contacts, today);
	if (!contacts_known(&j->contacts, ever)) {
		contacts_add(&j->contacts, ever);
		contacts_add(&j->contacts, today);
	}
	return !old && at_us - j->site->first_us > 14 * US_PER_DAY;
}

static unsigned peak_of(struct state *s, int64_t at_us)
{
	uint16_t month = (uint16_t)(at_us / (30 * US_PER_DAY));
	if (month != s->peak_month) {
		s->peak_before = month == s->peak_month + 1 ? s->peak : 0;
		s->peak = 0;
		s->peak_month = month;
	}
	return s->peak > s->peak_before ? s->peak : s->peak_before;
}

/* Distinct senders within an hour: what counts is how many more they are than in the highest hour so far. */
static void count_senders(struct principal *p, struct state *s, const struct options *o, const struct message_view *m)
{
	static const struct { unsigned senders; int32_t nats; } steps[] = { { 30, 10 }, { 15, 7 }, { 8, 5 }, { 4, 2 } };
	uint32_t hour = (uint32_t)(m->at_us / US_PER_HOUR);
	unsigned peak = peak_of(s, m->at_us);
	if (hour != s->hour) {
		unsigned n = linear_estimate(s->senders);
		if (!p->open_case && p->score < 4 * NAT && n > s->peak)
			s->peak = (uint16_t)(n < UINT16_MAX ? n : UINT16_MAX);
		s->senders = 0;
		s->hour = hour;
	}
	linear_add(&s->senders, m->sender_hash);
	unsigned n = linear_estimate(s->senders);
	if (s->spread.s == 0)
		s->shown_senders = 0;
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (n >= steps[i].senders && n > 2 * peak) {
			walk_reason("sender addresses within one hour");
			walk_raise(&s->spread, steps[i].nats * NAT, m->at_us, o->half_life_s);
			break;
		}
	if (n > s->shown_senders)
		s->shown_senders = n;
}

static void weigh_fresh(struct state *s, const struct options *o, int64_t at_us)
{
	uint16_t day = (uint16_t)(at_us / US_PER_DAY);
	if (s->day != day) {
		s->day = day;
		s->fresh_today = 0;
	}
	walk_reason("a sender domain never used");
	if (s->fresh_today++ < 6)
		walk_add(&s->walk, NATS(o->new_domain), at_us, o->half_life_s);
}

static void message(struct judge *j, struct principal *p, void *state, const void *opt, const struct message_view *m)
{
	struct state *s = state;
	const struct options *o = opt;
	if (!m->first_report || m->null_sender || !m->sender_hash || m->expansion)
		return;
	bool known = m->sender_known;
	if (!known && p->messages > 20 && m->at_us - p->first_us < o->learn_days * US_PER_DAY)
		known = true; /* learned silently: a server that moved here */
	int32_t t0 = learned_theta(&s->learned, 2, 1, 50, (int32_t)(o->theta0 * THETA_ONE), (int32_t)(o->theta0_most * THETA_ONE));
	if (walk_is_over(&s->walk, m->at_us, o->half_life_s))
		s->foreign = s->all = 0;
	walk_trial(&s->walk, !known, t0, (int32_t)(o->theta1 * THETA_ONE), m->at_us, o->half_life_s);
	if (!m->own_sender)
		count_senders(p, s, o, m);
	if (!known && domain_fresh(j, m->sender_domain_hash, m->at_us) && s->walk.s)
		weigh_fresh(s, o, m->at_us);
	if (s->walk.s < 4 * NAT)
		learned_add(&s->learned, !known);
	s->foreign += !known;
	s->all++;
}

static int32_t score(const struct judge *j, const struct principal *p, void *state, const void *opt, int64_t now_us, int32_t others)
{
	struct state *s = state;
	const struct options *o = opt;
	(void)j, (void)p, (void)others;
	int32_t walk = walk_evidence(&s->walk, now_us, o->half_life_s, NATS(o->walk_cap)), spread = walk_evidence(&s->spread, now_us, o->half_life_s, 12 * NAT);
	int32_t sum = walk ? walk + spread : 0; /* many senders of its own domains are a server */
	return sum < NATS(o->cap) ? sum : NATS(o->cap);
}

static void why(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	(void)j, (void)opt;
	buf_printf(out, "%u of %u messages of %s since %s have envelope senders in domains that are not its own and that it did not use before", s->foreign, s->all,
	           phrase_name(p).s, phrase_time(p, s->walk.since_us).s);
	if (s->shown_senders >= 4 && s->spread.s)
		buf_printf(out, "; within one hour it used %s%u sender addresses", s->shown_senders > 150 ? "more than " : "", s->shown_senders > 150 ? 150 : s->shown_senders);
	buf_addc(out, '.');
}

static void guards(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	const struct options *o = opt;
	(void)j, (void)p;
	if (s->walk.s && learned_theta(&s->learned, 2, 1, 50, 0, THETA_ONE) > (int32_t)(o->theta0 * THETA_ONE))
		buf_printf(out, "it always had some foreign senders (a forwarder?): only a higher share counts; ");
}

static void forgive(void *state)
{
	struct state *s = state;
	walk_forget(&s->walk);
	walk_forget(&s->spread);
}

const struct detector detector_sender_spread = {
	.name = "sender-spread",
	.title = "foreign or rotating senders",
	.group = GROUP_IDENTITY,
	.independent = true,
	.kinds = 1u << PRINCIPAL_ACCOUNT | 1u << PRINCIPAL_HOST | 1u << PRINCIPAL_SCRIPT,
	.state_bytes = (sizeof(struct state) + 7) / 8 * 8,
	.walks = 2,
	.options = &table,
	.message = message,
	.score = score,
	.since = walk_since,
	.why = why,
	.guards = guards,
	.forgive = forgive,
};
