/* The client's half of the dialogue: commands, and what they begin. */
#include "collector/capture/flow.h"

#include <string.h>
#include <strings.h>

static struct sv trim(struct sv s)
{
	while (s.n && (*s.p == ' ' || *s.p == '\t'))
		s = sv_skip(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static bool starts_folded(struct sv s, const char *word)
{
	size_t n = strlen(word);
	return s.n >= n && strncasecmp(s.p, word, n) == 0;
}

/* -- lines -- */

void smtp_line_done(struct capture *c, struct flow *f, int dir)
{
	struct half *h = &f->half[dir];
	if (!h->line)
		return;
	memset(cells_at(&c->cells, h->line), 0, LINE_BYTES);
	cells_give(&c->cells, h->line);
	h->line = 0;
	h->line_n = 0;
	h->line_long = false;
}

static void put_aside(struct capture *c, struct flow *f, struct half *h, const uint8_t *p, size_t n)
{
	if (!h->line && !(h->line = flow_block(c, f))) {
		f->smtp.flags |= SMTP_CUT | SMTP_GAP;
		return;
	}
	size_t room = LINE_BYTES - h->line_n, take = n < room ? n : room;
	memcpy((uint8_t *)cells_at(&c->cells, h->line) + h->line_n, p, take);
	h->line_n = (uint16_t)(h->line_n + take);
	h->line_long |= take < n;
}

bool smtp_line(struct capture *c, struct flow *f, int dir, uint8_t *p, size_t n, size_t *at, struct sv *ret, bool *ret_bare)
{
	struct half *h = &f->half[dir];
	uint8_t *start = p + *at, *nl = memchr(start, '\n', n - *at);
	size_t len = nl ? (size_t)(nl - start) : n - *at;
	*at += len + (nl ? 1 : 0);
	bool cr = nl && nl > start && nl[-1] == '\r';
	if (h->line || !nl) {
		cr |= nl == start && h->line_n && ((uint8_t *)cells_at(&c->cells, h->line))[h->line_n - 1] == '\r';
		put_aside(c, f, h, start, len);
		if (!nl)
			return false;
		*ret = h->line ? sv_make(cells_at(&c->cells, h->line), h->line_n) : SV("");
	} else {
		*ret = sv_take(sv_make((const char *)start, len), LINE_BYTES);
		h->line_long = len > LINE_BYTES;
	}
	if (h->line_long)
		f->smtp.flags |= dir == CLIENT ? SMTP_LONG_LINE : 0;
	else if (ret->n && ret->p[ret->n - 1] == '\r')
		ret->n--;
	h->line_long = false;
	*ret_bare = !cr;
	return true;
}

/* -- replies that are due -- */

void pending_add(struct smtp *s, uint8_t verb)
{
	if (s->after_gap)
		return;
	struct pending *last = s->n_pending ? &s->pending[s->n_pending - 1] : NULL;
	if (last && last->verb == verb && last->count < UINT16_MAX)
		last->count++;
	else if (s->n_pending < PENDING_RUNS)
		s->pending[s->n_pending++] = (struct pending){ .verb = verb, .count = 1 };
	else { /* who pipelines like that is not followed any further */
		s->flags |= SMTP_CUT | SMTP_GAP;
		s->after_gap = true;
		s->answered = false;
		s->n_pending = 0;
		s->n_rcpt_answered = s->n_rcpt;
		s->n_mail_answered = s->n_messages;
	}
}

void bodies_add(struct smtp *s, uint16_t message)
{
	if (s->n_body < BODIES)
		s->body_of[s->n_body++] = message;
	else
		s->flags |= SMTP_CUT | SMTP_GAP;
}

uint16_t bodies_drop(struct smtp *s)
{
	uint16_t m = s->n_body ? s->body_of[0] : 0;
	if (s->n_body)
		memmove(s->body_of, s->body_of + 1, --s->n_body * sizeof *s->body_of);
	return m;
}

int pending_first(const struct smtp *s)
{
	return s->n_pending ? s->pending[0].verb : -1;
}

void pending_drop(struct smtp *s)
{
	if (!s->n_pending || --s->pending[0].count)
		return;
	s->n_pending--;
	memmove(s->pending, s->pending + 1, s->n_pending * sizeof *s->pending);
}

/* -- commands -- */

static enum smtp_verb verb_of(struct sv line)
{
	static const struct { char word[9]; uint8_t n, verb; } words[] = {
#define W(word, verb) { word, sizeof(word) - 1, SMTP_VERB_##verb }
		W("EHLO", EHLO), W("HELO", HELO), W("MAIL", MAIL), W("RCPT", RCPT), W("DATA", DATA), W("BDAT", BDAT), W("RSET", RSET), W("VRFY", VRFY),
		W("EXPN", EXPN), W("NOOP", NOOP), W("AUTH", AUTH), W("STARTTLS", STARTTLS), W("X-ANONYM", STARTTLS), W("QUIT", QUIT), W("HELP", HELP),
#undef W
	};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (!line.n || ((line.p[0] ^ words[i].word[0]) & ~32))
			continue;
		size_t n = words[i].n;
		if (line.n >= n && strncasecmp(line.p, words[i].word, n) == 0 && (line.n == n || line.p[n] == ' ' || line.p[n] == '\t' || line.p[n] == ':' || words[i].word[0] == 'X'))
			return words[i].verb;
	}
	return SMTP_VERB_OTHER;
}

/* How a client writes its commands differs between programs: letters, spaces, brackets, parameters' names. */
static void dialect(struct smtp *s, enum smtp_verb v, struct sv line)
{
	if (v == SMTP_VERB_OTHER || v + 1u == s->last_verb)
		return;
	s->last_verb = (uint8_t)(v + 1);
	uint32_t h = s->dialect ? s->dialect : 2166136261u;
	bool value = false;
	for (size_t i = 0; i < line.n && i < 200; i++) {
		char ch = line.p[i];
		if (v != SMTP_VERB_MAIL && v != SMTP_VERB_RCPT && ch == ' ') {
			h = (h ^ ' ') * 16777619u;
			break; /* what follows is a name or a number */
		}
		if (ch == '<' || ch == '=')
			h = (h ^ (uint8_t)ch) * 16777619u, value = true;
		else if (value && (ch == '>' || ch == ' '))
			value = false;
		if (!value)
			h = (h ^ (uint8_t)ch) * 16777619u;
	}
	s->dialect = h ? h : 1;
}

/* Cuts "FROM:<path> ARGS"; the path without its brackets. False: not so much as a path. */
static bool path_of(struct smtp *s, struct sv rest, const char *word, struct sv *ret_path, struct sv *ret_args)
{
	rest = trim(rest);
	*ret_args = SV("");
	if (!starts_folded(rest, word)) {
		s->flags |= SMTP_BAD_SYNTAX;
		return false;
	}
	struct sv r = trim(sv_skip(rest, strlen(word)));
	if (r.n && *r.p == ':')
		r = sv_skip(r, 1);
	else
		s->flags |= SMTP_BAD_SYNTAX;
	if (r.n && *r.p == ' ')
		s->flags |= SMTP_BAD_SYNTAX;
	r = trim(r);
	if (!r.n || *r.p != '<') { /* without brackets */
		s->flags |= SMTP_BAD_SYNTAX;
		ptrdiff_t space = sv_chr(r, ' ');
		*ret_path = space < 0 ? r : sv_take(r, (size_t)space);
		*ret_args = space < 0 ? SV("") : trim(sv_skip(r, (size_t)space));
		return r.n > 0;
	}
	bool quoted = false;
	size_t i = 1;
	for (; i < r.n && (quoted || r.p[i] != '>'); i++) {
		if (r.p[i] == '\\' && i + 1 < r.n)
			i++;
		else if (r.p[i] == '"')
			quoted = !quoted;
	}
	if (i >= r.n) /* an open quote, or no end: the last bracket, if any */
		i = sv_rchr(r, '>') > 0 ? (size_t)sv_rchr(r, '>') : r.n;
	if (i == r.n)
		s->flags |= SMTP_BAD_SYNTAX;
	*ret_path = sv_make(r.p + 1, i - 1);
	*ret_args = trim(sv_skip(r, i + 1));
	return true;
}

static void on_helo(struct capture *c, struct flow *f, enum smtp_verb v, struct sv rest)
{
	struct smtp *s = &f->smtp;
	struct note n = { .type = NOTE_HELO, .which = v == SMTP_VERB_EHLO, .text = trim(rest) };
	note_add(c, f, &n);
	if (v == SMTP_VERB_EHLO)
		s->flags |= SMTP_ESMTP;
	s->helo_message = s->message;
	if (!(f->half[SERVER].flags & HALF_SEEN) || s->after_gap)
		s->message = s->former = 0;
}

static void on_mail(struct capture *c, struct flow *f, struct sv rest)
{
	struct smtp *s = &f->smtp;
	struct sv path, args;
	s->former = s->message;
	if (s->n_messages == UINT16_MAX) {
		s->flags |= SMTP_CUT;
		return;
	}
	s->message = ++s->n_messages;
	if (s->after_gap)
		s->n_mail_answered = s->n_messages;
	if (!path_of(s, rest, "FROM", &path, &args))
		path = trim(rest);
	for (size_t i = 0; i + 8 <= args.n; i++)
		if (strncasecmp(args.p + i, "SMTPUTF8", 8) == 0)
			s->flags |= SMTP_UTF8;
	note_add(c, f, &(struct note){ .type = NOTE_MAIL, .of = s->message, .text = path });
	if (args.n)
		note_add(c, f, &(struct note){ .type = NOTE_MAIL, .which = 1, .of = s->message, .text = args });
}

/* A message of which we did not see the MAIL. */
static void need_message(struct capture *c, struct flow *f)
{
	struct smtp *s = &f->smtp;
	if (s->message || s->n_messages == UINT16_MAX)
		return;
	s->message = ++s->n_messages;
	if (s->after_gap || s->n_mail_answered + 1 == s->n_messages)
		s->n_mail_answered = s->n_messages;
	note_add(c, f, &(struct note){ .type = NOTE_MAIL, .which = 2, .of = s->message });
}

static void on_rcpt(struct capture *c, struct flow *f, struct sv rest)
{
	struct smtp *s = &f->smtp;
	struct sv path, args;
	if (!path_of(s, rest, "TO", &path, &args))
		path = trim(rest);
	need_message(c, f);
	note_add(c, f, &(struct note){ .type = NOTE_RCPT, .of = s->message, .number = s->n_rcpt++, .text = path });
	if (s->after_gap)
		s->n_rcpt_answered = s->n_rcpt;
}

static void on_bdat(struct capture *c, struct flow *f, struct sv rest)
{
	struct smtp *s = &f->smtp;
	uint64_t n = 0;
	rest = trim(rest);
	while (rest.n && *rest.p >= '0' && *rest.p <= '9' && n < UINT32_MAX / 10) {
		n = n * 10 + (uint64_t)(*rest.p - '0');
		rest = sv_skip(rest, 1);
	}
	rest = trim(rest);
	s->bdat_last = rest.n == 4 && starts_folded(rest, "LAST");
	if (rest.n && !s->bdat_last) { /* the server cannot read that either, so no chunk follows */
		s->flags |= SMTP_BAD_SYNTAX;
		pending_add(s, SMTP_VERB_BDAT);
		return;
	}
	s->flags |= SMTP_CHUNKED;
	s->chunk_left = (uint32_t)n;
	need_message(c, f);
	if (!s->body) {
		bodies_add(s, s->message);
		smtp_body_begin(c, f);
	}
	s->client_state = C_CHUNK;
}

static void command(struct capture *c, struct flow *f, struct sv line, bool bare)
{
	struct smtp *s = &f->smtp;
	enum smtp_verb v = verb_of(line);
	if (s->client_state == C_LOST) {
		if (v == SMTP_VERB_OTHER)
			return;
		s->client_state = C_COMMAND;
	}
	if (bare)
		s->flags |= SMTP_BARE_LF;
	if (s->after_gap && s->answered && c->cur_ack == f->half[SERVER].next) {
		s->after_gap = false; /* it has heard all that was said: the next reply is for this */
		s->reply_end = c->cur_ack;
	}
	if (!s->after_gap && s->spoke &&
	    (s->n_pending > (pending_first(s) == PENDING_BANNER) || (s->reply_end && c->cur_ack && seq_lt(c->cur_ack, s->reply_end))))
		s->flags |= SMTP_PIPELINED;
	if (!s->spoke && v == SMTP_VERB_OTHER && sv_find(line, SV("HTTP/")) >= 0)
		s->flags |= SMTP_NOT_SMTP;
	s->spoke = true;
	if (s->verbs[v] < UINT16_MAX)
		s->verbs[v]++;
	dialect(s, v, line);
	struct sv rest = sv_skip(line, v == SMTP_VERB_STARTTLS ? 8 : 4);
	if (v != SMTP_VERB_BDAT)
		pending_add(s, (uint8_t)v);
	switch (v) {
	case SMTP_VERB_EHLO: case SMTP_VERB_HELO: on_helo(c, f, v, rest); break;
	case SMTP_VERB_MAIL: on_mail(c, f, rest); break;
	case SMTP_VERB_RCPT: on_rcpt(c, f, rest); break;
	case SMTP_VERB_DATA:
		s->client_state = C_WAIT;
		bodies_add(s, s->message);
		break;
	case SMTP_VERB_BDAT: on_bdat(c, f, rest); break;
	case SMTP_VERB_RSET: s->message = s->former = 0; break;
	case SMTP_VERB_AUTH: s->client_state = C_WAIT; smtp_auth_begin(c, f, trim(rest)); break;
	case SMTP_VERB_STARTTLS: s->client_state = C_WAIT; break;
	case SMTP_VERB_QUIT: s->flags |= SMTP_QUIT; break;
	default: break;
	}
}

/* -- bytes -- */

static void end_chunk(struct capture *c, struct flow *f)
{
	struct smtp *s = &f->smtp;
	s->client_state = C_COMMAND;
	if (!s->bdat_last) {
		pending_add(s, SMTP_VERB_BDAT);
		return;
	}
	pending_add(s, PENDING_BODY);
	smtp_body_end(c, f);
	s->message = s->former = 0;
}

static size_t chunk(struct capture *c, struct flow *f, const uint8_t *p, size_t n)
{
	struct smtp *s = &f->smtp;
	size_t take = n < s->chunk_left ? n : s->chunk_left;
	smtp_body_chunk(c, f, p, take);
	s->chunk_left -= (uint32_t)take;
	if (!s->chunk_left)
		end_chunk(c, f);
	return take;
}

/* Goes on without the reply that says how. */
static void assume(struct capture *c, struct flow *f)
{
	struct smtp *s = &f->smtp;
	s->assumed = true;
	switch (s->last_verb - 1) {
	case SMTP_VERB_DATA:
		s->client_state = C_DATA;
		smtp_body_begin(c, f);
		break;
	case SMTP_VERB_AUTH: s->client_state = smtp_auth_more(s) ? C_AUTH : C_COMMAND; break;
	case SMTP_VERB_STARTTLS:
		s->client_state = C_TLS;
		s->server_state = S_TLS;
		s->flags |= SMTP_STARTTLS | SMTP_TLS;
		break;
	default: s->client_state = C_COMMAND; break;
	}
	if (s->client_state != C_COMMAND && (f->half[SERVER].flags & HALF_SEEN))
		s->flags |= SMTP_GAP;
}

static void first_words(const struct capture *c, struct flow *f, const uint8_t *p)
{
	struct smtp *s = &f->smtp;
	if (p[0] == 0x16) {
		s->client_state = C_TLS;
		s->server_state = S_TLS;
		s->flags |= SMTP_TLS;
		s->n_pending = 0;
	} else if (!s->first_ack && !(s->flags & SMTP_GAP)) {
		s->first_ack = c->cur_ack;
	}
}

static void line(struct capture *c, struct flow *f, struct sv text, bool bare)
{
	struct smtp *s = &f->smtp;
	if (s->client_state == C_AUTH) {
		s->client_state = C_WAIT;
		pending_add(s, PENDING_AUTH_LINE);
		smtp_auth_line(c, f, text);
	} else {
		command(c, f, text, bare);
	}
	smtp_line_done(c, f, CLIENT);
	if (s->client_state == C_CHUNK && !s->chunk_left)
		end_chunk(c, f); /* BDAT 0 LAST */
}

size_t smtp_client(struct capture *c, struct flow *f, uint8_t *p, size_t n, bool all)
{
	struct smtp *s = &f->smtp;
	size_t at = 0;
	uint32_t seq = c->cur_seq;
	if (!s->spoke && s->client_state == C_COMMAND && !f->half[CLIENT].line && n)
		first_words(c, f, p);
	while (at < n) {
		struct sv text;
		bool bare;
		c->cur_seq = seq + (uint32_t)at;
		switch (s->client_state) {
		case C_TLS:
			smtp_tls(c, f, CLIENT, p + at, n - at, !s->tls_bytes[CLIENT]);
			return n;
		case C_DATA: at += smtp_body(c, f, p + at, n - at); break;
		case C_CHUNK: at += chunk(c, f, p + at, n - at); break;
		case C_WAIT:
			if (!all && (!s->assumed || (f->half[SERVER].flags & HALF_SEEN)))
				return at;
			assume(c, f);
			break;
		default:
			if (!smtp_line(c, f, CLIENT, p, n, &at, &text, &bare))
				return n;
			line(c, f, text, bare);
		}
	}
	return n;
}

/* -- losses -- */

static void lost_client(struct capture *c, struct flow *f, uint32_t n)
{
	struct smtp *s = &f->smtp;
	smtp_line_done(c, f, CLIENT);
	s->spoke = true;
	switch (s->client_state) {
	case C_TLS: smtp_tls_forget(c, f); return;
	case C_DATA:
		s->data_bytes += n;
		s->eod = EOD_MID;
		s->answered = false;
		return; /* a reply tells if the end was in it */
	case C_CHUNK:
		s->data_bytes += n < s->chunk_left ? n : s->chunk_left;
		if (n < s->chunk_left) {
			s->chunk_left -= n;
			return;
		}
		smtp_body_end(c, f);
		break;
	default: break;
	}
	s->client_state = C_LOST;
	s->message = s->former = 0;
	s->n_pending = s->n_body = 0;
	s->after_gap = true;
	s->answered = false;
}

static void lost_server(struct capture *c, struct flow *f)
{
	struct smtp *s = &f->smtp;
	smtp_line_done(c, f, SERVER);
	if (s->server_state == S_TLS)
		return;
	s->reply_open = false;
	s->n_pending = 0;
	while (s->n_body > (s->client_state == C_DATA || s->client_state == C_CHUNK))
		(void)bodies_drop(s);
	s->after_gap = s->answered = true;
	s->server_state = S_LOST;
	s->n_rcpt_answered = s->n_rcpt;
	s->n_mail_answered = s->n_messages;
	if (s->client_state == C_WAIT)
		assume(c, f);
}

void smtp_gap(struct capture *c, struct flow *f, int dir, uint32_t n)
{
	c->stats.gaps++;
	c->stats.lost_bytes += n;
	f->smtp.flags |= SMTP_GAP;
	if (dir == CLIENT)
		lost_client(c, f, n);
	else
		lost_server(c, f);
	f->smtp.n_rcpt_answered = f->smtp.n_rcpt;
	f->smtp.n_mail_answered = f->smtp.n_messages;
}

void smtp_free(struct capture *c, struct flow *f)
{
	smtp_line_done(c, f, CLIENT);
	smtp_line_done(c, f, SERVER);
	if (f->smtp.reply)
		cells_give(&c->cells, f->smtp.reply);
	if (f->smtp.body)
		cells_give(&c->cells, f->smtp.body);
	smtp_tls_forget(c, f);
}
