/* TCP reassembly. Bytes of both directions are read in the order in which the ends had them: a segment waits for what it acknowledges, as well
 * as for what lies before it. So a reply is never read before its command, whatever order the capture has. Where segments overlap,
 * the first that came wins. A hole that the receiver has acknowledged was lost by the capture, not by the network. */
#include "collector/capture/flow.h"

#define STALL_PACKETS 64 /* of the flow while a hole stands: no reordering goes that far */
#define STALL_LEAST 24   /* even when time has passed */
#define UNANCHORED_PACKETS 16
#define PIECE_COST 128 /* counts for each piece besides its bytes: single bytes out of order must not take many cells */
#define FAR_AHEAD (64 << 20)
#define RST_BEHIND (1 << 16)
#define RST_AHEAD (1 << 20)

static struct piece *piece_at(struct capture *c, uint32_t i) { return cells_at(&c->cells, i); }

/* -- what waits -- */

static void drop_head(struct capture *c, struct half *h)
{
	struct piece *p = piece_at(c, h->held);
	uint32_t i = h->held;
	h->held = p->next;
	h->held_bytes -= p->n + PIECE_COST;
	memset(p->bytes, 0, p->n); /* it may have been a password */
	cells_give(&c->cells, i);
}

/* Puts one piece before *link; how many bytes of it found room. */
static uint32_t put_piece(struct capture *c, struct flow *f, struct half *h, uint32_t *link, const struct piece *head, const uint8_t *p)
{
	uint32_t i = flow_block(c, f);
	if (!i)
		return 0;
	struct piece *q = piece_at(c, i);
	q->next = *link;
	q->seq = head->seq;
	q->ack = head->ack;
	q->flags = head->flags;
	q->n = head->n;
	memcpy(q->bytes, p, head->n);
	*link = i;
	h->held_bytes += head->n + PIECE_COST;
	return head->n;
}

static void hold(struct capture *c, struct flow *f, int dir, uint32_t seq, const uint8_t *p, uint32_t n, uint32_t ack, uint8_t flags)
{
	struct half *h = &f->half[dir];
	uint32_t *link = &h->held;
	c->stats.held++;
	while (n) {
		struct piece *q = *link ? piece_at(c, *link) : NULL;
		if (q && !seq_lt(seq, q->seq + q->n)) {
			link = &q->next;
			continue;
		}
		uint32_t take = n;
		if (q && !seq_lt(seq, q->seq)) { /* what is there already wins */
			take = q->seq + q->n - seq < n ? q->seq + q->n - seq : n;
			f->overlaps++;
		} else {
			if (q && q->seq - seq < take)
				take = q->seq - seq;
			if (take > PIECE_BYTES)
				take = PIECE_BYTES;
			struct piece head = { .seq = seq, .ack = ack, .n = (uint16_t)take, .flags = flags };
			if (!put_piece(c, f, h, link, &head, p)) {
				f->smtp.flags |= SMTP_GAP | SMTP_CUT;
				return;
			}
			link = &piece_at(c, *link)->next;
		}
		seq += take;
		p += take;
		n -= take;
	}
}

/* -- reading -- */

/* Behind what is there in one piece, read or not. */
static uint32_t whole_until(struct capture *c, const struct half *h)
{
	uint32_t end = h->next;
	for (uint32_t i = h->held; i;) {
		const struct piece *q = piece_at(c, i);
		if (seq_lt(end, q->seq))
			return end;
		if (seq_lt(end, q->seq + q->n))
			end = q->seq + q->n;
		i = q->next;
	}
	return end + ((h->flags & HALF_FIN) && end == h->fin);
}

/* The other direction has not come to what this acknowledges. What a client said that itself waits for the server, to be understood or in its turn,
 * is there. */
static bool must_wait(struct capture *c, const struct flow *f, int dir, uint32_t ack, uint8_t flags)
{
	const struct half *o = &f->half[1 - dir];
	if (!(flags & TCP_ACK) || !(o->flags & HALF_ANCHORED) || !seq_lt(o->next, ack))
		return false;
	if (dir == CLIENT || !o->held || seq_lt(whole_until(c, o), ack))
		return true;
	const struct piece *q = piece_at(c, o->held);
	return f->smtp.client_state != C_WAIT && !((q->flags & TCP_ACK) && seq_lt(f->half[SERVER].next, q->ack));
}

/* Bytes at h->next. How many were read. */
static uint32_t deliver(struct capture *c, struct flow *f, int dir, uint8_t *p, uint32_t n, uint32_t ack, uint8_t flags, bool all)
{
	struct half *h = &f->half[dir];
	c->cur_ack = flags & TCP_ACK ? ack : 0;
	c->cur_seq = h->next;
	if (dir == CLIENT)
		n = (uint32_t)smtp_client(c, f, p, n, all);
	else
		n = (uint32_t)smtp_server(c, f, p, n);
	h->next += n;
	return n;
}

static bool read_held(struct capture *c, struct flow *f, int dir, bool ignore_ack, bool all)
{
	struct half *h = &f->half[dir];
	bool progress = false;
	while (h->held && (h->flags & HALF_ANCHORED)) {
		struct piece *q = piece_at(c, h->held);
		if (seq_lt(h->next, q->seq))
			break;
		uint32_t done = h->next - q->seq;
		if (done >= q->n) {
			drop_head(c, h);
			progress = true;
			continue;
		}
		if (!ignore_ack && must_wait(c, f, dir, q->ack, q->flags))
			break;
		uint32_t n = q->n - done, used = deliver(c, f, dir, q->bytes + done, n, q->ack, q->flags, all);
		progress |= used > 0;
		if (used < n)
			break;
	}
	if ((h->flags & (HALF_FIN | HALF_ENDED | HALF_ANCHORED)) == (HALF_FIN | HALF_ANCHORED) && h->next == h->fin && !h->held) {
		h->flags |= HALF_ENDED;
		h->next++;
		progress = true;
	}
	return progress;
}

static bool pump(struct capture *c, struct flow *f)
{
	bool any = false, more;
	do {
		more = read_held(c, f, CLIENT, false, false);
		more |= read_held(c, f, SERVER, false, false);
		any |= more;
	} while (more);
	return any;
}

/* -- holes -- */

static void lose(struct capture *c, struct flow *f, int dir, uint32_t to)
{
	struct half *h = &f->half[dir];
	uint32_t n = to - h->next;
	f->lost_bytes += n;
	h->next = to;
	smtp_gap(c, f, dir, n);
}

static bool anchor_at_held(struct capture *c, struct flow *f, int dir)
{
	struct half *h = &f->half[dir];
	if ((h->flags & HALF_ANCHORED) || !h->held)
		return false;
	h->next = piece_at(c, h->held)->seq;
	h->flags |= HALF_ANCHORED;
	f->smtp.flags |= SMTP_GAP | SMTP_MID_STREAM;
	smtp_gap(c, f, dir, 0);
	return true;
}

/* What can be read but for something that the other direction lacks. */
static bool lose_awaited(struct capture *c, struct flow *f, int dir)
{
	struct half *h = &f->half[dir], *o = &f->half[1 - dir];
	if (!h->held || !(h->flags & HALF_ANCHORED))
		return false;
	struct piece *q = piece_at(c, h->held);
	if (seq_lt(h->next, q->seq) || !must_wait(c, f, dir, q->ack, q->flags))
		return false;
	uint32_t to = q->ack;
	if (o->held) {
		struct piece *w = piece_at(c, o->held);
		if (!seq_lt(o->next, w->seq)) /* each waits for the other: a late acknowledgement of a repeated segment */
			return read_held(c, f, dir, true, true);
		if (seq_lt(w->seq, to))
			to = w->seq;
	}
	if ((o->flags & HALF_FIN) && seq_lt(o->fin, to))
		to = o->fin;
	if (!seq_lt(o->next, to))
		return read_held(c, f, dir, true, true);
	lose(c, f, 1 - dir, to);
	return true;
}

static bool lose_hole(struct capture *c, struct flow *f, int dir, bool force)
{
	struct half *h = &f->half[dir], *o = &f->half[1 - dir];
	if (!(h->flags & HALF_ANCHORED) || (h->flags & HALF_ENDED))
		return false;
	uint32_t to = h->held ? piece_at(c, h->held)->seq : h->flags & HALF_FIN ? h->fin : h->next;
	if (!seq_lt(h->next, to))
		return false;
	bool acknowledged = (h->flags & HALF_ACKED) && seq_lt(h->next, h->acked);
	if (!force && !acknowledged && (o->flags & HALF_SEEN))
		return false; /* lost on the way: it will be sent again */
	lose(c, f, dir, to);
	return true;
}

static bool resolve(struct capture *c, struct flow *f, bool force)
{
	bool client = anchor_at_held(c, f, CLIENT), server = anchor_at_held(c, f, SERVER), done = client || server;
	done = done || lose_awaited(c, f, SERVER) || lose_awaited(c, f, CLIENT);
	done = done || lose_hole(c, f, CLIENT, force) || lose_hole(c, f, SERVER, force);
	done = done || read_held(c, f, CLIENT, true, true) || read_held(c, f, SERVER, true, true);
	if (done)
		(void)pump(c, f);
	return done;
}

static bool stalled(const struct flow *f)
{
	for (int d = 0; d < 2; d++) {
		const struct half *h = &f->half[d];
		if (h->held || (h->flags & (HALF_FIN | HALF_ENDED)) == HALF_FIN)
			return true;
	}
	return false;
}

static bool unanchored(const struct flow *f)
{
	for (int d = 0; d < 2; d++)
		if (f->half[d].held && !(f->half[d].flags & HALF_ANCHORED))
			return true;
	return false;
}

/* What the client said is all there and waits for a reply. */
static bool waits_for_reply(struct capture *c, const struct flow *f)
{
	const struct half *h = &f->half[CLIENT];
	return f->smtp.client_state == C_WAIT && h->held && !f->half[SERVER].held && !seq_lt(h->next, piece_at(c, h->held)->seq);
}

static void look_at_stall(struct capture *c, struct flow *f, bool progress)
{
	if (!stalled(f)) {
		f->stall_us = 0;
		return;
	}
	if (!f->stall_us || progress) {
		f->stall_us = c->now_us;
		f->stall_packets = 0;
		return;
	}
	bool waits = waits_for_reply(c, f), seen = f->half[SERVER].flags & HALF_SEEN;
	if (waits && seen)
		return;
	f->stall_packets++;
	bool late = c->now_us - f->stall_us > c->o.stall_us;
	bool now = f->stall_packets >= STALL_PACKETS || (late && f->stall_packets >= STALL_LEAST) ||
	           ((unanchored(f) || waits) && (late || f->stall_packets >= UNANCHORED_PACKETS));
	if (!now)
		return;
	(void)resolve(c, f, false);
	f->stall_us = stalled(f) ? c->now_us : 0;
	f->stall_packets = 0;
}

void tcp_flush(struct capture *c, struct flow *f)
{
	(void)pump(c, f);
	while (stalled(f) && resolve(c, f, true))
		;
	for (int d = 0; d < 2; d++) {
		struct half *h = &f->half[d];
		while (h->held)
			drop_head(c, h);
		/* Its receiver had more than we: the tail is missing. One more may be the FIN. */
		if ((h->flags & HALF_ANCHORED) && (h->flags & HALF_ACKED) && seq_lt(h->next + 1, h->acked))
			lose(c, f, d, h->acked);
	}
}

/* -- segments -- */

static void take_payload(struct capture *c, struct flow *f, struct segment *s, int dir)
{
	struct half *h = &f->half[dir];
	uint8_t *p = s->payload;
	uint32_t n = s->n, seq = s->seq + (s->flags & TCP_SYN ? 1 : 0);
	if (h->flags & HALF_ANCHORED) {
		int32_t off = (int32_t)(seq - h->next);
		if (off < 0) {
			uint32_t behind = h->next - seq;
			f->retransmits++;
			if (behind >= n)
				return;
			p += behind;
			n -= behind;
			seq = h->next;
		}
		if (off > FAR_AHEAD) {
			f->smtp.flags |= SMTP_GAP; /* no window is that large: a lie, or more is missing than can be made good */
			return;
		}
		if (off <= 0 && !h->held && !must_wait(c, f, dir, s->ack, s->flags)) {
			uint32_t used = deliver(c, f, dir, p, n, s->ack, s->flags, false);
			if (used == n)
				return;
			p += used;
			n -= used;
			seq += used;
		}
	}
	while (h->held_bytes + n > c->o.held_bytes && resolve(c, f, true))
		;
	if (h->held_bytes + n > c->o.held_bytes)
		f->smtp.flags |= SMTP_GAP | SMTP_CUT; /* a hole, then, when what follows can be read */
	else
		hold(c, f, dir, seq, p, n, s->ack, s->flags);
}

static void anchor(struct half *h, uint32_t isn)
{
	if (h->flags & HALF_ANCHORED)
		return;
	h->isn = isn;
	h->next = isn + 1;
	h->flags |= HALF_ANCHORED | HALF_SYN;
}

static bool reset(struct capture *c, struct flow *f, const struct segment *s, int dir)
{
	struct half *h = &f->half[dir];
	int32_t off = (int32_t)(s->seq - h->next);
	if ((h->flags & HALF_ANCHORED) && s->seq && (off < -RST_BEHIND || off > RST_AHEAD))
		return false; /* a blind guess */
	if ((h->flags & HALF_ANCHORED) && s->seq && off > 0 && (!(h->flags & HALF_ACKED) || seq_lt(h->acked, s->seq))) {
		h->acked = s->seq; /* what came before it was sent, though we have not seen it */
		h->flags |= HALF_ACKED;
	}
	if (f->list == LIST_NEW && dir == SERVER)
		f->smtp.flags |= SMTP_REFUSED;
	if (f->list != LIST_CLOSING) {
		f->end = SMTP_END_RST;
		f->closed_us = c->now_us;
	}
	flow_move(c, f, LIST_CLOSING);
	return true;
}

/* Its receiver has acknowledged the FIN and all before it: holes that are left stay. */
static bool has_all(const struct half *h)
{
	return (h->flags & (HALF_FIN | HALF_ACKED)) == (HALF_FIN | HALF_ACKED) && seq_lt(h->fin, h->acked);
}

static void look_at_end(struct capture *c, struct flow *f)
{
	uint8_t a = f->half[CLIENT].flags, b = f->half[SERVER].flags;
	bool over = (a & b & HALF_ENDED) || ((a & HALF_ENDED) && !(b & HALF_SEEN)) || ((b & HALF_ENDED) && !(a & HALF_SEEN)) ||
	            (has_all(&f->half[CLIENT]) && has_all(&f->half[SERVER]));
	if (!over || f->list == LIST_CLOSING)
		return;
	f->end = SMTP_END_FIN;
	f->closed_us = c->now_us;
	flow_move(c, f, LIST_CLOSING);
}

void tcp_segment(struct capture *c, struct flow *f, struct segment *s, int dir)
{
	struct half *h = &f->half[dir], *o = &f->half[1 - dir];
	if (dir == SERVER && !(h->flags & HALF_SEEN) && f->smtp.assumed)
		f->smtp.flags |= SMTP_GAP; /* it was there after all */
	h->flags |= HALF_SEEN;
	f->bytes[dir] += s->n;
	if (s->flags & TCP_SYN) {
		anchor(h, s->seq);
		if (s->flags & TCP_ACK)
			anchor(o, s->ack - 1);
	}
	if ((s->flags & TCP_ACK) && (!(o->flags & HALF_ACKED) || seq_lt(o->acked, s->ack))) {
		o->acked = s->ack;
		o->flags |= HALF_ACKED;
	}
	if (f->list == LIST_NEW && ((s->flags & TCP_ACK) || s->n) && !(s->flags & TCP_RST))
		flow_move(c, f, LIST_ANSWERED);
	if ((s->flags & TCP_RST) && reset(c, f, s, dir))
		return;
	if (s->flags & TCP_FIN && !(h->flags & HALF_FIN)) {
		h->fin = s->seq + s->n + s->missing + (s->flags & TCP_SYN ? 1 : 0);
		h->flags |= HALF_FIN;
	}
	uint32_t before = f->half[0].next + f->half[1].next;
	if (s->n)
		take_payload(c, f, s, dir);
	if (h->held || o->held || ((h->flags | o->flags) & HALF_FIN) || f->stall_us) {
		bool progress = pump(c, f) || before != f->half[0].next + f->half[1].next;
		look_at_stall(c, f, progress);
		look_at_end(c, f);
	}
}
