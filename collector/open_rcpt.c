/* A message's recipients. The few of a usual message are looked through; a list that goes to tens of thousands has an index, made when it is asked. */
#include "collector/open.h"

#include <stdlib.h>

#define INDEX_FROM 64u

static uint32_t *slot_of(const struct open_msg *m, struct sv recipient, uint32_t hash)
{
	uint32_t mask = m->rcpt_slots - 1, i = hash & mask;
	for (; m->rcpt_slot[i]; i = (i + 1) & mask) {
		const struct open_rcpt *r = &m->rcpt[m->rcpt_slot[i] - 1];
		if (r->hash == hash && sv_eq(open_get(m, r->recipient), recipient))
			break;
	}
	return &m->rcpt_slot[i];
}

void open_rcpt_unindex(struct open_msg *m)
{
	free(m->rcpt_slot);
	m->rcpt_slot = NULL;
	m->rcpt_slots = m->rcpt_indexed = 0;
}

/* Half of the places are free at least. They are not counted as memory of the message: a snapshot does not have them, and the same must be given up after one. */
static void make_room(struct open_msg *m)
{
	uint32_t slots = INDEX_FROM * 4;
	if (m->n_rcpt * 2 <= m->rcpt_slots)
		return;
	open_rcpt_unindex(m);
	while (slots < m->n_rcpt * 4)
		slots *= 2;
	m->rcpt_slot = xcalloc(slots, sizeof *m->rcpt_slot);
	m->rcpt_slots = slots;
}

struct open_rcpt *open_rcpt_find(struct open_msg *m, struct sv recipient, uint32_t hash)
{
	if (m->n_rcpt < INDEX_FROM) {
		for (uint32_t i = 0; i < m->n_rcpt; i++)
			if (m->rcpt[i].hash == hash && sv_eq(open_get(m, m->rcpt[i].recipient), recipient))
				return &m->rcpt[i];
		return NULL;
	}
	make_room(m);
	for (; m->rcpt_indexed < m->n_rcpt; m->rcpt_indexed++) {
		const struct open_rcpt *r = &m->rcpt[m->rcpt_indexed];
		uint32_t *slot = slot_of(m, open_get(m, r->recipient), r->hash);
		if (!*slot)
			*slot = m->rcpt_indexed + 1;
	}
	uint32_t at = *slot_of(m, recipient, hash);
	return at ? &m->rcpt[at - 1] : NULL;
}

struct open_rcpt *open_rcpt_add(struct correlate *c, struct open_msg *m, struct sv recipient, uint32_t hash)
{
	if (m->n_rcpt == CORRELATE_RCPT_MAX)
		return NULL;
	if ((m->n_rcpt + 1) * sizeof *m->rcpt > m->rcpt_cap) {
		size_t cap;
		struct open_rcpt *to = pool_alloc(&c->pool, (m->n_rcpt + 1) * sizeof *to + m->n_rcpt / 2 * sizeof *to, &cap);
		if (m->n_rcpt)
			memcpy(to, m->rcpt, m->n_rcpt * sizeof *to);
		pool_free(&c->pool, m->rcpt, m->rcpt_cap);
		m->rcpt = to;
		m->rcpt_cap = cap;
	}
	struct open_rcpt *r = &m->rcpt[m->n_rcpt++];
	c->rcpts++;
	memset(r, 0, sizeof *r);
	r->hash = hash;
	r->recipient.at = r->orig.at = r->dsn.at = r->reply.at = r->relay_host.at = r->relay_ip.at = OPEN_NONE;
	open_set(c, m, &r->recipient, recipient);
	m->n_waiting++;
	return r;
}

void open_count(struct open_msg *m)
{
	m->n_known = m->n_waiting = 0;
	for (uint32_t i = 0; i < m->n_rcpt; i++) {
		const struct open_rcpt *r = &m->rcpt[i];
		m->n_known += r->status != TXN_PENDING;
		m->n_waiting += (r->status == TXN_PENDING || r->status == TXN_DEFERRED) && !r->changed;
	}
}

int64_t open_outcomes(const struct open_msg *m)
{
	int64_t n = 0;
	for (uint32_t i = 0; i < m->n_rcpt; i++)
		n += m->rcpt[i].attempts;
	return n;
}
