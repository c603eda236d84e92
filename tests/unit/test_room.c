/* Capture with little memory: flows that are ended for want of room change nothing of what is said of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/capture/capture.h"
#include "collector/capture/packet.h"

#define FLOWS 1500
#define RCPTS 30

struct count { unsigned whole, odd, evicted; };

static void on_session(void *ctx, const struct smtp_session *s)
{
	struct count *n = ctx;
	n->evicted += (s->flags & SMTP_EVICTED) != 0;
	if (!(s->flags & SMTP_QUIT))
		return;
	n->whole++;
	n->odd += (s->flags & (SMTP_PIPELINED | SMTP_EARLY_TALKER | SMTP_GAP | SMTP_CUT)) || s->verbs[SMTP_VERB_RCPT] != RCPTS || s->message[0].n_rcpt != RCPTS;
}

/* One connection; next: sequence numbers of client and server. */
struct side { struct capture *c; uint16_t port; uint32_t next[2]; };

static int64_t now_us = 1700000000000000;

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

/* ahead: so many bytes before it are missing. */
static void say(struct side *s, int from, uint8_t flags, const char *text, uint32_t ahead)
{
	uint8_t p[256] = { [12] = 8, [14] = 0x45, [22] = 64, [23] = 6, [26] = 192, 0, 2, 1, 198, 51, 100, 1, [46] = 0x50, [47] = flags };
	uint32_t n = (uint32_t)strlen(text);
	if (from)
		p[26] = 198, p[27] = 51, p[28] = 100, p[30] = 192, p[31] = 0, p[32] = 2;
	put16(p + 16, 40 + n);
	put16(p + 34, from ? 25 : s->port);
	put16(p + 36, from ? s->port : 25);
	put32(p + 38, s->next[from] + ahead);
	put32(p + 42, s->next[1 - from]);
	memcpy(p + 54, text, n);
	capture_frame(s->c, LINK_ETHERNET, now_us += 10, p, 54 + n, 54 + n);
	capture_sync(s->c);
	s->next[from] += ahead ? 0 : n + ((flags & (TCP_SYN | TCP_FIN)) != 0);
}

static void begin(struct side *s)
{
	say(s, 0, TCP_SYN, "", 0);
	say(s, 1, TCP_SYN | TCP_ACK, "", 0);
	say(s, 1, TCP_ACK, "220 mx.example ESMTP\r\n", 0);
	say(s, 0, TCP_ACK, "EHLO a.example\r\n", 0);
	say(s, 1, TCP_ACK, "250 mx.example\r\n", 0);
}

static void one_by_one(struct side *s)
{
	begin(s);
	say(s, 0, TCP_ACK, "MAIL FROM:<u@a.example>\r\n", 0);
	say(s, 1, TCP_ACK, "250 ok\r\n", 0);
	for (unsigned i = 0; i < RCPTS; i++) {
		say(s, 0, TCP_ACK, "RCPT TO:<someone@b.example>\r\n", 0);
		say(s, 1, TCP_ACK, "250 a reply that takes room, as replies of servers with much to say do\r\n", 0);
	}
	say(s, 0, TCP_ACK, "QUIT\r\n", 0);
	say(s, 1, TCP_ACK | TCP_FIN, "221 bye\r\n", 0);
	say(s, 0, TCP_ACK | TCP_FIN, "", 0);
}

/* Others wait with something behind a hole, are ended, and what they held is read then. */
static void others_are_ended(void **state)
{
	struct capture_options o = capture_defaults();
	struct count n = { 0 };
	(void)state;
	o.memory_bytes = 1u << 20;
	struct capture *c = capture_new(&o, on_session, &n);
	for (unsigned i = 0; i < FLOWS; i++) {
		for (unsigned k = 0; k < 3; k++) {
			struct side hole = { c, (uint16_t)(20000 + i * 3 + k), { 0x70000000, 0x50000000 } };
			begin(&hole);
			say(&hole, 0, TCP_ACK, "NOOP\r\n", 50);
		}
		struct side s = { c, (uint16_t)(1024 + i), { 100, 200 } };
		one_by_one(&s);
	}
	capture_end(c);
	capture_free(c);
	assert_true(n.evicted > FLOWS);
	assert_int_equal(n.whole, FLOWS);
	assert_int_equal(n.odd, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(others_are_ended) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
