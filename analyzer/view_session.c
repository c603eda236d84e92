/* What the detectors see of a captured session. */
#include <stdio.h>
#include <strings.h>

#include "analyzer/judge_int.h"
#include "analyzer/phrase.h"

#define SMTP_UNSEEN (SMTP_GAP | SMTP_TLS | SMTP_ONE_SIDED | SMTP_UNANSWERED | SMTP_REFUSED) /* what was said, if anything, was not seen */

static bool is(struct sv a, struct sv b)
{
	return a.n == b.n && a.n && strncasecmp(a.p, b.p, a.n) == 0;
}

static struct sv first_word(struct sv s)
{
	ptrdiff_t space = sv_chr(s, ' ');
	return space < 0 ? s : sv_take(s, (size_t)space);
}

/* The number at *i, moved behind it; -1 when there is none. */
static int number(struct sv s, size_t *i)
{
	int n = 0;
	size_t from = *i;
	while (*i < s.n && s.p[*i] >= '0' && s.p[*i] <= '9' && *i - from < 4)
		n = n * 10 + (s.p[(*i)++] - '0');
	return *i > from ? n : -1;
}

/* Three of the address's four bytes in the name, as providers name lines: 10-2-0-192.dyn.isp.example. */
static bool names_address(struct sv name, const struct ipaddr *ip)
{
	unsigned found = 0;
	char hex[16];
	if (!ipaddr_is_v4(ip))
		return false;
	for (size_t i = 0; i < name.n;) {
		int n = number(name, &i);
		if (n < 0) {
			i++;
			continue;
		}
		for (unsigned k = 0; k < 4; k++)
			if (ip->b[12 + k] == n && !(found >> k & 1)) {
				found |= 1u << k;
				break;
			}
	}
	(void)snprintf(hex, sizeof hex, "%02x%02x%02x%02x", ip->b[12], ip->b[13], ip->b[14], ip->b[15]);
	for (size_t i = 0; i + 8 <= name.n; i++)
		if (strncasecmp(name.p + i, hex, 8) == 0)
			return true;
	return __builtin_popcount(found) >= 3;
}

/* RFC 1918 and the like: the address that a program behind NAT has. */
static bool is_private(const struct ipaddr *ip)
{
	const uint8_t *b = ip->b;
	if (ipaddr_is_v4(ip))
		return b[12] == 10 || (b[12] == 172 && (b[13] & 0xf0) == 16) || (b[12] == 192 && b[13] == 168) || (b[12] == 169 && b[13] == 254);
	return (b[0] & 0xfe) == 0xfc || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
}

/* What tells names apart: their organisations. All mail programs behind one NAT are one, whatever their private addresses. */
static uint64_t org_of(struct judge *j, struct sv helo)
{
	struct ipaddr ip;
	if (ipaddr_parse(helo, &ip) == 0 && is_private(&ip))
		return hash_sv(&j->key, SV("private"));
	return enrich_domain(j->enrich, &j->key, helo).org_hash;
}

/* It calls itself by the name with which the server greeted it. */
static bool is_peers(const struct smtp_session *s)
{
	struct sv greeted = first_word(s->banner);
	return sv_chr(greeted, '.') >= 0 && is(s->helo, greeted);
}

static enum helo_class helo_of(const struct smtp_session *s)
{
	struct sv h = s->helo;
	struct ipaddr ip;
	if (!h.n)
		return HELO_NONE;
	bool literal = *h.p == '[' && h.p[h.n - 1] == ']';
	if (ipaddr_parse(h, &ip) == 0) {
		if (memcmp(&ip, &s->server, sizeof ip) == 0)
			return HELO_PEER;
		return literal ? HELO_LITERAL : HELO_ADDRESS;
	}
	if (is(h, SV("localhost")) || is(h, SV("localhost.localdomain")))
		return HELO_LOCALHOST;
	if (is_peers(s))
		return HELO_PEER;
	if (names_address(h, &s->client))
		return HELO_DYNAMIC;
	return sv_chr(h, '.') > 0 ? HELO_NAME : HELO_SHORT;
}

static void count(struct session_view *v)
{
	const struct smtp_session *s = v->session;
	bool null_only = s->n_messages > 0;
	for (size_t i = 0; i < s->n_messages; i++) {
		const struct smtp_message *m = &s->message[i];
		null_only &= m->sender.p && !m->sender.n;
		v->n_messages_taken += m->accepted;
		for (size_t k = 0; k < m->n_rcpt; k++) {
			unsigned class = m->rcpt[k].code / 100;
			v->n_rcpt++;
			v->n_taken += class == 2;
			v->n_later += class == 4;
			v->n_refused += class == 5;
		}
	}
	v->null_sender = null_only;
	/* Greylisting, encryption and losses leave it open. */
	bool open = s->flags & SMTP_UNSEEN;
	bool began = s->verbs[SMTP_VERB_DATA] || s->verbs[SMTP_VERB_BDAT];
	/* Who never named a sender and was not refused did not try: it looks whether the server is there, or what it offers. Nor does who asks, without a sender,
	 * whether somebody exists. */
	v->tried = (s->flags & (SMTP_CUT | SMTP_UNSEEN)) || !s->commands || (s->verbs[SMTP_VERB_MAIL] ? began || !null_only : s->replies[4] || s->replies[5]);
	v->failed = !open && !v->n_messages_taken && !s->replies[4] && s->replies[5];
}

static struct sv line_of(struct judge *j, const struct session_view *v)
{
	const struct smtp_session *s = v->session;
	char client[48], server[48], room[TXN_LINE_BYTES];
	struct buf b = { 0 };
	client[ipaddr_text(&s->client, client)] = server[ipaddr_text(&s->server, server)] = 0;
	buf_printf(&b, "%s capture: session %s:%u > %s:%u", times_text(s->first_us, 0).s, client, s->client_port, server, s->server_port);
	if (s->flags & SMTP_UNANSWERED)
		buf_puts(&b, " not answered");
	if (s->flags & SMTP_REFUSED)
		buf_puts(&b, " refused");
	if (s->helo.p)
		buf_printf(&b, " %s=%.*s", s->flags & SMTP_ESMTP ? "EHLO" : "HELO", SVARG(sv_take(s->helo, 80)));
	for (size_t i = 0; i < s->n_messages && i < 1; i++) {
		const struct smtp_message *m = &s->message[i];
		buf_printf(&b, " from=<%.*s>", SVARG(sv_take(m->sender, 80)));
		if (m->n_rcpt)
			buf_printf(&b, " to=<%.*s>", SVARG(sv_take(m->rcpt[0].recipient, 80)));
	}
	buf_printf(&b, " recipients=%u taken=%u", v->n_rcpt, v->n_taken);
	if (s->refusal.n)
		buf_printf(&b, " said=\"%.*s\"", SVARG(sv_take(s->refusal, 120)));
	struct sv kept = arena_sv(&j->scratch, txn_line(buf_sv(&b), room));
	buf_fini(&b);
	return kept;
}

void view_session(struct judge *j, const struct principal *p, const struct smtp_session *s, bool inbound, struct session_view *v)
{
	*v = (struct session_view){ .session = s, .at_us = j->site->now_us, .inbound = inbound };
	view_place(j, p, inbound ? &s->client : &s->server, &v->peer);
	v->helo = (uint8_t)helo_of(s);
	if (s->helo.n)
		v->helo_org = org_of(j, s->helo);
	count(v);
	v->line = line_of(j, v);
}
