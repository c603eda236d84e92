/* What Exim refused: connections, commands, messages, log-ins. */
#include "collector/exim/exim.h"

/* "<address>" or a word, then ": text" or the end. */
static struct sv command_address(struct sv *s)
{
	struct sv a = { 0 };
	if (scan_angle(s, &a))
		return a;
	size_t i = 0;
	while (i < s->n && s->p[i] != ' ' && !(s->p[i] == ':' && (i + 1 == s->n || s->p[i + 1] == ' ')))
		i++;
	a = sv_take(*s, i);
	*s = sv_skip(*s, i);
	return a;
}

static void set_text(struct sv s, struct record *r)
{
	if (scan_lit(&s, SV(": ")) && s.n)
		scan_set_reply(r, s);
}

/* "RCPT <a@b>: text", "MAIL <a@b>", "after DATA: text", "connection in "connect" ACL: text", "by local_scan(): text" */
static bool stage(struct sv s, struct record *r)
{
	struct sv t = s;
	r->kind = RECORD_REJECT;
	if (scan_lit(&t, SV("RCPT "))) {
		r->reason = sv_take(s, 4);
		r->recipient = command_address(&t);
	} else if (scan_lit(&t, SV("MAIL "))) {
		r->reason = sv_take(s, 4);
		r->sender = command_address(&t);
	} else if (scan_lit(&t, SV("AUTH "))) {
		r->typed = true;
		ptrdiff_t end = sv_find(t, SV(": "));
		r->reason = sv_take(s, 4);
		t = sv_skip(t, end < 0 ? t.n : (size_t)end);
	} else if (scan_lit(&t, SV("EHLO or HELO "))) {
		r->reason = sv_take(s, 12);
		r->helo = command_address(&t);
	} else {
		struct sv what;
		if (!scan_before(&t, SV(": "), &what) || what.n > 80) {
			what = sv_take(s, 80);
			t = sv_skip(s, s.n);
		} else {
			t = sv_skip(s, what.n);
		}
		r->reason = what;
	}
	/* nothing that comes later has this id */
	r->killed = r->queue_id.p && (sv_starts(r->reason, SV("after DATA")) || sv_starts(r->reason, SV("by ")) || sv_starts(r->reason, SV("during ")));
	set_text(t, r);
	return true;
}

static bool warning(enum record_kind kind, struct sv s, struct record *r)
{
	r->kind = kind;
	r->reason = s;
	return true;
}

/* What stands after the host and its fields. */
static bool verdict(struct sv s, struct record *r)
{
	struct sv t = s, a;
	if (!scan_char(&t, ' '))
		return false;
	s = t;
	if (scan_lit(&t, SV("rejected ")))
		return stage(t, r);
	if (scan_lit(&t, SV("temporarily rejected "))) {
		r->status = SV("temporary");
		return stage(t, r);
	}
	if (scan_lit(&t, SV("sender verify fail for ")) || scan_lit(&t, SV("sender verify defer for "))) {
		r->reason = sv_take(s, (size_t)(t.p - s.p) - 5);
		r->sender = command_address(&t);
		r->kind = RECORD_WARNING;
		set_text(t, r);
		return true;
	}
	if (scan_lit(&t, SV("RCPT ")) || scan_lit(&t, SV("DATA ")) || scan_lit(&t, SV("MAIL "))) {
		a = command_address(&t);
		if (s.p[0] == 'R')
			r->recipient = a;
		r->status = SV("discard");
		return sv_starts(t, SV(": discarded by ")) && warning(RECORD_POLICY, sv_skip(t, 2), r);
	}
	if (sv_starts(s, SV("dropped by ")))
		return stage(s, r);
	if (sv_starts(s, SV("discarded by "))) {
		r->status = SV("discard");
		return warning(RECORD_POLICY, s, r);
	}
	static const struct sv warned[] = {
		SCAN_S("Warning: "), SCAN_S("incomplete transaction "), SCAN_S("sender verify "), SCAN_S("recipient verify "), SCAN_S("lowest numbered MX"),
		SCAN_S("authentication "), SCAN_S("unable to "), SCAN_S("dropped: "),
	};
	if (!SCAN_ANY(s, warned))
		return false;
	if (sv_starts(s, warned[0]) || sv_starts(s, warned[1])) /* they have no F= */
		r->sender = (struct sv){ 0 };
	return warning(RECORD_WARNING, s, r);
}

/* A message that the next server refused while the client waited (cutthrough_delivery): " a@b F=<sender> rejected after DATA: R=… H=… C="554 text"" */
static bool cut_through(struct sv s, struct record *r)
{
	struct exim_host h;
	struct exim_field f;
	struct sv recipient;
	if (!r->queue_id.p || !scan_char(&s, ' ') || !scan_before(&s, SV(" F=<"), &recipient) || sv_chr(recipient, '@') < 0)
		return false;
	s = sv_make(s.p - 1, s.n + 1);
	r->sender = command_address(&s);
	r->killed = scan_lit(&s, SV(" rejected after DATA:"));
	if (!r->killed && !scan_lit(&s, SV(" tmp-reject from cutthrough after DATA:"))) /* it is kept, and tried again */
		return false;
	r->recipient = recipient;
	(void)warning(r->killed ? RECORD_REJECT : RECORD_WARNING, SV("after DATA"), r);
	for (struct sv t = s; s.n; s = t) {
		if (scan_lit(&t, SV(" H=")) && exim_host(&t, &h)) {
			exim_set_relay(r, &h);
			continue;
		}
		t = s;
		if (!exim_field(&t, &f))
			break;
		if (f.value.p && sv_eq(f.key, SV("C")))
			scan_set_reply(r, f.value);
	}
	return true;
}

/* A server that we talked to: "H=host [ip] Connection refused", "H=host [ip]: Remote host closed connection …" */
static bool outgoing(struct sv s, const struct exim_host *h, struct record *r)
{
	if (!r->queue_id.p)
		return false;
	exim_set_relay(r, h);
	while (s.n && (s.p[0] == ' ' || s.p[0] == ':'))
		s = sv_skip(s, 1);
	return warning(RECORD_WARNING, s, r);
}

/* Does Exim write F= and A= before that verdict? */
static bool tells_sender(struct sv s)
{
	static const struct sv verdicts[] = { SCAN_S("rejected RCPT "), SCAN_S("rejected after DATA"), SCAN_S("rejected during "), SCAN_S("rejected by "), SCAN_S("RCPT ") };
	if (!scan_char(&s, ' '))
		return false;
	(void)scan_lit(&s, SV("temporarily "));
	return SCAN_ANY(s, verdicts);
}

/* "H=host U=ident F=<sender> rejected RCPT <a@b>: text"; a local client has only U= */
static bool with_host(struct sv s, struct record *r)
{
	struct exim_host h = { 0 };
	struct sv t = s;
	bool remote = scan_lit(&t, SV("H="));
	if (scan_lit(&t, SV("F="))) { /* the order of Exim 3 and 4.0 */
		r->sender = command_address(&t);
		remote = scan_lit(&t, SV(" H="));
	}
	if (remote && !exim_host(&t, &h))
		return false;
	if (!remote && sv_starts(s, SV("U=")))
		t = sv_make(s.p - 1, s.n + 1); /* as if it followed */
	struct record before = *r;
	exim_set_client(r, &h);
	struct sv after_host = t;
	if (exim_extras(&t, r) && !tells_sender(t))
		r->sender = r->account = r->auth_method = (struct sv){ 0 };
	if (verdict(t, r) || (remote && cut_through(t, r)))
		return true;
	if (remote && !t.n && (sv_find(after_host, SV(" U=")) >= 0 || sv_find(after_host, SV(" A=")) >= 0)) { /* in doubt */
		r->sender = r->account = r->auth_method = (struct sv){ 0 };
		return warning(RECORD_WARNING, s, r);
	}
	*r = before;
	return remote && outgoing(after_host, &h, r);
}

/* " U=…: 535 why": what the client's host says of itself may hold anything; Exim's answer is the last that begins where it may end. */
static void past_ident(struct sv *s)
{
	struct sv t = *s, skipped;
	if (!scan_before(&t, SV(" U="), &skipped) || skipped.n > 64)
		return;
	for (size_t i = t.n < 128 ? t.n : 128; i-- > 0;) {
		struct sv code = sv_skip(t, i);
		if (scan_lit(&code, SV(": ")) && code.n > 3 && (code.p[0] == '4' || code.p[0] == '5') && code.p[3] == ' ') {
			*s = sv_skip(t, i);
			return;
		}
	}
}

/* "plain authenticator failed for host (helo) [ip]: 535 text (set_id=who)" */
static bool login_failed(struct sv s, struct record *r)
{
	struct exim_host h;
	struct sv name, text;
	if (!scan_before(&s, SV(" authenticator failed for "), &name) || name.n > 64 || sv_chr(name, ' ') >= 0)
		return false;
	(void)scan_lit(&s, SV("H="));
	if (exim_host_in(EXIM_LOGIN_FAILED, &s, &h))
		exim_set_client(r, &h);
	else if (!exim_from(&s, r))
		return false;
	past_ident(&s);
	(void)exim_extras(&s, r);
	r->account = r->auth_method = (struct sv){ 0 };
	r->auth_method = name;
	r->kind = RECORD_AUTH_FAIL;
	if (!scan_lit(&s, SV(": ")))
		return true;
	text = s;
	if (scan_before(&s, SV(" (set_id="), &text)) {
		ptrdiff_t end = sv_rchr(s, ')');
		r->account = end < 0 ? s : sv_take(s, (size_t)end);
	}
	r->reason = text;
	scan_login_unjudged(r);
	return true;
}

/* The parameters of MAIL may look like what stands behind them. */
static enum exim_sure why_first(struct sv s, bool ident)
{
	static const struct sv big = SCAN_S(": message too big: ");
	if (sv_starts(s, big) || (ident && sv_find(sv_take(s, EXIM_IDENT_BYTES + big.n), big) >= 0))
		return EXIM_SURE;
	return sv_starts(s, SV(": ")) ? EXIM_LIKELY : s.n ? EXIM_NOT_SURE : EXIM_POSSIBLE;
}

/* A client of this host has none to name: " U=who: why". */
static void local_first(struct sv *s, struct record *r)
{
	static const struct sv mark = SCAN_S(" U=");
	struct record client;
	ptrdiff_t at = sv_find(*s, SV(" H=")) < 0 ? scan_rfind(*s, mark) : -1;
	if (at < 0)
		return;
	struct sv rest = sv_skip(*s, (size_t)at);
	record_clear(&client);
	(void)exim_extras(&rest, &client);
	if (why_first(rest, false) < EXIM_LIKELY)
		return;
	r->local_user = client.local_user;
	*s = rest;
}

/* "rejected EHLO from host: why", "rejected MAIL FROM:<a@b> H=host: why", "rejected from <a@b> H=host: why" */
static bool rejected_first(struct sv s, struct record *r)
{
	struct sv t = s;
	if (!scan_lit(&t, SV("rejected ")))
		return false;
	r->kind = RECORD_REJECT;
	size_t i = 0;
	while (i < t.n && t.p[i] != ' ')
		i++;
	r->reason = sv_take(t, i);
	t = sv_skip(t, i);
	if (sv_eq(r->reason, SV("from")) || sv_starts(t, SV(" FROM:"))) {
		ptrdiff_t lt = sv_chr(t, '<');
		t = lt < 0 ? t : sv_skip(t, (size_t)lt);
		(void)scan_angle(&t, &r->sender);
	} else if (scan_lit(&t, SV(" from "))) {
		(void)scan_lit(&t, SV("H="));
		if (!exim_from(&t, r))
			return false;
		(void)exim_extras(&t, r);
		set_text(t, r);
		return true;
	}
	if (!exim_behind(&t, SV(" H="), why_first, r))
		local_first(&t, r);
	set_text(t, r);
	return true;
}

/* "unqualified sender rejected: <a> H=host" */
static bool unqualified(struct sv s, struct record *r)
{
	struct exim_host h;
	struct sv kind;
	if (!scan_lit(&s, SV("unqualified ")) || !scan_before(&s, SV(" rejected: "), &kind) || kind.n > 16)
		return false;
	r->reason = sv_make(kind.p - 12, kind.n + 12);
	struct sv who = command_address(&s);
	*(kind.p[0] == 's' ? &r->sender : &r->recipient) = who;
	if (scan_lit(&s, SV(" H=")) && exim_host(&s, &h))
		exim_set_client(r, &h);
	r->kind = RECORD_REJECT;
	return true;
}

/* "too many recipients: message rejected: sender=<a@b> H=host", "… excess temporarily rejected: …" */
static bool too_many(struct sv s, struct record *r)
{
	struct exim_host h;
	struct sv what;
	if (!scan_lit(&s, SV("too many recipients: ")) || !scan_before(&s, SV(": sender="), &what) || what.n > 40 || !scan_angle(&s, &r->sender))
		return false;
	if (scan_lit(&s, SV(" H=")) && exim_host(&s, &h))
		exim_set_client(r, &h);
	if (sv_ends(what, SV("temporarily rejected")))
		r->status = SV("temporary");
	return warning(RECORD_REJECT, SV("too many recipients"), r);
}

/* "refused connection from host (why)", "Connection from [ip] refused: why" */
static bool refused_connection(struct sv s, struct record *r)
{
	if (scan_lit(&s, SV("refused connection from ")) || scan_lit(&s, SV("Connection from "))) {
		(void)scan_lit(&s, SV("H="));
		if (!exim_from(&s, r))
			return false;
		(void)exim_extras(&s, r);
		while (s.n && (s.p[0] == ' ' || s.p[0] == ':'))
			s = sv_skip(s, 1);
		return warning(RECORD_REJECT, s, r);
	}
	return false;
}

/* sa-exim: "SA: Action: silently tossed message: score=… (scanned in 1/1 secs | Message-Id: x@y). From <a@b> (host=name [ip]) for c@d" */
static bool sa_exim(struct sv s, struct record *r)
{
	struct sv action, sender;
	struct exim_host h;
	if (!scan_lit(&s, SV("SA: Action: ")))
		return false;
	r->reason = s;
	r->kind = RECORD_OTHER;
	if (!scan_until(&s, ':', &action))
		return true;
	if (sv_find(action, SV("tossed")) >= 0 || sv_find(action, SV("rejected")) >= 0) {
		r->kind = RECORD_POLICY;
		r->status = SV("spam");
	}
	if (!scan_once(s, SV(" From <")) || !scan_before(&s, SV(" From <"), &action)) /* the message-id may hold one */
		return true;
	s = sv_make(s.p - 1, s.n + 1);
	if (scan_angle(&s, &sender) && scan_lit(&s, SV(" (host=")) && exim_host(&s, &h)) {
		exim_set_client(r, &h);
		r->sender = sender;
	}
	return true;
}

bool exim_refusal(struct sv s, struct record *r)
{
	if (s.n < 3)
		return false;
	switch (s.p[0]) {
	case 'H': case 'U': case 'F':
		if (s.p[1] == '=' && with_host(s, r))
			return true;
		break;
	case 'r':
		if (rejected_first(s, r) || refused_connection(s, r))
			return true;
		break;
	case 'u':
		if (unqualified(s, r))
			return true;
		break;
	case 'C':
		if (refused_connection(s, r))
			return true;
		break;
	case 't':
		if (too_many(s, r))
			return true;
		break;
	case 'S':
		if (sa_exim(s, r))
			return true;
		break;
	default:
		break;
	}
	return login_failed(s, r);
}
