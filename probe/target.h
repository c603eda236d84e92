/* target: what is looked up: an address, a run of addresses, or a domain. */
#ifndef PROBE_TARGET_H
#define PROBE_TARGET_H

#include "lib/dnsbl_zones.h"

#define TARGET_TEXT 256
#define TARGET_RANGE_MOST (1u << 24) /* addresses of one prefix: an IPv4 /8, an IPv6 /104 */

struct target {
	unsigned kind;          /* DNSBL_IP4, DNSBL_IP6 or DNSBL_DOMAIN */
	struct ipaddr first;    /* of count addresses */
	uint64_t count;         /* 1 of a domain */
	char domain[TARGET_TEXT]; /* lower case, no final dot; "" */
	char registered[TARGET_TEXT]; /* its registered domain (public suffix and one label), or the same */
};

/* Targets that several look-ups go through at the same time. Whoever keeps a set counts among its owners; the last one who drops it frees it. Once a look-up has it, it stays as
 * it is. */
struct target_set { unsigned owners; size_t n; struct target v[]; };
struct target_set *target_set_new(const struct target *t, size_t n); /* a copy of n; its first owner is the caller */
struct target_set *target_set_keep(struct target_set *s);
void target_set_drop(struct target_set *s);

/* "192.0.2.1", "192.0.2.0/24", "2001:db8::1", "customer.example". -1 and e: what it should have been. */
int target_parse(struct sv text, struct target *ret, struct err *e);
/* The nth address, or the domain, as text (TARGET_TEXT bytes); returns its length. */
size_t target_text(const struct target *t, uint64_t nth, char *out);
struct ipaddr target_address(const struct target *t, uint64_t nth);

#endif
