/* Notes: what a session said, in order, in the pool until its end; then the session is made of them. */
#include "collector/capture/flow.h"

#include <string.h>
#include <strings.h>

#include "lib/buf.h"

#define NOTES_MOST (96u << 10) /* of one session */
#define NOTES_EXTRA (8u << 10) /* for what ends messages, when recipients have used that up */
#define TEXT_MOST 512
#define BLOCK_DATA (CELL_BYTES - 4)
#define TLS_MESSAGE_BYTES 2048 /* handshake and envelope take less, a message more */

struct head { uint16_t n; uint8_t type, which; uint16_t code, pad; uint32_t of; uint64_t number; };

static bool write_bytes(struct capture *c, struct flow *f, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	while (n) {
		if (!f->notes || f->notes_used == BLOCK_DATA) {
			uint32_t b = flow_block(c, f);
			if (!b)
				return false;
			memset(cells_at(&c->cells, b), 0, 4);
			if (f->notes)
				memcpy(cells_at(&c->cells, f->notes_last), &b, sizeof b);
			else
				f->notes = b;
			f->notes_last = b;
			f->notes_used = 0;
		}
		size_t room = BLOCK_DATA - f->notes_used, take = n < room ? n : room;
		memcpy((uint8_t *)cells_at(&c->cells, f->notes_last) + 4 + f->notes_used, p, take);
		f->notes_used = (uint16_t)(f->notes_used + take);
		f->notes_bytes += (uint32_t)take;
		p += take;
		n -= take;
	}
	return true;
}

void note_add(struct capture *c, struct flow *f, const struct note *n)
{
	bool envelope = n->type == NOTE_MAIL || n->type == NOTE_RCPT || n->type == NOTE_REPLY_RCPT;
	struct sv text = n->text.p ? sv_take(n->text, TEXT_MOST) : SV("");
	size_t need = sizeof(struct head) + text.n;
	if (f->notes_bytes + need > NOTES_MOST)
		f->notes_full = true;
	if (f->notes_dead || (f->notes_full && envelope) || f->notes_bytes + need > NOTES_MOST + NOTES_EXTRA) {
		f->smtp.flags |= SMTP_CUT;
		return;
	}
	struct head h = { (uint16_t)text.n, n->type, n->which, n->code, 0, n->of, n->number };
	if (n->text.p)
		h.pad = 1; /* there is a text, even if it is empty */
	uint32_t before = f->notes_bytes;
	if (write_bytes(c, f, &h, sizeof h) && write_bytes(c, f, text.p, text.n))
		return;
	f->notes_bytes = before; /* half a note: the reader stops before it */
	f->notes_full = f->notes_dead = true;
	f->smtp.flags |= SMTP_CUT | SMTP_GAP;
}

/* -- the session -- */

struct maker {
	struct capture *c;
	struct smtp_session s;
	struct smtp_rcpt **rcpt; /* by number */
	uint32_t n_rcpt, n_messages, n_attachments;
	struct sv notes, helo; /* helo: the one before the newest */
};

static bool next_note(struct sv *s, struct note *n)
{
	struct head h;
	if (s->n < sizeof h)
		return false;
	memcpy(&h, s->p, sizeof h);
	if (s->n - sizeof h < h.n)
		return false;
	*n = (struct note){ h.type, h.which, h.code, 0, h.of, h.number, h.pad ? sv_make(s->p + sizeof h, h.n) : (struct sv){ 0 } };
	*s = sv_skip(*s, sizeof h + h.n);
	return true;
}

static struct sv gather(struct capture *c, const struct flow *f)
{
	size_t n = 0;
	if (!c->scratch)
		c->scratch = xmalloc(NOTES_MOST + NOTES_EXTRA + CELL_BYTES);
	for (uint32_t b = f->notes; b && n < f->notes_bytes;) {
		const uint8_t *p = cells_at(&c->cells, b);
		size_t left = f->notes_bytes - n, take = left < BLOCK_DATA ? left : BLOCK_DATA;
		memcpy(c->scratch + n, p + 4, take);
		n += take;
		memcpy(&b, p, sizeof b);
	}
	return sv_make((const char *)c->scratch, n);
}

static struct smtp_message *message(struct maker *m, uint32_t of)
{
	return of && of <= m->n_messages ? &m->s.message[of - 1] : NULL;
}

/* How many there are of each, so that arrays can be made. */
static void count(struct maker *m)
{
	struct note n;
	for (struct sv rest = m->notes; next_note(&rest, &n);)
		m->n_messages += n.type == NOTE_MAIL && n.which != 1;
	m->s.message = arena_alloc(&m->c->arena, m->n_messages * sizeof *m->s.message + 1);
	m->s.n_messages = m->n_messages;
	for (struct sv rest = m->notes; next_note(&rest, &n);) {
		if (!n.of || n.of > m->n_messages)
			continue;
		struct smtp_message *of = &m->s.message[n.of - 1];
		m->n_rcpt += n.type == NOTE_RCPT;
		of->n_rcpt += n.type == NOTE_RCPT;
		of->n_attachments += n.type == NOTE_ATTACHMENT;
	}
	for (uint32_t i = 0; i < m->n_messages; i++) {
		struct smtp_message *of = &m->s.message[i];
		of->rcpt = arena_alloc(&m->c->arena, of->n_rcpt * sizeof *of->rcpt + 1);
		of->attachment = arena_alloc(&m->c->arena, of->n_attachments * sizeof *of->attachment + 1);
		of->n_rcpt = of->n_attachments = 0;
	}
	m->rcpt = arena_alloc(&m->c->arena, (m->n_rcpt + 1) * sizeof(void *));
	m->n_rcpt = 0;
}

static struct sv dsn_of(struct sv reply)
{
	size_t i = 0, dots = 0;
	if (reply.n < 5 || (reply.p[0] != '2' && reply.p[0] != '4' && reply.p[0] != '5') || reply.p[1] != '.')
		return (struct sv){ 0 };
	while (i < reply.n && ((reply.p[i] >= '0' && reply.p[i] <= '9') || reply.p[i] == '.'))
		dots += reply.p[i++] == '.';
	return dots == 2 && i <= 9 && (i == reply.n || reply.p[i] == ' ') && reply.p[i - 1] != '.' ? sv_take(reply, i) : (struct sv){ 0 };
}

static void on_header(struct smtp_message *of, const struct note *n)
{
	switch (n->which) {
	case 'm': of->message_id = n->text; break;
	case 'f': of->from = n->text; break;
	case 'x': of->mailer = n->text; break;
	default:
		of->subject = n->text;
		of->subject_hash = n->number;
	}
}

static void on_reply(struct smtp_message *of, const struct note *n)
{
	of->code = n->code;
	of->reply = n->text;
	of->accepted = n->type == NOTE_REPLY_BODY && !n->which && n->code / 100 == 2;
}

static void of_message(struct maker *m, const struct note *n)
{
	struct smtp_message *of = message(m, n->of);
	if (!of)
		return;
	switch (n->type) {
	case NOTE_MAIL:
		if (n->which == 1)
			of->sender_args = n->text;
		else
			of->sender = n->text;
		break;
	case NOTE_RCPT:
		m->rcpt[m->n_rcpt++] = &of->rcpt[of->n_rcpt];
		of->rcpt[of->n_rcpt++].recipient = n->text;
		break;
	case NOTE_REPLY_MAIL:
		of->mail_code = n->code;
		if (n->code >= 400)
			on_reply(of, n);
		break;
	case NOTE_REPLY_BODY: on_reply(of, n); break;
	case NOTE_DATA:
		of->has_data = true;
		of->data_bytes = n->number;
		break;
	case NOTE_HEADER: on_header(of, n); break;
	case NOTE_ATTACHMENT: of->attachment[of->n_attachments++] = n->text; break;
	case NOTE_HASH:
		of->has_hash = n->text.n == sizeof of->hash;
		if (of->has_hash)
			memcpy(of->hash, n->text.p, sizeof of->hash);
		break;
	default: break;
	}
}

static void of_session(struct maker *m, const struct note *n)
{
	struct smtp_session *s = &m->s;
	switch (n->type) {
	case NOTE_BANNER: s->banner = n->text; break;
	case NOTE_HELO:
		if (s->helo.p && !sv_eq(s->helo, n->text))
			s->flags |= SMTP_HELO_CHANGED;
		m->helo = s->helo;
		s->helo = n->text;
		break;
	case NOTE_HELO_REFUSED:
		if (m->helo.p)
			s->helo = m->helo;
		break;
	case NOTE_AUTH: s->auth_method = n->text; break;
	case NOTE_ACCOUNT: s->account = n->text; break;
	case NOTE_SNI: s->sni = n->text; break;
	case NOTE_TLS: s->tls_print = n->text; break;
	case NOTE_REFUSAL: s->refusal = n->text; break;
	case NOTE_REPLY_RCPT:
		if (n->number < m->n_rcpt) {
			struct smtp_rcpt *r = m->rcpt[n->number];
			r->code = n->code;
			r->reply = n->text;
			r->dsn = dsn_of(n->text);
		}
		break;
	default: of_message(m, n);
	}
}

static void header(struct maker *m, const struct flow *f, enum smtp_end end)
{
	struct smtp_session *s = &m->s;
	const struct smtp *t = &f->smtp;
	memcpy(s->client.b, f->address[0], sizeof s->client.b);
	memcpy(s->server.b, f->address[1], sizeof s->server.b);
	s->client_port = f->port[0];
	s->server_port = f->port[1];
	s->first_us = f->first_us;
	s->last_us = f->last_us;
	s->flags = t->flags;
	s->end = (uint8_t)end;
	for (size_t i = 0; i < SMTP_VERB_COUNT; i++)
		s->commands += s->verbs[i] = t->verbs[i];
	for (size_t i = 0; i < 6; i++)
		s->replies[i] = t->replies[i];
	s->overlaps = f->overlaps;
	s->retransmits = f->retransmits;
	s->lost_bytes = f->lost_bytes;
	s->dialect = t->dialect;
	s->client_bytes = f->bytes[CLIENT];
	s->server_bytes = f->bytes[SERVER];
	if (t->tls_bytes[CLIENT] >= TLS_MESSAGE_BYTES && t->tls_bytes[SERVER] && ((f->half[CLIENT].flags | f->half[SERVER].flags) & HALF_FIN))
		s->flags |= SMTP_TLS_MESSAGE;
}

/* What is true of the whole only at its end; false: there is nothing to report. */
static bool judge(struct capture *c, struct flow *f, enum smtp_end end)
{
	struct smtp *t = &f->smtp;
	bool client = f->half[CLIENT].flags & HALF_SEEN, server = f->half[SERVER].flags & HALF_SEEN;
	if (!f->bytes[0] && !f->bytes[1] && (!client || !server || (t->flags & SMTP_REFUSED))) {
		t->flags |= t->flags & SMTP_REFUSED ? 0 : SMTP_UNANSWERED;
		c->stats.unanswered++;
		return c->o.unanswered && client;
	}
	if (t->first_ack && (f->half[SERVER].flags & HALF_SYN) && (!t->has_banner || seq_lt(t->first_ack, t->banner_end)))
		t->flags |= SMTP_EARLY_TALKER; /* its system had not taken the whole banner yet */
	if (!client || !server)
		t->flags = (t->flags | SMTP_ONE_SIDED) & ~(uint32_t)SMTP_PIPELINED; /* nobody can tell */
	bool ended = (f->half[CLIENT].flags | f->half[SERVER].flags) & HALF_FIN;
	if (end == SMTP_END_EOF && !ended && !((t->flags & SMTP_QUIT) && !t->n_pending))
		t->flags |= SMTP_GAP; /* the capture ended before the session */
	if (t->client_state == C_DATA || t->client_state == C_CHUNK)
		smtp_body_end(c, f); /* as far as it came */
	unsigned known = 0;
	for (size_t i = 0; i < SMTP_VERB_OTHER; i++)
		known += t->verbs[i];
	return c->o.n_ports || known || t->has_banner;
}

/* Windows leaves blanks and dots at the end out. */
static bool is_program(const struct capture_options *o, struct sv name)
{
	while (name.n && (name.p[name.n - 1] == ' ' || name.p[name.n - 1] == '.'))
		name.n--;
	for (size_t i = 0; i < o->n_programs; i++) {
		size_t n = strlen(o->programs[i]);
		if (name.n > n && strncasecmp(name.p + name.n - n, o->programs[i], n) == 0)
			return true;
	}
	return false;
}

static void look_for_programs(const struct capture_options *o, struct smtp_session *s)
{
	for (size_t i = 0; i < s->n_messages; i++)
		for (size_t k = 0; k < s->message[i].n_attachments; k++)
			if (is_program(o, s->message[i].attachment[k]))
				s->flags |= SMTP_PROGRAM;
}

void session_report(struct capture *c, struct flow *f, enum smtp_end end)
{
	c->stats.retransmits += f->retransmits;
	c->stats.overlaps += f->overlaps;
	if (!judge(c, f, end))
		return;
	arena_reset(&c->arena);
	struct maker m = { .c = c, .notes = gather(c, f) };
	header(&m, f, end);
	count(&m);
	struct note n;
	for (struct sv rest = m.notes; next_note(&rest, &n);)
		of_session(&m, &n);
	for (size_t i = 0; f->notes_full && i < m.s.n_messages; i++)
		m.s.message[i].cut = i + 1 == m.s.n_messages;
	look_for_programs(&c->o, &m.s);
	c->stats.sessions++;
	c->sink(c->ctx, &m.s);
}
