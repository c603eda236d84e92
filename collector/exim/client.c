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
	exim_extras(&s, r);
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

/* Where a quoted command ends, of which a client chose what is in it; -1: it does not. The last " H=" is Exim's, but where what a client's host says
 * of itself (U=) or a HELO with brackets may hold another one, nobody can tell: then *in_doubt. */
static ptrdiff_t command_end(struct sv s, bool *in_doubt)
{
	ptrdiff_t quote = -1, first = -1;
	for (size_t end = s.n; end;) {
		ptrdiff_t q = sv_rchr(sv_take(s, end), '"');
		if (q < 0)
			break;
		struct sv t = sv_skip(s, (size_t)q + 1);
		if (sv_starts(t, SV(" H=")) || sv_starts(t, SV(" U="))) {
			quote = quote < 0 ? q : quote;
			first = q;
		}
		end = (size_t)q;
	}
	struct sv between = first < quote ? sv_make(s.p + first + 1, (size_t)(quote - first - 1)) : (struct sv){ 0 };
	*in_doubt = sv_find(between, SV(" U=")) >= 0 || sv_find(between, SV("(")) > sv_find(between, SV(") ["));
	return quote;
}

/* "SMTP protocol error in "COMMAND" H=host why" */
static bool bad_command(struct sv s, struct record *r)
{
	static const struct sv begins[] = { SCAN_S("SMTP protocol error in "), SCAN_S("SMTP syntax error in ") };
	struct exim_host h;
	bool in_doubt;
	if (!SCAN_ANY(s, begins))
		return false;
	struct sv what = sv_take(s, s.p[5] == 'p' ? 19 : 17);
	ptrdiff_t quote = command_end(s, &in_doubt);
	s = quote < 0 || in_doubt ? sv_skip(s, s.n) : sv_skip(s, (size_t)quote + 1);
	if (scan_lit(&s, SV(" H=")) && exim_host(&s, &h))
		exim_set_client(r, &h);
	exim_extras(&s, r);
	r->sender = (struct sv){ 0 }; /* no F= there: a client's host may say it */
	s = rest(s);
	return said(RECORD_WARNING, s.n ? s : what, r);
}

/* "SMTP protocol synchronization error (…): rejected "EHLO x" H=host input="…"": text that came too early. */
static bool too_early(struct sv s, struct record *r)
{
	struct exim_host h;
	struct sv why, t;
	if (!scan_lit(&s, SV("SMTP protocol synchronization error ")) && !scan_lit(&s, SV("SMTP protocol violation: synchronization error ")))
		return false;
	if (!scan_before(&s, SV("): rejected "), &why))
		return false;
	(void)scan_char(&why, '(');
	r->typed = true;
	t = s;
	/* the client chose the command, and the input that ends the line */
	if (!scan_lit(&t, SV("connection from H=")) && !(scan_once(t, SV("\" H=")) && scan_before(&t, SV("\" H="), &(struct sv){ 0 })))
		return said(RECORD_REJECT, why, r);
	if (exim_host(&t, &h))
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
		exim_extras(&t, r);
		t = rest(t);
		return said(begins[i].kind, t.n ? t : sv_take(s, begins[i].text.n - 6), r);
	}
	return false;
}

/* "VRFY failed for x H=host", "ETRN #x received from host", "ignoring AUTH=x from host (not trusted)": x is the client's, any text. */
static bool command(struct sv s, struct record *r)
{
	static const struct sv begins[] = { SCAN_S("VRFY "), SCAN_S("EXPN "), SCAN_S("ETRN "), SCAN_S("ignoring AUTH=") };
	struct exim_host h;
	struct sv t = s, skipped;
	if (!SCAN_ANY(s, begins))
		return false;
	struct sv mark = sv_starts(s, SV("ETRN ")) ? SV(" received from ") : SV(" H=");
	if (scan_once(t, mark) && scan_before(&t, mark, &skipped) && exim_host(&t, &h))
		exim_set_client(r, &h);
	return said(s.p[0] == 'i' ? RECORD_OTHER : RECORD_WARNING, s, r);
}

bool exim_client(struct sv s, struct record *r)
{
	return connection(s, r) || too_early(s, r) || bad_command(s, r) || no_name(s, r) || broken(s, r) || command(s, r);
}
