#include "analyzer/resting.h"

#include <stdlib.h>

#include "analyzer/store.h"
#include "lib/msg.h"
#include "lib/near.h"
#include "lib/wire.h"

#define OVERHEAD_BYTES 16 /* of the allocation */

struct item {
	uint64_t key;
	struct item *prev, *next; /* in the order in which they came */
	uint32_t n;
	char bytes[];
};

#define HEAD_BYTES offsetof(struct item, bytes)

struct resting {
	struct item **seat; /* open addressing by key */
	size_t n, cap;
	uint64_t bytes;
	struct item *first, *last;
	struct buf packed;
};

struct resting *resting_new(void)
{
	return xcalloc(1, sizeof(struct resting));
}

void resting_free(struct resting *r)
{
	if (!r)
		return;
	for (struct item *x = r->first, *next; x; x = next) {
		next = x->next;
		free(x);
	}
	free(r->seat);
	buf_fini(&r->packed);
	free(r);
}

static size_t find(const struct resting *r, uint64_t key)
{
	size_t at = (size_t)key & (r->cap - 1);
	while (r->seat[at] && r->seat[at]->key != key)
		at = (at + 1) & (r->cap - 1);
	return at;
}

static void grow(struct resting *r)
{
	r->cap = r->cap ? r->cap * 2 : 256;
	free(r->seat);
	r->seat = xcalloc(r->cap, sizeof(struct item *));
	for (struct item *x = r->first; x; x = x->next)
		r->seat[find(r, x->key)] = x;
}

/* Its seat is empty afterwards, and whoever would not be found any more moves up. */
static void leave(struct resting *r, size_t at)
{
	r->seat[at] = NULL;
	for (size_t i = (at + 1) & (r->cap - 1); r->seat[i]; i = (i + 1) & (r->cap - 1)) {
		size_t home = (size_t)r->seat[i]->key & (r->cap - 1);
		if (((i - home) & (r->cap - 1)) < ((i - at) & (r->cap - 1)))
			continue;
		r->seat[at] = r->seat[i];
		r->seat[i] = NULL;
		at = i;
	}
}

static uint64_t weight(const struct item *x)
{
	return HEAD_BYTES + x->n + OVERHEAD_BYTES;
}

static void forget(struct resting *r, struct item *x)
{
	leave(r, find(r, x->key));
	*(x->prev ? &x->prev->next : &r->first) = x->next;
	*(x->next ? &x->next->prev : &r->last) = x->prev;
	r->n--;
	r->bytes -= weight(x);
	free(x);
}

/* Most ids are in lower case, and need not be kept. */
static bool has_upper(const char *id)
{
	while (*id && (*id < 'A' || *id > 'Z'))
		id++;
	return *id;
}

static void pack(const struct judge *j, const struct principal *p, struct buf *out)
{
	struct buf today = { 0 };
	buf_clear(out);
	hours_encode(&p->hours, &today);
	wire_put_i(out, p->score);
	wire_put_i(out, p->first_us);
	wire_put_i(out, p->last_us);
	wire_put_u(out, p->messages);
	wire_put_u(out, p->recipients);
	wire_put_u(out, p->bounced);
	wire_put_sv(out, buf_sv(&today));
	wire_put_sv(out, has_upper(p->id) ? sv_cstr(p->id) : (struct sv){ 0 });
	store_state_encode(j, p, out);
	buf_fini(&today);
}

void resting_put(struct resting *r, const struct judge *j, const struct principal *p)
{
	if (r->n * 4 >= r->cap * 3)
		grow(r);
	pack(j, p, &r->packed);
	struct item *x = xmalloc(HEAD_BYTES + r->packed.n);
	x->key = p->key;
	x->prev = r->last;
	x->next = NULL;
	x->n = (uint32_t)r->packed.n;
	memcpy(x->bytes, r->packed.p, r->packed.n);
	*(r->last ? &r->last->next : &r->first) = x;
	r->last = x;
	r->seat[find(r, x->key)] = x;
	r->n++;
	r->bytes += weight(x);
}

bool resting_take(struct resting *r, struct judge *j, struct principal *p)
{
	struct item *x = r->n ? r->seat[find(r, p->key)] : NULL;
	if (!x)
		return false;
	struct wire w = wire_of(sv_make(x->bytes, x->n));
	p->score = (int32_t)wire_get_i(&w);
	p->first_us = wire_get_i(&w);
	p->last_us = wire_get_i(&w);
	p->shown = p->score >= STORE_SHOWS_FROM; /* who has a case does not rest */
	p->messages = wire_get_u(&w);
	p->recipients = wire_get_u(&w);
	p->bounced = wire_get_u(&w);
	hours_decode(&p->hours, wire_get_sv(&w));
	struct sv id = wire_get_sv(&w);
	if (id.n && id.n == strlen(p->id))
		memcpy(p->id, id.p, id.n);
	else
		near_lower(p->id, p->id, strlen(p->id));
	if (w.bad || store_state_decode(j, p, sv_make((const char *)w.p, (size_t)(w.end - w.p))) < 0)
		panic("a principal that rested does not come back");
	forget(r, x);
	return true;
}

size_t resting_count(const struct resting *r)
{
	return r->n;
}

uint64_t resting_bytes(const struct resting *r)
{
	return r->bytes + r->cap * sizeof(struct item *);
}

size_t resting_shrink(struct resting *r, uint64_t most)
{
	size_t n = 0;
	for (struct item *x = r->first, *next; x && resting_bytes(r) > most; x = next, n++) {
		next = x->next;
		forget(r, x);
	}
	return n;
}
