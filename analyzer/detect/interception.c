/* interception: somebody between us and the world's mail servers changes what is said on port 25. No principal is judged: it is told to the desk and
 * noted, and no customer gets a case. Three signs, each over what was reached within a window, by networks (/16, IPv6 /32) or organisations, as one
 * receiver with a firewall of that kind, many addresses or no encryption is nobody's interception:
 *  masked    greetings or keywords are crossed out ("220 ****", "250-XXXX"), as the SMTP inspection of PIX and ASA firewalls does
 *  proxied   servers of many networks greet with one and the same name
 *  stripped  servers that offered STARTTLS before, of many organisations, offer it no more
 * A sign must be true of at least a share of all that was reached. docs/detectors.md B.2, Interception; numbers are assumptions. What it needs
 * the round trip time or other vantage points for is not done: captured sessions do not have them. */
#include <inttypes.h>
#include <stdlib.h>

#include "analyzer/judge_int.h"
#include "analyzer/servers.h"

struct options {
	bool enabled;
	int64_t window_s, masked_networks, proxied_networks, stripped_organisations, again_s;
	double share;
};

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "true", 0, 0, "", "whether this detector speaks" },
	{ "window", OPT_TIME_S, offsetof(struct options, window_s), "2h", 600, 86400, "s", "what was reached within this time is looked at together; a small provider reaches few networks in an hour" },
	{ "share", OPT_REAL, offsetof(struct options, share), "0.8", 0.5, 1, "", "of all that was reached show the sign; what is in the way is in everybody's way" },
	{ "masked-networks", OPT_INT, offsetof(struct options, masked_networks), "8", 2, 200, "networks", "whose servers seem crossed out; single receivers' firewalls do that, too" },
	{ "proxied-networks", OPT_INT, offsetof(struct options, proxied_networks), "20", 3, 200, "networks",
	  "greet with one name; the largest receivers have servers in a dozen" },
	{ "stripped-organisations", OPT_INT, offsetof(struct options, stripped_organisations), "6", 2, 60, "organisations",
	  "offer STARTTLS no more; one may have switched it off" },
	{ "again", OPT_TIME_S, offsetof(struct options, again_s), "24h", 3600, 31536000, "s", "the same sign is told again after this time at the earliest" },
	{ 0 },
};
static const struct opt_table table = { "detector", "interception", rows, sizeof(struct options) };

/* Counts some 900 different ones within a few percent. */
struct many { uint64_t bits[4]; };
struct name { uint64_t hash; struct many nets; char text[BANNER_HOST]; };
#define NAMES 16
#define REMOTES 8192u /* servers of the world whose STARTTLS is remembered, 8 bytes each */
struct remote { uint32_t hash; uint8_t offered, pad[3]; /* sessions in which it was, up to 255 */ };
enum sign { SIGN_MASKED, SIGN_PROXIED, SIGN_STRIPPED, SIGNS };

struct shared {
	int64_t window_us;               /* begin of the window */
	struct many greeted, plain, masked;
	uint64_t offering, stripped;     /* organisations that offered it before: that do, or do no more */
	uint64_t clients;
	struct name name[NAMES];
	struct { int64_t since_us, told_us; bool on, pad[7]; } sign[SIGNS]; /* since_us: first session of the window in which it came up */
	struct remote remote[REMOTES];
};
extern const struct detector detector_interception;

static void many_add(struct many *m, uint64_t hash)
{
	linear_add(&m->bits[hash & 3], hash);
}

static unsigned many_count(const struct many *m)
{
	return linear_estimate(m->bits[0]) + linear_estimate(m->bits[1]) + linear_estimate(m->bits[2]) + linear_estimate(m->bits[3]);
}

/* --- telling ------------------------------------------------------------------------------------------------------ */

static const uint8_t whats[SIGNS] = { NETWORK_MASKED, NETWORK_PROXIED, NETWORK_STRIPPED };

static void tell(struct judge *j, struct shared *s, enum sign k, const struct network_event *about, const char *text)
{
	struct network_event e = *about;
	e.at_us = j->site->now_us;
	e.what = whats[k];
	e.since_us = s->sign[k].since_us = s->window_us;
	e.text = xstrdup(text);
	servers_tell(j, &e);
	s->sign[k].on = true;
	s->sign[k].told_us = e.at_us;
}

static void end(struct judge *j, struct shared *s, enum sign k)
{
	static const char *const texts[SIGNS] = {
		"Mail servers' greetings and keywords on port 25 come through unchanged again.",
		"Mail servers of the world greet with their own names again.",
		"Mail servers of the world offer STARTTLS again.",
	};
	struct network_event e = { .at_us = j->site->now_us, .since_us = s->sign[k].since_us, .what = NETWORK_ENDED, .text = xstrdup(texts[k]) };
	(void)strncpy(e.before, network_what_name((enum network_what)whats[k]), sizeof e.before - 1);
	servers_tell(j, &e);
	s->sign[k].on = false;
}

static bool may_tell(const struct shared *s, enum sign k, const struct options *o, int64_t now_us)
{
	return !s->sign[k].on && (!s->sign[k].told_us || now_us - s->sign[k].told_us >= o->again_s * US_PER_S);
}

/* `of` says yes, of `all`: enough of both. */
static bool is_most(unsigned of, unsigned all, int64_t least, const struct options *o)
{
	return of >= least && of * 100 >= all * (unsigned)(o->share * 100 + 0.5);
}

static const struct name *top_name(const struct shared *s)
{
	const struct name *top = &s->name[0];
	for (size_t i = 1; i < NAMES; i++)
		if (many_count(&s->name[i].nets) > many_count(&top->nets))
			top = &s->name[i];
	return top;
}

static void look(struct judge *j, struct shared *s, const struct options *o)
{
	struct network_event e = { 0 };
	struct buf b = { 0 };
	unsigned greeted = many_count(&s->greeted), plain = many_count(&s->plain), masked = many_count(&s->masked), clients = linear_estimate(s->clients);
	unsigned offering = linear_estimate(s->offering), stripped = linear_estimate(s->stripped);
	const struct name *top = top_name(s);
	int64_t now_us = j->site->now_us;
	if (may_tell(s, SIGN_MASKED, o, now_us) && is_most(masked, plain, o->masked_networks, o)) {
		buf_printf(&b, "A firewall crosses out what is said on port 25: mail servers in %u of %u networks that %u of our addresses reached seem not to know their own keywords. Encryption and login are lost on the way.",
		           masked, plain, clients);
		tell(j, s, SIGN_MASKED, &e, buf_cstr(&b));
	}
	if (may_tell(s, SIGN_PROXIED, o, now_us) && is_most(many_count(&top->nets), greeted, o->proxied_networks, o)) {
		memcpy(e.host, top->text, sizeof e.host);
		buf_clear(&b);
		buf_printf(&b, "Somebody answers on port 25 in the place of the world's mail servers: those of %u of %u networks that %u of our addresses reached greet as \"%s\".",
		           many_count(&top->nets), greeted, clients, top->text);
		tell(j, s, SIGN_PROXIED, &e, buf_cstr(&b));
		e.host[0] = 0;
	}
	if (may_tell(s, SIGN_STRIPPED, o, now_us) && is_most(stripped, offering + stripped, o->stripped_organisations, o)) {
		buf_clear(&b);
		buf_printf(&b, "Somebody takes STARTTLS out of what mail servers offer on port 25: %u of %u organisations that offered it before offer it no more. Mail leaves in the clear.",
		           stripped, offering + stripped);
		tell(j, s, SIGN_STRIPPED, &e, buf_cstr(&b));
	}
	buf_fini(&b);
}

/* --- time --------------------------------------------------------------------------------------------------------- */

/* A whole window in which enough was reached and little of it shows the sign ends it. */
static void end_signs(struct judge *j, struct shared *s, const struct options *o)
{
	unsigned offering = linear_estimate(s->offering), stripped = linear_estimate(s->stripped);
	unsigned reached[SIGNS] = { many_count(&s->plain), many_count(&s->greeted), offering + stripped };
	unsigned show[SIGNS] = { many_count(&s->masked), many_count(&top_name(s)->nets), stripped };
	int64_t least[SIGNS] = { o->masked_networks, o->proxied_networks, o->stripped_organisations };
	for (size_t k = 0; k < SIGNS; k++)
		if (s->sign[k].on && reached[k] >= least[k] && show[k] * 5 < reached[k])
			end(j, s, (enum sign)k);
}

static void roll(struct judge *j, struct shared *s, const struct options *o)
{
	int64_t begin = j->site->now_us - j->site->now_us % (o->window_s * US_PER_S);
	for (size_t k = 0; k < SIGNS; k++) {
		s->sign[k].told_us = fixed_then(s->sign[k].told_us, j->site->now_us);
		s->sign[k].since_us = fixed_then(s->sign[k].since_us, j->site->now_us);
	}
	if (s->window_us == begin)
		return;
	end_signs(j, s, o);
	s->window_us = begin;
	memset(&s->greeted, 0, offsetof(struct shared, sign) - offsetof(struct shared, greeted));
	for (size_t at = 0; at < offsetof(struct shared, remote); at += MEMORY_PAGE_BYTES)
		memory_touch(judge_shared(j, &detector_interception), at);
}

/* --- sessions ----------------------------------------------------------------------------------------------------- */

/* The names that most networks greet with: a new one takes the place of the least common. */
static void add_name(struct memory *m, struct shared *s, uint64_t hash, const char *host, uint64_t net)
{
	struct name *least = &s->name[0];
	for (size_t i = 0; i < NAMES; i++) {
		if (s->name[i].hash == hash) {
			least = &s->name[i];
			break;
		}
		if (many_count(&s->name[i].nets) < many_count(&least->nets))
			least = &s->name[i];
	}
	if (least->hash != hash) {
		*least = (struct name){ .hash = hash };
		memcpy(least->text, host, strlen(host) + 1);
	}
	many_add(&least->nets, net);
	memory_touch_item(m, least, sizeof *least);
}

/* Whether it offers STARTTLS as it did before. */
static void look_at_starttls(struct judge *j, struct memory *m, struct shared *s, const struct smtp_session *x, uint64_t org)
{
	uint64_t h = hash_sv(&j->key, sv_make((const char *)x->server.b, sizeof x->server.b));
	struct remote *r = &s->remote[h % REMOTES];
	uint32_t hash = (uint32_t)(h >> 32) | 1;
	bool offers = x->flags & (SMTP_STARTTLS_OFFERED | SMTP_TLS);
	if (r->hash == hash && r->offered >= 2) {
		if (offers)
			linear_add(&s->offering, org);
		else
			linear_add(&s->stripped, org);
	}
	if (!offers)
		return;
	if (r->hash != hash)
		*r = (struct remote){ .hash = hash };
	r->offered = (uint8_t)(r->offered + (r->offered < 255));
	memory_touch_item(m, r, sizeof *r);
}

static void wire(struct judge *j, const void *opt, const struct smtp_session *x)
{
	const struct options *o = opt;
	char host[BANNER_HOST], software[BANNER_SOFTWARE];
	struct place at;
	bool from_us = enrich_is_own_network(j->enrich, &x->client) || enrich_is_egress(j->enrich, &x->client);
	if (!o->enabled || !from_us || x->server_port != 25 || !x->banner.n || (x->flags & (SMTP_GAP | SMTP_MID_STREAM | SMTP_ONE_SIDED | SMTP_NOT_SMTP)) ||
	    enrich_is_own_network(j->enrich, &x->server) || enrich_is_egress(j->enrich, &x->server))
		return;
	struct memory *m = judge_shared(j, &detector_interception);
	struct shared *s = (struct shared *)(void *)m->p;
	view_place(j, NULL, &x->server, &at);
	roll(j, s, o);
	banner_read(x->banner, host, software);
	bool masked = x->flags & SMTP_MASKED, keywords = (x->flags & SMTP_ESMTP) && x->replies[2] >= 2;
	linear_add(&s->clients, hash_sv(&j->key, sv_make((const char *)x->client.b, sizeof x->client.b)));
	if (sv_chr(sv_cstr(host), '.') > 0) {
		many_add(&s->greeted, at.wide_net);
		add_name(m, s, hash_folded(&j->key, sv_cstr(host)), host, at.wide_net);
	}
	if (masked || keywords)
		many_add(&s->plain, at.wide_net);
	if (masked)
		many_add(&s->masked, at.wide_net);
	else if (keywords)
		look_at_starttls(j, m, s, x, enrich_domain(j->enrich, &j->key, sv_cstr(host)).org_hash);
	memory_touch_item(m, s, offsetof(struct shared, name));
	look(j, s, o);
	memory_touch_item(m, s->sign, sizeof s->sign);
}

const struct detector detector_interception = {
	.name = "interception",
	.title = "port 25 is intercepted",
	.group = GROUP_TOPOLOGY,
	.kinds = 0,
	.shared_bytes = sizeof(struct shared),
	.options = &table,
	.wire = wire,
};
