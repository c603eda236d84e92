/* What a message needs is some thirty pages of the file, far apart. Asked for one after the other each would wait for the disk; here they are
 * all asked for before the first is looked at. Says nothing of damage: reading does. */
#include <sys/mman.h>

#include "analyzer/segment_reading.h"

#define PAGE_BYTES 4096u
#define TABLE_BYTES 12288u /* of a section of blocks: its table, as a rule */

static void want(const struct segment *s, uint64_t offset, size_t n)
{
	uint64_t from = offset & ~(uint64_t)(PAGE_BYTES - 1);
	if (n && offset < s->n && n <= s->n - offset)
		(void)madvise((void *)(uintptr_t)(s->map + from), offset + n - from, MADV_WILLNEED);
}

static void want_cell(const struct segment *s, int c, size_t row)
{
	const struct segment_section *x = &s->h.section[c];
	if (x->packed.width)
		want(s, x->offset + x->packed.table * 8u + row * x->packed.width / 8, 8);
}

static void want_table(const struct segment *s, int c)
{
	want(s, s->h.section[c].offset, s->h.section[c].bytes < TABLE_BYTES ? s->h.section[c].bytes : TABLE_BYTES);
}

static void want_text(const struct segment *s, int c, uint32_t item)
{
	struct segment_blocks b;
	struct err e;
	if (segment_blocks(s, c, &b, &e) < 0 || !b.n)
		return;
	uint32_t k = segment_block_with(&b, item);
	struct segment_block block = segment_block_at(&b, k), next = segment_block_at(&b, k + 1);
	if (block.at < next.at && next.at <= b.bodies_bytes)
		want(s, (uint64_t)(b.bodies - s->map) + block.at, next.at - block.at);
}

/* What asks for something of each column: of its cell; of the word or text in it; of the domain of an address. */
enum round { CELLS, WORDS, DOMAINS };

static void want_word(const struct segment *s, int c, size_t row, enum round round)
{
	int64_t v = segment_number(s, c, row), d;
	if (v <= 0 || v > (int64_t)s->words)
		return;
	bool address = v <= (int64_t)s->h.words[0] && !s->before;
	if (round == WORDS) {
		want_text(s, SECTION_TEXT, (uint32_t)v - 1);
		if (address)
			want_cell(s, SECTION_DOMAIN, (size_t)v - 1);
	} else if (address && (d = segment_number(s, SECTION_DOMAIN, (size_t)v - 1)) > 0 && d <= (int64_t)s->h.domains) {
		want_text(s, SECTION_TEXT, s->h.words[0] + s->h.words[1] + (uint32_t)d - 1);
	}
}

static void want_of_text(const struct segment *s, int c, size_t row, enum round round)
{
	if (round == CELLS)
		want_cell(s, c, row);
	else
		want_word(s, c, row, round);
}

static void want_of_key(const struct segment *s, int c, int texts, size_t row, enum round round)
{
	if (s->before && c != SECTION_R_reply) /* words in that format */
		want_of_text(s, c, row, round);
	else if (round == CELLS)
		want_cell(s, c, row);
	else if (round == WORDS)
		want_text(s, texts, (uint32_t)row);
}

static void want_number(const struct segment *s, int c, size_t row, enum round round)
{
	if (round == CELLS)
		want_cell(s, c, row);
}

static void want_of_message(const struct segment *s, size_t row, enum segment_part part, enum round round)
{
#define M_TEXT(name, class) if (segment_asked(part, SECTION_M_##name)) want_of_text(s, SECTION_M_##name, row, round);
#define M_KEY(name) if (segment_asked(part, SECTION_M_##name)) want_of_key(s, SECTION_M_##name, SECTION_##name##_text, row, round);
#define M_INT(name) want_number(s, SECTION_M_##name, row, round);
#define M_TIME(name) M_INT(name)
#include "analyzer/segment_cols.def"
}

static void want_of_recipient(const struct segment *s, size_t row, enum segment_part part, enum round round)
{
#define R_TEXT(name, class) if (segment_asked(part, SECTION_R_##name)) want_of_text(s, SECTION_R_##name, row, round);
#define R_INT(name) want_number(s, SECTION_R_##name, row, round);
#define R_TIME(name) R_INT(name)
#define R_PLAIN(name) if (segment_asked(part, SECTION_R_##name)) want_of_key(s, SECTION_R_##name, SECTION_R_##name##_text, row, round);
#include "analyzer/segment_cols.def"
}

void segment_match_ahead(const struct segment *s, const struct archive_query *q)
{
	int64_t from, to;
	for (int k = 0; k < ARCHIVE_KEYS && !s->before; k++) {
		enum segment_index index = segment_index_of(q, (enum archive_key)k);
		if (index == INDEXES || !segment_bucket(s, index, segment_hash(q->key[k]), &from, &to) || from == to)
			continue;
		const struct segment_section *x = &s->h.section[SECTION_INDEX + (int)index * INDEX_PARTS + INDEX_HASH];
		uint64_t first = x->packed.table * 8u + (uint64_t)from * x->packed.width / 8, last = x->packed.table * 8u + (uint64_t)to * x->packed.width / 8;
		if (last <= x->bytes)
			want(s, x->offset + first, last - first);
	}
}

#define RECIPIENTS_MOST 8 /* the others lie near these */

void segment_message_ahead(const struct segment *s, uint32_t index, enum segment_part part)
{
	if (index >= s->h.messages)
		return;
	want_cell(s, SECTION_RCPT, index);
	want_table(s, SECTION_TEXT);
	want_table(s, SECTION_queue_id_text);
	if (part == SEGMENT_WHOLE) {
		want_table(s, SECTION_message_id_text);
		want_table(s, SECTION_R_reply_text);
	}
	want_of_message(s, index, part, CELLS);
	int64_t from = segment_number(s, SECTION_RCPT, index), to = segment_number(s, SECTION_RCPT, index + 1);
	if (from < 0 || from > to || to > (int64_t)s->h.recipients)
		return;
	to = to - from < RECIPIENTS_MOST ? to : from + RECIPIENTS_MOST;
	for (enum round round = CELLS; round <= DOMAINS; round++) {
		if (round != CELLS)
			want_of_message(s, index, part, round);
		for (int64_t r = from; r < to; r++)
			want_of_recipient(s, (size_t)r, part, round);
	}
}
