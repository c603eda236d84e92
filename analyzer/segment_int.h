/* segment_int: the numbering of a segment's sections, shared by its writer and its reader only. */
#ifndef ANALYZER_SEGMENT_INT_H
#define ANALYZER_SEGMENT_INT_H

#include <stdint.h>

#include "analyzer/packed.h"
#include "lib/sv.h"

/* Hash of a text in lower case (ASCII) where fold is set, part of the file format. Not keyed: a file must be readable at another
 * site, and whoever makes texts collide only makes one segment's dictionary slower. Eight bytes at a time, multiply and fold. */
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

/* The dictionary is in two parts, so that looking for a piece of an address reads addresses only. */
enum word_class { WORD_ADDRESS, WORD_OTHER, WORD_CLASSES };

#define M_TEXT(name, class) SECTION_M_##name,
#define M_INT(name) SECTION_M_##name,
#define R_TEXT(name, class) SECTION_R_##name,
#define R_INT(name) SECTION_R_##name,
#define R_PLAIN(name) SECTION_R_##name, SECTION_R_##name##_text,
enum section {
	SECTION_HASH,    /* the upper 24 bits of the hash, 3 bytes per word, ascending within each class */
	SECTION_ORDER,   /* packed: the number of the word with that hash */
	SECTION_LENGTH,  /* packed: of each word */
	SECTION_TEXT,    /* blocks: the words, in the order in which messages used them first, so that those of one message lie together */
	SECTION_RCPT,    /* packed, per message and one more: first recipient */
#include "analyzer/segment_cols.def"
	SECTIONS
};
#undef M_TEXT
#undef M_INT
#undef R_TEXT
#undef R_INT
#undef R_PLAIN

/* offset, bytes: in the file. packed: of packed columns. A section of blocks begins with u32 blocks and, for each block and for their
 * end, struct segment_block; the blocks follow, each compressed by itself (or as it is, when that is not smaller). */
struct segment_section { uint64_t offset; uint32_t bytes, pad; struct packed packed; };
struct segment_block { uint32_t at, raw, item; }; /* from the end of this table; bytes when unpacked; first word or row in it */
struct segment_header {
	char magic[8];
	uint32_t messages, recipients, words[WORD_CLASSES], sections, pad;
	struct segment_section section[SECTIONS];
};
#define SEGMENT_HASH_BYTES 3u
#define SEGMENT_MAGIC "AWSEG3\0"
#define SEGMENT_BLOCK_BYTES (8u << 10) /* so much of texts is unpacked to read one of them */
#define SEGMENT_BLOCK_MAX (1u << 20)
#define SEGMENT_TEXT_MAX 65534u /* longer texts are cut; none is: addresses, names and replies have tighter limits */

#endif
