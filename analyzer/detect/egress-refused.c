/* D4e egress-refused: receivers refuse our own outgoing address, because a blocklist names it or because its reputation is bad. A Bernoulli walk
 * over everybody's mail through that address, 0.2 % against 5 %: it rises above a rate of 1.5 %. The mail of who is suspected does not count: it may
 * be refused for its own sake. docs/detectors.md B.2, D4 and D13. */
#include "analyzer/acase.h"
#include "analyzer/detector.h"
#include "analyzer/phrase.h"

struct options {
	bool enabled;
	int64_t half_life_s, per_message;
	double theta0, theta1, cap, few_cap;
};

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "true", 0, 0, "", "whether this detector speaks" },
	{ "half-life", OPT_TIME_S, offsetof(struct options, half_life_s), "24h", 60, 31536000, "s", "evidence halves in this time" },
	{ "theta0", OPT_REAL, offsetof(struct options, theta0), "0.002", 0.001, 0.5, "", "share of such refusals while the address is well" },
	{ "theta1", OPT_REAL, offsetof(struct options, theta1), "0.05", 0.005, 0.9, "", "share while it is listed" },
	{ "per-message", OPT_INT, offsetof(struct options, per_message), "1", 1, 100, "recipients", "refused recipients of one message that count" },
	{ "cap", OPT_REAL, offsetof(struct options, cap), "14", 0, 64, "nats",
	  "most evidence once two organisations refuse the mail of three senders; above 12 it opens a case alone" },
	{ "few-cap", OPT_REAL, offsetof(struct options, few_cap), "8", 0, 64, "nats", "the same until then: one receiver's own list, or one sender's mail" },
	{ 0 },
};
static const struct opt_table table = { "detector", "egress-refused", rows, sizeof(struct options) };

struct state {
	struct walk walk;
	uint32_t refused, all;  /* recipients since walk.since_us */
	uint32_t receiver[2], n_receivers, pad;
	uint64_t senders;       /* linear counter of those whose mail was refused */
	char list[28];          /* the list that the newest refusal named */
};

static void note(struct judge *j, struct state *s, const struct message_view *m, size_t i)
{
	const struct txn_rcpt *r = &m->txn->rcpt[i];
	uint32_t name = (uint32_t)(m->rcpt[i].refuser >> 32) | 1;
	linear_add(&s->senders, m->sender ? m->sender->key : hash_mix(m->sender_hash, 0));
	if (s->n_receivers < 2 && (s->n_receivers == 0 || s->receiver[0] != name))
		s->receiver[s->n_receivers++] = name;
	const char *list = strstr(reply_classify(j->replies, r->reply, r->dsn).detail, "list=");
	if (!list)
		return;
	size_t n = strcspn(list + 5, " ");
	n = n < sizeof s->list - 1 ? n : sizeof s->list - 1;
	memset(s->list, 0, sizeof s->list);
	memcpy(s->list, list + 5, n);
}

static bool is_few(const struct state *s)
{
	return s->n_receivers < 2 || linear_estimate(s->senders) < 3;
}

static void message(struct judge *j, struct principal *p, void *state, const void *opt, const struct message_view *m)
{
	struct state *s = state;
	const struct options *o = opt;
	uint32_t refused = 0, good = 0;
	(void)p;
	for (size_t i = 0; i < m->n_listed; i++) {
		const struct rcpt_view *r = &m->rcpt[i];
		refused += r->listed && !r->again;
		good += r->changed && r->outcome == OUTCOME_GOOD && !m->txn->rcpt[i].local;
	}
	if (walk_is_over(&s->walk, m->at_us, o->half_life_s))
		*s = (struct state){ .walk = s->walk };
	walk_message(&s->walk, refused, good, (uint32_t)o->per_message, (int32_t)(o->theta0 * THETA_ONE), (int32_t)(o->theta1 * THETA_ONE), m->at_us, o->half_life_s);
	s->refused += refused;
	s->all += refused + good;
	for (size_t i = 0; i < m->n_listed && refused; i++)
		if (m->rcpt[i].listed)
			note(j, s, m, i);
}

static int32_t score(const struct judge *j, const struct principal *p, void *state, const void *opt, int64_t now_us, int32_t others)
{
	struct state *s = state;
	const struct options *o = opt;
	(void)j, (void)p, (void)others;
	return walk_evidence(&s->walk, now_us, o->half_life_s, NATS(is_few(s) ? o->few_cap : o->cap));
}

static void why(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	(void)j, (void)opt;
	buf_printf(out, "%u of %u recipients' servers refused mail because of our address %s since %s", s->refused, s->all, p->id, phrase_time(p, s->walk.since_us).s);
	if (s->list[0])
		buf_printf(out, " (the newest names %.*s)", (int)sizeof s->list, s->list);
	buf_addc(out, '.');
}

static void guards(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	const struct options *o = opt;
	(void)j, (void)p;
	if (s->walk.s > NATS(o->few_cap) && is_few(s))
		buf_printf(out, "a single organisation refuses, or the mail of fewer than three senders: at most %.0f nats; ", o->few_cap);
}

static int suggests(const void *state)
{
	(void)state;
	return CASE_LISTING;
}

const struct detector detector_egress_refused = {
	.name = "egress-refused",
	.title = "our address is refused",
	.group = GROUP_RECEIVERS,
	.independent = true,
	.kinds = 1u << PRINCIPAL_OWN_IP,
	.state_bytes = (sizeof(struct state) + 7) / 8 * 8,
	.walks = 1,
	.options = &table,
	.message = message,
	.score = score,
	.since = walk_since,
	.why = why,
	.suggests = suggests,
	.guards = guards,
	.forgive = walk_forget,
};
