/* The capture's sessions on their way to the analyzer: every one arrives once, or is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "collector/capture/backlog.h"

/* The other side of the connection: numbers that it has, as the analyzer takes them. */
struct far { uint64_t applied, got; };

#define FRAME 1000

static struct sv frame_of(uint64_t seq)
{
	static char text[FRAME];
	memset(text, 'x', sizeof text);
	memcpy(text, &seq, sizeof seq);
	return sv_make(text, sizeof text);
}

static void arrive(struct far *f, const struct buf *out, size_t n)
{
	for (size_t at = 0; at + FRAME <= n; at += FRAME) {
		uint64_t seq;
		memcpy(&seq, out->p + at, sizeof seq);
		if (seq <= f->applied)
			continue;
		f->got++;
		f->applied = seq;
	}
}

static void whole(void **state)
{
	(void)state;
	struct backlog b = { 0 };
	struct far f = { 0 };
	struct buf out = { 0 };
	for (uint64_t seq = 1; seq <= 50000; seq++) {
		assert_true(backlog_put(&b, seq, frame_of(seq)));
		if (seq % 7)
			continue;
		buf_clear(&out);
		backlog_take(&b, &out, 4000);
		arrive(&f, &out, out.n);
		while (backlog_waiting(&b) > 100000) {
			buf_clear(&out);
			backlog_take(&b, &out, SIZE_MAX);
			arrive(&f, &out, out.n);
		}
	}
	buf_clear(&out);
	backlog_take(&b, &out, SIZE_MAX);
	arrive(&f, &out, out.n);
	assert_int_equal(f.got, 50000);
	assert_int_equal(f.applied, 50000);
	assert_in_range(b.bytes.cap, 1, 2 * (BACKLOG_WAIT + BACKLOG_SENT));
	buf_fini(&out);
	backlog_fini(&b);
}

/* Connections break wherever they like: what arrived and what is said to be lost is all there was. */
static void breaks(void **state)
{
	(void)state;
	uint32_t seed = 5;
	for (unsigned round = 0; round < 40; round++) {
		struct backlog b = { 0 };
		struct far f = { 0 };
		struct buf out = { 0 };
		uint64_t seq = 0, lost = 0, dropped = 0, committed = 0;
		for (unsigned i = 0; i < 400; i++) {
			seed = seed * 1664525u + 1013904223u;
			unsigned burst = round % 2 ? seed >> 8 & 127 : seed >> 8 & 1023;
			for (unsigned k = 0; k < burst; k++)
				if (backlog_put(&b, seq + 1, frame_of(seq + 1)))
					seq++;
				else
					dropped++;
			if (seed >> 20 & 3) {
				buf_clear(&out);
				backlog_take(&b, &out, seed >> 24 & 1 ? SIZE_MAX : 60000);
				arrive(&f, &out, seed >> 25 & 1 ? out.n : out.n / 2 / FRAME * FRAME); /* the rest is on its way */
				if (seed >> 25 & 1) {
					committed = f.applied;
					continue;
				}
			} else if (seed >> 26 & 1) {
				continue;
			}
			uint64_t back = seed >> 27 & 1 ? f.applied : committed; /* it was killed: what it had not committed is gone */
			f.got -= f.applied - back;
			f.applied = back;
			uint64_t gone = backlog_rewind(&b, f.applied);
			lost += gone;
			f.applied += gone;
			committed = f.applied;
		}
		buf_clear(&out);
		backlog_take(&b, &out, SIZE_MAX);
		arrive(&f, &out, out.n);
		assert_int_equal(f.applied, seq);
		assert_int_equal(f.got + lost, seq);
		(void)dropped;
		buf_fini(&out);
		backlog_fini(&b);
	}
}

static void limits(void **state)
{
	(void)state;
	struct backlog b = { 0 };
	struct far f = { 0 };
	struct buf out = { 0 };
	uint64_t seq = 0;
	while (backlog_put(&b, seq + 1, frame_of(seq + 1)))
		seq++;
	assert_in_range(seq, BACKLOG_WAIT / (FRAME + 16) - 1, BACKLOG_WAIT / FRAME);
	backlog_take(&b, &out, SIZE_MAX);
	assert_int_equal(backlog_waiting(&b), 0);
	uint64_t gone = backlog_rewind(&b, 10); /* nearly all of it was on its way, and only the newest are kept */
	assert_in_range(gone, seq - 10 - BACKLOG_SENT / FRAME, seq - 10 - BACKLOG_SENT / (FRAME + 17));
	assert_int_equal(backlog_rewind(&b, 10), 0); /* told once */
	buf_clear(&out);
	backlog_take(&b, &out, SIZE_MAX);
	f.applied = 10 + gone;
	arrive(&f, &out, out.n);
	assert_int_equal(f.applied, seq);
	assert_int_equal(f.got, seq - 10 - gone);
	buf_fini(&out);
	backlog_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(whole), cmocka_unit_test(breaks), cmocka_unit_test(limits) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
