/* enrich: whose is this account, address, domain or uid; in which country and network is it; which organisation does a
 * domain belong to. Read-only after enrich_new(), except for its caches. */
#ifndef ANALYZER_ENRICH_H
#define ANALYZER_ENRICH_H

#include "lib/conf.h"
#include "lib/hash.h"
#include "lib/principal.h"

struct enrich;

#define ENRICH_NOBODY UINT32_MAX

struct geo {
	char country[3]; /* ISO 3166-1 alpha-2, "" unknown */
	uint32_t asn;    /* 0 unknown */
};

/* Opens the files of conf.geo (.mmdb by libmaxminddb; .csv prefix,country,asn overrides them). NULL and e when one
 * cannot be read. conf must outlive it. */
struct enrich *enrich_new(const struct conf *conf, struct err *e);
void enrich_free(struct enrich *e);
/* Opens each file of conf.geo and tells about every one that is broken, "FILE: what, and what to do". Returns their number. */
size_t enrich_check_geo(const struct conf *conf, void (*tell)(void *ctx, const char *text), void *ctx);

/* The customer's name for a principal, borrowed; "" when it is nobody's. An account falls back to its domain. */
const char *enrich_customer(const struct enrich *e, enum principal_kind kind, struct sv id);
/* Contact and language of a customer by name; false when unknown. Borrowed. */
bool enrich_contact(const struct enrich *e, const char *customer, const char **ret_contact, const char **ret_language);

/* What is known of an address. */
struct enrich_place {
	struct geo geo;
	bool own_network, egress;
	const char *customer; /* whose host it is, borrowed from the inventory; "" nobody's */
};
struct enrich_place enrich_place(struct enrich *e, const struct ipaddr *ip);
/* It will be asked for soon: memory may begin to fetch what is known of it. */
void enrich_place_soon(const struct enrich *e, const struct ipaddr *ip);
bool enrich_is_own_network(const struct enrich *e, const struct ipaddr *ip);
/* A mail server of a customer, as the config declares it. */
bool enrich_is_mail_server(const struct enrich *e, const struct ipaddr *ip);
bool enrich_is_egress(const struct enrich *e, const struct ipaddr *ip);
/* A local, relay or backup domain of ours. */
bool enrich_is_local_domain(const struct enrich *e, struct sv domain);
/* What is known of a domain that somebody writes to. */
struct enrich_domain {
	struct sv org;           /* organisational domain (public suffix + one label) in lower case; the domain itself when it has none. Borrowed from the domain's text, or until the next call */
	uint64_t hash, org_hash; /* keyed: of the domain in lower case, of org */
	const char *customer;    /* whose it is, "" nobody's */
	bool local;              /* a local, relay or backup domain of ours */
};
/* k is always the same. */
struct enrich_domain enrich_domain(struct enrich *e, const struct hash_key *k, struct sv domain);
/* It will be asked for soon: memory may begin to fetch what is known of it. */
void enrich_domain_soon(const struct enrich *e, struct sv domain);

#endif
