#include "collector/session.h"

#include <stdlib.h>

#include "lib/wire.h"

#define KEY_MAX 128u
#define TEXT_MAX 512u /* of one remembered text */

/* F(name): what is remembered, as text. */
#define PEER_FIELDS(F) F(client_ip) F(client_name) F(helo)
#define ACCOUNT_FIELDS(F) F(account) F(auth_method)
#define CLIENT_FIELDS(F) PEER_FIELDS(F) ACCOUNT_FIELDS(F)
#define MESSAGE_FIELDS(F) F(queue_id) F(sender) F(recipient)
#define TRIED_FIELDS(F) F(tried) /* who wanted to log in, for the line that says that it failed */
#define ASKED_FIELDS(F) F(asked_sender) F(asked_recipient) /* not granted yet */
#define ALL_FIELDS(F) CLIENT_FIELDS(F) MESSAGE_FIELDS(F) TRIED_FIELDS(F) ASKED_FIELDS(F)

struct session {
	uint64_t hash;
	struct buf key;
	int64_t client_port, begun_us;
#define F(name) struct buf name;
	ALL_FIELDS(F)
#undef F
#define F(name) bool has_##name;
	ALL_FIELDS(F)
#undef F
	uint32_t older, newer; /* in order of beginning */
	bool used;
};

struct sessions {
	struct session *v; /* SESSIONS_MAX of them, taken as needed */
	uint32_t *slot;    /* index + 1; open addressing */
	uint32_t n, cap, free_list, live, oldest, newest;
	size_t bytes;
	uint64_t forgotten;
	struct buf key;    /* scratch */
	struct buf lent[8]; /* texts of a session that ended with the record that borrowed them */
};

#define NONE UINT32_MAX
#define SLOTS (SESSIONS_MAX * 2)

struct sessions *sessions_new(void)
{
	struct sessions *s = xcalloc(1, sizeof *s);
	s->slot = xcalloc(SLOTS, sizeof *s->slot);
	s->free_list = s->oldest = s->newest = NONE;
	return s;
}

static void each_buf(struct session *e, void (*f)(struct buf *b))
{
	f(&e->key);
#define F(name) f(&e->name);
	ALL_FIELDS(F)
#undef F
}

void sessions_free(struct sessions *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->n; i++)
		each_buf(&s->v[i], buf_fini);
	for (unsigned i = 0; i < sizeof s->lent / sizeof *s->lent; i++)
		buf_fini(&s->lent[i]);
	buf_fini(&s->key);
	free(s->v);
	free(s->slot);
	free(s);
}

static size_t text_bytes(const struct session *e)
{
	size_t n = e->key.n;
#define F(name) n += e->name.n;
	ALL_FIELDS(F)
#undef F
	return n + sizeof *e;
}

/* Of names that the server gives; no stranger chooses them. */
static uint64_t hash_of(struct sv key)
{
	uint64_t h = 14695981039346656037u;
	for (size_t i = 0; i < key.n; i++)
		h = (h ^ (uint8_t)key.p[i]) * 1099511628211u;
	return h ^ h >> 32;
}

static uint32_t *slot_of(struct sessions *s, uint64_t hash, struct sv key)
{
	uint32_t i = (uint32_t)hash % SLOTS;
	for (; s->slot[i]; i = (i + 1) % SLOTS) {
		struct session *e = &s->v[s->slot[i] - 1];
		if (e->hash == hash && sv_eq(buf_sv(&e->key), key))
			break;
	}
	return &s->slot[i];
}

/* Closes the gap that removing an entry of an open-addressed table leaves. */
static void slot_clear(struct sessions *s, uint32_t i)
{
	for (uint32_t j = i;;) {
		j = (j + 1) % SLOTS;
		if (!s->slot[j])
			break;
		uint32_t home = (uint32_t)s->v[s->slot[j] - 1].hash % SLOTS;
		if ((j > i && (home <= i || home > j)) || (j < i && home <= i && home > j)) {
			s->slot[i] = s->slot[j];
			i = j;
		}
	}
	s->slot[i] = 0;
}

static void unlink_session(struct sessions *s, uint32_t i)
{
	struct session *e = &s->v[i];
	if (e->older == NONE)
		s->oldest = e->newer;
	else
		s->v[e->older].newer = e->newer;
	if (e->newer == NONE)
		s->newest = e->older;
	else
		s->v[e->newer].older = e->older;
}

static void forget(struct sessions *s, uint32_t i)
{
	struct session *e = &s->v[i];
	slot_clear(s, (uint32_t)(slot_of(s, e->hash, buf_sv(&e->key)) - s->slot));
	unlink_session(s, i);
	s->bytes -= text_bytes(e);
	each_buf(e, buf_clear);
#define F(name) e->has_##name = false;
	ALL_FIELDS(F)
#undef F
	e->used = false;
	e->newer = s->free_list;
	s->free_list = i;
	s->live--;
}

/* Room for one more: those go that no server will speak of again, and the oldest where there are too many. */
static void make_room(struct sessions *s, int64_t now_us)
{
	for (unsigned i = 0; i < 4 && s->live && s->v[s->oldest].begun_us + SESSION_STALE_US < now_us; i++)
		forget(s, s->oldest); /* servers that never say how a session ends */
	while (s->live == SESSIONS_MAX || (s->bytes > SESSIONS_BYTES && s->live)) {
		s->forgotten++;
		forget(s, s->oldest);
	}
}

static uint32_t take(struct sessions *s)
{
	uint32_t i = s->free_list;
	if (i != NONE) {
		s->free_list = s->v[i].newer;
		return i;
	}
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->v = xrealloc(s->v, s->cap * sizeof *s->v);
	}
	s->v[s->n] = (struct session){ .used = false };
	return s->n++;
}

static struct session *begin(struct sessions *s, uint64_t hash, struct sv key, int64_t now_us)
{
	uint32_t i = take(s);
	struct session *e = &s->v[i];
	e->begun_us = now_us;
	e->hash = hash;
	e->client_port = RECORD_UNSET;
	buf_addsv(&e->key, key);
	e->used = true;
	e->older = s->newest;
	e->newer = NONE;
	if (s->newest == NONE)
		s->oldest = i;
	else
		s->v[s->newest].newer = i;
	s->newest = i;
	s->live++;
	s->bytes += text_bytes(e);
	*slot_of(s, hash, key) = i + 1;
	return e;
}

static void keep(struct sessions *s, struct buf *b, bool *has, struct sv text)
{
	s->bytes -= b->n;
	buf_clear(b);
	buf_addsv(b, sv_take(text, TEXT_MAX));
	*has = true;
	s->bytes += b->n;
}

/* Who only tried to log in is nobody yet. */
static void exchange_account(struct sessions *s, struct session *e, struct record *r)
{
	if (r->kind == RECORD_AUTH_FAIL && !r->account.p && e->has_tried) {
		r->account = buf_sv(&e->tried);
		e->has_tried = false;
	} else if (r->kind == RECORD_WARNING && r->account.p) {
		keep(s, &e->tried, &e->has_tried, r->account);
	}
	if (r->kind == RECORD_AUTH_FAIL || (r->kind == RECORD_WARNING && r->account.p))
		return;
#define F(name)                                                    \
	if (r->name.p)                                             \
		keep(s, &e->name, &e->has_##name, r->name);        \
	else if (e->has_##name)                                    \
		r->name = buf_sv(&e->name);
	ACCOUNT_FIELDS(F)
#undef F
}

static void exchange_message(struct sessions *s, struct session *e, struct record *r)
{
	if (r->queue_id.p) {
#define F(name)              \
	if (r->name.p)       \
		keep(s, &e->name, &e->has_##name, r->name);
		MESSAGE_FIELDS(F)
#undef F
	} else if (r->kind == RECORD_DELIVERY) {
#define F(name)                            \
	if (!r->name.p && e->has_##name)   \
		r->name = buf_sv(&e->name);
		MESSAGE_FIELDS(F)
#undef F
	}
}

static void drop(struct sessions *s, struct buf *b, bool *has)
{
	s->bytes -= b->n;
	buf_clear(b);
	*has = false;
}

static void exchange_asked(struct sessions *s, struct session *e, struct record *r)
{
	if (r->kind == RECORD_OTHER && r->sender.p) /* another message begins */
		drop(s, &e->asked_recipient, &e->has_asked_recipient);
#define F(name)                                                                  \
	if (r->kind == RECORD_OTHER && r->name.p)                                \
		keep(s, &e->asked_##name, &e->has_asked_##name, r->name);        \
	else if (r->kind != RECORD_OTHER && !r->name.p && e->has_asked_##name)   \
		r->name = buf_sv(&e->asked_##name);
	F(sender)
	F(recipient)
#undef F
}

/* A record either says a thing, which is then remembered, or is told it. */
static void exchange(struct sessions *s, struct session *e, struct record *r)
{
#define F(name)                                                    \
	if (r->name.p)                                             \
		keep(s, &e->name, &e->has_##name, r->name);        \
	else if (e->has_##name)                                    \
		r->name = buf_sv(&e->name);
	PEER_FIELDS(F)
#undef F
	if (r->client_port != RECORD_UNSET)
		e->client_port = r->client_port;
	else if (r->client_ip.p)
		r->client_port = e->client_port;
	if (r->asked && r->kind != RECORD_AUTH_FAIL)
		exchange_asked(s, e, r);
	exchange_account(s, e, r);
	if (r->kind == RECORD_DELIVERY || r->kind == RECORD_OTHER)
		exchange_message(s, e, r);
}

static void lend(struct buf *to, struct sv *text)
{
	if (!text->p)
		return;
	buf_clear(to);
	buf_addsv(to, *text);
	*text = buf_sv(to);
}

void sessions_apply(struct sessions *s, struct record *r)
{
	buf_clear(&s->key);
	buf_addsv(&s->key, sv_take(r->host, KEY_MAX / 2));
	buf_addc(&s->key, 0);
	buf_addsv(&s->key, sv_take(r->session, KEY_MAX / 2));
	struct sv key = buf_sv(&s->key);
	uint64_t hash = hash_of(key);
	uint32_t *slot = slot_of(s, hash, key);
	uint32_t known = *slot;
	if (known && r->kind == RECORD_CONNECT) { /* the name is used again */
		forget(s, known - 1);
		known = 0;
	}
	if (!known && r->session_end)
		return;
	if (!known)
		make_room(s, r->time_us);
	exchange(s, known ? &s->v[known - 1] : begin(s, hash, key, r->time_us), r);
	if (!r->session_end)
		return;
	unsigned i = 0;
#define F(name) lend(&s->lent[i++], &r->name);
	CLIENT_FIELDS(F)
	MESSAGE_FIELDS(F)
#undef F
	forget(s, *slot_of(s, hash, key) - 1);
}

uint64_t sessions_forgotten(const struct sessions *s)
{
	return s ? s->forgotten : 0;
}

static void put_text(struct buf *out, const struct buf *b, bool has)
{
	wire_put_sv(out, has ? buf_sv(b) : (struct sv){ 0 });
}

void sessions_save(const struct sessions *s, struct buf *out)
{
	wire_put_u(out, s ? s->live : 0);
	wire_put_u(out, s ? s->forgotten : 0);
	for (uint32_t i = s ? s->oldest : NONE; i != NONE; i = s->v[i].newer) {
		const struct session *e = &s->v[i];
		wire_put_sv(out, buf_sv(&e->key));
		wire_put_i(out, e->begun_us);
		wire_put_i(out, e->client_port);
#define F(name) put_text(out, &e->name, e->has_##name);
		ALL_FIELDS(F)
#undef F
	}
}

static void get_text(struct sessions *s, struct wire *w, struct buf *b, bool *has)
{
	struct sv t = wire_get_sv(w);
	if (t.p)
		keep(s, b, has, t);
}

int sessions_load(struct sessions *s, struct wire *w)
{
	uint64_t n = wire_get_u(w);
	s->forgotten = wire_get_u(w);
	if (n > SESSIONS_MAX)
		return -1;
	for (; n && !w->bad; n--) {
		struct sv key = wire_get_sv(w);
		uint64_t hash = hash_of(key);
		int64_t begun_us = wire_get_i(w);
		if (w->bad || key.n > KEY_MAX + 1 || *slot_of(s, hash, key))
			return -1;
		struct session *e = begin(s, hash, key, begun_us);
		e->client_port = wire_get_i(w);
#define F(name) get_text(s, w, &e->name, &e->has_##name);
		ALL_FIELDS(F)
#undef F
	}
	return w->bad ? -1 : 0;
}
