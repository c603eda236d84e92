/* The Haraka format: "[NOTICE] [UUID.1] [plugin] words key=value …", with a stamp of its own before it or a syslog header. The connection
 * is a UUID, a message the UUID and a number, what it is delivered as to one domain another number; the queue id is the UUID's last twelve digits and
 * the message's number, as the whole is too long to be one. Of outbound lines only those about a recipient that was refused name one. So an accepted
 * recipient is remembered twice, with the connection (for who queues it) and with the message (for who delivers it): two records.
 * Shapes: recordings of Haraka 2.8.28 and 3.3.4. */
#include "collector/framing.h"
#include "collector/mta.h"
#include "collector/scan.h"

struct head { struct sv level, uuid, transaction, plugin; };

/* "E1B2….1.1" → "E1B2…", and "….1". */
static void ids(struct sv id, struct head *h)
{
	ptrdiff_t dot = sv_chr(id, '.');
	h->uuid = dot < 0 ? id : sv_take(id, (size_t)dot);
	h->transaction = (struct sv){ 0 };
	if (dot < 0)
		return;
	ptrdiff_t second = sv_chr(sv_skip(id, (size_t)dot + 1), '.');
	h->transaction = second < 0 ? id : sv_take(id, (size_t)(dot + 1 + second));
}

static bool read_head(struct sv *s, struct head *h)
{
	struct sv t = *s, id;
	(void)framing_take_time(&t); /* behind a header of syslog */
	if (!scan_char(&t, '[') || !scan_until(&t, ']', &h->level) || h->level.n > 9 || !scan_lit(&t, SV(" [")) || !scan_until(&t, ']', &id) ||
	    id.n > 64 || !scan_lit(&t, SV(" [")) || !scan_until(&t, ']', &h->plugin) || h->plugin.n > 64)
		return false;
	for (size_t i = 0; i < h->level.n; i++)
		if (h->level.p[i] < 'A' || h->level.p[i] > 'Z')
			return false;
	while (scan_char(&t, ' '))
		; /* two where the text begins with a key */
	ids(id, h);
	*s = t;
	return h->level.n > 0;
}

/* The value of key: quoted, or up to a space. What peers chose is quoted (helo is not, but has no space). */
static struct sv value(struct sv s, struct sv key)
{
	for (size_t at = 0; at + key.n < s.n; at++) {
		if (s.p[at] == '"') { /* not inside of a quoted value */
			for (at++; at < s.n && s.p[at] != '"'; at++)
				at += s.p[at] == '\\';
			continue;
		}
		if ((at && s.p[at - 1] != ' ') || !sv_starts(sv_skip(s, at), key))
			continue;
		struct sv t = sv_skip(s, at + key.n), v;
		if (scan_char(&t, '"'))
			return scan_until(&t, '"', &v) ? v : t;
		return scan_until(&t, ' ', &v) ? v : t;
	}
	return (struct sv){ 0 };
}

static void set(struct sv *to, struct sv v)
{
	if (v.n && !sv_eq(v, SV("NXDOMAIN")) && !sv_eq(v, SV("DNSERROR")) && !sv_eq(v, SV("Unknown")) && !sv_eq(v, SV("undefined")))
		*to = v;
}

static void queue_id(const struct head *h, struct record *r)
{
	struct sv id = h->transaction;
	ptrdiff_t dash = sv_rchr(id, '-');
	if (id.n)
		r->queue_id = dash < 0 ? id : sv_skip(id, (size_t)dash + 1);
	if (r->queue_id.n > 24)
		r->queue_id = sv_skip(r->queue_id, r->queue_id.n - 24);
}

static void number(struct sv v, int64_t *ret)
{
	int64_t n;
	if (scan_int(&v, &n))
		*ret = n;
}

static bool refused(struct sv code)
{
	return sv_starts(code, SV("DENY"));
}

static void rcpts(struct sv v, struct record *r)
{
	int64_t ok = 0, soft = 0, hard = 0;
	if (!scan_int(&v, &ok))
		return;
	if (scan_char(&v, '/') && scan_int(&v, &soft) && scan_char(&v, '/'))
		(void)scan_int(&v, &hard);
	r->has_counts = true;
	memset(&r->counts, -1, sizeof r->counts);
	r->counts.rcpt_ok = ok > 1000000 ? 1000000 : (int32_t)ok;
	r->counts.rcpt = ok + soft + hard > 1000000 ? 1000000 : (int32_t)(ok + soft + hard);
}

static void client(struct sv s, struct record *r)
{
	r->client_ip = scan_ip(value(s, SV("ip=")));
	number(value(s, SV("port=")), &r->client_port);
	set(&r->client_name, value(s, SV("rdns=")));
	set(&r->helo, value(s, SV("helo=")));
}

/* "sender <a@b.example> code=CONT msg=""", "recipient <c@d.example> code=DENY msg="no such user" sender="a@b.example"" */
static void envelope(struct sv s, bool is_sender, struct record *r)
{
	struct sv who = { 0 };
	if (!scan_angle(&s, &who))
		who = value(s, SV("address=")), who = who.n > 2 && who.p[0] == '<' ? sv_make(who.p + 1, who.n - 2) : who;
	struct sv code = value(s, SV("code=")), msg = value(s, SV("msg=")), sender = value(s, SV("sender="));
	*(is_sender ? &r->sender : &r->recipient) = who;
	if (sender.n > 1 && sender.p[0] == '<')
		sender = sv_make(sender.p + 1, sender.n - 2);
	if (!is_sender && sender.p)
		r->sender = sender;
	r->kind = refused(code) ? RECORD_REJECT : RECORD_OTHER;
	if (refused(code)) {
		r->status = code;
		set(&r->reply, msg);
	} else {
		r->asked = true;
	}
}

/* -- outbound -- */

static void outcome(struct record *r, struct sv status, struct sv reply)
{
	r->kind = RECORD_DELIVERY;
	r->status = status;
	r->reply = reply;
	if (reply.n > 4)
		(void)scan_dsn(sv_skip(reply, 4), &r->dsn);
}

/* "delivered file=… domain=far.example host=mx.far.example ip=203.0.113.50 port=25 … response="250 ok" delay=1.2 fails=0 rcpts=1/0/0" */
static void delivered(struct sv s, struct record *r)
{
	struct sv response = value(s, SV("response=")), ok = value(s, SV("rcpts="));
	outcome(r, SV("sent"), (struct sv){ 0 });
	set(&r->reply, response);
	(void)scan_dsn(response.n > 4 && response.p[3] == ' ' ? sv_skip(response, 4) : response, &r->dsn);
	r->unnamed = true;
	r->domain = value(s, SV("domain="));
	number(ok, &r->nrcpt);
	set(&r->relay_host, value(s, SV("host=")));
	r->relay_ip = scan_ip(value(s, SV("ip=")));
	number(value(s, SV("port=")), &r->relay_port);
	set(&r->delay, value(s, SV("delay=")));
}

/* "recipient <a@far.example> rejected: 550 5.1.1 no such user", "… deferred: 450 4.2.0 later" */
static bool refused_there(struct sv s, struct record *r)
{
	struct sv who, how;
	if (!scan_lit(&s, SV("recipient ")) || !scan_angle(&s, &who) || !scan_char(&s, ' ') || !scan_until(&s, ':', &how) || !scan_char(&s, ' '))
		return false;
	bool hard = sv_eq(how, SV("rejected"));
	if (!hard && !sv_eq(how, SV("deferred")))
		return false;
	r->recipient = who;
	outcome(r, hard ? SV("bounced") : SV("deferred"), s);
	return true;
}

/* The next "<a@far.example>" of what is left of a line. */
static bool next_named(struct sv *s, struct record *r)
{
	ptrdiff_t at = sv_chr(*s, '<');
	if (at < 0)
		return false;
	*s = sv_skip(*s, (size_t)at);
	return scan_angle(s, &r->recipient);
}

/* "bouncing mail: Too many failures (Tried all MXs)", "Temp failing 1795… for 64 seconds: Tried all MXs". Recipients whose server refused them were
 * named before; those that it did so too often are named again. */
static bool given_up(struct sv s, struct record *r)
{
	static const struct sv again = SCAN_S("Too many failures ("), refused = SCAN_S("Some recipients ");
	struct sv why = s;
	bool soft = scan_lit(&why, SV("Temp failing "));
	if (soft ? sv_find(why, SV(" seconds: ")) < 0 : !scan_lit(&why, SV("bouncing mail: ")))
		return false;
	if (soft)
		why = sv_skip(why, (size_t)sv_find(why, SV(" seconds: ")) + 10);
	bool often = sv_starts(why, again);
	struct sv inner = often ? sv_skip(why, again.n) : why;
	if (sv_starts(inner, refused)) {
		r->reason = s;
		r->more = often && next_named(&inner, r);
		if (r->more)
			outcome(r, SV("expired"), (struct sv){ 0 });
		return true;
	}
	outcome(r, soft ? SV("deferred") : often ? SV("expired") : SV("bounced"), why);
	r->unnamed = true;
	return true;
}

static void outbound(struct sv s, const struct head *h, struct record *r)
{
	r->kind = RECORD_OTHER;
	if (h->transaction.n)
		queue_id(h, r);
	if (sv_starts(s, SV("delivered file=")))
		delivered(s, r);
	else if (!h->transaction.n || (!refused_there(s, r) && !given_up(s, r)))
		r->reason = s;
	if (r->kind == RECORD_OTHER)
		r->queue_id = (struct sv){ 0 }; /* says nothing of the message */
}

/* The text before the last `mark`, as a name is logged as it was typed; *rest: what follows. */
static bool before_last(struct sv s, struct sv mark, struct sv *ret, struct sv *rest)
{
	ptrdiff_t at = scan_rfind(s, mark);
	if (at < 0)
		return false;
	*ret = sv_take(s, (size_t)at);
	*rest = sv_skip(s, (size_t)at + mark.n);
	return true;
}

/* Of an auth plugin: "AUTH user="who" success=true" (auth_vpopmaild, auth_imap), with " host="10.0.0.1:25"" before that (auth_proxy). All of them tell a
 * failure as "delaying for 1 seconds" too, without the name: there it counts, and the line before it only says whose it will be. */
static void auth(struct sv s, const struct head *h, struct record *r)
{
	struct sv rest, who;
	r->session = h->uuid;
	r->reason = s;
	r->kind = sv_starts(s, SV("delaying ")) ? RECORD_AUTH_FAIL : RECORD_OTHER;
	if (!scan_lit(&s, SV("AUTH user=\"")))
		return;
	bool told = before_last(s, SV("\" success="), &who, &rest);
	if (!told && !before_last(s, SV("\" error="), &who, &rest) && !before_last(s, SV("\" is not allowed"), &who, &rest))
		return;
	if (told && sv_find(h->plugin, SV("proxy")) >= 0)
		(void)before_last(who, SV("\" host=\""), &who, &(struct sv){ 0 });
	r->kind = told && sv_eq(rest, SV("true")) ? RECORD_AUTH_OK : RECORD_WARNING;
	set(&r->account, who);
}

/* "hook=connect plugin=dnsbl function=… params="" retval=DENYDISCONNECT msg="listed"": of commands that have no line of their own. */
static void hook(struct sv s, struct record *r)
{
	static const struct sv alone[] = { SCAN_S("connect"), SCAN_S("lookup_rdns"), SCAN_S("helo"), SCAN_S("ehlo"), SCAN_S("data") };
	struct sv name = value(s, SV("hook="));
	r->kind = RECORD_OTHER;
	r->reason = s;
	for (size_t i = 0; refused(value(s, SV("retval="))) && i < sizeof alone / sizeof *alone; i++) {
		if (!sv_eq(name, alone[i]))
			continue;
		r->kind = RECORD_REJECT;
		r->asked = i == sizeof alone / sizeof *alone - 1;
		r->status = value(s, SV("retval="));
		r->reason = name;
		set(&r->reply, value(s, SV("msg=")));
	}
}

static void core(struct sv s, const struct head *h, struct record *r)
{
	r->session = h->uuid;
	if (scan_lit(&s, SV("connect "))) {
		r->kind = RECORD_CONNECT;
		client(s, r);
	} else if (scan_lit(&s, SV("disconnect "))) {
		r->kind = RECORD_DISCONNECT;
		client(s, r);
		rcpts(value(s, SV("rcpts=")), r);
		number(value(s, SV("bytes=")), &r->bytes);
		r->session_end = true;
	} else if (scan_lit(&s, SV("sender "))) {
		envelope(s, true, r);
	} else if (scan_lit(&s, SV("recipient "))) {
		envelope(s, false, r);
	} else if (scan_lit(&s, SV("message "))) {
		struct sv mid = value(s, SV("mid="));
		r->kind = RECORD_OTHER;
		number(value(s, SV("size=")), &r->size);
		set(&r->message_id, mid.n > 2 && mid.p[0] == '<' ? sv_make(mid.p + 1, mid.n - 2) : mid);
		if (refused(value(s, SV("code=")))) {
			r->kind = RECORD_REJECT;
			r->asked = true;
			set(&r->reply, value(s, SV("msg=")));
		}
	} else if (scan_lit(&s, SV("queue "))) {
		struct sv code = value(s, SV("code="));
		r->kind = refused(code) ? RECORD_REJECT : sv_eq(code, SV("OK")) ? RECORD_ACCEPT : RECORD_OTHER;
		set(&r->reply, value(s, SV("msg=")));
		r->asked = r->kind != RECORD_OTHER;
		queue_id(h, r);
	} else if (sv_starts(s, SV("hook="))) {
		hook(s, r);
	} else {
		r->kind = RECORD_OTHER;
		r->reason = s;
	}
}

static enum mta_result parse(int n, const struct logline *l, struct record *r)
{
	struct head h;
	struct sv s = l->text;
	(void)n;
	if (!read_head(&s, &h))
		return MTA_UNRECOGNISED;
	if (sv_eq(h.plugin, SV("core")))
		core(s, &h, r);
	else if (sv_eq(h.plugin, SV("outbound")))
		outbound(s, &h, r);
	else if (sv_starts(h.plugin, SV("auth")))
		auth(s, &h, r);
	else
		r->kind = RECORD_OTHER, r->reason = s;
	if (!r->session.n)
		r->session = (struct sv){ 0 };
	bool complaint = sv_eq(h.level, SV("ERROR")) || sv_eq(h.level, SV("CRIT")) || sv_eq(h.level, SV("WARN"));
	if (r->kind == RECORD_OTHER && complaint)
		r->kind = RECORD_WARNING;
	return MTA_RECORD;
}

/* The last thing that was refused, of a session that is over. That no plugin granted a recipient is said nowhere else: its own line says "code=OK". */
static bool refused_last(struct sv s, struct record *r)
{
	static const struct sv said = SCAN_S("550 I cannot deliver mail for ");
	struct sv reply = value(s, SV("lr=")), t = reply;
	if (r->kind != RECORD_DISCONNECT || !scan_lit(&t, said) || !scan_angle(&t, &r->recipient))
		return false;
	r->kind = RECORD_REJECT;
	r->session = (struct sv){ 0 };
	r->session_end = r->has_counts = false;
	r->bytes = RECORD_UNSET;
	r->reply = reply;
	return true;
}

/* The next recipient that was tried too often. */
static bool expired_next(struct sv s, struct record *r)
{
	if (r->kind != RECORD_DELIVERY || !r->reason.p || !r->recipient.p)
		return false;
	s = sv_skip(s, (size_t)(r->recipient.p + r->recipient.n - s.p));
	return next_named(&s, r);
}

/* "message … rcpts=1/0/1": recipients that no plugin granted were said to be granted, too. */
static bool counted(struct sv s, const struct head *h, struct record *r)
{
	struct sv ok = value(s, SV("rcpts="));
	r->session = h->transaction;
	r->granted = true;
	r->size = RECORD_UNSET;
	r->message_id = (struct sv){ 0 };
	number(ok, &r->nrcpt);
	return r->nrcpt != RECORD_UNSET;
}

/* A queue plugin took it, which says how: no line will tell of its deliveries. What Haraka delivers itself it calls "Message Queued". */
static bool handed_over(struct record *r)
{
	if (r->reply.n < 2 || r->reply.p[0] == ' ' || sv_starts(r->reply, SV("Message Queued")))
		return false;
	outcome(r, SV("sent"), r->reply);
	r->unnamed = true;
	r->session = (struct sv){ 0 };
	r->session_end = false;
	return true;
}

/* After "queued": the envelope that was asked for, and where it went. After an accepted recipient: the same for the message. */
static bool next(int n, const struct logline *l, struct record *r)
{
	struct head h;
	struct sv s = l->text;
	(void)n;
	if (!read_head(&s, &h))
		return false;
	if (r->kind == RECORD_ACCEPT) {
		r->kind = RECORD_ENVELOPE;
		r->session = h.transaction;
		r->session_end = true;
		r->asked = false;
		return true;
	}
	if (r->kind == RECORD_ENVELOPE)
		return handed_over(r);
	if (r->kind != RECORD_OTHER)
		return refused_last(s, r) || expired_next(s, r);
	if (sv_starts(s, SV("message ")) && h.transaction.n && !r->granted)
		return counted(s, &h, r);
	if (!r->asked || !r->recipient.p || !h.transaction.n)
		return false;
	r->asked = false;
	r->granted = true;
	r->session = h.transaction;
	queue_id(&h, r);
	return true;
}

/* "2026-11-24T10:00:00.000Z [NOTICE] [UUID.1] [core] …" */
static int native(struct native *n, struct sv line, struct logline *l)
{
	struct sv t = line;
	struct head h;
	if (line.n < 30 || line.p[10] != 'T' || !stamp_read(n->stamp, &t, &l->time_us, &l->utc_offset_s))
		return -1;
	l->program = SV("haraka");
	l->text = t;
	return read_head(&t, &h) ? 0 : -1;
}

static int program(struct sv p)
{
	return sv_eq(p, SV("haraka")) || sv_eq(p, SV("Haraka")) ? 0 : -1;
}

const struct mta mta_haraka = { .name = "haraka", .keeps_removed = true, .program = program, .native = native, .parse = parse, .next = next };
