/* Where many messages wait for long (a receiver defers them) they are kept as few bytes: what is known of one is written down, packed by a
 * dictionary that was made of the first ones, and its struct, texts and recipients are given back. Nothing of it is lost: the next line that
 * names the message has it as it was. When a message is folded is a function of the records alone, as memory decides when messages are told early (report_limit()). */
#include "collector/brief.h"
#include "collector/cold.h"

#include "collector/squeeze.h"

#include <stdlib.h>

#include "lib/msg.h"

#define FOLD_EVERY_US (5LL * 1000000)

struct fold {
	struct squeeze squeeze;
	struct buf raw, piece; /* scratch */
	struct table {
		struct correlate *c;
		struct cold cold; /* messages, each with the number of its node */
		bool first_known;
		int64_t from_us, first_us; /* the latter: when the first of them was last heard of; the former: the same, or somewhat earlier */
	} table[OPEN_FOLDS];
	struct cold_index index; /* all of them by their queue ids */
	int64_t next_us;         /* when to look again for what may be folded */
};

static uint32_t ref_of(unsigned table, uint32_t at)
{
	return OPEN_COLD | table << OPEN_COLD_TABLE | at;
}
_Static_assert(COLD_PLACES - 1 < 1u << OPEN_COLD_TABLE && OPEN_FOLDS == 2, "there is a bit for the table");

static void moved(void *ctx, uint32_t node, uint32_t at)
{
	const struct table *t = ctx;
	t->c->node[node].ref = ref_of((unsigned)(t - t->c->fold->table), at);
}

static struct fold *fold_of(struct correlate *c)
{
	if (!c->fold) {
		c->fold = xcalloc(1, sizeof *c->fold);
		for (unsigned i = 0; i < OPEN_FOLDS; i++) {
			c->fold->table[i].c = c;
			c->fold->table[i].from_us = INT64_MAX;
			cold_init(&c->fold->table[i].cold, moved, &c->fold->table[i]);
		}
		cold_index_make(&c->fold->index, 0);
	}
	return c->fold;
}

/* -- a folded message: when it was last heard of (its second), how many keys it has and whether it is in the index of message-ids, host, place in that
 * index, keys, how long it is unpacked and whether the frame is whole (0: it is not packed), and the rest, which begins with the part of the second -- */

#define SECOND_US 1000000
#define NO_SECOND UINT32_MAX /* of a time that is none of this or the next century's */
#define KEY_BITS 5           /* of a key's first byte: how long its id is */
_Static_assert(OPEN_ID_BYTES < 1 << KEY_BITS, "three bits are left");

struct head { uint32_t second, host; uint64_t order; unsigned n_keys; };

static uint32_t second_of(int64_t us)
{
	return us >= 0 && us / SECOND_US < NO_SECOND ? (uint32_t)(us / SECOND_US) : NO_SECOND;
}

static struct wire read_head(struct sv piece, struct head *ret)
{
	struct wire w = wire_of(piece);
	*ret = (struct head){ .second = NO_SECOND };
	if (piece.n < sizeof ret->second)
		wire_spoil(&w);
	else
		memcpy(&ret->second, w.p, sizeof ret->second), w.p += sizeof ret->second;
	uint64_t keys = wire_get_u(&w);
	ret->host = (uint32_t)wire_get_u(&w);
	ret->order = keys & 1 ? wire_get_u(&w) : 0;
	ret->n_keys = keys >> 1 <= OPEN_KEYS_MAX ? (unsigned)(keys >> 1) : 0;
	return w;
}

static struct sv read_key(struct wire *w, unsigned *ret_bits)
{
	unsigned first = w->p < w->end ? *w->p++ : 0;
	struct sv id = sv_make((const char *)w->p, first & ((1u << KEY_BITS) - 1));
	*ret_bits = first >> KEY_BITS;
	if (id.n > (size_t)(w->end - w->p)) {
		wire_spoil(w);
		return (struct sv){ 0 };
	}
	w->p += id.n;
	return id;
}

static void put_head(const struct correlate *c, uint32_t m, struct buf *out)
{
	const struct open_msg *o = c->msg[m];
	bool indexed = c->stub[m].node != OPEN_NONE;
	uint32_t second = second_of(o->last_us);
	buf_add(out, &second, sizeof second);
	wire_put_u(out, (uint64_t)o->n_keys << 1 | indexed);
	wire_put_u(out, o->host);
	if (indexed)
		wire_put_u(out, c->stub[m].id_order);
	for (uint32_t k = o->first_key; k != OPEN_NONE; k = c->key[k].next) {
		const struct open_key *key = &c->key[k];
		struct sv id = open_key_text(key);
		buf_addc(out, (char)(id.n | ((key->seen ? 1u : 0u) | (key->head ? 2u : 0u) | (key->removed ? 4u : 0u)) << KEY_BITS));
		buf_addsv(out, id);
	}
}

/* The rest as it was before it was packed. */
static bool read_rest(struct fold *f, struct wire *w)
{
	uint64_t how = wire_get_u(w);
	if (w->bad)
		return false;
	if (how) {
		if (!squeeze_unpack(&f->squeeze, sv_make((const char *)w->p, (size_t)(w->end - w->p)), how & 1, how >> 1, &f->raw))
			return false;
		*w = wire_of(buf_sv(&f->raw));
	}
	return true;
}

static int64_t read_last_us(struct wire *w, uint32_t second)
{
	int64_t us = wire_get_i(w);
	if (second == NO_SECOND ? !open_sane_us(us) : us < 0 || us >= SECOND_US)
		wire_spoil(w);
	return w->bad ? 0 : second == NO_SECOND ? us : (int64_t)second * SECOND_US + us;
}

/* -- folding -- */

/* Places in arrays that grow by and by count as what they take on average. */
#define NODE_BYTES (sizeof(struct open_node) + 2)
#define BUCKET_BYTES 6u
#define INDEX_BYTES 7u

static void figures(struct correlate *c)
{
	const struct fold *f = c->fold;
	size_t bytes = f->table[OPEN_ONCE].cold.bytes + f->table[OPEN_MORE].cold.bytes;
	c->folded.n = f->table[OPEN_ONCE].cold.n + f->table[OPEN_MORE].cold.n;
	c->folded.bytes = bytes + bytes / COLD_DEAD_SHARE + c->folded.n * (NODE_BYTES + BUCKET_BYTES) + f->index.n * (size_t)INDEX_BYTES;
	c->folded.saved_bytes = bytes;
}

static struct table *table_of(const struct correlate *c, uint32_t node, uint32_t *ret_at)
{
	uint32_t ref = c->node[node].ref;
	*ret_at = ref & ((1u << OPEN_COLD_TABLE) - 1);
	return &c->fold->table[ref >> OPEN_COLD_TABLE & 1];
}

static struct sv piece_of(const struct correlate *c, uint32_t node)
{
	uint32_t at;
	const struct table *t = table_of(c, node, &at);
	return cold_get(&t->cold, at, &node);
}

uint32_t fold_first(const struct correlate *c, unsigned table)
{
	uint32_t node, at = c->fold ? cold_first(&c->fold->table[table].cold) : COLD_NONE;
	if (at == COLD_NONE)
		return OPEN_NONE;
	(void)cold_get(&c->fold->table[table].cold, at, &node);
	return node;
}

/* Another one is the first, or there is none. */
static void new_first(struct correlate *c, struct table *t)
{
	struct fold *f = c->fold;
	struct head h;
	t->first_known = false;
	t->from_us = INT64_MAX;
	if (t->cold.n) {
		(void)read_head(piece_of(c, fold_first(c, (unsigned)(t - f->table))), &h);
		t->from_us = h.second == NO_SECOND ? INT64_MIN : (int64_t)h.second * SECOND_US;
	}
	c->folded.from_us = f->table[OPEN_ONCE].from_us < f->table[OPEN_MORE].from_us ? f->table[OPEN_ONCE].from_us : f->table[OPEN_MORE].from_us;
}

/* All keys' hashes once more. */
static void make_index(struct correlate *c, uint32_t more)
{
	struct fold *f = c->fold;
	cold_index_make(&f->index, f->index.n + more);
	for (struct table *t = f->table; t < f->table + OPEN_FOLDS; t++)
		for (uint32_t at = cold_first(&t->cold), node; at != COLD_NONE; at = cold_next(&t->cold, at)) {
			struct head h;
			struct wire w = read_head(cold_get(&t->cold, at, &node), &h);
			for (unsigned i = 0, bits; i < h.n_keys; i++) {
				uint64_t id[OPEN_ID_WORDS];
				(void)open_id(read_key(&w, &bits), id);
				cold_index_put(&f->index, open_id_hash(c, id, h.host), node);
			}
		}
}

/* Keeps what is written of m in the place of m. False: there is no room. */
static bool put_away(struct correlate *c, uint32_t m, unsigned table, struct sv piece, uint32_t *ret_node)
{
	struct fold *f = c->fold;
	struct table *t = &f->table[table];
	uint32_t node = c->stub[m].node == OPEN_NONE ? open_node_new(c, 0, 0) : c->stub[m].node;
	if (cold_index_full(&f->index, c->msg[m]->n_keys))
		make_index(c, c->msg[m]->n_keys);
	uint32_t at = cold_add(&t->cold, node, piece);
	if (at == COLD_NONE) {
		if (c->stub[m].node == OPEN_NONE)
			open_node_free(c, node);
		return false;
	}
	c->node[node].ref = ref_of(table, at);
	for (uint32_t k = c->msg[m]->first_key; k != OPEN_NONE; k = c->key[k].next)
		cold_index_put(&f->index, c->key[k].hash, node);
	open_leave(c, m);
	c->live++;
	figures(c);
	if (t->cold.n == 1)
		new_first(c, t);
	*ret_node = node;
	return true;
}

static bool may_fold(const struct correlate *c, const struct open_msg *o)
{
	bool told = c->final_only || (o->reported && !o->dirty && o->shown);
	return told && !o->due && o->maybe_parent == OPEN_NONE && o->first_child == OPEN_NONE && o->n_keys <= OPEN_KEYS_MAX && o->text_n <= BRIEF_TEXTS_MAX;
}

static bool fold(struct correlate *c, uint32_t m)
{
	struct fold *f = fold_of(c);
	const struct open_msg *o = c->msg[m];
	uint32_t node;
	buf_clear(&f->raw);
	wire_put_i(&f->raw, second_of(o->last_us) == NO_SECOND ? o->last_us : o->last_us % SECOND_US);
	brief_put(c, o, open_queue_id(c, m), &f->raw);
	squeeze_learn(&f->squeeze, buf_sv(&f->raw));
	buf_clear(&f->piece);
	put_head(c, m, &f->piece);
	if (squeeze_pack(&f->squeeze, buf_sv(&f->raw))) {
		wire_put_u(&f->piece, (uint64_t)f->raw.n << 1 | f->squeeze.whole);
		buf_addsv(&f->piece, buf_sv(&f->squeeze.packed));
	} else {
		wire_put_u(&f->piece, 0);
		buf_addsv(&f->piece, buf_sv(&f->raw));
	}
	return put_away(c, m, c->stub[m].again ? OPEN_MORE : OPEN_ONCE, buf_sv(&f->piece), &node);
}

static void fold_list(struct correlate *c, enum open_list list, int64_t after_us)
{
	for (uint32_t m = c->list[list].first, next; m != OPEN_NONE; m = next) {
		next = c->stub[m].list_next;
		if (c->now_us - c->msg[m]->last_us < after_us || open_unfolded_bytes(c) <= c->fold_beyond)
			return;
		if (!may_fold(c, c->msg[m]) || !fold(c, m))
			open_touch(c, m, OPEN_IDLE);
	}
}

void fold_idle(struct correlate *c)
{
	struct fold *f = fold_of(c);
	if (c->now_us < f->next_us)
		return;
	f->next_us = c->now_us + FOLD_EVERY_US;
	fold_list(c, OPEN_QUEUED, c->fold_after_us);
	fold_list(c, OPEN_AGAIN, c->fold_after_us < CORRELATE_FOLD_AGAIN_US ? c->fold_after_us : CORRELATE_FOLD_AGAIN_US);
}

/* -- unfolding -- */

/* A new message out of what is written of one; its ids are new ones. False: it is none. */
static bool read_message(struct correlate *c, struct sv piece, bool trusted, uint32_t *ret_m, uint64_t *ret_order)
{
	struct head h;
	struct wire w = read_head(piece, &h);
	struct sv queue_id = { 0 };
	*ret_m = open_bare(c, h.host);
	if (!h.n_keys || h.host >= c->n_host)
		return false;
	for (unsigned i = 0, bits; i < h.n_keys; i++) {
		uint64_t words[OPEN_ID_WORDS];
		struct sv id = read_key(&w, &bits);
		if (!open_id(id, words) || (!trusted && open_find(c, h.host, id) != OPEN_NONE))
			return false;
		uint32_t k = open_key_new(c, *ret_m, words);
		struct open_key *key = &c->key[k];
		key->seen = bits & 1, key->head = bits & 2, key->removed = bits & 4;
		if (i && key->removed)
			c->msg[*ret_m]->keys_open--;
		if (!i)
			queue_id = id;
	}
	if (!read_rest(c->fold, &w))
		return false;
	c->msg[*ret_m]->last_us = read_last_us(&w, h.second);
	*ret_order = h.order;
	return brief_get(c, &w, queue_id, c->msg[*ret_m], &c->fold->piece);
}

uint32_t fold_open(struct correlate *c, uint32_t node)
{
	struct fold *f = c->fold;
	uint32_t at, m;
	struct table *t = table_of(c, node, &at);
	uint64_t order;
	if (!read_message(c, piece_of(c, node), true, &m, &order))
		panic("a folded message does not unfold"); /* fold_load() has looked at those that came from elsewhere */
	for (uint32_t k = c->msg[m]->first_key; k != OPEN_NONE; k = c->key[k].next)
		cold_index_remove(&f->index, c->key[k].hash, node);
	bool first = at == cold_first(&t->cold);
	cold_remove(&t->cold, at);
	figures(c);
	if (first)
		new_first(c, t);
	c->live--;
	c->stub[m].again = !c->final_only; /* nobody waits for what a finished log's queue takes: its order stays what it always was */
	c->stub[m].id_order = order;
	if (order) {
		c->stub[m].node = node;
		c->node[node].ref = m;
	} else {
		open_node_free(c, node);
	}
	open_touch_first(c, m, OPEN_QUEUED); /* it is older than what was not folded yet */
	return m;
}

static bool has_key(const struct correlate *c, uint32_t node, const struct open_place *place)
{
	struct head h;
	struct wire w = read_head(piece_of(c, node), &h);
	for (unsigned i = 0, bits; i < h.n_keys && h.host == place->host; i++)
		if (sv_eq(read_key(&w, &bits), sv_make((const char *)place->id, place->text.n)))
			return true;
	return false;
}

static __attribute__((noinline)) uint32_t open_for_key(struct correlate *c, uint32_t node, const struct open_place *place)
{
	uint32_t m = fold_open(c, node), k = c->msg[m]->first_key;
	while (memcmp(c->key[k].id, place->id, OPEN_ID_BYTES) != 0)
		k = c->key[k].next;
	return k;
}

uint32_t fold_find(struct correlate *c, struct open_place *place)
{
	for (uint32_t at = 0, node; (node = cold_index_find(&c->fold->index, place->hash, &at)) != COLD_NONE;)
		if (has_key(c, node, place))
			return open_for_key(c, node, place);
	place->not_folded = true;
	return OPEN_NONE;
}

int64_t fold_first_us(struct correlate *c, unsigned table)
{
	struct table *t = c->fold ? &c->fold->table[table] : NULL;
	struct head h;
	if (!t || !t->cold.n)
		return INT64_MAX;
	if (t->first_known)
		return t->first_us;
	struct wire w = read_head(piece_of(c, fold_first(c, table)), &h);
	for (unsigned i = 0, bits; i < h.n_keys; i++)
		(void)read_key(&w, &bits);
	if (!read_rest(c->fold, &w))
		panic("a folded message does not unfold");
	t->first_known = true;
	return t->first_us = read_last_us(&w, h.second);
}

/* Mostly its second says enough. */
bool fold_older(struct correlate *c, unsigned table, int64_t us)
{
	int64_t from_us = c->fold ? c->fold->table[table].from_us : INT64_MAX;
	if (from_us >= us)
		return false;
	return (from_us != INT64_MIN && from_us <= us - SECOND_US) || fold_first_us(c, table) < us;
}

void fold_put_back(struct correlate *c, int64_t now_us)
{
	struct fold *f = c->fold;
	struct head h;
	uint32_t n = 0, *later = xmalloc((c->folded.n + 1) * sizeof *later), node;
	for (unsigned t = 0; f && t < OPEN_FOLDS; t++)
		for (uint32_t at = cold_first(&f->table[t].cold); at != COLD_NONE; at = cold_next(&f->table[t].cold, at)) {
			(void)read_head(cold_get(&f->table[t].cold, at, &node), &h);
			if (h.second == NO_SECOND || h.second >= second_of(now_us))
				later[n++] = node;
		}
	for (uint32_t i = 0; i < n; i++)
		open_touch(c, fold_open(c, later[i]), OPEN_QUEUED);
	free(later);
	if (f && f->next_us > now_us)
		f->next_us = now_us;
}

/* -- snapshots -- */

void fold_free(struct correlate *c)
{
	struct fold *f = c->fold;
	if (!f)
		return;
	squeeze_fini(&f->squeeze);
	buf_fini(&f->raw);
	buf_fini(&f->piece);
	for (unsigned i = 0; i < OPEN_FOLDS; i++)
		cold_fini(&f->table[i].cold);
	cold_index_fini(&f->index);
	free(f);
	c->fold = NULL;
}

void fold_save_dictionary(const struct correlate *c, struct buf *out)
{
	const struct fold *f = c->fold;
	wire_put_i(out, f ? f->next_us : 0);
	squeeze_save(f ? &f->squeeze : NULL, out);
}

void fold_load_dictionary(struct correlate *c, struct wire *w)
{
	struct fold *f = fold_of(c);
	f->next_us = wire_get_i(w);
	squeeze_load(&f->squeeze, w);
}

void fold_save(const struct correlate *c, unsigned table, struct buf *out)
{
	const struct cold *cold = c->fold ? &c->fold->table[table].cold : NULL;
	wire_put_u(out, cold ? cold->n : 0);
	for (uint32_t at = cold ? cold_first(cold) : COLD_NONE, node; at != COLD_NONE; at = cold_next(cold, at))
		wire_put_sv(out, cold_get(cold, at, &node));
}

bool fold_load(struct correlate *c, struct wire *w, unsigned table, uint32_t *ret_node, uint64_t *ret_order)
{
	struct sv piece = wire_get_sv(w);
	uint32_t m;
	if (w->bad || !piece.p || !read_message(c, piece, false, &m, ret_order) || !may_fold(c, c->msg[m]))
		return false;
	const struct open_msg *o = c->msg[m];
	uint32_t hash = (uint32_t)open_hash(c, open_get(o, o->message_id), o->host);
	if (!put_away(c, m, table, piece, ret_node))
		return false;
	c->node[*ret_node].hash = hash;
	return true;
}
