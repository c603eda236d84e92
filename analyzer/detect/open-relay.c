/* D11 open-relay, the passive half: a customer's server takes mail from strangers without login and sends the same on to the world. What strangers
 * gave it (sender and recipient, hashed) is remembered for ten minutes; a Bernoulli walk on "an outgoing recipient is one of those", .1 % against
 * 30 %, one trial per recipient domain and day, as a gateway or second MX of its own few domains does the same all the time. Where the server's
 * software changed lately (analyzer/servers.h) and it relays only since then, fewer domains are enough: what was closed often opens with a new version, and
 * a gateway would have been one before. Encrypted sessions say nothing either way. docs/detectors.md B.2, D11. */
#include "analyzer/acase.h"
#include "analyzer/detector.h"
#include "analyzer/phrase.h"
#include "analyzer/servers.h"

struct options {
	bool enabled;
	int64_t half_life_s, window_s, domains;
	double cap, few_cap;
	struct servers_options software;
};

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "true", 0, 0, "", "whether this detector speaks" },
	{ "half-life", OPT_TIME_S, offsetof(struct options, half_life_s), "24h", 60, 31536000, "s", "evidence halves in this time" },
	{ "window", OPT_TIME_S, offsetof(struct options, window_s), "10m", 10, 86400, "s", "a relay sends on at once; later it is another message" },
	{ "domains", OPT_INT, offsetof(struct options, domains), "4", 1, 40, "domains", "of recipients in a day; fewer may be its own, for which it is a gateway" },
	{ "cap", OPT_REAL, offsetof(struct options, cap), "14", 0, 64, "nats", "most evidence" },
	{ "few-cap", OPT_REAL, offsetof(struct options, few_cap), "4", 0, 64, "nats", "the same while fewer domains are known" },
	{ "software-sessions", OPT_INT, offsetof(struct options, software.sessions), "5", 2, 1000, "sessions", "that greet with the same software settle it" },
	{ "software-settle", OPT_TIME_S, offsetof(struct options, software.settle_s), "1h", 60, 2592000, "s", "and over so long: tries and restarts of an afternoon are no change" },
	{ "software-turns", OPT_TIME_S, offsetof(struct options, software.turns_s), "7d", 3600, 31536000, "s",
	  "where two were seen by turns (several servers behind one address) the former must be away for so long" },
	{ "software-counts", OPT_TIME_S, offsetof(struct options, software.counts_s), "14d", 0, 31536000, "s", "after a change of its software a server is looked at more closely" },
	{ "changed-domains", OPT_INT, offsetof(struct options, software.domains), "2", 1, 40, "domains",
	  "instead of `domains` then, when it relays only since the change; one domain may be a gateway's that was set up with it" },
	{ 0 },
};
static const struct opt_table table = { "detector", "open-relay", rows, sizeof(struct options) };

#define THETA0 1   /* .001 */
#define THETA1 307 /* .30 */
#define TAKEN 16
#define GATEWAY_US (14 * US_PER_DAY) /* who sent on strangers' mail so shortly before its software changed did not begin with it */

struct state {
	struct walk walk;
	struct { uint32_t hash, second; } taken[TAKEN]; /* of strangers, newest at next - 1 */
	uint64_t domains;       /* of this day that were sent on */
	int64_t changed_us;     /* when its software changed, as far as that counts; 0 */
	int64_t relayed_us, relaying_us; /* when it last sent on what strangers gave it; since when it has, without long breaks */
	uint32_t next, day, relayed, seen; /* since the evidence began: recipients sent on, sessions of strangers */
};

extern const struct detector detector_open_relay;

const struct servers_options *servers_options(const struct judge *j)
{
	size_t d = 0;
	while (detector_registry[d] != &detector_open_relay)
		d++;
	return &((const struct options *)judge_options(j, d))->software;
}

static uint32_t pair(const struct judge *j, const struct smtp_message *m, const struct smtp_rcpt *r)
{
	return (uint32_t)(hash_mix(hash_folded(&j->key, m->sender), hash_folded(&j->key, r->recipient)) >> 32) | 1;
}

static uint32_t second_of(int64_t at_us)
{
	return (uint32_t)(at_us / US_PER_S);
}

/* Its customer's own domains are no strangers'. */
static bool is_its_own(const struct judge *j, const struct principal *p, struct sv domain)
{
	const char *its = enrich_customer(j->enrich, PRINCIPAL_DOMAIN, domain);
	return enrich_is_local_domain(j->enrich, domain) || (its[0] && strcmp(its, judge_customer(j, p)) == 0);
}

static void take(const struct judge *j, const struct principal *p, struct state *s, const struct session_view *v)
{
	for (size_t i = 0; i < v->session->n_messages; i++) {
		const struct smtp_message *m = &v->session->message[i];
		for (size_t k = 0; m->accepted && k < m->n_rcpt && k < TAKEN / 2; k++) {
			if (m->rcpt[k].code / 100 != 2 || is_its_own(j, p, sv_domain(m->rcpt[k].recipient)))
				continue;
			s->taken[s->next % TAKEN].hash = pair(j, m, &m->rcpt[k]);
			s->taken[s->next++ % TAKEN].second = second_of(v->at_us);
		}
	}
	s->seen++;
}

static bool was_taken(const struct state *s, const struct options *o, uint32_t hash, uint32_t now)
{
	for (size_t i = 0; i < TAKEN; i++)
		if (s->taken[i].hash == hash && now - s->taken[i].second <= (uint32_t)o->window_s)
			return true;
	return false;
}

static void note_relaying(struct state *s, int64_t at_us)
{
	s->relaying_us = fixed_then(s->relaying_us, at_us);
	if (at_us - s->relayed_us >= GATEWAY_US)
		s->relaying_us = at_us;
	s->relayed_us = at_us;
}

static void send_on(const struct judge *j, struct state *s, const struct options *o, const struct session_view *v)
{
	for (size_t i = 0; i < v->session->n_messages; i++)
		for (size_t k = 0; k < v->session->message[i].n_rcpt && k < 32; k++) {
			const struct smtp_rcpt *r = &v->session->message[i].rcpt[k];
			bool relayed = was_taken(s, o, pair(j, &v->session->message[i], r), second_of(v->at_us));
			uint64_t before = s->domains;
			if (relayed)
				linear_add(&s->domains, hash_folded(&j->key, sv_domain(r->recipient)));
			s->relayed += relayed;
			if (relayed)
				note_relaying(s, v->at_us);
			if (relayed && before == s->domains)
				continue; /* that domain was counted today */
			walk_trial(&s->walk, relayed, THETA0, THETA1, v->at_us, o->half_life_s);
		}
}

/* Its software changed lately, and not long before that it relayed nothing. */
static bool changed_lately(const struct state *s)
{
	bool before = s->relaying_us && s->relaying_us < s->changed_us && s->changed_us - s->relayed_us < GATEWAY_US;
	return s->changed_us && !before;
}

static int64_t domains_needed(const struct state *s, const struct options *o)
{
	return changed_lately(s) && o->software.domains < o->domains ? o->software.domains : o->domains;
}

static void look_at_software(const struct judge *j, struct state *s, const struct options *o, const struct session_view *v)
{
	const struct server *its = servers_find(j, v->inbound ? &v->session->server : &v->session->client);
	bool counts = its && its->settled && its->changed_us && v->at_us - its->changed_us < o->software.counts_s * US_PER_S;
	s->changed_us = counts ? its->face[its->settled - 1].first_us : 0;
}

static void session(struct judge *j, struct principal *p, void *state, const void *opt, const struct session_view *v)
{
	struct state *s = state;
	uint32_t day = (uint32_t)(v->at_us / US_PER_DAY);
	if (v->session->flags & (SMTP_TLS | SMTP_UNANSWERED | SMTP_REFUSED))
		return;
	if (s->day != day) {
		s->day = day;
		s->domains = 0;
	}
	if (!s->walk.s)
		s->relayed = s->seen = 0;
	look_at_software(j, s, opt, v);
	if (v->inbound)
		take(j, p, s, v);
	else if (s->next)
		send_on(j, s, opt, v);
}

static int32_t score(const struct judge *j, const struct principal *p, void *state, const void *opt, int64_t now_us, int32_t others)
{
	struct state *s = state;
	const struct options *o = opt;
	(void)j, (void)p, (void)others;
	bool many = (int64_t)linear_estimate(s->domains) >= domains_needed(s, o) || p->open_case;
	return walk_evidence(&s->walk, now_us, o->half_life_s, NATS(many ? o->cap : o->few_cap));
}

static void why(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	struct ipaddr ip;
	const struct server *its = ipaddr_parse(sv_cstr(p->id), &ip) == 0 ? servers_find(j, &ip) : NULL;
	(void)opt;
	buf_printf(out, "%s relays mail for strangers: since %s it took mail without login from outside and sent %u of its recipients on to the world.",
	           phrase_name(p).s, phrase_time(p, s->walk.since_us).s, s->relayed);
	if (changed_lately(s) && its && its->changed_us)
		buf_printf(out, " Its software changed on %s from \"%s\" to \"%s\".", phrase_time(p, s->changed_us).s, its->was, servers_software(its));
}

static void guards(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	const struct options *o = opt;
	(void)j, (void)p;
	if (s->walk.s && (int64_t)linear_estimate(s->domains) < domains_needed(s, o))
		buf_puts(out, "few recipient domains: it may be their gateway; ");
}

static int suggests(const void *state)
{
	(void)state;
	return CASE_OPEN_RELAY;
}

const struct detector detector_open_relay = {
	.name = "open-relay",
	.title = "relays mail for strangers",
	.group = GROUP_TOPOLOGY,
	.independent = true,
	.kinds = 1u << PRINCIPAL_HOST,
	.state_bytes = (sizeof(struct state) + 7) / 8 * 8,
	.walks = 1,
	.options = &table,
	.session = session,
	.score = score,
	.since = walk_since,
	.why = why,
	.guards = guards,
	.suggests = suggests,
	.forgive = walk_forget,
};
