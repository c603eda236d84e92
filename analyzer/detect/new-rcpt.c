/* D2 new-rcpt: writes to strangers. A Bernoulli walk on "most recipients of this message were never contacted before by
 * this principal", with the principal's own share of first contacts as the null rate, learned while nothing is wrong.
 * Measured in docs/detectors.md (findings 1, 2 and 4): 10 messages to detection, 0.3 to 4.6 false cases per
 * 10,000 active sender-days together with the others. */
#include "analyzer/detector.h"
#include "analyzer/phrase.h"

struct options {
	bool enabled;
	int64_t ready_days, learn_days, ready_recipients, half_life_s;
	double theta0_least, theta0_most, theta1, cap, batch_cap;
};

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "true", 0, 0, "", "whether this detector speaks" },
	{ "ready-days", OPT_INT, offsetof(struct options, ready_days), "14", 0, 365, "days",
	  "until the contact memory of a principal is taken as filled; before, the whole site's share of first contacts is a floor" },
	{ "learn-days", OPT_INT, offsetof(struct options, learn_days), "1", 0, 365, "days", "until it says anything at all about a new principal" },
	{ "ready-recipients", OPT_INT, offsetof(struct options, ready_recipients), "10", 0, 10000, "recipients", "the same, in recipients" },
	{ "half-life", OPT_TIME_S, offsetof(struct options, half_life_s), "24h", 60, 31536000, "s", "evidence halves in this time" },
	{ "theta0-least", OPT_REAL, offsetof(struct options, theta0_least), "0.25", 0.01, 0.9, "", "lowest null rate; 0.25 never alarmed on real mail with learned rates" },
	{ "theta0-most", OPT_REAL, offsetof(struct options, theta0_most), "0.85", 0.01, 0.95, "", "highest null rate" },
	{ "theta1", OPT_REAL, offsetof(struct options, theta1), "0.90", 0.1, 0.99, "", "share of strangers under abuse" },
	{ "cap", OPT_REAL, offsetof(struct options, cap), "16", 0, 64, "nats", "most evidence it may give; above 12 it can open a case alone" },
	{ "batch-cap", OPT_REAL, offsetof(struct options, batch_cap), "8", 0, 64, "nats", "the same while it rests on one or two messages without refusals: a moved address book" },
	{ 0 },
};
static const struct opt_table table = { "detector", "new-rcpt", rows, sizeof(struct options) };

struct state {
	struct walk walk;
	struct learned learned; /* share of messages to strangers */
	uint32_t contacted;     /* recipients ever, for readiness */
	uint32_t messages, strangers, all_messages; /* since walk.since_us */
	uint32_t refused;       /* refused recipients since then */
	int32_t theta0;         /* of the last trial, 1/1024 */
};

#define ONE (1u << 16)

static int32_t null_rate(const struct judge *j, const struct principal *p, const struct state *s, const struct options *o, int64_t now_us)
{
	int32_t least = (int32_t)(o->theta0_least * THETA_ONE), most = (int32_t)(o->theta0_most * THETA_ONE);
	int32_t own = learned_theta(&s->learned, 2, 2, 14, least, most);
	if (now_us - p->first_us >= o->ready_days * US_PER_DAY)
		return own;
	uint64_t site = j->site->n_all ? 2 * THETA_ONE * j->site->n_new / j->site->n_all : THETA_ONE;
	return site > (uint64_t)most ? most : (int32_t)site > own ? (int32_t)site : own;
}

static unsigned trials(size_t n, size_t n_new)
{
	unsigned t = 1;
	if (n < 16 || n_new * 10 < n * 8)
		return 1;
	for (size_t m = n / 8; m > 1 && t < 3; m /= 2)
		t++;
	return t;
}

static void count(struct state *s, bool x, size_t n_new)
{
	if (s->walk.since_us == 0)
		return;
	s->all_messages++;
	if (x) {
		s->messages++;
		s->strangers += (uint32_t)n_new;
	}
}

static void message(struct judge *j, struct principal *p, void *state, const void *opt, const struct message_view *m)
{
	struct state *s = state;
	const struct options *o = opt;
	size_t n_new = 0;
	if (walk_is_over(&s->walk, m->at_us, o->half_life_s))
		s->messages = s->strangers = s->all_messages = s->refused = 0;
	for (size_t i = 0; i < m->n_listed; i++) {
		n_new += !m->rcpt[i].known;
		if (m->rcpt[i].changed && m->rcpt[i].outcome >= OUTCOME_BAD)
			s->refused++;
	}
	if (!m->first_report || m->null_sender || m->n_listed == 0 || m->expansion)
		return;
	bool x = n_new * 2 > m->n_listed;
	bool ready = m->at_us - p->first_us >= o->learn_days * US_PER_DAY && s->contacted >= o->ready_recipients;
	s->contacted += m->n_rcpt;
	if (ready) {
		int32_t t0 = null_rate(j, p, s, o, m->at_us), t1 = (int32_t)(o->theta1 * THETA_ONE);
		if (t1 < THETA_ONE / 2 + t0 / 2)
			t1 = THETA_ONE / 2 + t0 / 2;
		s->theta0 = t0;
		for (unsigned t = x ? trials(m->n_listed, n_new) : 1; t; t--)
			walk_trial(&s->walk, x, t0, t1, m->at_us, o->half_life_s);
	}
	/* No learning while suspicious: an attack must not teach us that strangers are normal. */
	if (s->walk.s < 4 * NAT) {
		learned_add(&s->learned, x);
		j->site->n_new -= j->site->n_new / 4096;
		j->site->n_all -= j->site->n_all / 4096;
		j->site->n_new += x ? ONE : 0;
		j->site->n_all += ONE;
		memory_touch(&j->site_memory, offsetof(struct site_state, n_new));
	}
	count(s, x, n_new);
}

static bool is_batch(const struct state *s)
{
	return s->messages <= 2 && s->refused == 0;
}

static int32_t score(const struct judge *j, const struct principal *p, void *state, const void *opt, int64_t now_us, int32_t others)
{
	struct state *s = state;
	const struct options *o = opt;
	(void)j, (void)p, (void)others;
	return walk_evidence(&s->walk, now_us, o->half_life_s, NATS(is_batch(s) ? o->batch_cap : o->cap));
}

static void why(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	(void)j, (void)opt;
	unsigned share = s->all_messages ? s->messages * 100 / s->all_messages : 0;
	buf_printf(out, "%s wrote %u message%s to %u address%s it had never contacted before, %u %% of its mail since %s (normally at most %d %%).",
	           phrase_name(p).s, s->messages, s->messages == 1 ? "" : "s", s->strangers, s->strangers == 1 ? "" : "es", share,
	           phrase_time(p, s->walk.since_us).s, (int)(s->theta0 * 100 / THETA_ONE));
}

static void guards(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	const struct options *o = opt;
	(void)j;
	if (s->walk.s > 0 && is_batch(s))
		buf_printf(out, "one batch of mail without a refusal: at most %.0f nats; ", o->batch_cap);
	if (s->walk.s > 0 && s->walk.at_us - p->first_us < o->ready_days * US_PER_DAY)
		buf_printf(out, "known for less than %d days: judged by the whole site's share of first contacts; ", (int)o->ready_days);
}

const struct detector detector_new_rcpt = {
	.name = "new-rcpt",
	.title = "writes to strangers",
	.group = GROUP_VOLUME,
	.kinds = 1u << PRINCIPAL_ACCOUNT | 1u << PRINCIPAL_HOST | 1u << PRINCIPAL_SCRIPT,
	.state_bytes = sizeof(struct state),
	.walks = 1,
	.options = &table,
	.message = message,
	.score = score,
	.since = walk_since,
	.why = why,
	.guards = guards,
	.forgive = walk_forget,
};
