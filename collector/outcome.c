/* What became of a message's recipients. */
#include "collector/open.h"

#include <strings.h>

/* Most messages have one recipient: it is hashed when a second one comes. */
static struct open_rcpt *rcpt_of(struct correlate *c, struct open_msg *m, struct sv recipient)
{
	if (!m->n_rcpt)
		return open_rcpt_add(c, m, recipient, 0);
	if (m->n_rcpt == 1) {
		struct sv first = open_get(m, m->rcpt[0].recipient);
		if (sv_eq(first, recipient))
			return &m->rcpt[0];
		m->rcpt[0].hash = (uint32_t)open_hash(c, first, 0);
	}
	uint32_t hash = (uint32_t)open_hash(c, recipient, 0);
	struct open_rcpt *r = open_rcpt_find(m, recipient, hash);
	return r ? r : open_rcpt_add(c, m, recipient, hash);
}

static bool waits(const struct open_rcpt *r)
{
	return (r->status == TXN_PENDING || r->status == TXN_DEFERRED) && !r->changed;
}

static bool is_final(uint8_t status)
{
	return status != TXN_PENDING && status != TXN_DEFERRED;
}

static void rcpt_apply(struct correlate *c, struct open_msg *m, struct open_rcpt *r, const struct outcome *o)
{
	m->n_again += o->attempts && is_final(r->status) && is_final(o->status) && !r->handed && !o->handed && !o->final_hop;
	m->n_waiting -= waits(r);
	m->n_known -= r->status != TXN_PENDING;
	open_set(c, m, &r->orig, sv_take(o->orig, ADDRESS_MAX));
	if (o->attempts || o->reply.p) { /* else what was said of the attempt before stands */
		open_set(c, m, &r->dsn, sv_take(o->dsn, 16));
		open_set(c, m, &r->reply, sv_take(o->reply, REPLY_MAX));
	}
	if (o->attempts || o->relay_ip.p) {
		open_set(c, m, &r->relay_host, sv_take(o->relay_host, NAME_MAX_BYTES));
		open_set(c, m, &r->relay_ip, o->relay_ip);
	}
	r->time_us = o->time_us;
	r->attempts = r->handed && o->final_hop ? o->attempts : r->attempts + o->attempts; /* to a filter is not yet an attempt */
	if (!r->attempts) /* the log begins amid it */
		r->attempts = 1;
	r->status = o->status;
	r->local = o->local;
	r->handed = o->handed;
	r->final_hop = o->final_hop;
	r->changed = true;
	if (r->handed && m->stitched)
		r->status = TXN_PENDING;
	m->n_waiting += waits(r);
	m->n_known += r->status != TXN_PENDING;
}

void correlate_outcome(struct correlate *c, uint32_t m, const struct outcome *o)
{
	struct open_msg *msg = c->msg[m];
	struct open_rcpt *r = rcpt_of(c, msg, sv_take(o->recipient, ADDRESS_MAX));
	if (!r || (o->handed && r->final_hop)) /* we know better: the copy's outcome came before the hand-over's line */
		return;
	rcpt_apply(c, msg, r, o);
	msg->dirty = true;
	msg->shown = false;
}

void outcome_gone(struct correlate *c, uint32_t m, struct sv recipient, int64_t us)
{
	struct open_msg *msg = c->msg[m];
	struct open_rcpt *r = rcpt_of(c, msg, sv_take(recipient, ADDRESS_MAX));
	if (!r || is_final(r->status))
		return;
	msg->n_waiting -= waits(r);
	msg->n_known += r->status == TXN_PENDING;
	r->status |= OPEN_GONE;
	if (!r->time_us)
		r->time_us = us;
}

static bool is_at(struct sv address, struct sv domain)
{
	return !domain.n || (address.n > domain.n && address.p[address.n - domain.n - 1] == '@' &&
	                     strncasecmp(address.p + address.n - domain.n, domain.p, domain.n) == 0);
}

void outcome_unnamed(struct correlate *c, uint32_t m, struct outcome *o, struct sv domain, int64_t n)
{
	struct open_msg *msg = c->msg[m];
	bool all = n < 0, any = false;
	for (int tried = 0; tried < 2 && (!tried || !all); tried++)
		for (uint32_t i = 0; i < msg->n_rcpt && (all || n > 0); i++) {
			struct open_rcpt *r = &msg->rcpt[i];
			bool meant = r->status == (tried ? TXN_DEFERRED : TXN_PENDING) || (all && r->status == TXN_DEFERRED);
			if (!meant || !is_at(open_get(msg, r->recipient), domain))
				continue;
			rcpt_apply(c, msg, r, o);
			msg->dirty = any = true;
			msg->shown = false;
			n -= !all;
		}
	if (!any)
		correlate_outcome(c, m, o);
}

bool outcome_waits(const struct open_msg *o)
{
	for (uint32_t i = 0; i < o->n_rcpt; i++)
		if (!is_final(o->rcpt[i].status))
			return true;
	return false;
}

void outcome_expect(struct correlate *c, struct open_msg *o, struct sv recipients)
{
	for (ptrdiff_t nl; (nl = sv_chr(recipients, '\n')) >= 0; recipients = sv_skip(recipients, (size_t)nl + 1))
		(void)rcpt_of(c, o, sv_take(sv_take(recipients, (size_t)nl), ADDRESS_MAX));
	if (o->n_rcpt > o->nrcpt)
		o->nrcpt = o->n_rcpt;
}
