/* Clients that connect, go away and misbehave. */
#include "collector/sendmail/sendmail.h"

static bool said(enum record_kind kind, struct sv reason, struct record *r)
{
	r->kind = kind;
	r->reason = reason;
	return true;
}

static bool connect(struct sv s, struct record *r)
{
	struct sendmail_peer p;
	if (!scan_lit(&s, SV("connect from ")))
		return false;
	if (sendmail_peer_at_end(s, &p))
		sendmail_set_client(r, &p);
	sendmail_session(r, false);
	return said(RECORD_CONNECT, (struct sv){ 0 }, r);
}

/* "STARTTLS=server, relay=host [ip], version=TLSv1.3, verify=NO, cipher=…, bits=256/256" */
static bool tls(struct sv s, struct record *r)
{
	struct sendmail_peer p;
	struct sv whole = s, relay, t;
	if (!scan_lit(&s, SV("STARTTLS")))
		return false;
	bool server = scan_lit(&s, SV("=server, relay="));
	t = s;
	if (server && scan_before(&t, SV(", version="), &relay)) {
		if (sendmail_peer(&relay, &p))
			sendmail_set_client(r, &p);
		if (!scan_until(&t, ',', &r->tls_version) || !scan_before(&t, SV(" cipher="), &relay))
			return said(RECORD_OTHER, whole, r);
		r->tls_cipher = scan_word(&t);
		return said(RECORD_OTHER, SV("STARTTLS"), r);
	}
	if (scan_lit(&whole, SV("STARTTLS=server, error: ")) && sendmail_peer_at_end(whole, &p)) {
		p.name = (struct sv){ 0 };
		sendmail_set_client(r, &p);
		return said(RECORD_WARNING, whole, r);
	}
	return said(RECORD_OTHER, whole, r);
}

/* "host [ip] did not issue MAIL/…", "host [ip]: possible SMTP attack: …", "[ip]: EXPN root [rejected]" */
static bool named_first(struct sv s, struct record *r)
{
	struct sendmail_peer p;
	struct sv t = s;
	if (!sendmail_peer(&t, &p) || !t.n || (t.p[0] != ' ' && t.p[0] != ':'))
		return false;
	sendmail_set_client(r, &p);
	while (t.n && (t.p[0] == ' ' || t.p[0] == ':'))
		t = sv_skip(t, 1);
	return said(sv_ends(t, SV("[rejected]")) ? RECORD_REJECT : RECORD_WARNING, t, r);
}

/* "lost input channel from host [ip] to MTA after rcpt", "rejecting commands from host [ip] due to pre-greeting traffic" */
static bool named_after_from(struct sv s, struct record *r)
{
	static const struct { struct sv text; enum record_kind kind; } begins[] = {
#define B(t, k) { { (t), sizeof(t) - 1 }, RECORD_##k }
		B("lost input channel from ", WARNING), B("rejecting commands from ", REJECT), B("rejecting server EHLO from ", REJECT),
		B("rejecting server HELO from ", REJECT), B("timeout waiting for input from ", WARNING), B("collect: unexpected close on connection from ", WARNING),
		B("collect: I/O error on connection from ", WARNING), B("collect: timeout on connection from ", WARNING), B("collect: relay=", WARNING),
		B("tcpwrappers (", REJECT), B("SMTP HELO command (", WARNING),
#undef B
	};
	struct sendmail_peer p;
	for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
		struct sv t = s;
		if (!scan_lit(&t, begins[i].text))
			continue;
		while (t.n && t.p[0] == ' ')
			t = sv_skip(t, 1);
		if (sendmail_peer(&t, &p))
			sendmail_set_client(r, &p);
		else
			sendmail_session(r, false);
		return said(begins[i].kind, s, r);
	}
	return false;
}

/* "invalid domain name (what it said) from host [ip]": what the client said may hold a "from", the address does not. */
static bool bad_helo(struct sv s, struct record *r)
{
	struct sendmail_peer p;
	if (!sv_starts(s, SV("invalid domain name (")))
		return false;
	if (sendmail_peer_at_end(s, &p))
		sendmail_set_client(r, &p);
	return said(RECORD_WARNING, sv_take(s, 19), r);
}

/* "Authentication-Warning: mx1: host [ip] didn't use HELO protocol", "…: web12 set sender to a@b using -f" */
static bool authentication_warning(struct sv s, struct record *r)
{
	struct sendmail_peer p;
	struct sv t = s, us;
	if (!scan_lit(&t, SV("Authentication-Warning: ")) || !scan_before(&t, SV(": "), &us))
		return false;
	struct sv text = t;
	(void)scan_lit(&t, SV("Host "));
	if (sendmail_peer(&t, &p)) {
		sendmail_set_client(r, &p);
		return said(RECORD_WARNING, text, r);
	}
	return said(RECORD_OTHER, text, r);
}

bool sendmail_client(struct sv s, struct record *r)
{
	return connect(s, r) || tls(s, r) || authentication_warning(s, r) || bad_helo(s, r) || named_after_from(s, r) || named_first(s, r);
}
