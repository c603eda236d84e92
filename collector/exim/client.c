/* Connections of clients that come, go and misbehave. */
#include "collector/exim/exim.h"

static bool said(enum record_kind kind, struct sv reason, struct record *r)
{
	r->kind = kind;
	r->reason = reason;
	return true;
}

/* What follows a host: ": why", " lost", " D=3s", " (TCP/IP connection count = 2)". */
static struct sv rest(struct sv s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == ':'))
		s = sv_skip(s, 1);
	return s;
}

/* "SMTP connection from host …" */
static bool connection(struct sv s, struct record *r)
{
	if (!scan_lit(&s, SV("SMTP connection from ")) || !exim_from(&s, r))
		return false;
	(void)exim_extras(&s, r);
	s = rest(s);
	r->local_port = exim_local_port(r);
	if (sv_starts(s, SV("closed by DROP"))) /* an ACL threw it out */
		return said(RECORD_WARNING, s, r);
	static const struct sv ends[] = { SCAN_S("closed "), SCAN_S("lost"), SCAN_S("Connection closed") };
	if (SCAN_ANY(s, ends))
		return said(RECORD_DISCONNECT, s, r);
	if (!s.n || s.p[0] == '(')
		return said(RECORD_CONNECT, (struct sv){ 0 }, r);
	r->local_port = false;
	return said(RECORD_OTHER, s, r);
}

/* Why a command was refused. But for two, Exim's reasons hold nothing that the client wrote: the end of the line is Exim's then. */
static enum exim_sure why_refused(struct sv s, bool ident)
{
	static const struct sv whole[] = {
		SCAN_S("unrecognized command"), SCAN_S("sender not yet given"), SCAN_S("sender already given"), SCAN_S("not permitted in mail transaction"),
		SCAN_S("AUTH command used when not advertised"), SCAN_S("already authenticated"), SCAN_S("invalid character in authentication mechanism name"),
		SCAN_S("AUTH command not terminated by whitespace"), SCAN_S("badly formed AUTH= data"), SCAN_S("STARTTLS command used when not advertised"),
		SCAN_S("unexpected argument data"), SCAN_S("valid RCPT command must precede DATA"), SCAN_S("valid RCPT command must precede BDAT"),
		SCAN_S("missing size for BDAT command"), SCAN_S("no mail transaction"), SCAN_S("MAIL must have an address operand"),
		SCAN_S("RCPT must have an address operand"), SCAN_S("domain literals not allowed"), SCAN_S("malformed domain literal"),
		SCAN_S("domain missing or malformed"), SCAN_S("unmatched doublequote in local part (expected word or \"<\")"),
		SCAN_S("missing or malformed local part (expected word or \"<\")"), SCAN_S("unmatched doublequote in local part"),
		SCAN_S("missing or malformed local part"), SCAN_S("NULL character(s) present (shown as '?')"), SCAN_S("SMTP synchronization error"),
		SCAN_S("no HELO/EHLO given"), SCAN_S("too many non-mail commands"), SCAN_S("only one BDAT permitted"),
	};
	for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
		if (sv_ends(s, whole[i]) && s.n > whole[i].n && s.p[s.n - whole[i].n - 1] == ' ' && (ident || s.n == whole[i].n + 1))
			return EXIM_SURE;
	if (sv_starts(s, SV(" malformed address: ")) ? sv_find(s, SV(" may not follow ")) > 0 : sv_starts(s, SV(" \"@\" or \".\" expected after \"")))
		return EXIM_LIKELY;
	return s.n && s.p[0] == ' ' ? EXIM_POSSIBLE : EXIM_NOT_SURE;
}

static enum exim_sure input_too_early(struct sv s, bool ident)
{
	static const struct sv input = SCAN_S(" next input=\"");
	return sv_starts(s, input) || (ident && sv_find(sv_take(s, EXIM_IDENT_BYTES + input.n), input) >= 0) ? EXIM_SURE : EXIM_NOT_SURE;
}

/* Behind a host, may all up to what the judge knows be what its host says of itself? */
static struct sv ident_of(struct sv s)
{
	struct exim_field f;
	for (struct sv t = s; exim_field(&t, &f) && f.value.p; s = t)
		if (sv_eq(f.key, SV("U")))
			return s;
	return (struct sv){ 0 };
}

/* One place where a line may name a client: the host, or a local user, and what follows. */
struct place { struct exim_host h; struct record client; struct sv rest; enum exim_sure sure; };

static bool place(struct sv s, exim_judge *weigh, struct place *p)
{
	p->h = (struct exim_host){ 0 };
	p->rest = s;
	if (!sv_starts(s, SV(" U=")) && !exim_host_judged(&p->rest, weigh, &p->h)) /* a local user */
		return false;
	record_clear(&p->client);
	exim_set_client(&p->client, &p->h);
	struct sv ident = p->h.any ? ident_of(p->rest) : (struct sv){ 0 };
	(void)exim_extras(&p->rest, &p->client);
	p->sure = weigh(p->rest, false);
	if (p->sure != EXIM_SURE && ident.n && weigh(ident, true) == EXIM_SURE)
		p->sure = EXIM_SURE;
	return p->sure != EXIM_NOT_SURE;
}

#define PLACES 64 /* so many are looked at, from the line's end; beyond them, what is no more than likely is not believed */

bool exim_behind(struct sv *s, struct sv mark, exim_judge *weigh, struct record *r)
{
	struct place p;
	struct sv best = { 0 }, addr = { 0 }, user = { 0 };
	enum exim_sure sure = EXIM_NOT_SURE;
	bool differ = false;
	size_t end = s->n;
	int n = 0;
	while (n < PLACES) {
		ptrdiff_t q = sv_rchr(sv_take(*s, end), mark.p[0]);
		if (q < 0)
			break;
		end = (size_t)q;
		struct sv t = sv_skip(*s, end);
		if (!scan_lit(&t, mark)) {
			if (mark.p[0] != '"' || !scan_lit(&t, SV("\"")) || !sv_starts(t, SV(" U=")))
				continue;
		}
		n++;
		if (!place(t, weigh, &p) || p.sure < sure)
			continue;
		differ = p.sure == sure && (differ || !sv_eq(p.h.addr, addr) || !sv_eq(p.client.local_user, user));
		best = t;
		addr = p.h.addr;
		user = p.client.local_user;
		sure = p.sure;
	}
	if (!sure || differ || (n == PLACES && sure < EXIM_SURE) || !place(best, weigh, &p))
		return false;
	r->client_ip = p.client.client_ip;
	r->client_name = p.client.client_name;
	r->helo = p.client.helo;
	r->client_port = p.client.client_port;
	r->local_user = p.client.local_user;
	*s = p.rest;
	return true;
}

/* "SMTP protocol error in "COMMAND" H=host why" */
static bool bad_command(struct sv s, struct record *r)
{
	static const struct sv begins[] = { SCAN_S("SMTP protocol error in "), SCAN_S("SMTP syntax error in ") };
	if (!SCAN_ANY(s, begins))
		return false;
	struct sv what = sv_take(s, s.p[5] == 'p' ? 19 : 17);
	if (!exim_behind(&s, SV("\" H="), why_refused, r))
		s.n = 0;
	s = rest(s);
	return said(RECORD_WARNING, s.n ? s : what, r);
}

/* "SMTP protocol synchronization error (…): rejected "EHLO x" H=host next input="…"": text that came too early. */
static bool too_early(struct sv s, struct record *r)
{
	struct exim_host h;
	struct sv why;
	if (!scan_lit(&s, SV("SMTP protocol synchronization error ")) && !scan_lit(&s, SV("SMTP protocol violation: synchronization error ")))
		return false;
	if (!scan_before(&s, SV("): rejected "), &why))
		return false;
	(void)scan_char(&why, '(');
	r->typed = true;
	if (!scan_lit(&s, SV("connection from H=")))
		(void)exim_behind(&s, SV("\" H="), input_too_early, r);
	else if (exim_host(&s, &h))
		exim_set_client(r, &h);
	return said(RECORD_REJECT, why, r);
}

/* "no IP address found for host name (during SMTP connection from host)" */
static bool no_name(struct sv s, struct record *r)
{
	struct sv t = s, name;
	if (scan_lit(&t, SV("no host name found for IP address "))) {
		r->client_ip = scan_ip(scan_word(&t));
		return said(RECORD_WARNING, sv_take(s, 18), r);
	}
	if (!scan_lit(&t, SV("no IP address found for host ")))
		return false;
	if (scan_once(t, SV(" (during SMTP connection from ")) && scan_before(&t, SV(" (during SMTP connection from "), &name))
		(void)exim_from(&t, r);
	return said(RECORD_WARNING, sv_take(s, 19), r);
}

static bool broken(struct sv s, struct record *r)
{
	static const struct { struct sv text; enum record_kind kind; } begins[] = {
#define B(t, k) { { (t), sizeof(t) - 1 }, RECORD_##k }
		B("SMTP call from ", WARNING), B("unexpected disconnection while reading SMTP command from ", DISCONNECT),
		B("unexpected end of file while reading SMTP command from ", DISCONNECT), B("no MAIL in SMTP connection from ", WARNING),
		B("no MAIL in mail connection from ", WARNING), B("SMTP command timeout on connection from ", DISCONNECT),
		B("SMTP command timeout on TLS connection from ", DISCONNECT), B("SMTP data timeout (message abandoned) on connection from ", DISCONNECT),
		B("SMTP data timeout on connection from ", DISCONNECT), B("TLS error on connection from ", WARNING), B("TLS error on client connection from ", WARNING),
		B("overlong message header line received from ", WARNING), B("closed connection from ", DISCONNECT), B("too many connections from ", WARNING),
		B("SMTP syntax error from ", WARNING), B("ETRN received from ", WARNING), B("connection from ", OTHER),
#undef B
	};
	for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
		struct sv t = s;
		if (!scan_lit(&t, begins[i].text))
			continue;
		(void)scan_lit(&t, SV("H="));
		if (!exim_from(&t, r))
			return false;
		(void)exim_extras(&t, r);
		t = rest(t);
		return said(begins[i].kind, t.n ? t : sv_take(s, begins[i].text.n - 6), r);
	}
	return false;
}

static enum exim_sure no_more(struct sv s, bool ident)
{
	return !s.n || ident || s.p[0] == '(' || sv_starts(s, SV(" (")) ? EXIM_SURE : EXIM_NOT_SURE;
}

/* "VRFY failed for x H=host", "ETRN #x received from host", "ignoring AUTH=x from host (not trusted)": x is the client's, any text. */
static bool command(struct sv s, struct record *r)
{
	static const struct sv begins[] = { SCAN_S("VRFY "), SCAN_S("EXPN "), SCAN_S("ETRN "), SCAN_S("ignoring AUTH=") };
	struct sv t = s;
	if (!SCAN_ANY(s, begins))
		return false;
	(void)exim_behind(&t, sv_starts(s, SV("ETRN ")) ? SV(" received from ") : SV(" H="), no_more, r);
	return said(s.p[0] == 'i' ? RECORD_OTHER : RECORD_WARNING, s, r);
}

bool exim_client(struct sv s, struct record *r)
{
	return connection(s, r) || too_early(s, r) || bad_command(s, r) || no_name(s, r) || broken(s, r) || command(s, r);
}
