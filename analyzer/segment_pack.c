#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "analyzer/segment_making.h"
#include "lib/msg.h"

#define BLOCK_BYTES 4096u /* what goes past the page cache begins and ends in memory and in the file at such */

static void grow_ranks(struct segment_writer *w)
{
	uint32_t n = w->n_words > w->messages ? w->n_words : w->messages;
	if (n <= w->cap_rank)
		return;
	w->cap_rank = n + n / 4;
	for (unsigned i = 0; i < 2; i++) {
		free(w->rank[i]);
		w->rank[i] = xmalloc(w->cap_rank * sizeof *w->rank[i]);
	}
	free(w->new_number);
	w->new_number = xmalloc(w->cap_rank * sizeof *w->new_number);
}

/* LSD radix sort by the upper 33 bits of hashes, more than an index looks at; a and b have room for n. Where the result is: a or b. */
static struct rank *ranked(struct rank *a, struct rank *b, uint32_t n)
{
	enum { BITS = 11, SIZE = 1 << BITS };
	for (unsigned shift = 64 - 3 * BITS; shift < 64; shift += BITS) {
		uint32_t count[SIZE] = { 0 }, sum = 0;
		for (uint32_t i = 0; i < n; i++)
			count[a[i].hash >> shift & (SIZE - 1)]++;
		for (uint32_t k = 0; k < SIZE; k++) {
			uint32_t c = count[k];
			count[k] = sum;
			sum += c;
		}
		for (uint32_t i = 0; i < n; i++)
			b[count[a[i].hash >> shift & (SIZE - 1)]++] = a[i];
		struct rank *t = a;
		a = b;
		b = t;
	}
	return a;
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

static void pack_ints(struct segment_writer *w, enum section c, struct segment_section *s)
{
	pack(w, (const int64_t *)(void *)w->column[c].p, w->column[c].n / sizeof(int64_t), s);
}

/* Numbers of words, which are 1 + provisional ones. */
static void pack_words(struct segment_writer *w, enum section c, const uint32_t *new_number, struct segment_section *s)
{
	size_t n = w->column[c].n / sizeof(uint32_t);
	int64_t *v = numbers(w, n);
	for (size_t i = 0; i < n; i++) {
		uint32_t x;
		memcpy(&x, w->column[c].p + i * sizeof x, sizeof x);
		v[i] = x ? (int64_t)new_number[x - 1] + 1 : 0;
	}
	pack(w, v, n, s);
}

/* -- texts in blocks -- */

static void put_block(struct segment_writer *w, struct sv raw, uint32_t first)
{
	struct segment_block k = { (uint32_t)w->body.n, (uint32_t)raw.n, first };
	buf_add(&w->table, &k, sizeof k);
#ifdef WITH_ZSTD
	size_t bound = ZSTD_compressBound(raw.n);
	buf_reserve(&w->body, bound);
	size_t n = ZSTD_compressCCtx(w->zstd, w->body.p + w->body.n, bound, raw.p, raw.n, 1);
	if (!ZSTD_isError(n) && n < raw.n) {
		w->body.n += n;
		return;
	}
#endif
	buf_addsv(&w->body, raw);
}

/* Items first … last: what `length` says of them (1 + length, 0: there is none), low bytes before high ones, and their texts. */
static void put_items(struct segment_writer *w, struct sv texts, const int64_t *length, uint32_t first, uint32_t last)
{
	struct buf *raw = &w->raw;
	buf_clear(raw);
	buf_reserve(raw, 2 * (size_t)(last - first) + texts.n);
	for (unsigned shift = 0; shift <= 8; shift += 8)
		for (uint32_t i = first; i < last; i++)
			raw->p[raw->n++] = (char)(length[i] >> shift & 0xff);
	buf_addsv(raw, texts);
	put_block(w, buf_sv(raw), first);
}

/* texts holds n items, one after the other. */
static void put_blocks(struct segment_writer *w, struct sv texts, const int64_t *length, uint32_t n, struct segment_section *s)
{
	uint32_t first = 0, blocks = 0;
	size_t from = 0, at = 0;
	buf_clear(&w->table);
	buf_clear(&w->body);
	for (uint32_t i = 0; i < n; i++) {
		at += length[i] ? (size_t)length[i] - 1 : 0;
		if (at - from >= SEGMENT_BLOCK_BYTES || i + 1 - first == SEGMENT_BLOCK_ITEMS || i + 1 == n) {
			put_items(w, sv_make(texts.p + from, at - from), length, first, i + 1);
			blocks++;
			first = i + 1;
			from = at;
		}
	}
	struct segment_block end = { (uint32_t)w->body.n, 0, n };
	begin_section(w, s);
	buf_add(&w->out, &blocks, sizeof blocks);
	buf_add(&w->out, w->table.p, w->table.n);
	buf_add(&w->out, &end, sizeof end);
	buf_add(&w->out, w->body.p, w->body.n);
	end_section(w, s);
}

static void put_plain_section(struct segment_writer *w, enum section c, enum section texts, struct segment_header *h)
{
	size_t n = w->column[c].n / sizeof(uint32_t);
	int64_t *v = numbers(w, n);
	for (size_t i = 0; i < n; i++) {
		uint32_t x;
		memcpy(&x, w->column[c].p + i * sizeof x, sizeof x);
		v[i] = x;
	}
	put_blocks(w, buf_sv(&w->column[texts]), v, (uint32_t)n, &h->section[texts]);
}

/* -- indexes -- */

/* The n entries, in any order, are in rank[0]. Buckets first: they shall lie near the header, so all indexes' are written before the rest. */
static struct rank *put_starts(struct segment_writer *w, uint32_t n, struct segment_section index[INDEX_PARTS])
{
	struct rank *sorted = ranked(w->rank[0], w->rank[1], n);
	unsigned bits = index_bits(n);
	uint32_t buckets = 1u << bits, at = 0;
	int64_t *start = numbers(w, buckets + 1u);
	for (uint32_t b = 0; b < buckets; b++) {
		while (at < n && index_bucket(sorted[at].hash, bits) < b)
			at++;
		start[b] = at;
	}
	start[buckets] = n;
	pack(w, start, buckets + 1u, &index[INDEX_START]);
	index[INDEX_START].rows = buckets + 1;
	return sorted;
}

static void put_entries(struct segment_writer *w, const struct rank *sorted, uint32_t n, struct segment_section index[INDEX_PARTS])
{
	unsigned bits = index_bits(n);
	int64_t *v = numbers(w, n);
	for (uint32_t i = 0; i < n; i++)
		v[i] = (int64_t)index_entry(sorted[i].hash, bits);
	pack(w, v, n, &index[INDEX_HASH]);
	index[INDEX_HASH].rows = n;
	for (uint32_t i = 0; i < n; i++)
		v[i] = sorted[i].number;
	pack(w, v, n, &index[INDEX_ITEM]);
	index[INDEX_ITEM].rows = n;
}

/* What goes into an index, into rank[0]. */
static uint32_t gather(struct segment_writer *w, enum segment_index k)
{
	uint32_t n = 0;
	if (k == INDEX_queue_id || k == INDEX_message_id) {
		n = (uint32_t)(w->key[k].n / sizeof(struct rank));
		if (n)
			memcpy(w->rank[0], w->key[k].p, n * sizeof(struct rank));
		return n;
	}
	for (uint32_t i = 0; i < w->n_words; i++)
		if (k == INDEX_ADDRESS ? w->word[i].class == WORD_ADDRESS : w->word[i].keyed)
			w->rank[0][n++] = (struct rank){ w->word[i].hash, w->new_number[i] };
	return n;
}

static void put_indexes(struct segment_writer *w, struct segment_header *h)
{
	uint32_t n[INDEXES];
	for (unsigned k = 0; k < INDEXES; k++) {
		struct segment_section *index = &h->section[SECTION_INDEX + k * INDEX_PARTS];
		n[k] = gather(w, k);
		const struct rank *sorted = put_starts(w, n[k], index);
		buf_clear(&w->key[k]); /* in order, for the second round */
		buf_add(&w->key[k], sorted, n[k] * sizeof *sorted);
	}
	for (unsigned k = 0; k < INDEXES; k++)
		put_entries(w, (const struct rank *)(const void *)w->key[k].p, n[k], &h->section[SECTION_INDEX + k * INDEX_PARTS]);
}

/* -- dictionary -- */

/* An address on its way to be split, and what follows its last @. */
struct split { uint32_t word; uint64_t hash; struct sv domain; };
#define SPLIT_MOST 32u

/* Their domains become words: memory was asked for their slots when they were found, and is now for the words that are probably meant. */
static void intern_domains(struct segment_writer *w, const struct split *x, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		segment_soon(w, x[i].hash);
	for (unsigned i = 0; i < n; i++) {
		uint32_t number = segment_intern(w, x[i].hash, x[i].domain, WORD_DOMAIN); /* words may move */
		w->word[x[i].word].domain = number;
		w->word[x[i].word].local_n = (uint16_t)(x[i].domain.p - 1 - w->word[x[i].word].text.p);
	}
}

/* Domains become words. Returns how many local parts need a second look: they hold @, or begin as an address in brackets does. */
static uint32_t split_addresses(struct segment_writer *w)
{
	struct split waiting[SPLIT_MOST];
	unsigned n_waiting = 0;
	uint32_t odd = 0, n = w->n_words;
	for (uint32_t i = 0; i < n; i++) {
		struct sv text = sv_take(w->word[i].text, SEGMENT_TEXT_MAX);
		if (i + SPLIT_MOST / 2 < n)
			__builtin_prefetch(w->word[i + SPLIT_MOST / 2].text.p);
		if (w->word[i].class != WORD_ADDRESS)
			continue;
		ptrdiff_t at = sv_rchr(text, '@');
		if (at >= 0) {
			struct sv domain = sv_skip(text, (size_t)at + 1);
			struct split *x = &waiting[n_waiting++];
			*x = (struct split){ i, segment_hash(domain), domain };
			__builtin_prefetch(&w->slot[(size_t)x->hash & (w->cap - 1)]);
		}
		if (n_waiting == SPLIT_MOST) {
			intern_domains(w, waiting, n_waiting);
			n_waiting = 0;
		}
		odd += (text.n && text.p[0] == '<') || (at > 0 && memchr(text.p, '@', (size_t)at));
	}
	intern_domains(w, waiting, n_waiting);
	return odd;
}

/* What of a word is in its block. */
static struct sv kept_text(const struct word *x)
{
	return sv_take(x->text, x->domain ? x->local_n : SEGMENT_TEXT_MAX);
}

/* Numbers: addresses first, then others, then domains, each in the order of first use. */
static void number_words(struct segment_writer *w)
{
	uint32_t next[WORD_CLASSES] = { 0, w->of_class[WORD_ADDRESS], w->of_class[WORD_ADDRESS] + w->of_class[WORD_OTHER] };
	for (uint32_t i = 0; i < w->n_words; i++)
		w->new_number[i] = next[w->word[i].class]++;
}

static void put_domains(struct segment_writer *w, uint32_t odd, struct segment_section *s)
{
	int64_t *v = numbers(w, w->of_class[WORD_ADDRESS]);
	uint32_t n = 0, first = w->of_class[WORD_ADDRESS] + w->of_class[WORD_OTHER];
	for (uint32_t i = 0; i < w->n_words; i++)
		if (w->word[i].class == WORD_ADDRESS)
			v[n++] = w->word[i].domain ? (int64_t)(w->new_number[w->word[i].domain - 1] - first) + 1 : 0;
	pack(w, v, n, s);
	s->odd = odd;
}

static void put_dictionary(struct segment_writer *w, struct segment_header *h)
{
	uint32_t odd = split_addresses(w), n = 0;
	grow_ranks(w);
	number_words(w);
	put_indexes(w, h);
	put_domains(w, odd, &h->section[SECTION_DOMAIN]);
	int64_t *length = numbers(w, w->n_words);
	for (unsigned class = 0; class < WORD_CLASSES; class++)
		for (uint32_t i = 0; i < w->n_words; i++) {
			if (w->word[i].class != class)
				continue;
			struct sv text = kept_text(&w->word[i]);
			length[n++] = (int64_t)text.n + 1;
			buf_addsv(&w->column[SECTION_TEXT], text);
		}
	put_blocks(w, buf_sv(&w->column[SECTION_TEXT]), length, w->n_words, &h->section[SECTION_TEXT]);
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
	const uint32_t *number = w->new_number;
#define M_TEXT(name, class) pack_words(w, SECTION_M_##name, number, &h->section[SECTION_M_##name]);
#define M_KEY(name) put_plain_section(w, SECTION_M_##name, SECTION_##name##_text, h);
#define M_INT(name) pack_ints(w, SECTION_M_##name, &h->section[SECTION_M_##name]);
#define M_TIME(name) pack_times(w, SECTION_M_##name, false, &h->section[SECTION_M_##name]);
#define R_TEXT(name, class) pack_words(w, SECTION_R_##name, number, &h->section[SECTION_R_##name]);
#define R_INT(name) pack_ints(w, SECTION_R_##name, &h->section[SECTION_R_##name]);
#define R_TIME(name) pack_times(w, SECTION_R_##name, true, &h->section[SECTION_R_##name]);
#define R_PLAIN(name) put_plain_section(w, SECTION_R_##name, SECTION_R_##name##_text, h);
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
	int64_t end = w->recipients;
	memcpy(h.magic, SEGMENT_MAGIC, sizeof h.magic);
	buf_add(&w->out, &h, sizeof h);
	segment_put(&w->column[SECTION_RCPT], &end, sizeof end);
	put_dictionary(w, &h);
	pack_ints(w, SECTION_RCPT, &h.section[SECTION_RCPT]);
	put_columns(w, &h);
	h.words[0] = w->of_class[WORD_ADDRESS];
	h.words[1] = w->of_class[WORD_OTHER];
	h.domains = w->of_class[WORD_DOMAIN];
	memcpy(w->out.p, &h, sizeof h);
	w->stats.messages = w->messages;
	w->stats.recipients = w->recipients;
	w->stats.bytes = (int64_t)w->out.n;
	return write_out(w, path, e);
}
