/* D5 auth-origin: logins from places never seen, or from too many places at once. Fixed weights (docs/detectors.md B.2,
 * D5); the spread thresholds follow the postfwd anti-geoip plugin and reported cases. Works on networks alone when no
 * country or AS data is configured. */
#include "analyzer/asked.h"
#include "analyzer/detector.h"
#include "analyzer/fusion.h"
#include "analyzer/listing.h"
#include "analyzer/phrase.h"

extern const struct detector detector_auth_origin;

struct options {
	bool enabled;
	int64_t half_life_s, learn_days;
	double another_place, new_asn, new_country, new_network, two_countries, new_method, novelty_cap, travel_cap, spread_cap, listed;
};

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "true", 0, 0, "", "whether this detector speaks" },
	{ "half-life", OPT_TIME_S, offsetof(struct options, half_life_s), "24h", 60, 31536000, "s", "evidence halves in this time" },
	{ "learn-days", OPT_INT, offsetof(struct options, learn_days), "3", 0, 365, "days", "a new account's origins are learned silently for so long, unless hardly anybody on this site writes from that country" },
	{ "new-asn", OPT_REAL, offsetof(struct options, new_asn), "2.5", 0, 14, "nats", "login from an AS never used, in a known country" },
	{ "new-country", OPT_REAL, offsetof(struct options, new_country), "4.6", 0, 14, "nats", "login from a country never used" },
	{ "another-place", OPT_REAL, offsetof(struct options, another_place), "1", 0, 14, "nats", "each further AS or network while the first is remembered: a traveller has several" },
	{ "new-network", OPT_REAL, offsetof(struct options, new_network), "1.5", 0, 14, "nats", "login from a /16 never used, where there is no AS data" },
	{ "two-countries", OPT_REAL, offsetof(struct options, two_countries), "3", 0, 14, "nats", "logins from two countries within 30 minutes" },
	{ "new-method", OPT_REAL, offsetof(struct options, new_method), "1", 0, 14, "nats", "first login by an authentication method never used" },
	{ "novelty-cap", OPT_REAL, offsetof(struct options, novelty_cap), "6", 0, 64, "nats", "most evidence of new places: a journey with a hotel, a telephone and an airport makes as many as a thief" },
	{ "travel-cap", OPT_REAL, offsetof(struct options, travel_cap), "4", 0, 64, "nats", "the same of a traveller: fewer than 5 messages and nothing else against the account, or two thirds of the mail go to people it knows. Also within ready-days after the log began, when nobody's usual places are known" },
	{ "spread-cap", OPT_REAL, offsetof(struct options, spread_cap), "14", 0, 64, "nats", "most evidence once ten or more networks were used within an hour" },
	{ "listed", OPT_REAL, offsetof(struct options, listed), "3", 0, 14, "nats",
	  "most for an address that is not home and is on a list of exploited machines (rbl { client-check }): half the list's points. Addresses that many share are on such lists, too" },
	{ 0 },
};
static const struct opt_table table = { "detector", "auth-origin", rows, sizeof(struct options) };

#define ORIGINS 6
#define TRAVEL_MOST 10 /* nats, as long as there are fewer than ten networks within an hour */
#define MANY_DAYS 7
struct origin {
	uint32_t asn, net;
	uint16_t country, day;
};

struct state {
	struct walk novelty, spread;
	struct origin origin[ORIGINS];
	uint64_t nets;              /* linear counter of /24 in this hour */
	int64_t hour;
	int64_t last_us;            /* of the last login outside our own networks */
	int64_t interleaved_us;
	uint16_t last_country;
	uint8_t methods, n_origins;
	bool home_counted;
	uint8_t since_places;       /* new ones since novelty.since_us: fewer than new_places, when what was left of those before was nearly nothing */
	uint32_t messages, strangers; /* since novelty.since_us, from outside our own networks; those that went mostly to strangers */
	uint32_t shown_nets, new_places;
	uint16_t countries[6];      /* seen since the evidence began */
	uint32_t listed;            /* the newest of its addresses that is on a block list (hash); 0: none since the evidence began */
};
_Static_assert(sizeof(struct state) == 192, "another size forgets all accounts' origins");

static uint16_t country_code(const struct geo *g)
{
	return (uint16_t)((unsigned char)g->country[0] << 8 | (unsigned char)g->country[1]);
}

enum novelty { PLACE_KNOWN, PLACE_NEW_ASN, PLACE_NEW_COUNTRY, PLACE_NEW_NETWORK };

static enum novelty novelty_of(struct state *s, const struct place *at, uint16_t day)
{
	uint16_t cc = country_code(&at->geo);
	bool country_known = false;
	for (size_t i = 0; i < s->n_origins; i++) {
		struct origin *o = &s->origin[i];
		country_known |= cc && o->country == cc;
		if (at->geo.asn ? o->asn == at->geo.asn : o->net == (uint32_t)at->wide_net) {
			o->day = day;
			return PLACE_KNOWN;
		}
	}
	if (!at->geo.asn && !cc)
		return PLACE_NEW_NETWORK;
	return country_known || !cc ? PLACE_NEW_ASN : PLACE_NEW_COUNTRY;
}

static void remember(struct state *s, const struct place *at, uint16_t day)
{
	struct origin *slot = &s->origin[0];
	if (s->n_origins < ORIGINS)
		slot = &s->origin[s->n_origins++];
	else
		for (size_t i = 1; i < ORIGINS; i++)
			if (s->origin[i].day < slot->day)
				slot = &s->origin[i];
	*slot = (struct origin){ at->geo.asn, (uint32_t)at->wide_net, country_code(&at->geo), day };
}

static void note_country(struct state *s, uint16_t cc)
{
	for (size_t i = 0; cc && i < 6; i++) {
		if (s->countries[i] == cc)
			return;
		if (s->countries[i] == 0) {
			s->countries[i] = cc;
			return;
		}
	}
}

/* From where the accounts of this site write: one count for each account and network, and for each account at home. */
struct everybody { uint32_t all, by_country[26 * 26]; };

#define COUNTRIES (26 * 26)

/* COUNTRIES: unknown. */
static unsigned country_index(uint16_t cc)
{
	unsigned a = (unsigned)(cc >> 8) - 'A', b = (unsigned)(cc & 255) - 'A';
	return a < 26 && b < 26 ? a * 26 + b : COUNTRIES;
}

static void count_place(struct memory *m, const struct principal *p, uint16_t cc)
{
	struct everybody *e = (struct everybody *)(void *)m->p;
	unsigned i = country_index(cc);
	if (p->open_case || p->score >= 4 * NAT)
		return;
	e->all++;
	memory_touch(m, 0);
	if (i == COUNTRIES)
		return;
	e->by_country[i]++;
	memory_touch(m, offsetof(struct everybody, by_country) + i * sizeof e->by_country[0]);
}

/* Fewer than one in 200 of the places that this site's accounts use are in that country. */
static bool is_rare(struct memory *m, const struct principal *p, uint16_t cc)
{
	const struct everybody *e = (const struct everybody *)(const void *)m->p;
	unsigned i = country_index(cc);
	bool rare = i != COUNTRIES && e->all >= 200 && (uint64_t)e->by_country[i] * 200 < e->all;
	count_place(m, p, cc);
	return rare;
}

/* A mailbox that more people share than there is room for: what was forgotten of it looks like what is new. */
static bool uses_many(const struct state *s, uint16_t day)
{
	for (size_t i = 0; i < s->n_origins; i++)
		if (s->origin[i].day + MANY_DAYS < day)
			return false;
	return s->n_origins == ORIGINS && s->novelty.s < NAT;
}

/* A log-in; first_us: of the first of its kind. */
struct login { const struct place *at; int64_t at_us, first_us; bool browser; };

/* Whether the place speaks against p. */
static bool novelty(struct judge *j, struct principal *p, struct state *s, const struct options *o, const struct login *l)
{
	uint16_t day = (uint16_t)(l->at_us / US_PER_DAY);
	enum novelty place = novelty_of(s, l->at, day);
	if (place == PLACE_KNOWN || l->at->home)
		return false;
	bool many = place != PLACE_NEW_COUNTRY && uses_many(s, day);
	remember(s, l->at, day);
	bool rare = is_rare(judge_shared(j, &detector_auth_origin), p, country_code(&l->at->geo));
	if (many)
		return false;
	if (l->at_us - l->first_us < o->learn_days * US_PER_DAY) {
		/* Nothing is known of the account, but something of everybody's. */
		if (!rare || l->at_us - j->site->first_us < US_PER_DAY)
			return false;
		place = PLACE_NEW_COUNTRY;
	}
	double w = place == PLACE_NEW_COUNTRY ? o->new_country : place == PLACE_NEW_ASN ? o->new_asn : o->new_network;
	if (s->novelty.s == 0)
		s->messages = s->strangers = s->new_places = 0;
	if (s->new_places && place != PLACE_NEW_COUNTRY)
		w = o->another_place < w ? o->another_place : w; /* who is on the way uses several networks */
	if (s->novelty.s < NAT)
		s->since_places = 0;
	walk_reason(place == PLACE_NEW_COUNTRY ? "a country never used" : place == PLACE_NEW_ASN ? "a network (AS) never used" : "a network (/16) never used");
	walk_add(&s->novelty, NATS(w), l->at_us, o->half_life_s);
	s->new_places++;
	s->since_places = (uint8_t)(s->since_places + (s->since_places < UINT8_MAX));
	return true;
}

/* is_new: the place is. Who reads his mail in two countries day by day is no thief, and log-ins do not say to whom he writes. */
static void interleave(struct state *s, const struct options *o, const struct login *l, bool is_new)
{
	uint16_t cc = country_code(&l->at->geo);
	s->interleaved_us = fixed_then(s->interleaved_us, l->at_us);
	bool counts = is_new || !l->browser;
	if (counts && cc && s->last_country && cc != s->last_country && s->last_us == fixed_then(s->last_us, l->at_us) && l->at_us - s->last_us < 30 * 60 * US_PER_S &&
	    l->at_us - s->interleaved_us > US_PER_HOUR) {
		walk_reason("two countries within half an hour");
		walk_add(&s->novelty, NATS(o->two_countries), l->at_us, o->half_life_s);
		s->interleaved_us = l->at_us;
	}
	if (cc)
		s->last_country = cc;
	s->last_us = l->at_us;
}

static void spread(struct state *s, const struct options *o, const struct login *l)
{
	static const struct { unsigned nets; int32_t nats; } steps[] = { { 20, 14 }, { 10, 9 }, { 5, 5 }, { 3, 2 } };
	int64_t hour = l->at_us / US_PER_HOUR;
	if (hour != s->hour) {
		s->nets = 0;
		s->hour = hour;
	}
	linear_add(&s->nets, l->at->net);
	unsigned n = linear_estimate(s->nets);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (n >= steps[i].nets) {
			walk_reason("networks within one hour");
			walk_raise(&s->spread, steps[i].nats * NAT, l->at_us, o->half_life_s);
			break;
		}
	if (s->spread.s == 0)
		s->shown_nets = 0;
	if (n > s->shown_nets)
		s->shown_nets = n;
}

/* Lists that have the address: once for each address in a row. */
static void listed(struct state *s, const struct options *o, const struct ipaddr *ip, int32_t points, int64_t at_us)
{
	uint64_t a, b;
	memcpy(&a, ip->b, 8);
	memcpy(&b, ip->b + 8, 8);
	uint32_t name = (uint32_t)(hash_mix(a, b) >> 32) | 1;
	double w = (double)points / 2 < o->listed ? (double)points / 2 : o->listed;
	if (points <= 0 || s->listed == name)
		return;
	if (s->novelty.s == 0)
		s->messages = s->strangers = s->new_places = 0;
	walk_reason("its address is on a block list");
	walk_add(&s->novelty, NATS(w), at_us, o->half_life_s);
	s->listed = name;
}

/* The answer about an address that it wrote from a moment ago. */
static void listing(struct judge *j, struct principal *p, void *state, const void *opt, const struct listing_view *v)
{
	struct ipaddr ip;
	(void)j, (void)p;
	if (!v->target && v->kind == DNSBL_BLOCK && ipaddr_parse(v->source, &ip) == 0)
		listed(state, opt, &ip, v->points, v->at_us);
}

/* Our own access network is home; its addresses change by themselves. */
static bool is_at_home(struct judge *j, const struct principal *p, struct state *s, const struct place *at)
{
	if (at->own_network && !s->home_counted) {
		count_place(judge_shared(j, &detector_auth_origin), p, 0);
		s->home_counted = true;
	}
	return at->own_network;
}

static void from_elsewhere(struct judge *j, struct principal *p, struct state *s, const struct options *o, const struct login *l)
{
	walk_decay(&s->novelty, l->at_us, o->half_life_s);
	if (s->novelty.s == 0)
		s->listed = 0;
	bool is_new = novelty(j, p, s, o, l);
	if (l->at->asked)
		listed(s, o, &l->at->ip, l->at->asked->points, l->at_us);
	if (!l->at->home) { /* a telephone and an office abroad may be in use at once for years */
		interleave(s, o, l, is_new);
		spread(s, o, l);
	}
	if (s->novelty.s || s->spread.s)
		note_country(s, country_code(&l->at->geo));
	else
		memset(s->countries, 0, sizeof s->countries);
}

static bool is_foreign(const struct place *at)
{
	return at->has_ip && !ipaddr_is_loopback(&at->ip) && !at->egress;
}

static void message(struct judge *j, struct principal *p, void *state, const void *opt, const struct message_view *m)
{
	struct state *s = state;
	const struct options *o = opt;
	if (!m->first_report || !is_foreign(&m->place))
		return;
	if (m->method_bit && !(s->methods & m->method_bit)) {
		walk_reason("a way to log in never used");
		if (s->methods && m->at_us - p->first_us >= o->learn_days * US_PER_DAY)
			walk_add(&s->novelty, NATS(o->new_method), m->at_us, o->half_life_s);
		s->methods |= m->method_bit;
	}
	if (is_at_home(j, p, s, &m->place))
		return;
	from_elsewhere(j, p, s, o, &(struct login){ &m->place, m->at_us, p->first_us, false });
	if (s->novelty.s || s->spread.s) {
		s->messages++;
		s->strangers += m->strangers;
	}
}

/* The mail server sees webmail's address only, where a log-in to webmail has that of somebody's browser. An IMAP log-in says less: apps on telephones
 * have it done by a provider's servers abroad. Who has written for long may use webmail for the first time: its places are learned, too. */
static void fact(struct judge *j, struct principal *p, void *state, const void *opt, const struct fact_view *f)
{
	struct state *s = state;
	if (!p || !f->browser || !is_foreign(&f->place) || is_at_home(j, p, s, &f->place))
		return;
	int64_t first_us = p->browser.first_day * US_PER_DAY;
	from_elsewhere(j, p, s, opt, &(struct login){ &f->place, f->at_us, first_us > p->first_us ? first_us : p->first_us, true });
	/* Home is forgotten after weeks, and of a young account not known yet; where nothing is new, nobody else came. */
	if (!f->place.home && s->novelty.s >= NAT)
		p->browser.elsewhere_us = f->at_us;
}

/* Who is away writes a little, or goes on writing to the people he knows; who stole a password writes to strangers. */
static bool is_traveller(const struct state *s, int32_t others)
{
	return (s->messages < 5 && others <= 2 * NAT) || s->strangers * 3 < s->messages;
}

static int32_t score(const struct judge *j, const struct principal *p, void *state, const void *opt, int64_t now_us, int32_t others)
{
	struct state *s = state;
	const struct options *o = opt;
	walk_decay(&s->novelty, now_us, o->half_life_s);
	walk_decay(&s->spread, now_us, o->half_life_s);
	bool away = is_traveller(s, others);
	int32_t cap = NATS(away ? o->travel_cap : o->novelty_cap + (s->listed ? o->listed : 0));
	int32_t n = s->novelty.s < cap ? s->novelty.s : cap;
	/* A telephone on the way changes its network all the time; ten within an hour are no telephone. Log-ins to webmail that no mail follows are no theft yet. */
	int32_t sum = away && (s->shown_nets < 10 || !s->messages) ? n : n + s->spread.s;
	bool young = now_us - p->first_us < j->limits.ready_days * US_PER_DAY; /* its places are not all known yet */
	int32_t most = NATS(s->shown_nets >= 10 ? o->spread_cap : !young ? TRAVEL_MOST : fusion_is_new_site(j) ? o->travel_cap : o->novelty_cap);
	return sum < most ? sum : most;
}

static int64_t since(const void *state)
{
	const struct state *s = state;
	return walks_since(&s->novelty, &s->spread);
}

static void list_countries(const struct state *s, struct buf *out)
{
	for (size_t i = 0; i < 6 && s->countries[i]; i++)
		buf_printf(out, "%s%c%c", i ? ", " : " (", s->countries[i] >> 8, s->countries[i] & 255);
	if (s->countries[0])
		buf_addc(out, ')');
}

static void why(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	unsigned places = s->since_places ? s->since_places : s->new_places;
	bool many = s->shown_nets >= 3 && s->spread.s >= NAT;
	(void)j, (void)opt;
	if (many)
		buf_printf(out, "%s logged in from %u networks within one hour", phrase_name(p).s, s->shown_nets);
	else if (places)
		buf_printf(out, "%s logged in from %s%u place%s never used before, since %s", phrase_name(p).s, places > ORIGINS ? "more than " : "",
		           places > ORIGINS ? ORIGINS : places, places == 1 ? "" : "s", phrase_time(p, since(s)).s);
	else
		buf_printf(out, "%s logged in %s, since %s", phrase_name(p).s, s->listed ? "from an address that is on a block list" : "in a way never used before",
		           phrase_time(p, since(s)).s);
	list_countries(s, out);
	/* Only some places are remembered, so those of a botnet are new again and again. */
	if (many && places > ORIGINS)
		buf_printf(out, ", hardly any of them used before");
	else if (many && places)
		buf_printf(out, ", %u of the places never used before", places);
	if (s->listed && places)
		buf_puts(out, "; an address is on a block list");
	buf_addc(out, '.');
}

static void guards(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	const struct options *o = opt;
	(void)p;
	if (fusion_is_new_site(j) && s->shown_nets < 10 && s->novelty.s + s->spread.s > NATS(o->travel_cap))
		buf_printf(out, "the log begins less than %d days ago, so nobody's usual places are known: at most %.0f nats; ", (int)j->limits.ready_days, o->travel_cap);
	if (s->novelty.s > NATS(o->travel_cap) && s->messages < 5)
		buf_printf(out, "%s from the new place: counted as travel unless something else speaks against it; ", s->messages ? "fewer than 5 messages" : "only log-ins to webmail");
	else if (s->novelty.s + s->spread.s > NATS(o->travel_cap) && s->strangers * 3 < s->messages)
		buf_printf(out, "the new place writes to people the account knows: counted as travel; ");
}

static void forgive(void *state)
{
	struct state *s = state;
	s->novelty = (struct walk){ 0 };
	s->spread = (struct walk){ 0 };
	s->listed = 0;
}

const struct detector detector_auth_origin = {
	.name = "auth-origin",
	.title = "logins from new or too many places",
	.group = GROUP_ORIGIN,
	.others = TRAVEL_MOST, /* ten networks within an hour */
	.kinds = 1u << PRINCIPAL_ACCOUNT,
	.state_bytes = (sizeof(struct state) + 7) / 8 * 8,
	.walks = 2,
	.guarded = true,
	.shared_bytes = sizeof(struct everybody),
	.options = &table,
	.message = message,
	.fact = fact,
	.listing = listing,
	.score = score,
	.since = since,
	.why = why,
	.guards = guards,
	.forgive = forgive,
};
