#include "lib/hash.h"

#include <sodium.h>

#include "lib/near.h"

_Static_assert(HASH_KEY_BYTES == crypto_shorthash_KEYBYTES, "SipHash key size");

uint64_t hash_sv(const struct hash_key *k, struct sv s)
{
	uint64_t h;
	crypto_shorthash((unsigned char *)&h, (const unsigned char *)(s.p ? s.p : ""), s.n, k->b);
	return h;
}

/* --- SipHash-2-4 of a text in lower case ------------------------------------------------------------------------------ */

/* Addresses are hashed several times a message: folding each word on its way saves the copy, and a call. */
struct sip { uint64_t v0, v1, v2, v3; };

static inline uint64_t turned(uint64_t v, unsigned bits)
{
	return v << bits | v >> (64 - bits);
}

static inline uint64_t little(uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return v;
#else
	return __builtin_bswap64(v);
#endif
}

static inline void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = turned(s->v1, 13) ^ s->v0;
	s->v3 = turned(s->v3, 16) ^ s->v2;
	s->v0 = turned(s->v0, 32) + s->v3;
	s->v2 += s->v1;
	s->v3 = turned(s->v3, 21) ^ s->v0;
	s->v1 = turned(s->v1, 17) ^ s->v2;
	s->v2 = turned(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t w)
{
	s->v3 ^= w;
	sip_round(s);
	sip_round(s);
	s->v0 ^= w;
}

static uint64_t sip_folded(const struct hash_key *k, const char *p, size_t n)
{
	uint64_t a, b, w;
	size_t at = 0;
	memcpy(&a, k->b, 8);
	memcpy(&b, k->b + 8, 8);
	a = little(a);
	b = little(b);
	struct sip s = { a ^ 0x736f6d6570736575u, b ^ 0x646f72616e646f6du, a ^ 0x6c7967656e657261u, b ^ 0x7465646279746573u };
	for (; at + 8 <= n; at += 8) {
		memcpy(&w, p + at, 8);
		sip_word(&s, near_lower_eight(little(w)));
	}
	w = n > at ? near_lower_eight(little(near_last(p, n, n - at))) : 0;
	sip_word(&s, w | (uint64_t)n << 56);
	s.v2 ^= 0xff;
	for (unsigned i = 0; i < 4; i++)
		sip_round(&s);
	return little(s.v0 ^ s.v1 ^ s.v2 ^ s.v3); /* as hash_sv() reads its bytes */
}

uint64_t hash_folded(const struct hash_key *k, struct sv s)
{
	return sip_folded(k, s.p, s.n < HASH_FOLDED_BYTES ? s.n : HASH_FOLDED_BYTES);
}
