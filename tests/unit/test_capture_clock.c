/* A live capture while somebody sets the clock: sessions end when they should, also after it was put back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "collector/capture/capture.h"
#include "collector/capture/packet.h"

#define SECOND 1000000LL
#define AHEAD (20366LL * 86400 * SECOND) /* what a machine's clock says until it hears of the network's */
#define RIGHT (20000LL * 86400 * SECOND)

struct heard { size_t n; int64_t first_us, last_us; uint8_t end; };

static void on_session(void *ctx, const struct smtp_session *s)
{
	struct heard *h = ctx;
	*h = (struct heard){ h->n + 1, s->first_us, s->last_us, s->end };
}

#define SYN 2
#define ACK 16
#define FIN 1

/* One segment between 192.0.2.1:PORT and 198.51.100.1:25. */
static void segment(struct capture *c, int64_t at_us, uint16_t port, bool from_client, uint8_t flags, uint32_t seq, uint32_t ack, const char *text)
{
	static const uint8_t client[4] = { 192, 0, 2, 1 }, server[4] = { 198, 51, 100, 1 };
	uint8_t p[200] = { 0x45 };
	size_t n = strlen(text);
	p[3] = (uint8_t)(40 + n);
	p[8] = 64;
	p[9] = 6;
	memcpy(p + 12, from_client ? client : server, 4);
	memcpy(p + 16, from_client ? server : client, 4);
	uint8_t *from = p + (from_client ? 20 : 22), *to = p + (from_client ? 22 : 20);
	from[0] = (uint8_t)(port >> 8), from[1] = (uint8_t)port, to[1] = 25;
	for (int i = 0; i < 4; i++) {
		p[24 + i] = (uint8_t)(seq >> (24 - 8 * i));
		p[28 + i] = (uint8_t)(ack >> (24 - 8 * i));
	}
	p[32] = 5 << 4;
	p[33] = flags;
	memcpy(p + 40, text, n);
	capture_frame(c, LINK_RAW, at_us, p, (uint32_t)(40 + n), (uint32_t)(40 + n));
	capture_sync(c);
}

static void greeting(struct capture *c, int64_t at_us, uint16_t port)
{
	segment(c, at_us, port, true, SYN, 100, 0, "");
	segment(c, at_us, port, false, SYN | ACK, 500, 101, "");
	segment(c, at_us, port, false, ACK, 501, 101, "220 mx.example\r\n");
}

static void goodbye(struct capture *c, int64_t at_us, uint16_t port)
{
	segment(c, at_us, port, true, ACK | FIN, 101, 517, "");
	segment(c, at_us, port, false, ACK | FIN, 517, 102, "");
	segment(c, at_us, port, true, ACK, 102, 518, "");
}

static void put_back(void **state)
{
	struct capture_options o = capture_defaults();
	struct heard h = { 0 };
	struct capture *c = capture_new(&o, on_session, &h);
	(void)state;
	greeting(c, AHEAD, 1000);
	capture_tick(c, AHEAD + 2 * SECOND);
	greeting(c, RIGHT, 1001); /* before the next look at the clock */
	capture_tick(c, RIGHT + SECOND);
	greeting(c, RIGHT + 2 * SECOND, 1002);
	goodbye(c, RIGHT + 3 * SECOND, 1002);
	capture_tick(c, RIGHT + 10 * SECOND);
	assert_int_equal(h.n, 1); /* one that was ended is reported */
	assert_int_equal(h.end, SMTP_END_FIN);
	assert_in_range(h.last_us, RIGHT, RIGHT + 10 * SECOND);
	capture_tick(c, RIGHT + 200 * SECOND);
	assert_int_equal(h.n, 1); /* those that are quiet have their time */
	capture_tick(c, RIGHT + 310 * SECOND);
	assert_int_equal(h.n, 3);
	assert_true(h.first_us <= h.last_us && h.last_us <= RIGHT + 10 * SECOND);
	capture_free(c);
}

/* A little is no reason: packets are stamped before they are looked at. */
static void a_little(void **state)
{
	struct capture_options o = capture_defaults();
	struct heard h = { 0 };
	struct capture *c = capture_new(&o, on_session, &h);
	(void)state;
	greeting(c, RIGHT, 1000);
	capture_tick(c, RIGHT - 2 * SECOND);
	greeting(c, RIGHT + SECOND, 1001);
	capture_tick(c, RIGHT + 299 * SECOND);
	assert_int_equal(h.n, 0);
	capture_tick(c, RIGHT + 302 * SECOND);
	assert_int_equal(h.n, 2);
	capture_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(put_back), cmocka_unit_test(a_little) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
