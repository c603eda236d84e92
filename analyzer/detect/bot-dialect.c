/* D8 bot-dialect: a customer's host speaks SMTP like a bot. Each session gets weights for its traits, at most 6 nats: talking before the greeting,
 * calling itself by its victim's name, by a bare address or "localhost", by ever new names, pipelining that was not offered, an attachment that is a
 * program, and lesser ones; a login or encryption speak against it. Order of the weights after what blacklists and receivers name as reasons
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

#define TRAITS(T)                                                                              \
	T(EARLY, 5.0, "talks before the greeting") T(PEER_HELO, 4.0, "greets with its peer's name") \
	T(ADDRESS_HELO, 3.0, "greets with a bare address") T(LOCALHOST, 2.0, "greets as localhost") \
	T(DYNAMIC_HELO, 2.0, "greets with its line's name") T(NEW_HELO, 2.5, "greets with ever new names") \
	T(UNOFFERED, 3.0, "pipelines although nobody offered it") T(PROGRAM, 4.0, "sends programs")  \
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

#define HELOS 4
struct state {
	struct walk walk;
	uint64_t peers;          /* networks of this day */
	uint64_t helo[HELOS];    /* of this hour */
	uint32_t day, hour, n_helo, seen; /* seen: bit set of traits since the evidence began */
	uint32_t sessions, odd;
};

/* The third name of an hour and each after it, by organisation: servers behind one address belong to one. */
static bool new_name(struct state *s, const struct session_view *v)
{
	uint32_t hour = (uint32_t)(v->at_us / US_PER_HOUR);
	if (s->hour != hour) {
		s->hour = hour;
		s->n_helo = 0;
	}
	if (!v->helo_org)
		return false;
	for (size_t i = 0; i < HELOS && i < s->n_helo; i++)
		if (s->helo[i] == v->helo_org)
			return false;
	s->helo[s->n_helo % HELOS] = v->helo_org;
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
	if (!s->walk.s)
		s->seen = s->sessions = s->odd = 0;
	s->sessions++;
	uint32_t t = by_name(s, v) | by_manner(v);
	int32_t weight = 0, most = 0;
	for (unsigned i = 0; i < TRAIT_COUNT; i++)
		if (t >> i & 1) {
			weight += traits[i].weight;
			if (traits[i].weight > most) {
				most = traits[i].weight;
				walk_reason(traits[i].text);
			}
		}
	if (v->session->flags & SMTP_AUTH_OK)
		weight -= NATS(2.0);
	if (v->session->flags & SMTP_TLS)
		weight -= NATS(1.0);
	if (!t)
		walk_reason("speaks as it should");
	weight = !t ? -NATS(0.5) : weight < NATS(o->session_cap) ? weight : NATS(o->session_cap);
	s->seen |= t;
	s->odd += t != 0;
	walk_add(&s->walk, weight, v->at_us, o->half_life_s);
}

static int32_t score(const struct judge *j, const struct principal *p, void *state, const void *opt, int64_t now_us, int32_t others)
{
	struct state *s = state;
	const struct options *o = opt;
	(void)j, (void)p, (void)others;
	return walk_evidence(&s->walk, now_us, o->half_life_s, NATS(linear_estimate(s->peers) <= 2 ? o->few_cap : o->cap));
}

static void why(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	(void)j, (void)opt;
	buf_printf(out, "%u of %u sessions of %s since %s speak SMTP like a bot: it ", s->odd, s->sessions, phrase_name(p).s, phrase_time(p, s->walk.since_us).s);
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
	if (s->peers && linear_estimate(s->peers) <= 2)
		buf_puts(out, "it talks to one or two servers only, as devices do");
}

const struct detector detector_bot_dialect = {
	.name = "bot-dialect",
	.title = "speaks SMTP like a bot",
	.group = GROUP_PROTOCOL,
	.independent = true,
	.kinds = 1u << PRINCIPAL_HOST,
	.state_bytes = (sizeof(struct state) + 7) / 8 * 8,
	.options = &table,
	.session = session,
	.score = score,
	.since = walk_since,
	.why = why,
	.guards = guards,
	.forgive = walk_forget,
};
