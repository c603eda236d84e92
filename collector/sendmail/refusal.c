/* What was refused: by rulesets, by milters, for want of a user; and log-ins. */
#include "collector/sendmail/sendmail.h"

#include <ctype.h>

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

#define ARG_MAX 203u /* of a longer one the first and the last hundred bytes, with "..." between them */

/* Of an address without its middle nobody can say where it ends, as quotes and comments may be gone with that. */
static bool shortened(struct sv arg, size_t n)
{
	return arg.n > ARG_MAX && n != ARG_MAX && arg.p[ARG_MAX] == ',' && sv_starts(sv_skip(arg, 100), SV("..."));
}

/* False: it is not certain where it ends. */
static bool argument(struct sv *s, struct sv *arg)
{
	struct sv t = *s;
	*arg = sv_make(s->p, 0);
	if (!t.n || t.p[0] == ',')
		return true;
	if (!(t.p[0] == '<' ? sendmail_angle(&t, arg) : sendmail_address(&t, arg)) || shortened(*s, (size_t)(t.p - s->p)))
		return false;
	*s = t;
	return true;
}

/* The name is the server's; of what follows nothing is certain. */
static bool ruleset_unclear(struct sv s, struct record *r)
{
	r->kind = sv_find(s, SV(", reject=")) >= 0 && !sv_eq(r->reason, SV("trust_auth")) ? RECORD_REJECT : RECORD_OTHER;
	sendmail_session(r, false);
	return true;
}

static bool is_name(struct sv s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '_')
			return false;
	return s.n > 0 && s.n <= 32;
}

/* A host's name may hold a comma; what was decided comes behind it. */
static size_t relay_end(struct sv s)
{
	static const struct sv decided[] = { SCAN_S(", reject="), SCAN_S(", discard"), SCAN_S(", quarantine=") };
	ptrdiff_t comma = sv_chr(s, ','), end = -1;
	if (comma < 0 || SCAN_ANY(sv_skip(s, (size_t)comma), decided))
		return comma < 0 ? s.n : (size_t)comma;
	for (size_t i = 0; i < sizeof decided / sizeof *decided && end < 0; i++)
		end = sv_find(s, decided[i]);
	return (size_t)(end < 0 ? comma : end);
}

/* "ruleset=check_rcpt, arg1=<a@b>, arg2=…, relay=host [ip], reject=550 5.7.1 text" */
static bool ruleset(struct sv s, struct record *r)
{
	struct sv name, arg = { 0 }, relay, skipped;
	if (!scan_lit(&s, SV("ruleset=")) || !scan_until(&s, ',', &name) || !is_name(name))
		return false;
	r->reason = name;
	if (scan_lit(&s, SV(" arg1=")) && !argument(&s, &arg))
		return ruleset_unclear(s, r);
	if (scan_lit(&s, SV(", arg2=")) && !sendmail_address(&s, &skipped))
		skipped = arg;
	if (scan_lit(&s, SV(", relay="))) {
		relay = sv_take(s, relay_end(s));
		s = sv_skip(s, relay.n);
		set_relay(relay, r);
	}
	if (!arg.n)
		;
	else if (sv_eq(name, SV("check_rcpt")) || sv_eq(name, SV("check_rcpt4")))
		r->recipient = arg;
	else if (sv_eq(name, SV("check_mail")) || sv_eq(name, SV("check_from")))
		r->sender = arg;
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

/* "milter=name, action=rcpt, reject=550 …": from log level 11 on, and a line "Milter: …" says it again; "milter=name, quarantine=why": nothing else does. */
static bool milter_by_name(struct sv s, struct record *r)
{
	struct sv name, t = s;
	if (!scan_lit(&t, SV("milter=")) || !scan_until(&t, ',', &name))
		return false;
	r->kind = RECORD_OTHER;
	r->reason = s;
	if (scan_lit(&t, SV(" quarantine="))) {
		r->kind = RECORD_POLICY;
		r->status = SV("hold");
		r->reason = t;
	}
	sendmail_session(r, false);
	return true;
}

/* "from=<a>", "to=<a>", "helo=name", "data", "cmd=data"; *s moves to what was decided. True: of a command, with nothing of the message there yet. */
static bool milter_stage(struct sv *s, struct sv *stage, struct record *r)
{
	*stage = *s;
	if (scan_lit(s, SV("from=")) && sendmail_address(s, &r->sender)) {
		stage->n = 4;
	} else if (scan_lit(s, SV("to=")) && sendmail_address(s, &r->recipient)) {
		stage->n = 2;
	} else if (scan_lit(s, SV("helo=")) && sendmail_address(s, &r->helo)) {
		stage->n = 4;
	} else {
		bool command = scan_lit(s, SV("cmd="));
		ptrdiff_t comma = sv_chr(*s, ',');
		*stage = sv_take(*s, comma < 0 ? s->n : (size_t)comma);
		*s = sv_skip(*s, stage->n);
		return command;
	}
	return r->sender.p || r->recipient.p;
}

/* "Milter: from=<a>, reject=550 …", "Milter (name): data, discard" */
static bool milter(struct sv s, struct record *r)
{
	static const struct sv whole[] = { SCAN_S("data"), SCAN_S("eom"), SCAN_S("eoh"), SCAN_S("body"), SCAN_S("header"), SCAN_S("end of message") };
	struct sv t = s, stage;
	ptrdiff_t at;
	if (!scan_lit(&t, SV("Milter")))
		return milter_by_name(s, r);
	r->kind = RECORD_OTHER;
	r->reason = s;
	if (!scan_lit(&t, SV(": ")) && (at = sv_find(sv_take(t, 80), SV("): "))) >= 0)
		t = sv_skip(t, (size_t)at + 3);
	if (milter_connect(t, r) || milter_recipients(s, r))
		return true;
	bool command = milter_stage(&t, &stage, r);
	ptrdiff_t verdict = sv_find(t, SV(", reject="));
	sendmail_session(r, false);
	if (verdict >= 0 || sv_find(t, SV(", tempfail")) >= 0 || sv_find(t, SV("temporarily rejected")) >= 0) {
		r->kind = RECORD_REJECT;
		if (verdict >= 0)
			scan_set_reply(r, sv_skip(t, (size_t)verdict + 9));
		r->reason = stage;
		r->killed = r->queue_id.p && !command && SCAN_ANY(stage, whole);
		r->put_off = r->queue_id.p && command;
	} else if (sv_starts(t, SV(", discard"))) {
		r->kind = RECORD_POLICY;
		r->status = SV("discard");
		r->reason = stage;
	}
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

/* What the client wrote stands at the end, and may hold ", user=", too. Where SASL repeats it ("user: who@realm property: …"), that says which it is. */
static void tried_user(struct sv *s, struct record *r)
{
	static const struct sv key = SCAN_S(", user="), named = SCAN_S(": user: ");
	ptrdiff_t at = sv_find(*s, key), once = -2;
	for (size_t from = 0; at >= 0;) {
		struct sv why = sv_take(*s, from + (size_t)at), user = sv_skip(*s, why.n + key.n);
		ptrdiff_t again = sv_chr(user, ',') < 0 ? -1 : sv_find(user, key);
		if ((again >= 0 || from) && once == -2)
			once = sv_find(why, named);
		if (once < 0 || sv_starts(sv_skip(*s, (size_t)once + named.n), user)) {
			*s = why;
			r->account = user.n ? user : r->account;
			return;
		}
		from = why.n + key.n;
		at = again;
	}
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
	tried_user(&s, r);
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

/* "connect from" is only there from level 10 on; the from= line is nearly always. */
static bool of_recipient(struct sv reply, struct record *r)
{
	r->kind = RECORD_REJECT;
	r->reason = SV("RCPT");
	r->reply = reply;
	r->put_off = r->queue_id.p;
	sendmail_session(r, false);
	return true;
}

/* Quotes or comments that do not end: where the address does cannot be said. */
static bool unbalanced(struct sv s, struct record *r)
{
	static const struct sv ends[] = {
		SCAN_S("... Unbalanced '\"'"), SCAN_S("... Unbalanced '('"), SCAN_S("... Unbalanced ')'"), SCAN_S("... Unbalanced '<'"), SCAN_S("... Unbalanced '>'"),
	};
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (sv_ends(s, ends[i]))
			return of_recipient(sv_skip(s, s.n - ends[i].n + 4), r);
	return false;
}

bool sendmail_unknown_user(struct sv s, struct record *r)
{
	struct sv t = s;
	if (sendmail_angle(&t, &r->recipient) && scan_lit(&t, SV("... "))) {
		r->recipient = r->recipient.n ? r->recipient : (struct sv){ 0 }; /* "<<>>... User unknown": no address */
		return of_recipient(t, r);
	}
	r->recipient = (struct sv){ 0 };
	if (sv_eq(s, SV("Too many recipients")))
		return of_recipient(s, r);
	struct sv a = sv_take(s, sendmail_outside(s, ' '));
	t = sv_skip(s, a.n);
	if (!t.n || !sv_ends(a, SV("...")))
		return unbalanced(s, r);
	a.n -= 3;
	if (a.n && a.p[0] != '<')
		r->recipient = a;
	return of_recipient(sv_skip(t, 1), r);
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
	default:
		return false;
	}
}
