/* segment_int: the numbering of a segment's sections, shared by its writer and its reader only. */
#ifndef ANALYZER_SEGMENT_INT_H
#define ANALYZER_SEGMENT_INT_H

#include <stdint.h>

#include "lib/sv.h"

/* Hash of a text in lower case (ASCII), part of the file format. Not keyed: a file must be readable at another site, and
 * whoever makes texts collide only makes one segment's dictionary slower. Eight bytes at a time, multiply and fold. */
static inline uint64_t segment_hash_of(struct sv s, bool fold)
{
	uint64_t h = 0x9e3779b97f4a7c15ull ^ s.n;
	while (s.n) {
		uint64_t w = 0;
		size_t n = s.n < 8 ? s.n : 8;
		memcpy(&w, s.p, n);
		/* Adds 0x20 to every byte of A-Z: bytes whose low seven bits are in the range and whose top bit is clear. */
		uint64_t low = w & 0x7f7f7f7f7f7f7f7full;
		uint64_t upper = !fold ? 0 : ((low + 0x3f3f3f3f3f3f3f3full) & ~(low + 0x2525252525252525ull) & ~w & 0x8080808080808080ull) >> 2;
		unsigned __int128 m = (unsigned __int128)(h ^ (w | upper)) * 0xd6e8feb86659fd93ull;
		h = (uint64_t)m ^ (uint64_t)(m >> 64);
		s = sv_skip(s, n);
	}
	return h ^ (h >> 32);
}
static inline uint64_t segment_hash(struct sv s) { return segment_hash_of(s, true); }

#define M_TEXT(name) SECTION_M_##name,
#define M_INT(name, type) SECTION_M_##name,
#define R_TEXT(name) SECTION_R_##name,
#define R_INT(name, type) SECTION_R_##name,
#define R_PLAIN(name) SECTION_R_##name, SECTION_R_##name##_text,
enum section {
	SECTION_HASH,    /* upper half of the hash, u32 per string, ascending */
	SECTION_LENGTH,  /* u16 per string */
	SECTION_TEXT,    /* the strings, one after the other */
	SECTION_RCPT,    /* u32 per message and one more: first recipient */
#include "analyzer/segment_cols.def"
	SECTIONS
};
#undef M_TEXT
#undef M_INT
#undef R_TEXT
#undef R_INT
#undef R_PLAIN

struct segment_section { uint64_t offset; uint32_t raw, stored; };
struct segment_header {
	char magic[8];
	uint32_t messages, recipients, strings, sections;
	struct segment_section section[SECTIONS];
};
#define SEGMENT_MAGIC "AWSEG2\0"
#define SEGMENT_TEXT_MAX 65534u /* longer texts are cut; none is: addresses, names and replies have tighter limits */
#define SEGMENT_RAW_MAX (1u << 30) /* no section unpacks to more: a damaged file must not eat the memory */

#endif
