#include "lib/txn.h"

#include "lib/arena.h"
#include "lib/jsonw.h"
#include "lib/reply_class.h"
#include "lib/wire.h"

#define TXN_WIRE_VERSION 4 /* 1: without local_user; 2: without subject; 3: without cwd */

static const char *const status_names[TXN_STATUS_COUNT] = { "pending", "sent", "deferred", "bounced", "expired" };
static const char *const origin_names[TXN_ORIGIN_COUNT] = { "smtp", "submission", "local", "script", "bounce", "forward" };

const char *txn_status_name(enum txn_status s)
{
	return status_names[(unsigned)s < TXN_STATUS_COUNT ? s : TXN_PENDING];
}

const char *txn_origin_name(enum txn_origin o)
{
	return origin_names[(unsigned)o < TXN_ORIGIN_COUNT ? o : TXN_SMTP];
}

/* Every text of the head, in wire order. */
#define TXN_TEXTS(T)                                                                         \
	T(host) T(mta) T(queue_id) T(message_id) T(client_ip) T(client_name) T(helo)        \
	T(account) T(auth_method) T(sender) T(parent_queue_id)

/* Numbers of the head and of a recipient, all that are no lengths; and texts of a recipient. */
enum { HEAD_NUMBERS = 14, RCPT_NUMBERS = 5, RCPT_TEXTS = 6, HEAD_TEXTS = 14 };

static size_t most_bytes(const struct txn *t)
{
	size_t n = (HEAD_NUMBERS + HEAD_TEXTS + TXN_LINES + t->n_rcpt * (RCPT_NUMBERS + RCPT_TEXTS)) * WIRE_NUMBER_MAX;
#define T(name) n += t->name.n;
	TXN_TEXTS(T) T(local_user) T(subject) T(cwd)
#undef T
	for (size_t i = 0; i < t->n_rcpt; i++) {
		const struct txn_rcpt *r = &t->rcpt[i];
		n += r->recipient.n + r->orig_recipient.n + r->dsn.n + r->reply.n + r->relay_host.n + r->relay_ip.n;
	}
	for (size_t i = 0; i < t->n_lines; i++)
		n += t->lines[i].n;
	return n;
}

static char *rcpt_encode(const struct txn_rcpt *r, char *p)
{
	p = wire_raw_sv(p, r->recipient);
	p = wire_raw_sv(p, r->orig_recipient);
	p = wire_raw_sv(p, r->dsn);
	p = wire_raw_sv(p, r->reply);
	p = wire_raw_sv(p, r->relay_host);
	p = wire_raw_sv(p, r->relay_ip);
	p = wire_raw_i(p, r->time_us);
	p = wire_raw_u(p, r->attempts);
	p = wire_raw_u(p, r->status);
	p = wire_raw_u(p, r->reply_class);
	return wire_raw_u(p, (r->local ? 1u : 0u) | (r->changed ? 2u : 0u));
}

static char *head_encode(const struct txn *t, char *p)
{
	p = wire_raw_u(p, TXN_WIRE_VERSION);
	p = wire_raw_u(p, t->seq);
	p = wire_raw_i(p, t->at_us);
	p = wire_raw_i(p, t->first_us);
	p = wire_raw_i(p, t->last_us);
	p = wire_raw_i(p, t->utc_offset_s);
#define T(name) p = wire_raw_sv(p, t->name);
	TXN_TEXTS(T) T(local_user) T(subject) T(cwd)
#undef T
	p = wire_raw_i(p, t->uid);
	p = wire_raw_i(p, t->size);
	p = wire_raw_i(p, t->nrcpt);
	p = wire_raw_u(p, t->origin);
	p = wire_raw_u(p, (t->sender_known ? 1u : 0u) | (t->complete ? 2u : 0u));
	return wire_raw_u(p, t->flags);
}

void txn_encode(const struct txn *t, struct buf *out)
{
	buf_reserve(out, most_bytes(t));
	char *p = head_encode(t, out->p + out->n);
	p = wire_raw_u(p, t->n_rcpt);
	for (size_t i = 0; i < t->n_rcpt; i++)
		p = rcpt_encode(&t->rcpt[i], p);
	p = wire_raw_u(p, t->n_lines);
	for (size_t i = 0; i < t->n_lines; i++)
		p = wire_raw_sv(p, t->lines[i]);
	out->n = (size_t)(p - out->p);
}

void txn_encode_again(const struct txn *t, struct buf *out)
{
	size_t at = out->n;
	buf_add(out, t->encoded.p, t->lines_at);
	buf_addc(out, 0);
	for (size_t i = 0; i < t->n_rcpt; i++)
		out->p[at + t->rcpt[i].class_at] = (char)t->rcpt[i].reply_class;
}

static inline void rcpt_decode(struct wire *w, const uint8_t *start, struct txn_rcpt *r)
{
	r->recipient = wire_get_sv(w);
	r->orig_recipient = wire_get_sv(w);
	r->dsn = wire_get_sv(w);
	r->reply = wire_get_sv(w);
	r->relay_host = wire_get_sv(w);
	r->relay_ip = wire_get_sv(w);
	r->time_us = wire_get_time(w);
	r->attempts = (uint32_t)wire_get_u(w);
	uint64_t status = wire_get_u(w);
	r->class_at = (uint32_t)(w->p - start);
	uint64_t class = wire_get_u(w), bits = wire_get_u(w);
	if (status >= TXN_STATUS_COUNT || class >= REPLY_CLASS_COUNT || bits > 3)
		wire_spoil(w);
	r->status = (uint8_t)status;
	r->reply_class = (uint8_t)class;
	r->local = bits & 1;
	r->changed = bits & 2;
	r->hash = 0;
}

static inline void head_decode(struct wire *w, struct txn *t)
{
	uint64_t version = wire_get_u(w);
	if (version < 1 || version > TXN_WIRE_VERSION)
		wire_spoil(w);
	t->seq = wire_get_long(w);
	t->at_us = wire_get_time(w);
	t->first_us = wire_get_time(w);
	t->last_us = wire_get_time(w);
	t->utc_offset_s = (int32_t)wire_get_i(w);
#define T(name) t->name = wire_get_sv(w);
	TXN_TEXTS(T)
#undef T
	t->local_user = version > 1 ? wire_get_sv(w) : (struct sv){ 0 };
	t->subject = version >= 3 ? wire_get_sv(w) : (struct sv){ 0 };
	t->cwd = version >= 4 ? wire_get_sv(w) : (struct sv){ 0 };
	t->uid = wire_get_i(w);
	t->size = wire_get_i(w);
	t->nrcpt = wire_get_i(w);
	uint64_t origin = wire_get_u(w), bits = wire_get_u(w);
	if (origin >= TXN_ORIGIN_COUNT || bits > 3)
		wire_spoil(w);
	t->origin = (uint8_t)origin;
	t->sender_known = bits & 1;
	t->complete = bits & 2;
	t->flags = (uint32_t)wire_get_u(w);
}

/* What is no part of the bytes, one by one: zeroing all takes as long as a quarter of the decoding. */
static inline void begin(struct txn *t, struct sv bytes)
{
	t->rcpt = NULL;
	t->n_rcpt = t->n_lines = 0;
	for (size_t i = 0; i < TXN_LINES; i++)
		t->lines[i] = (struct sv){ 0 };
	t->owner_hash = t->sender_hash = 0;
	t->client = (struct ipaddr){ { 0 } };
	t->client_is = TXN_CLIENT_UNREAD;
	t->owner_kind = 0;
	t->encoded = bytes;
	t->lines_at = 0;
}

int txn_decode(struct sv bytes, struct arena *a, struct txn *t, struct err *e)
{
	struct wire w = wire_of(bytes);
	begin(t, bytes);
	head_decode(&w, t);
	uint64_t n = wire_get_u(&w);
	/* a recipient takes at least 11 bytes, so a count that lies cannot make us allocate much */
	if (w.bad || n > (uint64_t)(w.end - w.p) / 11 + 1)
		return err_set(e, "a transaction of %zu bytes does not decode", bytes.n);
	t->rcpt = arena_alloc(a, (size_t)n * sizeof *t->rcpt);
	t->n_rcpt = (size_t)n;
	for (size_t i = 0; i < t->n_rcpt && !w.bad; i++)
		rcpt_decode(&w, (const uint8_t *)bytes.p, &t->rcpt[i]);
	t->lines_at = (uint32_t)(w.p - (const uint8_t *)bytes.p);
	n = wire_get_u(&w);
	if (n > TXN_LINES)
		wire_spoil(&w);
	for (size_t i = 0; !w.bad && i < n; i++)
		t->lines[t->n_lines++] = wire_get_sv(&w);
	if (w.bad || w.p != w.end)
		return err_set(e, "a transaction of %zu bytes does not decode", bytes.n);
	return 0;
}

static void rcpt_json(const struct txn_rcpt *r, int32_t off, struct buf *out)
{
	jsonw_sep(out);
	buf_addc(out, '{');
	jsonw_field_text(out, SV("recipient"), r->recipient);
	jsonw_field_text(out, SV("orig_recipient"), r->orig_recipient);
	jsonw_field_text(out, SV("status"), sv_cstr(txn_status_name(r->status)));
	jsonw_field_text(out, SV("dsn"), r->dsn);
	jsonw_field_text(out, SV("reply"), r->reply);
	if (r->reply_class)
		jsonw_field_text(out, SV("reply_class"), sv_cstr(reply_class_name(r->reply_class)));
	jsonw_field_text(out, SV("relay_host"), r->relay_host);
	jsonw_field_text(out, SV("relay_ip"), r->relay_ip);
	if (r->local)
		jsonw_field_bool(out, SV("local"), true);
	if (r->time_us) {
		jsonw_key(out, SV("time"));
		jsonw_time(out, r->time_us, off);
	}
	jsonw_field_int(out, SV("attempts"), r->attempts);
	buf_addc(out, '}');
}

static void flags_json(uint32_t flags, struct buf *out)
{
	static const struct { uint32_t bit; const char *name; } all[] = {
		{ TXN_HEAD_MISSING, "head_missing" }, { TXN_TAIL_MISSING, "tail_missing" }, { TXN_GAP, "gap" },
		{ TXN_PROVISIONAL, "provisional" }, { TXN_REPLAY, "replay" }, { TXN_REINJECTED, "reinjected" },
	};
	jsonw_key(out, SV("flags"));
	buf_addc(out, '[');
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		if (flags & all[i].bit) {
			jsonw_sep(out);
			jsonw_text(out, sv_cstr(all[i].name));
		}
	}
	buf_addc(out, ']');
}

static void head_json(const struct txn *t, struct buf *out)
{
	jsonw_field_text(out, SV("host"), t->host);
	jsonw_field_text(out, SV("mta"), t->mta);
	jsonw_field_text(out, SV("queue_id"), t->queue_id);
	jsonw_field_text(out, SV("message_id"), t->message_id);
	jsonw_key(out, SV("first_time"));
	jsonw_time(out, t->first_us, t->utc_offset_s);
	jsonw_key(out, SV("last_time"));
	jsonw_time(out, t->last_us, t->utc_offset_s);
	jsonw_field_text(out, SV("client_ip"), t->client_ip);
	jsonw_field_text(out, SV("client_name"), t->client_name);
	jsonw_field_text(out, SV("helo"), t->helo);
	jsonw_field_text(out, SV("account"), t->account);
	jsonw_field_text(out, SV("auth_method"), t->auth_method);
	if (t->uid >= 0)
		jsonw_field_int(out, SV("uid"), t->uid);
	jsonw_field_text(out, SV("local_user"), t->local_user);
	jsonw_field_text(out, SV("cwd"), t->cwd);
	jsonw_field_text(out, SV("subject"), t->subject);
	if (t->sender_known)
		jsonw_field_text(out, SV("sender"), t->sender.p ? t->sender : SV(""));
	if (t->size >= 0)
		jsonw_field_int(out, SV("size"), t->size);
	if (t->nrcpt >= 0)
		jsonw_field_int(out, SV("nrcpt"), t->nrcpt);
	jsonw_field_text(out, SV("parent_queue_id"), t->parent_queue_id);
	jsonw_field_text(out, SV("origin"), sv_cstr(txn_origin_name(t->origin)));
	jsonw_field_bool(out, SV("complete"), t->complete);
}

void txn_json(const struct txn *t, struct buf *out)
{
	buf_addc(out, '{');
	head_json(t, out);
	flags_json(t->flags, out);
	jsonw_key(out, SV("recipients"));
	buf_addc(out, '[');
	for (size_t i = 0; i < t->n_rcpt; i++)
		rcpt_json(&t->rcpt[i], t->utc_offset_s, out);
	buf_add(out, "]}\n", 3);
}
