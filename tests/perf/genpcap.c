/* genpcap FILE MEGABYTES [FLOWS-AT-ONCE] [LOSS-PER-MILLE] [BODY-BYTES]: a capture of SMTP sessions, many at a time, each with a message of one to seven times
 * BODY-BYTES (1500: packets of 230 bytes on average); from a fixed seed. Some packets are left out, some come in another order. Prints packets and flows. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT 1400
#define SCRIPT 24

struct flow { uint32_t number, seq[2], body, at; uint16_t port; };

static uint64_t state = 88172645463325252ull;
static FILE *out;
static uint64_t bytes, packets, now_us = 1767225600000000ull;
static unsigned loss, unit = 1500;
static uint8_t held[2048]; /* a packet that comes after the next one */
static size_t held_n;

static uint32_t rnd(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 33) % n;
}

static void put16(uint8_t *p, unsigned v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }
static void put32(uint8_t *p, uint32_t v) { put16(p, v >> 16); put16(p + 2, v & 0xffff); }

static void write_out(const uint8_t *p, size_t n)
{
	fwrite(p, 1, n, out);
	bytes += n;
	packets++;
}

static void packet(struct flow *f, int dir, unsigned flags, const char *data, size_t n)
{
	uint8_t p[16 + 54 + SEGMENT];
	uint32_t len = (uint32_t)(54 + n), head[4] = { (uint32_t)(now_us / 1000000), (uint32_t)(now_us % 1000000), len, len };
	uint8_t *e = p + 16;
	memcpy(p, head, 16);
	memset(e, 0, 54);
	memcpy(e, "\2\0\0\0\0\1\2\0\0\0\0\2\x08", 13);
	e[14] = 0x45;
	put16(e + 16, 40 + (unsigned)n);
	e[22] = 64;
	e[23] = 6;
	uint32_t client = 0xc6120000u + (f->number * 2654435761u >> 17), server = 0xcb007100u + (f->number & 63);
	put32(e + 26, dir ? server : client);
	put32(e + 30, dir ? client : server);
	put16(e + 34, dir ? 25 : f->port);
	put16(e + 36, dir ? f->port : 25);
	put32(e + 38, f->seq[dir]);
	put32(e + 42, flags & 16 ? f->seq[1 - dir] : 0);
	e[46] = 5 << 4;
	e[47] = (uint8_t)flags;
	put16(e + 48, 65535);
	if (n)
		memcpy(e + 54, data, n);
	f->seq[dir] += (uint32_t)n + ((flags & 3) != 0);
	now_us += 3;
	if (n && rnd(1000) < loss)
		return;
	if (!held_n && n && rnd(200) == 0) {
		memcpy(held, p, held_n = 16 + len);
		return;
	}
	write_out(p, 16 + len);
	if (held_n) {
		write_out(held, held_n);
		held_n = 0;
	}
}

static void text(struct flow *f, int dir, const char *s) { packet(f, dir, 24, s, strlen(s)); packet(f, 1 - dir, 16, NULL, 0); }

static char letter[1 << 16];

static void make_letter(void)
{
	size_t n = (size_t)sprintf(letter, "From: <a@a.example>\r\nSubject: figures\r\nMessage-ID: <1@a.example>\r\nMIME-Version: 1.0\r\n"
	                                   "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n");
	while (n < sizeof letter - 80) {
		for (unsigned i = 0; i < 70; i++)
			letter[n++] = rnd(6) ? (char)('a' + rnd(26)) : ' ';
		letter[n++] = '\r';
		letter[n++] = '\n';
	}
}

/* The next step of a session; 0 when it is over. */
static int step(struct flow *f)
{
	char line[128];
	switch (f->at++) {
	case 0: packet(f, 0, 2, NULL, 0); packet(f, 1, 18, NULL, 0); packet(f, 0, 16, NULL, 0); break;
	case 1: text(f, 1, "220 mx.world.example ESMTP Postfix\r\n"); break;
	case 2: text(f, 0, "EHLO mail.customer.example\r\n"); break;
	case 3: text(f, 1, "250-mx.world.example\r\n250-PIPELINING\r\n250-SIZE 20480000\r\n250-STARTTLS\r\n250 8BITMIME\r\n"); break;
	case 4: sprintf(line, "MAIL FROM:<user%u@customer.example> SIZE=5000\r\n", f->number % 997); text(f, 0, line); break;
	case 5: text(f, 1, "250 2.1.0 Ok\r\n"); break;
	case 6: sprintf(line, "RCPT TO:<somebody%u@world.example>\r\n", f->number); text(f, 0, line); break;
	case 7: text(f, 1, "250 2.1.5 Ok\r\n"); break;
	case 8: text(f, 0, "DATA\r\n"); break;
	case 9: text(f, 1, "354 End data with <CR><LF>.<CR><LF>\r\n"); f->body = 0; break;
	case 10: {
		uint32_t size = unit + f->number % 7 * unit;
		uint32_t n = size - f->body < SEGMENT ? size - f->body : SEGMENT;
		packet(f, 0, 16, letter + f->body, n);
		f->body += n;
		if (f->body / SEGMENT % 2 == 0)
			packet(f, 1, 16, NULL, 0);
		if (f->body < size)
			f->at--;
		break;
	}
	case 11: text(f, 0, "\r\n--b--\r\n.\r\n"); break;
	case 12: text(f, 1, "250 2.0.0 Ok: queued as 4F3A1C0012\r\n"); break;
	case 13: text(f, 0, "QUIT\r\n"); break;
	case 14: text(f, 1, "221 2.0.0 Bye\r\n"); break;
	default: packet(f, 0, 17, NULL, 0); packet(f, 1, 17, NULL, 0); packet(f, 0, 16, NULL, 0); return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	static const uint32_t head[6] = { 0xa1b2c3d4, 4u << 16 | 2, 0, 0, 262144, 1 };
	if (argc < 3 || !(out = fopen(argv[1], "wb")))
		return 2;
	uint64_t most = strtoull(argv[2], NULL, 10) * 1000000;
	uint32_t n = argc > 3 ? (uint32_t)atoi(argv[3]) : 2000, made = 0;
	loss = argc > 4 ? (unsigned)atoi(argv[4]) : 2;
	unit = argc > 5 ? (unsigned)atoi(argv[5]) : unit;
	if (unit < 1 || unit > 9000)
		return 2; /* the letter is 64 KB */
	struct flow *f = calloc(n, sizeof *f);
	setvbuf(out, NULL, _IOFBF, 1 << 20);
	fwrite(head, 1, sizeof head, out);
	make_letter();
	for (uint32_t i = 0; i < n; i++)
		f[i] = (struct flow){ .number = made++, .seq = { rnd(1u << 31), rnd(1u << 31) }, .port = (uint16_t)(1024 + rnd(60000)) };
	while (bytes < most) {
		struct flow *x = &f[rnd(n)];
		if (!step(x))
			*x = (struct flow){ .number = made++, .seq = { rnd(1u << 31), rnd(1u << 31) }, .port = (uint16_t)(1024 + rnd(60000)) };
	}
	fclose(out);
	printf("%llu packets, %u flows, %llu bytes\n", (unsigned long long)packets, made, (unsigned long long)bytes);
	return 0;
}
