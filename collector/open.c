#include "collector/open.h"

#include <stdlib.h>
#include <sys/random.h>

#include "lib/msg.h"

/* -- hashing, keyed because peers choose message ids and addresses -- */

__extension__ typedef unsigned __int128 u128;

static uint64_t mix(uint64_t a, uint64_t b)
{
	u128 r = (u128)a * b;
	return (uint64_t)r ^ (uint64_t)(r >> 64);
}

static uint64_t load(const char *p, size_t n)
{
	uint64_t v = 0;
	if (n)
		memcpy(&v, p, n < 8 ? n : 8);
	return v;
}

uint64_t open_hash(const struct correlate *c, struct sv s, uint64_t more)
{
	uint64_t h = c->seed[0] ^ more;
	while (s.n > 16) {
		h = mix(load(s.p, 8) ^ c->seed[1], load(s.p + 8, 8) ^ h);
		s = sv_skip(s, 16);
	}
	uint64_t a = load(s.p, s.n), b = s.n > 8 ? load(s.p + 8, s.n - 8) : 0;
	return mix(c->seed[2] ^ s.n, mix(a ^ c->seed[1], b ^ h) ^ c->seed[3]);
}

/* Ids are text and words at once. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the lowest byte of a word comes first");

uint32_t open_id_hash(const struct correlate *c, const uint64_t w[OPEN_ID_WORDS], uint32_t host)
{
	return (uint32_t)(mix(w[0] ^ c->seed[0], w[1] ^ c->seed[1]) ^ mix(w[2] ^ c->seed[2], c->seed[3] ^ host));
}

struct correlate *correlate_new(const struct correlate_sink *sink, size_t max_open_bytes, bool final_only)
{
	struct correlate *c = xcalloc(1, sizeof *c);
	c->sink = *sink;
	c->max_bytes = max_open_bytes ? max_open_bytes : SIZE_MAX;
	c->max_saved = final_only ? SIZE_MAX : CORRELATE_SAVED_BYTES_MAX;
	c->final_only = final_only;
	c->fold_after_us = CORRELATE_FOLD_US;
	c->fold_beyond = c->max_bytes / 8 < CORRELATE_UNFOLDED_BYTES ? c->max_bytes / 8 : CORRELATE_UNFOLDED_BYTES;
	c->free_msg = c->free_key = c->free_node = OPEN_NONE;
	if (getrandom(c->seed, sizeof c->seed, 0) != sizeof c->seed)
		panic("getrandom failed");
	for (unsigned i = 0; i < OPEN_LISTS; i++)
		c->list[i] = (struct open_ends){ OPEN_NONE, OPEN_NONE };
	c->folded.from_us = INT64_MAX;
	for (unsigned i = 0; i < OPEN_DUES; i++)
		c->due[i] = (struct open_ends){ OPEN_NONE, OPEN_NONE };
	c->slot_mask = 1023;
	c->slot = xcalloc(c->slot_mask + 1, sizeof *c->slot);
	c->bucket_mask = 1023;
	c->bucket = xcalloc(c->bucket_mask + 1, sizeof *c->bucket);
	return c;
}

void correlate_fold_after(struct correlate *c, int64_t us)
{
	c->fold_after_us = us;
	c->fold_beyond = 0;
}

static void msg_drop(struct correlate *c, uint32_t m)
{
	struct open_msg *o = c->msg[m];
	pool_free(&c->pool, o->text, o->text_cap);
	pool_free(&c->pool, o->rcpt, o->rcpt_cap);
	if (o->rcpt_slot)
		open_rcpt_unindex(o);
	c->text_bytes -= o->text_n;
	c->rcpts -= o->n_rcpt;
	memcpy(&o->text, &c->spare, sizeof c->spare);
	c->spare = o;
	c->msg[m] = NULL;
}

void correlate_free(struct correlate *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->n_msg; i++)
		if (c->msg[i])
			msg_drop(c, i);
	for (struct open_msg *o = c->spare, *next; o; o = next) {
		memcpy(&next, &o->text, sizeof next);
		free(o);
	}
	fold_free(c);
	free(c->stub);
	open_hosts_free(c);
	free(c->early);
	free(c->msg);
	free(c->key);
	free(c->slot);
	free(c->bucket);
	free(c->node);
	free(c->out);
	pool_fini(&c->pool);
	free(c);
}

/* -- keys -- */

static uint64_t load_short(const char *p, size_t n)
{
	uint32_t low, high;
	uint64_t v = 0;
	if (n < 4) {
		for (size_t i = 0; i < n; i++)
			v |= (uint64_t)(uint8_t)p[i] << 8 * i;
		return v;
	}
	memcpy(&low, p, 4);
	memcpy(&high, p + n - 4, 4);
	return low | (uint64_t)high << 8 * (n - 4);
}

/* A NUL among the first n bytes? */
static bool has_nul(uint64_t w, size_t n)
{
	if (n < 8)
		w |= UINT64_MAX << 8 * n;
	return (w - 0x0101010101010101u) & ~w & 0x8080808080808080u;
}

bool open_id(struct sv queue_id, uint64_t ret[OPEN_ID_WORDS])
{
	const char *p = queue_id.p;
	size_t n = queue_id.n;
	if (!n || n > OPEN_ID_BYTES)
		return false;
	ret[0] = n < 8 ? load_short(p, n) : load(p, 8);
	ret[1] = n <= 8 ? 0 : n < 16 ? load(p + n - 8, 8) >> 8 * (16 - n) : load(p + 8, 8);
	ret[2] = n <= 16 ? 0 : load(p + n - 8, 8) >> 8 * (24 - n);
	/* NULs would make it another's */
	return !has_nul(ret[0], n) && (n <= 8 || !has_nul(ret[1], n - 8)) && (n <= 16 || !has_nul(ret[2], n - 16));
}

static bool place_of(const struct correlate *c, uint32_t host, struct sv queue_id, struct open_place *ret)
{
	*ret = (struct open_place){ .text = queue_id, .host = host };
	if (!open_id(queue_id, ret->id))
		return false;
	ret->hash = open_id_hash(c, ret->id, host);
	return true;
}

bool open_at(struct correlate *c, uint32_t host, struct sv queue_id)
{
	bool ok = place_of(c, host, queue_id, &c->at);
	if (!ok)
		c->at.text.p = NULL;
	return ok;
}

static bool is_id(const uint64_t a[OPEN_ID_WORDS], const uint64_t b[OPEN_ID_WORDS])
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

uint32_t open_find(struct correlate *c, uint32_t host, struct sv queue_id)
{
	struct open_place other;
	struct open_place *at = &c->at;
	if (at->text.p != queue_id.p || at->text.n != queue_id.n || at->host != host) {
		if (!place_of(c, host, queue_id, &other))
			return OPEN_NONE;
		at = &other;
	}
	uint32_t h = at->hash;
	for (uint32_t i = h & c->slot_mask; c->slot[i]; i = (i + 1) & c->slot_mask) {
		const struct open_key *k = &c->key[c->slot[i] - 1];
		if (k->hash == h && k->host == host && is_id(k->id, at->id))
			return c->slot[i] - 1;
	}
	return c->folded.n && !at->not_folded ? fold_find(c, at) : OPEN_NONE;
}

static void slot_put(struct correlate *c, uint32_t k)
{
	uint32_t i = c->key[k].hash & c->slot_mask;
	while (c->slot[i])
		i = (i + 1) & c->slot_mask;
	c->slot[i] = k + 1;
}

static void slot_resize(struct correlate *c, uint32_t size)
{
	free(c->slot);
	c->slot_mask = size - 1;
	c->slot = xcalloc(size, sizeof *c->slot);
	for (uint32_t k = 0; k < c->n_key; k++)
		if (c->key[k].used)
			slot_put(c, k);
}

/* Backward-shift deletion: no tombstones, so the table never silts up. */
static void slot_del(struct correlate *c, uint32_t k)
{
	uint32_t i = c->key[k].hash & c->slot_mask;
	while (c->slot[i] != k + 1)
		i = (i + 1) & c->slot_mask;
	for (uint32_t j = (i + 1) & c->slot_mask; c->slot[j]; j = (j + 1) & c->slot_mask) {
		uint32_t home = c->key[c->slot[j] - 1].hash & c->slot_mask;
		if (((j - home) & c->slot_mask) >= ((j - i) & c->slot_mask)) {
			c->slot[i] = c->slot[j];
			i = j;
		}
	}
	c->slot[i] = 0;
}

static uint32_t key_new(struct correlate *c, uint32_t host, const uint64_t id[OPEN_ID_WORDS])
{
	uint32_t k = c->free_key;
	if (k != OPEN_NONE) {
		c->free_key = c->key[k].next;
	} else {
		if (c->n_key == c->cap_key) {
			c->cap_key = c->cap_key ? c->cap_key * 2 : 1024;
			c->key = xrealloc(c->key, c->cap_key * sizeof *c->key);
		}
		k = c->n_key++;
	}
	struct open_key *key = &c->key[k];
	*key = (struct open_key){ .host = host, .msg = OPEN_NONE, .next = OPEN_NONE, .used = true };
	memcpy(key->id, id, OPEN_ID_BYTES);
	key->hash = open_id_hash(c, id, host);
	if (++c->live_keys * 2 > c->slot_mask)
		slot_resize(c, (c->slot_mask + 1) * 2);
	else
		slot_put(c, k);
	return k;
}

static void key_free(struct correlate *c, uint32_t k)
{
	slot_del(c, k);
	c->key[k].used = false;
	c->key[k].next = c->free_key;
	c->free_key = k;
	c->live_keys--;
}

struct sv open_key_text(const struct open_key *k)
{
	return sv_make((const char *)k->id, strnlen((const char *)k->id, OPEN_ID_BYTES));
}

struct sv open_queue_id(const struct correlate *c, uint32_t m)
{
	uint32_t k = c->msg[m]->first_key;
	return k == OPEN_NONE ? sv_make("", 0) : open_key_text(&c->key[k]);
}

uint32_t open_add_key(struct correlate *c, uint32_t m, struct sv queue_id)
{
	uint64_t id[OPEN_ID_WORDS];
	if (!open_id(queue_id, id) || c->msg[m]->n_keys >= OPEN_KEYS_MAX)
		return OPEN_NONE;
	return open_key_new(c, m, id);
}

uint32_t open_key_new(struct correlate *c, uint32_t m, const uint64_t id[OPEN_ID_WORDS])
{
	uint32_t k = key_new(c, c->msg[m]->host, id), *at = &c->msg[m]->first_key;
	while (*at != OPEN_NONE)
		at = &c->key[*at].next;
	*at = k;
	c->key[k].msg = m;
	if (c->msg[m]->n_keys++)
		c->msg[m]->keys_open++;
	return k;
}

void open_drop_key(struct correlate *c, uint32_t k)
{
	struct open_msg *m = c->msg[c->key[k].msg];
	uint32_t *at = &m->first_key;
	if (*at != k && !c->key[k].removed)
		m->keys_open--;
	while (*at != k)
		at = &c->key[*at].next;
	*at = c->key[k].next;
	m->n_keys--;
	key_free(c, k);
}

void open_move_keys(struct correlate *c, uint32_t from, uint32_t to)
{
	uint32_t *at = &c->msg[to]->first_key;
	while (*at != OPEN_NONE)
		at = &c->key[*at].next;
	*at = c->msg[from]->first_key;
	bool first = true;
	for (uint32_t k = *at; k != OPEN_NONE; k = c->key[k].next, first = false) {
		struct open_key *key = &c->key[k];
		key->msg = to;
		key->seen = true;
		if (first) {
			key->head = c->msg[from]->head;
			key->removed = c->msg[from]->removed;
		}
		c->msg[to]->n_keys++;
		c->msg[to]->keys_open += !key->removed;
	}
	c->msg[from]->first_key = OPEN_NONE;
	c->msg[from]->n_keys = c->msg[from]->keys_open = 0;
}

/* -- messages -- */

static struct open_msg *msg_new(struct correlate *c, uint32_t m)
{
	struct open_msg *o = c->spare;
	if (o)
		memcpy(&c->spare, &o->text, sizeof c->spare);
	else
		o = xmalloc(sizeof *o);
	*o = (struct open_msg){ .uid = -1, .size = -1, .nrcpt = -1 };
	o->first_key = o->maybe_parent = o->first_child = o->next_child = o->due_prev = o->due_next = OPEN_NONE;
#define T(name) o->name.at = OPEN_NONE;
	OPEN_TEXTS(T)
#undef T
	for (unsigned i = 0; i < TXN_LINES; i++)
		o->lines[i].at = OPEN_NONE;
	return c->msg[m] = o;
}

static inline uint32_t bare(struct correlate *c, uint32_t host)
{
	uint32_t m = c->free_msg;
	if (m != OPEN_NONE) {
		c->free_msg = c->stub[m].list_next;
	} else {
		if (c->n_msg == c->cap_msg) {
			c->cap_msg = c->cap_msg ? c->cap_msg * 2 : 256;
			c->msg = xrealloc(c->msg, c->cap_msg * sizeof *c->msg);
			c->stub = xrealloc(c->stub, c->cap_msg * sizeof *c->stub);
		}
		m = c->n_msg++;
	}
	c->stub[m] = (struct open_stub){ .list_prev = OPEN_NONE, .list_next = OPEN_NONE, .node = OPEN_NONE, .list = OPEN_LISTS, .used = true };
	msg_new(c, m)->host = host;
	c->live++;
	return m;
}

uint32_t open_bare(struct correlate *c, uint32_t host)
{
	return bare(c, host);
}

uint32_t open_new(struct correlate *c, uint32_t host, struct sv queue_id)
{
	uint32_t m = bare(c, host);
	(void)open_add_key(c, m, queue_id);
	open_touch(c, m, OPEN_FRESH);
	return m;
}

static void unlink_list(struct correlate *c, uint32_t m)
{
	struct open_stub *s = &c->stub[m];
	if (s->list == OPEN_LISTS)
		return;
	struct open_ends *e = &c->list[s->list];
	*(s->list_prev == OPEN_NONE ? &e->first : &c->stub[s->list_prev].list_next) = s->list_next;
	*(s->list_next == OPEN_NONE ? &e->last : &c->stub[s->list_next].list_prev) = s->list_prev;
	s->list = OPEN_LISTS;
}

void open_touch(struct correlate *c, uint32_t m, enum open_list of)
{
	struct open_stub *s = &c->stub[m];
	unsigned list = of | s->again; /* QUEUED is AGAIN then */
	if (s->list == list && c->list[list].last == m)
		return;
	unlink_list(c, m);
	struct open_ends *e = &c->list[list];
	s->list = (uint8_t)list;
	s->list_prev = e->last;
	s->list_next = OPEN_NONE;
	*(e->last == OPEN_NONE ? &e->first : &c->stub[e->last].list_next) = m;
	e->last = m;
}

void open_touch_first(struct correlate *c, uint32_t m, enum open_list of)
{
	struct open_stub *s = &c->stub[m];
	unsigned list = of | s->again;
	unlink_list(c, m);
	struct open_ends *e = &c->list[list];
	s->list = (uint8_t)list;
	s->list_prev = OPEN_NONE;
	s->list_next = e->first;
	*(e->first == OPEN_NONE ? &e->last : &c->stub[e->first].list_prev) = m;
	e->first = m;
}

void open_set_due(struct correlate *c, uint32_t m, enum open_due due)
{
	struct open_msg *o = c->msg[m];
	if (o->due) {
		struct open_ends *e = &c->due[o->due];
		*(o->due_prev == OPEN_NONE ? &e->first : &c->msg[o->due_prev]->due_next) = o->due_next;
		*(o->due_next == OPEN_NONE ? &e->last : &c->msg[o->due_next]->due_prev) = o->due_prev;
	}
	o->due = (uint8_t)due;
	if (!due)
		return;
	struct open_ends *e = &c->due[due];
	o->due_us = c->now_us + (due == OPEN_DUE_REPORT ? CORRELATE_REPORT_US : CORRELATE_LINGER_US);
	o->due_prev = e->last;
	o->due_next = OPEN_NONE;
	*(e->last == OPEN_NONE ? &e->first : &c->msg[e->last]->due_next) = m;
	e->last = m;
}

/* Takes m out of its would-be parent's list. */
static void leave_parent(struct correlate *c, uint32_t m)
{
	struct open_msg *o = c->msg[m];
	if (o->maybe_parent == OPEN_NONE)
		return;
	uint32_t *at = &c->msg[o->maybe_parent]->first_child;
	while (*at != m)
		at = &c->msg[*at]->next_child;
	*at = o->next_child;
	o->maybe_parent = o->next_child = OPEN_NONE;
}

/* Its place is another's; what is known of it elsewhere stays. */
static inline void leave(struct correlate *c, uint32_t m)
{
	struct open_msg *o = c->msg[m];
	while (o->first_key != OPEN_NONE) {
		uint32_t k = o->first_key;
		o->first_key = c->key[k].next;
		key_free(c, k);
	}
	unlink_list(c, m);
	msg_drop(c, m);
	c->stub[m].used = false;
	c->stub[m].list_next = c->free_msg;
	c->free_msg = m;
	c->live--;
}

void open_leave(struct correlate *c, uint32_t m)
{
	leave(c, m);
}

void open_free(struct correlate *c, uint32_t m)
{
	leave_parent(c, m);
	open_set_due(c, m, OPEN_DUE_NOT);
	open_unindex(c, m);
	leave(c, m);
}

/* -- after loading -- */

void open_rebuild(struct correlate *c, struct open_indexed *all, uint32_t n)
{
	uint32_t slots = 1024;
	while (slots < c->live_keys * 2 + 2)
		slots *= 2;
	for (uint32_t k = 0; k < c->n_key; k++)
		if (c->key[k].used)
			c->key[k].hash = open_id_hash(c, c->key[k].id, c->key[k].host);
	slot_resize(c, slots);
	for (uint32_t m = 0; m < c->n_msg; m++) {
		struct open_msg *o = c->msg[m];
		for (uint32_t i = 0; o && i < o->n_rcpt; i++)
			o->rcpt[i].hash = (uint32_t)open_hash(c, open_get(o, o->rcpt[i].recipient), 0);
	}
	open_rebuild_index(c, all, n);
}
