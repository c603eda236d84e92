/* The message itself: where it ends, which lines are headers, boundaries or text. */
#include "collector/capture/body.h"

#include <string.h>

#include "collector/capture/pair.h"

#define PRINT_BYTES 4096 /* of the text make the fingerprint: some hundred words */

static struct body *body_of(struct capture *c, struct flow *f)
{
	return f->smtp.body ? cells_at(&c->cells, f->smtp.body) : NULL;
}

void smtp_body_begin(struct capture *c, struct flow *f)
{
	struct smtp *s = &f->smtp;
	s->data_bytes = 0;
	s->eod = EOD_START;
	if (!s->body)
		s->body = flow_block(c, f);
	struct body *b = body_of(c, f);
	if (!b)
		return;
	memset(b, 0, offsetof(struct body, header));
	b->line_start = true;
	b->print_left = PRINT_BYTES;
	b->of = s->n_body ? s->body_of[s->n_body - 1] : s->message;
	print_begin(&b->print);
}

/* -- lines of headers -- */

static void append(struct body *b, const uint8_t *p, size_t n)
{
	size_t room = HEADER_BYTES - b->header_n, take = n < room ? n : room;
	memcpy(b->header + b->header_n, p, take);
	b->header_n = (uint16_t)(b->header_n + take);
}

static void flush_header(struct capture *c, struct flow *f, struct body *b)
{
	if (b->header_n)
		body_header(c, f, b, sv_make(b->header, b->header_n));
	b->header_n = 0;
}

static void header_line_ends(struct body *b)
{
	if (b->header_n && b->header[b->header_n - 1] == '\r')
		b->header_n--;
	if (!b->header_n && !b->more) {
		b->stage = BODY_TEXT;
		b->last_name = 0;
	}
	b->more = false;
	b->line_start = true;
}

static size_t headers(struct capture *c, struct flow *f, struct body *b, const uint8_t *p, size_t n)
{
	const uint8_t *nl = memchr(p, '\n', n);
	size_t len = nl ? (size_t)(nl - p) : n;
	if (b->line_start) {
		b->more = *p == ' ' || *p == '\t';
		if (!b->more)
			flush_header(c, f, b);
		b->line_start = false;
	}
	append(b, p, len);
	if (nl)
		header_line_ends(b);
	return len + (nl ? 1 : 0);
}

/* -- lines of text -- */

uint32_t body_boundary_hash(struct sv text)
{
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < text.n; i++)
		h = (h ^ (uint8_t)text.p[i]) * 16777619u;
	return h ? h : 1;
}

static void boundary_line(struct body *b)
{
	struct sv t = sv_make(b->header, b->header_n);
	while (t.n && (t.p[t.n - 1] == '\r' || t.p[t.n - 1] == ' ' || t.p[t.n - 1] == '\t'))
		t.n--;
	b->header_n = 0;
	if (t.n < 3 || !sv_starts(t, SV("--")))
		return;
	uint32_t h = body_boundary_hash(sv_skip(t, 2));
	for (size_t i = 0; i < b->n_boundaries; i++)
		if (b->boundary[i] == h) {
			b->stage = BODY_PART;
			b->more = false;
			b->last_name = 0;
		}
}

static size_t dashed_line(struct body *b, const uint8_t *p, size_t n)
{
	const uint8_t *nl = memchr(p, '\n', n);
	size_t len = nl ? (size_t)(nl - p) : n;
	append(b, p, len);
	if (!nl)
		return len;
	b->dashes = false;
	b->line_start = true;
	boundary_line(b);
	return len + 1;
}

/* No line is as long as HEADER_BYTES: every half of that has an end of one. */
static bool short_lines(const uint8_t *p, size_t n)
{
	for (size_t at = 0; n - at >= HEADER_BYTES / 2; at += HEADER_BYTES / 2)
		if (!memchr(p + at, '\n', HEADER_BYTES / 2))
			return false;
	return true;
}

/* Whole lines at p that are text and can go into the fingerprint together with so many bytes before them: their bytes. */
static size_t whole_lines(const struct body *b, size_t before, const uint8_t *p, size_t n)
{
	const uint8_t *end = NULL;
	size_t len = 0, left = b->print_left > before ? b->print_left - before : 0;
	n = n < PRINT_CHUNK - before ? n : PRINT_CHUNK - before;
	if (!n || !left || (before && *p == '-' && b->n_boundaries))
		return 0;
	if (b->n_boundaries) {
		size_t dash = pair_find(p, n, '-');
		n = dash < n ? dash + 1 : n;
	}
	if (n >= left)
		end = memchr(p + left - 1, '\n', n - left + 1);
	end = end ? end : memrchr(p, '\n', n);
	if (end && short_lines(p, (size_t)(end - p) + 1))
		return (size_t)(end - p) + 1;
	while (len < n && len < left) { /* a long one is not taken as a whole */
		size_t most = n - len < HEADER_BYTES ? n - len : HEADER_BYTES;
		const uint8_t *nl = memchr(p + len, '\n', most);
		if (!nl)
			break;
		len = (size_t)(nl - p) + 1;
	}
	return len;
}

/* Only whole lines go into the fingerprint, or HEADER_BYTES of a long one, so that it does not depend on where segments were cut: a part of a line
 * waits in the header's place. */
static size_t printed(struct body *b, const uint8_t *p, size_t n)
{
	size_t waits = b->header_n, most = HEADER_BYTES - waits, len = 0;
	const uint8_t *nl = waits ? memchr(p, '\n', n < most ? n : most) : NULL;
	if (nl)
		len = (size_t)(nl - p) + 1;
	if (nl || !waits)
		len += whole_lines(b, waits + len, p + len, n - len);
	b->line_start = len > 0;
	if (!len && n < most) {
		append(b, p, n);
		return n;
	}
	len = len ? len : most;
	print_lines(&b->print, sv_make(b->header, waits), p, len);
	b->print_left = (uint16_t)(waits + len < b->print_left ? b->print_left - waits - len : 0);
	b->header_n = 0;
	return len;
}

static size_t text(struct body *b, const uint8_t *p, size_t n)
{
	if (b->dashes)
		return dashed_line(b, p, n);
	if (b->line_start && *p == '-' && b->n_boundaries) {
		b->dashes = true;
		b->line_start = false;
		b->header_n = 0;
		return 0;
	}
	if (b->print_left)
		return printed(b, p, n);
	size_t len = b->n_boundaries ? pair_find(p, n, '-') : n;
	len += len < n;
	b->line_start = p[len - 1] == '\n';
	return len;
}

static void feed(struct capture *c, struct flow *f, const uint8_t *p, size_t n)
{
	struct body *b = body_of(c, f);
	f->smtp.data_bytes += n;
	for (size_t at = 0; b && at < n;)
		at += b->stage == BODY_TEXT ? text(b, p + at, n - at) : headers(c, f, b, p + at, n - at);
}

/* -- the end -- */

void smtp_body_end(struct capture *c, struct flow *f)
{
	struct smtp *s = &f->smtp;
	struct body *b = body_of(c, f);
	uint16_t of = b ? b->of : s->n_body ? s->body_of[s->n_body - 1] : s->message;
	note_add(c, f, &(struct note){ .type = NOTE_DATA, .of = of, .number = s->data_bytes });
	if (!b)
		return;
	if (b->stage != BODY_TEXT)
		flush_header(c, f, b);
	else if (!b->dashes)
		print_lines(&b->print, SV(""), (const uint8_t *)b->header, b->header_n);
	if (print_done(&b->print))
		note_add(c, f, &(struct note){ .type = NOTE_HASH, .of = of, .text = sv_make((const char *)b->print.hash, sizeof b->print.hash) });
	cells_give(&c->cells, s->body);
	s->body = 0;
}

static void ended(struct capture *c, struct flow *f, bool bare)
{
	struct smtp *s = &f->smtp;
	if (bare)
		s->flags |= SMTP_BARE_LF;
	smtp_body_end(c, f);
	pending_add(s, PENDING_BODY);
	s->client_state = C_COMMAND;
	s->message = s->former = 0;
}

/* The dot's line so far was text after all. */
static void no_end(struct capture *c, struct flow *f, bool cr)
{
	if (cr)
		feed(c, f, (const uint8_t *)"\r", 1);
	f->smtp.eod = EOD_MID;
}

size_t smtp_body(struct capture *c, struct flow *f, const uint8_t *p, size_t n)
{
	struct smtp *s = &f->smtp;
	size_t at = 0;
	while (at < n) {
		if (s->eod == EOD_MID) {
			size_t len = pair_find(p + at, n - at, '.');
			len += len < n - at;
			feed(c, f, p + at, len);
			at += len;
			s->eod = p[at - 1] == '\n' ? EOD_START : EOD_MID;
		} else if (s->eod == EOD_START) {
			s->eod = p[at] == '.' ? EOD_DOT : EOD_MID; /* the dot is no part of the text, or was added to it */
			at += p[at] == '.';
		} else if (s->eod == EOD_DOT && p[at] == '\r') {
			s->eod = EOD_DOTCR;
			at++;
		} else if (p[at] == '\n' && (s->eod == EOD_DOTCR || !(f->half[SERVER].flags & HALF_SEEN))) {
			ended(c, f, s->eod == EOD_DOT);
			return at + 1;
		} else {
			no_end(c, f, s->eod == EOD_DOTCR);
		}
	}
	return n;
}

void smtp_body_chunk(struct capture *c, struct flow *f, const uint8_t *p, size_t n)
{
	feed(c, f, p, n);
}
