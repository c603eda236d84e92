#include "collector/open.h"

#define FIRST_BYTES 768u /* what nearly every message comes to */

/* Copies one text to the new place while the old one still stands. */
static void move(char *to, uint32_t *n, const char *from, struct open_ref *ref)
{
	if (ref->at == OPEN_NONE)
		return;
	if (ref->n)
		memcpy(to + *n, from + ref->at, ref->n);
	ref->at = *n;
	*n += ref->n;
}

/* Room for n more bytes; what was replaced since is left behind. */
static void grow(struct correlate *c, struct open_msg *m, size_t n)
{
	size_t cap, want = m->text_n - m->text_lost + n;
	if (m->text_lost * 4 < m->text_n) /* not worth packing: make sure that growing is rare */
		want += m->text_n / 4;
	if (!m->text && want < FIRST_BYTES)
		want = FIRST_BYTES;
	char *to = pool_alloc(&c->pool, want, &cap);
	uint32_t at = 0;
	if (!m->text) { /* nothing to move: there may be texts, but all are empty */
		m->text = to;
		m->text_cap = cap;
		return;
	}
#define T(name) move(to, &at, m->text, &m->name);
	OPEN_TEXTS(T)
#undef T
	for (unsigned i = 0; i < TXN_LINES; i++)
		move(to, &at, m->text, &m->lines[i]);
	for (uint32_t i = 0; i < m->n_rcpt; i++) {
		struct open_rcpt *r = &m->rcpt[i];
		struct open_ref *all[] = { &r->recipient, &r->orig, &r->dsn, &r->reply, &r->relay_host, &r->relay_ip };
		for (unsigned j = 0; j < sizeof all / sizeof *all; j++)
			move(to, &at, m->text, all[j]);
	}
	pool_free(&c->pool, m->text, m->text_cap);
	c->text_bytes -= m->text_n - at;
	m->text = to;
	m->text_cap = cap;
	m->text_n = at;
	m->text_lost = 0;
}

void open_reset(struct correlate *c, struct open_msg *m, struct open_ref *ref, struct sv s)
{
	if (!s.p) {
		if (ref->at != OPEN_NONE)
			m->text_lost += ref->n;
		ref->at = OPEN_NONE;
		ref->n = 0;
		return;
	}
	if (ref->at != OPEN_NONE && s.n <= ref->n) {
		if (s.n)
			memcpy(m->text + ref->at, s.p, s.n);
		m->text_lost += ref->n - (uint32_t)s.n;
		ref->n = (uint32_t)s.n;
		return;
	}
	if (ref->at != OPEN_NONE)
		m->text_lost += ref->n;
	ref->at = OPEN_NONE;
	if (m->text_cap - m->text_n < s.n)
		grow(c, m, s.n);
	open_set(c, m, ref, s);
}

void open_add_line(struct correlate *c, struct open_msg *m, struct sv line, bool refused)
{
	unsigned at = 1;
	while (at < TXN_LINES && m->lines[at].at != OPEN_NONE)
		at++;
	if (at == TXN_LINES && refused) /* a refusal says more than a success */
		for (at = 1; at < TXN_LINES && m->line_refused[at]; at++)
			;
	if (at == TXN_LINES)
		return;
	char room[TXN_LINE_BYTES];
	m->line_refused[at] = refused;
	open_set(c, m, &m->lines[at], txn_line(line, room));
}
