#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyzer/segment_filter_int.h"
#include "analyzer/segment_making.h"
#include "analyzer/segment_reading.h"

#define KEYS_MOST (16u << 20) /* an index of more is damaged: its segment has 65536 messages */
#define BITS_MOST (64u - INDEX_ENTRY_BITS)

static const struct segment_section *index_section(const struct segment *s, unsigned k, enum index_part part)
{
	return &s->h.section[SECTION_INDEX + (int)k * INDEX_PARTS + (int)part];
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* Pages of one index on their way to a file. */
struct sheet { char *p; uint32_t pages; };

/* Sets the segment's bit in the rows of a hash. */
static void put_key(const struct sheet *t, uint64_t kept, uint64_t bit)
{
	char *page = t->p + (size_t)filter_page(kept, t->pages) * FILTER_PAGE_BYTES;
	uint32_t row[FILTER_KEY_ROWS];
	filter_rows(kept, row);
	for (unsigned i = 0; i < FILTER_KEY_ROWS; i++) {
		uint64_t v;
		memcpy(&v, page + row[i] * sizeof v, sizeof v);
		v |= bit;
		memcpy(page + row[i] * sizeof v, &v, sizeof v);
	}
}

static bool index_known(const struct segment *s, unsigned k)
{
	return s && !s->before && index_section(s, k, INDEX_HASH)->rows <= KEYS_MOST;
}

/* All keys of a segment's index. False: it is damaged. */
static bool put_index(const struct sheet *t, const struct segment *s, unsigned k, uint64_t bit)
{
	unsigned bits = index_bits(index_section(s, k, INDEX_HASH)->rows);
	int start = SECTION_INDEX + (int)k * INDEX_PARTS + INDEX_START, hash = start + INDEX_HASH - INDEX_START;
	segment_ahead(s, start);
	segment_ahead(s, hash);
	for (uint64_t b = 0; b < 1ull << bits; b++) {
		int64_t from, to;
		if (!segment_bucket(s, (enum segment_index)k, bits ? b << (64 - bits) : 0, &from, &to))
			return false;
		for (int64_t i = from; i < to; i++) {
			uint64_t entry = (uint64_t)segment_number(s, hash, (size_t)i) & ((1u << INDEX_ENTRY_BITS) - 1);
			put_key(t, (b << INDEX_ENTRY_BITS | entry) << (BITS_MOST - bits), bit);
		}
	}
	return true;
}

/* Pages for the largest segment, though not for one that is far larger than most: all would pay for it, and only it is ruled out less often. */
static uint32_t pages_for(const struct filter_member *member, unsigned n, unsigned k)
{
	uint64_t most = 0, sum = 0, known = 0;
	for (unsigned i = 0; i < n; i++) {
		if (!index_known(member[i].segment, k))
			continue;
		uint64_t rows = index_section(member[i].segment, k, INDEX_HASH)->rows;
		most = rows > most ? rows : most;
		sum += rows;
		known++;
	}
	uint64_t keys = known && most > 2 * sum / known ? 2 * sum / known + 1 : most;
	uint64_t pages = (keys * FILTER_KEY_BITS + FILTER_PAGE_ROWS - 1) / FILTER_PAGE_ROWS;
	return (uint32_t)(pages < FILTER_PAGES_MOST ? pages : FILTER_PAGES_MOST);
}

static void fill_sheet(const struct sheet *t, const struct filter_member *member, unsigned n, unsigned k, struct filter_header *h)
{
	for (unsigned i = 0; i < n; i++) {
		const struct segment *s = member[i].segment;
		bool known = index_known(s, k) && put_index(t, s, k, 1ull << i);
		h->bits[k][i] = (uint8_t)(known ? index_bits(index_section(s, k, INDEX_HASH)->rows) : FILTER_ANY);
	}
}

static void seal_pages(char *pages, uint32_t n, uint64_t header_sum)
{
	for (uint32_t i = 0; i < n; i++) {
		char *page = pages + (size_t)i * FILTER_PAGE_BYTES;
		uint64_t sum = filter_sum(page, header_sum, i);
		memcpy(page + FILTER_PAGE_ROWS * sizeof sum, &sum, sizeof sum);
	}
}

int segment_filter_write(const char *path, const struct filter_member *member, unsigned n, int64_t *ret_bytes, struct err *e)
{
	struct filter_header h = { .segments = n };
	uint32_t pages = 0;
	memcpy(h.magic, FILTER_MAGIC, sizeof h.magic);
	for (unsigned i = 0; i < n; i++)
		(void)snprintf(h.name[i], sizeof h.name[i], "%s", member[i].name);
	for (unsigned k = 0; k < INDEXES; k++)
		pages += h.pages[k] = pages_for(member, n, k);
	size_t bytes = ((size_t)pages + 1) * FILTER_PAGE_BYTES;
	char *file = xcalloc(bytes, 1), *at = file + FILTER_PAGE_BYTES;
	for (unsigned k = 0; k < INDEXES; k++) {
		fill_sheet(&(struct sheet){ at, h.pages[k] }, member, n, k, &h);
		at += (size_t)h.pages[k] * FILTER_PAGE_BYTES;
	}
	h.sum = filter_header_sum(&h);
	memcpy(file, &h, sizeof h);
	seal_pages(file + FILTER_PAGE_BYTES, pages, h.sum);
	*ret_bytes = (int64_t)bytes;
	int bad = segment_write_file(path, sv_make(file, bytes), e);
	free(file);
	return bad;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* Segments whose indexes keep as much of a hash. */
struct alike { unsigned bits; uint64_t members; };

struct segment_filter {
	const char *map;
	size_t n;
	struct filter_header h;
	const char *sheet[INDEXES];
	uint64_t any[INDEXES]; /* that are never ruled out */
	struct alike alike[INDEXES][FILTER_SEGMENTS];
	unsigned n_alike[INDEXES];
};

static bool header_fits(const struct filter_header *h, size_t bytes)
{
	uint64_t pages = 1;
	if (memcmp(h->magic, FILTER_MAGIC, sizeof h->magic) != 0 || h->sum != filter_header_sum(h) || !h->segments || h->segments > FILTER_SEGMENTS)
		return false;
	for (unsigned k = 0; k < INDEXES; k++) {
		pages += h->pages[k];
		for (unsigned i = 0; i < h->segments; i++)
			if (h->bits[k][i] > BITS_MOST && h->bits[k][i] != FILTER_ANY)
				return false;
	}
	return pages * FILTER_PAGE_BYTES == bytes;
}

static void sort_members(struct segment_filter *f, unsigned k)
{
	for (unsigned i = 0; i < f->h.segments; i++) {
		unsigned bits = f->h.bits[k][i], j = 0;
		if (bits == FILTER_ANY) {
			f->any[k] |= 1ull << i;
			continue;
		}
		while (j < f->n_alike[k] && f->alike[k][j].bits != bits)
			j++;
		f->alike[k][j].bits = bits;
		f->alike[k][j].members |= 1ull << i;
		f->n_alike[k] += j == f->n_alike[k];
	}
}

static const char *map_file(const char *path, size_t *ret_n, struct err *e)
{
	struct stat st;
	void *map = MAP_FAILED;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0) {
		*ret_n = (size_t)st.st_size;
		map = *ret_n ? mmap(NULL, *ret_n, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
	}
	if (map == MAP_FAILED)
		(void)err_set(e, "%s: cannot read it: %m", path);
	if (fd >= 0)
		close(fd);
	if (map == MAP_FAILED)
		return NULL;
	(void)madvise(map, *ret_n, MADV_RANDOM); /* a page here and there */
	return map;
}

struct segment_filter *segment_filter_open(const char *path, struct err *e)
{
	struct segment_filter *f = xcalloc(1, sizeof *f);
	if (!(f->map = map_file(path, &f->n, e))) {
		free(f);
		return NULL;
	}
	if (f->n >= FILTER_PAGE_BYTES)
		memcpy(&f->h, f->map, sizeof f->h);
	if (!header_fits(&f->h, f->n)) {
		(void)err_set(e, "%s: damaged, or made by another version", path);
		segment_filter_free(f);
		return NULL;
	}
	const char *at = f->map + FILTER_PAGE_BYTES;
	for (unsigned k = 0; k < INDEXES; k++) {
		f->sheet[k] = at;
		at += (size_t)f->h.pages[k] * FILTER_PAGE_BYTES;
		sort_members(f, k);
	}
	return f;
}

void segment_filter_free(struct segment_filter *f)
{
	if (!f)
		return;
	if (f->map)
		munmap((void *)(uintptr_t)f->map, f->n);
	free(f);
}

bool segment_filter_covers(const struct segment_filter *f, unsigned bit, const char *name)
{
	return bit < f->h.segments && strncmp(f->h.name[bit], name, FILTER_NAME) == 0;
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static const char *page_of(const struct segment_filter *f, unsigned k, uint64_t kept)
{
	return f->sheet[k] + (size_t)filter_page(kept, f->h.pages[k]) * FILTER_PAGE_BYTES;
}

/* Of some segments those that may hold a hash. */
static uint64_t ask_page(const struct segment_filter *f, unsigned k, uint64_t kept, uint64_t members, bool *ret_damaged)
{
	const char *page = page_of(f, k, kept);
	uint32_t row[FILTER_KEY_ROWS];
	uint64_t sum, v;
	memcpy(&sum, page + FILTER_PAGE_ROWS * sizeof sum, sizeof sum);
	if (sum != filter_sum(page, f->h.sum, (uint32_t)((size_t)(page - f->map) / FILTER_PAGE_BYTES - 1))) {
		*ret_damaged = true;
		return members;
	}
	filter_rows(kept, row);
	for (unsigned i = 0; i < FILTER_KEY_ROWS; i++) {
		memcpy(&v, page + row[i] * sizeof v, sizeof v);
		members &= v;
	}
	return members;
}

static uint64_t ask_index(const struct segment_filter *f, unsigned k, uint64_t hash, bool *ret_damaged)
{
	uint64_t mask = f->any[k];
	for (unsigned j = 0; f->h.pages[k] && j < f->n_alike[k]; j++)
		mask |= ask_page(f, k, filter_kept(hash, f->alike[k][j].bits), f->alike[k][j].members, ret_damaged);
	return mask;
}

static bool may_be_user(const struct archive_query *q, int k)
{
	return k == ARCHIVE_ACCOUNT && archive_may_be_user(q->key[k]);
}

bool segment_filter_helps(const struct archive_query *q)
{
	for (int k = 0; k < ARCHIVE_KEYS; k++)
		if (segment_index_of(q, (enum archive_key)k) != INDEXES)
			return true;
	return false;
}

static void index_ahead(const struct segment_filter *f, unsigned k, uint64_t hash)
{
	for (unsigned j = 0; f->h.pages[k] && j < f->n_alike[k]; j++)
		(void)madvise((void *)(uintptr_t)page_of(f, k, filter_kept(hash, f->alike[k][j].bits)), FILTER_PAGE_BYTES, MADV_WILLNEED);
}

void segment_filter_ahead(const struct segment_filter *f, const struct archive_query *q)
{
	for (int k = 0; k < ARCHIVE_KEYS; k++) {
		enum segment_index index = segment_index_of(q, (enum archive_key)k);
		if (index == INDEXES)
			continue;
		index_ahead(f, index, segment_hash(q->key[k]));
		if (may_be_user(q, k))
			index_ahead(f, INDEX_KEYED, segment_hash(q->key[k]));
	}
}

uint64_t segment_filter_ask(const struct segment_filter *f, const struct archive_query *q, bool *ret_damaged)
{
	uint64_t mask = ~0ull >> (FILTER_SEGMENTS - f->h.segments);
	for (int k = 0; k < ARCHIVE_KEYS; k++) {
		enum segment_index index = segment_index_of(q, (enum archive_key)k);
		if (index == INDEXES)
			continue;
		uint64_t hash = segment_hash(q->key[k]), may = ask_index(f, index, hash, ret_damaged);
		if (may_be_user(q, k))
			may |= ask_index(f, INDEX_KEYED, hash, ret_damaged);
		mask &= may;
	}
	return mask;
}
