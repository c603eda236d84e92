/* prefix: IP addresses and longest-prefix tables. IPv4 is held as ::ffff:a.b.c.d. */
#ifndef LIB_PREFIX_H
#define LIB_PREFIX_H

#include "lib/sv.h"

struct ipaddr { uint8_t b[16]; };

struct prefix {
	struct ipaddr addr; /* host bits zero */
	uint8_t bits;       /* 0..128 (IPv4 /n is 96 + n) */
	uint32_t value;     /* what the table's owner means by it */
};

struct prefix_table { /* sorted once by prefix_table_seal; lookups are read-only */
	struct prefix *v;
	size_t n, cap;
	uint64_t lengths[3]; /* which lengths occur */
};

/* "192.0.2.1", "2001:db8::1", "[2001:db8::1]", "IPv6:2001:db8::1". 0 or -1. */
int ipaddr_parse(struct sv text, struct ipaddr *ret);
/* Canonical text (RFC 5952; IPv4-mapped as dotted quad) into out (≥ 46 bytes); returns its length. */
size_t ipaddr_text(const struct ipaddr *a, char *out);
bool ipaddr_is_v4(const struct ipaddr *a);
bool ipaddr_is_loopback(const struct ipaddr *a);
/* "198.18.0.0/15" or an address (a full-length prefix). 0 or -1. Host bits must be zero: else -2. */
int prefix_parse(struct sv text, struct prefix *ret);
void prefix_table_add(struct prefix_table *t, const struct prefix *p);
/* Sorts; the later of two equal prefixes wins. */
void prefix_table_seal(struct prefix_table *t);
/* The longest match, or NULL. Borrowed. */
const struct prefix *prefix_table_find(const struct prefix_table *t, const struct ipaddr *a);
void prefix_table_fini(struct prefix_table *t);

#endif
