/* dnsmsg: DNS messages (RFC 1035), as far as asking block lists needs them: one question out, the addresses or the text of the answer in.
 * What comes in was written by strangers: everything is bounded, nothing is trusted, names are followed through a limited number of pointers and aliases. */
#ifndef PROBE_DNSMSG_H
#define PROBE_DNSMSG_H

#include "lib/buf.h"
#include "lib/prefix.h"

enum { DNS_A = 1, DNS_SOA = 6, DNS_TXT = 16, DNS_AAAA = 28, DNS_MX = 15, DNS_CNAME = 5, DNS_NS = 2, DNS_OPT = 41 };
enum { DNS_NOERROR = 0, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3, DNS_REFUSED = 5 };

#define DNSMSG_NAME 255      /* bytes of a name on the wire */
#define DNSMSG_QUERY 512     /* more than any question of ours */
#define DNSMSG_ADDRESSES 8   /* of an answer; what is beyond is counted */
#define DNSMSG_TEXT 255      /* bytes of text that are kept */
#define DNSMSG_UDP 1232      /* what we say that we can take in one datagram */

/* A name on the wire, lower case, uncompressed. */
struct dnsname { uint8_t n, b[DNSMSG_NAME]; };

/* "bl.example" → its wire form. 0, or -1: too long, an empty label, a character that no name has. */
int dnsname_parse(struct sv text, struct dnsname *ret);
/* Reversed octets, or nibbles of IPv6, before the zone; false when the name gets too long. v6: of all 16 bytes, also of a mapped address. */
bool dnsname_of_address(const struct ipaddr *a, bool v6, const struct dnsname *zone, struct dnsname *ret);
/* A domain (or "test") before the zone. False when it gets too long. */
bool dnsname_of_domain(struct sv domain, const struct dnsname *zone, struct dnsname *ret);
/* Presentation form into out (at least 4 * DNSMSG_NAME bytes), without a final dot; NUL-terminated. */
void dnsname_text(const struct dnsname *n, char *out);

/* A question for out (DNSMSG_QUERY bytes); returns its length. recurse: for a resolver, not for the server that has the zone. */
size_t dnsmsg_put_query(uint8_t *out, uint16_t id, const struct dnsname *name, uint16_t type, bool recurse);

struct dnsmsg {
	uint16_t id;
	uint8_t rcode;                       /* DNS_SERVFAIL also of what is neither an answer nor a "no": a referral, an alias whose end is not told */
	bool truncated;
	uint32_t ttl_s;                      /* how long this answer may be believed; of "no": RFC 2308 section 5 */
	unsigned n_address;                  /* A records at the end of the chain of aliases; may exceed what is kept */
	uint32_t address[DNSMSG_ADDRESSES];
	bool has_text;
	uint8_t n_text;
	char text[DNSMSG_TEXT];              /* the first TXT record's strings joined: as they came, not fit to be shown */
};

/* The answer to that question. -1: these bytes are none (another name, malformed). */
int dnsmsg_parse(const uint8_t *packet, size_t n, const struct dnsname *name, uint16_t type, struct dnsmsg *ret);

#endif
