/* D4 reject-mix: receivers call it spam. A Bernoulli walk on "this recipient's server refused the message as spam, by policy, or for a listed
 * domain in it", 1 % against 15 %: it rises above a rate of 5.3 %. Refusals that are about our own address, name or speed are charged to that
 * (egress-refused), not to who happened to send. docs/detectors.md B.2, D4. */
#include "analyzer/detector.h"
#include "analyzer/phrase.h"

struct options {
	bool enabled;
	int64_t half_life_s, per_message;
	double theta0, theta0_most, theta1, another_receiver, cap, one_receiver_cap;
};

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "true", 0, 0, "", "whether this detector speaks" },
	{ "half-life", OPT_TIME_S, offsetof(struct options, half_life_s), "24h", 60, 31536000, "s", "evidence halves in this time" },
	{ "theta0", OPT_REAL, offsetof(struct options, theta0), "0.01", 0.001, 0.5, "", "share of refusals in normal mail, at least; else twice the principal's own" },
	{ "theta0-most", OPT_REAL, offsetof(struct options, theta0_most), "0.08", 0.001, 0.5, "",
	  "highest own share that counts as normal: who forwards mail forwards spam, too" },
	{ "theta1", OPT_REAL, offsetof(struct options, theta1), "0.15", 0.01, 0.9, "", "share under abuse; five times theta0 where that is more" },
	{ "per-message", OPT_INT, offsetof(struct options, per_message), "2", 1, 100, "recipients", "refused recipients of one message that count (the others are scaled down with them)" },
	{ "another-receiver", OPT_REAL, offsetof(struct options, another_receiver), "1", 0, 8, "nats", "the second and the third receiving organisation that refuses within a day" },
	{ "cap", OPT_REAL, offsetof(struct options, cap), "14", 0, 64, "nats", "most evidence once two organisations refuse; above 12 it can open a case alone" },
	{ "one-receiver-cap", OPT_REAL, offsetof(struct options, one_receiver_cap), "8", 0, 64, "nats", "the same while it is one: its filter may be wrong" },
	{ 0 },
};
static const struct opt_table table = { "detector", "reject-mix", rows, sizeof(struct options) };

#define RECEIVERS 4
struct state {
	struct walk walk;
	struct learned learned;
	uint32_t refused, all;  /* since walk.since_us */
	uint32_t receiver[RECEIVERS]; /* that refused since then */
	uint32_t n_receivers, pad;
};

static void note_receiver(struct state *s, const struct options *o, uint64_t refuser, int64_t at_us)
{
	uint32_t name = (uint32_t)(refuser >> 32) | 1;
	for (size_t i = 0; i < s->n_receivers; i++)
		if (s->receiver[i] == name)
			return;
	if (s->n_receivers == RECEIVERS)
		return;
	s->receiver[s->n_receivers++] = name;
	walk_reason("another receiver says so");
	if (s->n_receivers == 2 || s->n_receivers == 3)
		walk_add(&s->walk, NATS(o->another_receiver), at_us, o->half_life_s);
}

static void begin_anew(struct state *s, const struct options *o, int64_t at_us)
{
	if (walk_is_over(&s->walk, at_us, o->half_life_s))
		s->refused = s->all = s->n_receivers = 0;
}

static void trials(struct state *s, const struct options *o, uint32_t refused, uint32_t good, int64_t at_us)
{
	int32_t t0 = learned_theta(&s->learned, 2, 1, 200, (int32_t)(o->theta0 * THETA_ONE), (int32_t)(o->theta0_most * THETA_ONE));
	int32_t t1 = (int32_t)(o->theta1 * THETA_ONE) > 5 * t0 ? (int32_t)(o->theta1 * THETA_ONE) : 5 * t0;
	walk_message(&s->walk, refused, good, (uint32_t)o->per_message, t0, t1, at_us, o->half_life_s);
	if (s->walk.s < 4 * NAT)
		for (uint32_t i = 0; i < refused + good && i < 8; i++)
			learned_add(&s->learned, i < refused);
}

static void message(struct judge *j, struct principal *p, void *state, const void *opt, const struct message_view *m)
{
	struct state *s = state;
	const struct options *o = opt;
	uint32_t refused = 0, good = 0;
	(void)j, (void)p;
	if (m->null_sender)
		return;
	for (size_t i = 0; i < m->n_listed; i++) {
		const struct rcpt_view *r = &m->rcpt[i];
		refused += r->blamed && !r->again;
		good += r->changed && r->outcome == OUTCOME_GOOD && !m->txn->rcpt[i].local;
	}
	if (!refused && !s->walk.s && !s->learned.all)
		return; /* nothing to remember yet */
	begin_anew(s, o, m->at_us);
	trials(s, o, refused, good, m->at_us);
	if (!s->walk.since_us)
		return;
	s->refused += refused;
	s->all += refused + good;
	for (size_t i = 0; i < m->n_listed && refused; i++)
		if (m->rcpt[i].blamed)
			note_receiver(s, o, m->rcpt[i].refuser, m->at_us);
}

static int32_t score(const struct judge *j, const struct principal *p, void *state, const void *opt, int64_t now_us, int32_t others)
{
	struct state *s = state;
	const struct options *o = opt;
	(void)j, (void)p, (void)others;
	return walk_evidence(&s->walk, now_us, o->half_life_s, NATS(s->n_receivers >= 2 ? o->cap : o->one_receiver_cap));
}

static void why(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	(void)j, (void)opt;
	buf_printf(out, "%s%u receiving organisation%s refused %u of %u recipients of %s as spam or by policy since %s.", s->n_receivers == RECEIVERS ? "At least " : "",
	           s->n_receivers, s->n_receivers == 1 ? "" : "s", s->refused, s->all, phrase_name(p).s, phrase_time(p, s->walk.since_us).s);
}

static void guards(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	const struct options *o = opt;
	(void)j, (void)p;
	if (s->walk.s > NATS(o->one_receiver_cap) && s->n_receivers < 2)
		buf_printf(out, "a single organisation calls it spam: at most %.0f nats; ", o->one_receiver_cap);
}

const struct detector detector_reject_mix = {
	.name = "reject-mix",
	.title = "receivers call it spam",
	.group = GROUP_RECEIVERS,
	.independent = true,
	.kinds = 1u << PRINCIPAL_ACCOUNT | 1u << PRINCIPAL_HOST | 1u << PRINCIPAL_SCRIPT,
	.state_bytes = (sizeof(struct state) + 7) / 8 * 8,
	.walks = 1,
	.options = &table,
	.message = message,
	.score = score,
	.since = walk_since,
	.why = why,
	.guards = guards,
	.forgive = walk_forget,
};
