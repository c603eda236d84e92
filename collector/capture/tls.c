/* Encrypted sessions: the client's hello in clear, then only how many bytes go by. */
#include "collector/capture/flow.h"

#include <stdio.h>
#include <string.h>

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

/* -- a hello of several segments -- */

/* How many bytes the hello at p takes, as far as the first n of them show; 0: it is none, or in several records, which nobody sends. */
static size_t hello_size(const uint8_t *p, size_t n)
{
	static const uint8_t begins[] = { 0x16, 3 };
	if (memcmp(p, begins, n < sizeof begins ? n : sizeof begins) != 0 || (n > 5 && p[5] != 1))
		return 0;
	if (n < 9)
		return 9;
	size_t size = 9 + ((size_t)p[6] << 16 | (size_t)p[7] << 8 | p[8]);
	return size <= 5 + ((size_t)p[3] << 8 | p[4]) ? size : 0;
}

void smtp_tls_forget(struct capture *c, struct flow *f)
{
	struct smtp *s = &f->smtp;
	while (s->hello) {
		uint32_t next = ((const struct hello_part *)cells_at(&c->cells, s->hello))->next;
		cells_give(&c->cells, s->hello);
		s->hello = next;
	}
	s->hello_last = s->hello_n = 0;
}

/* False: there is no room. */
static bool put_aside(struct capture *c, struct flow *f, const uint8_t *p, size_t n)
{
	struct smtp *s = &f->smtp;
	while (n) {
		size_t used = s->hello_n % HELLO_PART, take = n < HELLO_PART - used ? n : HELLO_PART - used;
		if (!used) {
			uint32_t block = flow_block(c, f);
			if (!block)
				return false;
			((struct hello_part *)cells_at(&c->cells, block))->next = 0;
			if (s->hello)
				((struct hello_part *)cells_at(&c->cells, s->hello_last))->next = block;
			else
				s->hello = block;
			s->hello_last = block;
		}
		memcpy(((struct hello_part *)cells_at(&c->cells, s->hello_last))->bytes + used, p, take);
		s->hello_n = (uint16_t)(s->hello_n + take);
		p += take;
		n -= take;
	}
	return true;
}

static size_t gather(const struct capture *c, const struct flow *f, uint8_t *out)
{
	size_t n = 0;
	for (uint32_t b = f->smtp.hello; b && n < f->smtp.hello_n;) {
		const struct hello_part *part = cells_at(&c->cells, b);
		size_t take = f->smtp.hello_n - n < HELLO_PART ? f->smtp.hello_n - n : HELLO_PART;
		memcpy(out + n, part->bytes, take);
		n += take;
		b = part->next;
	}
	return n;
}

/* Its fields are read when all of it is there: of half of one the fingerprint would be another. */
static void hello_bytes(struct capture *c, struct flow *f, const uint8_t *p, size_t n)
{
	uint8_t all[HELLO_BYTES];
	struct smtp *s = &f->smtp;
	size_t size = s->hello ? 0 : hello_size(p, n);
	if (size && n >= size) {
		client_hello(c, f, (struct cursor){ p + 9, p + size });
		return;
	}
	if (!s->hello && (!size || size > HELLO_BYTES))
		return;
	bool kept = put_aside(c, f, p, n < HELLO_BYTES - s->hello_n ? n : HELLO_BYTES - s->hello_n);
	if (kept)
		size = hello_size(((const struct hello_part *)cells_at(&c->cells, s->hello))->bytes, s->hello_n < HELLO_PART ? s->hello_n : HELLO_PART);
	if (kept && size && size <= HELLO_BYTES && s->hello_n < size)
		return; /* more will come */
	if (kept && size && s->hello_n >= size && gather(c, f, all))
		client_hello(c, f, (struct cursor){ all + 9, all + size });
	smtp_tls_forget(c, f);
}

void smtp_tls(struct capture *c, struct flow *f, int dir, const uint8_t *p, size_t n, bool first)
{
	struct smtp *s = &f->smtp;
	s->tls_bytes[dir] += n < UINT32_MAX - s->tls_bytes[dir] ? (uint32_t)n : 0;
	s->spoke |= dir == CLIENT;
	if (dir == CLIENT && (first || s->hello))
		hello_bytes(c, f, p, n);
	if (dir == SERVER) {
		s->server_state = S_TLS;
		s->flags |= SMTP_TLS;
		s->replied = true;
	}
}
