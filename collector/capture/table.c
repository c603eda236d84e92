/* The table of flows: open addressing by a keyed hash of both ends, and three lists by age. Results never depend on the key. */
#include "collector/capture/flow.h"

#include <stdlib.h>

#include <sodium.h>

#include "collector/capture/fragments.h"
#include "lib/buf.h"
#include "lib/msg.h"

#define NEW_FLOWS 16384u     /* that sent a SYN and nothing more: a flood of them displaces only its own kind */
#define CLOSING_US 2000000   /* after both sides' ends: what comes late still counts */
#define CLOSING_FLOWS 1024u  /* that wait for it; no reordering goes that far */

struct capture_options capture_defaults(void)
{
	/* What Windows runs when it is opened, and mail programs warn of. */
	static const char *const programs[] = { ".bat", ".cmd", ".com", ".cpl", ".exe", ".hta", ".jar", ".js", ".jse", ".lnk", ".msi", ".pif", ".ps1", ".scr", ".vbe", ".vbs",
		".wsf", ".wsh" };
	return (struct capture_options){ .memory_bytes = 64u << 20, .held_bytes = 128u << 10, .idle_us = 300000000, .unanswered_us = 20000000,
		.stall_us = 1000000, .port = { 25, 465, 587, 2525 }, .n_ports = 4, .subjects = true,
		.programs = programs, .n_programs = sizeof programs / sizeof *programs };
}

struct capture *capture_new(const struct capture_options *o, capture_sink *sink, void *ctx)
{
	struct capture *c = xcalloc(1, sizeof *c);
	*c = (struct capture){ .o = *o, .sink = sink, .ctx = ctx };
	if (sodium_init() < 0)
		panic("libsodium does not start");
	randombytes_buf(c->key, sizeof c->key);
	c->key[0] |= 1;
	cells_init(&c->cells, o->memory_bytes < (1u << 20) ? 1u << 20 : o->memory_bytes);
	uint32_t cap = 1024;
	while (cap < c->cells.n * 2)
		cap *= 2;
	c->mask = cap - 1;
	c->table = xcalloc(cap, sizeof *c->table);
	for (size_t i = 0; i < o->n_ports; i++)
		c->port_bits[o->port[i] / 8] |= (uint8_t)(1u << o->port[i] % 8);
	c->decoder.tunnels = o->tunnels;
	c->decoder.fragments = fragments_new();
	return c;
}

static inline uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* The table's order of the ends is not source, destination. */
static inline bool ends_swapped(const struct segment *s)
{
	if (s->address[0][1] != s->address[1][1])
		return s->address[0][1] > s->address[1][1];
	if (s->address[0][0] != s->address[1][0])
		return s->address[0][0] > s->address[1][0];
	return s->port[0] > s->port[1];
}

uint32_t flow_hash(const struct capture *c, const struct segment *s, bool *ret_swapped)
{
	unsigned a = ends_swapped(s), b = 1 - a;
	uint64_t h = mix(s->address[a][1] ^ c->key[0], s->address[b][1] ^ c->key[1]);
	h = mix(h ^ ((uint64_t)s->port[a] << 16 | s->port[b]) ^ s->address[a][0], c->key[0] ^ s->address[b][0] * 0x9e3779b97f4a7c15ull);
	*ret_swapped = a;
	return h >> 32 ? (uint32_t)(h >> 32) : 1; /* 0: an empty slot */
}

static inline bool same(const struct flow *f, const struct segment *s, unsigned from)
{
	return f->port[0] == s->port[from] && f->port[1] == s->port[1 - from] && f->address[0][1] == s->address[from][1] &&
	       f->address[1][1] == s->address[1 - from][1] && f->address[0][0] == s->address[from][0] && f->address[1][0] == s->address[1 - from][0];
}

struct flow *flow_find(struct capture *c, const struct segment *s, uint32_t hash, bool swapped)
{
	for (uint32_t i = hash & c->mask; c->table[i].flow; i = (i + 1) & c->mask) {
		if (c->table[i].hash != hash)
			continue;
		struct flow *f = flow_at(c, c->table[i].flow);
		if (same(f, s, f->swapped == swapped ? 0 : 1))
			return f;
	}
	return NULL;
}

/* -- lists -- */

static void unlink_flow(struct capture *c, struct flow *f)
{
	if (f->prev)
		flow_at(c, f->prev)->after = f->after;
	else
		c->list[f->list].head = f->after;
	if (f->after)
		flow_at(c, f->after)->prev = f->prev;
	else
		c->list[f->list].tail = f->prev;
	c->list[f->list].n--;
}

static void link_flow(struct capture *c, struct flow *f, enum flow_list to)
{
	uint32_t i = flow_index(c, f);
	f->list = (uint8_t)to;
	f->after = 0;
	f->prev = c->list[to].tail;
	if (f->prev)
		flow_at(c, f->prev)->after = i;
	else
		c->list[to].head = i;
	c->list[to].tail = i;
	c->list[to].n++;
}

void flow_move(struct capture *c, struct flow *f, enum flow_list to)
{
	if (f->list == to && !f->after)
		return;
	unlink_flow(c, f);
	link_flow(c, f, to);
}

/* -- birth and death -- */

static void forget_slot(struct capture *c, const struct flow *f)
{
	uint32_t index = flow_index(c, f), i = f->hash & c->mask;
	while (c->table[i].flow != index)
		i = (i + 1) & c->mask;
	for (uint32_t j = i;;) { /* close the gap, so that no search ends too early */
		j = (j + 1) & c->mask;
		if (!c->table[j].flow)
			break;
		uint32_t home = c->table[j].hash & c->mask;
		if (((j - home) & c->mask) < ((j - i) & c->mask))
			continue;
		c->table[i] = c->table[j];
		i = j;
	}
	c->table[i] = (struct slot){ 0, 0 };
}

void flow_end(struct capture *c, struct flow *f, enum smtp_end end)
{
	const uint32_t ack = c->cur_ack, seq = c->cur_seq; /* of another flow that is being read, and needs room */
	c->ending = true;
	tcp_flush(c, f);
	c->cur_ack = ack;
	c->cur_seq = seq;
	session_report(c, f, end);
	smtp_free(c, f);
	for (uint32_t b = f->notes; b;) {
		uint32_t next;
		memcpy(&next, cells_at(&c->cells, b), sizeof next);
		cells_give(&c->cells, b);
		b = next;
	}
	unlink_flow(c, f);
	forget_slot(c, f);
	c->n_flows--;
	cells_give(&c->cells, flow_index(c, f));
	c->ending = false;
}

/* Which flow goes when there is no room: one that has said nothing, else the one that was quiet for longest. */
static struct flow *oldest(struct capture *c, const struct flow *keep)
{
	static const enum flow_list order[LISTS] = { LIST_CLOSING, LIST_NEW, LIST_ANSWERED };
	for (unsigned i = 0; i < LISTS; i++) {
		uint32_t head = c->list[order[i]].head;
		struct flow *f = head ? flow_at(c, head) : NULL;
		if (f && f == keep)
			f = f->after ? flow_at(c, f->after) : NULL;
		if (f)
			return f;
	}
	return NULL;
}

static void evict(struct capture *c, struct flow *f)
{
	if (f->list == LIST_CLOSING) {
		flow_end(c, f, (enum smtp_end)f->end);
		return;
	}
	c->stats.evicted++;
	f->smtp.flags |= SMTP_EVICTED | SMTP_GAP;
	flow_end(c, f, SMTP_END_EVICTED);
}

uint32_t flow_block(struct capture *c, const struct flow *keep)
{
	uint32_t b;
	while (!(b = cells_take(&c->cells))) {
		struct flow *f = c->ending ? NULL : oldest(c, keep);
		if (!f)
			return 0;
		evict(c, f);
	}
	return b;
}

struct flow *flow_new(struct capture *c, const struct segment *s, uint32_t hash, bool swapped, bool from_client)
{
	if (c->list[LIST_NEW].n >= NEW_FLOWS || c->list[LIST_NEW].n > c->cells.n / 8)
		evict(c, flow_at(c, c->list[LIST_NEW].head));
	uint32_t index = flow_block(c, NULL);
	if (!index)
		return NULL;
	struct flow *f = flow_at(c, index);
	memset(f, 0, sizeof *f);
	unsigned a = from_client ? 0 : 1;
	memcpy(f->address[0], s->address[a], sizeof f->address[0]);
	memcpy(f->address[1], s->address[1 - a], sizeof f->address[1]);
	f->port[0] = s->port[a];
	f->port[1] = s->port[1 - a];
	f->hash = hash;
	f->swapped = swapped != !from_client;
	f->first_us = f->last_us = f->moved_us = s->at_us;
	pending_add(&f->smtp, PENDING_BANNER);
	uint32_t i = hash & c->mask;
	while (c->table[i].flow)
		i = (i + 1) & c->mask;
	c->table[i] = (struct slot){ hash, index };
	link_flow(c, f, LIST_NEW);
	c->n_flows++;
	c->stats.flows++;
	return f;
}

void flow_expire(struct capture *c)
{
	const int64_t limit[LISTS] = { [LIST_ANSWERED] = c->o.idle_us, [LIST_NEW] = c->o.unanswered_us, [LIST_CLOSING] = CLOSING_US };
	for (unsigned i = 0; i < LISTS; i++)
		while (c->list[i].head) {
			struct flow *f = flow_at(c, c->list[i].head);
			int64_t since = i == LIST_CLOSING ? f->closed_us : f->last_us;
			if (c->now_us - since <= limit[i] && (i != LIST_CLOSING || c->list[i].n <= CLOSING_FLOWS))
				break;
			flow_end(c, f, i == LIST_CLOSING ? (enum smtp_end)f->end : SMTP_END_TIMEOUT);
		}
}

void flow_put_back(struct capture *c, int64_t now_us)
{
	int64_t by = c->now_us - now_us;
	for (unsigned i = 0; i < LISTS; i++)
		for (uint32_t at = c->list[i].head; at;) {
			struct flow *f = flow_at(c, at);
			at = f->after;
			f->last_us -= by;
			f->moved_us -= by;
			f->closed_us -= f->closed_us ? by : 0;
			f->stall_us -= f->stall_us ? by : 0;
			if (f->first_us > f->last_us)
				f->first_us = f->last_us;
		}
	c->now_us = now_us;
}

void capture_end(struct capture *c)
{
	capture_sync(c);
	while (c->list[LIST_CLOSING].head) {
		struct flow *f = flow_at(c, c->list[LIST_CLOSING].head);
		flow_end(c, f, (enum smtp_end)f->end);
	}
	while (c->list[LIST_ANSWERED].head)
		flow_end(c, flow_at(c, c->list[LIST_ANSWERED].head), SMTP_END_EOF);
	while (c->list[LIST_NEW].head)
		flow_end(c, flow_at(c, c->list[LIST_NEW].head), SMTP_END_EOF);
}

void capture_free(struct capture *c)
{
	if (!c)
		return;
	cells_fini(&c->cells);
	arena_fini(&c->arena);
	fragments_free(c->decoder.fragments);
	free(c->scratch);
	free(c->table);
	free(c);
}
