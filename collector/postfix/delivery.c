/* "to=<a>, orig_to=<b>, relay=…, conn_use=2, delay=…, delays=…, tls=…, dsn=…, status=sent (reply)" and what the
 * delivery agents say on the way there. */
#include "collector/postfix/postfix.h"

static bool address(struct sv *s, struct sv *ret)
{
	if (s->n && s->p[0] == '<')
		return scan_angle(s, ret);
	ptrdiff_t comma = sv_chr(*s, ',');
	if (comma < 0)
		return false;
	*ret = sv_take(*s, (size_t)comma);
	*s = sv_skip(*s, (size_t)comma);
	return true;
}

static bool relay(struct sv *s, struct record *r)
{
	struct scan_peer p;
	struct sv t = *s;
	if (scan_peer(&t, &p) && t.n && t.p[0] == ',') {
		*s = sv_skip(t, 1);
		scan_set_relay(r, &p); /* host[private/dovecot-lmtp], a socket, has no address */
	} else {
		struct sv name;
		if (!scan_until(s, ',', &name))
			return false;
		if (!sv_eq(name, SV("none")))
			r->relay_host = name;
	}
	return scan_char(s, ' ');
}

static struct sv in_parens(struct sv s)
{
	if (!scan_lit(&s, SV(" (")))
		return (struct sv){ 0 };
	if (s.n && s.p[s.n - 1] == ')')
		s.n--;
	return s;
}

bool postfix_delivery(struct sv s, struct record *r)
{
	if (!scan_lit(&s, SV("to=")) || !address(&s, &r->recipient) || !scan_lit(&s, SV(", ")))
		return false;
	if (scan_lit(&s, SV("orig_to=")) && (!address(&s, &r->orig_recipient) || !scan_lit(&s, SV(", "))))
		return false;
	if (scan_lit(&s, SV("relay=")) && !relay(&s, r))
		return false;
	while (!scan_lit(&s, SV("status="))) {
		struct sv key, value;
		if (!scan_until(&s, '=', &key) || key.n > 16 || !scan_until(&s, ',', &value) || !scan_char(&s, ' '))
			return false;
		if (sv_eq(key, SV("delay")))
			r->delay = value;
		else if (sv_eq(key, SV("dsn")))
			r->dsn = value;
	}
	size_t n = 0;
	while (n < s.n && s.p[n] != ' ' && s.p[n] != ',')
		n++;
	r->status = sv_take(s, n);
	r->reply = in_parens(sv_skip(s, n));
	r->kind = RECORD_DELIVERY;
	return r->status.n > 0;
}

/* "host H[ip] said: 450 …", "host H[ip] refused to talk to me: …" */
static bool host_said(struct sv s, struct record *r)
{
	struct scan_peer p;
	if (!scan_lit(&s, SV("host ")) || !scan_peer(&s, &p))
		return false;
	if (!scan_lit(&s, SV(" said: ")) && !scan_lit(&s, SV(" refused to talk to me: ")))
		return false;
	scan_set_relay(r, &p);
	scan_set_reply(r, s);
	return true;
}

static bool lost(struct sv s, struct record *r)
{
	struct scan_peer p;
	if (!scan_lit(&s, SV("lost connection with ")) && !scan_lit(&s, SV("conversation with ")))
		return false;
	if (!scan_peer(&s, &p))
		return false;
	scan_set_relay(r, &p);
	return true;
}

static bool connect_to(struct sv s, struct record *r)
{
	struct scan_peer p;
	struct sv t = s;
	if (scan_lit(&t, SV("connect to ")) || scan_lit(&t, SV("SSL_connect error to ")) ||
	    scan_lit(&t, SV("certificate verification failed for ")) || scan_lit(&t, SV("certificate peer name verification failed for ")) ||
	    scan_lit(&t, SV("server certificate verification failed for ")) || scan_lit(&t, SV("setting up TLS connection to "))) {
		if (scan_peer(&t, &p))
			scan_set_relay(r, &p);
		return true;
	}
	return false;
}

bool postfix_client(struct sv s, struct record *r)
{
	static const struct sv known[] = {
		SCAN_S("enabling PIX "), SCAN_S("Cannot start TLS: "), SCAN_S("TLS is required, but "),
		SCAN_S("SASL authentication failed; "), SCAN_S("breaking line > "), SCAN_S("mail for "),
		SCAN_S("sender address rejected"), SCAN_S("retaining "), SCAN_S("Server certificate not "),
		SCAN_S("Host offered STARTTLS: "), SCAN_S("problem talking to "), SCAN_S("deferring delivery"),
		SCAN_S("passing <"), SCAN_S("using backwards-compatible default setting "),
		SCAN_S("disabling TLS support"), SCAN_S("initializing the client-side TLS engine"),
		SCAN_S("file has changed"), SCAN_S("retrying"), SCAN_S("smtp_connect_timeout"),
		SCAN_S("TLSRPT: "), SCAN_S("MX name '"), SCAN_S("Could not report TLS "), SCAN_S("Sender requested REQUIRETLS, "), /* 3.10, 3.11 */
	};
	r->reason = s;
	if (host_said(s, r) || lost(s, r) || connect_to(s, r)) {
		r->kind = RECORD_WARNING;
		return true;
	}
	r->kind = RECORD_OTHER;
	return SCAN_ANY(s, known);
}

/* "H[ip]: Trusted: subject_CN=…", "H[ip]:25: Matched subjectAltName: …", "TLS handshake failed for service=smtpd peer=[ip]:port": what else is
 * said of a certificate or a handshake. All but the peer is the other side's text. */
bool postfix_tls_peer(struct sv s, bool server, struct record *r)
{
	static const struct sv said[] = {
		SCAN_S("Trusted: "), SCAN_S("Untrusted: "), SCAN_S("Verified: "), SCAN_S("Anonymous: "), SCAN_S("subject_CN="), SCAN_S("Matched "),
		SCAN_S("certificate verification "), SCAN_S("re-using session"), SCAN_S("depth="),
	};
	struct sv t = s, skipped;
	struct scan_peer p;
	bool failed = scan_lit(&t, SV("TLS handshake failed for service=")) && scan_before(&t, SV(" peer="), &skipped);
	failed = failed || scan_lit(&t, SV("SSL_accept error from ")) || scan_lit(&t, SV("certificate verification failed for "));
	if (!scan_peer(&t, &p) || (!failed && (!scan_lit(&t, SV(": ")) || !SCAN_ANY(t, said))))
		return false;
	if (server)
		scan_set_relay(r, &p);
	else
		scan_set_client(r, &p);
	r->kind = failed ? RECORD_WARNING : RECORD_OTHER;
	r->reason = s;
	return true;
}

/* "Trusted TLS connection established to H[ip]:25: TLSv1.3 with cipher X (256/256 bits) …", "… reused to …", "… established from H[ip] to
 * NAME: …" where the client said by what name it calls us. */
bool postfix_tls(struct sv s, struct record *r)
{
	struct sv trust, name, t = s;
	struct scan_peer p;
	if (!scan_before(&t, SV(" TLS connection "), &trust) || trust.n > 16)
		return false;
	s = t;
	if (!scan_lit(&s, SV("established ")) && !scan_lit(&s, SV("reused ")))
		return false;
	bool to = scan_lit(&s, SV("to "));
	if ((!to && !scan_lit(&s, SV("from "))) || !scan_peer(&s, &p))
		return false;
	if (scan_lit(&s, SV(" to ")) ? !scan_before(&s, SV(": "), &name) : !scan_lit(&s, SV(": ")))
		return false;
	if (to)
		scan_set_relay(r, &p);
	else
		scan_set_client(r, &p);
	if (!scan_before(&s, SV(" with cipher "), &r->tls_version))
		return false;
	r->tls_cipher = scan_word(&s);
	r->reason = trust;
	r->kind = RECORD_OTHER;
	return true;
}
