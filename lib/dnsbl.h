/* dnsbl: the words for what a DNS block list says of an address or a domain, and the zones that abusewatch knows (etc/dnsbl.conf).
 * There is one verdict per target and zone, and only DNSBL_CLEAN means clean: an error of the asker (RFC 5782 leaves them to the lists; Spamhaus
 * answers 127.255.255.252 to .255, SURBL and URIBL set a bit) is never a listing, and silence is never clean. */
#ifndef LIB_DNSBL_H
#define LIB_DNSBL_H

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/prefix.h"

enum dnsbl_verdict {
	DNSBL_LISTED,  /* an answer in 127/8 that is none of the others */
	DNSBL_CLEAN,   /* no such name, from a zone that lists its test entry and does not list what must never be listed */
	DNSBL_REFUSED, /* the list does not serve us: a code that says so */
	DNSBL_UNKNOWN, /* no answer, a server's failure, an answer outside 127/8, or a zone that does not list its own test entry */
	DNSBL_DEAD,    /* the zone lists everything, lists nothing any more, or is gone */
	DNSBL_VERDICTS
};

/* What an entry means. Only the first two are held against the target. */
enum dnsbl_kind {
	DNSBL_BLOCK,
	DNSBL_POLICY,  /* an address that should not send mail directly; a whole network or provider is listed: nobody's abuse */
	DNSBL_INFO,
	DNSBL_ALLOW,
	DNSBL_NEUTRAL, /* a code that says "nothing against it" */
	DNSBL_REFUSAL, /* a code that says "you may not ask" */
	DNSBL_KINDS
};

/* "listed" "clean" "refused" "unknown" "dead"; "block" "policy" "info" "allow" "neutral" "refusal" */
const char *dnsbl_verdict_name(uint8_t v);
const char *dnsbl_kind_name(uint8_t k);
/* The number of the name, or -1. */
int dnsbl_verdict_named(struct sv name);
int dnsbl_kind_named(struct sv name);
/* Whether a listing of that kind is held against the target. */
static inline bool dnsbl_is_bad(uint8_t kind) { return kind == DNSBL_BLOCK || kind == DNSBL_POLICY; }

#endif
