/* segment_making: a segment in memory on its way to a file, for the two halves of its writer: segment_write.c collects columns and words,
 * segment_pack.c makes the file of them. */
#ifndef ANALYZER_SEGMENT_MAKING_H
#define ANALYZER_SEGMENT_MAKING_H

#ifdef WITH_ZSTD
#include <zstd.h>
#endif

#include "analyzer/segment.h"
#include "analyzer/segment_int.h"
#include "lib/buf.h"

/* A word, whose text is a copy, as the messages lie too far apart; number 0 of each part of the dictionary is none. domain: of an address, the
 * number of its word among the domains, or 0. */
struct word { uint64_t hash; uint32_t text, n, domain; bool keyed; }; /* text: where it is in `texts` */
struct words { struct word *v; uint32_t n, cap; }; /* n: without number 0 */
struct slot { uint32_t word, tag; }; /* number of the word; the part, and upper bits of the hash, so that others need not be looked at */

/* The text of a column's last row that had one, its number (of the last that waits no more), and what of later rows is to be put: so many that are
 * the same, then so many without a text. */
struct last { const char *text; uint32_t n, number, again, absent; };
/* A text on its way into a column, behind these rows. likely: number of the word that is probably meant. */
struct waiting { const char *text; uint64_t hash; uint32_t n, again, absent, likely; uint8_t column, class; bool keyed, same; };
#define WAITING_MAX 96u
#define WAITING_ROW 16u /* a message, or a recipient, adds no more */

/* Columns of numbers are as wide as the number in the message, until they are packed. */
#define SEGMENT_M_BYTES(name) sizeof(((struct txn *)0)->name)
#define SEGMENT_R_BYTES(name) sizeof(((struct txn_rcpt *)0)->name)

struct segment_writer {
	struct waiting waiting[WAITING_MAX + WAITING_ROW];
	unsigned n_waiting;
	struct buf column[SECTIONS];
	struct last last[SECTIONS];
	struct words words[WORD_CLASSES];
	struct buf texts;
	struct slot *slot;
	size_t cap;
	uint32_t messages, recipients, room; /* room: of recipients, in each of their columns of numbers */
	struct segment_stats stats;
	bool *is_last;         /* scratch of one segment */
	uint64_t *seen;
	size_t cap_last, cap_seen;
	struct arena arena;    /* of one message */
	struct buf key[INDEXES]; /* uint64_t: what goes into the indexes, see segment_rank() */
	uint64_t *rank;
	uint32_t cap_rank;
	struct buf out, table, raw; /* the file; the blocks of a section of it, and one on its way into it */
	bool uncached;               /* the file goes past the page cache */
	int64_t *number;             /* a column on its way into bits */
	size_t cap_number;
#ifdef WITH_ZSTD
	ZSTD_CCtx *zstd;
#endif
};

/* An entry of an index: of the hash, bits that are more than it looks at, and below them the number. */
#define SEGMENT_RANK_BITS 33u
static inline uint64_t segment_rank(uint64_t hash, uint32_t number)
{
	return hash >> (64 - SEGMENT_RANK_BITS) << (64 - SEGMENT_RANK_BITS) | number;
}

/* The number of the word, which is new or was there. A domain must be a piece of an address in `texts`, where nothing moves by it. */
uint32_t segment_intern(struct segment_writer *w, uint64_t hash, struct sv text, enum word_class class);
/* Of all parts. */
uint32_t segment_words(const struct segment_writer *w);
/* A word of that hash will be asked for soon, and its slot was fetched: memory may begin to fetch the word that is probably meant. */
void segment_soon(const struct segment_writer *w, uint64_t hash, enum word_class class);
/* Makes the file of what was collected and syncs it. */
int segment_pack(struct segment_writer *w, const char *path, struct err *e);
/* Before a file is made in b, which is empty, that will go past the page cache and have some n bytes: it must begin at a block, and growing may have moved it. */
void segment_align(struct buf *b, size_t n);
/* A file of these bytes, synced, or none. */
int segment_write_file(const char *path, struct sv bytes, struct err *e);

#endif
