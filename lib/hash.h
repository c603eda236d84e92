/* hash: keyed 64-bit hashes (SipHash-2-4 of libsodium) for keys that hostile people choose, and a fast mixing function
 * for numbers of our own. The site key comes from the store, so hashes are stable for one site and useless to others. */
#ifndef LIB_HASH_H
#define LIB_HASH_H

#include "lib/sv.h"

#define HASH_KEY_BYTES 16

struct hash_key { unsigned char b[HASH_KEY_BYTES]; };

uint64_t hash_sv(const struct hash_key *k, struct sv s);
/* The same of the text in lower case, of at most so many bytes of it. */
#define HASH_FOLDED_BYTES 320u
uint64_t hash_folded(const struct hash_key *k, struct sv s);
/* Mixes two numbers (splitmix64 finaliser; not keyed). */
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
	uint64_t z = a ^ (b + 0x9e3779b97f4a7c15ull + (a << 6) + (a >> 2));
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

#endif
