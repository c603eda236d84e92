/* D7 direct-mx: a customer's host talks to many mail servers of the world on port 25. (a) How many networks (/24, IPv6 /48) it reached within an hour,
 * against its own highest hour where it has long been a mail server. (b) A Bernoulli walk on "a session that delivered nothing", 10 % against 60 %
 * (after Jung and others' TRW, 2004). Who behaves like a server (few names, mail taken) gets little from (a): a customer's own server may talk to whom
 * it likes. Who looks whether servers are there, or asks them without a sender whether somebody exists, is not meant. docs/detectors.md B.2, D7; tables and caps are assumptions. */
#include "analyzer/detector.h"
#include "analyzer/phrase.h"

struct options {
	bool enabled;
	int64_t half_life_s, few, server_days, blocked_networks;
	double cap, server_cap, refused_cap;
};

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "true", 0, 0, "", "whether this detector speaks" },
	{ "half-life", OPT_TIME_S, offsetof(struct options, half_life_s), "24h", 60, 31536000, "s", "evidence halves in this time" },
	{ "few", OPT_INT, offsetof(struct options, few), "2", 0, 64, "networks", "a host that talks to no more than these in a day is a device with a fixed smarthost" },
	{ "server-days", OPT_INT, offsetof(struct options, server_days), "7", 1, 30, "days", "with mail taken, out of 14 or more, make a mail server that is judged by its own habit" },
	{ "blocked-networks", OPT_INT, offsetof(struct options, blocked_networks), "40", 2, 60, "networks", "in an hour that nobody answered (port 25 is closed): more than a queue of a customer's server would try" },
	{ "cap", OPT_REAL, offsetof(struct options, cap), "16", 0, 64, "nats", "most evidence" },
	{ "refused-cap", OPT_REAL, offsetof(struct options, refused_cap), "8", 0, 64, "nats",
	  "most evidence of (b) of a mail server of weeks: a block list may have it, and that alone is no break-in" },
	{ "server-cap", OPT_REAL, offsetof(struct options, server_cap), "4", 0, 64, "nats", "most evidence of (a) while it behaves like a mail server" },
	{ 0 },
};
static const struct opt_table table = { "detector", "direct-mx", rows, sizeof(struct options) };

#define THETA0 102 /* .10 */
#define THETA1 614 /* .60 */
#define DAYS 32
#define RECENT 64  /* sessions that good and bad remember */
#define NAMES 8    /* that a host may have: servers behind one address */
#define SOME_NAMES 4 /* that are new prove nothing: several customers' servers behind one address */
#define RECENT_NAMES 256

struct state {
	struct walk spread, failures;
	int64_t first_us;
	uint64_t hour_bits, day_bits, answered_bits;
	uint32_t name[NAMES];           /* hashes of the organisations it greets as, newest at next_name - 1 */
	uint32_t hour, day;
	uint32_t good, bad;             /* sessions of late */
	uint32_t sessions, failed;      /* since the evidence began */
	uint32_t taken_days, taken_day; /* a bit for each of the last days on which mail was taken, and the newest */
	uint32_t usual, peak;           /* highest number of networks in an hour of quiet days; of this hour */
	uint16_t known_names, new_names; /* sessions of late with a name that it had before, and with one it had not */
	uint16_t shown, shown_minutes;
	uint8_t next_name, first_minute; /* of this hour: when its first session began */
	bool poor_name;                 /* the newest one is none that anybody should have */
	uint8_t pad[5];
};

static bool is_server(const struct state *s, const struct options *o, int64_t now_us)
{
	return s->first_us && now_us - s->first_us >= 14 * US_PER_DAY && __builtin_popcount(s->taken_days) >= o->server_days &&
	       s->known_names >= 9 * s->new_names;
}

/* Too new to know, but nothing of it looks like a bot: a few names that come again, and its mail is taken. Of one that is called localhost nearly all must
 * be; of one that has been taken on some days before a third may fail: good servers are on a block list at times. */
static bool looks_like_server(const struct state *s, const struct options *o, int64_t now_us)
{
	/* Of a server of weeks the spread counts only beyond its habit, so it is no longer in need of that. */
	uint32_t times = __builtin_popcount(s->taken_days) >= 4 && !is_server(s, o, now_us) ? 2 : 3;
	bool taken = s->poor_name ? s->good >= 19 * s->bad && s->good >= 10 : s->good >= times * s->bad && s->good;
	return taken && (s->new_names <= SOME_NAMES || s->known_names >= 2 * (s->new_names - SOME_NAMES));
}

static int32_t level_of(unsigned n)
{
	static const struct { unsigned n; int32_t nats; } steps[] = { { 20, 14 }, { 10, 11 }, { 5, 8 }, { 3, 5 }, { 2, 3 }, { 1, 1 } };
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (n >= steps[i].n)
			return steps[i].nats * NAT;
	return 0;
}

static uint8_t minute_of(int64_t at_us)
{
	return (uint8_t)(at_us % US_PER_HOUR / (60 * US_PER_S));
}

static void new_times(struct state *s, const struct options *o, int64_t at_us)
{
	uint32_t hour = (uint32_t)(at_us / US_PER_HOUR), day = (uint32_t)(at_us / US_PER_DAY);
	if (s->hour != hour) {
		/* Of who looks like a server the spread only counts little: it is its habit nonetheless. */
		bool quiet = s->spread.s < 2 * NAT || (looks_like_server(s, o, at_us) && s->failures.s < 4 * NAT);
		if (quiet && s->peak > s->usual)
			s->usual = s->peak;
		s->hour = hour;
		s->first_minute = minute_of(at_us);
		s->hour_bits = s->answered_bits = s->peak = 0;
	}
	if (s->day != day) {
		s->day = day;
		s->day_bits = 0;
	}
}

static bool delivered(const struct session_view *v)
{
	return v->n_messages_taken || (v->session->flags & SMTP_TLS_MESSAGE);
}

/* Nobody it asked for was refused, whatever it did then. */
static bool welcome(const struct session_view *v)
{
	return v->n_taken && !v->session->replies[5];
}

/* Servers have a name, those behind one address some names, even poor ones; not their peers', and not ever new ones. */
static void remember_name(struct state *s, const struct session_view *v)
{
	uint32_t hash = (uint32_t)(v->helo_org >> 32) | 1;
	bool known = false;
	for (size_t i = 0; i < NAMES; i++)
		known |= s->name[i] == hash;
	bool first = !known && !s->name[0];
	if (!known)
		s->name[s->next_name++ % NAMES] = hash;
	known = (known || first) && v->helo != HELO_PEER;
	s->known_names = (uint16_t)(s->known_names + known);
	s->new_names = (uint16_t)(s->new_names + !known);
	if (s->known_names + s->new_names > RECENT_NAMES) {
		s->known_names /= 2;
		s->new_names /= 2;
	}
	s->poor_name = v->helo == HELO_LOCALHOST || v->helo == HELO_ADDRESS;
}

static void remember(struct state *s, const struct session_view *v)
{
	uint32_t day = (uint32_t)(v->at_us / US_PER_DAY);
	s->first_us = s->first_us ? fixed_then(s->first_us, v->at_us) : v->at_us;
	if (delivered(v)) {
		uint32_t gone = day - s->taken_day;
		s->taken_days = gone >= DAYS ? 1 : s->taken_days << gone | 1;
		s->taken_day = day;
	}
	s->good += delivered(v) || welcome(v);
	s->bad += v->failed && !v->null_sender;
	if (s->good + s->bad > RECENT) {
		s->good /= 2;
		s->bad /= 2;
	}
	if (v->helo_org && !(v->session->flags & SMTP_TLS)) /* encrypted are mail programs behind NAT, each with its own name */
		remember_name(s, v);
}

/* What the number of networks in this hour says. */
static void look_at_spread(struct state *s, const struct options *o, int64_t at_us)
{
	unsigned n = linear_estimate(s->hour_bits), answered = linear_estimate(s->answered_bits);
	int32_t level = level_of(answered);
	s->peak = n > s->peak ? n : s->peak;
	if (is_server(s, o, at_us))
		level = answered > 3 * s->usual && answered >= 10 ? level_of(answered / (s->usual ? s->usual : 1)) : 0;
	else if (n >= o->blocked_networks && !answered)
		level = level_of(n);
	if (level <= s->spread.s)
		return;
	walk_reason("so many networks within an hour");
	walk_raise(&s->spread, level, at_us, o->half_life_s);
	s->shown = (uint16_t)n;
	s->shown_minutes = (uint16_t)(minute_of(at_us) - s->first_minute + 1);
}

static void session(struct judge *j, struct principal *p, void *state, const void *opt, const struct session_view *v)
{
	struct state *s = state;
	const struct options *o = opt;
	(void)j, (void)p;
	if (v->inbound || !v->tried)
		return;
	new_times(s, o, v->at_us);
	remember(s, v);
	linear_add(&s->hour_bits, v->peer.net);
	linear_add(&s->day_bits, v->peer.net);
	if (!(v->session->flags & (SMTP_UNANSWERED | SMTP_REFUSED)))
		linear_add(&s->answered_bits, v->peer.net);
	if (s->spread.s < NAT && s->failures.s < NAT) /* rests of weeks ago are no beginning */
		s->sessions = s->failed = 0;
	s->sessions++;
	s->failed += v->failed && !v->null_sender;
	if (linear_estimate(s->day_bits) <= o->few)
		return;
	look_at_spread(s, o, v->at_us);
	/* Notices and callouts go to addresses that others wrote; they say nothing. */
	if (!v->null_sender && (v->failed || delivered(v) || welcome(v)))
		walk_trial(&s->failures, v->failed, THETA0, THETA1, v->at_us, o->half_life_s);
}

static int32_t score(const struct judge *j, const struct principal *p, void *state, const void *opt, int64_t now_us, int32_t others)
{
	struct state *s = state;
	const struct options *o = opt;
	(void)j, (void)p, (void)others;
	int32_t cap = NATS(o->cap);
	int32_t a = walk_evidence(&s->spread, now_us, o->half_life_s, looks_like_server(s, o, now_us) ? NATS(o->server_cap) : cap);
	int32_t b = walk_evidence(&s->failures, now_us, o->half_life_s, is_server(s, o, now_us) ? NATS(o->refused_cap) : cap);
	int32_t both = a > b ? a + b / 2 : b + a / 2;
	return both < cap ? both : cap;
}

static int64_t since(const void *state)
{
	const struct state *s = state;
	return walks_since(&s->spread, &s->failures);
}

static void why(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	bool server = is_server(s, opt, j->site->now_us);
	if (s->spread.s >= NAT)
		buf_printf(out, "%s opened port-25 sessions to mail servers in %u networks within %u minute%s; it is %s, and %u of its %u sessions since %s delivered nothing.",
		           phrase_name(p).s, s->shown, s->shown_minutes, s->shown_minutes == 1 ? "" : "s", server ? "far above its habit" : "not a known mail server",
		           s->failed, s->sessions, phrase_time(p, since(state)).s);
	else
		buf_printf(out, "%s%s delivered nothing in %u of its %u sessions with mail servers since %s.", phrase_name(p).s, server ? "" : ", not a known mail server,",
		           s->failed, s->sessions, phrase_time(p, since(state)).s);
}

static void guards(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	(void)p;
	if (!s->spread.s && !s->failures.s)
		return;
	if (is_server(s, opt, j->site->now_us))
		buf_puts(out, "it has been a mail server for weeks and is judged by its own habit; ");
	else if (s->spread.s && looks_like_server(s, opt, j->site->now_us))
		buf_puts(out, "it behaves like a mail server: the number of its peers counts little; ");
}

static void forgive(void *state)
{
	struct state *s = state;
	walk_forget(&s->spread);
	walk_forget(&s->failures);
}

const struct detector detector_direct_mx = {
	.name = "direct-mx",
	.title = "talks straight to the world's mail servers",
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
