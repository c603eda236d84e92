/* postscreen and its helpers tlsproxy and dnsblog: verdicts on clients before a mail server process sees them. */
#include "collector/postfix/postfix.h"

static bool peer(struct sv *s, struct record *r)
{
	struct scan_peer p;
	if (!scan_peer(s, &p))
		return false;
	scan_set_client(r, &p);
	return true;
}

/* "a@b>, to=<c@d". Domains are logged as they were typed, so one may imitate the other address; then nobody can tell where they end. */
static void addresses(struct sv s, struct record *r)
{
	static const struct sv between = SCAN_S(">, to=<");
	size_t quoted = scan_quoted(s);
	ptrdiff_t at = sv_find(sv_skip(s, quoted), between);
	if (at < 0)
		return;
	struct sv sender = sv_take(s, quoted + (size_t)at), recipient = sv_skip(s, sender.n + between.n);
	if (sv_find(sv_skip(recipient, scan_quoted(recipient)), between) >= 0)
		return;
	r->sender = sender;
	r->recipient = recipient;
}

/* Cuts the last word off *s. */
static struct sv last_word(struct sv *s)
{
	ptrdiff_t space = sv_rchr(*s, ' ');
	struct sv word = { 0 };
	if (space >= 0) {
		word = sv_skip(*s, (size_t)space + 1);
		s->n = (size_t)space;
	}
	return word;
}

/* "; from=<a>, to=<b>, proto=ESMTP, helo=<c>" is all of postscreen's tail: what precedes it is its own, and a HELO is any one word. *s becomes what
 * stands before it. */
static bool tail(struct sv *s, struct record *r)
{
	struct sv t = *s, helo = last_word(&t), proto = last_word(&t), before;
	if (!scan_lit(&helo, SV("helo=<")) || !sv_ends(helo, SV(">")) || !sv_starts(proto, SV("proto=")) || !sv_ends(t, SV(">,")))
		return false;
	t.n -= 2;
	if (!scan_before(&t, SV("; from=<"), &before))
		return false;
	addresses(t, r);
	r->helo = sv_take(helo, helo.n - 1);
	*s = before;
	return true;
}

/* "NOQUEUE: reject: RCPT from [ip]:port: 550 …; from=<a>, to=<b>, proto=ESMTP, helo=<c>" */
static bool reject(struct sv s, struct record *r)
{
	struct postfix_tail t;
	struct sv stage;
	if (!scan_lit(&s, SV("reject: ")))
		return false;
	if (!tail(&s, r)) {
		(void)postfix_tail(s, &t);
		postfix_set_tail(r, &t);
		s = t.before;
	}
	if (!scan_before(&s, SV(" from "), &stage) || !peer(&s, r))
		return false;
	r->kind = RECORD_REJECT;
	r->status = SV("reject");
	r->reason = stage;
	if (scan_lit(&s, SV(": ")))
		scan_set_reply(r, s);
	return true;
}

/* "VERDICT [ip]:port" and "VERDICT … from [ip]:port …" */
static bool verdict(struct sv s, struct record *r)
{
	static const struct { struct sv name; const char *status; } known[] = {
		{ SCAN_S("PASS NEW "), "pass" }, { SCAN_S("PASS OLD "), "pass" }, { SCAN_S("WHITELISTED "), "pass" },
		{ SCAN_S("ALLOWLISTED "), "pass" }, { SCAN_S("BLACKLISTED "), "reject" }, { SCAN_S("DENYLISTED "), "reject" },
		{ SCAN_S("WHITELIST VETO "), "veto" }, { SCAN_S("ALLOWLIST VETO "), "veto" }, { SCAN_S("PREGREET "), "pregreet" },
		{ SCAN_S("HANGUP "), "hangup" }, { SCAN_S("DNSBL rank "), "dnsbl" }, { SCAN_S("COMMAND PIPELINING from "), "pipelining" },
		{ SCAN_S("COMMAND TIME LIMIT from "), "time-limit" }, { SCAN_S("COMMAND COUNT LIMIT from "), "count-limit" },
		{ SCAN_S("COMMAND LENGTH LIMIT from "), "length-limit" }, { SCAN_S("BARE NEWLINE from "), "bare-newline" },
		{ SCAN_S("NON-SMTP COMMAND from "), "non-smtp" }, { SCAN_S("DATA without valid RCPT from "), "no-rcpt" },
		{ SCAN_S("BDAT without valid RCPT from "), "no-rcpt" },
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		struct sv t = s, skipped;
		if (!scan_lit(&t, known[i].name))
			continue;
		r->kind = RECORD_POLICY;
		r->status = sv_cstr(known[i].status);
		r->reason = s;
		if (peer(&t, r))
			return true;
		return scan_before(&t, SV(" for ["), &skipped) || scan_before(&t, SV(" from ["), &skipped)
		       ? (t = sv_make(t.p - 1, t.n + 1), peer(&t, r)) : false;
	}
	return false;
}

/* dnsblog: "addr 192.0.2.1 listed by domain bl.example as 127.0.0.2" */
static bool listed(struct sv s, struct record *r)
{
	if (!scan_lit(&s, SV("addr ")))
		return false;
	r->reason = s;
	r->client_ip = scan_ip(scan_word(&s));
	r->kind = RECORD_POLICY;
	r->status = SV("listed");
	return scan_lit(&s, SV(" listed by domain "));
}

bool postfix_postscreen(struct sv s, struct record *r)
{
	static const struct sv plain[] = {
		SCAN_S("cache "), SCAN_S("close database "), SCAN_S("reject: connect from all"), SCAN_S("table "),
		SCAN_S("entering STRESS mode"), SCAN_S("leaving STRESS mode"), SCAN_S("using backwards-compatible default setting "),
	};
	struct sv t = s;
	if (scan_lit(&t, SV("CONNECT from ")) && peer(&t, r)) {
		r->kind = RECORD_CONNECT;
		return true;
	}
	if (scan_lit(&t, SV("DISCONNECT ")) && peer(&t, r)) {
		r->kind = RECORD_DISCONNECT;
		return true;
	}
	if (postfix_queue_id(&t, &r->queue_id))
		return reject(t, r);
	if (verdict(s, r) || listed(s, r) || postfix_tls(s, r) || postfix_tls_peer(s, false, r))
		return true;
	r->kind = RECORD_OTHER;
	r->reason = s;
	return SCAN_ANY(s, plain);
}
