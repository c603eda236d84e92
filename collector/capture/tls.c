/* Encrypted sessions: the client's hello in clear, then only how many bytes go by. */
#include "collector/capture/flow.h"

#include <stdio.h>

struct cursor { const uint8_t *p, *end; };

static bool have(const struct cursor *c, size_t n) { return (size_t)(c->end - c->p) >= n; }

static unsigned get(struct cursor *c, unsigned bytes)
{
	unsigned v = 0;
	if (!have(c, bytes)) {
		c->p = c->end;
		return 0;
	}
	while (bytes--)
		v = v << 8 | *c->p++;
	return v;
}

/* A vector with its length before it in so many bytes. */
static struct cursor vector(struct cursor *c, unsigned length_bytes)
{
	size_t n = get(c, length_bytes);
	if (!have(c, n))
		n = (size_t)(c->end - c->p);
	struct cursor v = { c->p, c->p + n };
	c->p += n;
	return v;
}

static uint64_t add(uint64_t h, unsigned v)
{
	h = (h ^ (v & 0xff)) * 0x100000001b3ull;
	return (h ^ v >> 8) * 0x100000001b3ull;
}

static bool is_grease(unsigned v) { return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff); }

static uint64_t add_all(uint64_t h, struct cursor v)
{
	while (have(&v, 2)) {
		unsigned x = get(&v, 2);
		h = is_grease(x) ? h : add(h, x);
	}
	return add(h, 0xffff);
}

static void server_name(struct capture *c, struct flow *f, struct cursor v)
{
	struct cursor list = vector(&v, 2);
	if (get(&list, 1) != 0)
		return;
	struct cursor name = vector(&list, 2);
	size_t n = (size_t)(name.end - name.p);
	if (n && n < 256)
		note_add(c, f, &(struct note){ .type = NOTE_SNI, .text = sv_make((const char *)name.p, n) });
}

/* Version, ciphers, extensions and groups in the client's order, as JA3 takes them, hashed. */
static void client_hello(struct capture *c, struct flow *f, struct cursor h)
{
	uint64_t print = add(0xcbf29ce484222325ull, get(&h, 2));
	(void)get(&h, 4); /* random: 32 bytes */
	h.p += have(&h, 28) ? 28 : (size_t)(h.end - h.p);
	(void)vector(&h, 1);
	print = add_all(print, vector(&h, 2));
	(void)vector(&h, 1);
	struct cursor all = vector(&h, 2);
	while (have(&all, 4)) {
		unsigned type = get(&all, 2);
		struct cursor v = vector(&all, 2);
		if (!is_grease(type))
			print = add(print, type);
		if (type == 0)
			server_name(c, f, v);
		if (type == 10)
			print = add_all(print, vector(&v, 2));
	}
	char text[24];
	int n = snprintf(text, sizeof text, "%016llx", (unsigned long long)print);
	note_add(c, f, &(struct note){ .type = NOTE_TLS, .text = sv_make(text, (size_t)n) });
}

void smtp_tls(struct capture *c, struct flow *f, int dir, const uint8_t *p, size_t n, bool first)
{
	struct smtp *s = &f->smtp;
	s->tls_bytes[dir] += n < UINT32_MAX - s->tls_bytes[dir] ? (uint32_t)n : 0;
	s->spoke |= dir == CLIENT;
	if (dir == CLIENT && first && n > 9 && p[0] == 0x16 && p[1] == 3 && p[5] == 1)
		client_hello(c, f, (struct cursor){ p + 9, p + n });
	if (dir == SERVER) {
		s->server_state = S_TLS;
		s->flags |= SMTP_TLS;
		s->replied = true;
	}
}
