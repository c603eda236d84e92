#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyzer/segment_reading.h"
#include "lib/msg.h"

#define PAGE_BYTES 4096u

/* --- opening ------------------------------------------------------------------------------------------------------ */

static bool is_message_column(int c)
{
	switch (c) {
#define M_TEXT(name, class) case SECTION_M_##name:
#define M_KEY(name) case SECTION_M_##name:
#define M_INT(name) case SECTION_M_##name:
#define M_TIME(name) case SECTION_M_##name:
#include "analyzer/segment_cols.def"
		return true;
	default: return false;
	}
}

static bool is_recipient_column(int c)
{
	switch (c) {
#define R_TEXT(name, class) case SECTION_R_##name:
#define R_INT(name) case SECTION_R_##name:
#define R_TIME(name) case SECTION_R_##name:
#define R_PLAIN(name) case SECTION_R_##name:
#include "analyzer/segment_cols.def"
		return true;
	default: return false;
	}
}

/* Lengths of texts; in the blocks, but for the format before. */
static bool is_plain_column(int c)
{
	return c == SECTION_M_queue_id || c == SECTION_M_message_id || c == SECTION_R_reply;
}

static bool is_blocks(int c)
{
	return c == SECTION_TEXT || c == SECTION_queue_id_text || c == SECTION_message_id_text || c == SECTION_R_reply_text;
}

/* How many numbers a packed section holds. */
static size_t rows_of(const struct segment *s, int c)
{
	if (c >= SECTION_INDEX && c < SECTION_queue_id_text)
		return s->h.section[c].rows;
	if (c == SECTION_ORDER || c == SECTION_LENGTH)
		return s->before ? s->words : 0;
	if (!s->before && is_plain_column(c))
		return 0;
	if (c == SECTION_DOMAIN)
		return s->before ? 0 : s->h.words[0];
	if (c == SECTION_RCPT)
		return (size_t)s->h.messages + 1;
	return is_message_column(c) ? s->h.messages : is_recipient_column(c) ? s->h.recipients : 0;
}

/* Blocks are looked at when they are needed. */
static bool section_fits(const struct segment *s, int c)
{
	const struct segment_section *x = &s->h.section[c];
	if (x->offset % 8 || x->offset > s->n || x->bytes > s->n - x->offset)
		return false;
	if (c == SECTION_HASH)
		return !s->before || x->bytes / SEGMENT_HASH_BYTES >= s->words;
	return is_blocks(c) || ((x->packed.width <= PACKED_WIDE || x->packed.width == 64) && x->packed.table <= PACKED_TABLE &&
	                        x->bytes >= packed_bytes(&x->packed, rows_of(s, c)));
}

static bool indexes_fit(const struct segment *s)
{
	for (int k = 0; k < INDEXES; k++) {
		const struct segment_section *x = &s->h.section[SECTION_INDEX + k * INDEX_PARTS];
		if (x[INDEX_ITEM].rows != x[INDEX_HASH].rows || x[INDEX_START].rows != (1u << index_bits(x[INDEX_HASH].rows)) + 1u)
			return false;
	}
	return true;
}

/* The sections of the file, which may have fewer columns than this program, to where this program has them. */
static int place_sections(struct segment *s, struct err *e)
{
	size_t fixed = sizeof s->h - sizeof s->h.section, front = s->before ? SECTIONS_BEFORE : SECTION_COLUMNS;
	memcpy(&s->h, s->map, fixed);
	size_t most = front + (SECTIONS - SECTION_COLUMNS), least = front + (SECTION_M_cwd - SECTION_COLUMNS);
	if (s->h.sections > most || s->h.sections < least)
		return err_set(e, "%s: made by another version", s->path);
	if (s->n < fixed + s->h.sections * sizeof *s->h.section)
		return err_set(e, "%s: damaged (it is short)", s->path);
	for (int c = 0; c < SECTIONS; c++)
		s->h.section[c] = (struct segment_section){ .packed = { .scale = 1 } };
	memcpy(s->h.section, s->map + fixed, front * sizeof *s->h.section);
	memcpy(s->h.section + SECTION_COLUMNS, s->map + fixed + front * sizeof *s->h.section, (s->h.sections - front) * sizeof *s->h.section);
	if (s->before)
		s->h.domains = 0;
	return 0;
}

int segment_check(struct segment *s, struct err *e)
{
	if (s->n < sizeof s->h - sizeof s->h.section || (memcmp(s->map, SEGMENT_MAGIC, 8) != 0 && memcmp(s->map, SEGMENT_MAGIC_BEFORE, 8) != 0))
		return err_set(e, "%s: not a segment of messages", s->path);
	s->before = memcmp(s->map, SEGMENT_MAGIC_BEFORE, 8) == 0;
	if (place_sections(s, e) < 0)
		return -1;
	if (s->h.messages > SEGMENT_MESSAGES || s->h.domains > s->h.words[0]) /* what is counted by them is small, and one more can be */
		return err_set(e, "%s: damaged (how much it holds)", s->path);
	uint64_t words = (uint64_t)s->h.words[0] + s->h.words[1] + s->h.domains;
	s->words = (uint32_t)words;
	if (words != s->words)
		return err_set(e, "%s: damaged (words)", s->path);
	for (int c = 0; c < SECTIONS; c++)
		if (!section_fits(s, c))
			return err_set(e, "%s: damaged (section %d)", s->path, c);
	return s->before || indexes_fit(s) ? 0 : err_set(e, "%s: damaged (an index)", s->path);
}

struct segment *segment_map(const char *path, struct err *e)
{
	static _Atomic uint64_t serial;
	struct stat st;
	struct segment *s = xcalloc(1, sizeof *s);
	s->path = xstrdup(path);
	s->serial = atomic_fetch_add(&serial, 1) + 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		(void)err_set(e, "%s: cannot read it: %m", path);
		goto fail;
	}
	s->n = (size_t)st.st_size;
	void *map = s->n ? mmap(NULL, s->n, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
	if (map == MAP_FAILED) {
		(void)err_set(e, "%s: cannot map it: %m", path);
		goto fail;
	}
	(void)madvise(map, s->n, MADV_RANDOM); /* a look-up touches few pages, far apart */
	(void)madvise(map, s->n < SEGMENT_FRONT_BYTES ? s->n : SEGMENT_FRONT_BYTES, MADV_WILLNEED);
	s->map = map;
	close(fd);
	return s;
fail:
	if (fd >= 0)
		close(fd);
	segment_free(s);
	return NULL;
}

struct segment *segment_open(const char *path, struct err *e)
{
	struct segment *s = segment_map(path, e);
	if (s && segment_check(s, e) == 0)
		return s;
	segment_free(s);
	return NULL;
}

void segment_free(struct segment *s)
{
	if (!s)
		return;
	if (s->map)
		munmap((void *)(uintptr_t)s->map, s->n);
	free(s->path);
	free(s);
}

uint32_t segment_messages(const struct segment *s)
{
	return s->h.messages;
}

struct segment_reader *segment_reader_new(void)
{
	struct segment_reader *r = xcalloc(1, sizeof *r);
#ifdef WITH_ZSTD
	r->zstd = ZSTD_createDCtx(); /* asks the processor what it can, which takes long in a virtual machine: once */
	if (!r->zstd)
		panic("out of memory");
#endif
	return r;
}

void segment_reader_free(struct segment_reader *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < OPEN_BLOCKS; i++)
		free(r->block[i].bytes);
	buf_fini(&r->word);
	buf_fini(&r->low);
	buf_fini(&r->domain);
	buf_fini(&r->mark);
	buf_fini(&r->mark_too);
#ifdef WITH_ZSTD
	ZSTD_freeDCtx(r->zstd);
#endif
	free(r);
}

/* Tells the kernel what will be read, where it is more than the one page that it would read by itself. */
static void ahead(const char *p, size_t n)
{
	size_t into = (uintptr_t)p % PAGE_BYTES;
	if (into + n > PAGE_BYTES)
		(void)madvise((void *)(uintptr_t)(p - into), into + n, MADV_WILLNEED);
}

void segment_ahead(const struct segment *s, int c)
{
	ahead(s->map + s->h.section[c].offset, s->h.section[c].bytes);
}

int64_t segment_time(const struct segment *s, int c, size_t row, size_t message)
{
	uint64_t v = (uint64_t)segment_number(s, c, row);
	return (int64_t)(s->h.section[c].from_at && !s->before ? v + (uint64_t)segment_number(s, SECTION_M_at_us, message) : v);
}

/* --- texts in blocks ---------------------------------------------------------------------------------------------- */

int segment_blocks(const struct segment *s, int c, struct segment_blocks *b, struct err *e)
{
	const struct segment_section *x = &s->h.section[c];
	const char *p = s->map + x->offset;
	*b = (struct segment_blocks){ .n = 0 };
	if (x->bytes < sizeof(uint32_t) + sizeof(struct segment_block))
		return err_set(e, "%s: damaged (section %d is short)", s->path, c);
	memcpy(&b->n, p, sizeof b->n);
	size_t table = ((size_t)b->n + 1) * sizeof(struct segment_block);
	if (table > x->bytes - sizeof(uint32_t))
		return err_set(e, "%s: damaged (blocks of section %d)", s->path, c);
	b->table = p + sizeof(uint32_t);
	b->bodies = b->table + table;
	b->bodies_bytes = x->bytes - sizeof(uint32_t) - table;
	return 0;
}

uint32_t segment_block_with(const struct segment_blocks *b, uint32_t item)
{
	uint32_t lo = 0, hi = b->n;
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (segment_block_at(b, mid).item <= item)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

static int unpack(const struct segment *s, struct segment_reader *r, const struct segment_blocks *b, uint32_t i, struct open_block *o, struct err *e)
{
	struct segment_block k = segment_block_at(b, i), next = segment_block_at(b, i + 1);
	if (k.at > next.at || next.at > b->bodies_bytes || k.raw > SEGMENT_BLOCK_MAX)
		return err_set(e, "%s: damaged (a block of texts)", s->path);
	if (k.raw > o->cap) {
		free(o->bytes);
		o->cap = k.raw > SEGMENT_BLOCK_BYTES * 2 ? k.raw : SEGMENT_BLOCK_BYTES * 2;
		o->bytes = xmalloc(o->cap);
	}
	o->serial = 0;
	size_t stored = next.at - k.at;
	ahead(b->bodies + k.at, stored);
	if (stored == k.raw) {
		memcpy(o->bytes, b->bodies + k.at, k.raw);
		return 0;
	}
#ifdef WITH_ZSTD
	if (ZSTD_decompressDCtx(r->zstd, o->bytes, k.raw, b->bodies + k.at, stored) != k.raw)
		return err_set(e, "%s: damaged (a block of texts does not unpack)", s->path);
	return 0;
#else
	(void)r;
	return err_set(e, "%s: compressed by zstd, which this build lacks", s->path);
#endif
}

/* Where the lengths stand in front of the texts, they end there. */
static int split_block(struct segment_texts *t, struct err *e)
{
	size_t items = t->last - t->first;
	if (t->s->before)
		return 0;
	if (t->last < t->first || t->bytes.n / 2 < items)
		return err_set(e, "%s: damaged (lengths in a block of texts)", t->s->path);
	t->low = (const unsigned char *)t->bytes.p;
	t->high = t->low + items;
	t->bytes = sv_skip(t->bytes, 2 * items);
	return 0;
}

int segment_unpack(const struct segment *s, struct segment_reader *r, int c, int lengths, const struct segment_blocks *b, uint32_t i, struct segment_texts *ret,
                   struct err *e)
{
	struct open_block *o = &r->block[((unsigned)c * 11 + i) % OPEN_BLOCKS];
	struct segment_block k = segment_block_at(b, i), next = segment_block_at(b, i + 1);
	if (o->serial != s->serial || o->section != c || o->number != i) {
		if (unpack(s, r, b, i, o, e) < 0)
			return -1;
		o->serial = s->serial;
		o->section = c;
		o->number = i;
	}
	*ret = (struct segment_texts){ .s = s, .lengths = lengths, .more = lengths == SECTION_LENGTH, .first = k.item, .last = next.item };
	ret->bytes = sv_make(o->bytes ? o->bytes : "", k.raw);
	return split_block(ret, e);
}

/* Item i of the texts in section c. Borrowed from a block; absent where there is none. */
static int text_at(const struct segment *s, struct segment_reader *r, int c, int lengths, uint32_t i, struct sv *ret, struct err *e)
{
	struct segment_blocks b;
	struct segment_texts t;
	*ret = SV("");
	if (segment_blocks(s, c, &b, e) < 0)
		return -1;
	uint32_t k = b.n ? segment_block_with(&b, i) : 0;
	if (!b.n || segment_block_at(&b, k).item > i)
		return 0; /* nothing but empty texts */
	if (segment_unpack(s, r, c, lengths, &b, k, &t, e) < 0)
		return -1;
	if (i >= t.last)
		return err_set(e, "%s: damaged (no text %u)", s->path, i);
	size_t at = 0, length = segment_length(&t, i);
	for (uint32_t j = t.first; j < i; j++) {
		size_t n = segment_length(&t, j);
		at += n ? n - 1 : 0;
	}
	if (at > t.bytes.n || (length && length - 1 > t.bytes.n - at))
		return err_set(e, "%s: damaged (texts)", s->path);
	*ret = length ? sv_make(t.bytes.p + at, length - 1) : (struct sv){ 0 };
	return 0;
}

int segment_word(const struct segment *s, struct segment_reader *r, uint32_t i, struct sv *ret, struct err *e)
{
	struct sv domain;
	*ret = SV("");
	if (i >= s->words)
		return err_set(e, "%s: damaged (no word %u)", s->path, i);
	if (text_at(s, r, SECTION_TEXT, SECTION_LENGTH, i, ret, e) < 0)
		return -1;
	int64_t d = i < s->h.words[0] && !s->before ? segment_number(s, SECTION_DOMAIN, i) : 0;
	if (d == 0)
		return 0;
	if (d < 0 || d > (int64_t)s->h.domains)
		return err_set(e, "%s: damaged (domains)", s->path);
	buf_clear(&r->word);
	buf_addsv(&r->word, *ret);
	buf_addc(&r->word, '@');
	if (text_at(s, r, SECTION_TEXT, SECTION_LENGTH, s->h.words[0] + s->h.words[1] + (uint32_t)d - 1, &domain, e) < 0)
		return -1;
	buf_addsv(&r->word, domain);
	*ret = buf_sv(&r->word);
	return 0;
}

int segment_plain(const struct segment *s, struct segment_reader *r, int lengths, int texts, uint32_t row, struct sv *ret, struct err *e)
{
	*ret = (struct sv){ 0 };
	return s->before && segment_number(s, lengths, row) <= 0 ? 0 : text_at(s, r, texts, lengths, row, ret, e);
}

/* --- one message -------------------------------------------------------------------------------------------------- */

/* Who asks, for which row, of which message. */
struct cell { const struct segment *s; struct segment_reader *r; enum segment_part part; struct arena *a; uint32_t row, message; struct err *e; };

/* Texts are copied to the arena: the next word may need another block. */
static int text_cell(const struct cell *at, int c, struct sv *ret)
{
	int64_t v = segment_asked(at->part, c) ? segment_number(at->s, c, at->row) : 0;
	struct sv word;
	*ret = (struct sv){ 0 };
	if (v <= 0)
		return 0;
	if (v > UINT32_MAX || segment_word(at->s, at->r, (uint32_t)(v - 1), &word, at->e) < 0)
		return -1;
	*ret = arena_sv(at->a, word);
	return 0;
}

static int plain_cell(const struct cell *at, int c, int texts, struct sv *ret)
{
	struct sv text;
	*ret = (struct sv){ 0 };
	if (!segment_asked(at->part, c))
		return 0;
	if (segment_plain(at->s, at->r, c, texts, at->row, &text, at->e) < 0)
		return -1;
	*ret = arena_sv(at->a, text);
	return 0;
}

/* In the format before they are words. */
static int key_cell(const struct cell *at, int c, int texts, struct sv *ret)
{
	return at->s->before ? text_cell(at, c, ret) : plain_cell(at, c, texts, ret);
}

static int read_message(const struct cell *at, struct txn *t)
{
	int bad = 0;
#define M_TEXT(name, class) bad |= text_cell(at, SECTION_M_##name, &t->name);
#define M_KEY(name) bad |= key_cell(at, SECTION_M_##name, SECTION_##name##_text, &t->name);
#define M_INT(name) t->name = (__typeof__(t->name))segment_number(at->s, SECTION_M_##name, at->row);
#define M_TIME(name) t->name = segment_time(at->s, SECTION_M_##name, at->row, at->message);
#include "analyzer/segment_cols.def"
	return bad;
}

static int read_rcpt(const struct cell *at, struct txn_rcpt *x)
{
	int bad = 0;
#define R_TEXT(name, class) bad |= text_cell(at, SECTION_R_##name, &x->name);
#define R_INT(name) x->name = (__typeof__(x->name))segment_number(at->s, SECTION_R_##name, at->row);
#define R_TIME(name) x->name = segment_time(at->s, SECTION_R_##name, at->row, at->message);
#define R_PLAIN(name) bad |= plain_cell(at, SECTION_R_##name, SECTION_R_##name##_text, &x->name);
#include "analyzer/segment_cols.def"
	return bad;
}

int segment_txn(const struct segment *s, struct segment_reader *r, uint32_t index, enum segment_part part, struct arena *a, struct txn *t, struct err *e)
{
	struct cell at = { s, r, part, a, index, index, e };
	*t = (struct txn){ 0 };
	if (index >= s->h.messages)
		return err_set(e, "%s: no message %u", s->path, index);
	int64_t from = segment_number(s, SECTION_RCPT, index), to = segment_number(s, SECTION_RCPT, index + 1);
	if (from < 0 || from > to || to > (int64_t)s->h.recipients)
		return err_set(e, "%s: damaged (recipients)", s->path);
	int bad = read_message(&at, t);
	t->n_rcpt = (size_t)(to - from);
	t->rcpt = arena_alloc(a, t->n_rcpt * sizeof *t->rcpt);
	for (size_t i = 0; i < t->n_rcpt && !bad; i++) {
		at.row = (uint32_t)from + (uint32_t)i;
		bad = read_rcpt(&at, &t->rcpt[i]);
	}
	return bad ? -1 : 0;
}
