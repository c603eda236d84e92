/* segment_reading: an open segment and what reads it, for the two halves of its reader: segment_read.c gives numbers, texts and messages,
 * segment_match.c finds those that a query asks for. */
#ifndef ANALYZER_SEGMENT_READING_H
#define ANALYZER_SEGMENT_READING_H

#ifdef WITH_ZSTD
#include <zstd.h>
#endif

#include "analyzer/segment.h"
#include "analyzer/segment_int.h"

struct segment {
	char *path;
	const char *map;
	size_t n;
	uint64_t serial;     /* of all that were ever opened: what was unpacked belongs to it */
	bool before;         /* is of the format before: AWSEG3 */
	struct segment_header h;
	uint32_t words;      /* in all parts of the dictionary */
};

/* Blocks that were unpacked last. */
#define OPEN_BLOCKS 32u
struct open_block { uint64_t serial; int section; uint32_t number; char *bytes; size_t cap; };

struct segment_reader {
	struct open_block block[OPEN_BLOCKS];
	struct buf word, low;      /* an address put together; a block in lower case */
	struct buf domain;         /* a byte for each domain: whether it answers */
	struct buf mark, mark_too; /* a byte for each message */
#ifdef WITH_ZSTD
	ZSTD_DCtx *zstd;
#endif
};

static inline int64_t segment_number(const struct segment *s, int c, size_t i)
{
	const struct segment_section *x = &s->h.section[c];
	return packed_get(&x->packed, s->map + x->offset, i);
}

struct segment_blocks { const char *table, *bodies; uint32_t n; size_t bodies_bytes; };
static inline struct segment_block segment_block_at(const struct segment_blocks *b, uint32_t i)
{
	struct segment_block k = { 0 };
	if (i <= b->n && b->table)
		memcpy(&k, b->table + i * sizeof k, sizeof k);
	return k;
}
int segment_blocks(const struct segment *s, int c, struct segment_blocks *ret, struct err *e);
/* The texts of a block, borrowed until some other block is unpacked: items first … last (not included). */
struct segment_texts { const struct segment *s; int lengths; unsigned more; const unsigned char *low, *high; struct sv bytes; uint32_t first, last; };
int segment_unpack(const struct segment *s, struct segment_reader *r, int c, int lengths, const struct segment_blocks *b, uint32_t i, struct segment_texts *ret,
                   struct err *e);
/* 1 + length of item i, which lies in t; 0: there is none. In the format before, lengths are a section of their own. */
static inline size_t segment_length(const struct segment_texts *t, uint32_t i)
{
	if (t->low)
		return t->low[i - t->first] | (size_t)t->high[i - t->first] << 8;
	int64_t n = segment_number(t->s, t->lengths, i) + t->more;
	return n > 0 ? (size_t)n : 0;
}
/* A word, borrowed until the next one. */
int segment_word(const struct segment *s, struct segment_reader *r, uint32_t i, struct sv *ret, struct err *e);
/* A text of a column of lengths. */
int segment_plain(const struct segment *s, struct segment_reader *r, int lengths, int texts, uint32_t row, struct sv *ret, struct err *e);
/* Time of a row, which belongs to that message. */
int64_t segment_time(const struct segment *s, int c, size_t row, size_t message);
/* Of the index: which entries may be of that hash. False: it is damaged. */
static inline bool segment_bucket(const struct segment *s, enum segment_index k, uint64_t hash, int64_t *ret_from, int64_t *ret_to)
{
	int first = SECTION_INDEX + (int)k * INDEX_PARTS;
	uint64_t bucket = index_bucket(hash, index_bits(s->h.section[first + INDEX_HASH].rows));
	*ret_from = segment_number(s, first + INDEX_START, bucket);
	*ret_to = segment_number(s, first + INDEX_START, bucket + 1);
	return *ret_from >= 0 && *ret_from <= *ret_to && *ret_to <= (int64_t)s->h.section[first + INDEX_HASH].rows;
}
/* Is the text of that column asked for? */
static inline bool segment_asked(enum segment_part part, int c)
{
	switch (c) {
	case SECTION_M_host: case SECTION_M_queue_id: case SECTION_M_client_ip: case SECTION_M_account: case SECTION_M_local_user: case SECTION_M_sender:
	case SECTION_R_recipient: case SECTION_R_orig_recipient: return true;
	default: return part == SEGMENT_WHOLE;
	}
}
/* The index that this key of a query is looked up in; INDEXES: in none, as it is not given, or is a piece of an address. An account may be a
 * word of INDEX_KEYED, too: archive_may_be_user(). */
enum segment_index segment_index_of(const struct archive_query *q, enum archive_key k);
/* The block that item lies in. */
uint32_t segment_block_with(const struct segment_blocks *b, uint32_t item);
/* Asks for a section's pages at once: they will be read from end to end. */
void segment_ahead(const struct segment *s, int c);

#endif
