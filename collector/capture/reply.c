/* The server's half of the dialogue: replies, each to the command it answers. */
#include "collector/capture/flow.h"

#include <string.h>
#include <strings.h>

#define TEXT_BYTES 400 /* of a reply is kept */

static bool has_word(struct sv s, struct sv word)
{
	return s.n >= word.n && (s.p[0] | 32) == (word.p[0] | 32) && strncasecmp(s.p, word.p, word.n) == 0 &&
	       (s.n == word.n || s.p[word.n] == ' ' || s.p[word.n] == '=' || s.p[word.n] == '\t');
}

static bool is_crossed_out(struct sv line)
{
	size_t n = 0;
	while (n < line.n && (line.p[n] | 32) == 'x')
		n++;
	return n >= 3 && n == line.n;
}

static void keyword(struct smtp *s, struct sv line)
{
	if (has_word(line, SV("PIPELINING")))
		s->flags |= SMTP_PIPELINING_OFFERED;
	else if (has_word(line, SV("STARTTLS")) || has_word(line, SV("X-ANONYMOUSTLS")))
		s->flags |= SMTP_STARTTLS_OFFERED;
	else if (has_word(line, SV("AUTH")))
		s->flags |= SMTP_AUTH_OFFERED;
	else if (is_crossed_out(line))
		s->flags |= SMTP_MASKED; /* as PIX and ASA write over what they do not know */
}

static bool is_masked(struct sv banner)
{
	size_t stars = 0;
	for (size_t i = 0; i < banner.n; i++)
		stars += banner.p[i] == '*';
	return stars >= 6 && stars * 2 > banner.n;
}

static void on_banner(struct capture *c, struct flow *f, struct sv text, uint16_t code)
{
	struct smtp *s = &f->smtp;
	s->has_banner = true;
	s->banner_end = c->cur_seq;
	if (is_masked(text))
		s->flags |= SMTP_MASKED;
	note_add(c, f, &(struct note){ .type = NOTE_BANNER, .code = code, .text = text });
}

static void on_data(struct capture *c, struct flow *f, uint16_t code, struct sv text)
{
	struct smtp *s = &f->smtp;
	if (code == 354) {
		if (s->client_state == C_WAIT) {
			s->client_state = C_DATA;
			smtp_body_begin(c, f);
		}
		return;
	}
	uint16_t of = bodies_drop(s);
	if (s->client_state == C_WAIT)
		s->client_state = C_COMMAND;
	if (of)
		note_add(c, f, &(struct note){ .type = NOTE_REPLY_BODY, .which = 1, .of = of, .code = code, .text = text });
}

static void on_body(struct capture *c, struct flow *f, uint16_t code, struct sv text)
{
	uint16_t of = bodies_drop(&f->smtp);
	if (of)
		note_add(c, f, &(struct note){ .type = NOTE_REPLY_BODY, .of = of, .code = code, .text = text });
}

static void on_auth(struct smtp *s, uint16_t code)
{
	if (s->client_state == C_WAIT)
		s->client_state = code == 334 ? C_AUTH : C_COMMAND;
	if (code == 235)
		s->flags |= SMTP_AUTH_OK;
	else if (code >= 400)
		s->flags |= SMTP_AUTH_FAILED;
}

static void on_starttls(struct smtp *s, uint16_t code)
{
	if (s->client_state != C_WAIT)
		return;
	s->client_state = code == 220 ? C_TLS : C_COMMAND;
	if (code != 220)
		return;
	s->server_state = S_TLS;
	s->flags |= SMTP_STARTTLS | SMTP_TLS;
	s->message = s->former = 0;
}

static void on_mail(struct capture *c, struct flow *f, uint16_t code, struct sv text)
{
	struct smtp *s = &f->smtp;
	if (s->n_mail_answered >= s->n_messages)
		return;
	uint16_t of = ++s->n_mail_answered;
	note_add(c, f, &(struct note){ .type = NOTE_REPLY_MAIL, .of = of, .code = code, .text = text });
	if (code >= 400 && s->message == of && s->former)
		s->message = s->former; /* a second MAIL was refused: the first stands */
}

static void on_rcpt(struct capture *c, struct flow *f, uint16_t code, struct sv text)
{
	struct smtp *s = &f->smtp;
	if (s->n_rcpt_answered < s->n_rcpt)
		note_add(c, f, &(struct note){ .type = NOTE_REPLY_RCPT, .number = s->n_rcpt_answered++, .code = code, .text = text });
}

/* One that was refused changes nothing. */
static void on_helo(struct capture *c, struct flow *f, uint16_t code)
{
	struct smtp *s = &f->smtp;
	if (code >= 400)
		note_add(c, f, &(struct note){ .type = NOTE_HELO_REFUSED });
	else if (s->message == s->helo_message)
		s->message = s->former = 0;
}

/* A reply although the message has not ended as far as we saw: its end was written in another way, was lost, or the server has had enough. */
static void ends_body(struct capture *c, struct flow *f, uint16_t code, struct sv text)
{
	struct smtp *s = &f->smtp;
	if (s->client_state == C_CHUNK)
		return;
	smtp_body_end(c, f);
	bool other = s->after_gap; /* replies were lost, too: it may answer anything */
	s->client_state = s->flags & SMTP_GAP ? C_LOST : C_COMMAND;
	s->after_gap |= s->client_state == C_LOST;
	s->message = s->former = 0;
	if (other)
		(void)bodies_drop(s);
	else
		on_body(c, f, code, text);
}

static void answer(struct capture *c, struct flow *f, int verb, uint16_t code, struct sv text)
{
	switch (verb) {
	case PENDING_BANNER: on_banner(c, f, text, code); break;
	case PENDING_BODY: on_body(c, f, code, text); break;
	case PENDING_AUTH_LINE: case SMTP_VERB_AUTH: on_auth(&f->smtp, code); break;
	case SMTP_VERB_EHLO: case SMTP_VERB_HELO: on_helo(c, f, code); break;
	case SMTP_VERB_MAIL: on_mail(c, f, code, text); break;
	case SMTP_VERB_RCPT: on_rcpt(c, f, code, text); break;
	case SMTP_VERB_DATA: on_data(c, f, code, text); break;
	case SMTP_VERB_STARTTLS: on_starttls(&f->smtp, code); break;
	default: break;
	}
}

/* Replies to what we do not understand, or to a login, may repeat what was sent: their text is not kept. */
static bool may_be_kept(const struct smtp *s, int verb)
{
	return !s->after_gap && verb != SMTP_VERB_OTHER && verb != SMTP_VERB_AUTH && verb != PENDING_AUTH_LINE;
}

static void whole_reply(struct capture *c, struct flow *f, uint16_t code, struct sv text)
{
	struct smtp *s = &f->smtp;
	int verb = pending_first(s);
	if (code / 100 < 6 && s->replies[code / 100] < UINT16_MAX)
		s->replies[code / 100]++;
	if (code >= 400 && !s->refused && may_be_kept(s, verb)) {
		s->refused = true;
		note_add(c, f, &(struct note){ .type = NOTE_REFUSAL, .code = code, .text = text });
	}
	if (verb >= 0) {
		answer(c, f, verb, code, text);
		pending_drop(s);
	} else if (s->client_state == C_DATA) {
		ends_body(c, f, code, text);
	}
	s->reply_end = c->cur_seq;
	s->answered = true;
	s->replied = true;
}

/* Lines of one reply are joined with spaces. */
static void collect(struct capture *c, struct flow *f, struct sv text)
{
	struct smtp *s = &f->smtp;
	if (!s->reply && !(s->reply = flow_block(c, f)))
		return;
	char *to = cells_at(&c->cells, s->reply);
	if (s->reply_n && s->reply_n < TEXT_BYTES)
		to[s->reply_n++] = ' ';
	size_t room = TEXT_BYTES - s->reply_n, take = text.n < room ? text.n : room;
	memcpy(to + s->reply_n, text.p, take);
	s->reply_n = (uint16_t)(s->reply_n + take);
}

void smtp_reply_line(struct capture *c, struct flow *f, struct sv line)
{
	struct smtp *s = &f->smtp;
	if (line.n < 3 || line.p[0] < '1' || line.p[0] > '5' || line.p[1] < '0' || line.p[1] > '9' || line.p[2] < '0' || line.p[2] > '9' ||
	    (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-'))
		return;
	s->server_state = S_REPLY;
	uint16_t code = (uint16_t)((line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0'));
	struct sv text = sv_take(sv_skip(line, 4), TEXT_BYTES);
	bool more = line.n > 3 && line.p[3] == '-';
	int verb = pending_first(s);
	if (s->reply_open && (verb == SMTP_VERB_EHLO || verb == SMTP_VERB_HELO) && code == 250)
		keyword(s, text);
	if (verb == PENDING_BANNER && (more || s->reply_open)) { /* the first line of a banner says it all */
		if (!s->reply_open)
			collect(c, f, text);
	} else if (more || s->reply_open) {
		collect(c, f, text);
	}
	s->reply_open = more;
	if (more)
		return;
	if (s->reply) {
		text = sv_make(cells_at(&c->cells, s->reply), s->reply_n);
		whole_reply(c, f, code, text);
		memset(cells_at(&c->cells, s->reply), 0, TEXT_BYTES);
		cells_give(&c->cells, s->reply);
		s->reply = 0;
		s->reply_n = 0;
		return;
	}
	whole_reply(c, f, code, text);
}

size_t smtp_server(struct capture *c, struct flow *f, uint8_t *p, size_t n)
{
	struct smtp *s = &f->smtp;
	size_t at = 0;
	uint32_t seq = c->cur_seq;
	while (at < n) {
		struct sv line;
		bool bare, waited = s->client_state == C_WAIT;
		if (s->server_state == S_TLS || (!s->replied && !f->half[SERVER].line && p[0] == 0x16)) {
			smtp_tls(c, f, SERVER, p + at, n - at, !s->tls_bytes[SERVER]);
			return n;
		}
		if (!smtp_line(c, f, SERVER, p, n, &at, &line, &bare))
			return n;
		c->cur_seq = seq + (uint32_t)at;
		smtp_reply_line(c, f, line);
		smtp_line_done(c, f, SERVER);
		if (waited && s->client_state != C_WAIT && f->half[CLIENT].held)
			return at;
	}
	return n;
}
