#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef WITH_ZSTD
#include <zstd.h>
#endif

#include "analyzer/segment.h"
#include "analyzer/segment_int.h"
#include "lib/buf.h"
#include "lib/near.h"

#define OPEN_BLOCKS 4u

/* Blocks that were unpacked last. */
struct open_block { uint32_t number; char *bytes; size_t cap; bool set; };

struct segment {
	char *path;
	const char *map;
	size_t n;
	struct segment_header h;
	uint32_t words;
	struct open_block word_block[OPEN_BLOCKS], plain_block[OPEN_BLOCKS];
};

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* How many numbers a packed section holds; 0: it is not one. */
static size_t rows_of(const struct segment_header *h, int c)
{
	switch (c) {
	case SECTION_ORDER: case SECTION_LENGTH: return (size_t)h->words[0] + h->words[1];
	case SECTION_RCPT: return (size_t)h->messages + 1;
#define M_TEXT(name, class) case SECTION_M_##name:
#define M_INT(name) case SECTION_M_##name:
#define R_TEXT(name, class)
#define R_INT(name)
#define R_PLAIN(name)
#include "analyzer/segment_cols.def"
#undef M_TEXT
#undef M_INT
#undef R_TEXT
#undef R_INT
#undef R_PLAIN
		return h->messages;
#define M_TEXT(name, class)
#define M_INT(name)
#define R_TEXT(name, class) case SECTION_R_##name:
#define R_INT(name) case SECTION_R_##name:
#define R_PLAIN(name) case SECTION_R_##name:
#include "analyzer/segment_cols.def"
#undef M_TEXT
#undef M_INT
#undef R_TEXT
#undef R_INT
#undef R_PLAIN
		return h->recipients;
	default: return 0;
	}
}

static bool section_fits(const struct segment *s, int c)
{
	const struct segment_section *x = &s->h.section[c];
	if (x->offset % 8 || x->offset > s->n || x->bytes > s->n - x->offset)
		return false;
	if (c == SECTION_HASH)
		return x->bytes / SEGMENT_HASH_BYTES >= s->words;
	size_t rows = rows_of(&s->h, c);
	if (rows || c == SECTION_ORDER || c == SECTION_LENGTH || c == SECTION_RCPT)
		return (x->packed.width <= PACKED_WIDE || x->packed.width == 64) && x->packed.table <= PACKED_TABLE && x->bytes >= packed_bytes(&x->packed, rows);
	return x->bytes >= sizeof(uint32_t) || rows_of(&s->h, c - 1) == 0;
}

static int check_header(struct segment *s, struct err *e)
{
	if (s->n < sizeof s->h || memcmp(s->map, SEGMENT_MAGIC, 8) != 0)
		return err_set(e, "%s: not a segment of messages", s->path);
	memcpy(&s->h, s->map, sizeof s->h);
	if (s->h.sections == SECTION_M_cwd) /* of before: that column is empty */
		s->h.section[SECTION_M_cwd] = (struct segment_section){ .packed = { .scale = 1 } };
	else if (s->h.sections != SECTIONS)
		return err_set(e, "%s: made by another version", s->path);
	s->words = s->h.words[0] + s->h.words[1];
	if (s->words < s->h.words[0])
		return err_set(e, "%s: damaged (words)", s->path);
	for (int c = 0; c < SECTIONS; c++)
		if (!section_fits(s, c))
			return err_set(e, "%s: damaged (section %d)", s->path, c);
	return 0;
}

struct segment *segment_open(const char *path, struct err *e)
{
	struct stat st;
	struct segment *s = xcalloc(1, sizeof *s);
	s->path = xstrdup(path);
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
	s->map = map;
	close(fd);
	fd = -1;
	if (check_header(s, e) == 0)
		return s;
fail:
	if (fd >= 0)
		close(fd);
	segment_free(s);
	return NULL;
}

void segment_free(struct segment *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < OPEN_BLOCKS; i++) {
		free(s->word_block[i].bytes);
		free(s->plain_block[i].bytes);
	}
	if (s->map)
		munmap((void *)(uintptr_t)s->map, s->n);
	free(s->path);
	free(s);
}

uint32_t segment_messages(const struct segment *s)
{
	return s->h.messages;
}

static int64_t number_at(const struct segment *s, int c, size_t i)
{
	const struct segment_section *x = &s->h.section[c];
	return packed_get(&x->packed, s->map + x->offset, i);
}

/* --- texts in blocks ---------------------------------------------------------------------------------------------- */

struct blocks { const char *table, *bodies; uint32_t n; size_t bodies_bytes; };

static int blocks_of(const struct segment *s, int c, struct blocks *b, struct err *e)
{
	const struct segment_section *x = &s->h.section[c];
	const char *p = s->map + x->offset;
	*b = (struct blocks){ .n = 0 };
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

static struct segment_block block_at(const struct blocks *b, uint32_t i)
{
	struct segment_block k = { 0 };
	if (i <= b->n && b->table)
		memcpy(&k, b->table + i * sizeof k, sizeof k);
	return k;
}

/* The block that item lies in. */
static uint32_t block_with(const struct blocks *b, uint32_t item)
{
	uint32_t lo = 0, hi = b->n;
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (block_at(b, mid).item <= item)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

static int unpack(const struct segment *s, const struct blocks *b, uint32_t i, struct open_block *o, struct err *e)
{
	struct segment_block k = block_at(b, i), next = block_at(b, i + 1);
	if (k.at > next.at || next.at > b->bodies_bytes || k.raw > SEGMENT_BLOCK_MAX)
		return err_set(e, "%s: damaged (a block of texts)", s->path);
	if (k.raw > o->cap) {
		free(o->bytes);
		o->cap = k.raw > SEGMENT_BLOCK_BYTES * 2 ? k.raw : SEGMENT_BLOCK_BYTES * 2;
		o->bytes = xmalloc(o->cap);
	}
	o->set = false;
	size_t stored = next.at - k.at;
	if (stored == k.raw) {
		memcpy(o->bytes, b->bodies + k.at, k.raw);
	} else {
#ifdef WITH_ZSTD
		if (ZSTD_decompress(o->bytes, k.raw, b->bodies + k.at, stored) != k.raw)
			return err_set(e, "%s: damaged (a block of texts does not unpack)", s->path);
#else
		return err_set(e, "%s: compressed by zstd, which this build lacks", s->path);
#endif
	}
	o->number = i;
	o->set = true;
	return 0;
}

/* Item i of the texts in section c, whose lengths are in section lengths, less `less`. Borrowed from open, of which it may take a
 * place. */
static int text_at(const struct segment *s, int c, int lengths, unsigned less, uint32_t i, struct open_block open[OPEN_BLOCKS], struct sv *ret, struct err *e)
{
	struct blocks b;
	*ret = SV("");
	if (blocks_of(s, c, &b, e) < 0)
		return -1;
	uint32_t k = b.n ? block_with(&b, i) : 0;
	if (!b.n || block_at(&b, k).item > i)
		return 0; /* nothing but empty texts */
	struct open_block *o = &open[k % OPEN_BLOCKS];
	if ((!o->set || o->number != k) && unpack(s, &b, k, o, e) < 0)
		return -1;
	size_t at = 0, raw = block_at(&b, k).raw;
	for (uint32_t j = block_at(&b, k).item; j < i; j++) {
		int64_t n = number_at(s, lengths, j);
		at += n > (int64_t)less ? (size_t)(n - less) : 0;
	}
	int64_t n = number_at(s, lengths, i);
	size_t length = n > (int64_t)less ? (size_t)(n - less) : 0;
	if (at > raw || length > raw - at)
		return err_set(e, "%s: damaged (texts)", s->path);
	*ret = sv_make(o->bytes + at, length);
	return 0;
}

static int word_at(struct segment *s, uint32_t i, struct sv *ret, struct err *e)
{
	*ret = SV("");
	if (i >= s->words)
		return err_set(e, "%s: damaged (no word %u)", s->path, i);
	return text_at(s, SECTION_TEXT, SECTION_LENGTH, 0, i, s->word_block, ret, e);
}

/* --- matching ----------------------------------------------------------------------------------------------------- */

#define ARCHIVE_KEY_MAX 64u /* so much of a key is looked for at first */

/* Which dictionary words answer to a key: a few, or a bit per word. */
#define FEW 8u
struct wanted { uint32_t few[FEW]; unsigned n; uint8_t *bit; bool any; };

static void want(const struct segment *s, struct wanted *w, uint32_t i)
{
	w->any = true;
	if (!w->bit && w->n < FEW) {
		w->few[w->n++] = i + 1;
		return;
	}
	if (!w->bit) {
		w->bit = xcalloc(s->words / 8 + 1, 1);
		for (unsigned k = 0; k < w->n; k++)
			w->bit[(w->few[k] - 1) / 8] |= (uint8_t)(1u << ((w->few[k] - 1) % 8));
	}
	w->bit[i / 8] |= (uint8_t)(1u << (i % 8));
}

/* v: 1 + number of a word, 0 for none. */
static inline bool is_wanted(const struct segment *s, const struct wanted *w, int64_t v)
{
	if (w->bit)
		return v > 0 && v <= (int64_t)s->words && (w->bit[(v - 1) / 8] >> ((v - 1) % 8) & 1);
	for (unsigned i = 0; i < w->n; i++)
		if (v == w->few[i])
			return true;
	return false;
}

static uint32_t hash_at(const char *p, size_t i)
{
	uint32_t v = 0;
	memcpy(&v, p + i * SEGMENT_HASH_BYTES, SEGMENT_HASH_BYTES);
	return v;
}

/* The first of n sorted hashes that is not below h. They are spread evenly, so a guess is nearly right: one page of the file is
 * touched instead of one per halving. */
static uint32_t first_not_below(const char *hashes, uint32_t n, uint32_t h)
{
	uint32_t lo = 0, hi = n, step = 64; /* what is looked for lies in lo … hi, both included */
	uint32_t guess = (uint32_t)((uint64_t)h * n >> 24);
	for (; guess > 0 && hash_at(hashes, guess - 1) >= h; step *= 2) {
		hi = guess - 1;
		guess = hi > step ? hi - step : 0;
	}
	lo = guess;
	for (step = 64; hi - lo > step && hash_at(hashes, lo + step) < h; step *= 2)
		lo += step + 1;
	if (hi - lo > step)
		hi = lo + step;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (hash_at(hashes, mid) < h)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool same_folded(struct sv a, struct sv b)
{
	return a.n == b.n && (!a.n || strncasecmp(a.p, b.p, a.n) == 0);
}

/* The words of that class whose text equals key, which may be logged as <key>. */
static int want_exact(struct segment *s, enum word_class class, struct sv key, bool bracketed, struct wanted *w, struct err *e)
{
	char text[512];
	if (key.n + 2 > sizeof text)
		return 0;
	text[0] = '<';
	memcpy(text + 1, key.p, key.n);
	text[key.n + 1] = '>';
	struct sv wanted = bracketed ? sv_make(text, key.n + 2) : key, word;
	uint32_t h = (uint32_t)(segment_hash(wanted) >> 40), first = class == WORD_ADDRESS ? 0 : s->h.words[WORD_ADDRESS];
	const char *hashes = s->map + s->h.section[SECTION_HASH].offset + (size_t)first * SEGMENT_HASH_BYTES;
	for (uint32_t i = first_not_below(hashes, s->h.words[class], h); i < s->h.words[class] && hash_at(hashes, i) == h; i++) {
		int64_t number = number_at(s, SECTION_ORDER, first + i);
		if (number < 0 || number > UINT32_MAX || word_at(s, (uint32_t)number, &word, e) < 0)
			return -1;
		if (same_folded(word, wanted))
			want(s, w, (uint32_t)number);
	}
	return 0;
}

/* Whether the key stands somewhere in the words of the block, which lie one after the other: nearly all have it nowhere. */
static bool may_hold(const struct open_block *o, size_t raw, struct buf *low, struct sv key)
{
	buf_clear(low);
	buf_reserve(low, raw);
	near_lower(low->p, o->bytes, raw);
	return near_find(low->p, raw, key.p, key.n) != NULL;
}

/* The addresses of a block that hold key. */
static int want_of_block(struct segment *s, const struct open_block *o, struct segment_block head, struct segment_block next, struct sv key, bool substring,
                         struct wanted *w, struct err *e)
{
	size_t at = 0;
	for (uint32_t i = head.item; i < next.item && i < s->h.words[WORD_ADDRESS]; i++) {
		int64_t n = number_at(s, SECTION_LENGTH, i);
		if (n < 0 || (size_t)n > head.raw - at)
			return err_set(e, "%s: damaged (words)", s->path);
		if (archive_key_matches(sv_make(o->bytes + at, (size_t)n), key, substring))
			want(s, w, i);
		at += (size_t)n;
	}
	return 0;
}

/* Addresses that hold key: block by block. */
static int want_scan(struct segment *s, struct sv key, bool substring, struct wanted *w, struct err *e)
{
	struct blocks b;
	struct buf low = { 0 };
	char folded[ARCHIVE_KEY_MAX];
	int bad = blocks_of(s, SECTION_TEXT, &b, e);
	struct sv low_key = sv_make(folded, key.n < sizeof folded ? key.n : sizeof folded); /* its beginning does */
	near_lower(folded, key.p, low_key.n);
	for (uint32_t k = 0; !bad && k < b.n && block_at(&b, k).item < s->h.words[WORD_ADDRESS]; k++) {
		struct segment_block head = block_at(&b, k), next = block_at(&b, k + 1);
		struct open_block *o = &s->word_block[k % OPEN_BLOCKS];
		bad = unpack(s, &b, k, o, e);
		if (!bad && next.item > s->words)
			bad = err_set(e, "%s: damaged (words)", s->path);
		if (!bad && may_hold(o, head.raw, &low, low_key))
			bad = want_of_block(s, o, head, next, key, substring, w, e);
	}
	buf_fini(&low);
	return bad;
}

static bool is_address(enum archive_key k)
{
	return k == ARCHIVE_SENDER || k == ARCHIVE_RECIPIENT || k == ARCHIVE_ACCOUNT;
}

static int want_words(struct segment *s, enum archive_key k, struct sv key, bool substring, struct wanted *w, struct err *e)
{
	if (is_address(k) && key.n && (key.p[0] == '@' || substring))
		return want_scan(s, key, substring, w, e);
	enum word_class class = is_address(k) ? WORD_ADDRESS : WORD_OTHER;
	if (want_exact(s, class, key, false, w, e) < 0)
		return -1;
	return k == ARCHIVE_MESSAGE_ID ? want_exact(s, class, key, true, w, e) : 0;
}

static const int key_section[ARCHIVE_KEYS] = {
	[ARCHIVE_SENDER] = SECTION_M_sender,     [ARCHIVE_RECIPIENT] = SECTION_R_recipient, [ARCHIVE_ACCOUNT] = SECTION_M_account,
	[ARCHIVE_CLIENT] = SECTION_M_client_ip,  [ARCHIVE_QUEUE_ID] = SECTION_M_queue_id,   [ARCHIVE_MESSAGE_ID] = SECTION_M_message_id,
};

/* The message that recipient r belongs to. */
static uint32_t message_of(const struct segment *s, uint32_t r)
{
	uint32_t lo = 0, hi = s->h.messages;
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (number_at(s, SECTION_RCPT, mid) <= (int64_t)r)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

struct marking { const struct segment *s; uint8_t *mark; bool recipients; };

static bool mark(void *ctx, size_t row)
{
	struct marking *m = ctx;
	m->mark[m->recipients ? message_of(m->s, (uint32_t)row) : row] = 1;
	return true;
}

/* Marks the messages whose column c holds one of the wanted words. */
static void mark_column(struct segment *s, const struct wanted *w, int c, bool recipients, uint8_t *marks)
{
	const struct packed *k = &s->h.section[c].packed;
	const char *p = s->map + s->h.section[c].offset;
	size_t rows = recipients ? s->h.recipients : s->h.messages;
	struct marking m = { s, marks, recipients };
	if (!s->h.messages)
		return;
	if (!w->bit) {
		for (unsigned i = 0; i < w->n; i++)
			packed_find(k, p, rows, w->few[i], mark, &m);
		return;
	}
	for (size_t i = 0; i < rows; i++)
		if (is_wanted(s, w, packed_get(k, p, i)))
			(void)mark(&m, i);
}

/* The candidates (NULL: all messages) that answer to this key, too. False in *ret_any: none does; then nothing was touched. */
static int narrow(struct segment *s, enum archive_key k, struct sv key, bool substring, uint8_t **candidate, bool *ret_any, struct err *e)
{
	struct wanted w = { .n = 0 }, user = { .n = 0 };
	if (want_words(s, k, key, substring, &w, e) < 0 || (k == ARCHIVE_ACCOUNT && archive_may_be_user(key) && want_exact(s, WORD_OTHER, key, false, &user, e) < 0)) {
		free(w.bit);
		free(user.bit);
		return -1;
	}
	*ret_any = w.any || user.any;
	if (*ret_any) {
		uint8_t *marks = xcalloc(s->h.messages + 1u, 1);
		bool recipients = k == ARCHIVE_RECIPIENT;
		mark_column(s, &w, key_section[k], recipients, marks);
		if (recipients)
			mark_column(s, &w, SECTION_R_orig_recipient, true, marks);
		if (user.any)
			mark_column(s, &user, SECTION_M_local_user, false, marks);
		for (uint32_t i = 0; *candidate && i < s->h.messages; i++)
			marks[i] &= (*candidate)[i];
		free(*candidate);
		*candidate = marks;
	}
	free(w.bit);
	free(user.bit);
	return 0;
}

static bool in_time(const struct segment *s, const struct archive_query *q, uint32_t i)
{
	return (!q->since_us || number_at(s, SECTION_M_last_us, i) >= q->since_us) && (!q->until_us || number_at(s, SECTION_M_first_us, i) <= q->until_us);
}

static int64_t give_candidates(const struct segment *s, const struct archive_query *q, const uint8_t *candidate, segment_cb *cb, void *ctx)
{
	int64_t calls = 0;
	size_t left = s->h.messages;
	for (const uint8_t *at; left && (at = memrchr(candidate, 1, left)); left = (size_t)(at - candidate)) {
		if (!in_time(s, q, (uint32_t)(at - candidate)))
			continue;
		calls++;
		if (!cb(ctx, (uint32_t)(at - candidate)))
			break;
	}
	return calls;
}

int64_t segment_match(struct segment *s, const struct archive_query *q, segment_cb *cb, void *ctx, struct err *e)
{
	uint8_t *candidate = NULL;
	bool any = true;
	int bad = 0;
	for (int k = 0; k < ARCHIVE_KEYS && !bad && any; k++)
		if (q->key[k].p)
			bad = narrow(s, (enum archive_key)k, q->key[k], q->substring, &candidate, &any, e);
	if (!candidate && any && !bad)
		candidate = memset(xmalloc(s->h.messages + 1u), 1, s->h.messages + 1u);
	int64_t calls = bad || !any ? 0 : give_candidates(s, q, candidate, cb, ctx);
	free(candidate);
	return bad ? -1 : calls;
}

/* --- one message -------------------------------------------------------------------------------------------------- */

/* Texts are copied to the arena: the next word may need another block. */
static int text_cell(struct segment *s, int c, uint32_t row, struct arena *a, struct sv *ret, struct err *e)
{
	int64_t v = number_at(s, c, row);
	struct sv word;
	*ret = (struct sv){ 0 };
	if (v <= 0)
		return 0;
	if (v > UINT32_MAX || word_at(s, (uint32_t)(v - 1), &word, e) < 0)
		return -1;
	*ret = arena_sv(a, word);
	return 0;
}

static int plain_cell(struct segment *s, int c, uint32_t row, struct arena *a, struct sv *ret, struct err *e)
{
	struct sv text;
	*ret = (struct sv){ 0 };
	if (number_at(s, c, row) <= 0)
		return 0;
	if (text_at(s, c + 1, c, 1, row, s->plain_block, &text, e) < 0)
		return -1;
	*ret = arena_sv(a, text);
	return 0;
}

static int read_message(struct segment *s, uint32_t i, struct arena *a, struct txn *t, struct err *e)
{
	int bad = 0;
#define M_TEXT(name, class) bad |= text_cell(s, SECTION_M_##name, i, a, &t->name, e);
#define M_INT(name) t->name = (__typeof__(t->name))number_at(s, SECTION_M_##name, i);
#define R_TEXT(name, class)
#define R_INT(name)
#define R_PLAIN(name)
#include "analyzer/segment_cols.def"
#undef M_TEXT
#undef M_INT
#undef R_TEXT
#undef R_INT
#undef R_PLAIN
	return bad;
}

static int read_rcpt(struct segment *s, uint32_t i, struct arena *a, struct txn_rcpt *x, struct err *e)
{
	int bad = 0;
#define M_TEXT(name, class)
#define M_INT(name)
#define R_TEXT(name, class) bad |= text_cell(s, SECTION_R_##name, i, a, &x->name, e);
#define R_INT(name) x->name = (__typeof__(x->name))number_at(s, SECTION_R_##name, i);
#define R_PLAIN(name) bad |= plain_cell(s, SECTION_R_##name, i, a, &x->name, e);
#include "analyzer/segment_cols.def"
#undef M_TEXT
#undef M_INT
#undef R_TEXT
#undef R_INT
#undef R_PLAIN
	return bad;
}

int segment_txn(struct segment *s, uint32_t index, struct arena *a, struct txn *t, struct err *e)
{
	*t = (struct txn){ 0 };
	if (index >= s->h.messages)
		return err_set(e, "%s: no message %u", s->path, index);
	int64_t from = number_at(s, SECTION_RCPT, index), to = number_at(s, SECTION_RCPT, index + 1);
	if (from < 0 || from > to || to > (int64_t)s->h.recipients)
		return err_set(e, "%s: damaged (recipients)", s->path);
	int bad = read_message(s, index, a, t, e);
	t->n_rcpt = (size_t)(to - from);
	t->rcpt = arena_alloc(a, t->n_rcpt * sizeof *t->rcpt);
	for (size_t i = 0; i < t->n_rcpt && !bad; i++)
		bad = read_rcpt(s, (uint32_t)from + (uint32_t)i, a, &t->rcpt[i], e);
	return bad ? -1 : 0;
}
