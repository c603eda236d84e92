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

struct word { uint64_t hash; struct sv text; uint32_t domain; uint16_t local_n; uint8_t class; bool keyed; }; /* domain: of an address, 1 + index of its word; local_n: of what stands before it */
struct rank { uint64_t hash; uint32_t number; };
struct slot { uint32_t word, tag; }; /* 1 + index of word; the upper half of its hash, so that others need not be looked at */

/* A text on its way into a column, and how many rows before it have none. */
struct waiting { struct sv text; uint64_t hash; uint32_t absent; uint8_t column, class; bool same; };
#define WAITING_MAX 96u

struct segment_writer {
	struct waiting waiting[WAITING_MAX];
	unsigned n_waiting;
	struct buf column[SECTIONS];
	struct word *word;
	uint32_t n_words, cap_words, of_class[WORD_CLASSES];
	struct slot *slot;
	size_t cap;
	struct sv last_text[SECTIONS]; /* the one before, and its number */
	uint32_t last[SECTIONS], absent[SECTIONS]; /* absent: rows without a text since then */
	uint32_t messages, recipients;
	struct segment_stats stats;
	bool *is_last;         /* scratch of one segment */
	uint64_t *seen;
	size_t cap_last, cap_seen;
	struct arena arena;    /* of one message */
	struct buf key[INDEXES]; /* struct rank: what goes into the indexes of columns */
	struct rank *rank[2];
	uint32_t *new_number;
	uint32_t cap_rank;
	struct buf out, table, body, raw; /* the file; a section of blocks on its way into it */
	bool uncached;               /* the file goes past the page cache */
	int64_t *number;             /* a column on its way into bits */
	size_t cap_number;
#ifdef WITH_ZSTD
	ZSTD_CCtx *zstd;
#endif
};

static inline void segment_put(struct buf *b, const void *v, size_t n)
{
	if (b->cap - b->n < n)
		buf_reserve(b, n > 65536 ? n : 65536);
	memcpy(b->p + b->n, v, n); /* n is a constant wherever this is inlined */
	b->n += n;
}

/* 1 + index of the word, which is new or was there. */
uint32_t segment_intern(struct segment_writer *w, uint64_t hash, struct sv text, enum word_class class);
/* A word of that hash will be asked for soon, and its slot was fetched: memory may begin to fetch the word that is probably meant. */
void segment_soon(const struct segment_writer *w, uint64_t hash);
/* Makes the file of what was collected and syncs it. */
int segment_pack(struct segment_writer *w, const char *path, struct err *e);
/* Before a file is made in b, which is empty, that will go past the page cache and have some n bytes: it must begin at a block, and growing may have moved it. */
void segment_align(struct buf *b, size_t n);
/* A file of these bytes, synced, or none. */
int segment_write_file(const char *path, struct sv bytes, struct err *e);

#endif
