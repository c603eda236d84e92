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
		w->bad = true;
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
		w->bad = true;
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

static void key_int(struct buf *b, const char *name, uint64_t v)
{
	jsonw_field_int(b, sv_cstr(name), (int64_t)v);
}

static void put_ip(struct buf *b, const char *name, const struct ipaddr *a)
{
	char text[64];
	jsonw_field_text(b, sv_cstr(name), sv_make(text, ipaddr_text(a, text)));
}

static void put_digits(char *to, uint64_t v, int digits)
{
	for (int i = digits; i-- > 0; v >>= 4)
		to[i] = "0123456789abcdef"[v & 15];
}

static void put_hex(struct buf *b, const char *name, uint64_t v, int digits)
{
	char text[16];
	put_digits(text, v, digits);
	jsonw_field_text(b, sv_cstr(name), sv_make(text, (size_t)digits));
}

static void put_rcpt(struct buf *b, const struct smtp_rcpt *r)
{
	jsonw_sep(b);
	buf_addc(b, '{');
	jsonw_field_text(b, SV("recipient"), r->recipient);
	if (r->code)
		key_int(b, "code", r->code);
	jsonw_field_text(b, SV("dsn"), r->dsn);
	jsonw_field_text(b, SV("reply"), r->reply);
	buf_addc(b, '}');
}

static void put_content(struct buf *b, const struct smtp_message *m)
{
	key_int(b, "data_bytes", m->data_bytes);
	jsonw_field_text(b, SV("message_id"), m->message_id);
	jsonw_field_text(b, SV("subject"), m->subject);
	if (m->subject_hash)
		put_hex(b, "subject_hash", m->subject_hash, 16);
	jsonw_field_text(b, SV("from"), m->from);
	jsonw_field_text(b, SV("mailer"), m->mailer);
	jsonw_key(b, SV("attachments"));
	buf_addc(b, '[');
	for (size_t i = 0; i < m->n_attachments; i++) {
		jsonw_sep(b);
		jsonw_text(b, m->attachment[i]);
	}
	buf_addc(b, ']');
	if (!m->has_hash)
		return;
	char text[SMTP_MINHASHES * 4];
	for (size_t i = 0; i < SMTP_MINHASHES; i++)
		put_digits(text + 4 * i, m->hash[i], 4);
	jsonw_field_text(b, SV("body_hash"), sv_make(text, SMTP_MINHASHES * 4));
}

static void put_message(struct buf *b, const struct smtp_message *m)
{
	jsonw_sep(b);
	buf_addc(b, '{');
	jsonw_field_text(b, SV("sender"), m->sender);
	jsonw_field_text(b, SV("sender_args"), m->sender_args);
	if (m->mail_code)
		key_int(b, "mail_code", m->mail_code);
	jsonw_key(b, SV("recipients"));
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
		key_int(b, "code", m->code);
	jsonw_field_text(b, SV("reply"), m->reply);
	buf_addc(b, '}');
}

static void put_flags(struct buf *b, uint32_t flags)
{
	static const struct { uint32_t bit; const char *name; } names[] = {
#define F(bit, e, name) { SMTP_##e, name },
		SMTP_FLAGS(F)
#undef F
	};
	const uint32_t always = SMTP_EARLY_TALKER | SMTP_QUIT | SMTP_GAP | SMTP_ESMTP | SMTP_STARTTLS; /* what the contract names */
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if ((flags | always) & names[i].bit)
			jsonw_field_bool(b, sv_cstr(names[i].name), flags & names[i].bit);
}

static void put_counts(struct buf *b, const struct smtp_session *s)
{
	static const char *const classes[] = { "", "1xx", "2xx", "3xx", "4xx", "5xx" };
	key_int(b, "commands", s->commands);
	jsonw_key(b, SV("verbs"));
	buf_addc(b, '{');
	for (size_t i = 0; i < SMTP_VERB_COUNT; i++)
		if (s->verbs[i])
			key_int(b, verb_names[i], s->verbs[i]);
	buf_addc(b, '}');
	jsonw_key(b, SV("replies"));
	buf_addc(b, '{');
	for (size_t i = 2; i < 6; i++)
		key_int(b, classes[i], s->replies[i]);
	buf_addc(b, '}');
}

void smtp_session_json(const struct smtp_session *s, struct buf *b)
{
	buf_addc(b, '{');
	jsonw_key(b, SV("first_time"));
	jsonw_time(b, s->first_us, 0);
	jsonw_key(b, SV("last_time"));
	jsonw_time(b, s->last_us, 0);
	put_ip(b, "client_ip", &s->client);
	key_int(b, "client_port", s->client_port);
	put_ip(b, "server_ip", &s->server);
	key_int(b, "server_port", s->server_port);
	jsonw_field_text(b, SV("banner"), s->banner);
	jsonw_field_text(b, SV("helo"), s->helo);
	jsonw_field_text(b, SV("auth_method"), s->auth_method);
	jsonw_field_text(b, SV("account"), s->account);
	jsonw_field_text(b, SV("sni"), s->sni);
	jsonw_field_text(b, SV("tls_fingerprint"), s->tls_print);
	put_flags(b, s->flags);
	put_counts(b, s);
	jsonw_field_text(b, SV("refusal"), s->refusal);
	if (s->dialect)
		put_hex(b, "dialect", s->dialect, 8);
	key_int(b, "client_bytes", s->client_bytes);
	key_int(b, "server_bytes", s->server_bytes);
	if (s->lost_bytes)
		key_int(b, "lost_bytes", s->lost_bytes);
	if (s->overlaps)
		key_int(b, "overlaps", s->overlaps);
	if (s->retransmits)
		key_int(b, "retransmits", s->retransmits);
	jsonw_field_text(b, SV("end"), sv_cstr(smtp_end_name(s->end)));
	jsonw_key(b, SV("messages"));
	buf_addc(b, '[');
	for (size_t i = 0; i < s->n_messages; i++)
		put_message(b, &s->message[i]);
	buf_puts(b, "]}\n");
}
