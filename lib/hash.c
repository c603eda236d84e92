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

uint64_t hash_folded(const struct hash_key *k, struct sv s)
{
	char low[320];
	size_t n = s.n < sizeof low ? s.n : sizeof low;
	near_lower(low, s.p, n);
	return hash_sv(k, sv_make(low, n));
}
