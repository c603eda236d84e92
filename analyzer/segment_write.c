#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef WITH_ZSTD
#include <zstd.h>
#endif

#include "analyzer/segment.h"
#include "analyzer/segment_int.h"
#include "lib/buf.h"
#include "lib/hash.h"

static const struct hash_key segment_key; /* zero: hashes in a file must not depend on the site */

struct word { uint64_t hash; struct sv text; };
struct rank { uint64_t hash; uint32_t number; };

struct writer {
	struct buf column[SECTIONS];
	struct word *word;
	uint32_t n_words, cap_words;
	uint32_t *slot; /* 1 + index of word */
	size_t cap;
	struct sv last_text[SECTIONS]; /* of the row before, and its number */
	uint32_t last[SECTIONS];
	uint32_t messages, recipients;
	struct segment_stats stats;
};

static void grow_slots(struct writer *w)
{
	w->cap = w->cap ? w->cap * 2 : 1u << 14;
	free(w->slot);
	w->slot = xcalloc(w->cap, sizeof *w->slot);
	for (uint32_t i = 0; i < w->n_words; i++) {
		size_t at = (size_t)w->word[i].hash & (w->cap - 1);
		while (w->slot[at])
			at = (at + 1) & (w->cap - 1);
		w->slot[at] = i + 1;
	}
}

/* 1 + provisional number of the text. The dictionary is numbered anew when it is sorted. */
static uint32_t intern(struct writer *w, struct sv s)
{
	if (!s.p)
		return 0;
	if ((size_t)w->n_words * 2 >= w->cap)
		grow_slots(w);
	uint64_t h = segment_hash(s);
	size_t at = (size_t)h & (w->cap - 1);
	for (; w->slot[at]; at = (at + 1) & (w->cap - 1)) {
		struct word *x = &w->word[w->slot[at] - 1];
		/* no word, no slot that is taken: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
		if (x->hash == h && sv_eq(x->text, s))
			return w->slot[at];
	}
	if (w->n_words == w->cap_words) {
		w->cap_words = w->cap_words ? w->cap_words * 2 : 8192;
		w->word = xrealloc(w->word, w->cap_words * sizeof *w->word);
	}
	w->word[w->n_words] = (struct word){ h, s };
	w->slot[at] = ++w->n_words;
	return w->n_words;
}

static inline void put(struct buf *b, const void *v, size_t n)
{
	if (b->cap - b->n < n)
		buf_reserve(b, n > 65536 ? n : 65536);
	memcpy(b->p + b->n, v, n); /* n is a constant wherever this is inlined */
	b->n += n;
}

static void put_text(struct writer *w, enum section c, struct sv s)
{
	/* Hosts, statuses and relays repeat from row to row. */
	if (!w->last[c] || !sv_eq(w->last_text[c], s) || sv_absent(s) != sv_absent(w->last_text[c])) {
		w->last_text[c] = s;
		w->last[c] = intern(w, s);
	}
	uint32_t v = sv_absent(s) ? 0 : w->last[c];
	put(&w->column[c], &v, sizeof v);
}

static void add_message(struct writer *w, const struct txn *t)
{
	buf_add(&w->column[SECTION_RCPT], &w->recipients, sizeof w->recipients);
#define M_TEXT(name) put_text(w, SECTION_M_##name, t->name);
#define M_INT(name, type) { type v = t->name; put(&w->column[SECTION_M_##name], &v, sizeof v); }
#define R_TEXT(name)
#define R_INT(name, type)
#include "analyzer/segment_cols.def"
#undef M_TEXT
#undef M_INT
#undef R_TEXT
#undef R_INT
	for (size_t i = 0; i < t->n_rcpt; i++) {
		const struct txn_rcpt *r = &t->rcpt[i];
#define M_TEXT(name)
#define M_INT(name, type)
#define R_TEXT(name) put_text(w, SECTION_R_##name, r->name);
#define R_INT(name, type) { type v = r->name; put(&w->column[SECTION_R_##name], &v, sizeof v); }
#include "analyzer/segment_cols.def"
#undef M_TEXT
#undef M_INT
#undef R_TEXT
#undef R_INT
	}
	w->messages++;
	w->recipients += (uint32_t)t->n_rcpt;
	if (!w->stats.first_us || t->first_us < w->stats.first_us)
		w->stats.first_us = t->first_us;
	if (t->last_us > w->stats.last_us)
		w->stats.last_us = t->last_us;
}

/* LSD radix sort by hash, 16 bits a round; three rounds order 48 bits, the rest is settled by insertion. */
static struct rank *ranked(const struct writer *w)
{
	uint32_t *count = xmalloc(65536 * sizeof *count);
	struct rank *a = xmalloc((w->n_words + 1u) * sizeof *a), *b = xmalloc((w->n_words + 1u) * sizeof *b);
	for (uint32_t i = 0; i < w->n_words; i++)
		a[i] = (struct rank){ w->word[i].hash, i };
	for (unsigned shift = 16; shift < 64; shift += 16) {
		uint32_t sum = 0;
		memset(count, 0, 65536 * sizeof *count);
		for (uint32_t i = 0; i < w->n_words; i++)
			count[a[i].hash >> shift & 0xffff]++;
		for (uint32_t k = 0; k < 65536; k++) {
			uint32_t n = count[k];
			count[k] = sum;
			sum += n;
		}
		for (uint32_t i = 0; i < w->n_words; i++)
			b[count[a[i].hash >> shift & 0xffff]++] = a[i];
		struct rank *t = a;
		a = b;
		b = t;
	}
	for (uint32_t i = 1; i < w->n_words; i++)
		for (uint32_t k = i; k > 0 && a[k - 1].hash > a[k].hash; k--) {
			struct rank t = a[k];
			a[k] = a[k - 1];
			a[k - 1] = t;
		}
	free(b);
	free(count);
	return a;
}

static void renumber(struct buf *column, const uint32_t *new_number)
{
	for (size_t at = 0; at < column->n; at += sizeof(uint32_t)) {
		uint32_t v;
		memcpy(&v, column->p + at, sizeof v);
		if (v) {
			v = new_number[v - 1] + 1;
			memcpy(column->p + at, &v, sizeof v);
		}
	}
}

static void dictionary(struct writer *w)
{
	uint32_t *new_number = xmalloc(w->n_words * sizeof *new_number), offset = 0;
	struct rank *order = ranked(w);
	for (uint32_t i = 0; i < w->n_words; i++) {
		struct sv text = w->word[order[i].number].text;
		new_number[order[i].number] = i;
		buf_add(&w->column[SECTION_HASH], &order[i].hash, sizeof(uint64_t));
		buf_add(&w->column[SECTION_OFFSET], &offset, sizeof offset);
		buf_addsv(&w->column[SECTION_TEXT], text);
		offset += (uint32_t)text.n;
	}
	free(order);
	buf_add(&w->column[SECTION_OFFSET], &offset, sizeof offset);
	buf_add(&w->column[SECTION_RCPT], &w->recipients, sizeof w->recipients);
#define M_TEXT(name) renumber(&w->column[SECTION_M_##name], new_number);
#define R_TEXT(name) renumber(&w->column[SECTION_R_##name], new_number);
#define M_INT(name, type)
#define R_INT(name, type)
#include "analyzer/segment_cols.def"
#undef M_TEXT
#undef M_INT
#undef R_TEXT
#undef R_INT
	free(new_number);
}

static void pack(struct buf *column, enum section c, struct buf *out, struct segment_section *ret)
{
	*ret = (struct segment_section){ out->n, (uint32_t)column->n, (uint32_t)column->n };
#ifdef WITH_ZSTD
	/* Hashes are noise; everything else packs. */
	if (c != SECTION_HASH && column->n > 64) {
		size_t bound = ZSTD_compressBound(column->n);
		buf_reserve(out, bound);
		size_t n = ZSTD_compress(out->p + out->n, bound, column->p, column->n, 1);
		if (!ZSTD_isError(n) && n < column->n) {
			out->n += n;
			ret->stored = (uint32_t)n;
			return;
		}
	}
#else
	(void)c;
#endif
	buf_add(out, column->p, column->n);
}

static int write_file(const char *path, struct sv bytes, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return err_set(e, "%s: cannot create it: %m", path);
	while (bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		bytes = sv_skip(bytes, (size_t)n);
	}
	if (bytes.n || fdatasync(fd) < 0) {
		(void)err_set(e, "%s: cannot write it: %m", path);
		close(fd);
		unlink(path);
		return -1;
	}
	close(fd);
	return 0;
}

static int write_out(struct writer *w, const char *path, struct err *e)
{
	struct segment_header h = { .messages = w->messages, .recipients = w->recipients, .strings = w->n_words, .sections = SECTIONS };
	struct buf out = { 0 };
	memcpy(h.magic, SEGMENT_MAGIC, sizeof h.magic);
	buf_add(&out, &h, sizeof h);
	for (int c = 0; c < SECTIONS; c++) {
		pack(&w->column[c], (enum section)c, &out, &h.section[c]);
		while (out.n % 8)
			buf_addc(&out, 0);
	}
	memcpy(out.p, &h, sizeof h);
	w->stats.messages = w->messages;
	w->stats.recipients = w->recipients;
	w->stats.bytes = (int64_t)out.n;
	int bad = write_file(path, buf_sv(&out), e);
	buf_fini(&out);
	return bad;
}

static uint64_t message_identity(const struct txn *t)
{
	return hash_mix(hash_mix(hash_sv(&segment_key, t->host), hash_sv(&segment_key, t->queue_id)), (uint64_t)t->first_us);
}

/* Which bodies are the last report of their message. */
static void mark_last(const struct txn *t, size_t n, bool *last)
{
	size_t cap = 64;
	while (cap < n * 2)
		cap *= 2;
	uint64_t *seen = xcalloc(cap, sizeof *seen);
	for (size_t i = n; i-- > 0;) {
		uint64_t id = message_identity(&t[i]) | 1;
		size_t at = (size_t)(id >> 8) & (cap - 1);
		while (seen[at] && seen[at] != id)
			at = (at + 1) & (cap - 1);
		last[i] = seen[at] != id;
		seen[at] = id;
	}
	free(seen);
}

int segment_write(const char *path, const struct sv *bodies, size_t n, struct segment_stats *ret_stats, struct err *e)
{
	struct writer w = { 0 };
	struct arena a = { 0 };
	struct txn *t = xcalloc(n, sizeof *t);
	bool *last = xcalloc(n, sizeof *last);
	int bad = 0;
	for (size_t i = 0; i < n && !bad; i++)
		bad = txn_decode(bodies[i], &a, &t[i], e);
	if (!bad) {
		mark_last(t, n, last);
		for (size_t i = 0; i < n; i++)
			if (last[i])
				add_message(&w, &t[i]);
		dictionary(&w);
		bad = write_out(&w, path, e);
		*ret_stats = w.stats;
	}
	for (int c = 0; c < SECTIONS; c++)
		buf_fini(&w.column[c]);
	free(w.word);
	free(w.slot);
	free(t);
	free(last);
	arena_fini(&a);
	return bad;
}
