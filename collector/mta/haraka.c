/* The Haraka format: "[NOTICE] [UUID.1] [plugin] words key=value …", with a stamp of its own before it or a syslog header. The connection
 * is a UUID, a message the UUID and a number; the queue id is the UUID's last twelve digits and that number, as the whole is too long to be
 * one. An outbound line does not name recipients: the message's last one stands for them. So an accepted recipient is remembered twice,
 * with the connection (for who queues it) and with the message (for who delivers it): two records. */
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
	if (!scan_char(&t, '[') || !scan_until(&t, ']', &h->level) || h->level.n > 9 || !scan_lit(&t, SV(" [")) || !scan_until(&t, ']', &id) ||
	    id.n > 64 || !scan_lit(&t, SV(" [")) || !scan_until(&t, ']', &h->plugin) || h->plugin.n > 64)
		return false;
	for (size_t i = 0; i < h->level.n; i++)
		if (h->level.p[i] < 'A' || h->level.p[i] > 'Z')
			return false;
	(void)scan_char(&t, ' ');
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
	if (!is_sender && sender.n)
		r->sender = sender;
	r->kind = refused(code) ? RECORD_REJECT : RECORD_OTHER;
	if (refused(code)) {
		r->status = code;
		set(&r->reply, msg);
	} else {
		r->asked = true;
	}
}

/* "delivered file=… domain=far.example host=mx.far.example ip=203.0.113.50 port=25 … response="250 ok" delay=1.2 fails=0 rcpts=1/0/0" */
static void outbound(struct sv s, const struct head *h, struct record *r)
{
	static const struct { struct sv text, status; } known[] = {
		{ SCAN_S("delivered "), SCAN_S("sent") }, { SCAN_S("temp_fail "), SCAN_S("deferred") }, { SCAN_S("bounce"), SCAN_S("bounced") },
		{ SCAN_S("Temporary failure "), SCAN_S("deferred") }, { SCAN_S("bounced "), SCAN_S("bounced") },
	};
	r->kind = RECORD_OTHER;
	r->reason = s;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (!sv_starts(s, known[i].text) || !value(s, SV("file=")).p)
			continue;
		r->kind = RECORD_DELIVERY;
		r->status = known[i].status;
		r->reason = (struct sv){ 0 };
		set(&r->relay_host, value(s, SV("host=")));
		r->relay_ip = scan_ip(value(s, SV("ip=")));
		number(value(s, SV("port=")), &r->relay_port);
		set(&r->reply, value(s, SV("response=")));
		if (!r->reply.p)
			set(&r->reply, value(s, SV("err=")));
		set(&r->delay, value(s, SV("delay=")));
		if (r->reply.n > 4)
			(void)scan_dsn(sv_skip(r->reply, 4), &r->dsn);
		r->session = h->transaction;
		return;
	}
}

/* Of an auth plugin: what it says of a user. */
static void auth(struct sv s, const struct head *h, struct record *r)
{
	bool ok = sv_find(s, SV("auth=pass")) >= 0 || sv_find(s, SV("authenticated")) >= 0 || sv_find(s, SV("success")) >= 0;
	bool no = sv_find(s, SV("auth=fail")) >= 0 || sv_find(s, SV("failed")) >= 0;
	r->kind = no ? RECORD_AUTH_FAIL : ok ? RECORD_AUTH_OK : RECORD_OTHER;
	set(&r->account, value(s, SV("user=")));
	set(&r->auth_method, value(s, SV("method=")));
	if (value(s, SV("ip=")).n)
		r->client_ip = scan_ip(value(s, SV("ip=")));
	r->session = h->uuid;
	r->reason = s;
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
			set(&r->reply, value(s, SV("msg=")));
		}
	} else if (scan_lit(&s, SV("queue "))) {
		struct sv code = value(s, SV("code="));
		r->kind = refused(code) ? RECORD_REJECT : sv_eq(code, SV("OK")) ? RECORD_ACCEPT : RECORD_OTHER;
		set(&r->reply, value(s, SV("msg=")));
		r->asked = r->kind != RECORD_OTHER;
		queue_id(h, r);
	} else if (scan_lit(&s, SV("hook=")) && sv_find(s, SV("retval=DENY")) >= 0) {
		r->kind = RECORD_OTHER; /* the command's own line says it, too */
		r->reason = s;
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

/* After "queued": the envelope that was asked for. After an accepted recipient: the same for the message's deliveries. */
static bool next(int n, const struct logline *l, struct record *r)
{
	struct head h;
	struct sv s = l->text;
	(void)n;
	if (r->kind == RECORD_ACCEPT) {
		r->kind = RECORD_ENVELOPE;
		return true;
	}
	if (r->kind != RECORD_OTHER || !r->asked || !r->recipient.p || !read_head(&s, &h) || !h.transaction.n)
		return false;
	r->asked = false;
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
