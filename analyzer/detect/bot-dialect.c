/* D8 bot-dialect: a customer's host speaks SMTP like a bot. Traits come in two kinds. What honest software never does adds up session by session, at most
 * 6 nats each: talking before the greeting, calling itself by its victim's name or by ever new names, pipelining that was not offered, an attachment
 * that is a program. Habits are the same in every session of a host, and old or badly set up software has them, too (a bare address, "localhost" or its
 * line's name in HELO, HELO for EHLO, no QUIT, bare LF): a thousand sessions say no more than two, so they raise the evidence to a level and no
 * further. A login or encryption speak against it. Order of the weights after what blacklists and receivers name as reasons
 * (docs/detectors.md B.2, D8); their size is an assumption. Where a firewall has masked the dialogue, or packets are missing, only
 * the name counts. */

#include "analyzer/detector.h"
#include "analyzer/phrase.h"

struct options {
	bool enabled;
	int64_t half_life_s;
	double session_cap, cap, few_cap;
};

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "true", 0, 0, "", "whether this detector speaks" },
	{ "half-life", OPT_TIME_S, offsetof(struct options, half_life_s), "24h", 60, 31536000, "s", "evidence halves in this time" },
	{ "session-cap", OPT_REAL, offsetof(struct options, session_cap), "6", 0, 64, "nats", "most that one session adds" },
	{ "cap", OPT_REAL, offsetof(struct options, cap), "10", 0, 64, "nats", "most evidence; below 12 it cannot open a case alone" },
	{ "few-cap", OPT_REAL, offsetof(struct options, few_cap), "3", 0, 64, "nats", "the same of a host that talks to one or two servers only: printers and cameras speak badly, too" },
	{ 0 },
};
static const struct opt_table table = { "detector", "bot-dialect", rows, sizeof(struct options) };

/* The first HABITS add up, the others are habits. */
#define TRAITS(T)                                                                              \
	T(EARLY, 5.0, "talks before the greeting") T(PEER_HELO, 4.0, "greets with its peer's name") \
	T(NEW_HELO, 2.5, "greets with ever new names") T(UNOFFERED, 3.0, "pipelines although nobody offered it") \
	T(PROGRAM, 4.0, "sends programs")                                                         \
	T(ADDRESS_HELO, 3.0, "greets with a bare address") T(LOCALHOST, 2.0, "greets as localhost") \
	T(DYNAMIC_HELO, 2.0, "greets with its line's name")                                       \
	T(BARE_LF, 1.5, "ends lines wrongly") T(NO_QUIT, 1.0, "leaves without QUIT")               \
	T(OLD_HELO, 0.7, "says HELO, not EHLO") T(SYNTAX, 1.0, "writes addresses wrongly")

enum trait {
#define T(e, nats, text) TRAIT_##e,
	TRAITS(T)
#undef T
	TRAIT_COUNT
};
static const struct { int32_t weight; const char *text; } traits[] = {
#define T(e, nats, text) { NATS(nats), text },
	TRAITS(T)
#undef T
};

#define FIRST_HABIT TRAIT_ADDRESS_HELO
#define HABIT_TIMES 2        /* so often its weight is what a habit comes to */

#define HELOS 8              /* names that several servers behind one address may have */
struct state {
	struct walk walk, habits;
	uint64_t peers;          /* networks of this day */
	uint32_t helo[HELOS];    /* newest names */
	uint32_t day, hour, n_helo, next_helo, seen, pad; /* n_helo: names of this hour that were new; seen: bit set of traits since the evidence began */
	uint32_t sessions, odd;
};

/* The third new name of an hour and each after it, by organisation: servers behind one address belong to few, and have the same names every day. */
static bool new_name(struct state *s, const struct session_view *v)
{
	uint32_t hour = (uint32_t)(v->at_us / US_PER_HOUR), hash = (uint32_t)(v->helo_org >> 32) | 1;
	if (s->hour != hour) {
		s->hour = hour;
		s->n_helo = 0;
	}
	if (!v->helo_org || (v->session->flags & SMTP_TLS)) /* encrypted are mail programs behind NAT, each with its own name */
		return false;
	for (size_t i = 0; i < HELOS; i++)
		if (s->helo[i] == hash)
			return false;
	s->helo[s->next_helo++ % HELOS] = hash;
	if (s->n_helo < UINT32_MAX)
		s->n_helo++;
	return s->n_helo >= 3;
}

static uint32_t by_name(struct state *s, const struct session_view *v)
{
	uint32_t t = 0;
	t |= v->helo == HELO_PEER ? 1u << TRAIT_PEER_HELO : 0;
	t |= v->helo == HELO_ADDRESS ? 1u << TRAIT_ADDRESS_HELO : 0;
	t |= v->helo == HELO_LOCALHOST ? 1u << TRAIT_LOCALHOST : 0;
	t |= v->helo == HELO_DYNAMIC ? 1u << TRAIT_DYNAMIC_HELO : 0;
	t |= new_name(s, v) ? 1u << TRAIT_NEW_HELO : 0;
	return t;
}

static uint32_t by_manner(const struct session_view *v)
{
	const struct smtp_session *s = v->session;
	uint32_t f = s->flags, t = 0;
	if (f & (SMTP_GAP | SMTP_MASKED | SMTP_ONE_SIDED | SMTP_CUT))
		return 0;
	t |= f & SMTP_EARLY_TALKER ? 1u << TRAIT_EARLY : 0;
	t |= (f & SMTP_PIPELINED) && !(f & SMTP_PIPELINING_OFFERED) && !(f & SMTP_EARLY_TALKER) ? 1u << TRAIT_UNOFFERED : 0;
	t |= f & SMTP_BARE_LF ? 1u << TRAIT_BARE_LF : 0;
	t |= v->n_messages_taken && !(f & (SMTP_QUIT | SMTP_TLS)) ? 1u << TRAIT_NO_QUIT : 0;
	t |= s->helo.n && !(f & SMTP_ESMTP) ? 1u << TRAIT_OLD_HELO : 0;
	t |= f & SMTP_BAD_SYNTAX ? 1u << TRAIT_SYNTAX : 0;
	t |= (f & SMTP_PROGRAM) ? 1u << TRAIT_PROGRAM : 0;
	return t;
}

/* The sum of the weights of those traits; the heaviest is the reason. */
static int32_t sum(uint32_t t, unsigned from, unsigned to)
{
	int32_t weight = 0, most = 0;
	for (unsigned i = from; i < to; i++)
		if (t >> i & 1) {
			weight += traits[i].weight;
			if (traits[i].weight > most) {
				most = traits[i].weight;
				walk_reason(traits[i].text);
			}
		}
	return weight;
}

static void weigh(struct state *s, const struct options *o, const struct session_view *v, uint32_t t)
{
	int32_t against = v->session->flags & SMTP_AUTH_OK ? NATS(2.0) : 0;
	against += v->session->flags & SMTP_TLS ? NATS(1.0) : 0;
	if (!t) {
		walk_reason("speaks as it should");
		walk_add(&s->walk, -NATS(0.5), v->at_us, o->half_life_s);
		walk_add(&s->habits, -NATS(0.5), v->at_us, o->half_life_s);
		return;
	}
	int32_t weight = sum(t, 0, FIRST_HABIT) - against;
	if (weight)
		walk_add(&s->walk, weight < NATS(o->session_cap) ? weight : NATS(o->session_cap), v->at_us, o->half_life_s);
	int32_t level = HABIT_TIMES * (sum(t, FIRST_HABIT, TRAIT_COUNT) - against);
	if (level > s->habits.s)
		walk_raise(&s->habits, level, v->at_us, o->half_life_s);
}

static void session(struct judge *j, struct principal *p, void *state, const void *opt, const struct session_view *v)
{
	struct state *s = state;
	const struct options *o = opt;
	(void)j, (void)p;
	uint32_t day = (uint32_t)(v->at_us / US_PER_DAY);
	if (v->inbound || !v->session->commands)
		return;
	if (s->day != day) {
		s->day = day;
		s->peers = 0;
	}
	linear_add(&s->peers, v->peer.net);
	if (s->walk.s < NAT && s->habits.s < NAT) /* rests of weeks ago are no beginning */
		s->seen = s->sessions = s->odd = 0;
	s->sessions++;
	uint32_t t = by_name(s, v) | by_manner(v);
	s->seen |= t;
	s->odd += t != 0;
	weigh(s, o, v, t);
}

static int32_t score(const struct judge *j, const struct principal *p, void *state, const void *opt, int64_t now_us, int32_t others)
{
	struct state *s = state;
	const struct options *o = opt;
	(void)j, (void)p, (void)others;
	int32_t cap = NATS(linear_estimate(s->peers) <= 2 ? o->few_cap : o->cap);
	int32_t all = walk_evidence(&s->walk, now_us, o->half_life_s, cap) + walk_evidence(&s->habits, now_us, o->half_life_s, cap);
	return all < cap ? all : cap;
}

static int64_t since(const void *state)
{
	const struct state *s = state;
	return walks_since(&s->walk, &s->habits);
}

static void why(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	(void)j, (void)opt;
	buf_printf(out, "%u of %u sessions of %s since %s speak SMTP like a bot: it ", s->odd, s->sessions, phrase_name(p).s, phrase_time(p, since(state)).s);
	bool first = true;
	for (unsigned i = 0; i < TRAIT_COUNT; i++)
		if (s->seen >> i & 1) {
			buf_printf(out, "%s%s", first ? "" : ", ", traits[i].text);
			first = false;
		}
	buf_addc(out, '.');
}

static void guards(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	(void)j, (void)p, (void)opt;
	if ((s->walk.s || s->habits.s) && linear_estimate(s->peers) <= 2)
		buf_puts(out, "it talks to one or two servers only, as devices do; ");
}

static void forgive(void *state)
{
	struct state *s = state;
	walk_forget(&s->walk);
	walk_forget(&s->habits);
}

const struct detector detector_bot_dialect = {
	.name = "bot-dialect",
	.title = "speaks SMTP like a bot",
	.group = GROUP_PROTOCOL,
	.independent = true,
	.kinds = 1u << PRINCIPAL_HOST,
	.state_bytes = (sizeof(struct state) + 7) / 8 * 8,
	.walks = 2,
	.options = &table,
	.session = session,
	.score = score,
	.since = since,
	.why = why,
	.guards = guards,
	.forgive = forgive,
};
