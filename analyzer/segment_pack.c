#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "analyzer/segment_making.h"
#include "lib/msg.h"

#define HAS_SIGN(v) _Generic((v), int32_t : true, default : false)
#define BLOCK_BYTES 4096u /* what goes past the page cache begins and ends in memory and in the file at such */

/* LSD radix sort by the bits of hashes. The result is in b; what was in a is lost. */
static void rank(uint64_t *a, uint64_t *b, uint32_t n)
{
	enum { PASSES = 3, BITS = SEGMENT_RANK_BITS / PASSES, SIZE = 1 << BITS, FIRST = 64 - PASSES * BITS };
	uint32_t count[PASSES][SIZE] = { { 0 } };
	for (uint32_t i = 0; i < n; i++)
		for (unsigned k = 0; k < PASSES; k++)
			count[k][a[i] >> (FIRST + k * BITS) & (SIZE - 1)]++;
	for (unsigned k = 0; k < PASSES; k++) {
		uint32_t sum = 0;
		for (uint32_t v = 0; v < SIZE; v++) {
			uint32_t c = count[k][v];
			count[k][v] = sum;
			sum += c;
		}
		for (uint32_t i = 0; i < n; i++)
			b[count[k][a[i] >> (FIRST + k * BITS) & (SIZE - 1)]++] = a[i];
		uint64_t *t = a;
		a = b;
		b = t;
	}
}

/* -- columns -- */

static int64_t *numbers(struct segment_writer *w, size_t n)
{
	if (n > w->cap_number) {
		w->cap_number = n + n / 4;
		free(w->number);
		w->number = xmalloc(w->cap_number * sizeof *w->number);
	}
	return w->number;
}

static void begin_section(struct segment_writer *w, struct segment_section *s)
{
	while (w->out.n % 8)
		buf_addc(&w->out, 0);
	*s = (struct segment_section){ .offset = w->out.n };
}

static void end_section(const struct segment_writer *w, struct segment_section *s)
{
	s->bytes = (uint32_t)(w->out.n - s->offset);
}

static void pack(struct segment_writer *w, const int64_t *v, size_t n, struct segment_section *s)
{
	begin_section(w, s);
	s->packed = packed_put(&w->out, v, n);
	end_section(w, s);
}

static uint32_t number_at(const char *column, size_t row)
{
	uint32_t x;
	memcpy(&x, column + row * sizeof x, sizeof x);
	return x;
}

/* Rows of so many bytes: those that have to be looked at, as many columns hold one value only. */
static size_t rows(const struct buf *column, size_t bytes)
{
	size_t n = column->n / bytes;
	return n > 1 && memcmp(column->p, column->p + bytes, column->n - bytes) == 0 ? 1 : n;
}

/* Rows of one, four or eight bytes; has_sign: those of four have one. */
static const int64_t *widened(struct segment_writer *w, const char *column, size_t n, size_t bytes, bool has_sign)
{
	int64_t *v = bytes == 8 ? NULL : numbers(w, n);
	for (size_t i = 0; i < n && bytes == 1; i++)
		v[i] = (unsigned char)column[i];
	for (size_t i = 0; i < n && bytes == 4; i++)
		v[i] = has_sign ? (int32_t)number_at(column, i) : (int64_t)number_at(column, i);
	return v ? v : (const int64_t *)(const void *)column;
}

static void pack_ints(struct segment_writer *w, enum section c, size_t bytes, bool has_sign, struct segment_section *s)
{
	size_t n = rows(&w->column[c], bytes);
	pack(w, widened(w, w->column[c].p, n, bytes, has_sign), n, s);
}

/* Numbers of words, which are those of their part so far. */
static void pack_words(struct segment_writer *w, enum section c, enum word_class class, struct segment_section *s)
{
	const char *column = w->column[c].p;
	const uint32_t before = class == WORD_ADDRESS ? 0 : w->words[WORD_ADDRESS].n;
	size_t n = rows(&w->column[c], sizeof(uint32_t));
	int64_t *v = numbers(w, n);
	for (size_t i = 0; i < n; i++) {
		uint32_t x = number_at(column, i);
		v[i] = x ? (int64_t)x + before : 0;
	}
	pack(w, v, n, s); /* none has a text: no rows, which is the same as many of 0 */
}

/* -- texts in blocks -- */

static void put_block(struct segment_writer *w, struct sv raw)
{
#ifdef WITH_ZSTD
	size_t bound = ZSTD_compressBound(raw.n);
	buf_reserve(&w->out, bound);
	size_t n = ZSTD_compressCCtx(w->zstd, w->out.p + w->out.n, bound, raw.p, raw.n, 1);
	if (!ZSTD_isError(n) && n < raw.n) {
		w->out.n += n;
		return;
	}
#endif
	buf_addsv(&w->out, raw);
}

/* n items: what `length` says of them (1 + length, 0: there is none), low bytes before high ones, and their texts. */
static void put_items(struct segment_writer *w, struct sv texts, const char *length, uint32_t n)
{
	buf_clear(&w->raw);
	buf_reserve(&w->raw, 2 * (size_t)n + texts.n);
	char *low = w->raw.p, *high = low + n;
	uint32_t any = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t x = number_at(length, i);
		low[i] = (char)(x & 0xff);
		any |= x;
	}
	memset(high, 0, n);
	for (uint32_t i = 0; any > 0xff && i < n; i++)
		high[i] = (char)(number_at(length, i) >> 8 & 0xff);
	memcpy(high + n, texts.p, texts.n);
	w->raw.n = 2 * (size_t)n + texts.n;
	put_block(w, buf_sv(&w->raw));
}

/* How many items, at least one of `left`, make the next block; their texts' bytes. */
static uint32_t items_of_block(const char *length, uint32_t left, size_t *ret_bytes)
{
	uint32_t n = 0, most = left < SEGMENT_BLOCK_ITEMS ? left : SEGMENT_BLOCK_ITEMS;
	size_t bytes = 0;
	while (n < most && bytes < SEGMENT_BLOCK_BYTES) {
		uint32_t x = number_at(length, n++);
		bytes += x - (x != 0);
	}
	*ret_bytes = bytes;
	return n;
}

/* Which items make which block, and the end of the last one. Returns how many blocks. */
static uint32_t plan_blocks(struct segment_writer *w, const struct buf *length)
{
	const uint32_t all = (uint32_t)(length->n / sizeof(uint32_t));
	uint32_t blocks = 0;
	size_t bytes;
	buf_clear(&w->table);
	for (uint32_t first = 0, n; first < all; first += n, blocks++) {
		n = items_of_block(length->p + first * sizeof(uint32_t), all - first, &bytes);
		struct segment_block k = { 0, (uint32_t)bytes + 2 * n, first };
		buf_add(&w->table, &k, sizeof k);
	}
	struct segment_block end = { 0, 0, all };
	buf_add(&w->table, &end, sizeof end);
	return blocks;
}

/* texts holds the items, one after the other; `length`: uint32_t, as above. */
static void put_blocks(struct segment_writer *w, const struct buf *texts, const struct buf *length, struct segment_section *s)
{
	const uint32_t blocks = plan_blocks(w, length);
	struct segment_block *block = (struct segment_block *)(void *)w->table.p;
	size_t from = 0;
	begin_section(w, s);
	buf_add(&w->out, &blocks, sizeof blocks);
	const size_t table = w->out.n, body = table + w->table.n;
	buf_add(&w->out, w->table.p, w->table.n); /* room for it */
	for (uint32_t i = 0; i < blocks; i++) {
		uint32_t n = block[i + 1].item - block[i].item;
		size_t bytes = block[i].raw - 2 * (size_t)n;
		block[i].at = (uint32_t)(w->out.n - body);
		put_items(w, sv_make(texts->p ? texts->p + from : "", bytes), length->p + block[i].item * sizeof(uint32_t), n);
		from += bytes;
	}
	block[blocks].at = (uint32_t)(w->out.n - body);
	memcpy(w->out.p + table, w->table.p, w->table.n);
	end_section(w, s);
}

/* -- indexes -- */

/* Buckets first: they shall lie near the header, so all indexes' are written before the rest. */
static void put_starts(struct segment_writer *w, const uint64_t *sorted, uint32_t n, struct segment_section index[INDEX_PARTS])
{
	unsigned bits = index_bits(n);
	uint32_t buckets = 1u << bits, at = 0;
	int64_t *start = numbers(w, buckets + 1u);
	for (uint32_t b = 0; b < buckets; b++) {
		while (at < n && index_bucket(sorted[at], bits) < b)
			at++;
		start[b] = at;
	}
	start[buckets] = n;
	pack(w, start, buckets + 1u, &index[INDEX_START]);
	index[INDEX_START].rows = buckets + 1;
}

static void put_entries(struct segment_writer *w, const uint64_t *sorted, uint32_t n, struct segment_section index[INDEX_PARTS])
{
	unsigned bits = index_bits(n);
	int64_t *v = numbers(w, n);
	for (uint32_t i = 0; i < n; i++)
		v[i] = (int64_t)index_entry(sorted[i], bits);
	pack(w, v, n, &index[INDEX_HASH]);
	index[INDEX_HASH].rows = n;
	for (uint32_t i = 0; i < n; i++)
		v[i] = (int64_t)(sorted[i] & ((1ull << (64 - SEGMENT_RANK_BITS)) - 1));
	pack(w, v, n, &index[INDEX_ITEM]);
	index[INDEX_ITEM].rows = n;
}

static void grow_ranks(struct segment_writer *w)
{
	uint32_t n = w->messages;
	for (unsigned class = 0; class < WORD_CLASSES; class++)
		n = w->words[class].n > n ? w->words[class].n : n;
	if (n <= w->cap_rank)
		return;
	w->cap_rank = n + n / 4;
	free(w->rank);
	w->rank = xmalloc(w->cap_rank * sizeof *w->rank);
}

static struct sv text_of(const struct segment_writer *w, const struct word *x)
{
	return sv_make(w->texts.p + x->text, x->n < SEGMENT_TEXT_MAX ? x->n : SEGMENT_TEXT_MAX);
}

/* Nobody who looks for a word in brackets knows that it is in some. */
static uint64_t index_hash(const struct segment_writer *w, const struct word *x)
{
	struct sv text = text_of(w, x), bare = archive_bare(text);
	return bare.n == text.n ? x->hash : segment_hash(bare);
}

/* What goes into an index, in any order, into w->rank. Returns how many that are. */
static uint32_t gather(struct segment_writer *w, enum segment_index k)
{
	const bool addresses = k == INDEX_ADDRESS;
	const struct words *words = &w->words[addresses ? WORD_ADDRESS : WORD_OTHER];
	const uint32_t before = addresses ? 0 : w->words[WORD_ADDRESS].n;
	uint32_t n = 0;
	if (k == INDEX_queue_id || k == INDEX_message_id) {
		if (w->key[k].n)
			memcpy(w->rank, w->key[k].p, w->key[k].n);
		return (uint32_t)(w->key[k].n / sizeof *w->rank);
	}
	for (uint32_t i = 1; i <= words->n; i++)
		if (addresses || words->v[i].keyed)
			w->rank[n++] = segment_rank(index_hash(w, &words->v[i]), before + i - 1);
	return n;
}

static void put_indexes(struct segment_writer *w, struct segment_header *h)
{
	uint32_t n[INDEXES];
	grow_ranks(w);
	for (unsigned k = 0; k < INDEXES; k++) {
		n[k] = gather(w, k);
		buf_clear(&w->key[k]);
		buf_reserve(&w->key[k], n[k] * sizeof *w->rank);
		rank(w->rank, (uint64_t *)(void *)w->key[k].p, n[k]);
		put_starts(w, (const uint64_t *)(const void *)w->key[k].p, n[k], &h->section[SECTION_INDEX + k * INDEX_PARTS]);
	}
	for (unsigned k = 0; k < INDEXES; k++)
		put_entries(w, (const uint64_t *)(const void *)w->key[k].p, n[k], &h->section[SECTION_INDEX + k * INDEX_PARTS]);
}

/* -- dictionary -- */

/* What of a word is in its block. */
static void put_kept(struct segment_writer *w, struct sv text)
{
	struct buf *out = &w->column[SECTION_TEXT], *length = &w->column[SECTION_LENGTH];
	uint32_t n = (uint32_t)text.n + 1;
	buf_add(length, &n, sizeof n);
	buf_reserve(out, text.n + 1); /* of no bytes, too, there is a place */
	near_copy(out->p + out->n, text.p, text.n);
	out->n += text.n;
}

/* An address on its way to be split, and what follows its last @. */
struct split { uint32_t word; uint64_t hash; struct sv domain; };
#define SPLIT_MOST 32u

/* Their domains become words: memory was asked for their slots when they were found, and is now for the words that are probably meant. */
static void intern_domains(struct segment_writer *w, const struct split *x, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		segment_soon(w, x[i].hash, WORD_DOMAIN);
	for (unsigned i = 0; i < n; i++)
		w->words[WORD_ADDRESS].v[x[i].word].domain = segment_intern(w, x[i].hash, x[i].domain, WORD_DOMAIN);
}

/* Domains become words, local parts go into blocks. Returns how many of these need a second look: they hold @, or begin as an address in
 * brackets does. */
static uint32_t split_addresses(struct segment_writer *w)
{
	struct split waiting[SPLIT_MOST];
	unsigned n_waiting = 0;
	uint32_t odd = 0;
	const struct words *all = &w->words[WORD_ADDRESS];
	for (uint32_t i = 1; i <= all->n; i++) {
		struct sv text = text_of(w, &all->v[i]);
		ptrdiff_t at = sv_rchr(text, '@');
		put_kept(w, at >= 0 ? sv_take(text, (size_t)at) : text);
		odd += (text.n && text.p[0] == '<') || (at > 0 && memchr(text.p, '@', (size_t)at));
		if (at < 0)
			continue;
		struct sv domain = sv_skip(text, (size_t)at + 1);
		waiting[n_waiting] = (struct split){ i, segment_hash(domain), domain };
		__builtin_prefetch(&w->slot[(size_t)waiting[n_waiting++].hash & (w->cap - 1)]);
		if (n_waiting == SPLIT_MOST) {
			intern_domains(w, waiting, n_waiting);
			n_waiting = 0;
		}
	}
	intern_domains(w, waiting, n_waiting);
	return odd;
}

static void put_domains(struct segment_writer *w, uint32_t odd, struct segment_section *s)
{
	const struct words *all = &w->words[WORD_ADDRESS];
	int64_t *v = numbers(w, all->n);
	for (uint32_t i = 1; i <= all->n; i++)
		v[i - 1] = all->v[i].domain;
	pack(w, v, all->n, s);
	s->odd = odd;
}

/* Addresses are there; others and domains follow, each in the order of first use: those are their numbers. */
static void put_texts(struct segment_writer *w, struct segment_section *s)
{
	for (unsigned class = WORD_OTHER; class <= WORD_DOMAIN; class++)
		for (uint32_t i = 1; i <= w->words[class].n; i++)
			put_kept(w, text_of(w, &w->words[class].v[i]));
	put_blocks(w, &w->column[SECTION_TEXT], &w->column[SECTION_LENGTH], s);
}

static void put_dictionary(struct segment_writer *w, struct segment_header *h)
{
	uint32_t odd = split_addresses(w);
	put_indexes(w, h);
	put_domains(w, odd, &h->section[SECTION_DOMAIN]);
	put_texts(w, &h->section[SECTION_TEXT]);
}

/* -- columns of a message and of its recipients -- */

/* Times as they are, or from at_us of the message: what is smaller. */
static void pack_times(struct segment_writer *w, enum section c, bool recipients, struct segment_section *s)
{
	const int64_t *v = (const int64_t *)(void *)w->column[c].p, *at = (const int64_t *)(void *)w->column[SECTION_M_at_us].p;
	const int64_t *first = (const int64_t *)(void *)w->column[SECTION_RCPT].p; /* has one more than there are messages */
	size_t n = w->column[c].n / sizeof *v;
	int64_t *from = numbers(w, n);
	for (size_t i = 0, m = 0; i < n; i++) {
		while (recipients && first[m + 1] <= (int64_t)i)
			m++;
		from[i] = (int64_t)((uint64_t)v[i] - (uint64_t)at[recipients ? m : i]);
	}
	struct packed_table table, from_table;
	struct packed k = packed_plan(v, n, &table), from_k = packed_plan(from, n, &from_table);
	bool from_at = packed_bytes(&from_k, n) < packed_bytes(&k, n);
	begin_section(w, s);
	s->packed = from_at ? from_k : k;
	s->from_at = from_at;
	packed_put_planned(&w->out, &s->packed, from_at ? &from_table : &table, from_at ? from : v, n);
	end_section(w, s);
}

static void put_columns(struct segment_writer *w, struct segment_header *h)
{
	static const struct txn m; /* for the types of what is in them */
	static const struct txn_rcpt r;
#define M_TEXT(name, class) pack_words(w, SECTION_M_##name, WORD_##class, &h->section[SECTION_M_##name]);
#define M_KEY(name) put_blocks(w, &w->column[SECTION_##name##_text], &w->column[SECTION_M_##name], &h->section[SECTION_##name##_text]);
#define M_INT(name) pack_ints(w, SECTION_M_##name, SEGMENT_M_BYTES(name), HAS_SIGN(m.name), &h->section[SECTION_M_##name]);
#define M_TIME(name) pack_times(w, SECTION_M_##name, false, &h->section[SECTION_M_##name]);
#define R_TEXT(name, class) pack_words(w, SECTION_R_##name, WORD_##class, &h->section[SECTION_R_##name]);
#define R_INT(name) pack_ints(w, SECTION_R_##name, SEGMENT_R_BYTES(name), HAS_SIGN(r.name), &h->section[SECTION_R_##name]);
#define R_TIME(name) pack_times(w, SECTION_R_##name, true, &h->section[SECTION_R_##name]);
#define R_PLAIN(name) put_blocks(w, &w->column[SECTION_R_##name##_text], &w->column[SECTION_R_##name], &h->section[SECTION_R_##name##_text]);
#include "analyzer/segment_cols.def"
}

/* All of it. Of what goes past the page cache the rest goes through it when that is refused, or when it was cut within a block. */
static int write_all(int fd, struct sv bytes, bool direct)
{
	while (bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (direct && n != (ssize_t)bytes.n && fcntl(fd, F_SETFL, 0) == 0)
			direct = false;
		else if (n <= 0)
			return -1;
		bytes = sv_skip(bytes, n > 0 ? (size_t)n : 0);
	}
	return 0;
}

/* padding: of these bytes so many do not belong to it, which are there for whole blocks. */
static int write_file(const char *path, struct sv bytes, size_t padding, bool direct, struct err *e)
{
	int fd = direct ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_DIRECT, 0640) : -1;
	direct = fd >= 0; /* not every file system can */
	if (fd < 0)
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return err_set(e, "%s: cannot create it: %m", path);
	if (write_all(fd, bytes, direct) < 0 || (padding && ftruncate(fd, (off_t)(bytes.n - padding)) < 0) || fdatasync(fd) < 0) {
		(void)err_set(e, "%s: cannot write it: %m", path);
		close(fd);
		unlink(path);
		return -1;
	}
	close(fd);
	return 0;
}

int segment_write_file(const char *path, struct sv bytes, struct err *e)
{
	return write_file(path, bytes, 0, false, e);
}

static bool is_aligned(const struct buf *b)
{
	return (uintptr_t)b->p % BLOCK_BYTES == 0;
}

void segment_align(struct buf *b, size_t n)
{
	if (b->cap >= n && is_aligned(b))
		return;
	n = ((n > b->cap ? n : b->cap) / BLOCK_BYTES + 1) * BLOCK_BYTES;
	buf_fini(b);
	b->p = aligned_alloc(BLOCK_BYTES, n);
	if (!b->p)
		panic("out of memory");
	b->cap = n;
}

static int write_out(struct segment_writer *w, const char *path, struct err *e)
{
	size_t padding = -w->out.n % BLOCK_BYTES;
	if (!w->uncached)
		return segment_write_file(path, buf_sv(&w->out), e);
	for (size_t i = 0; i < padding; i++)
		buf_addc(&w->out, 0);
	return write_file(path, buf_sv(&w->out), padding, is_aligned(&w->out), e);
}

int segment_pack(struct segment_writer *w, const char *path, struct err *e)
{
	struct segment_header h = { .messages = w->messages, .recipients = w->recipients, .sections = SECTIONS };
	memcpy(h.magic, SEGMENT_MAGIC, sizeof h.magic);
	buf_add(&w->out, &h, sizeof h);
	put_dictionary(w, &h);
	pack_ints(w, SECTION_RCPT, sizeof(int64_t), true, &h.section[SECTION_RCPT]);
	put_columns(w, &h);
	h.words[0] = w->words[WORD_ADDRESS].n;
	h.words[1] = w->words[WORD_OTHER].n;
	h.domains = w->words[WORD_DOMAIN].n;
	memcpy(w->out.p, &h, sizeof h);
	w->stats.messages = w->messages;
	w->stats.recipients = w->recipients;
	w->stats.bytes = (int64_t)w->out.n;
	return write_out(w, path, e);
}
