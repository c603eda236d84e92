/* The Courier format: courieresmtpd takes mail in, courierd queues it, courieresmtp and courierlocal deliver; imapd and pop3d log in. Its
 * message ids are three hexadecimal numbers with many zeros before them, which are left out: a queue id has at most 24 bytes. */
#include "collector/mta.h"
#include "collector/scan.h"

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

/* "error,relay=::ffff:203.0.113.5,port=4321,from=<a>,to=<b>: 550 User unknown.", …,msg="535 Authentication failed.",cmd: … */
static bool refusal(struct sv s, struct record *r)
{
	struct sv t;
	r->client_ip = address(scan_word(&s));
	if (scan_lit(&s, SV(",port=")))
		(void)scan_int(&s, &r->client_port);
	ptrdiff_t from = sv_starts(s, SV(",ident=")) ? sv_find(s, SV(",from=<")) : 0; /* what the client's own machine says */
	s = sv_skip(s, from > 0 ? (size_t)from : 0);
	if (scan_lit(&s, SV(",msg=\""))) {
		if (!scan_until(&s, '"', &r->reply))
			r->reply = s;
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
	r->kind = code == 535 ? RECORD_AUTH_FAIL : RECORD_REJECT;
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

/* "newmsg,id=0A.5F.12[,auth=ann]: dns; host (helo [::ffff:203.0.113.5])", "started,id=…", "completed,id=…" */
static bool queue(struct sv s, struct record *r)
{
	struct sv t, end = s;
	if (scan_lit(&s, SV("newmsg,id="))) {
		r->kind = RECORD_ACCEPT;
		size_t n = 0;
		while (n < s.n && s.p[n] != ',' && s.p[n] != ':')
			n++;
		r->queue_id = short_id(sv_take(s, n));
		t = sv_skip(s, n);
		if (scan_lit(&t, SV(",auth=")))
			(void)scan_before(&t, SV(": "), &r->account);
		ptrdiff_t open = scan_rfind(end, SV(" [")); /* the HELO before it is the client's */
		if (open > 0 && end.n > 3 && end.p[end.n - 1] == ')')
			r->client_ip = address(sv_make(end.p + open + 1, end.n - (size_t)open - 2));
		t = after(end, SV(": dns; "));
		if (t.p && sv_chr(t, ' ') > 0 && r->client_ip.p)
			r->client_name = scan_word(&t);
		return true;
	}
	if (scan_lit(&s, SV("completed,id="))) {
		r->kind = RECORD_REMOVE;
		r->queue_id = short_id(s);
		return true;
	}
	r->kind = RECORD_OTHER;
	r->reason = s;
	if (scan_lit(&s, SV("started,id=")) && scan_until(&s, ',', &r->queue_id)) {
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

/* "id=0A.5F.12,from=<a>,addr=<b>,size=1204,success: delivered: mx.far.example [::ffff:203.0.113.50]", "…,status: deferred",
 * "…: 550 5.1.1 no such user" (the reply, before the outcome). */
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
	if (scan_lit(&s, SV(",size=")))
		(void)scan_int(&s, &r->size);
	if (scan_lit(&s, SV(": "))) {
		r->kind = RECORD_OTHER;
		r->reply = s;
		return true;
	}
	r->kind = RECORD_DELIVERY;
	r->local = n == LOCAL;
	bool status = scan_lit(&s, SV(",status: ")) || scan_char(&s, ',');
	if (!status)
		return false;
	r->status = sv_starts(s, SV("success")) ? SV("sent") : sv_starts(s, SV("failure")) ? SV("bounced") : sv_starts(s, SV("defer")) ? SV("deferred") : SV("");
	if (!r->status.n)
		return false;
	struct sv t = s, what;
	if (!scan_before(&t, SV(": "), &what))
		return true;
	r->reply = t;
	ptrdiff_t open = scan_rfind(t, SV(" ["));
	if (!r->local && scan_lit(&t, SV("delivered: ")) && open > 0) {
		r->relay_host = scan_word(&t);
		(void)scan_char(&t, ' ');
		r->relay_ip = address(t);
	}
	(void)scan_dsn(r->reply.n > 4 ? sv_skip(r->reply, 4) : r->reply, &r->dsn);
	return true;
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
