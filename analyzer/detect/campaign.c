/* D10 campaign: the same message from several principals. Messages to strangers are put into clusters: by subject and rough size where the log has
 * the subject, else by size and the shape of the message-id. Several unrelated customers in one cluster within two hours are a sign; and so is
 * company with a principal whose case stands: its messages mark the cluster (BotMagnifier, USENIX Security 2011; "deviation and similarity" of
 * COMPA, NDSS 2013). Weak by itself, so it never opens a case alone. docs/detectors.md B.2, D10. */
#include "analyzer/acase.h"
#include "analyzer/cluster.h"
#include "analyzer/detector.h"
#include "analyzer/phrase.h"

#include <ctype.h>

struct options {
	bool enabled;
	int64_t half_life_s, customers, recipients, own_messages, common_principals;
	double together, seeded, seeded_by_shape, cap;
};

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "true", 0, 0, "", "whether this detector speaks" },
	{ "half-life", OPT_TIME_S, offsetof(struct options, half_life_s), "24h", 60, 31536000, "s", "evidence halves in this time" },
	{ "customers", OPT_INT, offsetof(struct options, customers), "3", 2, 60, "customers", "so many send it within two hours" },
	{ "recipients", OPT_INT, offsetof(struct options, recipients), "30", 1, 1000000, "recipients", "and so many strangers get it" },
	{ "own-messages", OPT_INT, offsetof(struct options, own_messages), "5", 1, 1000, "messages", "of the principal itself in a cluster before that counts" },
	{ "common-principals", OPT_INT, offsetof(struct options, common_principals), "10", 2, 60, "principals",
	  "a cluster seen from so many over more than a week is a common one (calendars, receipts, tickets) and says nothing" },
	{ "together", OPT_REAL, offsetof(struct options, together), "3", 0, 14, "nats", "the same subject and size from several customers; one more for each doubling of their number" },
	{ "seeded", OPT_REAL, offsetof(struct options, seeded), "5", 0, 14, "nats", "the same subject and size as a principal sends whose case is likely or confirmed" },
	{ "seeded-by-shape", OPT_REAL, offsetof(struct options, seeded_by_shape), "2.5", 0, 14, "nats", "the same where only size and shape of the message-id are known" },
	{ "cap", OPT_REAL, offsetof(struct options, cap), "8", 0, 64, "nats", "most evidence; below 12 it cannot open a case alone" },
	{ 0 },
};
static const struct opt_table table = { "detector", "campaign", rows, sizeof(struct options) };

extern const struct detector detector_campaign;

#define CLUSTERS 4096
#define WINDOW_MIN 120u
struct cluster {
	uint64_t customers;     /* linear counter in this window; a principal without a customer counts as one */
	uint64_t ever;          /* linear counter of principals since first_min */
	uint32_t name, first_min, window_min, last_min, recipients, seeded_min; /* minutes since the epoch; seeded 0: never */
	uint32_t seeder, pad; /* whose case marked it */
};

struct state {
	struct walk walk;
	struct cluster_member in[CLUSTER_MEMBERSHIPS];
	int64_t size;           /* of the message that counted */
	uint32_t shown_customers;
	bool shown_seeded, shown_subject;
	uint8_t pad[2];
};

#define SHAPE_BYTES 48

/* Letters and digits by kind, runs of them as one, up to the at sign: what a mailer's ids have in common. */
static uint64_t shape_of(const struct hash_key *k, struct sv id)
{
	char shape[SHAPE_BYTES + 1], before = 0;
	size_t n = 0;
	for (size_t i = 0; i < id.n && id.p[i] != '@' && n < SHAPE_BYTES; i++) {
		char c = id.p[i], low = (char)(c | 0x20), kind = c;
		bool digit = c >= '0' && c <= '9', letter = low >= 'a' && low <= 'z';
		kind = digit ? '9' : kind;
		kind = letter ? (char)('A' | (c & 0x20)) : kind;
		shape[n] = kind; /* stays if n moves on; where runs end nobody can foresee, so that is not branched upon */
		n += !(digit | letter) | (kind != before);
		before = kind;
	}
	return hash_sv(k, sv_make(shape, n));
}

/* Without digits, in lower case: a number in it makes no other message. */
static uint64_t subject_hash(const struct hash_key *k, struct sv subject)
{
	char text[TXN_SUBJECT_BYTES];
	size_t n = 0;
	for (size_t i = 0; i < subject.n && n < sizeof text; i++)
		if (!isdigit((unsigned char)subject.p[i]))
			text[n++] = (char)tolower((unsigned char)subject.p[i]);
	return hash_sv(k, sv_make(text, n));
}

#define SUBJECT_LEAST 6 /* bytes; "Re:", "test" and the like say nothing */

/* The octave of a size, and the next bits: with four bits sixteen classes an octave, each 3 to 6 % wide. */
static uint64_t size_class(int64_t size, unsigned bits)
{
	unsigned top = 63 - (unsigned)__builtin_clzll((uint64_t)size);
	uint64_t next = top >= bits ? (uint64_t)size >> (top - bits) : (uint64_t)size << (bits - top);
	return (uint64_t)top << 8 | (next & ((1u << bits) - 1));
}

static struct cluster *cluster_of(struct memory *m, uint64_t hash, uint32_t now_min)
{
	struct cluster *c = (struct cluster *)(void *)m->p + hash % CLUSTERS;
	uint32_t name = (uint32_t)(hash >> 32) | 1;
	if (c->name != name) {
		if (c->name && now_min - c->last_min < WINDOW_MIN && (linear_estimate(c->customers) > 1 || c->seeded_min))
			return NULL; /* the place belongs to a busier one */
		*c = (struct cluster){ .name = name, .first_min = now_min, .window_min = now_min };
	}
	if (now_min - c->window_min >= WINDOW_MIN) {
		c->customers = 0;
		c->recipients = 0;
		c->window_min = now_min;
	}
	c->last_min = now_min;
	memory_touch_item(m, c, sizeof *c);
	return c;
}

static void weigh(struct judge *j, struct principal *p, struct state *s, const struct options *o, const struct message_view *m, uint64_t hash, bool by_subject)
{
	uint32_t now_min = (uint32_t)(m->at_us / (60 * US_PER_S));
	struct cluster *c = cluster_of(judge_shared(j, &detector_campaign), hash, now_min);
	if (!c)
		return;
	linear_add(&c->customers, cluster_customer(j, p));
	linear_add(&c->ever, p->key);
	c->recipients += m->n_rcpt;
	bool marked = c->seeded_min && now_min - c->seeded_min < 24 * 60, by_us = c->seeder == (uint32_t)p->key;
	if (p->open_case && p->open_case->level >= CASE_LIKELY && (!marked || by_us)) {
		c->seeded_min = now_min;
		c->seeder = (uint32_t)p->key;
		by_us = true;
	}
	unsigned own = cluster_join(s->in, c->name, m->at_us), customers = linear_estimate(c->customers);
	if (own < o->own_messages || (linear_estimate(c->ever) > o->common_principals && now_min - c->first_min > 7 * 24 * 60))
		return;
	bool seeded = marked && !by_us;
	int32_t level = seeded ? NATS(by_subject ? o->seeded : o->seeded_by_shape) : 0;
	if (by_subject && customers >= o->customers && c->recipients >= o->recipients) {
		int32_t more = NATS(o->together) + fixed_ln_ratio(customers, (uint64_t)o->customers);
		level = level > more ? level : more;
	}
	if (level <= 0)
		return;
	if (level >= s->walk.s) {
		s->size = m->txn->size;
		s->shown_customers = customers;
		s->shown_seeded = seeded;
		s->shown_subject = by_subject;
	}
	walk_reason(seeded ? "the same mail as in an open case" : "the same mail from several customers");
	walk_raise(&s->walk, level, m->at_us, o->half_life_s);
}

static void message(struct judge *j, struct principal *p, void *state, const void *opt, const struct message_view *m)
{
	const struct txn *t = m->txn;
	if (!m->first_report || m->null_sender || m->expansion || !m->strangers || t->size <= 0)
		return;
	if (t->subject.n >= SUBJECT_LEAST)
		weigh(j, p, state, opt, m, hash_mix(subject_hash(&j->key, t->subject), size_class(t->size, 1)), true);
	else if (t->message_id.n)
		weigh(j, p, state, opt, m, hash_mix(shape_of(&j->key, t->message_id), size_class(t->size, 4)), false);
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
	buf_printf(out, "Messages of %s look like those ", phrase_name(p).s);
	if (s->shown_seeded)
		buf_printf(out, "of another sender whose case is open");
	else
		buf_printf(out, "of %u customers within two hours", s->shown_customers);
	buf_printf(out, " (%s, about %lld bytes).", s->shown_subject ? "same subject" : "same size and shape of the message-id", (long long)s->size);
}

const struct detector detector_campaign = {
	.name = "campaign",
	.title = "the same message from several customers",
	.group = GROUP_IDENTITY,
	.kinds = 1u << PRINCIPAL_ACCOUNT | 1u << PRINCIPAL_HOST | 1u << PRINCIPAL_SCRIPT,
	.state_bytes = (sizeof(struct state) + 7) / 8 * 8,
	.walks = 1,
	.shared_bytes = CLUSTERS * sizeof(struct cluster),
	.options = &table,
	.message = message,
	.score = score,
	.since = walk_since,
	.why = why,
	.forgive = walk_forget,
};
