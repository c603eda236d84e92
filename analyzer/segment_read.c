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

struct segment {
	char *path;
	const char *map;
	size_t n;
	struct segment_header h;
	char *unpacked[SECTIONS]; /* heap, for compressed ones */
	uint32_t *offset;         /* of each string in the text, and of its end; made when needed */
	uint32_t *plain_offset;   /* the same of the recipients' replies */
};

/* --- opening ------------------------------------------------------------------------------------------------------ */

static int check_header(struct segment *s, struct err *e)
{
	if (s->n < sizeof s->h || memcmp(s->map, SEGMENT_MAGIC, 8) != 0)
		return err_set(e, "%s: not a segment of messages", s->path);
	memcpy(&s->h, s->map, sizeof s->h);
	if (s->h.sections != SECTIONS)
		return err_set(e, "%s: made by another version", s->path);
	for (int c = 0; c < SECTIONS; c++) {
		const struct segment_section *x = &s->h.section[c];
		if (x->offset > s->n || x->stored > s->n - x->offset || x->raw > SEGMENT_RAW_MAX)
			return err_set(e, "%s: damaged (section %d)", s->path, c);
	}
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
	for (int c = 0; c < SECTIONS; c++)
		free(s->unpacked[c]);
	free(s->offset);
	free(s->plain_offset);
	if (s->map)
		munmap((void *)(uintptr_t)s->map, s->n);
	free(s->path);
	free(s);
}

/* The bytes of a section, or NULL and e. want: how many there must be. */
static const char *section(struct segment *s, int c, size_t want, struct err *e)
{
	const struct segment_section *x = &s->h.section[c];
	if (x->raw < want) {
		(void)err_set(e, "%s: damaged (section %d is short)", s->path, c);
		return NULL;
	}
	if (x->raw == x->stored)
		return s->map + x->offset;
	if (s->unpacked[c])
		return s->unpacked[c];
#ifdef WITH_ZSTD
	char *p = xmalloc(x->raw);
	if (ZSTD_decompress(p, x->raw, s->map + x->offset, x->stored) == x->raw)
		return s->unpacked[c] = p;
	free(p);
	(void)err_set(e, "%s: damaged (section %d does not unpack)", s->path, c);
#else
	(void)err_set(e, "%s: compressed by zstd, which this build lacks", s->path);
#endif
	return NULL;
}

static uint32_t u32_at(const char *p, size_t i)
{
	uint32_t v;
	memcpy(&v, p + i * sizeof v, sizeof v);
	return v;
}

static int64_t i64_at(const char *p, size_t i)
{
	int64_t v;
	memcpy(&v, p + i * sizeof v, sizeof v);
	return v;
}

static uint16_t u16_at(const char *p, size_t i)
{
	uint16_t v;
	memcpy(&v, p + i * sizeof v, sizeof v);
	return v;
}

/* Where each of n texts begins, from their lengths (less `more` each, when not 0); all of them must fit into bytes. */
static int sum_up(struct segment *s, const char *lengths, size_t n, unsigned more, size_t bytes, uint32_t **ret, struct err *e)
{
	uint32_t *v = xmalloc((n + 1) * sizeof *v);
	uint64_t at = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned length = u16_at(lengths, i);
		v[i] = (uint32_t)at;
		at += length > more ? length - more : 0;
	}
	v[n] = (uint32_t)at;
	if (at > bytes) {
		free(v);
		return err_set(e, "%s: damaged (texts)", s->path);
	}
	*ret = v;
	return 0;
}

static struct sv word_at(const struct segment *s, const char *text, uint32_t i)
{
	if (i >= s->h.strings)
		return (struct sv){ 0 };
	return sv_make(text + s->offset[i], s->offset[i + 1] - s->offset[i]);
}

/* The dictionary's texts; s->offset says where each begins. */
static const char *dictionary(struct segment *s, struct err *e)
{
	const char *lengths = section(s, SECTION_LENGTH, (size_t)s->h.strings * sizeof(uint16_t), e);
	const char *text = lengths ? section(s, SECTION_TEXT, 0, e) : NULL;
	if (text && !s->offset && sum_up(s, lengths, s->h.strings, 0, s->h.section[SECTION_TEXT].raw, &s->offset, e) < 0)
		return NULL;
	return text;
}

/* --- matching ----------------------------------------------------------------------------------------------------- */

static bool folded_at(struct sv hay, size_t at, struct sv needle)
{
	return strncasecmp(hay.p + at, needle.p, needle.n) == 0;
}

bool archive_key_matches(struct sv value, struct sv key, bool substring)
{
	if (!value.p)
		return false;
	if (value.n >= 2 && value.p[0] == '<')
		value = sv_make(value.p + 1, value.n - 2);
	if (key.n > value.n)
		return false;
	if (key.n && key.p[0] == '@')
		return folded_at(value, value.n - key.n, key);
	if (!substring)
		return key.n == value.n && folded_at(value, 0, key);
	for (size_t at = 0; at + key.n <= value.n; at++)
		if (folded_at(value, at, key))
			return true;
	return false;
}

/* Which dictionary words answer to a key: a bit per word. NULL when none does. *ret_any says whether to go on. */
struct wanted { uint8_t *bit; bool any; };

static void want(struct wanted *w, uint32_t i)
{
	w->bit[i / 8] |= (uint8_t)(1u << (i % 8));
	w->any = true;
}

static bool is_wanted(const struct wanted *w, uint32_t word)
{
	return word && (w->bit[(word - 1) / 8] >> ((word - 1) % 8) & 1);
}

/* The first of the sorted hashes that is not below h. They are spread evenly, so a guess is nearly right: one page of the file is
 * touched instead of one per halving. */
static uint32_t first_not_below(const char *hashes, uint32_t n, uint32_t h)
{
	uint32_t lo = 0, hi = n, step = 64; /* what is looked for lies in lo … hi, both included */
	uint32_t guess = (uint32_t)((uint64_t)h * n >> 32);
	for (; guess > 0 && u32_at(hashes, guess - 1) >= h; step *= 2) {
		hi = guess - 1;
		guess = hi > step ? hi - step : 0;
	}
	lo = guess;
	for (step = 64; hi - lo > step && u32_at(hashes, lo + step) < h; step *= 2)
		lo += step + 1;
	if (hi - lo > step)
		hi = lo + step;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (u32_at(hashes, mid) < h)
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

/* The words whose text equals key, which may be logged as <key>. */
static int want_exact(struct segment *s, struct sv key, bool bracketed, struct wanted *w, struct err *e)
{
	char text[512];
	const char *hashes = section(s, SECTION_HASH, (size_t)s->h.strings * sizeof(uint32_t), e), *words = NULL;
	if (!hashes)
		return -1;
	if (key.n + 2 > sizeof text)
		return 0;
	text[0] = '<';
	memcpy(text + 1, key.p, key.n);
	text[key.n + 1] = '>';
	struct sv wanted = bracketed ? sv_make(text, key.n + 2) : key;
	uint32_t h = (uint32_t)(segment_hash(wanted) >> 32);
	for (uint32_t i = first_not_below(hashes, s->h.strings, h); i < s->h.strings && u32_at(hashes, i) == h; i++) {
		if (!words && !(words = dictionary(s, e)))
			return -1;
		if (same_folded(word_at(s, words, i), wanted))
			want(w, i);
	}
	return 0;
}

static int want_scan(struct segment *s, struct sv key, bool substring, struct wanted *w, struct err *e)
{
	const char *text = dictionary(s, e);
	if (!text)
		return -1;
	for (uint32_t i = 0; i < s->h.strings; i++)
		if (archive_key_matches(word_at(s, text, i), key, substring))
			want(w, i);
	return 0;
}

static int want_words(struct segment *s, enum archive_key k, struct sv key, bool substring, struct wanted *w, struct err *e)
{
	w->bit = xcalloc(s->h.strings / 8 + 1, 1);
	if (key.n && (key.p[0] == '@' || (substring && (k == ARCHIVE_SENDER || k == ARCHIVE_RECIPIENT || k == ARCHIVE_ACCOUNT))))
		return want_scan(s, key, substring, w, e);
	if (want_exact(s, key, false, w, e) < 0)
		return -1;
	return k == ARCHIVE_MESSAGE_ID ? want_exact(s, key, true, w, e) : 0;
}

static const int key_section[ARCHIVE_KEYS] = {
	[ARCHIVE_SENDER] = SECTION_M_sender,     [ARCHIVE_RECIPIENT] = SECTION_R_recipient, [ARCHIVE_ACCOUNT] = SECTION_M_account,
	[ARCHIVE_CLIENT] = SECTION_M_client_ip,  [ARCHIVE_QUEUE_ID] = SECTION_M_queue_id,   [ARCHIVE_MESSAGE_ID] = SECTION_M_message_id,
};

static bool rcpt_wanted(const struct segment *s, const char *rcpt, const char *first, const char *orig, const struct wanted *w, uint32_t i)
{
	uint32_t from = u32_at(first, i), to = u32_at(first, i + 1);
	for (uint32_t r = from; r < to && r < s->h.recipients; r++)
		if (is_wanted(w, u32_at(rcpt, r)) || is_wanted(w, u32_at(orig, r)))
			return true;
	return false;
}

/* Clears the candidates that do not answer to this key. */
static int narrow(struct segment *s, enum archive_key k, struct sv key, bool substring, uint8_t *candidate, struct err *e)
{
	struct wanted w = { 0 };
	bool is_rcpt = k == ARCHIVE_RECIPIENT;
	size_t rows = is_rcpt ? s->h.recipients : s->h.messages;
	int bad = want_words(s, k, key, substring, &w, e);
	if (!bad && !w.any)
		memset(candidate, 0, s->h.messages);
	if (!bad && w.any) {
		const char *column = section(s, key_section[k], rows * sizeof(uint32_t), e);
		const char *first = is_rcpt && column ? section(s, SECTION_RCPT, ((size_t)s->h.messages + 1) * sizeof(uint32_t), e) : NULL;
		const char *orig = is_rcpt && first ? section(s, SECTION_R_orig_recipient, rows * sizeof(uint32_t), e) : NULL;
		bad = !column || (is_rcpt && !orig) ? -1 : 0;
		for (uint32_t i = 0; !bad && i < s->h.messages; i++)
			if (candidate[i])
				candidate[i] = is_rcpt ? rcpt_wanted(s, column, first, orig, &w, i) : is_wanted(&w, u32_at(column, i));
	}
	free(w.bit);
	return bad;
}

static int narrow_time(struct segment *s, const struct archive_query *q, uint8_t *candidate, struct err *e)
{
	const char *last = section(s, SECTION_M_last_us, (size_t)s->h.messages * 8, e);
	const char *first = last ? section(s, SECTION_M_first_us, (size_t)s->h.messages * 8, e) : NULL;
	if (!first)
		return -1;
	for (uint32_t i = 0; i < s->h.messages; i++)
		if ((q->since_us && i64_at(last, i) < q->since_us) || (q->until_us && i64_at(first, i) > q->until_us))
			candidate[i] = 0;
	return 0;
}

int64_t segment_match(struct segment *s, const struct archive_query *q, segment_cb *cb, void *ctx, struct err *e)
{
	uint8_t *candidate = xmalloc(s->h.messages + 1u);
	int bad = 0;
	int64_t calls = 0;
	memset(candidate, 1, s->h.messages + 1u);
	for (int k = 0; k < ARCHIVE_KEYS && !bad; k++)
		if (q->key[k].p)
			bad = narrow(s, (enum archive_key)k, q->key[k], q->substring, candidate, e);
	if (!bad && (q->since_us || q->until_us))
		bad = narrow_time(s, q, candidate, e);
	for (uint32_t i = s->h.messages; !bad && i-- > 0;)
		if (candidate[i]) {
			calls++;
			if (!cb(ctx, i))
				break;
		}
	free(candidate);
	return bad ? -1 : calls;
}

/* --- one message -------------------------------------------------------------------------------------------------- */

struct reader {
	struct segment *s;
	const char *text;
	struct err *e;
	bool bad;
};

static struct sv text_cell(struct reader *r, int c, uint32_t row, size_t rows)
{
	const char *column = r->bad ? NULL : section(r->s, c, rows * sizeof(uint32_t), r->e);
	if (!column) {
		r->bad = true;
		return (struct sv){ 0 };
	}
	uint32_t v = u32_at(column, row);
	return v ? word_at(r->s, r->text, v - 1) : (struct sv){ 0 };
}

static void int_cell(struct reader *r, int c, uint32_t row, size_t rows, void *ret, size_t size)
{
	const char *column = r->bad ? NULL : section(r->s, c, rows * size, r->e);
	if (!column)
		r->bad = true;
	else
		memcpy(ret, column + row * size, size);
}

static struct sv plain_cell(struct reader *r, int c, uint32_t row, size_t rows)
{
	struct segment *s = r->s;
	const char *lengths = r->bad ? NULL : section(s, c, rows * sizeof(uint16_t), r->e);
	const char *text = lengths ? section(s, c + 1, 0, r->e) : NULL;
	if (!text || (!s->plain_offset && sum_up(s, lengths, rows, 1, s->h.section[c + 1].raw, &s->plain_offset, r->e) < 0)) {
		r->bad = true;
		return (struct sv){ 0 };
	}
	return u16_at(lengths, row) ? sv_make(text + s->plain_offset[row], s->plain_offset[row + 1] - s->plain_offset[row]) : (struct sv){ 0 };
}

static void read_message(struct reader *r, uint32_t i, struct txn *t)
{
	size_t rows = r->s->h.messages;
#define M_TEXT(name) t->name = text_cell(r, SECTION_M_##name, i, rows);
#define M_INT(name, type) int_cell(r, SECTION_M_##name, i, rows, &t->name, sizeof t->name);
#define R_TEXT(name)
#define R_INT(name, type)
#define R_PLAIN(name)
#include "analyzer/segment_cols.def"
#undef M_TEXT
#undef M_INT
#undef R_TEXT
#undef R_INT
#undef R_PLAIN
}

static void read_rcpt(struct reader *r, uint32_t i, struct txn_rcpt *x)
{
	size_t rows = r->s->h.recipients;
#define M_TEXT(name)
#define M_INT(name, type)
#define R_TEXT(name) x->name = text_cell(r, SECTION_R_##name, i, rows);
#define R_INT(name, type) int_cell(r, SECTION_R_##name, i, rows, &x->name, sizeof x->name);
#define R_PLAIN(name) x->name = plain_cell(r, SECTION_R_##name, i, rows);
#include "analyzer/segment_cols.def"
#undef M_TEXT
#undef M_INT
#undef R_TEXT
#undef R_INT
#undef R_PLAIN
}

int segment_txn(struct segment *s, uint32_t index, struct arena *a, struct txn *t, struct err *e)
{
	struct reader r = { .s = s, .e = e };
	*t = (struct txn){ 0 };
	if (index >= s->h.messages || !(r.text = dictionary(s, e)))
		return -1;
	const char *first = section(s, SECTION_RCPT, ((size_t)s->h.messages + 1) * sizeof(uint32_t), e);
	if (!first)
		return -1;
	uint32_t from = u32_at(first, index), to = u32_at(first, index + 1);
	if (from > to || to > s->h.recipients)
		return err_set(e, "%s: damaged (recipients)", s->path);
	read_message(&r, index, t);
	t->n_rcpt = to - from;
	t->rcpt = arena_alloc(a, t->n_rcpt * sizeof *t->rcpt);
	for (uint32_t i = from; i < to; i++)
		read_rcpt(&r, i, &t->rcpt[i - from]);
	return r.bad ? -1 : 0;
}
