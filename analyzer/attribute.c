/* Whose is this message, or this fact? */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "analyzer/judge_int.h"

/* An address of ours that is no server's own. */
static bool is_host(const struct judge *j, const struct ipaddr *ip)
{
	if (ipaddr_is_loopback(ip))
		return false;
	struct enrich_place at = enrich_place(j->enrich, ip);
	return at.own_network && !at.egress;
}

bool attribute_owner(const struct judge *j, const struct txn *t, struct owner *ret)
{
	if (t->origin == TXN_BOUNCE || t->origin == TXN_FORWARD)
		return false;
	ret->kind = PRINCIPAL_SCRIPT;
	if (t->account.n) {
		ret->kind = PRINCIPAL_ACCOUNT;
		ret->id = t->account;
	} else if (t->uid >= 0) {
		ret->id = sv_make(ret->room, (size_t)snprintf(ret->room, sizeof ret->room, "%" PRId64, t->uid));
	} else if (t->local_user.n) {
		ret->id = t->local_user;
	} else {
		ret->kind = PRINCIPAL_HOST;
		ret->id = t->client_ip;
		return t->client_is == TXN_CLIENT_ADDRESS && is_host(j, &t->client);
	}
	return true;
}

struct principal *attribute_txn(struct judge *j, const struct txn *t)
{
	struct owner o;
	if (!attribute_owner(j, t, &o))
		return NULL;
	return judge_principal_hashed(j, o.kind, o.id, judge_hash(j, t->owner_hash, o.id), t->at_us);
}

/* Mail that an account of ours received: who wrote to it is no stranger to it. */
void attribute_received(struct judge *j, const struct txn *t)
{
	if (!t->sender.n)
		return;
	uint64_t sender = judge_hash(j, t->sender_hash, t->sender);
	for (size_t i = 0; i < t->n_rcpt; i++) {
		const struct txn_rcpt *r = &t->rcpt[i];
		if (r->status != TXN_SENT || !r->changed)
			continue;
		uint64_t account = judge_key_of(PRINCIPAL_ACCOUNT, judge_hash(j, r->hash, r->recipient));
		if (contacts_known(&j->contacts, hash_mix(account, IS_AN_ACCOUNT)))
			contacts_add(&j->contacts, hash_mix(account, sender));
	}
}

struct principal *attribute_record(struct judge *j, const struct record *r)
{
	struct ipaddr ip;
	if (r->account.n) {
		/* Whoever guesses names must not make accounts of them. */
		bool ours = r->kind != RECORD_AUTH_FAIL ||
		            contacts_known(&j->contacts, hash_mix(judge_key(j, PRINCIPAL_ACCOUNT, sv_take(r->account, 320)), IS_AN_ACCOUNT));
		return ours ? judge_principal(j, PRINCIPAL_ACCOUNT, r->account, r->time_us) : NULL;
	}
	if (ipaddr_parse(r->client_ip, &ip) != 0 || !is_host(j, &ip))
		return NULL;
	return judge_principal(j, PRINCIPAL_HOST, r->client_ip, r->time_us);
}

static bool is_of_address(char c)
{
	return isxdigit((unsigned char)c) || c == '.' || c == ':';
}

/* The next word of letters, digits and marks that addresses are made of, without what stands around it: "IPv6:2001:db8::1", "IP:192.0.2.1", "192.0.2.1." */
static struct sv next_address(struct sv text, size_t *at)
{
	while (*at < text.n && !is_of_address(text.p[*at]))
		++*at;
	size_t from = *at;
	while (*at < text.n && is_of_address(text.p[*at]))
		++*at;
	struct sv word = sv_make(text.p + from, *at - from);
	if (from >= 3 && word.n > 2 && strncasecmp(text.p + from - 3, "IPv6:", 5) == 0)
		word = sv_skip(word, 2);
	if (word.n > 1 && word.p[0] == ':' && word.p[1] != ':')
		word = sv_skip(word, 1);
	while (word.n && (word.p[word.n - 1] == '.' || word.p[word.n - 1] == ':'))
		word.n--;
	return word;
}

struct sv attribute_named_egress(const struct judge *j, struct sv text, char room[ATTRIBUTE_ADDRESS_BYTES])
{
	struct ipaddr ip;
	for (size_t at = 0; at < text.n;) {
		struct sv word = next_address(text, &at);
		if (word.n >= 3 && word.n < 46 && ipaddr_parse(word, &ip) == 0 && enrich_is_egress(j->enrich, &ip))
			return sv_make(room, ipaddr_text(&ip, room));
	}
	return SV("");
}

size_t attribute_egress(struct judge *j, const struct txn *t, bool quiet, bool *ret_refused, struct principal *ret_p[ATTRIBUTE_EGRESS_MAX])
{
	const struct prefix_table *all = &j->conf->egress;
	char room[ATTRIBUTE_ADDRESS_BYTES];
	*ret_refused = false;
	for (size_t i = 0; i < t->n_rcpt; i++) {
		const struct txn_rcpt *r = &t->rcpt[i];
		if (!r->changed || (r->reply_class != REPLY_IP_LISTED && r->reply_class != REPLY_RATE_LIMITED))
			continue;
		*ret_refused = true;
		struct sv ip = attribute_named_egress(j, r->reply, room);
		if (ip.n) {
			ret_p[0] = judge_principal(j, PRINCIPAL_OWN_IP, ip, t->at_us);
			return 1;
		}
	}
	/* Logs do not say through which address a message left: a refusal that names none is nobody's where there are several. */
	size_t n = 0;
	if ((quiet && !*ret_refused) || all->n > ATTRIBUTE_EGRESS_MAX || (*ret_refused && all->n > 1))
		return 0;
	for (size_t i = 0; i < all->n; i++) {
		char text[48];
		if (all->v[i].bits == 128)
			ret_p[n++] = judge_principal(j, PRINCIPAL_OWN_IP, sv_make(text, ipaddr_text(&all->v[i].addr, text)), t->at_us);
	}
	return n;
}

static struct principal *host(struct judge *j, const struct ipaddr *ip, int64_t at_us)
{
	char text[48];
	return judge_principal(j, PRINCIPAL_HOST, sv_make(text, ipaddr_text(ip, text)), at_us);
}

/* A stranger without login gave it mail for a domain that is none of ours. */
static bool takes_for_others(const struct judge *j, const struct smtp_session *s)
{
	if (s->flags & SMTP_AUTH_OK)
		return false;
	for (size_t i = 0; i < s->n_messages; i++)
		for (size_t k = 0; s->message[i].accepted && k < s->message[i].n_rcpt; k++) {
			const struct smtp_rcpt *r = &s->message[i].rcpt[k];
			if (r->code / 100 == 2 && sv_domain(r->recipient).n && !enrich_is_local_domain(j->enrich, sv_domain(r->recipient)))
				return true;
		}
	return false;
}

struct principal *attribute_session(struct judge *j, const struct smtp_session *s, bool *ret_inbound)
{
	bool from_us = enrich_is_own_network(j->enrich, &s->client), to_us = enrich_is_own_network(j->enrich, &s->server);
	const struct ipaddr *ours = from_us ? &s->client : &s->server;
	*ret_inbound = !from_us;
	/* Between two of ours: a customer's use of a server of ours, which has a log. On other ports than 25 customers give their mail to other providers. */
	if (from_us == to_us || (from_us && s->server_port != 25) || ipaddr_is_loopback(ours) || enrich_is_egress(j->enrich, ours) || enrich_is_mail_server(j->enrich, ours))
		return NULL;
	return from_us || takes_for_others(j, s) ? host(j, ours, j->site->now_us) : NULL;
}
