/* segment_filter_int: the layout of a filter's file and where a key lies in it, shared by its writer, its reader and their test. */
#ifndef ANALYZER_SEGMENT_FILTER_INT_H
#define ANALYZER_SEGMENT_FILTER_INT_H

#include "analyzer/segment_filter.h"
#include "analyzer/segment_int.h"

#define FILTER_MAGIC "AWFLT1\0"
#define FILTER_PAGE_BYTES 4096u
#define FILTER_PAGE_ROWS 511u  /* the last place is the page's sum */
#define FILTER_KEY_BITS 10u    /* rows per key of the largest segment: one in some 90 others seems to hold a key */
#define FILTER_KEY_ROWS 5u
#define FILTER_PAGES_MOST 4096u /* of one index: 16 MiB, for 209,000 keys a segment; where there are more, fewer segments are ruled out */
#define FILTER_ANY 255u        /* instead of bits: the segment's index is not known */

/* The first page. pages: of each index, in this order, behind it. bits: how many bits of hashes say which bucket (index_bits()), for each segment. */
struct filter_header {
	char magic[8];
	uint64_t sum; /* of what follows */
	uint32_t segments, pages[INDEXES], spare;
	uint8_t bits[INDEXES][FILTER_SEGMENTS];
	char name[FILTER_SEGMENTS][FILTER_NAME];
};

/* Of a hash what an index with so many bits for buckets keeps; the rest is 0. */
static inline uint64_t filter_kept(uint64_t hash, unsigned bits)
{
	unsigned lost = 64 - INDEX_ENTRY_BITS - bits;
	return hash >> lost << lost;
}

/* In order of hashes, as the entries of an index: making a filter walks through its pages. */
static inline uint32_t filter_page(uint64_t kept, uint32_t pages)
{
	return (uint32_t)((unsigned __int128)kept * pages >> 64);
}

static inline void filter_rows(uint64_t kept, uint32_t row[FILTER_KEY_ROWS])
{
	unsigned __int128 m = (unsigned __int128)(kept ^ 0x9e3779b97f4a7c15ull) * 0xd6e8feb86659fd93ull;
	m = (unsigned __int128)((uint64_t)m ^ (uint64_t)(m >> 64)) * 0xa0761d6478bd642full;
	uint64_t half[2] = { (uint64_t)m >> 1, (uint64_t)(m >> 64) };
	for (unsigned i = 0; i < FILTER_KEY_ROWS; i++)
		row[i] = (uint32_t)((half[i / 3] >> i % 3 * 21 & 0x1fffff) * FILTER_PAGE_ROWS >> 21);
}

/* Depends on the header, too, and on which page it is: a page of another file, or of another place, does not fit. */
static inline uint64_t filter_sum(const char *page, uint64_t header_sum, uint32_t number)
{
	return segment_hash_of(sv_make(page, (size_t)FILTER_PAGE_ROWS * sizeof(uint64_t)), false) ^ (header_sum + number) * 0x9e3779b97f4a7c15ull;
}

static inline uint64_t filter_header_sum(const struct filter_header *h)
{
	size_t from = offsetof(struct filter_header, segments);
	return segment_hash_of(sv_make((const char *)h + from, sizeof *h - from), false);
}

#endif
