#include "probe/cache.h"

#include <sodium.h>
#include <stdlib.h>

#include "lib/hash.h"
#include "lib/times.h"

#define WAYS 4
#define CLOCK_US (60 * US_PER_S) /* what was asked so far ahead was asked before the clock was put back: it would be valid too long */

struct cache { struct hash_key hash; size_t sets; struct cached *v; };

struct cache *cache_new(size_t entries)
{
	struct cache *c = xcalloc(1, sizeof *c);
	c->sets = entries / WAYS ? entries / WAYS : 1;
	c->v = xcalloc(c->sets * WAYS, sizeof *c->v);
	randombytes_buf(c->hash.b, sizeof c->hash.b); /* those who choose names must not choose where they collide */
	return c;
}

void cache_free(struct cache *c)
{
	for (size_t i = 0; c && i < c->sets * WAYS; i++)
		free(c->v[i].text);
	if (c)
		free(c->v);
	free(c);
}

uint64_t cache_key(const struct cache *c, const struct dnsname *name)
{
	uint64_t h = hash_sv(&c->hash, sv_make((const char *)name->b, name->n));
	return h ? h : 1;
}

const struct cached *cache_get(const struct cache *c, uint64_t key, int64_t now_us)
{
	const struct cached *set = &c->v[key % c->sets * WAYS];
	for (int i = 0; i < WAYS; i++)
		if (set[i].key == key)
			return set[i].until_us > now_us && set[i].asked_us < now_us + CLOCK_US ? &set[i] : NULL;
	return NULL;
}

void cache_put(struct cache *c, uint64_t key, int64_t now_us, uint32_t ttl_s, const uint32_t *code, unsigned n, struct sv text)
{
	struct cached *set = &c->v[key % c->sets * WAYS], *at = set;
	if (!ttl_s || n > CACHE_CODES)
		return;
	for (int i = 0; i < WAYS; i++) {
		if (set[i].key == key) {
			at = &set[i];
			break;
		}
		if (set[i].until_us < at->until_us)
			at = &set[i];
	}
	free(at->text);
	*at = (struct cached){ .key = key, .asked_us = now_us, .until_us = now_us + (int64_t)ttl_s * US_PER_S, .n_text = (uint8_t)(text.n < 255 ? text.n : 255), .n_code = (uint8_t)n };
	for (unsigned i = 0; i < n; i++)
		at->code[i] = code[i];
	at->text = text.n ? xsvdup(sv_take(text, 255)) : NULL;
}
