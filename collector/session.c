#include "collector/session.h"

#include <stdlib.h>

#include "collector/scan.h"
#include "lib/near.h"
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
#define GRANTED_MAX 32768u /* of the recipients that were granted, together */

enum {
#define F(name) PART_##name,
	ALL_FIELDS(F)
#undef F
	PART_granted, /* recipients, each with a newline; the last text, so that it grows where it lies */
	PARTS
};

/* A text in the session's bytes. */
struct part { uint16_t at, n; };
#define ABSENT UINT16_MAX
#define TEXT_USUAL 160u /* bytes that most sessions come to have beside their key: room for them is made at once */
#define GARBAGE_MAX 2048u /* texts that others took the place of */

struct session {
	uint64_t hash;
	struct buf text; /* the key, then the parts in any order */
	int64_t client_port, begun_us;
	uint32_t older, newer; /* in order of beginning */
	uint16_t key_n, garbage;
	struct part part[PARTS];
};

struct sessions {
	struct session *v; /* SESSIONS_MAX of them, taken as needed */
	struct slot { uint32_t session, hash; } *slot; /* index + 1; the lower half; open addressing */
	uint32_t n, cap, free_list, live, oldest, newest;
	size_t bytes;
	uint64_t forgotten;
	struct buf key, packed; /* scratch */
};

#define NONE UINT32_MAX
#define SLOTS (SESSIONS_MAX * 2)

struct sessions *session_table_new(void)
{
	struct sessions *s = xcalloc(1, sizeof *s);
	s->slot = xcalloc(SLOTS, sizeof *s->slot);
	s->free_list = s->oldest = s->newest = NONE;
	return s;
}

void session_table_free(struct sessions *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->n; i++)
		buf_fini(&s->v[i].text);
	buf_fini(&s->key);
	buf_fini(&s->packed);
	free(s->v);
	free(s->slot);
	free(s);
}

static size_t bytes_of(const struct session *e)
{
	return e->text.n + sizeof *e;
}

static struct sv key_of(const struct session *e)
{
	return sv_take(buf_sv(&e->text), e->key_n);
}

/* Absent when nothing is remembered. */
static struct sv get(const struct session *e, int part)
{
	struct part p = e->part[part];
	return p.at == ABSENT ? sv_make(NULL, 0) : sv_make(e->text.p + p.at, p.n);
}

/* Of names that the server gives; no stranger chooses them. */
static uint64_t hash_of(struct sv key)
{
	uint64_t h = 0x9e3779b97f4a7c15u ^ key.n;
	while (key.n) {
		uint64_t word = 0;
		size_t n = key.n < sizeof word ? key.n : sizeof word;
		near_copy((char *)&word, key.p, n);
		h = (h ^ word) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
		key = sv_skip(key, n);
	}
	return h;
}

static struct slot *slot_of(struct sessions *s, uint64_t hash, struct sv key)
{
	uint32_t i = (uint32_t)hash % SLOTS;
	for (; s->slot[i].session; i = (i + 1) % SLOTS) {
		if (s->slot[i].hash != (uint32_t)hash)
			continue;
		const struct session *e = &s->v[s->slot[i].session - 1];
		if (e->hash == hash && sv_eq(key_of(e), key))
			break;
	}
	return &s->slot[i];
}

/* Closes the gap that removing an entry of an open-addressed table leaves. */
static void slot_clear(struct sessions *s, uint32_t i)
{
	for (uint32_t j = i;;) {
		j = (j + 1) % SLOTS;
		if (!s->slot[j].session)
			break;
		uint32_t home = s->slot[j].hash % SLOTS;
		if ((j > i && (home <= i || home > j)) || (j < i && home <= i && home > j)) {
			s->slot[i] = s->slot[j];
			i = j;
		}
	}
	s->slot[i].session = 0;
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

/* Its bytes stand until the next session begins: the record at hand may have borrowed from them. */
static void forget(struct sessions *s, uint32_t i)
{
	struct session *e = &s->v[i];
	uint32_t at = (uint32_t)e->hash % SLOTS;
	while (s->slot[at].session != i + 1)
		at = (at + 1) % SLOTS;
	slot_clear(s, at);
	unlink_session(s, i);
	s->bytes -= bytes_of(e);
	e->newer = s->free_list;
	s->free_list = i;
	s->live--;
}

/* Room for one more: those go that no server will speak of again, and the oldest where there are too many. */
static void make_way(struct sessions *s, int64_t now_us)
{
	for (unsigned i = 0; i < 4 && s->live && s->v[s->oldest].begun_us + SESSION_STALE_US < now_us; i++)
		forget(s, s->oldest); /* servers that never say how a session ends */
	while (s->live == SESSIONS_MAX || (s->bytes > SESSIONS_BYTES && s->live)) {
		s->forgotten += now_us - s->v[s->oldest].begun_us < SESSION_YOUNG_US;
		forget(s, s->oldest);
	}
	if (s->live > SESSIONS_MAX / 2) { /* the next to go was not looked at for long */
		const struct session *e = &s->v[s->oldest];
		__builtin_prefetch(e->text.p, 1);
		__builtin_prefetch(&s->slot[(uint32_t)e->hash % SLOTS], 1);
		for (size_t i = 0; i < sizeof *e; i += 64)
			__builtin_prefetch((const char *)&s->v[e->newer] + i, 1);
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
	s->v[s->n] = (struct session){ .older = NONE };
	return s->n++;
}

static struct session *begin(struct sessions *s, uint64_t hash, struct sv key, int64_t now_us)
{
	uint32_t i = take(s);
	struct session *e = &s->v[i];
	e->begun_us = now_us;
	e->hash = hash;
	e->client_port = RECORD_UNSET;
	e->garbage = 0;
	e->key_n = (uint16_t)key.n;
	buf_clear(&e->text);
	buf_reserve(&e->text, key.n + TEXT_USUAL);
	buf_addsv(&e->text, key);
	for (int p = 0; p < PARTS; p++)
		e->part[p].at = ABSENT;
	e->older = s->newest;
	e->newer = NONE;
	if (s->newest == NONE)
		s->oldest = i;
	else
		s->v[s->newest].newer = i;
	s->newest = i;
	s->live++;
	s->bytes += bytes_of(e);
	*slot_of(s, hash, key) = (struct slot){ i + 1, (uint32_t)hash };
	return e;
}

/* Leaves out what is not remembered any more. */
static void pack(struct sessions *s, struct session *e)
{
	s->bytes -= e->text.n;
	buf_clear(&s->packed);
	buf_addsv(&s->packed, key_of(e));
	for (int p = 0; p < PARTS; p++) {
		struct sv t = get(e, p);
		if (!t.p)
			continue;
		e->part[p].at = (uint16_t)s->packed.n;
		buf_addsv(&s->packed, t);
	}
	struct buf old = e->text;
	e->text = s->packed;
	s->packed = old;
	e->garbage = 0;
	s->bytes += e->text.n;
}

static void drop(struct session *e, int part)
{
	if (e->part[part].at != ABSENT)
		e->garbage = (uint16_t)(e->garbage + e->part[part].n);
	e->part[part].at = ABSENT;
}

/* Room was made before; see make_room(). */
static void keep(struct sessions *s, struct session *e, int part, struct sv text)
{
	struct sv old = get(e, part);
	text = sv_take(text, TEXT_MAX);
	if (old.p && sv_eq(old, text))
		return;
	drop(e, part);
	e->part[part] = (struct part){ (uint16_t)e->text.n, (uint16_t)text.n };
	if (e->text.p) /* the key lies there already */
		buf_addsv(&e->text, text);
	s->bytes += text.n;
}

/* What a record can add must fit without moving what it borrows. */
static void make_room(struct sessions *s, struct session *e, const struct record *r)
{
	if (e->garbage > GARBAGE_MAX)
		pack(s, e);
	size_t n = get(e, PART_asked_sender).n + get(e, PART_asked_recipient).n;
#define F(name) n += 2 * (r->name.n < TEXT_MAX ? r->name.n : TEXT_MAX); /* asked for and granted */
	CLIENT_FIELDS(F)
	MESSAGE_FIELDS(F)
#undef F
	buf_reserve(&e->text, n + 1);
}

/* A record either says a thing, which is then remembered, or is told it. */
static void exchange_text(struct sessions *s, struct session *e, int part, struct sv *text)
{
	if (text->p)
		keep(s, e, part, *text);
	else
		*text = get(e, part);
}

/* Who only tried to log in is nobody yet. */
static void exchange_account(struct sessions *s, struct session *e, struct record *r)
{
	if (r->kind == RECORD_AUTH_FAIL && !r->account.p) {
		r->account = get(e, PART_tried);
		drop(e, PART_tried);
	} else if (r->kind == RECORD_WARNING && r->account.p) {
		keep(s, e, PART_tried, r->account);
	}
	if (r->kind == RECORD_AUTH_FAIL || (r->kind == RECORD_WARNING && r->account.p))
		return;
#define F(name) exchange_text(s, e, PART_##name, &r->name);
	ACCOUNT_FIELDS(F)
#undef F
}

static void exchange_message(struct sessions *s, struct session *e, struct record *r)
{
	if (r->queue_id.p) {
#define F(name)              \
	if (r->name.p)       \
		keep(s, e, PART_##name, r->name);
		MESSAGE_FIELDS(F)
#undef F
	} else if (r->kind == RECORD_DELIVERY) {
#define F(name)              \
	if (!r->name.p)      \
		r->name = get(e, PART_##name);
		MESSAGE_FIELDS(F)
#undef F
	}
}

static void grant(struct sessions *s, struct session *e, struct sv recipient)
{
	struct part *p = &e->part[PART_granted];
	if (!e->text.p || get(e, PART_granted).n + recipient.n + 1 > GRANTED_MAX || sv_chr(recipient, '\n') >= 0)
		return;
	if (p->at != ABSENT && (size_t)p->at + p->n != e->text.n)
		pack(s, e);
	if (p->at == ABSENT)
		*p = (struct part){ (uint16_t)e->text.n, 0 };
	buf_addsv(&e->text, recipient);
	buf_addc(&e->text, '\n');
	p->n = (uint16_t)(p->n + recipient.n + 1);
	s->bytes += recipient.n + 1;
}

/* The server says how many there are. When it named others, too, nobody knows which they are. */
static void grant_so_many(struct session *e, int64_t n)
{
	struct sv all = get(e, PART_granted);
	for (size_t i = 0; all.p && i < all.n; i++)
		n -= all.p[i] == '\n';
	if (n < 0)
		drop(e, PART_granted);
}

/* Which message is about to be queued. */
static void exchange_envelope(struct sessions *s, struct session *e, struct record *r)
{
	if (r->granted) {
		if (r->sender.p)
			keep(s, e, PART_sender, r->sender);
		if (r->recipient.p)
			grant(s, e, r->recipient);
		else
			grant_so_many(e, r->nrcpt);
		return;
	}
	if (!r->sender.p)
		r->sender = get(e, PART_sender);
	r->recipients = get(e, PART_granted);
}

static void exchange_asked(struct sessions *s, struct session *e, struct record *r)
{
	if (r->kind == RECORD_OTHER && r->sender.p) /* another message begins */
		drop(e, PART_asked_recipient);
#define F(name)                                                  \
	if (r->kind == RECORD_OTHER && r->name.p)                \
		keep(s, e, PART_asked_##name, r->name);          \
	else if (r->kind != RECORD_OTHER && !r->name.p)          \
		r->name = get(e, PART_asked_##name);
	F(sender)
	F(recipient)
#undef F
}

static void exchange(struct sessions *s, struct session *e, struct record *r)
{
	make_room(s, e, r);
#define F(name) exchange_text(s, e, PART_##name, &r->name);
	PEER_FIELDS(F)
#undef F
	if (r->client_port != RECORD_UNSET)
		e->client_port = r->client_port;
	else if (r->client_ip.p)
		r->client_port = e->client_port;
	if (r->asked && r->kind != RECORD_AUTH_FAIL)
		exchange_asked(s, e, r);
	exchange_account(s, e, r);
	if (r->kind == RECORD_DELIVERY || (r->kind == RECORD_OTHER && !r->granted))
		exchange_message(s, e, r);
	if (r->kind == RECORD_ENVELOPE || r->granted)
		exchange_envelope(s, e, r);
}

/* Borrowed from s until the next one is made. */
static struct sv make_key(struct sessions *s, struct sv host, const char *what, struct sv name)
{
	buf_clear(&s->key);
	buf_addsv(&s->key, sv_take(host, KEY_MAX / 2));
	buf_addc(&s->key, 0);
	buf_addsv(&s->key, sv_cstr(what));
	buf_addsv(&s->key, sv_take(name, KEY_MAX / 2));
	return buf_sv(&s->key);
}

void session_table_login(struct sessions *s, struct record *r)
{
	if (!r->logged_in || !r->client_ip.p || (r->account.p && r->kind != RECORD_AUTH_OK))
		return;
	struct sv key = make_key(s, r->host, "\n", r->client_ip); /* no server names a session so */
	uint64_t hash = hash_of(key);
	uint32_t at = slot_of(s, hash, key)->session;
	if (r->kind == RECORD_AUTH_OK) {
		if (!r->account.p)
			return;
		if (at)
			forget(s, at - 1);
		make_way(s, r->time_us);
		struct session *e = begin(s, hash, key, r->time_us);
		keep(s, e, PART_account, r->account);
		if (r->auth_method.p)
			keep(s, e, PART_auth_method, r->auth_method);
	} else if (at && r->time_us - s->v[at - 1].begun_us <= SESSION_LOGIN_US) {
		r->account = get(&s->v[at - 1], PART_account);
		r->auth_method = get(&s->v[at - 1], PART_auth_method);
	}
}

void session_table_apply(struct sessions *s, struct record *r)
{
	struct sv key = make_key(s, r->host, "", r->session);
	uint64_t hash = hash_of(key);
	uint32_t at = slot_of(s, hash, key)->session;
	if (at && r->kind == RECORD_CONNECT) { /* the name is used again */
		forget(s, at - 1);
		at = 0;
	}
	if (!at && (r->session_end || r->session_asks))
		return;
	if (!at)
		make_way(s, r->time_us);
	struct session *e = at ? &s->v[at - 1] : begin(s, hash, key, r->time_us);
	exchange(s, e, r);
	if (r->session_end)
		forget(s, (uint32_t)(e - s->v));
}

void session_table_local(struct sessions *s, struct record *r)
{
	char room[24];
	struct sv key = make_key(s, r->host, "\v", scan_decimal(room, sizeof room, r->client_port));
	uint64_t hash = hash_of(key);
	uint32_t at = slot_of(s, hash, key)->session;
	if (r->kind == RECORD_ACCEPT) {
		if (at && !r->account.p && !r->local_user.p && r->time_us - s->v[at - 1].begun_us <= SESSION_YOUNG_US)
			r->local_user = get(&s->v[at - 1], PART_account);
		return;
	}
	if (at)
		forget(s, at - 1);
	if (r->kind != RECORD_OTHER)
		return;
	make_way(s, r->time_us);
	keep(s, begin(s, hash, key, r->time_us), PART_account, r->local_user);
}

/* Those are kept as a session of their own, under the message's id. */
static struct session *put_off(struct sessions *s, const struct record *r, bool make)
{
	struct sv key = make_key(s, r->host, "\r", r->queue_id);
	uint64_t hash = hash_of(key);
	uint32_t at = slot_of(s, hash, key)->session;
	if (at)
		return &s->v[at - 1];
	if (!make)
		return NULL;
	make_way(s, r->time_us);
	return begin(s, hash, key, r->time_us);
}

void session_table_put_off(struct sessions *s, const struct record *r, struct sv line, size_t after)
{
	struct session *e = put_off(s, r, true);
	if (get(e, PART_granted).n + line.n + 1 + after <= GRANTED_MAX)
		grant(s, e, line);
}

struct sv session_table_put_off_of(struct sessions *s, const struct record *r)
{
	const struct session *e = put_off(s, r, false);
	return e ? get(e, PART_granted) : (struct sv){ 0 };
}

void session_table_told(struct sessions *s, const struct record *r)
{
	struct session *e = put_off(s, r, false);
	if (e)
		forget(s, (uint32_t)(e - s->v));
}

void session_table_put_back(struct sessions *s, int64_t now_us)
{
	for (uint32_t i = s ? s->oldest : NONE; i != NONE; i = s->v[i].newer)
		if (s->v[i].begun_us > now_us)
			s->v[i].begun_us = now_us;
}

uint64_t session_table_forgotten(const struct sessions *s)
{
	return s ? s->forgotten : 0;
}

void session_table_save(const struct sessions *s, struct buf *out)
{
	wire_put_u(out, s ? s->live : 0);
	wire_put_u(out, s ? s->forgotten : 0);
	for (uint32_t i = s ? s->oldest : NONE; i != NONE; i = s->v[i].newer) {
		const struct session *e = &s->v[i];
		wire_put_sv(out, key_of(e));
		wire_put_i(out, e->begun_us);
		wire_put_i(out, e->client_port);
#define F(name) wire_put_sv(out, get(e, PART_##name));
		ALL_FIELDS(F)
#undef F
	}
}

static void load_text(struct sessions *s, struct wire *w, struct session *e, int part)
{
	struct sv t = wire_get_sv(w);
	if (t.p)
		keep(s, e, part, t);
}

int session_table_load(struct sessions *s, struct wire *w)
{
	uint64_t n = wire_get_u(w);
	s->forgotten = wire_get_u(w);
	if (n > SESSIONS_MAX)
		return -1;
	for (; n && !w->bad; n--) {
		struct sv key = wire_get_sv(w);
		uint64_t hash = hash_of(key);
		int64_t begun_us = wire_get_i(w);
		if (w->bad || !key.n || key.n > KEY_MAX + 1 || slot_of(s, hash, key)->session)
			return -1;
		struct session *e = begin(s, hash, key, begun_us);
		e->client_port = wire_get_i(w);
#define F(name) load_text(s, w, e, PART_##name);
		ALL_FIELDS(F)
#undef F
	}
	return w->bad ? -1 : 0;
}

void session_table_save_granted(const struct sessions *s, struct buf *out)
{
	uint64_t n = 0;
	for (uint32_t i = s ? s->oldest : NONE; i != NONE; i = s->v[i].newer)
		n += s->v[i].part[PART_granted].at != ABSENT;
	wire_put_u(out, n);
	for (uint32_t i = n ? s->oldest : NONE; i != NONE; i = s->v[i].newer) {
		if (s->v[i].part[PART_granted].at == ABSENT)
			continue;
		wire_put_sv(out, key_of(&s->v[i]));
		wire_put_sv(out, get(&s->v[i], PART_granted));
	}
}

int session_table_load_granted(struct sessions *s, struct wire *w)
{
	for (uint64_t n = wire_get_u(w); n && !w->bad; n--) {
		struct sv key = wire_get_sv(w), all = wire_get_sv(w);
		uint32_t at = w->bad ? 0 : slot_of(s, hash_of(key), key)->session;
		if (!at)
			return -1;
		for (ptrdiff_t nl; (nl = sv_chr(all, '\n')) >= 0; all = sv_skip(all, (size_t)nl + 1))
			grant(s, &s->v[at - 1], sv_take(all, (size_t)nl));
	}
	return w->bad ? -1 : 0;
}
