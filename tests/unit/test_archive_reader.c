/* Packed logs: the same bytes whether a thread unpacks them ahead or not; members one after the other; damaged and short files. */
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

/* Everything that comes; how it ends. */
static int all(bool ahead, struct buf *ret, struct err *e)
{
	struct archive_reader *r = archive_reader_open(path, e);
	struct sv block;
	int how;
	assert_non_null(r);
	if (ahead)
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
	for (int ahead = 0; ahead < 2; ahead++) {
		struct buf got = { 0 };
		struct err e;
		assert_int_equal(all(ahead, &got, &e), 0);
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
	assert_int_equal(all(true, &got, &e), 0);
	assert_true(sv_eq(buf_sv(&got), buf_sv(&want)));
	buf_fini(&want);
	buf_fini(&got);
}

/* What came before the damage is given, then the error. */
static void broken(struct sv file, const char *why)
{
	put(file);
	for (int ahead = 0; ahead < 2; ahead++) {
		struct buf got = { 0 };
		struct err e;
		assert_int_equal(all(ahead, &got, &e), -1);
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
		cmocka_unit_test(borrowed),
	};
	int bad = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return bad;
}
