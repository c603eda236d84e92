#include "lib/hash.h"

#include <sodium.h>

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
	for (size_t i = 0; i < n; i++) {
		char c = s.p[i];
		low[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
	}
	return hash_sv(k, sv_make(low, n));
}
