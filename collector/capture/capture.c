#include "collector/capture/flow.h"

#include "collector/capture/fragments.h"

#define PUT_BACK_US 5000000 /* so far behind the packets the clock was put back; less is waited for */
#define MOVE_US 1000000 /* a flow moves to the young end of its list at most so often: order to the second is enough */

static bool port_wanted(const struct capture *c, uint16_t port)
{
	return c->port_bits[port / 8] & 1u << port % 8;
}

/* Who of a segment without SYN is the client. */
static bool from_client(const struct capture *c, const struct segment *s)
{
	bool to_server = port_wanted(c, s->port[1]), from_server = port_wanted(c, s->port[0]);
	if (to_server != from_server)
		return to_server;
	const uint8_t *p = s->payload;
	if (s->n >= 4 && p[0] >= '2' && p[0] <= '5' && p[1] >= '0' && p[1] <= '9' && p[2] >= '0' && p[2] <= '9' && (p[3] == ' ' || p[3] == '-'))
		return false;
	return s->port[1] <= s->port[0];
}

/* A flow for the first packet of one; NULL when it is none that begins a flow, or is left out. */
static struct flow *begin(struct capture *c, const struct segment *s, uint32_t hash, bool swapped)
{
	bool syn = s->flags & TCP_SYN;
	if ((s->flags & TCP_RST) || (!syn && !s->n)) {
		c->stats.strays++;
		return NULL;
	}
	if (c->o.sample && (hash >> 4 & ((1u << c->o.sample) - 1))) {
		c->stats.sampled_out += syn && !(s->flags & TCP_ACK);
		return NULL;
	}
	bool client = syn ? !(s->flags & TCP_ACK) : from_client(c, s);
	return flow_new(c, s, hash, swapped, client);
}

/* Another connection between the same ports. */
static bool is_another(const struct flow *f, const struct segment *s)
{
	const struct half *h = &f->half[CLIENT];
	return (s->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && (((h->flags & HALF_SYN) && h->isn != s->seq) || f->port[0] != s->port[0]);
}

static struct flow *flow_of(struct capture *c, const struct segment *s, uint32_t hash, bool swapped)
{
	struct flow *f = flow_find(c, s, hash, swapped);
	if (f && is_another(f, s)) {
		bool closing = f->list == LIST_CLOSING;
		if (!closing)
			f->smtp.flags |= SMTP_GAP; /* we missed its end */
		flow_end(c, f, closing ? (enum smtp_end)f->end : SMTP_END_TIMEOUT);
		f = NULL;
	}
	return f ? f : begin(c, s, hash, swapped);
}

static bool in_body(const struct flow *f)
{
	uint8_t s = f->smtp.client_state;
	return s == C_DATA || s == C_CHUNK || s == C_TLS;
}

static void process(struct capture *c, struct segment *s, uint32_t hash, bool swapped)
{
	if (c->o.until_us && s->at_us > c->o.until_us)
		s->at_us = c->now_us ? c->now_us : c->o.until_us;
	if (s->at_us > c->now_us)
		c->now_us = s->at_us;
	struct flow *f = flow_of(c, s, hash, swapped);
	if (!f) {
		memset(s->payload, 0, s->n);
		return;
	}
	int dir = flow_direction(f, swapped);
	if (c->now_us > f->last_us)
		f->last_us = c->now_us;
	if (f->last_us - f->moved_us > MOVE_US && f->list != LIST_CLOSING) {
		f->moved_us = f->last_us;
		flow_move(c, f, (enum flow_list)f->list);
	}
	if (s->missing)
		c->stats.truncated++;
	bool body = in_body(f);
	tcp_segment(c, f, s, dir);
	if (s->n && (dir == SERVER || !body || !in_body(f)))
		memset(s->payload, 0, s->n); /* it may have been a password, and frames lie around for a while */
}

void capture_sync(struct capture *c)
{
	unsigned n = c->n_batch;
	c->n_batch = 0;
	for (unsigned i = 0; i < n; i++) { /* the flows of all, then one after the other: memory is slow */
		uint32_t at = c->batch_hash[i] & c->mask;
		if (c->table[at].flow) {
			const char *f = (const char *)flow_at(c, c->table[at].flow);
			__builtin_prefetch(f); /* all lines but the last: that counts only */
			__builtin_prefetch(f + 64);
			__builtin_prefetch(f + 128);
			__builtin_prefetch(f + 192);
			__builtin_prefetch(f + 256);
			__builtin_prefetch(f + 320);
		}
	}
	for (unsigned i = 0; i < n; i++)
		process(c, &c->batch[i], c->batch_hash[i], c->batch_swapped[i]);
	flow_expire(c);
}

void capture_frame(struct capture *c, int link_type, int64_t at_us, uint8_t *frame, uint32_t captured, uint32_t length)
{
	struct segment *s = &c->batch[c->n_batch];
	c->stats.bytes += captured;
	if (!packet_plain(&c->decoder, link_type, at_us, frame, captured, s) && !packet_decode(&c->decoder, link_type, at_us, frame, captured, length, s))
		return;
	c->stats.segments++;
	if (c->o.n_ports && !port_wanted(c, s->port[0]) && !port_wanted(c, s->port[1])) {
		c->stats.other_ports++;
		return;
	}
	uint32_t hash = flow_hash(c, s, &c->batch_swapped[c->n_batch]);
	__builtin_prefetch(&c->table[hash & c->mask]);
	c->batch_hash[c->n_batch++] = hash;
	bool borrowed = s->payload < frame || s->payload > frame + captured; /* put together from fragments, until the next ones */
	if (c->n_batch == BATCH || borrowed)
		capture_sync(c);
}

void capture_tick(struct capture *c, int64_t now_us)
{
	capture_sync(c);
	if (now_us > c->now_us)
		c->now_us = now_us;
	else if (c->now_us - now_us > PUT_BACK_US)
		flow_put_back(c, now_us);
	flow_expire(c);
}

void capture_sample(struct capture *c, uint32_t n)
{
	c->o.sample = n;
}

void capture_kernel(struct capture *c, uint64_t packets, uint64_t drops)
{
	c->stats.kernel_packets = packets;
	c->stats.kernel_drops = drops;
}

void capture_unsent(struct capture *c, uint64_t sessions)
{
	c->stats.unsent = sessions;
}

struct capture_stats capture_totals(const struct capture *c)
{
	struct capture_stats t = c->stats;
	const struct decoder *d = &c->decoder;
	t.frames = d->frames;
	t.not_ip = d->not_ip;
	t.not_tcp = d->not_tcp;
	t.short_frames = d->short_frames;
	t.odd_links = d->odd_links;
	t.fragments = d->fragments_seen;
	t.open_flows = c->n_flows;
	t.memory_bytes = (uint64_t)c->cells.used * CELL_BYTES;
	t.memory_peak_bytes = (uint64_t)c->cells.peak * CELL_BYTES;
	return t;
}
