/* D3 bad-rcpt: a dirty list. A Bernoulli walk on "this recipient does not exist", 3 % against 20 %: it rises above a rate of
 * 9.2 % and stays at zero below. The idea of counting failures to nobody is every operator's (docs/detectors.md A.5); the
 * test is that of Jung, Paxson, Berger and Balakrishnan, "Fast portscan detection" (2004), applied to recipients. */
#include "analyzer/detector.h"
#include "analyzer/judge_int.h"
#include "analyzer/phrase.h"

struct options {
	bool enabled;
	int64_t half_life_s, per_message, per_domain;
	double theta0, theta1, cap;
};

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "true", 0, 0, "", "whether this detector speaks" },
	{ "half-life", OPT_TIME_S, offsetof(struct options, half_life_s), "24h", 60, 31536000, "s", "evidence halves in this time" },
	{ "theta0", OPT_REAL, offsetof(struct options, theta0), "0.03", 0.001, 0.5, "", "share of unknown recipients in normal mail" },
	{ "theta1", OPT_REAL, offsetof(struct options, theta1), "0.20", 0.01, 0.9, "", "share under abuse" },
	{ "per-message", OPT_INT, offsetof(struct options, per_message), "2", 1, 100, "recipients", "unknown recipients of one message that count (the others are scaled down with them)" },
	{ "per-domain", OPT_INT, offsetof(struct options, per_domain), "3", 1, 1000, "recipients", "unknown recipients of one receiving domain that count in a day: one dead domain is no dirty list" },
	{ "cap", OPT_REAL, offsetof(struct options, cap), "14", 0, 64, "nats", "most evidence it may give; above 12 it can open a case alone" },
	{ 0 },
};
static const struct opt_table table = { "detector", "bad-rcpt", rows, sizeof(struct options) };

#define SLOTS 16
struct state {
	struct walk walk;
	uint32_t bad, all;      /* since walk.since_us; the recipients that did not count are in all too */
	uint32_t day;
	uint32_t capped, voided, again; /* recipients not counted because of a guard, today */
	uint32_t domain[SLOTS]; /* of today, and how many of each counted */
	uint16_t counted[SLOTS];
};

/* Whether another bad recipient of this domain still counts today. */
static bool domain_counts(struct state *s, uint64_t hash, int64_t at_us, int64_t most)
{
	uint32_t day = (uint32_t)(at_us / US_PER_DAY), h = (uint32_t)(hash >> 32) | 1;
	if (s->day != day) {
		memset(s->domain, 0, sizeof s->domain);
		memset(s->counted, 0, sizeof s->counted);
		s->day = day;
		s->capped = s->voided = s->again = 0;
	}
	size_t least = 0;
	for (size_t i = 0; i < SLOTS; i++) {
		if (s->domain[i] == h)
			return s->counted[i] < most ? (s->counted[i]++, true) : false;
		if (s->counted[i] < s->counted[least])
			least = i;
	}
	s->domain[least] = h;
	s->counted[least] = 1;
	return true;
}

static void begin_anew(struct state *s, const struct options *o, int64_t at_us)
{
	if (walk_is_over(&s->walk, at_us, o->half_life_s))
		s->bad = s->all = 0;
}

static void message(struct judge *j, struct principal *p, void *state, const void *opt, const struct message_view *m)
{
	struct state *s = state;
	const struct options *o = opt;
	uint32_t bad = 0, good = 0, counted = 0;
	(void)j, (void)p;
	if (m->null_sender)
		return;
	for (size_t i = 0; i < m->n_listed; i++) {
		const struct rcpt_view *r = &m->rcpt[i];
		if (!r->changed)
			continue;
		good += r->outcome == OUTCOME_GOOD;
		if (r->outcome != OUTCOME_BAD)
			continue;
		if (r->repeated) {
			s->again++;
			continue;
		}
		if (r->void_receiver)
			s->voided++;
		else if (domain_counts(s, r->domain_hash, m->at_us, o->per_domain))
			counted++;
		else
			s->capped++;
		bad++;
	}
	begin_anew(s, o, m->at_us);
	walk_message(&s->walk, counted, good, (uint32_t)o->per_message, (int32_t)(o->theta0 * THETA_ONE), (int32_t)(o->theta1 * THETA_ONE), m->at_us, o->half_life_s);
	if (s->walk.since_us) {
		s->bad += bad;
		s->all += bad + good;
	}
}

/* Our own servers refused a recipient before there was a message. */
static void fact(struct judge *j, struct principal *p, void *state, const void *opt, const struct fact_view *f)
{
	struct state *s = state;
	const struct options *o = opt;
	struct sv recipient = f->record->recipient;
	if (!p || f->class != REPLY_UNKNOWN_USER)
		return;
	if (recipient.n && view_was_bad(j, p, hash_folded(&j->key, recipient))) {
		s->again++;
		return;
	}
	begin_anew(s, o, f->at_us);
	walk_trial(&s->walk, true, (int32_t)(o->theta0 * THETA_ONE), (int32_t)(o->theta1 * THETA_ONE), f->at_us, o->half_life_s);
	s->bad++;
	s->all++;
}

static int32_t score(const struct judge *j, const struct principal *p, void *state, const void *opt, int64_t now_us, int32_t others)
{
	struct state *s = state;
	const struct options *o = opt;
	(void)j, (void)p, (void)others;
	return walk_evidence(&s->walk, now_us, o->half_life_s, NATS(o->cap));
}

static void why(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	const struct options *o = opt;
	int32_t t0 = (int32_t)(o->theta0 * THETA_ONE), t1 = (int32_t)(o->theta1 * THETA_ONE);
	int32_t up = fixed_ln_ratio((uint64_t)t1, (uint64_t)t0);
	int32_t down = fixed_ln_ratio((uint64_t)(THETA_ONE - t0), (uint64_t)(THETA_ONE - t1));
	(void)j;
	buf_printf(out, "%u of %u recipients of %s since %s do not exist (%u %%, limit %d %%) - typical of a bought or harvested list.",
	           s->bad, s->all, phrase_name(p).s, phrase_time(p, s->walk.since_us).s, s->all ? s->bad * 100 / s->all : 0,
	           (int)(100 * (int64_t)down / (up + down)));
}

static void guards(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	const struct options *o = opt;
	(void)j, (void)p;
	if (s->capped)
		buf_printf(out, "%u unknown recipient%s not counted: more than %d a day in one domain; ", s->capped, s->capped == 1 ? "" : "s", (int)o->per_domain);
	if (s->again)
		buf_printf(out, "%u refusal%s not counted: the same unknown recipient again; ", s->again, s->again == 1 ? "" : "s");
	if (s->voided)
		buf_printf(out, "%u unknown recipient%s not counted: the receiver refused nearly everybody; ", s->voided, s->voided == 1 ? "" : "s");
}

const struct detector detector_bad_rcpt = {
	.name = "bad-rcpt",
	.title = "dirty recipient list",
	.group = GROUP_RECEIVERS,
	.kinds = 1u << PRINCIPAL_ACCOUNT | 1u << PRINCIPAL_HOST | 1u << PRINCIPAL_SCRIPT,
	.state_bytes = sizeof(struct state),
	.walks = 1,
	.options = &table,
	.message = message,
	.fact = fact,
	.score = score,
	.since = walk_since,
	.why = why,
	.guards = guards,
	.forgive = walk_forget,
};
