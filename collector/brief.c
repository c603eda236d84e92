/* A text is its bytes and a 0; a byte below 32 is a mark: of another text, of a time, or of the byte that follows. */
#include "collector/brief.h"

#include "collector/mta.h"
#include "lib/times.h"

enum {
	END, QUEUE_ID, HOST, CLIENT_IP, CLIENT_NAME, HELO, ACCOUNT, AUTH_METHOD, SENDER, PARENT, LOCAL_USER, SUBJECT, CWD, MESSAGE_ID,
	RECIPIENT, ORIG, DSN, REPLY, RELAY_HOST, RELAY_IP, SENDER_DOMAIN, RECIPIENT_DOMAIN, MARKS,
	/* "Nov  9 00:00:00", "2026-11-09T00:00:00", "2026-11-09 00:00:00", "2026-11-09T00:00:00.123456": then how many seconds after the message's first line */
	STAMP_SHORT = MARKS, STAMP_ISO, STAMP_SPACE, STAMP_US,
	ABSENT = 30, ESCAPE = 31, CONTROLS = 32,
};
#define SHORTEST 3u /* what is shorter gets no mark */
#define RCPTS_LOOKED_AT 8u
#define SPAN_UNIT 1000000
#define PAIRS 1024u

struct brief {
	const struct open_msg *m;
	struct sv queue_id, host;
	const struct open_ref *ref[MARKS]; /* NULL: not told yet */
	/* While putting: what begins with two bytes. */
	struct sv text[MARKS];
	uint32_t begins[PAIRS];
};

/* Heads and recipients in the order in which they are told: each with its mark, and whether it is worth to look for others in it. */
#define HEAD_TEXTS(T) T(client_ip, CLIENT_IP, false) T(client_name, CLIENT_NAME, false) T(helo, HELO, false) T(account, ACCOUNT, false) T(auth_method, AUTH_METHOD, false) \
	T(sender, SENDER, true) T(parent, PARENT, false) T(local_user, LOCAL_USER, false) T(subject, SUBJECT, false) T(cwd, CWD, false) T(message_id, MESSAGE_ID, true)
#define RCPT_TEXTS_TOLD(T) T(recipient, RECIPIENT, false) T(orig, ORIG, true) T(relay_host, RELAY_HOST, true) T(relay_ip, RELAY_IP, true) T(dsn, DSN, true) T(reply, REPLY, true)
#define HEAD_BITS(B) B(head) B(sender_known) B(submission) B(bounce) B(forward) B(probe) B(loopback) B(piped) B(stitched) B(removed) B(reported) B(dirty) B(shown) B(keeps_removed)
/* The rest of MSG_FIGURES says nothing of a message that may be folded: due_us is of no list, text_lost of no bytes any more. */

static struct sv domain_of(struct sv address)
{
	ptrdiff_t at = address.p ? sv_rchr(address, '@') : -1;
	if (at < 0)
		return (struct sv){ 0 };
	return sv_skip(address, (size_t)at + 1);
}

static struct sv told(const struct brief *b, unsigned mark)
{
	if (mark == QUEUE_ID || mark == HOST)
		return mark == HOST ? b->host : b->queue_id;
	if (mark == SENDER_DOMAIN || mark == RECIPIENT_DOMAIN)
		return domain_of(told(b, mark == SENDER_DOMAIN ? SENDER : RECIPIENT));
	return b->ref[mark] ? open_get(b->m, *b->ref[mark]) : (struct sv){ 0 };
}

/* -- stamps -- */

static const unsigned stamp_bytes[] = { 15, 19, 19, 26 }, clock_at[] = { 7, 11, 11, 11 };

/* The stamp of that many seconds after the message's first line. */
static struct sv stamp_text(const struct open_msg *m, unsigned mark, int64_t after_s, char to[TIMES_BYTES])
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char iso[TIMES_BYTES];
	int64_t us = m->first_us + after_s * SPAN_UNIT;
	(void)times_put(iso, us, m->utc_offset_s);
	if (mark != STAMP_SHORT) {
		memcpy(to, iso, 26);
		if (mark == STAMP_SPACE)
			to[10] = ' ';
		return sv_make(to, stamp_bytes[mark - STAMP_SHORT]);
	}
	unsigned month = (unsigned)(iso[5] - '0') * 10 + (unsigned)(iso[6] - '0');
	if (month < 1 || month > 12) /* a year of five digits */
		return sv_make(to, 0);
	memcpy(to, months + 3 * (month - 1), 3);
	to[3] = to[6] = ' ';
	to[4] = iso[8] == '0' ? ' ' : iso[8];
	to[5] = iso[9];
	memcpy(to + 7, iso + 11, 8);
	return sv_make(to, 15);
}

static int two(const char *p)
{
	return p[0] >= '0' && p[0] <= '9' && p[1] >= '0' && p[1] <= '9' ? (p[0] - '0') * 10 + p[1] - '0' : -1;
}

static int64_t clock_s(const char *p)
{
	int h = two(p), m = two(p + 3), s = two(p + 6);
	return h < 0 || m < 0 || s < 0 ? -1 : h * 3600 + m * 60 + s;
}

/* How long what line begins with is, if it is a stamp that can be told by a mark. */
static size_t put_stamp(const struct open_msg *m, struct sv line, struct buf *out)
{
	char text[TIMES_BYTES];
	bool short_form = line.n > 15 && (line.p[0] < '0' || line.p[0] > '9'), fraction = !short_form && line.n > 26 && line.p[19] == '.';
	unsigned mark = short_form ? STAMP_SHORT : line.n > 19 && line.p[10] == ' ' ? STAMP_SPACE : fraction ? STAMP_US : STAMP_ISO;
	if (line.n <= stamp_bytes[mark - STAMP_SHORT])
		return 0;
	int64_t s = clock_s(line.p + clock_at[mark - STAMP_SHORT]), first_s = m->first_us / SPAN_UNIT + m->utc_offset_s;
	if (s < 0 || first_s < 0)
		return 0;
	for (int64_t after_s = (s + 86400 - first_s % 86400) % 86400;; mark = STAMP_ISO) {
		struct sv same = stamp_text(m, mark, after_s, text);
		if (same.n && memcmp(same.p, line.p, same.n) == 0) {
			buf_addc(out, (char)mark);
			wire_put_u(out, (uint64_t)after_s);
			return same.n;
		}
		if (mark != STAMP_US)
			return 0;
	}
}

/* -- putting -- */

static unsigned pair_of(const char *p)
{
	uint16_t pair;
	memcpy(&pair, p, sizeof pair);
	return (pair * 0x9e3779b1u) >> 22;
}
_Static_assert(PAIRS == 1u << (32 - 22), "of 16 bits ten");

static void may_be_marked(struct brief *b, unsigned mark)
{
	struct sv was = b->text[mark], is = told(b, mark);
	if (was.n >= SHORTEST)
		b->begins[pair_of(was.p)] &= ~(1u << mark);
	if (is.n >= SHORTEST)
		b->begins[pair_of(is.p)] |= 1u << mark;
	b->text[mark] = is;
}

/* The mark of the longest text that s begins with, or 0. */
static unsigned mark_of(const struct brief *b, struct sv s, uint32_t candidates)
{
	unsigned best = 0;
	size_t best_n = 0;
	for (; candidates; candidates &= candidates - 1) {
		unsigned mark = (unsigned)__builtin_ctz(candidates);
		struct sv t = b->text[mark];
		if (t.n <= s.n && t.n > best_n && near_same(t.p, s.p, t.n)) {
			best = mark;
			best_n = t.n;
		}
	}
	return best;
}

static bool has_controls(struct sv s)
{
	uint64_t w, any = 0;
	size_t i = 0;
	for (; i + 8 <= s.n; i += 8) {
		memcpy(&w, s.p + i, 8);
		any |= (w - 0x2020202020202020u) & ~w;
	}
	for (; i < s.n; i++)
		any |= (uint8_t)s.p[i] < CONTROLS ? 0x80 : 0;
	return any & 0x8080808080808080u;
}

/* What has no mark. */
static char *put_plain(char *to, struct sv s, bool controls)
{
	if (!controls) {
		near_copy(to, s.p, s.n);
		return to + s.n;
	}
	for (size_t i = 0; i < s.n; i++) {
		if ((uint8_t)s.p[i] < CONTROLS)
			*to++ = ESCAPE;
		*to++ = s.p[i];
	}
	return to;
}

static void put_text(const struct brief *b, struct sv s, bool looked_into, struct buf *out)
{
	bool controls = has_controls(s);
	buf_reserve(out, 2 * s.n + 1);
	char *to = out->p + out->n;
	size_t from = 0;
	for (size_t i = 0; looked_into && i + SHORTEST <= s.n;) {
		uint32_t candidates = b->begins[pair_of(s.p + i)];
		unsigned mark = candidates ? mark_of(b, sv_skip(s, i), candidates) : 0;
		if (!mark) {
			i++;
			continue;
		}
		to = put_plain(to, sv_make(s.p + from, i - from), controls);
		*to++ = (char)mark;
		from = i += b->text[mark].n;
	}
	to = put_plain(to, sv_skip(s, from), controls);
	*to++ = END;
	out->n = (size_t)(to - out->p);
}

static void put_ref(struct brief *b, const struct open_ref *ref, unsigned mark, bool looked_into, struct buf *out)
{
	if (ref->at == OPEN_NONE)
		buf_addc(out, ABSENT);
	else
		put_text(b, open_get(b->m, *ref), looked_into, out);
	b->ref[mark] = ref;
	may_be_marked(b, mark);
	if (mark == SENDER || mark == RECIPIENT)
		may_be_marked(b, mark == SENDER ? SENDER_DOMAIN : RECIPIENT_DOMAIN);
}

/* Most logs' stamps are of whole seconds. */
static void put_span(struct buf *out, int64_t us)
{
	if (us % SPAN_UNIT == 0)
		wire_put_i(out, us / SPAN_UNIT * 2);
	else
		wire_put_i(out, us * 2 + 1);
}

static void put_rcpt(struct brief *b, const struct open_rcpt *r, struct buf *out)
{
	put_span(out, b->m->last_us - r->time_us);
	wire_put_u(out, (r->local ? 1u : 0u) | (r->changed ? 2u : 0u) | (r->handed ? 4u : 0u) | (r->final_hop ? 8u : 0u) | (unsigned)r->status << 4);
	wire_put_u(out, r->attempts);
#define T(name, mark, looked_into) put_ref(b, &r->name, mark, looked_into, out);
	RCPT_TEXTS_TOLD(T)
#undef T
}

/* Marks are of this recipient's texts again. */
static void of_rcpt(struct brief *b, const struct open_rcpt *r, bool putting)
{
#define T(name, mark, looked_into) b->ref[mark] = &r->name;
	RCPT_TEXTS_TOLD(T)
#undef T
	for (unsigned mark = RECIPIENT; putting && mark <= RELAY_IP; mark++)
		may_be_marked(b, mark);
	if (putting)
		may_be_marked(b, RECIPIENT_DOMAIN);
}

static void put_line(struct brief *b, unsigned i, struct buf *out)
{
	const struct open_msg *m = b->m;
	struct sv line = open_get(m, m->lines[i]);
	uint32_t of = 0;
	if (!line.p) {
		wire_put_u(out, m->line_refused[i] ? 1 : 0);
		return;
	}
	for (uint32_t r = 0; m->n_rcpt > 1 && r < m->n_rcpt && r < RCPTS_LOOKED_AT; r++)
		if (sv_find(line, open_get(m, m->rcpt[r].recipient)) >= 0)
			of = r;
	if (m->n_rcpt > 1)
		of_rcpt(b, &m->rcpt[of], true);
	wire_put_u(out, 2 + (uint64_t)of * 2 + m->line_refused[i]);
	put_text(b, sv_skip(line, put_stamp(m, line, out)), true, out);
}

void brief_put(const struct correlate *c, const struct open_msg *m, struct sv queue_id, struct buf *out)
{
	const struct open_host *h = &c->host[m->host];
	struct brief b = { .m = m, .queue_id = queue_id, .host = sv_make(h->name, h->n) };
	uint32_t bits = 0;
	may_be_marked(&b, QUEUE_ID);
	may_be_marked(&b, HOST);
	put_span(out, m->last_us - m->first_us);
	wire_put_i(out, m->size);
#define B(name) bits = bits << 1 | m->name;
	HEAD_BITS(B)
#undef B
	wire_put_u(out, bits);
	wire_put_i(out, m->uid);
	wire_put_i(out, m->nrcpt);
	wire_put_u(out, m->n_again);
	wire_put_i(out, m->utc_offset_s);
	wire_put_sv(out, sv_cstr(m->mta));
	wire_put_u(out, m->n_rcpt);
#define T(name, mark, looked_into) put_ref(&b, &m->name, mark, looked_into, out);
	HEAD_TEXTS(T)
#undef T
	for (uint32_t i = 0; i < m->n_rcpt; i++)
		put_rcpt(&b, &m->rcpt[i], out);
	for (unsigned i = 0; i < TXN_LINES; i++)
		put_line(&b, i, out);
}

/* -- getting -- */

struct getting { struct correlate *c; struct wire *w; struct open_msg *m; struct buf *text; struct brief b; size_t all; };

static void get_stamp(struct getting *g, unsigned mark)
{
	char text[TIMES_BYTES];
	uint64_t after_s = wire_get_u(g->w);
	if (after_s >= 86400)
		wire_spoil(g->w);
	else
		buf_addsv(g->text, stamp_text(g->m, mark, (int64_t)after_s, text));
}

/* Into g->text. False: there is none. */
static bool get_text(struct getting *g)
{
	struct wire *w = g->w;
	buf_clear(g->text);
	for (;;) {
		const uint8_t *from = w->p;
		while (w->p < w->end && *w->p >= CONTROLS)
			w->p++;
		buf_add(g->text, from, (size_t)(w->p - from));
		if (w->p == w->end || g->all + g->text->n > BRIEF_TEXTS_MAX) {
			wire_spoil(w);
			return false;
		}
		unsigned mark = *w->p++;
		if (mark == END || mark == ABSENT)
			return mark == END;
		if (mark < MARKS)
			buf_addsv(g->text, told(&g->b, mark));
		else if (mark <= STAMP_US)
			get_stamp(g, mark);
		else if (mark == ESCAPE && w->p < w->end)
			buf_addc(g->text, (char)*w->p++);
		else
			wire_spoil(w);
	}
}

static void get_ref(struct getting *g, struct open_ref *ref)
{
	if (!get_text(g) || g->w->bad)
		return;
	g->all += g->text->n;
	open_set(g->c, g->m, ref, buf_sv(g->text));
}

static int64_t get_span(struct wire *w)
{
	int64_t v = wire_get_i(w), us = v >> 1;
	if (!(v & 1) && __builtin_mul_overflow(v / 2, SPAN_UNIT, &us))
		us = INT64_MAX;
	if (open_sane_us(us))
		return us;
	wire_spoil(w);
	return 0;
}

static void get_rcpt(struct getting *g)
{
	int64_t time_us = g->m->last_us - get_span(g->w);
	uint64_t bits = wire_get_u(g->w), attempts = wire_get_u(g->w);
	bool named = get_text(g); /* Exchange has events of a recipient that it does not name */
	if (g->w->bad || (bits >> 4 & ~(uint64_t)OPEN_GONE) >= TXN_STATUS_COUNT) {
		wire_spoil(g->w);
		return;
	}
	struct sv recipient = named ? buf_sv(g->text) : (struct sv){ 0 };
	struct open_rcpt *r = open_rcpt_add(g->c, g->m, recipient, (uint32_t)open_hash(g->c, recipient, 0));
	if (!r) {
		wire_spoil(g->w);
		return;
	}
	if (g->m->n_rcpt > 1) /* marks are of the one before until this one says otherwise; its place may be another now */
		of_rcpt(&g->b, r - 1, false);
	g->all += recipient.n;
	r->time_us = time_us;
	r->attempts = (uint32_t)attempts;
	r->status = (uint8_t)(bits >> 4);
	r->local = bits & 1, r->changed = bits & 2, r->handed = bits & 4, r->final_hop = bits & 8;
	g->b.ref[RECIPIENT] = &r->recipient;
#define T(name, mark, looked_into) if ((mark) != RECIPIENT) { get_ref(g, &r->name); g->b.ref[mark] = &r->name; }
	RCPT_TEXTS_TOLD(T)
#undef T
}

static void get_line(struct getting *g, unsigned i)
{
	uint64_t what = wire_get_u(g->w), of = what >> 1;
	g->m->line_refused[i] = what & 1;
	if (!of)
		return;
	if (g->m->n_rcpt > of - 1)
		of_rcpt(&g->b, &g->m->rcpt[of - 1], false);
	get_ref(g, &g->m->lines[i]);
}

static void get_head(struct wire *w, struct open_msg *m)
{
	m->first_us = m->last_us - get_span(w);
	m->size = wire_get_i(w);
	uint64_t bits = wire_get_u(w);
	unsigned n = 0;
#define B(name) n++;
	HEAD_BITS(B)
#undef B
#define B(name) m->name = bits >> --n & 1;
	HEAD_BITS(B)
#undef B
	m->uid = wire_get_i(w);
	m->nrcpt = wire_get_i(w);
	m->n_again = (uint32_t)wire_get_u(w);
	m->utc_offset_s = (int32_t)wire_get_i(w);
	const struct mta *format = mta_named(wire_get_sv(w));
	m->mta = format ? format->name : "other";
	if (!open_sane_us(m->first_us))
		wire_spoil(w);
}

bool brief_get(struct correlate *c, struct wire *w, struct sv queue_id, struct open_msg *m, struct buf *scratch)
{
	const struct open_host *h = &c->host[m->host];
	struct getting g = { .c = c, .w = w, .m = m, .text = scratch, .b = { .m = m, .queue_id = queue_id, .host = sv_make(h->name, h->n) } };
	get_head(w, m);
	uint64_t n_rcpt = wire_get_u(w);
#define T(name, mark, looked_into) get_ref(&g, &m->name); g.b.ref[mark] = &m->name;
	HEAD_TEXTS(T)
#undef T
	for (; n_rcpt && !w->bad; n_rcpt--)
		get_rcpt(&g);
	for (unsigned i = 0; i < TXN_LINES && !w->bad; i++)
		get_line(&g, i);
	open_count(m);
	return !w->bad && w->p == w->end;
}
