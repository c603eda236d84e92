#include "lib/smtp_session.h"

#include "lib/arena.h"
#include "lib/jsonw.h"
#include "lib/wire.h"

static const char *const verb_names[] = {
#define V(e, word) word,
	SMTP_VERBS(V)
#undef V
};
static const char *const end_names[] = { "fin", "rst", "timeout", "eof", "evicted" };

const char *smtp_verb_name(enum smtp_verb v) { return verb_names[v]; }
const char *smtp_end_name(enum smtp_end e) { return end_names[e]; }

unsigned smtp_hash_likeness(const uint16_t *a, const uint16_t *b)
{
	unsigned n = 0;
	for (size_t i = 0; i < SMTP_MINHASHES; i++)
		n += a[i] == b[i];
	return n;
}

/* -- the wire -- */

static void encode_message(const struct smtp_message *m, struct buf *out)
{
	wire_put_sv(out, m->sender);
	wire_put_sv(out, m->sender_args);
	wire_put_u(out, m->n_rcpt);
	for (size_t i = 0; i < m->n_rcpt; i++) {
		wire_put_sv(out, m->rcpt[i].recipient);
		wire_put_sv(out, m->rcpt[i].dsn);
		wire_put_sv(out, m->rcpt[i].reply);
		wire_put_u(out, m->rcpt[i].code);
	}
	wire_put_u(out, m->data_bytes);
	wire_put_u(out, (unsigned)m->has_data | (unsigned)m->accepted << 1 | (unsigned)m->has_hash << 2 | (unsigned)m->cut << 3);
	wire_put_u(out, m->mail_code);
	wire_put_u(out, m->code);
	wire_put_sv(out, m->reply);
	wire_put_sv(out, m->message_id);
	wire_put_sv(out, m->subject);
	wire_put_u(out, m->subject_hash);
	wire_put_sv(out, m->from);
	wire_put_sv(out, m->mailer);
	wire_put_u(out, m->n_attachments);
	for (size_t i = 0; i < m->n_attachments; i++)
		wire_put_sv(out, m->attachment[i]);
	if (m->has_hash)
		for (size_t i = 0; i < SMTP_MINHASHES; i++)
			wire_put_u(out, m->hash[i]);
}

void smtp_session_encode(const struct smtp_session *s, struct buf *out)
{
	wire_put_u(out, s->seq);
	wire_put_i(out, s->first_us);
	wire_put_i(out, s->last_us - s->first_us);
	buf_add(out, s->client.b, sizeof s->client.b);
	buf_add(out, s->server.b, sizeof s->server.b);
	wire_put_u(out, s->client_port);
	wire_put_u(out, s->server_port);
	wire_put_u(out, s->flags);
	wire_put_u(out, s->end);
	const struct sv texts[] = { s->banner, s->helo, s->auth_method, s->account, s->sni, s->tls_print, s->refusal };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		wire_put_sv(out, texts[i]);
	wire_put_u(out, s->commands);
	for (size_t i = 0; i < SMTP_VERB_COUNT; i++)
		wire_put_u(out, s->verbs[i]);
	for (size_t i = 0; i < 6; i++)
		wire_put_u(out, s->replies[i]);
	const uint64_t numbers[] = { s->overlaps, s->retransmits, s->lost_bytes, s->dialect, s->client_bytes, s->server_bytes };
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		wire_put_u(out, numbers[i]);
	wire_put_u(out, s->n_messages);
	for (size_t i = 0; i < s->n_messages; i++)
		encode_message(&s->message[i], out);
}

static void get_addr(struct wire *w, struct ipaddr *a)
{
	if (w->bad || w->end - w->p < (ptrdiff_t)sizeof a->b) {
		wire_spoil(w);
		return;
	}
	memcpy(a->b, w->p, sizeof a->b);
	w->p += sizeof a->b;
}

/* A count of things that take at least one byte each. */
static size_t get_count(struct wire *w)
{
	uint64_t n = wire_get_u(w);
	if (w->bad || n > (uint64_t)(w->end - w->p)) {
		wire_spoil(w);
		return 0;
	}
	return (size_t)n;
}

static void decode_message(struct wire *w, struct arena *a, struct smtp_message *m)
{
	m->sender = wire_get_sv(w);
	m->sender_args = wire_get_sv(w);
	m->n_rcpt = get_count(w);
	m->rcpt = arena_alloc(a, m->n_rcpt * sizeof *m->rcpt + 1);
	for (size_t i = 0; i < m->n_rcpt; i++) {
		m->rcpt[i].recipient = wire_get_sv(w);
		m->rcpt[i].dsn = wire_get_sv(w);
		m->rcpt[i].reply = wire_get_sv(w);
		m->rcpt[i].code = (uint16_t)wire_get_u(w);
	}
	m->data_bytes = wire_get_u(w);
	uint64_t bits = wire_get_u(w);
	m->has_data = bits & 1;
	m->accepted = bits & 2;
	m->has_hash = bits & 4;
	m->cut = bits & 8;
	m->mail_code = (uint16_t)wire_get_u(w);
	m->code = (uint16_t)wire_get_u(w);
	m->reply = wire_get_sv(w);
	m->message_id = wire_get_sv(w);
	m->subject = wire_get_sv(w);
	m->subject_hash = wire_get_u(w);
	m->from = wire_get_sv(w);
	m->mailer = wire_get_sv(w);
	m->n_attachments = get_count(w);
	m->attachment = arena_alloc(a, m->n_attachments * sizeof *m->attachment + 1);
	for (size_t i = 0; i < m->n_attachments; i++)
		m->attachment[i] = wire_get_sv(w);
	for (size_t i = 0; m->has_hash && i < SMTP_MINHASHES; i++)
		m->hash[i] = (uint16_t)wire_get_u(w);
}

int smtp_session_decode(struct sv bytes, struct arena *a, struct smtp_session *s, struct err *e)
{
	struct wire w = wire_of(bytes);
	*s = (struct smtp_session){ .seq = wire_get_u(&w) };
	s->first_us = wire_get_i(&w);
	s->last_us = (int64_t)((uint64_t)s->first_us + (uint64_t)wire_get_i(&w)); /* hostile numbers may wrap */
	get_addr(&w, &s->client);
	get_addr(&w, &s->server);
	s->client_port = (uint16_t)wire_get_u(&w);
	s->server_port = (uint16_t)wire_get_u(&w);
	s->flags = (uint32_t)wire_get_u(&w);
	s->end = (uint8_t)wire_get_u(&w);
	struct sv *const texts[] = { &s->banner, &s->helo, &s->auth_method, &s->account, &s->sni, &s->tls_print, &s->refusal };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		*texts[i] = wire_get_sv(&w);
	s->commands = (uint32_t)wire_get_u(&w);
	for (size_t i = 0; i < SMTP_VERB_COUNT; i++)
		s->verbs[i] = (uint32_t)wire_get_u(&w);
	for (size_t i = 0; i < 6; i++)
		s->replies[i] = (uint32_t)wire_get_u(&w);
	s->overlaps = (uint32_t)wire_get_u(&w);
	s->retransmits = (uint32_t)wire_get_u(&w);
	s->lost_bytes = (uint32_t)wire_get_u(&w);
	s->dialect = (uint32_t)wire_get_u(&w);
	s->client_bytes = wire_get_u(&w);
	s->server_bytes = wire_get_u(&w);
	s->n_messages = get_count(&w);
	s->message = arena_alloc(a, s->n_messages * sizeof *s->message + 1);
	for (size_t i = 0; i < s->n_messages && !w.bad; i++)
		decode_message(&w, a, &s->message[i]);
	if (w.bad || w.p != w.end || s->end >= SMTP_END_COUNT)
		return err_set(e, "a SESSION frame is damaged");
	return 0;
}

/* -- JSON -- */

/* A capture prints tens of thousands of these a second: names are literals, so that the compiler copies them. */
#define KEY(b, name) (jsonw_sep(b), buf_add((b), "\"" name "\":", sizeof(name) + 2))
#define KEY_INT(b, name, v) (KEY(b, name), jsonw_int((b), (int64_t)(v)))
#define KEY_TEXT(b, name, text) ((text).p ? (KEY(b, name), jsonw_text((b), (text))) : (void)0)

static void put_ip(struct buf *b, const struct ipaddr *a)
{
	char text[64];
	jsonw_text(b, sv_make(text, ipaddr_text(a, text)));
}

static void put_digits(char *to, uint64_t v, int digits)
{
	for (int i = digits; i-- > 0; v >>= 4)
		to[i] = "0123456789abcdef"[v & 15];
}

static void put_hex(struct buf *b, uint64_t v, int digits)
{
	char text[18] = "\"";
	put_digits(text + 1, v, digits);
	text[digits + 1] = '"';
	buf_add(b, text, (size_t)digits + 2);
}

static void put_rcpt(struct buf *b, const struct smtp_rcpt *r)
{
	jsonw_sep(b);
	buf_addc(b, '{');
	KEY_TEXT(b, "recipient", r->recipient);
	if (r->code)
		KEY_INT(b, "code", r->code);
	KEY_TEXT(b, "dsn", r->dsn);
	KEY_TEXT(b, "reply", r->reply);
	buf_addc(b, '}');
}

static void put_content(struct buf *b, const struct smtp_message *m)
{
	KEY_INT(b, "data_bytes", m->data_bytes);
	KEY_TEXT(b, "message_id", m->message_id);
	KEY_TEXT(b, "subject", m->subject);
	if (m->subject_hash)
		KEY(b, "subject_hash"), put_hex(b, m->subject_hash, 16);
	KEY_TEXT(b, "from", m->from);
	KEY_TEXT(b, "mailer", m->mailer);
	KEY(b, "attachments");
	buf_addc(b, '[');
	for (size_t i = 0; i < m->n_attachments; i++) {
		jsonw_sep(b);
		jsonw_text(b, m->attachment[i]);
	}
	buf_addc(b, ']');
	if (!m->has_hash)
		return;
	KEY(b, "body_hash");
	buf_reserve(b, SMTP_MINHASHES * 4 + 2);
	b->p[b->n] = b->p[b->n + SMTP_MINHASHES * 4 + 1] = '"';
	for (size_t i = 0; i < SMTP_MINHASHES; i++)
		put_digits(b->p + b->n + 1 + 4 * i, m->hash[i], 4);
	b->n += SMTP_MINHASHES * 4 + 2;
}

static void put_message(struct buf *b, const struct smtp_message *m)
{
	jsonw_sep(b);
	buf_addc(b, '{');
	KEY_TEXT(b, "sender", m->sender);
	KEY_TEXT(b, "sender_args", m->sender_args);
	if (m->mail_code)
		KEY_INT(b, "mail_code", m->mail_code);
	KEY(b, "recipients");
	buf_addc(b, '[');
	for (size_t i = 0; i < m->n_rcpt; i++)
		put_rcpt(b, &m->rcpt[i]);
	buf_addc(b, ']');
	if (m->cut)
		jsonw_field_bool(b, SV("recipients_cut"), true);
	if (m->has_data)
		put_content(b, m);
	jsonw_field_bool(b, SV("accepted"), m->accepted);
	if (m->code)
		KEY_INT(b, "code", m->code);
	KEY_TEXT(b, "reply", m->reply);
	buf_addc(b, '}');
}

#define NAME(name) { "\"" name "\":", sizeof(name) + 2 }
struct name { const char *text; size_t n; };

static void put_flags(struct buf *b, uint32_t flags)
{
	static const struct name names[] = {
#define F(bit, e, name) [bit] = NAME(name),
		SMTP_FLAGS(F)
#undef F
	};
	const uint32_t always = SMTP_EARLY_TALKER | SMTP_QUIT | SMTP_GAP | SMTP_ESMTP | SMTP_STARTTLS; /* what the contract names */
	const uint32_t all = (1u << sizeof names / sizeof *names) - 1;
	for (uint32_t left = (flags | always) & all; left; left &= left - 1) {
		unsigned bit = (unsigned)__builtin_ctz(left);
		jsonw_sep(b);
		buf_add(b, names[bit].text, names[bit].n);
		if (flags >> bit & 1)
			buf_add(b, "true", 4);
		else
			buf_add(b, "false", 5);
	}
}

static void put_counts(struct buf *b, const struct smtp_session *s)
{
	static const struct name verbs[] = {
#define V(e, word) NAME(word),
		SMTP_VERBS(V)
#undef V
	};
	KEY_INT(b, "commands", s->commands);
	KEY(b, "verbs");
	buf_addc(b, '{');
	for (size_t i = 0; i < SMTP_VERB_COUNT; i++)
		if (s->verbs[i]) {
			jsonw_sep(b);
			buf_add(b, verbs[i].text, verbs[i].n);
			jsonw_int(b, s->verbs[i]);
		}
	buf_addc(b, '}');
	KEY(b, "replies");
	buf_addc(b, '{');
	KEY_INT(b, "2xx", s->replies[2]);
	KEY_INT(b, "3xx", s->replies[3]);
	KEY_INT(b, "4xx", s->replies[4]);
	KEY_INT(b, "5xx", s->replies[5]);
	buf_addc(b, '}');
}

void smtp_session_json(const struct smtp_session *s, struct buf *b)
{
	buf_addc(b, '{');
	KEY(b, "first_time");
	jsonw_time(b, s->first_us, 0);
	KEY(b, "last_time");
	jsonw_time(b, s->last_us, 0);
	KEY(b, "client_ip"), put_ip(b, &s->client);
	KEY_INT(b, "client_port", s->client_port);
	KEY(b, "server_ip"), put_ip(b, &s->server);
	KEY_INT(b, "server_port", s->server_port);
	KEY_TEXT(b, "banner", s->banner);
	KEY_TEXT(b, "helo", s->helo);
	KEY_TEXT(b, "auth_method", s->auth_method);
	KEY_TEXT(b, "account", s->account);
	KEY_TEXT(b, "sni", s->sni);
	KEY_TEXT(b, "tls_fingerprint", s->tls_print);
	put_flags(b, s->flags);
	put_counts(b, s);
	KEY_TEXT(b, "refusal", s->refusal);
	if (s->dialect)
		KEY(b, "dialect"), put_hex(b, s->dialect, 8);
	KEY_INT(b, "client_bytes", s->client_bytes);
	KEY_INT(b, "server_bytes", s->server_bytes);
	if (s->lost_bytes)
		KEY_INT(b, "lost_bytes", s->lost_bytes);
	if (s->overlaps)
		KEY_INT(b, "overlaps", s->overlaps);
	if (s->retransmits)
		KEY_INT(b, "retransmits", s->retransmits);
	KEY(b, "end"), jsonw_text(b, sv_cstr(smtp_end_name(s->end)));
	KEY(b, "messages");
	buf_addc(b, '[');
	for (size_t i = 0; i < s->n_messages; i++)
		put_message(b, &s->message[i]);
	buf_puts(b, "]}\n");
}
