/* "from=…": a message came; "to=…": what became of recipients. */
#include "collector/sendmail/sendmail.h"

#include "lib/near.h"

#define KEY_MAX 16u

/* ", key=" and its value up to the next comma. */
static bool field(struct sv *s, struct sv *key, struct sv *value)
{
	if (s->n < 2 || s->p[0] != ',' || s->p[1] != ' ')
		return false;
	struct sv t = sv_skip(*s, 2);
	size_t n = near_first_of(t.p, t.n < KEY_MAX + 1 ? t.n : KEY_MAX + 1, '=', ' ', ' ');
	if (n > KEY_MAX || n == t.n || t.p[n] != '=')
		return false;
	*key = sv_take(t, n);
	t = sv_skip(t, n + 1);
	*value = sv_take(t, near_first_of(t.p, t.n, ',', ',', ','));
	*s = sv_skip(t, value->n);
	return true;
}

static void set_int(struct sv text, int64_t *ret)
{
	int64_t n;
	if (scan_int(&text, &n) && !text.n)
		*ret = n;
}

/* "web12@localhost" is a program of ours. */
void sendmail_set_origin(struct sv relay, struct record *r)
{
	struct sendmail_peer p;
	if (sendmail_peer_at_end(relay, &p)) {
		sendmail_set_client(r, &p);
		sendmail_session(r, true);
		r->session_asks = true; /* every line of it names the client */
		r->tells_client = r->client_ip.p && r->queue_id.p;
		return;
	}
	struct sv user, host = relay;
	if (scan_until(&host, '@', &user) && user.n && user.n <= 64 && sv_starts(host, SV("localhost")))
		r->local_user = user;
}

/* "proto=ESMTPSA" (RFC 3848) or "auth=PLAIN" among the fields between the message id and who gave us the message. */
bool sendmail_logged_in(struct sv s)
{
	struct sv key, value;
	bool yes = false;
	while (field(&s, &key, &value)) {
		if (key.n == 5 && memcmp(key.p, "proto", 5) == 0) /* the last: a message id may hold one, too */
			yes = value.n > 5 && memcmp(value.p, "ESMTP", 5) == 0 && value.p[value.n - 1] == 'A';
		else if (key.n == 4 && memcmp(key.p, "auth", 4) == 0)
			yes |= value.n > 0 && !sv_eq(value, SV("NONE"));
	}
	return yes;
}

/* Who gave us the message: the last field. */
static void relay_of(struct sv s, struct record *r)
{
	for (size_t end = s.n; end;) {
		ptrdiff_t comma = sv_rchr(sv_take(s, end), ',');
		if (comma < 0)
			return;
		if (sv_starts(sv_skip(s, (size_t)comma), SV(", relay="))) {
			sendmail_set_origin(sv_skip(s, (size_t)comma + 8), r);
			return;
		}
		end = (size_t)comma;
	}
}

#define SENDER_MAX 200u

static bool closed(struct sv *s, struct sv *ret)
{
	return s->p[0] == '<' ? sendmail_angle(s, ret) : sendmail_address(s, ret);
}

/* Of a longer one the line has so many bytes, with nothing that closes it. */
static void sender(struct sv *s, struct record *r)
{
	struct sv t = *s;
	ptrdiff_t size = t.n > SENDER_MAX ? sv_find(sv_skip(t, SENDER_MAX), SV(", size=")) : -1;
	if (size >= 0 && (!closed(&t, &r->sender) || (size_t)(t.p - s->p) > SENDER_MAX + (size_t)size)) {
		r->sender = sv_take(*s, SENDER_MAX + (size_t)size);
		(void)scan_char(&r->sender, '<');
		*s = sv_skip(*s, SENDER_MAX + (size_t)size);
	} else if (!sendmail_address(s, &r->sender)) {
		r->sender = sv_make(s->p, 0);
	}
}

bool sendmail_arrival(struct sv s, struct record *r)
{
	struct sv key, value, whole = s;
	if (!scan_lit(&s, SV("from=")))
		return false;
	sender(&s, r);
	if (s.n > 2 && s.p[0] == ',' && s.p[1] == ',') /* "from=x,, size=": the comma was typed */
		s = sv_skip(s, 1);
	while (field(&s, &key, &value)) {
		if (sv_eq(key, SV("size"))) {
			set_int(value, &r->size);
		} else if (sv_eq(key, SV("nrcpts"))) {
			set_int(value, &r->nrcpt);
		} else if (sv_eq(key, SV("msgid"))) {
			s = sv_make(value.p, (size_t)(s.p + s.n - value.p));
			if (!scan_angle(&s, &r->message_id)) {
				r->message_id = value;
				s = sv_skip(s, value.n);
			}
			r->logged_in = sendmail_logged_in(s);
			break;
		}
	}
	if (r->size == RECORD_UNSET && r->nrcpt == RECORD_UNSET)
		return false;
	relay_of(whole, r);
	/* No recipients: all were refused. Nothing of a message: the client gave up before it sent any (RSET). */
	bool none = r->nrcpt == 0 || (r->size == 0 && !r->message_id.p);
	r->kind = none ? RECORD_OTHER : RECORD_ACCEPT;
	return true;
}

/* "02:03:04" in seconds; -1: another form. */
static inline int64_t short_delay(struct sv v)
{
	int64_t part[3];
	if (v.n != 8 || v.p[2] != ':' || v.p[5] != ':')
		return -1;
	for (unsigned i = 0; i < 3; i++) {
		unsigned tens = (unsigned)(v.p[3 * i] - '0'), ones = (unsigned)(v.p[3 * i + 1] - '0');
		if (tens > 9 || ones > 9)
			return -1;
		part[i] = tens * 10 + ones;
	}
	return part[0] * 3600 + part[1] * 60 + part[2];
}

/* "1+02:03:04" in seconds. */
void sendmail_set_delay(struct sv v, struct record *r)
{
	static _Thread_local char text[24];
	int64_t days = 0, h, m, sec = short_delay(v);
	struct sv t = v;
	if (sec >= 0) {
		r->delay = scan_decimal(text, sizeof text, sec);
		return;
	}
	if (scan_int(&t, &days) && scan_char(&t, '+'))
		v = t;
	else
		days = 0;
	if (!scan_int(&v, &h) || !scan_char(&v, ':') || !scan_int(&v, &m) || !scan_char(&v, ':') || !scan_int(&v, &sec) || days > 99999 || h > 99 || m > 99 || sec > 99)
		return;
	r->delay = scan_decimal(text, sizeof text, days * 86400 + h * 3600 + m * 60 + sec);
}

void sendmail_set_mailer(struct sv v, struct record *r)
{
	static const struct sv remote[] = { SCAN_S("esmtp"), SCAN_S("smtp"), SCAN_S("relay"), SCAN_S("dsmtp"), SCAN_S("uucp"), SCAN_S("suucp") };
	r->piped = v.n == 4 && memcmp(v.p, "prog", 4) == 0;
	r->local = true;
	for (size_t i = 0; i < sizeof remote / sizeof *remote && r->local; i++)
		if ((v.n == remote[i].n || v.n == remote[i].n + 1) && v.p[0] == remote[i].p[0] && sv_starts(v, remote[i])) /* also "esmtp8" */
			r->local = false;
}

void sendmail_set_relay(struct sv v, struct record *r)
{
	struct sendmail_peer p;
	if (sendmail_peer(&v, &p)) {
		r->relay_host = p.name.n ? p.name : p.addr;
		r->relay_ip = scan_ip(p.addr);
	} else if (v.n && !r->local) { /* of a local address, what follows its "+" */
		if (v.p[v.n - 1] == '.')
			v.n--;
		r->relay_host = v;
	}
}

static bool stat_says(struct sv stat, struct sv what)
{
	return sv_starts(stat, what);
}

/* By Sendmail's own code where it says one: what the other side answered may pretend anything. */
bool sendmail_set_status(struct sv stat, struct record *r)
{
	static const struct sv passing[] = {
		SCAN_S("Deferred"), SCAN_S("Please try again later"), SCAN_S("Name server: "), SCAN_S("I/O error"), SCAN_S("Remote host is down"), SCAN_S("Operating system error"),
	};
	if (stat_says(stat, SV("queued")) && !(r->dsn.n && r->dsn.p[0] == '4')) /* else a name server did not answer */
		return false;
	if (near_find(stat.p, stat.n < 40 ? stat.n : 40, "Cannot send message", 19) || stat_says(stat, SV("Cannot send within")))
		r->status = SV("expired");
	else if (r->dsn.n)
		r->status = r->dsn.p[0] == '2' ? SV("sent") : r->dsn.p[0] == '4' ? SV("deferred") : SV("bounced");
	else if (stat_says(stat, SV("Sent")))
		r->status = SV("sent");
	else
		r->status = SCAN_ANY(stat, passing) ? SV("deferred") : SV("bounced");
	if (sv_eq(r->status, SV("sent"))) {
		struct sv reply = stat;
		if (scan_lit(&reply, SV("Sent (")) && reply.n && reply.p[reply.n - 1] == ')')
			r->reply = sv_take(reply, reply.n - 1);
	} else if (!r->reply.p) {
		(void)scan_lit(&stat, SV("Deferred: "));
		r->reply = stat;
	}
	return true;
}

/* "(1001/1001)" */
static void owner(struct sv s, struct record *r)
{
	int64_t uid, gid;
	if (scan_char(&s, '(') && scan_int(&s, &uid) && scan_char(&s, '/') && scan_int(&s, &gid) && scan_char(&s, ')'))
		r->uid = uid;
}

/* ", ctladdr=<a@b> (1001/1001)": for whom the mail is sent. */
void sendmail_control_address(struct sv *s, struct record *r)
{
	struct sv t = *s, a;
	if (!scan_lit(&t, SV(", ctladdr=")))
		return;
	bool angle = t.n && t.p[0] == '<';
	if (!sendmail_address(&t, &a))
		return;
	if (angle) {
		a = t;
		ptrdiff_t comma = sv_chr(t, ',');
		t = comma < 0 ? sv_skip(t, t.n) : sv_skip(t, (size_t)comma);
	}
	ptrdiff_t space = sv_rchr(sv_take(a, (size_t)(t.p - a.p)), ' ');
	if (space >= 0)
		owner(sv_skip(a, (size_t)space + 1), r);
	*s = t;
}

/* What came was not taken, and no other line with the message's id says so; or it was thrown away, and another line said why. */
static void not_kept(struct sv stat, struct record *r)
{
	static const struct sv refusals[] = { SCAN_S("Message exceeds maximum "), SCAN_S("Headers too large ") };
	if (sv_eq(stat, SV("discarded"))) {
		r->kind = RECORD_POLICY;
		r->killed = true;
	}
	if (!SCAN_ANY(stat, refusals))
		return;
	r->kind = RECORD_REJECT;
	r->killed = true;
	r->recipient = (struct sv){ 0 };
	r->reason = SV("DATA");
	r->reply = stat;
	sendmail_session(r, false);
}

#define UNCLOSED_MAX 8u /* Sendmail closes what it opens: a list of more is not its, and each costs a look at all that follows */

/* ",<b@y>,<c@z>" behind the first recipient, to be told by sendmail_next(). */
static bool other_recipients(struct sv *s)
{
	struct sv skipped;
	unsigned unclosed = 0;
	while (s->n > 1 && s->p[0] == ',' && s->p[1] != ' ') {
		*s = sv_skip(*s, 1);
		if (sendmail_angle(s, &skipped))
			continue;
		unclosed += s->p[0] == '<';
		if (unclosed > UNCLOSED_MAX || !sendmail_address(s, &skipped))
			return false;
	}
	return true;
}

bool sendmail_delivery(struct sv s, struct record *r)
{
	struct sv key, value, stat = { 0 };
	bool mailer = false;
	if (!scan_lit(&s, SV("to=")) || !sendmail_address(&s, &r->recipient) || !other_recipients(&s))
		return false;
	(void)scan_lit(&s, SV(", [more]")); /* a list that goes on in the next line */
	sendmail_control_address(&s, r);
	r->untried = true;
	while (!stat.p && field(&s, &key, &value)) {
		struct sv rest = sv_make(value.p, (size_t)(s.p + s.n - value.p));
		if (sv_eq(key, SV("stat"))) {
			stat = rest;
		} else if (sv_eq(key, SV("reply"))) {
			if (!scan_before(&rest, SV(", stat="), &r->reply))
				return false;
			stat = rest;
		} else if (sv_eq(key, SV("delay"))) {
			sendmail_set_delay(value, r);
		} else if (sv_eq(key, SV("xdelay"))) {
			r->untried = false;
		} else if (sv_eq(key, SV("mailer"))) {
			sendmail_set_mailer(value, r);
			mailer = true;
		} else if (sv_eq(key, SV("relay"))) {
			sendmail_set_relay(value, r);
		} else if (sv_eq(key, SV("dsn"))) {
			r->dsn = value;
		}
	}
	if (!stat.p)
		return false;
	r->kind = RECORD_DELIVERY;
	if ((mailer || r->dsn.p || sv_starts(stat, SV("Sent"))) && sendmail_set_status(stat, r))
		return true;
	r->kind = RECORD_OTHER; /* waits in the queue, or never was a message */
	r->reason = stat;
	if (!mailer)
		not_kept(stat, r);
	return true;
}

bool sendmail_next(const struct logline *l, struct record *r)
{
	if (r->kind != RECORD_DELIVERY || r->recipient.p < l->text.p || r->recipient.p > l->text.p + l->text.n)
		return false;
	struct sv s = sv_skip(l->text, (size_t)(r->recipient.p - l->text.p) + r->recipient.n);
	(void)scan_char(&s, '>');
	return scan_char(&s, ',') && s.n && s.p[0] != ' ' && sendmail_address(&s, &r->recipient);
}
