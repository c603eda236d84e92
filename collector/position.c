#include "collector/position.h"

#include <stdlib.h>

#include "lib/wire.h"

/* FNV-1a: the same on every machine, and nobody gains by making two logs look alike to their own reader. */
struct fingerprint fingerprint_of(struct sv head)
{
	struct fingerprint f = { 14695981039346656037u, 0 };
	head = sv_take(head, POSITION_HEAD_BYTES);
	for (size_t i = 0; i < head.n; i++)
		f.hash = (f.hash ^ (uint8_t)head.p[i]) * 1099511628211u;
	f.n = (uint32_t)head.n;
	return f;
}

bool fingerprint_fits(const struct fingerprint *f, struct sv head)
{
	return f->n && head.n >= f->n && fingerprint_of(sv_take(head, f->n)).hash == f->hash;
}

void positions_fini(struct positions *p)
{
	free(p->v);
	*p = (struct positions){ 0 };
}

static void forget_one(struct positions *p)
{
	size_t i = 0;
	while (i < p->n && !p->v[i].done)
		i++;
	if (i == p->n)
		i = 0;
	memmove(p->v + i, p->v + i + 1, (p->n - i - 1) * sizeof *p->v);
	p->n--;
}

/* A file that has grown has a longer head: the same file all the same. */
static bool same(const struct position *a, const struct position *b)
{
	bool inode_fits = a->dev == b->dev && a->inode == b->inode;
	if (a->head.n == b->head.n && a->head.hash == b->head.hash && (a->head.n >= POSITION_HEAD_ENOUGH || (a->head.n && inode_fits)))
		return true;
	return !a->done && inode_fits && (a->head.n < POSITION_HEAD_BYTES && a->head.n <= b->head.n) && a->offset <= b->offset;
}

void positions_set(struct positions *p, const struct position *at)
{
	for (size_t i = 0; i < p->n; i++) {
		if (same(&p->v[i], at)) {
			p->v[i] = *at;
			return;
		}
	}
	if (p->n == POSITIONS_MAX)
		forget_one(p);
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 8;
		p->v = xrealloc(p->v, p->cap * sizeof *p->v);
	}
	p->v[p->n++] = *at;
}

const struct position *positions_find(const struct positions *p, struct sv head, uint64_t dev, uint64_t inode)
{
	for (size_t i = p->n; i-- > 0;) {
		const struct position *v = &p->v[i];
		bool inode_fits = v->dev == dev && v->inode == inode;
		if ((v->head.n >= POSITION_HEAD_ENOUGH || inode_fits) && fingerprint_fits(&v->head, head))
			return v;
	}
	return NULL;
}

const struct position *positions_begun(const struct positions *p)
{
	for (size_t i = p->n; i-- > 0;)
		if (!p->v[i].done)
			return &p->v[i];
	return NULL;
}

void positions_save(const struct positions *p, struct buf *out)
{
	wire_put_u(out, p->n);
	for (size_t i = 0; i < p->n; i++) {
		const struct position *v = &p->v[i];
		wire_put_u(out, v->dev);
		wire_put_u(out, v->inode);
		wire_put_u(out, v->head.hash);
		wire_put_u(out, v->head.n);
		wire_put_u(out, v->offset);
		wire_put_u(out, v->done);
		wire_put_i(out, v->year);
		wire_put_i(out, v->stamp_us);
		wire_put_sv(out, sv_cstr(v->cursor));
	}
}

int positions_load(struct positions *p, struct wire *w)
{
	uint64_t n = wire_get_u(w);
	if (n > POSITIONS_MAX)
		wire_spoil(w);
	for (uint64_t i = 0; i < n && !w->bad; i++) {
		struct position v = { 0 };
		v.dev = wire_get_u(w);
		v.inode = wire_get_u(w);
		v.head.hash = wire_get_u(w);
		v.head.n = (uint32_t)wire_get_u(w);
		v.offset = wire_get_u(w);
		v.done = wire_get_u(w) != 0;
		v.year = (int32_t)wire_get_i(w);
		v.stamp_us = wire_get_i(w);
		struct sv cursor = wire_get_sv(w);
		if (cursor.n >= sizeof v.cursor)
			wire_spoil(w);
		else if (cursor.n)
			memcpy(v.cursor, cursor.p, cursor.n);
		if (v.head.n > POSITION_HEAD_BYTES)
			wire_spoil(w);
		if (!w->bad)
			positions_set(p, &v);
	}
	return w->bad ? -1 : 0;
}
