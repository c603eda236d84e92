/* dnsbl_zones: the DNS block lists we may ask, as etc/dnsbl.conf says (dnsbl.conf(5)). Read-only after loading; everything in it belongs to it.
 * A key that is part of a name on the wire (Spamhaus DQS, Abusix) is kept apart from the zone's name: only who asks takes it
 * (dnsbl_zone_suffix()), and what is shown, logged or sent anywhere carries `name`. */
#ifndef LIB_DNSBL_ZONES_H
#define LIB_DNSBL_ZONES_H

#include "lib/conf.h"
#include "lib/dnsbl.h"

enum { DNSBL_IP4 = 1, DNSBL_IP6 = 2, DNSBL_DOMAIN = 4 };

/* An answer a matches when (a & mask) lies in low…high; of bits, when (a & low) is not 0. Several of one zone may match. */
struct dnsbl_code { uint32_t mask, low, high; bool bits, exact; uint8_t kind; int32_t points; char *meaning; };

struct dnsbl_zone {
	char *name;                /* without the key: "zen.dq.spamhaus.net" */
	char *title;               /* "Spamhaus ZEN" */
	unsigned targets;          /* DNSBL_IP4 | DNSBL_IP6 | DNSBL_DOMAIN */
	uint8_t kind;              /* of an answer that no code describes */
	int32_t points;            /* likewise; evidence in whole nats */
	struct dnsbl_code *code;   size_t n_code;
	char *delist;              /* URL; %t stands for the target; "" */
	char *licence, *note;      /* "" */
	char *key_name;            /* of the key file; "" */
	char *key;                 /* secret; NULL when there is none */
	char *server;              /* "127.0.0.1@5300": ask there instead of the resolver; "" */
	char *replaces;            /* a zone that is not asked when this one can be; "" */
	char *test_listed[3], *test_clean[3]; /* what is asked for IP4, IP6, DOMAIN, as a look-up would; "" = no such test */
	int64_t per_day, per_second; /* queries; 0: no limit */
	char *file;                /* "ip4set:PATH": a copy that lies here, instead of asking; "" */
	bool registered;           /* domains are asked for by their registered domain */
	bool enabled, watch;       /* asked at all; asked for watched targets */
	int line;
};

/* Lists that are no more. */
struct dnsbl_dead { char *name, *since, *reason; }; /* "*.name" also stands for what is below */

struct dnsbl_zones {
	struct dnsbl_zone *v; size_t n;
	struct dnsbl_dead *dead; size_t n_dead;
};

/* path: the file, or "" for the table that is built in. keys_path: lines "NAME SECRET" (comments with #), or "". Mistakes go to cb, or are
 * logged without it; NULL when there was one. The key file must not be readable by everybody. */
struct dnsbl_zones *dnsbl_zones_load(const char *path, const char *keys_path, conf_mistake_cb *cb, void *ctx);
void dnsbl_zones_free(struct dnsbl_zones *z);
/* The zone of that name (any case, a final dot is allowed), or NULL. Borrowed. */
const struct dnsbl_zone *dnsbl_zone_find(const struct dnsbl_zones *z, struct sv name);
const struct dnsbl_dead *dnsbl_dead_find(const struct dnsbl_zones *z, struct sv name);
/* What an answer means: its kind, points and, in *ret_meaning, its words (joined with "; " when several codes match), never empty. */
uint8_t dnsbl_zone_meaning(const struct dnsbl_zone *z, uint32_t code, int32_t *ret_points, struct buf *ret_meaning);
/* How to get off the list, with the target put in; nothing when there is no way. */
void dnsbl_zone_delist(const struct dnsbl_zone *z, struct sv target, struct buf *ret);
/* What is queried below: the key, when there is one, and the name. -1 when it needs a key that we lack. */
int dnsbl_zone_suffix(const struct dnsbl_zone *z, struct buf *ret);

#endif
