/* The other half of snapshot.c: bytes → correlator. They come from our own store, but nothing in them is trusted. */
#include <stdlib.h>

#include "collector/mta.h"
#include "collector/open.h"
#include "lib/wire.h"

#define CAP_MAX (64u << 20)

static struct open_ref get_ref(struct wire *w, const struct open_msg *m)
{
	uint64_t at = wire_get_u(w);
	if (!at)
		return (struct open_ref){ OPEN_NONE, 0 };
	uint64_t n = wire_get_u(w);
	if (at - 1 > m->text_n || n > m->text_n - (at - 1)) {
		wire_spoil(w);
		return (struct open_ref){ OPEN_NONE, 0 };
	}
	return (struct open_ref){ (uint32_t)(at - 1), (uint32_t)n };
}

static void load_rcpt(struct wire *w, const struct open_msg *m, struct open_rcpt *r)
{
	memset(r, 0, sizeof *r);
#define F(name) r->name = (__typeof__(r->name))wire_get_i(w);
	RCPT_FIGURES(F)
#undef F
#define T(name) r->name = get_ref(w, m);
	RCPT_TEXTS(T)
#undef T
	if ((r->status & ~OPEN_GONE) >= TXN_STATUS_COUNT || !open_sane_us(r->time_us))
		wire_spoil(w);
}

static void load_keys(struct correlate *c, struct wire *w, uint32_t m)
{
	uint64_t n = wire_get_u(w);
	if (!n || n > 64)
		wire_spoil(w);
	for (uint64_t i = 0; i < n && !w->bad; i++) {
		struct sv id = wire_get_sv(w);
		uint64_t bits = wire_get_u(w);
		uint32_t k = w->bad || open_find(c, c->msg[m]->host, id) != OPEN_NONE ? OPEN_NONE : open_add_key(c, m, id);
		if (k == OPEN_NONE) {
			wire_spoil(w);
			return;
		}
		c->key[k].seen = bits & 1;
		c->key[k].head = bits & 2;
		c->key[k].removed = bits & 4;
		if (i && c->key[k].removed)
			c->msg[m]->keys_open--;
	}
}

static void load_text(struct correlate *c, struct wire *w, struct open_msg *m)
{
	uint64_t cap = wire_get_u(w);
	struct sv text = wire_get_sv(w);
	if (w->bad || cap > CAP_MAX || text.n > cap || m->text_lost > text.n) {
		wire_spoil(w);
		return;
	}
	if (!cap || !text.p)
		return;
	m->text = pool_alloc(&c->pool, (size_t)cap, &m->text_cap);
	memcpy(m->text, text.p, text.n);
	m->text_n = (uint32_t)text.n;
	c->text_bytes += text.n;
}

static void load_rcpts(struct correlate *c, struct wire *w, struct open_msg *m)
{
	uint64_t n = wire_get_u(w), cap = wire_get_u(w);
	if (w->bad || n > CORRELATE_RCPT_MAX || cap > CAP_MAX || n * sizeof *m->rcpt > cap || n > (uint64_t)(w->end - w->p)) {
		wire_spoil(w);
		return;
	}
	if (cap)
		m->rcpt = pool_alloc(&c->pool, (size_t)cap, &m->rcpt_cap);
	for (uint64_t i = 0; i < n && !w->bad; i++)
		load_rcpt(w, m, &m->rcpt[m->n_rcpt++]);
	c->rcpts += m->n_rcpt;
}

static void load_refs(struct wire *w, struct open_msg *m)
{
#define T(name) m->name = get_ref(w, m);
	OPEN_TEXTS(T)
#undef T
	for (unsigned i = 0; i < TXN_LINES; i++) {
		m->lines[i] = get_ref(w, m);
		m->line_refused[i] = wire_get_u(w) != 0;
	}
}

/* What is in the index of message-ids, until all of it is known. */
struct indexing { struct open_indexed *all; size_t n, cap; };

static void index_it(struct indexing *x, uint64_t order, uint32_t node)
{
	if (x->n == x->cap)
		x->all = xrealloc(x->all, (x->cap = x->cap ? x->cap * 2 : 1024) * sizeof *x->all);
	x->all[x->n++] = (struct open_indexed){ order, node };
}

static void load_folded(struct correlate *c, struct wire *w, unsigned table, struct indexing *x)
{
	for (uint64_t left = wire_get_u(w); left-- && !w->bad;) {
		uint32_t node;
		uint64_t order;
		if (!fold_load(c, w, table, &node, &order))
			wire_spoil(w);
		else if (order)
			index_it(x, order, node);
	}
}

static bool load_msg(struct correlate *c, struct wire *w, enum open_list list, struct indexing *x, uint32_t *ret_m)
{
	uint64_t again = wire_get_u(w), order = wire_get_u(w); /* the latter in the index of message-ids, if it is there */
	uint64_t host = wire_get_u(w);
	struct sv mta = wire_get_sv(w);
	if (w->bad || host >= c->n_host)
		return false;
	uint32_t m = open_new(c, (uint32_t)host, (struct sv){ 0 });
	struct open_msg *o = c->msg[m];
	const struct mta *format = mta_named(mta);
	o->mta = format ? format->name : "other";
#define F(name) o->name = (__typeof__(o->name))wire_get_i(w);
	MSG_FIGURES(F)
#undef F
	if (!open_sane_us(o->first_us) || !open_sane_us(o->last_us) || !open_sane_us(o->due_us))
		wire_spoil(w);
	load_text(c, w, o);
	load_refs(w, o);
	load_rcpts(c, w, o);
	load_keys(c, w, m);
	open_count(c->msg[m]);
	c->stub[m].again = again != 0;
	c->stub[m].id_order = order;
	if (order) {
		uint32_t node = c->stub[m].node = open_node_new(c, m, (uint32_t)open_hash(c, open_get(o, o->message_id), o->host));
		index_it(x, order, node);
	}
	open_touch(c, m, list);
	*ret_m = m;
	return !w->bad;
}

static uint32_t pick(struct wire *w, const uint32_t *all, uint64_t n)
{
	uint64_t i = wire_get_u(w);
	if (w->bad || i >= n) {
		wire_spoil(w);
		return OPEN_NONE;
	}
	return all[i];
}

static void load_dues(struct correlate *c, struct wire *w, const uint32_t *all, uint64_t n)
{
	for (unsigned d = OPEN_DUE_REPORT; d < OPEN_DUES; d++) {
		for (uint64_t left = wire_get_u(w); left-- && !w->bad;) {
			uint32_t m = pick(w, all, n);
			if (m == OPEN_NONE || c->msg[m]->due) {
				wire_spoil(w);
				return;
			}
			int64_t due_us = c->msg[m]->due_us;
			open_set_due(c, m, (enum open_due)d);
			c->msg[m]->due_us = due_us;
		}
	}
}

static void load_children(struct correlate *c, struct wire *w, const uint32_t *all, uint64_t n)
{
	for (uint64_t i = 0; i < n && !w->bad; i++) {
		uint32_t *at = &c->msg[all[i]]->first_child;
		for (uint64_t left = wire_get_u(w); left-- && !w->bad;) {
			uint32_t m = pick(w, all, n);
			if (m == OPEN_NONE || m == all[i] || c->msg[m]->maybe_parent != OPEN_NONE) {
				wire_spoil(w);
				return;
			}
			c->msg[m]->maybe_parent = all[i];
			*at = m;
			at = &c->msg[m]->next_child;
		}
	}
}

static void load_head(struct correlate *c, struct wire *w)
{
	c->now_us = wire_get_i(w);
	if (!open_sane_us(c->now_us))
		wire_spoil(w);
	c->seq = wire_get_u(w);
	c->txns = wire_get_u(w);
	c->facts = wire_get_u(w);
	c->head_missing = wire_get_u(w);
	c->tail_missing = wire_get_u(w);
	c->evicted = wire_get_u(w);
	c->id_order = wire_get_u(w);
	uint64_t hosts = wire_get_u(w);
	for (uint64_t i = 0; i < hosts && !w->bad; i++) {
		struct sv name = wire_get_sv(w);
		if (w->bad || open_host(c, name) != i)
			wire_spoil(w);
	}
	cwd_load(&c->cwd, w, c->n_host);
	fold_load_dictionary(c, w);
}

int correlate_load(struct correlate *c, struct wire *w)
{
	uint32_t *all = NULL;
	uint64_t n = 0, cap = 0;
	struct indexing x = { 0 };
	load_head(c, w);
	for (unsigned t = 0; t < OPEN_FOLDS; t++)
		load_folded(c, w, t, &x);
	for (unsigned l = 0; l < OPEN_LISTS; l++) {
		for (uint64_t left = wire_get_u(w); left-- && !w->bad;) {
			if (n == cap)
				all = xrealloc(all, (cap = cap ? cap * 2 : 1024) * sizeof *all);
			if (!load_msg(c, w, (enum open_list)l, &x, &all[n]))
				wire_spoil(w);
			else
				n++;
		}
	}
	load_dues(c, w, all, n);
	load_children(c, w, all, n);
	free(all);
	if (!w->bad)
		open_rebuild(c, x.all, (uint32_t)x.n);
	free(x.all);
	return w->bad ? -1 : 0;
}
