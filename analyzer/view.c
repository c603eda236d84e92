/* What the detectors see of a message: addresses as hashes, places, outcomes. */
#include "analyzer/judge_int.h"
#include "analyzer/outage.h"

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

static void view_network(struct judge *j, struct message_view *m)
{
	if (ipaddr_parse(m->txn->client_ip, &m->ip) != 0)
		return;
	m->has_ip = true;
	m->own_network = enrich_is_own_network(j->enrich, &m->ip);
	uint64_t a, b;
	memcpy(&a, m->ip.b, 8);
	memcpy(&b, m->ip.b + 8, 8);
	bool v4 = ipaddr_is_v4(&m->ip);
	/* IPv4: /24 and /16 of the last four bytes; IPv6: /48 and /32. Bytes are in network order in memory. */
	uint64_t mask24 = 0, mask16 = 0;
	memset(&mask24, 0xff, v4 ? 7 : 6);
	memset(&mask16, 0xff, v4 ? 6 : 4);
	m->net = v4 ? hash_mix(b & mask24, 4) : hash_mix(a & mask24, 6);
	m->wide_net = v4 ? hash_mix(b & mask16, 4) : hash_mix(a & mask16, 6);
	m->geo = enrich_geo(j->enrich, &m->ip);
}

/* A job that mails the same dead address every hour is a nuisance, not a dirty list. */
#define WAS_BAD 0x6261646eu

static bool seen_bad_before(struct judge *j, const struct principal *p, uint64_t rcpt_hash)
{
	uint64_t pair = hash_mix(hash_mix(p->key, rcpt_hash), WAS_BAD);
	if (contacts_known(&j->contacts, pair))
		return true;
	contacts_add(&j->contacts, pair);
	return false;
}

static void view_recipients(struct judge *j, const struct principal *p, struct message_view *m)
{
	const struct txn *t = m->txn;
	m->rcpt = arena_alloc(&j->scratch, t->n_rcpt * sizeof *m->rcpt);
	m->n_listed = t->n_rcpt;
	for (size_t i = 0; i < t->n_rcpt; i++) {
		const struct txn_rcpt *r = &t->rcpt[i];
		struct rcpt_view *v = &m->rcpt[i];
		v->hash = hash_folded(&j->key, r->recipient);
		const struct enrich_domain *d = enrich_domain(j->enrich, &j->key, sv_domain(r->recipient));
		v->domain = arena_sv(&j->scratch, d->org);
		v->domain_hash = d->hash;
		v->class = r->reply_class;
		v->outcome = outcome_of(r);
		v->changed = r->changed;
		v->known = contacts_known(&j->contacts, hash_mix(p->key, v->hash));
		if (r->changed && v->outcome == OUTCOME_BAD)
			v->repeated = seen_bad_before(j, p, v->hash);
		if (r->changed && (v->outcome == OUTCOME_GOOD || v->outcome == OUTCOME_BAD))
			v->void_receiver = outage_note(&j->outage_memory, v->domain_hash, p->key, v->outcome == OUTCOME_BAD, m->at_us);
	}
	m->n_rcpt = (uint32_t)(t->nrcpt > (int64_t)t->n_rcpt && t->nrcpt < 100000 ? (size_t)t->nrcpt : t->n_rcpt);
}

static uint8_t method_bit(const struct judge *j, struct sv method)
{
	unsigned bit = method.n ? 1u << (hash_folded(&j->key, method) & 7) : 0;
	return (uint8_t)bit;
}

static struct sv best_line(const struct txn *t)
{
	/* A refused outcome says more than how it came in; the accept line says more than a delivery. */
	for (size_t i = 0; i < t->n_rcpt && t->n_lines > 1; i++)
		if (t->rcpt[i].changed && t->rcpt[i].status >= TXN_BOUNCED)
			return t->lines[1];
	return t->n_lines ? t->lines[0] : (struct sv){ 0 };
}

void view_message(struct judge *j, const struct principal *p, const struct txn *t, struct message_view *m)
{
	/* Time of the judge, not of the report: it never steps back, whatever several sources say. */
	*m = (struct message_view){ .txn = t, .at_us = j->site->now_us };
	m->first_report = !(t->flags & TXN_REPLAY);
	m->null_sender = t->sender_known && t->sender.n == 0;
	m->method_bit = method_bit(j, t->auth_method);
	m->line = best_line(t);
	view_network(j, m);
	view_recipients(j, p, m);
}
