/* What the detectors see of a message: addresses as hashes, places, outcomes. */
#include <strings.h>

#include "analyzer/judge_int.h"
#include "analyzer/outage.h"
#include "analyzer/phrase.h"

static uint8_t outcome_of(const struct txn_rcpt *r)
{
	if (r->status == TXN_SENT)
		return OUTCOME_GOOD;
	if (r->status == TXN_BOUNCED || r->status == TXN_EXPIRED) {
		bool bad_domain = r->reply_class == REPLY_OTHER && r->dsn.n == 5 &&
		                  (sv_eq(r->dsn, SV("5.1.2")) || sv_eq(r->dsn, SV("5.4.4")));
		return r->reply_class == REPLY_UNKNOWN_USER || bad_domain ? OUTCOME_BAD : OUTCOME_REFUSED;
	}
	return OUTCOME_OPEN;
}

void view_replies(struct judge *j, struct txn *t)
{
	for (size_t i = 0; i < t->n_rcpt; i++) {
		struct txn_rcpt *r = &t->rcpt[i];
		if (r->status == TXN_SENT || r->status == TXN_PENDING)
			r->reply_class = REPLY_NONE;
		else
			r->reply_class = reply_classify(j->replies, r->reply, r->dsn).class;
	}
}

/* The networks from which a principal writes to people it knows are marked anew in every period in which nothing speaks against it; those of
 * earlier periods are its home. */
#define PERIOD_DAYS 3
#define PERIODS 12
#define USES_PLACE 0x706c6163u

static uint64_t place_mark(const struct place *at)
{
	return at->geo.asn ? hash_mix(at->geo.asn, USES_PLACE) : hash_mix(at->wide_net, USES_PLACE);
}

/* Whether a mark of the periods before now stands in that series: often that of the last one does; otherwise all others are fetched at once. */
static bool any_marked(const struct judge *j, uint64_t series, uint64_t now, uint64_t periods)
{
	if (contacts_known(&j->contacts, hash_mix(series, now - 1)))
		return true;
	for (uint64_t i = 2; i <= periods; i++)
		contacts_soon(&j->contacts, hash_mix(series, now - i));
	for (uint64_t i = 2; i <= periods; i++)
		if (contacts_known(&j->contacts, hash_mix(series, now - i)))
			return true;
	return false;
}

static bool used_before(const struct judge *j, const struct principal *p, const struct place *at, int64_t now_us)
{
	return any_marked(j, hash_mix(p->key, place_mark(at)), (uint64_t)(now_us / (PERIOD_DAYS * US_PER_DAY)), PERIODS);
}

void view_remember_place(struct judge *j, const struct principal *p, const struct place *at)
{
	/* What is home stays home while it is used: only new places must wait until nothing speaks against p. */
	if (at->has_ip && !at->own_network && (at->home || (!p->open_case && p->score < 4 * NAT)))
		(void)judge_mark(j, p, place_mark(at), (uint64_t)(j->site->now_us / (PERIOD_DAYS * US_PER_DAY)));
}

bool view_is_by_browser(const struct record *r)
{
	if (r->kind != RECORD_AUTH_OK || !r->mta || strcmp(r->mta, "webmail") != 0)
		return false;
	return !r->auth_method.n || sv_eq(r->auth_method, SV("soap")); /* Zimbra tells IMAP, POP3, CalDAV and ActiveSync in the same file */
}

/* An address of ours that the inventory gives to somebody else is no home. */
static bool is_at_home(struct judge *j, const struct principal *p, const char *its)
{
	return !its[0] || strcmp(its, judge_customer(j, p)) == 0;
}

void view_place(struct judge *j, const struct principal *p, const struct ipaddr *ip, struct place *at)
{
	*at = (struct place){ .has_ip = false };
	if (!ip)
		return;
	struct enrich_place known = enrich_place(j->enrich, ip);
	at->ip = *ip;
	at->has_ip = true;
	at->own_network = known.own_network;
	at->egress = known.egress;
	at->geo = known.geo;
	uint64_t a, b;
	memcpy(&a, at->ip.b, 8);
	memcpy(&b, at->ip.b + 8, 8);
	bool v4 = ipaddr_is_v4(&at->ip);
	/* IPv4: /24 and /16 of the last four bytes; IPv6: /48 and /32. Bytes are in network order in memory. */
	uint64_t mask24 = 0, mask16 = 0;
	memset(&mask24, 0xff, v4 ? 7 : 6);
	memset(&mask16, 0xff, v4 ? 6 : 4);
	at->source = v4 ? hash_mix(b, 4) : hash_mix(a, 6);
	at->net = v4 ? hash_mix(b & mask24, 4) : hash_mix(a & mask24, 6);
	at->wide_net = v4 ? hash_mix(b & mask16, 4) : hash_mix(a & mask16, 6);
	if (p)
		at->home = (at->own_network && is_at_home(j, p, known.customer)) || used_before(j, p, at, j->site->now_us);
}

/* A job that mails the same dead address every hour is a nuisance, not a dirty list. */
#define WAS_BAD 0x6261646eu

bool view_was_bad(struct judge *j, const struct principal *p, uint64_t recipient)
{
	return judge_mark(j, p, recipient, WAS_BAD);
}

#define WAS_BLAMED 0x626c616du

/* Whether a refusal speaks against who wrote the message, not against our servers' names, addresses or ways. */
static bool blames_sender(struct judge *j, const struct txn_rcpt *r)
{
	static const char *const about_us[] = { "sub=rdns", "sub=connect-reject", "sub=sender-null-mx", "sub=bad-sender", "sub=recipient-org-block" };
	if (r->status != TXN_BOUNCED && r->status != TXN_DEFERRED)
		return false;
	if (r->reply_class == REPLY_SPAM_CONTENT || r->reply_class == REPLY_DOMAIN_LISTED)
		return true;
	if (r->reply_class != REPLY_POLICY_BLOCK)
		return false;
	const char *detail = reply_classify(j->replies, r->reply, r->dsn).detail;
	for (size_t i = 0; i < sizeof about_us / sizeof *about_us; i++)
		if (strstr(detail, about_us[i]))
			return false;
	return true;
}

static bool blames_egress(struct judge *j, const struct txn_rcpt *r)
{
	if (r->status != TXN_BOUNCED && r->status != TXN_DEFERRED)
		return false;
	if (r->reply_class != REPLY_RATE_LIMITED && r->reply_class != REPLY_IP_LISTED)
		return false;
	const char *detail = reply_classify(j->replies, r->reply, r->dsn).detail;
	if (r->reply_class == REPLY_IP_LISTED)
		return !strstr(detail, "list=t-online-local"); /* refuses whom it does not know yet: no sign of abuse */
	return strstr(detail, "sub=ip-reputation") || strstr(detail, "sub=complaints");
}

/* The organisation of the server that refused; of a filter of our own, or where no server is told, that of the recipient's domain. */
static uint64_t refuser_of(struct judge *j, const struct txn_rcpt *r, const struct enrich_domain *rcpt)
{
	struct ipaddr ip;
	if (!r->relay_host.n || (ipaddr_parse(r->relay_ip, &ip) == 0 && (ipaddr_is_loopback(&ip) || enrich_is_own_network(j->enrich, &ip))))
		return rcpt->org_hash;
	struct enrich_domain d = enrich_domain(j->enrich, &j->key, r->relay_host);
	return d.local || sv_chr(r->relay_host, '.') < 0 ? rcpt->org_hash : d.org_hash;
}

static void view_blame(struct judge *j, const struct principal *p, const struct message_view *m, size_t i, struct rcpt_view *v)
{
	const struct txn_rcpt *r = &m->txn->rcpt[i];
	v->blamed = r->changed && blames_sender(j, r);
	v->listed = r->changed && blames_egress(j, r);
	if (!v->blamed && !v->listed)
		return;
	v->refuser = refuser_of(j, r, &j->domain[i]);
	v->again = judge_mark(j, p, hash_mix(v->hash, hash_sv(&j->key, m->txn->queue_id)), WAS_BLAMED);
}

/* Where the envelope's number is not logged (Exim), recipients come to light one by one. */
static uint32_t first_heard_of(const struct txn *t)
{
	uint32_t n = 0;
	for (size_t i = 0; i < t->n_rcpt; i++)
		n += t->rcpt[i].changed && t->rcpt[i].attempts == 1;
	return n;
}

static void view_recipients(struct judge *j, const struct principal *p, struct message_view *m)
{
	const struct txn *t = m->txn;
	m->rcpt = arena_alloc(&j->scratch, t->n_rcpt * sizeof *m->rcpt);
	m->n_listed = t->n_rcpt;
	size_t n_new = 0;
	for (size_t i = 0; i < t->n_rcpt; i++) {
		const struct txn_rcpt *r = &t->rcpt[i];
		struct rcpt_view *v = &m->rcpt[i];
		v->hash = judge_hash(j, r->hash, r->recipient);
		v->domain = j->domain[i].org;
		v->domain_hash = j->domain[i].hash;
		v->class = r->reply_class;
		v->outcome = outcome_of(r);
		v->changed = r->changed;
		v->known = contacts_known(&j->contacts, hash_mix(p->key, v->hash));
		if (r->changed && v->outcome == OUTCOME_BAD)
			v->repeated = view_was_bad(j, p, v->hash);
		view_blame(j, p, m, i, v);
		n_new += !v->known;
		/* Once a message: an address of ours sees what its sender was judged by already. */
		if (p->kind != PRINCIPAL_OWN_IP && r->changed && (v->outcome == OUTCOME_GOOD || v->outcome == OUTCOME_BAD))
			v->void_receiver = outage_note(&j->outage_memory, v->domain_hash, p->key, v->outcome == OUTCOME_BAD, m->at_us);
	}
	m->strangers = n_new * 2 > t->n_rcpt;
	m->n_rcpt = (uint32_t)(t->nrcpt > (int64_t)t->n_rcpt && t->nrcpt < 100000 ? (size_t)t->nrcpt : t->n_rcpt);
	m->n_more = m->first_report ? m->n_rcpt : t->nrcpt < 0 ? first_heard_of(t) : 0;
}

/* The mechanism that a method uses: Exim logs the name its operator gave to it ("dovecot_plain", "PLAIN_server"). */
static uint8_t method_bit(struct sv method)
{
	static const struct { struct sv part; uint8_t bit; } known[] = {
#define M(text, bit) { { (text), sizeof(text) - 1 }, 1u << (bit) }
		M("plain", 0), M("login", 1), M("cram", 2), M("digest", 2), M("oauth", 3), M("scram", 4), M("gssapi", 5), M("gss-spnego", 5), M("ntlm", 5),
		M("external", 6), M("cert", 6),
#undef M
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		for (size_t at = 0; at + known[i].part.n <= method.n; at++)
			if (strncasecmp(method.p + at, known[i].part.p, known[i].part.n) == 0)
				return known[i].bit;
	return method.n ? 1u << 7 : 0;
}

static struct sv best_line(const struct txn *t)
{
	/* A refused outcome says more than how it came in; the accept line says more than a delivery. */
	for (size_t i = 0; i < t->n_rcpt && t->n_lines > 1; i++)
		if (t->rcpt[i].changed && t->rcpt[i].status >= TXN_BOUNCED)
			return t->lines[1];
	return t->n_lines ? t->lines[0] : (struct sv){ 0 };
}

static bool is_own_domain(struct judge *j, const struct principal *p, struct sv sender, struct sv domain, const struct enrich_domain *d)
{
	struct sv id = sv_cstr(p->id), own = sv_domain(id);
	if (p->kind == PRINCIPAL_ACCOUNT && (sv_eq(sender, id) || (own.n == domain.n && strncasecmp(own.p, domain.p, own.n) == 0)))
		return true;
	return d->local || (d->customer[0] && strcmp(d->customer, judge_customer(j, p)) == 0);
}

/* Sender domains of earlier weeks are known, and stay so while they are used; one of this week becomes so in the next, unless something speaks against
 * the principal. */
#define WEEK_US (7 * US_PER_DAY)
#define WEEKS 5
#define USES_SENDER 0x73656e64u

static bool used_sender_before(struct judge *j, const struct principal *p, uint64_t domain)
{
	uint64_t week = (uint64_t)(j->site->now_us / WEEK_US), mark = hash_mix(domain, USES_SENDER);
	/* The domains of a script's or host's first two messages are its own until it uses others. */
	if (p->messages <= 1)
		(void)judge_mark(j, p, mark, week - 1);
	bool known = any_marked(j, hash_mix(p->key, mark), week, WEEKS);
	if (known || (!p->open_case && p->score < 4 * NAT))
		(void)judge_mark(j, p, mark, week);
	return known;
}

static void view_sender(struct judge *j, const struct principal *p, struct message_view *m)
{
	struct sv sender = m->txn->sender, domain = sv_domain(sender);
	if (!sender.n)
		return;
	m->sender_hash = judge_hash(j, m->txn->sender_hash, sender);
	struct enrich_domain d = enrich_domain(j->enrich, &j->key, domain);
	m->sender_domain_hash = d.hash;
	m->own_sender = is_own_domain(j, p, sender, domain, &d);
	m->sender_known = m->own_sender || used_sender_before(j, p, m->sender_domain_hash);
}

void view_message(struct judge *j, const struct principal *p, const struct txn *t, struct message_view *m)
{
	/* Time of the judge, not of the report: it never steps back, whatever several sources say. */
	*m = (struct message_view){ .txn = t, .at_us = j->site->now_us };
	m->first_report = !(t->flags & TXN_REPLAY);
	m->null_sender = t->sender_known && t->sender.n == 0;
	m->method_bit = method_bit(t->auth_method);
	m->line = best_line(t);
	m->expansion = phrase_is_expansion(j, t->sender);
	view_place(j, p, t->client_is == TXN_CLIENT_ADDRESS ? &t->client : NULL, &m->place);
	view_sender(j, p, m);
	view_recipients(j, p, m);
}
