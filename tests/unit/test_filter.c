/* Files of filters: they rule out only what a segment does not hold, most of it, and nothing that they cannot know; damage and whatever numbers in a
 * header rule out nothing and read nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "analyzer/segment_filter_int.h"
#include "tests/unit/filter_messages.h"

#define FILES FILTER_SEGMENTS

struct files { char dir[64]; struct filter_member member[FILES]; struct segment *segment[FILES]; int first[FILES + 1]; };

static char *path_in(struct files *f, const char *name)
{
	static char path[160];
	(void)snprintf(path, sizeof path, "%s/%s", f->dir, name);
	return path;
}

/* Segments of 1 to some thousand messages; one of the format before, and one that cannot be read. */
static void write_files(struct files *f)
{
	struct segment_writer *w = segment_writer_new();
	struct made m;
	struct err e = { "" };
	for (unsigned i = 0; i < FILES; i++) {
		int n = 1 + (int)(i % 8) * (int)i * 6;
		struct segment_body *body = xcalloc((size_t)n, sizeof *body);
		struct buf *bytes = xcalloc((size_t)n, sizeof *bytes);
		struct segment_stats stats;
		f->first[i + 1] = f->first[i] + n;
		for (int k = 0; k < n; k++) {
			txn_encode(make(f->first[i] + k, &m), &bytes[k]);
			body[k] = (struct segment_body){ buf_sv(&bytes[k]), (uint64_t)k + 1 };
		}
		(void)snprintf(f->member[i].name, FILTER_NAME, "1-%08u.seg", i);
		assert_int_equal(segment_write(w, path_in(f, f->member[i].name), body, (size_t)n, &stats, &e), 0);
		for (int k = 0; k < n; k++)
			buf_fini(&bytes[k]);
		free(bytes);
		free(body);
		f->segment[i] = segment_open(i == 5 ? "tests/unit/segment-before.seg" : path_in(f, f->member[i].name), &e);
		assert_non_null(f->segment[i]);
		f->member[i].segment = i == 9 ? NULL : f->segment[i];
	}
	segment_writer_free(w);
}

static uint64_t holding(const struct files *f, struct segment_reader *r, const struct archive_query *q)
{
	uint64_t mask = 0;
	struct err e = { "" };
	for (unsigned i = 0; i < FILES; i++) {
		struct buf rows = { 0 };
		assert_int_equal(segment_match(f->segment[i], r, q, &rows, &e), 0);
		mask |= rows.n ? 1ull << i : 0;
		buf_fini(&rows);
	}
	return mask;
}

static const uint64_t always = 1ull << 5 | 1ull << 9;

/* Returns how many segments were not ruled out although they hold nothing of it. */
static int ask_file(const struct files *f, const struct segment_filter *filter, struct segment_reader *r, const struct archive_query *q)
{
	bool damaged = false;
	uint64_t may = segment_filter_ask(filter, q, &damaged), hold = holding(f, r, q);
	assert_false(damaged);
	assert_true((hold & ~may) == 0);
	assert_true((may & always) == always);
	return __builtin_popcountll(may & ~hold & ~always);
}

static void rules_out_only_what_holds_nothing(void **state)
{
	struct files *f = *state;
	struct segment_reader *r = segment_reader_new();
	struct err e = { "" };
	struct made m;
	int64_t bytes;
	int wrong = 0, asked = 0;
	assert_int_equal(segment_filter_write(path_in(f, "1.filter"), f->member, FILES, &bytes, &e), 0);
	struct segment_filter *filter = segment_filter_open(path_in(f, "1.filter"), &e);
	assert_non_null(filter);
	for (unsigned i = 0; i < FILES; i++)
		assert_true(segment_filter_covers(filter, i, f->member[i].name));
	assert_false(segment_filter_covers(filter, 1, f->member[0].name));
	assert_false(segment_filter_covers(filter, FILES, f->member[0].name));
	for (int n = 0; n < f->first[FILES] + 3000; n += 197) { /* the last 3000 are absent */
		const struct txn *t = make(n, &m);
		const struct sv key[ARCHIVE_KEYS] = { t->sender, t->rcpt[0].recipient, t->account, t->client_ip, t->queue_id, t->message_id };
		for (int k = 0; k < ARCHIVE_KEYS; k++) {
			struct archive_query q = { .limit = 0 };
			q.key[k] = k == ARCHIVE_MESSAGE_ID ? archive_bare(key[k]) : key[k];
			if (!q.key[k].p)
				continue;
			wrong += ask_file(f, filter, r, &q);
			asked++;
			q.key[ARCHIVE_RECIPIENT] = SV("LIST@c.example"); /* everybody has it, as the first recipient it was for */
			wrong += ask_file(f, filter, r, &q);
			q.key[ARCHIVE_ACCOUNT] = SV("web9");
			(void)ask_file(f, filter, r, &q);
		}
	}
	assert_true(wrong < asked * 2 * (int)FILES / 25); /* 4 %; as sizes differ, some have much less room than they need */
	segment_filter_free(filter);
	segment_reader_free(r);
}

static void pieces_rule_out_nothing(void **state)
{
	struct files *f = *state;
	struct err e = { "" };
	int64_t bytes;
	bool damaged = false;
	assert_int_equal(segment_filter_write(path_in(f, "1.filter"), f->member, 7, &bytes, &e), 0);
	struct segment_filter *filter = segment_filter_open(path_in(f, "1.filter"), &e);
	assert_non_null(filter);
	struct archive_query q = { .substring = true };
	assert_false(segment_filter_helps(&q));
	assert_int_equal(segment_filter_ask(filter, &q, &damaged), 0x7f);
	q.key[ARCHIVE_SENDER] = SV("nobody");
	assert_false(segment_filter_helps(&q));
	assert_int_equal(segment_filter_ask(filter, &q, &damaged), 0x7f);
	q.substring = false;
	assert_true(segment_filter_helps(&q));
	assert_int_equal(segment_filter_ask(filter, &q, &damaged), 1 << 5);
	q.key[ARCHIVE_SENDER] = SV("@nowhere.example");
	assert_false(segment_filter_helps(&q));
	assert_int_equal(segment_filter_ask(filter, &q, &damaged), 0x7f);
	assert_false(damaged);
	segment_filter_free(filter);
}

static struct buf slurp(const char *path)
{
	struct buf b = { 0 };
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	for (size_t n = 1; n; b.n += n) {
		buf_reserve(&b, 65536);
		n = fread(b.p + b.n, 1, 65536, f);
	}
	assert_int_equal(fclose(f), 0);
	return b;
}

static void put(const char *path, struct sv bytes)
{
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
	assert_int_equal(fclose(f), 0);
}

static uint32_t turn_by(uint32_t *turn)
{
	*turn = *turn * 1664525u + 1013904223u;
	return *turn >> 8;
}

static void ask_some(const char *path)
{
	struct err e;
	bool damaged = false;
	struct segment_filter *filter = segment_filter_open(path, &e);
	static const char *const some[] = { "sender1@a.example", "rcpt7@b.example", "Q7", "m7@id.example", "198.51.100.7", "web9", "" };
	for (size_t i = 0; filter && i < N(some); i++)
		for (int k = 0; k < ARCHIVE_KEYS; k++) {
			struct archive_query q = { .limit = 0 };
			q.key[k] = sv_cstr(some[i]);
			(void)segment_filter_ask(filter, &q, &damaged);
			segment_filter_ahead(filter, &q);
			(void)segment_filter_covers(filter, (unsigned)i * 11, "x");
		}
	segment_filter_free(filter);
}

/* Headers with whatever numbers and a sum that fits, on files of any size. */
static void hostile_headers(void **state)
{
	struct files *f = *state;
	struct err e = { "" };
	int64_t bytes;
	uint32_t turn = 3;
	assert_int_equal(segment_filter_write(path_in(f, "1.filter"), f->member, FILES, &bytes, &e), 0);
	struct buf whole = slurp(path_in(f, "1.filter"));
	for (int i = 0; i < 300; i++) {
		struct buf b = { 0 };
		struct filter_header h;
		buf_add(&b, whole.p, whole.n);
		memcpy(&h, b.p, sizeof h);
		for (unsigned changes = turn_by(&turn) % 3 + 1; changes--;) {
			size_t at = offsetof(struct filter_header, segments) + turn_by(&turn) % (turn_by(&turn) % 2 ? 24 : 280);
			((char *)&h)[at] = (char)(turn_by(&turn) % 4 ? turn_by(&turn) : 255);
		}
		if (i % 3 == 0) { /* pages that go with the file's size */
			h.pages[0] += 1;
			h.pages[1] -= 1;
		}
		h.sum = filter_header_sum(&h);
		memcpy(b.p, &h, sizeof h);
		b.n -= i % 5 == 0 ? turn_by(&turn) % b.n : 0;
		put(path_in(f, "2.filter"), buf_sv(&b));
		ask_some(path_in(f, "2.filter"));
		buf_fini(&b);
	}
	buf_fini(&whole);
}

static void damaged_pages_rule_out_nothing(void **state)
{
	struct files *f = *state;
	struct err e = { "" };
	int64_t bytes;
	struct archive_query q = { .limit = 0 };
	q.key[ARCHIVE_QUEUE_ID] = SV("absent");
	assert_int_equal(segment_filter_write(path_in(f, "1.filter"), f->member, FILES, &bytes, &e), 0);
	struct buf b = slurp(path_in(f, "1.filter"));
	for (size_t at = FILTER_PAGE_BYTES + 12; at < b.n; at += FILTER_PAGE_BYTES)
		b.p[at] ^= 4;
	put(path_in(f, "1.filter"), buf_sv(&b));
	struct segment_filter *filter = segment_filter_open(path_in(f, "1.filter"), &e);
	bool damaged = false;
	assert_non_null(filter);
	assert_true(segment_filter_ask(filter, &q, &damaged) == ~0ull);
	assert_true(damaged);
	segment_filter_free(filter);
	buf_clear(&b);
	buf_addsv(&b, SV("short"));
	put(path_in(f, "1.filter"), buf_sv(&b));
	assert_null(segment_filter_open(path_in(f, "1.filter"), &e));
	buf_fini(&b);
}

static int files_setup(void **state)
{
	struct files *f = xcalloc(1, sizeof *f);
	(void)snprintf(f->dir, sizeof f->dir, "/tmp/aw-filter-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	write_files(f);
	*state = f;
	return 0;
}

static int files_teardown(void **state)
{
	struct files *f = *state;
	int bad = remove_dir(f->dir);
	for (unsigned i = 0; i < FILES; i++)
		segment_free(f->segment[i]);
	free(f);
	return bad;
}

#define OF_FILES(test) cmocka_unit_test_setup_teardown(test, files_setup, files_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OF_FILES(rules_out_only_what_holds_nothing), OF_FILES(pieces_rule_out_nothing), OF_FILES(hostile_headers), OF_FILES(damaged_pages_rule_out_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
