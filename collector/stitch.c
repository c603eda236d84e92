/* Content filters: a message that leaves through a loopback relay or a pipe and comes back under another queue id is
 * one message. A copy is only a guess until the hand-over is seen, as mailing lists and forwarders also send a message
 * with the same message-id again. */
#include "collector/open.h"
#include "collector/scan.h"

/* The newest open message with m's message-id that m may be a copy of. */
static uint32_t original_of(struct correlate *c, uint32_t m)
{
	const struct open_msg *o = c->msg[m];
	struct sv id = open_get(o, o->message_id);
	uint32_t own = c->stub[m].node, hash = c->node[own].hash, at = c->bucket[hash & c->bucket_mask];
	if (o->first_child != OPEN_NONE) /* others are copies of it */
		return OPEN_NONE;
	for (unsigned tries = 0; at && tries < 32;) {
		uint32_t node = at - 1, next = c->node[node].next;
		if (node != own && c->node[node].hash == hash) {
			uint32_t other = c->node[node].ref & OPEN_COLD ? fold_open(c, node) : c->node[node].ref;
			const struct open_msg *p = c->msg[other];
			if (p->host == o->host && sv_eq(open_get(p, p->message_id), id) && p->maybe_parent == OPEN_NONE)
				return other;
		}
		tries += c->node[node].hash == hash;
		at = next == OPEN_NONE ? 0 : next + 1;
	}
	return OPEN_NONE;
}

static bool is_local(const struct open_msg *m) { return m->piped && !m->loopback; }

/* Whether m was handed to something that gives it back as `copy` came: by SMTP, or, only out of a pipe, by the sendmail command. */
static bool has_handed(const struct open_msg *m, const struct open_msg *copy)
{
	for (uint32_t i = 0; i < m->n_rcpt; i++)
		if (m->rcpt[i].handed && (!is_local(copy) || m->rcpt[i].relay_ip.at == OPEN_NONE))
			return true;
	return false;
}

/* The outcomes of the copy are the message's. */
static void merge_rcpts(struct correlate *c, uint32_t from, uint32_t to)
{
	const struct open_msg *f = c->msg[from];
	for (uint32_t i = 0; i < f->n_rcpt; i++) {
		const struct open_rcpt *r = &f->rcpt[i];
		struct outcome o = {
			.recipient = open_get(f, r->recipient), .orig = open_get(f, r->orig), .dsn = open_get(f, r->dsn),
			.reply = open_get(f, r->reply), .relay_host = open_get(f, r->relay_host), .relay_ip = open_get(f, r->relay_ip),
			.time_us = r->time_us, .attempts = r->attempts, .status = r->status, .local = r->local, .handed = r->handed,
			.final_hop = true,
		};
		correlate_outcome(c, to, &o);
	}
	for (unsigned i = 1; i < TXN_LINES; i++)
		if (f->lines[i].at != OPEN_NONE)
			open_add_line(c, c->msg[to], open_get(f, f->lines[i]), f->line_refused[i]);
}

void stitch_sender(struct correlate *c, uint32_t m, struct sv sender)
{
	struct open_msg *o = c->msg[m];
	struct sv had = open_get(o, o->sender);
	if (o->sender_known && had.n && sv_chr(had, '@') < 0 && sv_chr(sender, '@') > 0)
		open_set(c, o, &o->sender, sv_take(sender, 512));
}

void stitch_begun(struct correlate *c, uint32_t m)
{
	struct open_msg *o = c->msg[m];
	o->stitched = true;
	for (uint32_t i = 0; i < o->n_rcpt; i++)
		if (o->rcpt[i].handed && !o->rcpt[i].final_hop)
			o->rcpt[i].status = TXN_PENDING;
	open_count(o);
}

/* False: it stays a message of its own, as there would be too many queue ids: a crowd with one message-id, no filter splits a message so often. */
static bool confirm(struct correlate *c, uint32_t to, uint32_t from)
{
	struct open_msg *t = c->msg[to], *f = c->msg[from];
	if (t->n_keys + f->n_keys > OPEN_KEYS_MAX)
		return false;
	stitch_release(c, from);
	stitch_begun(c, to);
	merge_rcpts(c, from, to);
	if (f->sender_known)
		stitch_sender(c, to, open_get(f, f->sender));
	if (f->first_us < t->first_us)
		t->first_us = f->first_us;
	bool later = f->last_us > t->last_us;
	if (later)
		t->last_us = f->last_us;
	if (c->stub[from].list != OPEN_FRESH)
		open_touch(c, to, OPEN_QUEUED);
	else if (later) /* else those behind it would wait for it to be old */
		open_heard(c, to);
	open_move_keys(c, from, to);
	open_free(c, from);
	return true;
}

void stitch_child(struct correlate *c, uint32_t m)
{
	struct open_msg *o = c->msg[m];
	if (c->stub[m].node == OPEN_NONE || o->maybe_parent != OPEN_NONE || o->reported)
		return;
	uint32_t p = original_of(c, m);
	if (p == OPEN_NONE)
		return;
	if (has_handed(c->msg[p], o)) {
		if (confirm(c, p, m))
			correlate_removed(c, p);
		return;
	}
	o->maybe_parent = p;
	o->next_child = c->msg[p]->first_child;
	c->msg[p]->first_child = m;
}

void stitch_named(struct correlate *c, uint32_t m, struct sv orig_queue_id)
{
	uint32_t k = open_find(c, c->msg[m]->host, orig_queue_id);
	if (k != OPEN_NONE && c->key[k].msg != m)
		(void)confirm(c, c->key[k].msg, m);
}

void stitch_handed(struct correlate *c, uint32_t m, struct sv reply)
{
	for (uint32_t child = c->msg[m]->first_child, next; child != OPEN_NONE; child = next) {
		next = c->msg[child]->next_child;
		if (has_handed(c->msg[m], c->msg[child]) && !confirm(c, m, child))
			break;
	}
	struct sv id = scan_queued_as(reply);
	if (!id.p || id.n > OPEN_ID_BYTES)
		return;
	uint32_t k = open_find(c, c->msg[m]->host, id);
	if (k == OPEN_NONE) {
		(void)open_add_key(c, m, id); /* its lines may still come */
		return;
	}
	uint32_t from = c->key[k].msg;
	if (from != m && c->msg[from]->first_key == k && (c->msg[from]->loopback || !c->msg[from]->head))
		(void)confirm(c, m, from);
}

/* What came by the network went out again from this host while it was delivered: mailboxes' own rules (Sieve's redirect) forward it, each recipient's to
 * four addresses at most. Whoever reuses a message's id for more is no such rule. */
#define FORWARDS_EACH 4

void stitch_release(struct correlate *c, uint32_t m)
{
	const struct open_msg *from = c->msg[m];
	int64_t left = is_local(from) || from->client_ip.at == OPEN_NONE ? 0 : FORWARDS_EACH * (from->nrcpt > 1 ? from->nrcpt : 1);
	while (c->msg[m]->first_child != OPEN_NONE) {
		uint32_t child = c->msg[m]->first_child;
		struct open_msg *o = c->msg[child];
		c->msg[m]->first_child = o->next_child;
		o->maybe_parent = o->next_child = OPEN_NONE;
		o->forward |= is_local(o) && left-- > 0;
		if (o->removed)
			open_set_due(c, child, OPEN_DUE_LINGER);
		else if (o->dirty)
			open_set_due(c, child, OPEN_DUE_REPORT);
	}
}
