#include "analyzer/packed.h"

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t t = a % b;
		a = b;
		b = t;
	}
	return a;
}

/* The largest step that leads from base to every value: times in whole seconds need no microseconds. */
static uint64_t scale_of(const int64_t *v, size_t n, int64_t base)
{
	uint64_t g = 0;
	for (size_t i = 0; i < n && g != 1; i++) {
		uint64_t d = (uint64_t)v[i] - (uint64_t)base;
		if (g == 0 || d % g)
			g = gcd(g, d);
	}
	return g ? g : 1;
}

static uint32_t bits_for(uint64_t most)
{
	uint32_t n = most ? 64 - (uint32_t)__builtin_clzll(most) : 0;
	return n > PACKED_WIDE ? 64 : n;
}

/* The different values, when they are few. */
struct table { int64_t value[PACKED_TABLE]; uint8_t slot[1024]; uint32_t n; };

static uint32_t slot_of(const struct table *t, int64_t v)
{
	uint32_t at = (uint32_t)((uint64_t)v * 0x9e3779b97f4a7c15u >> 54);
	while (t->slot[at] && t->value[t->slot[at] - 1] != v)
		at = (at + 1) % 1024;
	return at;
}

static bool table_of(struct table *t, const int64_t *v, size_t n)
{
	memset(t, 0, sizeof *t);
	for (size_t i = 0; i < n; i++) {
		uint32_t at = slot_of(t, v[i]);
		if (t->slot[at])
			continue;
		if (t->n == PACKED_TABLE)
			return false;
		t->value[t->n++] = v[i];
		t->slot[at] = (uint8_t)t->n;
	}
	return true;
}

/* Writes numbers of width bits one after the other: whole words, as a store into part of a word that was just written makes the
 * processor wait. */
struct bits { char *p; uint64_t word; uint32_t width, used; };

static inline void put_bits(struct bits *b, uint64_t v)
{
	b->word |= v << b->used;
	b->used += b->width;
	if (b->used < 64)
		return;
	memcpy(b->p, &b->word, 8);
	b->p += 8;
	b->used -= 64;
	b->word = b->used ? v >> (b->width - b->used) : 0;
}

static void end_bits(const struct bits *b)
{
	memcpy(b->p, &b->word, (b->used + 7) / 8);
}

static char *room(struct buf *out, size_t bytes)
{
	buf_reserve(out, bytes);
	memset(out->p + out->n, 0, bytes);
	out->n += bytes;
	return out->p + out->n - bytes;
}

static struct packed put_table(struct buf *out, const struct table *t, const int64_t *v, size_t n)
{
	struct packed k = { bits_for(t->n - 1), t->n, 0, 1 };
	char *p = room(out, packed_bytes(&k, n));
	memcpy(p, t->value, t->n * sizeof *t->value);
	struct bits b = { p + t->n * sizeof *t->value, 0, k.width, 0 };
	for (size_t i = 0; i < n && k.width; i++)
		put_bits(&b, t->slot[slot_of(t, v[i])] - 1u);
	end_bits(&b);
	return k;
}

struct packed packed_put(struct buf *out, const int64_t *v, size_t n)
{
	struct table t;
	int64_t least = n ? v[0] : 0, most = least;
	for (size_t i = 1; i < n; i++) {
		least = v[i] < least ? v[i] : least;
		most = v[i] > most ? v[i] : most;
	}
	struct packed k = { 0, 0, least, scale_of(v, n, least) };
	k.width = bits_for(((uint64_t)most - (uint64_t)least) / k.scale);
	if (k.width > 1 && table_of(&t, v, n) && bits_for(t.n - 1) < k.width && (size_t)(k.width - bits_for(t.n - 1)) * n > (size_t)t.n * 64)
		return put_table(out, &t, v, n);
	if (!k.width)
		return k;
	struct bits b = { room(out, packed_bytes(&k, n)), 0, k.width, 0 };
	for (size_t i = 0; i < n; i++) {
		uint64_t d = (uint64_t)v[i] - (uint64_t)least;
		put_bits(&b, k.scale == 1 ? d : d / k.scale);
	}
	end_bits(&b);
	return k;
}
