/* D10 on the wire: the same text from hosts of several customers. Captured messages fall into clusters by a fuzzy fingerprint of their text
 * (20 of 32 MinHashes equal). Three or more customers in one cluster within two hours, and 30 recipients, are a sign; so is company with a host
 * whose case stands: its messages mark the cluster (BotMagnifier, USENIX Security 2011). A cluster that many have sent for
 * more than a week is common and says nothing. Weak by itself. docs/detectors.md B.2, D10. */
#include "analyzer/acase.h"
#include "analyzer/cluster.h"
#include "analyzer/detector.h"
#include "analyzer/phrase.h"

struct options {
	bool enabled;
	int64_t half_life_s, customers, recipients, own_messages, alike, common_principals;
	double together, seeded, cap;
};

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "true", 0, 0, "", "whether this detector speaks" },
	{ "half-life", OPT_TIME_S, offsetof(struct options, half_life_s), "24h", 60, 31536000, "s", "evidence halves in this time" },
	{ "customers", OPT_INT, offsetof(struct options, customers), "3", 2, 60, "customers", "so many send it within two hours" },
	{ "recipients", OPT_INT, offsetof(struct options, recipients), "30", 1, 1000000, "recipients", "and to so many" },
	{ "own-messages", OPT_INT, offsetof(struct options, own_messages), "5", 1, 1000, "messages", "of the host itself in a cluster before that counts" },
	{ "alike", OPT_INT, offsetof(struct options, alike), "20", 8, 32, "hashes", "of 32 that two texts share to be the same" },
	{ "common-principals", OPT_INT, offsetof(struct options, common_principals), "10", 2, 60, "principals", "a text seen from so many over more than a week is a common one" },
	{ "together", OPT_REAL, offsetof(struct options, together), "3", 0, 14, "nats", "the same text from several customers; more with their number" },
	{ "seeded", OPT_REAL, offsetof(struct options, seeded), "5", 0, 14, "nats", "the same text as a host sends whose case is likely or confirmed" },
	{ "cap", OPT_REAL, offsetof(struct options, cap), "8", 0, 64, "nats", "most evidence; below 12 it cannot open a case alone" },
	{ 0 },
};
static const struct opt_table table = { "detector", "same-body", rows, sizeof(struct options) };

extern const struct detector detector_same_body;

#define CLUSTERS 256
#define WINDOW_MIN 120u
struct cluster {
	uint16_t hash[SMTP_MINHASHES];
	uint64_t customers, ever; /* linear counters: in this window; of principals since first_min */
	uint32_t first_min, window_min, last_min, recipients, seeded_min, seeder, used, pad;
};

struct state {
	struct walk walk;
	struct cluster_member in[CLUSTER_MEMBERSHIPS];
	uint32_t shown_customers;
	bool shown_seeded;
	uint8_t pad[3];
};

/* The most alike that is alike enough; else the place of the one not seen for longest. */
static struct cluster *cluster_of(struct memory *m, const uint16_t *hash, unsigned alike, uint32_t now_min)
{
	struct cluster *all = (struct cluster *)(void *)m->p, *best = NULL, *oldest = &all[0];
	for (size_t i = 0; i < CLUSTERS; i++) {
		unsigned n = all[i].used ? smtp_hash_likeness(all[i].hash, hash) : 0;
		if (n >= alike) {
			alike = n + 1;
			best = &all[i];
		}
		if (all[i].last_min < oldest->last_min) /* 0: never used */
			oldest = &all[i];
	}
	if (!best) {
		best = oldest;
		*best = (struct cluster){ .first_min = now_min, .window_min = now_min, .used = 1 };
		memcpy(best->hash, hash, sizeof best->hash);
	}
	if (now_min - best->window_min >= WINDOW_MIN) {
		best->customers = 0;
		best->recipients = 0;
		best->window_min = now_min;
	}
	best->last_min = now_min;
	memory_touch_item(m, best, sizeof *best);
	return best;
}

static void weigh(struct judge *j, struct principal *p, struct state *s, const struct options *o, const struct smtp_message *m, int64_t at_us)
{
	uint32_t now_min = (uint32_t)(at_us / (60 * US_PER_S));
	struct memory *shared = judge_shared(j, &detector_same_body);
	struct cluster *c = cluster_of(shared, m->hash, (unsigned)o->alike, now_min);
	linear_add(&c->customers, cluster_customer(j, p));
	linear_add(&c->ever, p->key);
	c->recipients += (uint32_t)m->n_rcpt;
	bool marked = c->seeded_min && now_min - c->seeded_min < 24 * 60, by_us = c->seeder == (uint32_t)p->key;
	if (p->open_case && p->open_case->level >= CASE_LIKELY && (!marked || by_us)) {
		c->seeded_min = now_min;
		c->seeder = (uint32_t)p->key;
		by_us = true;
	}
	unsigned own = cluster_join(s->in, (uint32_t)(c - (struct cluster *)(void *)shared->p), at_us), customers = linear_estimate(c->customers);
	if (own < o->own_messages || (linear_estimate(c->ever) > o->common_principals && now_min - c->first_min > 7 * 24 * 60))
		return;
	bool seeded = marked && !by_us;
	int32_t level = seeded ? NATS(o->seeded) : 0;
	if (customers >= o->customers && c->recipients >= o->recipients) {
		int32_t more = NATS(o->together) + fixed_ln_ratio(customers, (uint64_t)o->customers);
		level = level > more ? level : more;
	}
	if (level <= 0)
		return;
	if (level >= s->walk.s) {
		s->shown_customers = customers;
		s->shown_seeded = seeded;
	}
	walk_reason(seeded ? "the same text as in an open case" : "the same text from several customers");
	walk_raise(&s->walk, level, at_us, o->half_life_s);
}

static void session(struct judge *j, struct principal *p, void *state, const void *opt, const struct session_view *v)
{
	if (v->inbound || (v->session->flags & SMTP_GAP))
		return;
	for (size_t i = 0; i < v->session->n_messages; i++) {
		const struct smtp_message *m = &v->session->message[i];
		if (m->has_hash && m->sender.n)
			weigh(j, p, state, opt, m, v->at_us);
	}
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
	(void)j, (void)opt;
	if (s->shown_seeded)
		buf_printf(out, "%s sends the same text as another host whose case is open.", phrase_name(p).s);
	else
		buf_printf(out, "%s sends the same text as hosts of %u customers within two hours.", phrase_name(p).s, s->shown_customers);
}

const struct detector detector_same_body = {
	.name = "same-body",
	.title = "the same text from several customers",
	.group = GROUP_IDENTITY,
	.kinds = 1u << PRINCIPAL_HOST,
	.state_bytes = (sizeof(struct state) + 7) / 8 * 8,
	.walks = 1,
	.shared_bytes = CLUSTERS * sizeof(struct cluster),
	.options = &table,
	.session = session,
	.score = score,
	.since = walk_since,
	.why = why,
	.forgive = walk_forget,
};
