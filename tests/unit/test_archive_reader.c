/* Packed logs: the same bytes whether a thread unpacks them ahead or not, and whatever unpacks them; members one after the other; damaged and short files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "collector/archive_reader.h"
#include "lib/buf.h"

#define LOG_BYTES (5u << 20) /* more than all blocks that wait */

static char path[] = "/tmp/aw-archive.XXXXXX";

static struct buf text(void)
{
	struct buf b = { 0 };
	uint32_t turn = 1;
	while (b.n < LOG_BYTES) {
		turn = turn * 1664525u + 1013904223u;
		buf_printf(&b, "Nov 24 00:00:%02u mx1 postfix/smtpd[%u]: connect from host%u.example[192.0.2.%u]\n", turn >> 8 & 31, turn >> 20, turn >> 4, turn >> 24);
	}
	return b;
}

/* One gzip member. */
static struct buf packed(struct sv s)
{
	struct buf b = { 0 };
	z_stream z = { .next_in = (Bytef *)(uintptr_t)s.p, .avail_in = (unsigned)s.n };
	assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	buf_reserve(&b, deflateBound(&z, s.n));
	z.next_out = (Bytef *)b.p;
	z.avail_out = (unsigned)b.cap;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	b.n = b.cap - z.avail_out;
	deflateEnd(&z);
	return b;
}

static void put(struct sv s)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(s.p, 1, s.n, f), s.n);
	assert_int_equal(fclose(f), 0);
}

enum { HERE, AHEAD, BY_ZLIB, WAYS };

/* Everything that comes; how it ends. */
static int all(int way, struct buf *ret, struct err *e)
{
	struct archive_reader *r = archive_reader_open(path, e);
	struct sv block;
	int how;
	assert_non_null(r);
	if (way == BY_ZLIB)
		assert_int_equal(archive_reader_by_zlib(r), 0);
	if (way == AHEAD)
		archive_reader_ahead(r);
	while ((how = archive_reader_next(r, &block, e)) > 0)
		buf_addsv(ret, block);
	assert_int_equal(archive_reader_next(r, &block, e), how); /* and stays so */
	if (how == 0)
		assert_int_equal(archive_reader_position(r), archive_reader_size(r));
	archive_reader_close(r);
	return how;
}

static void same_bytes(void **state)
{
	(void)state;
	struct buf want = text(), once = packed(buf_sv(&want)), twice = { 0 };
	buf_addsv(&twice, buf_sv(&once));
	buf_addsv(&twice, buf_sv(&once));
	put(buf_sv(&twice));
	for (int way = 0; way < WAYS; way++) {
		struct buf got = { 0 };
		struct err e;
		assert_int_equal(all(way, &got, &e), 0);
		assert_int_equal(got.n, 2 * want.n);
		assert_memory_equal(got.p, want.p, want.n);
		assert_memory_equal(got.p + want.n, want.p, want.n);
		buf_fini(&got);
	}
	buf_fini(&want);
	buf_fini(&once);
	buf_fini(&twice);
}

static void not_packed(void **state)
{
	(void)state;
	struct buf want = text(), got = { 0 };
	struct err e;
	put(buf_sv(&want));
	assert_int_equal(all(AHEAD, &got, &e), 0);
	assert_true(sv_eq(buf_sv(&got), buf_sv(&want)));
	buf_fini(&want);
	buf_fini(&got);
}

/* What came before the damage is given, then the error. */
static void broken(struct sv file, const char *why)
{
	put(file);
	for (int way = 0; way < WAYS; way++) {
		struct buf got = { 0 };
		struct err e;
		assert_int_equal(all(way, &got, &e), -1);
		assert_non_null(strstr(e.text, why));
		assert_true(got.n > LOG_BYTES / 4 && got.n < LOG_BYTES);
		buf_fini(&got);
	}
}

static void damaged(void **state)
{
	(void)state;
	struct buf want = text(), b = packed(buf_sv(&want));
	broken(sv_take(buf_sv(&b), b.n / 2), "ends in the middle");
	memset(b.p + b.n / 2, 0xff, 64);
	broken(buf_sv(&b), "damaged gzip data");
	buf_fini(&want);
	buf_fini(&b);
}

/* A member with all fields that a head may have, and what follows the data is as given. */
static struct buf member(struct sv s, const char *head, size_t head_n, uint32_t crc_off, uint32_t length_off)
{
	struct buf whole = packed(s), b = { 0 };
	uint32_t tail[2];
	memcpy(tail, whole.p + whole.n - 8, 8);
	tail[0] += crc_off;
	tail[1] += length_off;
	buf_add(&b, head, head_n);
	buf_add(&b, whole.p + 10, whole.n - 18);
	buf_add(&b, tail, 8);
	buf_fini(&whole);
	return b;
}

/* The file's bytes and end, read in each way: the same to the letter. */
static int same_end(struct sv file, struct buf *ret, struct err *ret_e)
{
	int how = 0;
	put(file);
	for (int way = 0; way < WAYS; way++) {
		struct buf got = { 0 };
		struct err e = { "" };
		int h = all(way, &got, &e);
		if (way) {
			assert_int_equal(h, how);
			assert_string_equal(e.text, ret_e->text);
			assert_true(sv_eq(buf_sv(&got), buf_sv(ret)));
			buf_fini(&got);
			continue;
		}
		how = h;
		*ret = got;
		*ret_e = e;
	}
	return how;
}

#define PLAIN_HEAD "\x1f\x8b\x08\0\0\0\0\0\0\3"

static void heads_and_tails(void **state)
{
	(void)state;
	static const struct { const char *head; size_t n; uint32_t crc_off, length_off; const char *behind, *error; bool all_there; } v[] = {
		{ PLAIN_HEAD, 10, 0, 0, "", "", true },
		{ "\x1f\x8b\x08\x1c\0\0\0\0\0\3\3\0abcname\0comment\0", 28, 0, 0, "", "", true },
		{ "\x1f\x8b\x08\x80\0\0\0\0\0\3", 10, 0, 0, "", "damaged gzip", false },
		{ "\x1f\x8b\x09\0\0\0\0\0\0\3", 10, 0, 0, "", "damaged gzip", false },
		{ "\x1f\x8b\x08\2\0\0\0\0\0\3xx", 12, 0, 0, "", "damaged gzip", false },
		{ PLAIN_HEAD, 10, 1, 0, "", "damaged gzip", false },
		{ PLAIN_HEAD, 10, 0, 1, "", "damaged gzip", false },
		{ PLAIN_HEAD, 10, 0, 0, "garbage", "damaged gzip", true },
		{ PLAIN_HEAD, 10, 0, 0, "\x1f", "ends in the middle", true },
		{ PLAIN_HEAD, 10, 0, 0, "\x1f\x8b\x08", "ends in the middle", true },
	};
	struct buf want = text();
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		struct buf b = member(buf_sv(&want), v[i].head, v[i].n, v[i].crc_off, v[i].length_off), got = { 0 };
		struct err e;
		buf_puts(&b, v[i].behind);
		assert_int_equal(same_end(buf_sv(&b), &got, &e), *v[i].error ? -1 : 0);
		assert_non_null(strstr(e.text, v[i].error));
		assert_int_equal(got.n == want.n, v[i].all_there);
		assert_memory_equal(got.p ? got.p : "", want.p, got.n);
		buf_fini(&b);
		buf_fini(&got);
	}
	buf_fini(&want);
}

/* A member's head that lies on both sides of what is read at a time: the name in the first one's head is as long as that takes. */
#define PADDING_BYTES (300u << 10) /* more than is read at a time */

/* Zeros behind the data are no damage: not alone, nor with a member after them; a second member that breaks off gives what there is of it. */
static void padded(void **state)
{
	(void)state;
	struct buf want = text(), one = packed(buf_sv(&want)), zeros = { 0 };
	struct err e;
	buf_reserve(&zeros, PADDING_BYTES);
	memset(zeros.p, 0, zeros.n = PADDING_BYTES);
	const size_t zeros_n[] = { 1, 511, PADDING_BYTES };
	for (size_t i = 0; i < sizeof zeros_n / sizeof *zeros_n; i++) {
		struct buf file = { 0 }, got = { 0 };
		buf_addsv(&file, buf_sv(&one));
		buf_add(&file, zeros.p, zeros_n[i]);
		assert_int_equal(same_end(buf_sv(&file), &got, &e), 0);
		assert_true(sv_eq(buf_sv(&got), buf_sv(&want)));
		buf_fini(&got);
		buf_addsv(&file, sv_take(buf_sv(&one), one.n / 2));
		assert_int_equal(same_end(buf_sv(&file), &got, &e), -1);
		assert_non_null(strstr(e.text, "ends in the middle"));
		assert_true(got.n > want.n + want.n / 4 && got.n < 2 * want.n);
		assert_memory_equal(got.p, want.p, want.n);
		assert_memory_equal(got.p + want.n, want.p, got.n - want.n);
		buf_fini(&file);
		buf_fini(&got);
	}
	buf_fini(&want);
	buf_fini(&one);
	buf_fini(&zeros);
}

/* What has the name of a packed log, and is none. */
static void not_what_it_says(void **state)
{
	(void)state;
	static const struct { struct sv file; int how; size_t n; } v[] = {
		{ { "", sizeof "" - 1 }, 0, 0 }, { { "Nov 24 00:00:01 mx1 x: y\n", sizeof "Nov 24 00:00:01 mx1 x: y\n" - 1 }, 0, 25 }, { { "\x1f\x8b", sizeof "\x1f\x8b" - 1 }, 0, 2 }, { { "\x1f\x8b\x08", sizeof "\x1f\x8b\x08" - 1 }, -1, 0 }, { { "\x1f\x8bx", sizeof "\x1f\x8bx" - 1 }, -1, 0 },
	};
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		struct buf got = { 0 };
		struct err e;
		put(v[i].file);
		assert_int_equal(all(AHEAD, &got, &e), v[i].how);
		assert_int_equal(got.n, v[i].n);
		buf_fini(&got);
	}
}

static void head_in_two_pieces(void **state)
{
	(void)state;
	static const char fields[] = "\x1f\x8b\x08\x1e\0\0\0\0\0\3\3\0abcname\0comment\0";
	struct buf want = text();
	struct sv some = sv_take(buf_sv(&want), 100u << 10);
	uint16_t head_crc = (uint16_t)crc32(0, (const Bytef *)fields, sizeof fields - 1);
	struct buf head = { 0 }, first = { 0 };
	buf_add(&head, fields, sizeof fields - 1);
	buf_add(&head, &head_crc, sizeof head_crc);
	struct buf second = member(some, head.p, head.n, 0, 0), plain = packed(some);
	for (size_t cut = 1; cut < head.n; cut += 4) {
		struct buf got = { 0 };
		struct err e;
		buf_clear(&first);
		buf_add(&first, "\x1f\x8b\x08\x08\0\0\0\0\0\3", 10);
		while (first.n + plain.n - 10 + 1 + cut < ARCHIVE_READER_BYTES)
			buf_addc(&first, 'n');
		buf_addc(&first, 0);
		buf_add(&first, plain.p + 10, plain.n - 10);
		assert_int_equal(first.n + cut, ARCHIVE_READER_BYTES);
		buf_addsv(&first, buf_sv(&second));
		assert_int_equal(same_end(buf_sv(&first), &got, &e), 0);
		assert_int_equal(got.n, 2 * some.n);
		buf_fini(&got);
	}
	buf_fini(&want);
	buf_fini(&head);
	buf_fini(&first);
	buf_fini(&second);
	buf_fini(&plain);
}

/* Cut anywhere, or with any bit turned: the second of two members, so that heads lie anywhere, too. */
static void cut_and_turned(void **state)
{
	(void)state;
	struct buf want = text(), one = packed(sv_take(buf_sv(&want), 700u << 10)), two = { 0 };
	uint32_t turn = 7;
	buf_addsv(&two, buf_sv(&one));
	buf_addsv(&two, buf_sv(&one));
	for (unsigned i = 0; i < 150; i++) {
		turn = turn * 1664525u + 1013904223u;
		size_t at = i < 40 ? one.n - 20 + i : one.n / 2 + (turn >> 4) % (one.n + one.n / 2);
		struct buf got = { 0 };
		struct err e;
		bool turned = i % 2;
		char was = two.p[at];
		two.p[at] = turned ? (char)(was ^ 1 << (turn >> 29)) : was;
		(void)same_end(turned ? buf_sv(&two) : sv_take(buf_sv(&two), at), &got, &e);
		two.p[at] = was;
		buf_fini(&got);
	}
	buf_fini(&want);
	buf_fini(&one);
	buf_fini(&two);
}

/* Closed while the thread is full, or before it began. */
static void left_early(void **state)
{
	(void)state;
	struct buf want = text(), b = packed(buf_sv(&want));
	put(buf_sv(&b));
	for (int blocks = 0; blocks < 3; blocks++) {
		struct err e;
		struct sv block;
		struct archive_reader *r = archive_reader_open(path, &e);
		archive_reader_ahead(r);
		for (int i = 0; i < blocks; i++)
			assert_int_equal(archive_reader_next(r, &block, &e), 1);
		archive_reader_close(r);
	}
	buf_fini(&want);
	buf_fini(&b);
}

/* A block that was given out before stays what it is, as of standard input, whose first block is looked at before the rest is read. */
static void borrowed(void **state)
{
	(void)state;
	struct buf want = text(), b = packed(buf_sv(&want)), got = { 0 };
	struct err e;
	struct sv block, next;
	put(buf_sv(&b));
	struct archive_reader *r = archive_reader_open(path, &e);
	assert_int_equal(archive_reader_next(r, &block, &e), 1);
	archive_reader_ahead(r);
	usleep(100000); /* what the thread may do without being asked, it does now */
	assert_memory_equal(block.p, want.p, block.n);
	for (buf_addsv(&got, block); archive_reader_next(r, &next, &e) > 0;)
		buf_addsv(&got, next);
	assert_true(sv_eq(buf_sv(&got), buf_sv(&want)));
	archive_reader_close(r);
	buf_fini(&want);
	buf_fini(&b);
	buf_fini(&got);
}

int main(void)
{
	int fd = mkstemp(path);
	if (fd < 0)
		return 1;
	close(fd);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_bytes), cmocka_unit_test(not_packed), cmocka_unit_test(damaged), cmocka_unit_test(left_early),
		cmocka_unit_test(borrowed), cmocka_unit_test(heads_and_tails), cmocka_unit_test(padded), cmocka_unit_test(not_what_it_says), cmocka_unit_test(head_in_two_pieces), cmocka_unit_test(cut_and_turned),
	};
	int bad = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return bad;
}
