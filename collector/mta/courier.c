/* The Courier format: courieresmtpd takes mail in, courierd queues it, courieresmtp and courierlocal deliver; imapd and pop3d log in. Its
 * message ids are three hexadecimal numbers with many zeros before them, which are left out: a queue id has at most 24 bytes.
 * courierd tries a message's recipients in rounds, each from "started" to "completed"; one more writes the notice of what failed.
 * Shapes: a recording of Courier 1.0.16. */
#include "collector/mta.h"
#include "collector/scan.h"

#include <strings.h>

enum { ESMTPD, QUEUE, DELIVER, LOCAL, LOGIN, REST };

static const struct { struct sv name; int number; } programs[] = {
	{ SCAN_S("courieresmtpd"), ESMTPD }, { SCAN_S("courieresmtpd-ssl"), ESMTPD }, { SCAN_S("courieresmtpd-msa"), ESMTPD }, { SCAN_S("esmtpd"), ESMTPD },
	{ SCAN_S("courierd"), QUEUE }, { SCAN_S("courieresmtp"), DELIVER }, { SCAN_S("courierlocal"), LOCAL }, { SCAN_S("courierfax"), DELIVER },
	{ SCAN_S("courieruucp"), DELIVER }, { SCAN_S("courierdsn"), DELIVER }, { SCAN_S("imapd"), LOGIN }, { SCAN_S("imapd-ssl"), LOGIN },
	{ SCAN_S("pop3d"), LOGIN }, { SCAN_S("pop3d-ssl"), LOGIN }, { SCAN_S("imaplogin"), LOGIN }, { SCAN_S("pop3login"), LOGIN },
	{ SCAN_S("courierpop3login"), LOGIN }, { SCAN_S("courierpop3d"), LOGIN }, { SCAN_S("courier-imapd"), LOGIN }, { SCAN_S("courier-pop3d"), LOGIN },
	{ SCAN_S("authdaemond"), REST }, { SCAN_S("courierfilter"), REST }, { SCAN_S("couriertls"), REST },
};

static int program(struct sv p)
{
	for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
		if (sv_eq(p, programs[i].name))
			return programs[i].number;
	return -1;
}

/* "[::ffff:203.0.113.5]": IPv4 as IPv6 has it, without that. */
static struct sv address(struct sv s)
{
	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = sv_make(s.p + 1, s.n - 2);
	return scan_ip(sv_starts(s, SV("::ffff:")) ? sv_skip(s, 7) : s);
}

/* "00000000000A1B2C.000000005F3E0001.00001234" → "A1B2C.5F3E0001.1234" */
static struct sv short_id(struct sv id)
{
	static _Thread_local char text[48];
	size_t n = 0;
	bool zeros = true;
	for (size_t i = 0; i < id.n && n < sizeof text; i++) {
		if (zeros && id.p[i] == '0')
			continue;
		zeros = id.p[i] == '.';
		text[n++] = id.p[i];
	}
	return n > 24 ? sv_make(text + n - 24, 24) : sv_make(text, n);
}

static struct sv after(struct sv s, struct sv key)
{
	struct sv skipped;
	return scan_before(&s, key, &skipped) ? s : (struct sv){ 0 };
}

static void set_port(struct sv s, struct record *r)
{
	struct sv t = after(s, SV(", port=["));
	if (!t.p)
		t = after(s, SV(",port=["));
	if (t.p)
		(void)scan_int(&t, &r->client_port);
}

/* ",cmd: AUTH PLAIN AGFubgB4 ann": who wanted to log in stands at the end */
static void tried(struct sv s, struct record *r)
{
	struct sv method;
	static const struct sv cmd = SCAN_S(",cmd: AUTH "); /* as the client wrote it */
	if (s.n < cmd.n || strncasecmp(s.p, cmd.p, cmd.n) != 0)
		return;
	s = sv_skip(s, cmd.n);
	if (!scan_until(&s, ' ', &method) || method.n > 32)
		return;
	r->auth_method = method;
	ptrdiff_t sp = sv_chr(s, ' ');
	if (sp > 0 && (size_t)sp + 1 < s.n)
		r->account = sv_skip(s, (size_t)sp + 1);
}

/* "error,relay=::ffff:203.0.113.5,port=4321,from=<a>,to=<b>: 550 User unknown.", …,msg="535 Authentication failed.",cmd: … */
static bool refusal(struct sv s, struct record *r)
{
	struct sv t;
	r->client_ip = address(scan_word(&s));
	if (scan_lit(&s, SV(",port=")))
		(void)scan_int(&s, &r->client_port);
	if (sv_starts(s, SV(",ident="))) { /* what the client's own machine says, which may be anything */
		ptrdiff_t from = sv_find(s, SV(",from=<"));
		if (from > 0 && sv_find(sv_skip(s, (size_t)from + 1), SV(",from=<")) >= 0) {
			r->kind = RECORD_REJECT;
			return true;
		}
		s = sv_skip(s, from > 0 ? (size_t)from : 0);
	}
	if (scan_lit(&s, SV(",msg=\""))) {
		if (!scan_until(&s, '"', &r->reply))
			r->reply = s;
		tried(s, r);
	} else if (scan_lit(&s, SV(",from=")) && scan_angle(&s, &r->sender)) {
		if (scan_lit(&s, SV(",to=")))
			(void)scan_angle(&s, &r->recipient);
		if (!scan_lit(&s, SV(": ")))
			return false;
		r->reply = s;
	} else {
		return false;
	}
	t = r->reply;
	int64_t code = 0;
	(void)scan_int(&t, &code);
	(void)scan_dsn(sv_skip(t, 1), &r->dsn);
	r->kind = code == 535 ? RECORD_AUTH_FAIL : r->sender.p || code >= 400 ? RECORD_REJECT : RECORD_OTHER; /* "252 VRFY disabled" */
	return true;
}

static bool esmtpd(struct sv s, struct record *r)
{
	if (scan_lit(&s, SV("started,ip="))) {
		r->kind = RECORD_CONNECT;
		r->client_ip = address(scan_word(&s));
		set_port(s, r);
		return true;
	}
	if (scan_lit(&s, SV("error,relay=")))
		return refusal(s, r);
	r->kind = RECORD_OTHER;
	r->reason = s;
	return true;
}

/* "helo (name [::ffff:203.0.113.5])", "helo ([::ffff:203.0.113.5])". The client chose the first. */
static void from(struct sv s, struct record *r)
{
	ptrdiff_t open = scan_rfind(s, SV("(")), ip = scan_rfind(s, SV("["));
	if (open < 1 || ip < open || s.p[s.n - 1] != ')')
		return;
	r->client_ip = address(sv_make(s.p + ip, s.n - (size_t)ip - 1));
	r->helo = scan_word(&s);
	struct sv name = sv_make(s.p, 0);
	if (ip > open + 1)
		name = sv_make(r->helo.p + open + 1, (size_t)(ip - open) - 2);
	if (name.n && !sv_eq(name, SV("softdnserr")) && !sv_eq(name, SV("unknown")))
		r->client_name = name;
}

/* "newmsg,id=0A.5F.12[, auth=ann]: dns; helo (name [::ffff:203.0.113.5])", "started,id=…", "completed,id=…" */
static bool queue(struct sv s, struct record *r)
{
	struct sv t;
	if (scan_lit(&s, SV("newmsg,id="))) {
		r->kind = RECORD_ACCEPT;
		size_t n = 0;
		while (n < s.n && s.p[n] != ',' && s.p[n] != ':')
			n++;
		r->queue_id = short_id(sv_take(s, n));
		t = sv_skip(s, n);
		if (scan_lit(&t, SV(", auth=")) && !scan_before(&t, SV(": dns; "), &r->account))
			return true;
		if (r->account.p || scan_lit(&t, SV(": dns; ")))
			from(t, r);
		return true;
	}
	if (scan_lit(&s, SV("completed,id="))) {
		r->kind = RECORD_REMOVE;
		r->round = true;
		r->queue_id = short_id(s);
		return true;
	}
	r->kind = RECORD_OTHER;
	r->reason = s;
	if (sv_find(s, SV(",module=dsn,host=,addr=<")) < 0 && scan_lit(&s, SV("started,id=")) && scan_until(&s, ',', &r->queue_id)) {
		r->kind = RECORD_ENVELOPE;
		r->queue_id = short_id(r->queue_id);
		r->reason = (struct sv){ 0 };
		if (scan_lit(&s, SV("from=")))
			(void)scan_angle(&s, &r->sender);
		t = after(s, SV(",addr="));
		if (t.p)
			(void)scan_angle(&t, &r->recipient);
	}
	return true;
}

/* ": 550 5.1.1 no such user", ": Connection refused": before the outcome, which does not say it again. */
static void reply(struct sv s, struct record *r)
{
	r->reply = s;
	r->status = s.n && s.p[0] == '2' ? SV("sent") : s.n && s.p[0] == '5' ? SV("bounced") : SV("deferred");
	(void)scan_dsn(s.n > 4 ? sv_skip(s, 4) : s, &r->dsn);
}

/* ",success: delivered: mx.far.example [::ffff:203.0.113.50]" after the reply; of a mailbox: ",size=1204,success: Message delivered.", without one. */
static void success(struct sv s, struct record *r)
{
	struct sv what;
	r->status = SV("sent");
	if (!scan_before(&s, SV(": "), &what))
		return;
	ptrdiff_t open = scan_rfind(s, SV(" ["));
	r->more = !r->local && scan_lit(&s, SV("delivered: ")) && open > 0;
	if (r->more) {
		r->relay_host = scan_word(&s);
		(void)scan_char(&s, ' ');
		r->relay_ip = address(s);
	} else {
		reply(s, r);
		r->status = SV("sent");
	}
}

/* "id=0A.5F.12,from=<a>,addr=<b>: 250 ok", "….,size=1204,success: delivered: mx.far.example [::ffff:203.0.113.50]", "…,status: deferred" */
static bool deliver(int n, struct sv s, struct record *r)
{
	if (!scan_lit(&s, SV("id=")) || !scan_until(&s, ',', &r->queue_id) || !scan_lit(&s, SV("from=")) || !scan_angle(&s, &r->sender) ||
	    !scan_lit(&s, SV(",addr=")) || !scan_angle(&s, &r->recipient)) {
		r->queue_id = (struct sv){ 0 };
		r->kind = RECORD_OTHER;
		r->reason = s;
		return true;
	}
	r->queue_id = short_id(r->queue_id);
	r->local = n == LOCAL;
	r->kind = RECORD_DELIVERY;
	if (scan_lit(&s, SV(",size=")))
		(void)scan_int(&s, &r->size);
	if (scan_lit(&s, SV(": "))) {
		reply(s, r);
		return true;
	}
	if (scan_lit(&s, SV(",success"))) {
		success(s, r);
		return true;
	}
	if (!scan_lit(&s, SV(",status: ")))
		return false;
	r->more = true;
	r->status = sv_starts(s, SV("success")) ? SV("sent") : sv_starts(s, SV("failure")) ? SV("bounced") : sv_starts(s, SV("defer")) ? SV("deferred") : SV("");
	return r->status.n > 0;
}

/* "LOGIN, user=ann, ip=[::ffff:198.51.100.7], port=[4321], protocol=IMAP", "LOGIN FAILED, user=…", "LOGOUT, …", "Connection, ip=[…]" */
static bool login(struct sv s, struct record *r)
{
	static const struct { struct sv text; enum record_kind kind; } known[] = {
		{ SCAN_S("LOGIN FAILED, "), RECORD_AUTH_FAIL }, { SCAN_S("LOGIN, "), RECORD_AUTH_OK }, { SCAN_S("LOGOUT, "), RECORD_DISCONNECT },
		{ SCAN_S("TIMEOUT, "), RECORD_DISCONNECT }, { SCAN_S("DISCONNECTED, "), RECORD_DISCONNECT }, { SCAN_S("Disconnected, "), RECORD_DISCONNECT },
		{ SCAN_S("Connection, "), RECORD_CONNECT },
	};
	r->kind = RECORD_OTHER;
	r->reason = s;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (!scan_lit(&s, known[i].text))
			continue;
		r->kind = known[i].kind;
		r->reason = (struct sv){ 0 };
		ptrdiff_t ip = scan_rfind(s, SV("ip=[")); /* the user's name comes before */
		if (ip < 0)
			return true;
		struct sv t = sv_skip(s, (size_t)ip + 3), a;
		if (scan_until(&t, ']', &a))
			r->client_ip = address(sv_skip(a, 1));
		set_port(sv_skip(s, (size_t)ip), r);
		struct sv who = sv_take(s, ip >= 2 ? (size_t)ip - 2 : 0);
		if (scan_lit(&who, SV("user=")))
			r->account = who;
		else if (scan_lit(&who, SV("method=")))
			r->auth_method = who;
		return true;
	}
	return true;
}

static enum mta_result parse(int n, const struct logline *l, struct record *r)
{
	bool ok = true;
	switch (n) {
	case ESMTPD: ok = esmtpd(l->text, r); break;
	case QUEUE: ok = queue(l->text, r); break;
	case DELIVER: case LOCAL: ok = deliver(n, l->text, r); break;
	case LOGIN: ok = login(l->text, r); break;
	default:
		r->kind = RECORD_OTHER;
		r->reason = l->text;
	}
	return ok ? MTA_RECORD : MTA_UNRECOGNISED;
}

const struct mta mta_courier = { .name = "courier", .program = program, .parse = parse };
