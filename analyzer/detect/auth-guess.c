/* D6 auth-guess: a guessed password, a dormant account, a guest login. Fixed weights (docs/detectors.md B.2, D6). A table shared by all accounts
 * remembers which addresses tried how many accounts in vain; the sign is the success that follows. What comes from a place the account always
 * uses is a mistyped or forgotten password. */
#include "analyzer/acase.h"
#include "analyzer/detector.h"
#include "analyzer/phrase.h"

extern const struct detector detector_auth_guess;

struct options {
	bool enabled;
	int64_t half_life_s, other_accounts, tries, tries_from, dormant_days;
	double stuffing, guessed, dormant, guest, cap, guest_cap;
};

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "true", 0, 0, "", "whether this detector speaks" },
	{ "half-life", OPT_TIME_S, offsetof(struct options, half_life_s), "24h", 60, 31536000, "s", "evidence halves in this time" },
	{ "other-accounts", OPT_INT, offsetof(struct options, other_accounts), "5", 1, 60, "accounts", "an address that failed on so many other accounts within a day guesses" },
	{ "tries", OPT_INT, offsetof(struct options, tries), "20", 1, 10000, "logins", "failed logins of one account within an hour that are an attack on it" },
	{ "tries-from", OPT_INT, offsetof(struct options, tries_from), "5", 1, 60, "addresses", "and from how many addresses" },
	{ "dormant", OPT_REAL, offsetof(struct options, dormant), "2.5", 0, 14, "nats", "first success after dormant-days, from a place not used before" },
	{ "dormant-days", OPT_INT, offsetof(struct options, dormant_days), "60", 1, 365, "days", "an account without a success for so long was dormant" },
	{ "stuffing", OPT_REAL, offsetof(struct options, stuffing), "6", 0, 14, "nats", "success from an address that guesses" },
	{ "guessed", OPT_REAL, offsetof(struct options, guessed), "4", 0, 14, "nats", "success from a new place within a day after an attack on the account" },
	{ "guest", OPT_REAL, offsetof(struct options, guest), "5", 0, 14, "nats",
	  "a guest or test account (guest, test, demo, scan, scanner, printer, fax, temp, visitor) writes to an outside address for the first time, from a new place" },
	{ "cap", OPT_REAL, offsetof(struct options, cap), "10", 0, 64, "nats", "most evidence; below 12 it cannot open a case alone" },
	{ "guest-cap", OPT_REAL, offsetof(struct options, guest_cap), "12", 0, 64, "nats", "the same of a guest account that relays to the outside" },
	{ 0 },
};
static const struct opt_table table = { "detector", "auth-guess", rows, sizeof(struct options) };

/* Shared by all accounts: addresses with failed logins. One place for each; a newer address takes over when the old one is quiet or tried less. */
#define GUESSERS 4096
struct guesser {
	uint64_t accounts, accounts_before; /* linear counters of those it failed on: of that day, and of the one before */
	uint32_t source, day;
	uint32_t tries, tries_before;
};

struct state {
	struct walk walk;
	uint64_t sources;       /* linear counter of addresses that failed, in this hour */
	struct ipaddr ip;       /* of the success that counted */
	int64_t attacked_us;    /* when an attack on this account was seen last */
	uint32_t hour, tries, tries_before; /* failed logins of this hour and the one before */
	uint32_t last_ok_day;
	uint32_t shown_tries, shown_accounts, dormant_days;
	uint16_t outside;       /* messages of a guest account to the outside, while nothing spoke against it */
	uint8_t reasons, pad;
};

enum { REASON_STUFFING = 1, REASON_GUESSED = 2, REASON_DORMANT = 4, REASON_GUEST = 8 };

/* The hash is keyed: nobody can choose an address that throws out another. */
static struct guesser *guesser_of(struct memory *m, uint64_t source)
{
	return (struct guesser *)(void *)m->p + source % GUESSERS;
}

static uint32_t source_name(uint64_t source)
{
	return (uint32_t)(source >> 32) | 1;
}

/* Its counts of that day and of the one before: what is older says nothing about who is there now. */
static struct guesser on_day(const struct guesser *g, uint32_t day)
{
	struct guesser now = { .source = g->source, .day = day };
	if (g->day == day)
		return *g;
	if (g->day + 1 == day) {
		now.accounts_before = g->accounts;
		now.tries_before = g->tries;
	}
	return now;
}

static void note_failure(struct memory *shared, uint64_t source, uint64_t account, int64_t at_us)
{
	struct guesser *g = guesser_of(shared, source);
	uint32_t day = (uint32_t)(at_us / US_PER_DAY);
	if (g->source != source_name(source)) {
		if (g->source && g->day == day && linear_estimate(g->accounts) >= 5)
			return; /* the place belongs to one that guesses */
		*g = (struct guesser){ .source = source_name(source) };
	}
	*g = on_day(g, day);
	g->tries++;
	linear_add(&g->accounts, account);
	memory_touch_item(shared, g, sizeof *g);
}

/* On how many accounts but this one that address failed lately. */
static unsigned failed_elsewhere(struct memory *shared, uint64_t source, uint64_t account, int64_t at_us, uint32_t *ret_tries)
{
	struct guesser g = on_day(guesser_of(shared, source), (uint32_t)(at_us / US_PER_DAY));
	uint64_t own = 0;
	if (g.source != source_name(source))
		return 0;
	linear_add(&own, account);
	*ret_tries = g.tries + g.tries_before;
	return linear_estimate((g.accounts | g.accounts_before) & ~own);
}

static void count_try(struct state *s, const struct options *o, uint64_t source, int64_t at_us)
{
	uint32_t hour = (uint32_t)(at_us / US_PER_HOUR);
	if (s->hour != hour) {
		s->tries_before = s->hour + 1 == hour ? s->tries : 0;
		s->tries = 0;
		s->sources = 0;
		s->hour = hour;
	}
	s->tries++;
	linear_add(&s->sources, source);
	if (s->tries + s->tries_before >= o->tries && linear_estimate(s->sources) >= o->tries_from) {
		s->attacked_us = at_us;
		s->shown_tries = s->reasons & REASON_STUFFING ? s->shown_tries : s->tries + s->tries_before;
	}
}

static void reason(struct state *s, const struct options *o, unsigned why, double nats, const struct place *at, int64_t at_us)
{
	if (s->reasons & why && s->walk.since_us)
		return;
	walk_reason(why == REASON_GUEST ? "a guest account writes to the outside" : why == REASON_DORMANT ? "a log-in after a long silence"
	            : why == REASON_STUFFING ? "a log-in from where many accounts were tried" : "a log-in after failures");
	walk_add(&s->walk, NATS(nats), at_us, o->half_life_s);
	s->reasons |= (uint8_t)why;
	s->ip = at->ip;
}

static void success(struct judge *j, const struct principal *p, struct state *s, const struct options *o, const struct place *at, int64_t at_us)
{
	uint32_t day = (uint32_t)(at_us / US_PER_DAY), quiet = s->last_ok_day && s->last_ok_day < day ? day - s->last_ok_day : 0, tries = 0;
	s->last_ok_day = day; /* by webmail, too: that account is in use */
	if (!at->has_ip || at->home || ipaddr_is_loopback(&at->ip) || at->egress)
		return;
	if (walk_is_over(&s->walk, at_us, o->half_life_s))
		s->reasons = 0;
	unsigned others = failed_elsewhere(judge_shared(j, &detector_auth_guess), at->source, p->key, at_us, &tries);
	if (others >= o->other_accounts) {
		reason(s, o, REASON_STUFFING, o->stuffing, at, at_us);
		s->shown_accounts = others < tries ? others : tries; /* the counter estimates */
		s->shown_tries = tries;
	}
	s->attacked_us = fixed_then(s->attacked_us, at_us);
	if (s->attacked_us && at_us - s->attacked_us < US_PER_DAY)
		reason(s, o, REASON_GUESSED, o->guessed, at, at_us);
	if (quiet > o->dormant_days) {
		reason(s, o, REASON_DORMANT, o->dormant, at, at_us);
		s->dormant_days = quiet;
	}
}

static bool is_guest_name(struct sv account)
{
	static const struct sv names[] = {
#define N(name) { (name), sizeof(name) - 1 }
		N("guest"), N("test"), N("demo"), N("scan"), N("scanner"), N("printer"), N("fax"), N("temp"), N("visitor"),
#undef N
	};
	struct sv domain = sv_domain(account);
	struct sv local = domain.n && domain.n < account.n ? sv_take(account, account.n - domain.n - 1) : account;
	while (local.n && local.p[local.n - 1] >= '0' && local.p[local.n - 1] <= '9')
		local.n--;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].n == local.n && strncasecmp(names[i].p, local.p, local.n) == 0)
			return true;
	return false;
}

static bool goes_outside(const struct judge *j, const struct txn *t)
{
	for (size_t i = 0; i < t->n_rcpt; i++)
		if (!t->rcpt[i].local && !enrich_is_local_domain(j->enrich, sv_domain(t->rcpt[i].recipient)))
			return true;
	return false;
}

/* A scanner that always mails its reports is at home where it stands; a guest that suddenly relays is not. */
static void guest(struct judge *j, const struct principal *p, struct state *s, const struct options *o, const struct message_view *m)
{
	if (!is_guest_name(sv_cstr(p->id)) || m->null_sender || !goes_outside(j, m->txn))
		return;
	if (s->outside < 3 && !m->place.home && m->place.has_ip)
		reason(s, o, REASON_GUEST, o->guest, &m->place, m->at_us);
	if (p->score < 4 * NAT && s->outside < UINT16_MAX)
		s->outside++;
}

static void message(struct judge *j, struct principal *p, void *state, const void *opt, const struct message_view *m)
{
	if (!m->first_report)
		return;
	success(j, p, state, opt, &m->place, m->at_us);
	guest(j, p, state, opt, m);
}

static void fact(struct judge *j, struct principal *p, void *state, const void *opt, const struct fact_view *f)
{
	const struct record *r = f->record;
	if (r->kind == RECORD_AUTH_OK && p)
		success(j, p, state, opt, &f->place, f->at_us);
	if (r->kind != RECORD_AUTH_FAIL || !f->place.has_ip)
		return;
	/* Who mistypes his own password is not guessing; a failure without a name still counts as one on somebody. */
	if (f->place.home)
		return;
	uint64_t account = p ? p->key : r->account.n ? judge_key(j, PRINCIPAL_ACCOUNT, r->account) : hash_mix(f->place.source, 1);
	note_failure(judge_shared(j, &detector_auth_guess), f->place.source, account, f->at_us);
	if (p)
		count_try(state, opt, f->place.source, f->at_us);
}

static int32_t score(const struct judge *j, const struct principal *p, void *state, const void *opt, int64_t now_us, int32_t others)
{
	struct state *s = state;
	const struct options *o = opt;
	(void)j, (void)p, (void)others;
	return walk_evidence(&s->walk, now_us, o->half_life_s, NATS(s->reasons & REASON_GUEST ? o->guest_cap : o->cap));
}

static void why(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	char ip[48];
	(void)j, (void)opt;
	ip[ipaddr_text(&s->ip, ip)] = 0;
	buf_printf(out, "Login %s succeeded from %s", p->id, ip);
	if (s->reasons & REASON_STUFFING)
		buf_printf(out, " after %u failed tries on %u other accounts from the same source", s->shown_tries, s->shown_accounts);
	else if (s->reasons & REASON_GUESSED)
		buf_printf(out, " after %u failed tries on this account within two hours", s->shown_tries);
	if (s->reasons & REASON_DORMANT)
		buf_printf(out, "%s the first time for %u days", s->reasons & (REASON_STUFFING | REASON_GUESSED) ? "," : "", s->dormant_days);
	if (s->reasons & REASON_GUEST)
		buf_printf(out, "%s a guest or test account writes to the outside", s->reasons & ~REASON_GUEST ? ";" : ":");
	buf_addc(out, '.');
}

static int suggests(const void *state)
{
	return ((const struct state *)state)->reasons & REASON_GUEST ? CASE_GUEST_RELAY : CASE_UNKNOWN;
}

const struct detector detector_auth_guess = {
	.name = "auth-guess",
	.title = "guessed password, dormant or guest login",
	.group = GROUP_ORIGIN,
	.independent = true,
	.kinds = 1u << PRINCIPAL_ACCOUNT,
	.state_bytes = (sizeof(struct state) + 7) / 8 * 8,
	.walks = 1,
	.shared_bytes = GUESSERS * sizeof(struct guesser),
	.options = &table,
	.message = message,
	.fact = fact,
	.score = score,
	.since = walk_since,
	.why = why,
	.suggests = suggests,
	.forgive = walk_forget,
};
