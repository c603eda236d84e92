/* cache: answers for as long as their lists said that they hold (TTL). A fixed number of entries, four to a set; a full set loses
 * what would expire first. Where the answer came from libunbound it may be in its cache too, with the same end. */
#ifndef PROBE_CACHE_H
#define PROBE_CACHE_H

#include "probe/dnsmsg.h"

#define CACHE_CODES 4             /* an answer with more is not kept: a part of it could mean something else */

struct cached {
	uint64_t key;                 /* 0: empty */
	int64_t asked_us, until_us;
	uint32_t code[CACHE_CODES];
	char *text;                   /* what the list said, as it came; NULL */
	uint8_t n_text, n_code;
};

struct cache;
struct cache *cache_new(size_t entries);
void cache_free(struct cache *c);
/* name: what was asked, which says it all. */
uint64_t cache_key(const struct cache *c, const struct dnsname *name);
/* What is still valid at now_us, or NULL. Borrowed until the next put. */
const struct cached *cache_get(const struct cache *c, uint64_t key, int64_t now_us);
void cache_put(struct cache *c, uint64_t key, int64_t now_us, uint32_t ttl_s, const uint32_t *code, unsigned n, struct sv text);

#endif
