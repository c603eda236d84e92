/* The qmail format: qmail-send through splogger ("qmail: 1763978400.123456 new msg 77") or multilog ("@40000000…" and what tai64nlocal makes
 * of it), tcpserver, rblsmtpd, CHKUSER and vpopmail's vchkpw. A message is known by its number; an attempt to deliver by another, which says
 * the recipient only when it begins: the session "d<number>". */
#include "collector/filter/filter.h"
#include "collector/qmail/qmail.h"

enum { SEND, TCPSERVER, RBLSMTPD, SMTPD, VPOPMAIL, TCPSVD, SIMSCAN, SPAMDYKE, RELAYLOCK, SMTP_AUTH, HANDLERS };

static const struct { struct sv name; int number; } programs[] = {
	{ SCAN_S("qmail"), SEND }, { SCAN_S("qmail-send"), SEND }, { SCAN_S("tcpserver"), TCPSERVER }, { SCAN_S("rblsmtpd"), RBLSMTPD },
	{ SCAN_S("qmail-smtpd"), SMTPD }, { SCAN_S("vpopmail"), VPOPMAIL }, { SCAN_S("vchkpw"), VPOPMAIL },
	{ SCAN_S("sslserver"), TCPSERVER }, { SCAN_S("tcpsvd"), TCPSVD }, { SCAN_S("simscan"), SIMSCAN }, { SCAN_S("relaylock"), RELAYLOCK },
	{ SCAN_S("smtp_auth"), SMTP_AUTH }, { SCAN_S("qmail-queue-handlers"), HANDLERS }, { SCAN_S("qmail-remote-handlers"), HANDLERS },
	{ SCAN_S("qmail-local-handlers"), HANDLERS },
};

static int program(struct sv p)
{
	for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
		if (sv_eq(p, programs[i].name))
			return programs[i].number;
	return -1;
}

/* "77" as text, and past it. */
static bool number(struct sv *s, struct sv *ret)
{
	struct sv t = *s;
	int64_t n;
	if (!scan_int(&t, &n))
		return false;
	*ret = sv_take(*s, s->n - t.n);
	*s = t;
	return true;
}

/* Who queued it. qmail's own users take mail in for others: INSTALL.ids' numbers, Debian's, and those of system accounts. */
static bool is_person(int64_t uid)
{
	return uid == 0 || (uid >= 1000 && (uid < 7790 || uid > 7799) && (uid < 64010 || uid > 64020));
}

/* "info msg 77: bytes 1204 from <a@b.example> qp 4567 uid 1001" */
static bool info(struct sv s, struct record *r)
{
	int64_t uid, qp;
	if (!number(&s, &r->queue_id) || !scan_lit(&s, SV(": bytes ")) || !scan_int(&s, &r->size) || !scan_lit(&s, SV(" from <")))
		return false;
	ptrdiff_t end = scan_rfind(s, SV("> qp ")); /* the address is the sender's */
	if (end < 0)
		return false;
	r->kind = RECORD_ACCEPT;
	r->sender = sv_take(s, (size_t)end);
	s = sv_skip(s, (size_t)end + 5);
	if (scan_int(&s, &qp) && scan_lit(&s, SV(" uid ")) && scan_int(&s, &uid) && is_person(uid))
		r->uid = uid;
	return true;
}

/* " queue5", as IndiMail writes at the end of each line: its queues count their deliveries each for itself. Cut off. */
static struct sv queue(struct sv *s)
{
	if (!s->n || s->p[s->n - 1] < '0' || s->p[s->n - 1] > '9')
		return (struct sv){ 0 };
	ptrdiff_t at = scan_rfind(*s, SV(" queue"));
	if (at < 0 || (size_t)at + 6 == s->n || s->n - (size_t)at > 10)
		return (struct sv){ 0 };
	for (size_t i = (size_t)at + 6; i < s->n; i++)
		if (s->p[i] < '0' || s->p[i] > '9')
			return (struct sv){ 0 };
	struct sv q = sv_skip(*s, (size_t)at);
	*s = sv_take(*s, (size_t)at);
	return q;
}

/* " 7": with the space before it, which no other session's name begins with; " 7 queue5". */
static struct sv attempt(struct sv n, struct sv q)
{
	static _Thread_local char text[32];
	struct sv a = sv_make(n.p - 1, n.n + 1);
	if (!q.n || a.n + q.n > sizeof text)
		return a;
	memcpy(text, a.p, a.n);
	memcpy(text + a.n, q.p, q.n);
	return sv_make(text, a.n + q.n);
}

static bool starting(struct sv s, struct record *r)
{
	struct sv n, q = queue(&s);
	if (!number(&s, &n) || !scan_lit(&s, SV(": msg ")) || !number(&s, &r->queue_id))
		return false;
	if (!scan_lit(&s, SV(" to remote ")) && !scan_lit(&s, SV(" to local ")))
		return false;
	r->kind = RECORD_OTHER;
	r->recipient = s;
	r->session = attempt(n, q);
	return true;
}

/* "Remote_host_said:_550_no_such_user/" in words. */
static struct sv words(struct sv s)
{
	static _Thread_local char text[1024];
	size_t n = s.n < sizeof text ? s.n : sizeof text;
	memcpy(text, s.p, n);
	for (size_t i = 0; i < n; i++)
		if (text[i] == '_')
			text[i] = ' ';
	while (n && (text[n - 1] == '/' || text[n - 1] == ' '))
		n--;
	return sv_make(text, n);
}

/* Whom it was given to: "203.0.113.5_accepted_message./", "Connected_to_203.0.113.5_but_…", "<a@b.example>_203.0.113.5_…". */
static void relay(struct sv s, struct record *r)
{
	struct sv skipped, address;
	bool named = scan_lit(&s, SV("User_and_password_not_set,_continuing_without_authentication./"));
	(void)scan_lit(&s, SV("Connected_to_"));
	if (named && scan_char(&s, '<') && scan_before(&s, SV(">_"), &skipped) && sv_find(s, SV(">_")) >= 0)
		return; /* an address may hold what ends it; the reply comes after */
	if (scan_until(&s, '_', &address))
		r->relay_ip = scan_ip(address);
}

static void outcome(struct sv s, struct record *r)
{
	struct sv t;
	r->local = sv_starts(s, SV("did_"));
	ptrdiff_t said = sv_find(s, SV("Remote_host_said:_"));
	if (!r->local)
		relay(said < 0 ? s : sv_take(s, (size_t)said), r);
	r->reply = words(said < 0 ? s : sv_skip(s, (size_t)said + 18));
	if (r->reply.n > 4 && (r->reply.p[3] == ' ' || r->reply.p[3] == '-'))
		(void)scan_dsn(sv_skip(r->reply, 4), &r->dsn);
	ptrdiff_t hash = scan_rfind(r->reply, SV("(#"));
	if (!r->dsn.p && hash >= 0) { /* qmail's own: "Sorry, no mailbox here by that name. (#5.1.1)" */
		t = sv_skip(r->reply, (size_t)hash + 2);
		struct sv code;
		if (scan_until(&t, ')', &code))
			(void)scan_dsn(code, &r->dsn);
	}
}

static bool delivery(struct sv s, struct record *r)
{
	static const struct { struct sv text, status; } known[] = {
		{ SCAN_S(": success: "), SCAN_S("sent") }, { SCAN_S(": failure: "), SCAN_S("bounced") }, { SCAN_S(": deferral: "), SCAN_S("deferred") },
	};
	struct sv n, q = queue(&s);
	if (!number(&s, &n))
		return false;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (!scan_lit(&s, known[i].text))
			continue;
		r->kind = RECORD_DELIVERY;
		r->status = known[i].status;
		r->session = attempt(n, q);
		r->session_end = true;
		outcome(s, r);
		return true;
	}
	return false;
}

static bool send_line(struct sv s, struct record *r)
{
	static const struct sv itself[] = {
		SCAN_S("new msg "), SCAN_S("status: "), SCAN_S("triple bounce: "), SCAN_S("double bounce: "), SCAN_S("running"), SCAN_S("exiting"),
		SCAN_S("local deliveries "), SCAN_S("remote deliveries "), SCAN_S("number of deliveries left "), SCAN_S("mail recv: "), SCAN_S("policy_check: "),
		SCAN_S("local: "), SCAN_S("remote: "),
	};
	struct sv t = s;
	if (scan_lit(&t, SV("info msg ")))
		return info(t, r);
	if (scan_lit(&t, SV("starting delivery ")))
		return starting(t, r);
	if (scan_lit(&t, SV("delivery ")))
		return delivery(t, r);
	if (scan_lit(&t, SV("end msg "))) {
		r->kind = RECORD_REMOVE;
		return number(&t, &r->queue_id);
	}
	if (scan_lit(&t, SV("bounce msg "))) {
		r->kind = RECORD_BOUNCE;
		return number(&t, &r->queue_id);
	}
	r->kind = sv_starts(s, SV("warning: ")) || sv_starts(s, SV("alert: ")) ? RECORD_WARNING : RECORD_OTHER;
	r->reason = s;
	return r->kind == RECORD_WARNING || SCAN_ANY(s, itself);
}

/* "pid 12 from 203.0.113.5", "ok 12 mx:192.0.2.1:25 host:203.0.113.5::4321", "end 12 status 0" */
static bool tcpserver(struct sv s, struct record *r)
{
	struct sv pid;
	r->kind = RECORD_OTHER;
	if (scan_lit(&s, SV("pid ")) && number(&s, &pid) && scan_lit(&s, SV(" from "))) {
		r->kind = RECORD_CONNECT;
		r->client_ip = scan_ip(s);
		r->session = pid;
	} else if (scan_lit(&s, SV("ok ")) && number(&s, &pid)) {
		ptrdiff_t space = sv_rchr(s, ' ');
		struct sv name = sv_skip(s, (size_t)(space + 1)), rest = name;
		ptrdiff_t port = sv_rchr(rest, ':'), info = port > 0 ? sv_rchr(sv_take(rest, (size_t)port), ':') : -1;
		r->session = pid;
		if (info > 0 && scan_until(&name, ':', &pid)) {
			r->client_ip = scan_ip(sv_make(name.p, (size_t)(rest.p + info - name.p)));
			if (pid.n && r->client_ip.p)
				r->client_name = pid;
			name = sv_skip(rest, (size_t)port + 1);
			(void)scan_int(&name, &r->client_port);
		}
	} else if (scan_lit(&s, SV("end ")) && number(&s, &pid)) {
		r->kind = RECORD_DISCONNECT;
		r->session = pid;
		r->session_end = true;
	} else {
		static const struct sv itself[] = { SCAN_S("status: "), SCAN_S("deny "), SCAN_S("warning: "), SCAN_S("ssl "), SCAN_S("tls "), SCAN_S("done ") };
		return SCAN_ANY(s, itself);
	}
	return true;
}

/* runit's: "info: pid 12 from 203.0.113.5", "info: start 12 mx:192.0.2.1 :host:203.0.113.5:4321", "info: end 12 exit 0" */
static bool tcpsvd(struct sv s, struct record *r)
{
	struct sv pid;
	r->kind = RECORD_OTHER;
	if (!scan_lit(&s, SV("info: ")))
		return sv_starts(s, SV("warning: "));
	if (scan_lit(&s, SV("pid ")) && number(&s, &pid) && scan_lit(&s, SV(" from "))) {
		r->kind = RECORD_CONNECT;
		r->client_ip = scan_ip(s);
		r->session = pid;
	} else if (scan_lit(&s, SV("end ")) && number(&s, &pid)) {
		r->kind = RECORD_DISCONNECT;
		r->session = pid;
		r->session_end = true;
	}
	return true;
}

/* "203.0.113.5 pid 12: 451 http://…", "list.example blocked 203.0.113.5 …" */
static bool rblsmtpd(struct sv s, struct record *r)
{
	struct sv t = s, first = scan_word(&t), skipped;
	r->kind = RECORD_REJECT;
	r->client_ip = scan_ip(first);
	if (r->client_ip.p) {
		if (scan_before(&t, SV(": "), &skipped)) {
			r->reply = t;
			(void)scan_dsn(sv_skip(t, 4), &r->dsn);
		}
		return true;
	}
	if (!scan_lit(&t, SV(" blocked ")))
		return false;
	r->client_ip = scan_ip(scan_word(&t));
	r->reason = s;
	return r->client_ip.p != NULL;
}

/* "vchkpw-smtp: password fail ann@isp.example:203.0.113.5", "vchkpw-submission: (PLAIN) login success ann@isp.example:198.51.100.7" */
static bool vchkpw(struct sv s, struct record *r)
{
	struct sv service, t;
	if (!scan_lit(&s, SV("vchkpw-")) || !scan_until(&s, ':', &service) || !scan_char(&s, ' '))
		return false;
	ptrdiff_t end = sv_rchr(s, ' ');
	struct sv who = end < 0 ? s : sv_skip(s, (size_t)end + 1), what = end < 0 ? s : sv_take(s, (size_t)end);
	ptrdiff_t colon = sv_find(who, SV(":"));
	for (ptrdiff_t at = colon; at >= 0 && !r->client_ip.p && (size_t)at < who.n;) { /* users have no colon, IPv6 has many */
		r->client_ip = scan_ip(sv_skip(who, (size_t)at + 1));
		if (r->client_ip.p && at)
			r->account = sv_take(who, (size_t)at);
		ptrdiff_t more = sv_chr(sv_skip(who, (size_t)at + 1), ':');
		at = more < 0 ? -1 : at + 1 + more;
	}
	t = what;
	struct sv method;
	if (scan_char(&t, '(') && scan_before(&t, SV(") "), &method) && method.n < 16)
		r->auth_method = method, what = t;
	r->reason = what;
	r->kind = sv_starts(what, SV("login success")) ? RECORD_AUTH_OK : sv_starts(what, SV("password fail")) || sv_find(what, SV("not found")) >= 0 ||
	          sv_starts(what, SV("null password")) ||
	          sv_starts(what, SV("invalid user/domain")) || sv_find(what, SV("no auth")) >= 0 ? RECORD_AUTH_FAIL : RECORD_OTHER;
	if (sv_starts(what, SV("invalid user/domain"))) /* what was typed has spaces in it, perhaps */
		r->account = (struct sv){ 0 };
	if (r->kind == RECORD_AUTH_FAIL && sv_find(what, SV("(pass:")) > 0) /* what was typed is nobody's business */
		r->reason = sv_take(what, (size_t)sv_find(what, SV("(pass:")) - 1);
	return true;
}

static int64_t hex(struct sv s)
{
	uint64_t v = 0;
	for (size_t i = 0; i < s.n; i++) {
		unsigned c = (unsigned char)s.p[i], d = c - '0' <= 9 ? c - '0' : c - 'a' <= 5 ? c - 'a' + 10 : 16;
		if (d > 15)
			return -1;
		v = v << 4 | d;
	}
	return v > INT64_MAX ? -1 : (int64_t)v;
}

/* "@4000000065abcdef12345678 ": TAI64N; its label is 2^62 and ten seconds ahead of our clock, as in qmail's tai64nlocal. */
static bool tai64n(struct sv *s, int64_t *ret_us)
{
	if (s->n < 26 || s->p[0] != '@' || s->p[25] != ' ')
		return false;
	int64_t label = hex(sv_make(s->p + 1, 16)), ns = hex(sv_make(s->p + 17, 8));
	if (label < (INT64_C(1) << 62) || label - (INT64_C(1) << 62) > INT64_C(1) << 40 || ns < 0 || ns > 999999999)
		return false;
	*ret_us = (label - (INT64_C(1) << 62) - 10) * 1000000 + ns / 1000;
	*s = sv_skip(*s, 26);
	return true;
}

static int opening(struct sv *s)
{
	static const struct sv send[] = {
		SCAN_S("new msg "), SCAN_S("info msg "), SCAN_S("starting delivery "), SCAN_S("delivery "), SCAN_S("end msg "), SCAN_S("bounce msg "),
		SCAN_S("status: "), SCAN_S("triple bounce: "), SCAN_S("double bounce: "),
	};
	if (SCAN_ANY(*s, send))
		return SEND;
	if (scan_lit(s, SV("tcpserver: ")) || scan_lit(s, SV("sslserver: ")))
		return TCPSERVER;
	if (scan_lit(s, SV("tcpsvd: ")))
		return TCPSVD;
	if (scan_lit(s, SV("simscan:"))) {
		(void)scan_char(s, ' ');
		return SIMSCAN;
	}
	int64_t pid;
	struct sv t = *s;
	if (scan_lit(&t, SV("spamdyke[")) && scan_int(&t, &pid) && scan_lit(&t, SV("]: "))) {
		*s = t;
		return SPAMDYKE;
	}
	if (scan_lit(s, SV("rblsmtpd: ")))
		return RBLSMTPD;
	t = *s;
	if (scan_lit(&t, SV("qmail-smtpd ")) && scan_int(&t, &pid) && scan_lit(&t, SV(": "))) {
		*s = t;
		return SMTPD;
	}
	if (sv_starts(*s, SV("CHKUSER ")) || scan_lit(s, SV("qmail-smtpd: ")))
		return SMTPD;
	return sv_starts(*s, SV("vchkpw-")) ? VPOPMAIL : -1;
}

static int native(struct native *n, struct sv line, struct logline *l)
{
	struct sv t = line;
	if (line.n < 28 || (line.p[0] != '@' && (line.p[4] != '-' || line.p[10] != ' ')))
		return -1;
	if (!tai64n(&t, &l->time_us) && !stamp_read(n->stamp, &t, &l->time_us, &l->utc_offset_s))
		return -1;
	int number_of = opening(&t);
	l->program = SV("qmail");
	l->text = t;
	return number_of < 0 && line.p[0] == '@' ? SEND : number_of; /* nobody else stamps so: a line that coverage should show */
}

/* splogger's own stamp, "1763978400.123456 ". */
static void splogger(struct sv *s)
{
	struct sv t = *s, n;
	if (number(&t, &n) && n.n >= 9 && scan_char(&t, '.') && number(&t, &n) && scan_char(&t, ' '))
		*s = t;
}

static bool spamdyke(struct sv s, struct record *r)
{
	r->reason = s;
	filter_spamdyke(s, r);
	r->kind = r->status.n ? RECORD_POLICY : RECORD_OTHER;
	return true;
}

static bool handlers(struct sv s, struct record *r)
{
	r->kind = RECORD_OTHER;
	r->reason = s;
	return true;
}

static enum mta_result parse(int n, const struct logline *l, struct record *r)
{
	static bool (*const parsers[])(struct sv s, struct record *r) = {
		[SEND] = send_line, [TCPSERVER] = tcpserver, [RBLSMTPD] = rblsmtpd, [SMTPD] = qmail_smtpd, [VPOPMAIL] = vchkpw, [TCPSVD] = tcpsvd,
		[SIMSCAN] = qmail_simscan, [SPAMDYKE] = spamdyke, [RELAYLOCK] = qmail_relaylock, [SMTP_AUTH] = qmail_smtp_auth, [HANDLERS] = handlers,
	};
	struct sv s = l->text;
	if (!l->native && (n == SEND || n == SMTPD)) { /* one tag may stand for what all of them say */
		splogger(&s);
		int other = opening(&s);
		n = other < 0 ? n : other;
	}
	return parsers[n](s, r) ? MTA_RECORD : MTA_UNRECOGNISED;
}

const struct mta mta_qmail = { .name = "qmail", .program = program, .native = native, .parse = parse };
