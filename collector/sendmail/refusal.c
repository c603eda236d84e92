/* What was refused: by rulesets, by milters, for want of a user; and log-ins. */
#include "collector/sendmail/sendmail.h"

static void set_relay(struct sv relay, struct record *r)
{
	struct sendmail_peer p;
	if (sendmail_peer(&relay, &p)) {
		sendmail_set_client(r, &p);
		sendmail_session(r, true);
	}
}

static bool said(enum record_kind kind, struct sv reason, struct record *r)
{
	r->kind = kind;
	r->reason = reason;
	return true;
}

/* "ruleset=check_rcpt, arg1=<a@b>, arg2=…, relay=host [ip], reject=550 5.7.1 text" */
static bool ruleset(struct sv s, struct record *r)
{
	struct sv name, arg = { 0 }, relay = { 0 }, skipped;
	if (!scan_lit(&s, SV("ruleset=")) || !scan_until(&s, ',', &name) || name.n > 32)
		return false;
	if (scan_lit(&s, SV(" arg1=")) && !sendmail_address(&s, &arg))
		arg = sv_make(s.p, 0);
	if (scan_lit(&s, SV(", arg2=")) && !sendmail_address(&s, &skipped))
		skipped = arg;
	if (scan_lit(&s, SV(", relay=")) && !scan_until(&s, ',', &relay)) {
		relay = s;
		s = sv_skip(s, s.n);
	} else if (relay.p) {
		s = sv_make(s.p - 1, s.n + 1);
	}
	if (relay.p)
		set_relay(relay, r);
	if (!arg.n)
		;
	else if (sv_eq(name, SV("check_rcpt")) || sv_eq(name, SV("check_rcpt4")))
		r->recipient = arg;
	else if (sv_eq(name, SV("check_mail")) || sv_eq(name, SV("check_from")))
		r->sender = arg;
	r->reason = name;
	(void)scan_lit(&s, SV(", "));
	if (scan_lit(&s, SV("reject="))) {
		r->kind = sv_eq(name, SV("trust_auth")) ? RECORD_OTHER : RECORD_REJECT; /* only the AUTH= of MAIL is not believed */
		scan_set_reply(r, s);
	} else if (sv_starts(s, SV("discard")) || sv_starts(s, SV("quarantine"))) {
		r->kind = RECORD_POLICY;
		r->status = s.p[0] == 'd' ? SV("discard") : SV("hold");
	} else {
		r->kind = RECORD_OTHER;
	}
	return true;
}

/* "connect: host=name, addr=192.0.2.1, rejecting commands": nothing else is said of what that client tries. */
static bool milter_connect(struct sv s, struct record *r)
{
	struct sendmail_peer p = { 0 };
	if (!scan_lit(&s, SV("connect: host=")) || !scan_before(&s, SV(", addr="), &p.name) || !scan_until(&s, ',', &p.addr))
		return false;
	(void)scan_lit(&p.addr, SV("IPv6:"));
	if (p.name.n && p.name.p[0] == '[')
		p.name.n = 0;
	sendmail_set_client(r, &p);
	r->kind = sv_starts(s, SV(" rejecting")) || sv_starts(s, SV(" reject")) || sv_starts(s, SV(" temp")) ? RECORD_REJECT : RECORD_OTHER;
	r->reason = sv_skip(s, s.n > 0);
	return true;
}

/* "Milter (name) delete: rcpt <a@b>, naddrs=1", "Milter (name) add: rcpt: <a@b>", until 8.13 without the name: the message has fewer recipients, or more, than its from= line said. */
static bool milter_recipients(struct sv s, struct record *r)
{
	int64_t n = 1;
	struct sv name;
	if (!scan_lit(&s, SV("Milter ")) || (scan_char(&s, '(') && !scan_before(&s, SV(") "), &name)))
		return false;
	bool added = scan_lit(&s, SV("add: rcpt"));
	if (!added && !scan_lit(&s, SV("delete: rcpt")))
		return false;
	(void)scan_char(&s, ':');
	(void)scan_char(&s, ' ');
	if (!sendmail_address(&s, &r->recipient))
		return false;
	if (scan_lit(&s, SV(", naddrs=")) && !scan_int(&s, &n))
		n = 0;
	if (n > INT8_MAX)
		n = INT8_MAX;
	r->kind = RECORD_POLICY;
	r->status = added ? SV("added") : SV("removed");
	r->rcpt_change = (int8_t)(added ? n : -n);
	return true;
}

/* "Milter: from=<a>, reject=550 …", "Milter (name): data, discard", "milter=name, action=data, reject=550 …" */
static bool milter(struct sv s, struct record *r)
{
	struct sv t = s;
	ptrdiff_t at;
	if (!scan_lit(&t, SV("Milter")) && !scan_lit(&t, SV("milter=")))
		return false;
	r->kind = RECORD_OTHER;
	r->reason = s;
	if (!scan_lit(&t, SV(": ")) && (at = sv_find(sv_take(t, 80), s.p[0] == 'm' ? SV(", action=") : SV("): "))) >= 0)
		t = sv_skip(t, (size_t)at + (s.p[0] == 'm' ? 9 : 3));
	struct sv stage = t;
	if (milter_connect(t, r) || milter_recipients(s, r))
		return true;
	if (scan_lit(&t, SV("from=")))
		(void)sendmail_address(&t, &r->sender);
	else if (scan_lit(&t, SV("to=")))
		(void)sendmail_address(&t, &r->recipient);
	else if (scan_lit(&t, SV("helo=")))
		(void)sendmail_address(&t, &r->helo);
	else
		t = sv_skip(t, (size_t)(sv_chr(t, ',') < 0 ? (ptrdiff_t)t.n : sv_chr(t, ',')));
	stage.n = (size_t)(t.p - stage.p);
	ptrdiff_t equals = sv_chr(stage, '=');
	if (equals > 0)
		stage.n = (size_t)equals;
	ptrdiff_t verdict = sv_find(t, SV(", reject="));
	sendmail_session(r, false);
	if (verdict >= 0 || sv_find(t, SV(", tempfail")) >= 0 || sv_find(t, SV("temporarily rejected")) >= 0) {
		r->kind = RECORD_REJECT;
		if (verdict >= 0)
			scan_set_reply(r, sv_skip(t, (size_t)verdict + 9));
		r->reason = stage;
	} else if (sv_starts(t, SV(", discard"))) {
		r->kind = RECORD_POLICY;
		r->status = SV("discard");
		r->reason = stage;
	}
	static const struct sv whole[] = { SCAN_S("data"), SCAN_S("eom"), SCAN_S("eoh"), SCAN_S("body"), SCAN_S("header"), SCAN_S("end of message") };
	r->killed = r->queue_id.p && r->kind == RECORD_REJECT && SCAN_ANY(stage, whole);
	return true;
}

/* The value between ", key=" — its last — and the end; *s ends before it. */
static struct sv cut_last(struct sv *s, struct sv key)
{
	for (size_t end = s->n; end;) {
		ptrdiff_t comma = sv_rchr(sv_take(*s, end), ',');
		if (comma < 0)
			break;
		if (sv_starts(sv_skip(*s, (size_t)comma), key)) {
			struct sv value = sv_skip(*s, (size_t)comma + key.n);
			s->n = (size_t)comma;
			return value;
		}
		end = (size_t)comma;
	}
	return (struct sv){ 0 };
}

/* "AUTH failure (LOGIN): why (-13) SASL(-13): …, user=who, relay=host [ip]", "AUTH decode64 error [1 for "…"], relay=host [ip]" */
static bool login_failed(struct sv s, struct record *r)
{
	struct sv mech = { 0 };
	bool garbage = sv_starts(s, SV("AUTH decode64 error ["));
	if (!garbage && (!scan_lit(&s, SV("AUTH failure (")) || !scan_until(&s, ')', &mech) || mech.n > 32))
		return false;
	(void)scan_lit(&s, SV(": "));
	r->kind = garbage ? RECORD_WARNING : RECORD_AUTH_FAIL;
	r->auth_method = mech;
	struct sv relay = cut_last(&s, SV(", relay="));
	if (relay.p)
		set_relay(relay, r);
	if (!r->session.p)
		sendmail_session(r, false);
	struct sv user = cut_last(&s, SV(", user="));
	if (user.n)
		r->account = user;
	r->reason = s;
	scan_login_unjudged(r);
	return true;
}

/* "AUTH=server, relay=host [ip], authid=who, mech=PLAIN, bits=0" */
bool sendmail_login(struct sv s, struct record *r)
{
	struct sv relay, who;
	if (!scan_lit(&s, SV("AUTH=")))
		return false;
	if (!scan_lit(&s, SV("server, relay=")))
		return said(RECORD_OTHER, s, r);
	if (!scan_before(&s, SV(", authid="), &relay) && !scan_before(&s, SV(", "), &relay))
		return false;
	set_relay(relay, r);
	struct sv mech = cut_last(&s, SV(", mech="));
	if (mech.p) {
		r->auth_method = scan_word(&mech);
		r->account = s;
	} else if (scan_lit(&s, SV("mech=")) && scan_until(&s, ',', &r->auth_method) && scan_lit(&s, SV(" authid="))) {
		struct sv bits = cut_last(&s, SV(", bits="));
		(void)bits;
		r->account = s;
	} else {
		who = s;
		r->account = who;
	}
	r->kind = RECORD_AUTH_OK;
	r->logged_in = true;
	return true;
}

/* "<a@b>... User unknown" */
static bool unknown_user(struct sv s, struct record *r)
{
	struct sv a, t = s;
	if (scan_angle(&t, &a) && scan_lit(&t, SV("... "))) {
		r->recipient = a;
	} else { /* "<<>>... User unknown": no address */
		t = s;
		if (!scan_before(&t, SV(">... "), &a))
			return false;
	}
	r->kind = RECORD_REJECT;
	r->reason = SV("RCPT");
	r->reply = t;
	r->put_off = r->queue_id.p; /* "connect from" is only there from level 10 on; the from= line is nearly always */
	sendmail_session(r, false);
	return true;
}

bool sendmail_refusal(struct sv s, struct record *r)
{
	if (!s.n)
		return false;
	switch (s.p[0]) {
	case 'r':
		return ruleset(s, r);
	case 'M': case 'm':
		return milter(s, r);
	case 'A':
		return login_failed(s, r) || sendmail_login(s, r);
	case '<':
		return unknown_user(s, r);
	default:
		return false;
	}
}
