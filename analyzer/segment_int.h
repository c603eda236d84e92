/* segment_int: the numbering of a segment's sections, shared by its writer and its reader only. */
#ifndef ANALYZER_SEGMENT_INT_H
#define ANALYZER_SEGMENT_INT_H

#include <stdint.h>

#include "analyzer/packed.h"
#include "lib/near.h"
#include "lib/sv.h"

/* Hash of a text in lower case (ASCII) where fold is set, part of the file format. Not keyed: a file must be readable at another
 * site, and whoever makes texts collide only makes one segment's dictionary slower. Eight bytes at a time, multiply and fold. */
static inline uint64_t segment_hash_step(uint64_t h, uint64_t w, bool fold)
{
	unsigned __int128 m = (unsigned __int128)(h ^ (fold ? near_lower_eight(w) : w)) * 0xd6e8feb86659fd93ull;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}
static inline uint64_t segment_hash_of(struct sv s, bool fold)
{
	uint64_t h = 0x9e3779b97f4a7c15ull ^ s.n, w;
	size_t at = 0;
	for (; at + 8 < s.n; at += 8) {
		memcpy(&w, s.p + at, 8);
		h = segment_hash_step(h, w, fold);
	}
	if (s.n)
		h = segment_hash_step(h, near_last(s.p, s.n, s.n - at), fold);
	return h ^ (h >> 32);
}
static inline uint64_t segment_hash(struct sv s) { return segment_hash_of(s, true); }

/* The dictionary is in three parts. An address is kept as its local part; its domain (behind the last @) is a word of the third part:
 * so looking for a piece of an address reads each domain once, and looking for a domain reads nothing else. KEYED: others that are looked
 * for; they have a number among the others, and a place in an index. */
enum word_class { WORD_ADDRESS, WORD_OTHER, WORD_DOMAIN, WORD_CLASSES, WORD_KEYED };

/* An index finds what has a hash (segment_hash() of the whole text). The upper bits of the hash, as many as make buckets of 128 to 256 entries,
 * are not stored: they say which bucket. Larger buckets would need more bits, smaller ones more bytes that are read to find the first. */
enum segment_index { INDEX_ADDRESS, INDEX_KEYED, INDEX_queue_id, INDEX_message_id, INDEXES };
enum index_part {
	INDEX_START, /* packed: first entry of each bucket, and their number */
	INDEX_HASH,  /* packed: the INDEX_ENTRY_BITS next bits of the hash, ascending in each bucket */
	INDEX_ITEM,  /* packed: the number of the word, or of the message */
	INDEX_PARTS
};
#define INDEX_ENTRY_BITS 15u /* other texts answer for one in 128 to 256 segments */
#define INDEX_BUCKET 8u      /* log2 of most entries, where hashes are spread evenly */
static inline unsigned index_bits(uint32_t n)
{
	unsigned bits = n > 1 ? 32u - (unsigned)__builtin_clz(n - 1) : 0;
	return bits > INDEX_BUCKET ? bits - INDEX_BUCKET : 0;
}
static inline uint64_t index_bucket(uint64_t hash, unsigned bits) { return bits ? hash >> (64 - bits) : 0; }
static inline uint64_t index_entry(uint64_t hash, unsigned bits) { return hash << bits >> (64 - INDEX_ENTRY_BITS); }

#define M_TEXT(name, class) SECTION_M_##name,
#define M_KEY(name) SECTION_M_##name,
#define M_INT(name) SECTION_M_##name,
#define M_TIME(name) SECTION_M_##name,
#define R_TEXT(name, class) SECTION_R_##name,
#define R_INT(name) SECTION_R_##name,
#define R_TIME(name) SECTION_R_##name,
#define R_PLAIN(name) SECTION_R_##name, SECTION_R_##name##_text,
enum section {
	SECTION_HASH,    /* of the format before only: 24 bits of the hash, 3 bytes per word, ascending within each class */
	SECTION_ORDER,   /* of the format before only: the number of the word with that hash */
	SECTION_LENGTH,  /* of the format before only: length of each word */
	SECTION_TEXT,    /* blocks: the words, in the order in which messages used them first, so that those of one message lie together */
	SECTION_RCPT,    /* packed, per message and one more: first recipient */
	SECTION_DOMAIN,  /* packed, per address: 0 or 1 + number among the domains */
	SECTION_INDEX,   /* INDEX_PARTS for each index */
	SECTION_queue_id_text = SECTION_INDEX + (int)INDEXES * (int)INDEX_PARTS, /* blocks */
	SECTION_message_id_text,
#include "analyzer/segment_cols.def"
	SECTIONS
};
#define SECTION_COLUMNS (SECTION_message_id_text + 1) /* the first of them */
#define SECTIONS_BEFORE (SECTION_RCPT + 1)            /* in front of the columns, in the format before */

/* offset, bytes: in the file. packed: of packed columns; rows: of an index. from_at: TIME columns whose numbers are to be added to at_us of the
 * message. odd, of SECTION_DOMAIN: local parts that hold @ or begin with <. A section of blocks begins with u32 blocks and, for each block and for
 * their end, struct segment_block; the blocks follow, each compressed by itself (or as it is, when that is not smaller): for each of its items 1 +
 * length, 0 for none, low bytes before high ones; then the texts. In the format before, texts only. */
struct segment_section { uint64_t offset; uint32_t bytes; union { uint32_t rows, from_at, odd; }; struct packed packed; };
struct segment_block { uint32_t at, raw, item; }; /* from the end of this table; bytes when unpacked; first word or row in it */
struct segment_header {
	char magic[8];
	uint32_t messages, recipients, words[2], sections, domains; /* sections: a file of before has fewer */
	struct segment_section section[SECTIONS];
};
#define SEGMENT_HASH_BYTES 3u
#define SEGMENT_MAGIC "AWSEG4\0"
#define SEGMENT_MAGIC_BEFORE "AWSEG3\0"
#define SEGMENT_FRONT_BYTES (8u << 10) /* header and buckets lie in it: one reading for a look-up */
#define SEGMENT_BLOCK_BYTES (4u << 10) /* so much of texts is unpacked to read one of them; 8 KiB take 2 % less room and a third more time */
#define SEGMENT_BLOCK_ITEMS 4096u      /* or so many, where they are short */
#define SEGMENT_BLOCK_MAX (1u << 20)
#define SEGMENT_TEXT_MAX 65534u /* longer texts are cut; none is: addresses, names and replies have tighter limits */

#endif
