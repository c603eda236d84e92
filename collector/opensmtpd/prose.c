/* "smtp-in: New session 0123456789abcdef from host mail.example [192.0.2.1]": before 6.0; and what of it remained. */
#include "collector/opensmtpd/opensmtpd.h"

/* ", key=value" of prose; values are <…>, "…" or up to the comma. */
static bool field(struct sv *s, struct sv name, struct sv *value)
{
	struct sv t = *s;
	if (!scan_lit(&t, name))
		return false;
	if (!scan_angle(&t, value)) {
		if (t.n && t.p[0] == '<') /* cut */
			return false;
		bool quoted = scan_char(&t, '"');
		ptrdiff_t end = sv_chr(t, quoted ? '"' : ',');
		*value = end < 0 ? t : sv_take(t, (size_t)end);
		t = sv_skip(t, value->n + quoted);
	}
	(void)scan_lit(&t, SV(", "));
	*s = t;
	return true;
}

/* "New session SID from host NAME [ip]" */
static bool new_session(struct sv s, struct record *r)
{
	struct sv name, address;
	if (!opensmtpd_hex(&s, 16, &r->session) || !scan_lit(&s, SV(" from host ")))
		return false;
	ptrdiff_t open = sv_rchr(s, '[');
	if (open < 1 || s.p[s.n - 1] != ']')
		return false;
	name = sv_take(s, (size_t)open - 1);
	address = sv_make(s.p + open + 1, s.n - (size_t)open - 2);
	opensmtpd_client(r, address, name);
	r->kind = RECORD_CONNECT;
	return true;
}

/* "MSG on session SID: from=<a@b>, to=<c@d>, size=1, ndest=1, proto=ESMTP" */
static bool accepted(struct sv s, struct record *r)
{
	struct sv value;
	int64_t n;
	if (!opensmtpd_hex(&s, 8, &r->queue_id) || !scan_lit(&s, SV(" on session ")) || !opensmtpd_hex(&s, 16, &r->session) || !scan_lit(&s, SV(": ")) ||
	    !field(&s, SV("from="), &r->sender))
		return false;
	(void)field(&s, SV("to="), &r->recipient);
	if (field(&s, SV("size="), &value) && scan_int(&value, &n))
		r->size = n;
	if ((field(&s, SV("ndest="), &value) || field(&s, SV("nrcpts="), &value)) && scan_int(&value, &n))
		r->nrcpt = n;
	r->kind = RECORD_ACCEPT;
	return true;
}

/* "SID: "COMMAND" => reply" */
static bool failed_command(struct sv s, struct record *r)
{
	ptrdiff_t at = -1;
	if (!opensmtpd_hex(&s, 16, &r->session) || !scan_lit(&s, SV(": \"")))
		return false;
	for (ptrdiff_t next; (next = sv_find(sv_skip(s, (size_t)(at + 1)), SV("\" => "))) >= 0;)
		at += next + 1;
	if (at < 0)
		return false;
	struct sv result = sv_skip(s, (size_t)at + 5), dsn;
	opensmtpd_failed(sv_take(s, (size_t)at), result, r);
	if (!r->dsn.p && result.n > 5 && scan_until(&(struct sv){ result.p + 4, result.n - 4 }, ':', &dsn)) /* "421 4.3.0: Temporary Error" */
		(void)scan_dsn(dsn, &r->dsn);
	return true;
}

/* "user WHO on session SID" */
static bool login(struct sv s, enum record_kind kind, struct record *r)
{
	ptrdiff_t at = s.n > 28 ? (ptrdiff_t)s.n - 28 : -1;
	if (at < 0 || !sv_starts(sv_skip(s, (size_t)at), SV(" on session ")))
		return false;
	struct sv session = sv_skip(s, (size_t)at + 12);
	if (!opensmtpd_hex(&session, 16, &r->session))
		return false;
	r->account = sv_take(s, (size_t)at);
	r->kind = kind;
	return true;
}

static bool smtp_in(struct sv s, struct record *r)
{
	static const struct { struct sv text; enum record_kind kind; bool end; } on_session[] = {
#define B(t, k, e) { { (t), sizeof(t) - 1 }, RECORD_##k, e }
		B("Closing session ", DISCONNECT, true), B("Received disconnect from session ", DISCONNECT, true), B("Disconnecting session ", DISCONNECT, true),
		B("Started TLS on session ", OTHER, false), B("Bad input on session ", WARNING, false), B("Client certificate verification ", OTHER, false),
#undef B
	};
	if (scan_lit(&s, SV("New session ")))
		return new_session(s, r);
	if (scan_lit(&s, SV("Accepted message ")))
		return accepted(s, r);
	if (scan_lit(&s, SV("Failed command on session ")))
		return failed_command(s, r);
	if (scan_lit(&s, SV("Accepted authentication for user ")))
		return login(s, RECORD_AUTH_OK, r);
	if (scan_lit(&s, SV("Authentication failed for user ")))
		return login(s, RECORD_WARNING, r); /* the failed command is told, too */
	for (size_t i = 0; i < sizeof on_session / sizeof *on_session; i++) {
		struct sv t = s;
		if (!scan_lit(&t, on_session[i].text))
			continue;
		if (opensmtpd_hex(&t, 16, &r->session))
			r->session_end = on_session[i].end;
		(void)scan_lit(&t, SV(": "));
		r->kind = on_session[i].kind;
		r->reason = t.n ? t : sv_take(s, on_session[i].text.n - 1);
		return true;
	}
	return false;
}

/* "Ok for EVPID: session=…, from=<>, to=<>, rcpt=<>, source=…, relay=…, delay=…, stat=…" */
static bool outcome(struct sv s, bool local, struct record *r)
{
	struct sv result, id, value;
	if (!scan_before(&s, SV(" for "), &result) || result.n > 12 || !scan_until(&s, ':', &id) || !opensmtpd_envelope(id, r) || !opensmtpd_status(result, r))
		return false;
	(void)scan_char(&s, ' ');
	(void)field(&s, SV("session="), &value);
	if (!field(&s, SV("from="), &r->sender) || !field(&s, SV("to="), &r->recipient))
		return false;
	if (sv_eq(r->sender, SV("@"))) /* the queue's own lines write <> so */
		r->sender.n = 0;
	if (field(&s, SV("rcpt="), &value) && value.n && !sv_eq(value, SV("-")))
		r->orig_recipient = value;
	(void)field(&s, SV("user="), &value);
	(void)field(&s, SV("method="), &value);
	(void)field(&s, SV("source="), &value);
	if (field(&s, SV("relay="), &value))
		opensmtpd_relay(r, value);
	if (field(&s, SV("delay="), &value))
		opensmtpd_delay(r, value);
	if (scan_lit(&s, SV("stat=")) && s.n)
		scan_set_reply(r, s);
	r->local = local;
	return true;
}

/* "rspamd: cannot connect": what a filter says, by the name that the configuration gives it ("<dynproc:00000001>" when none). */
static bool filters_own(struct sv s)
{
	size_t i = 0;
	while (i < s.n && i < 64 && s.p[i] > ' ' && (s.p[i] != ':' || i + 1 == s.n || s.p[i + 1] != ' '))
		i++;
	return i && i < s.n && s.p[i] == ':' && ((s.p[0] >= 'a' && s.p[0] <= 'z') || s.p[0] == '<') && !sv_starts(s, SV("smtp-in: "));
}

bool opensmtpd_prose(struct sv s, struct record *r)
{
	static const struct sv begins[] = {
		SCAN_S("info: "), SCAN_S("debug: "), SCAN_S("smtp-out: "), SCAN_S("queue"), SCAN_S("scheduler"), SCAN_S("mta: "), SCAN_S("mda: "), SCAN_S("bounce"),
		SCAN_S("filter"), SCAN_S("control: "), SCAN_S("lka: "), SCAN_S("pony: "), SCAN_S("startup"), SCAN_S("setup_"), SCAN_S("rsa_"), SCAN_S("ca: "),
		SCAN_S("table"), SCAN_S("route"), SCAN_S("smtpd: "), SCAN_S("enqueue"), SCAN_S("exiting"), SCAN_S("Exiting"), SCAN_S("terminat"), SCAN_S("kernel"), SCAN_S("parent"), SCAN_S("klondike"), SCAN_S("lost child: "),
		SCAN_S("dispatcher"), SCAN_S("crypto"), SCAN_S("lookup"), SCAN_S("ssl_"), SCAN_S("dns"), SCAN_S("delivery"), SCAN_S("relay"), SCAN_S("smtp: "),
		/* of traces (-T) */
		SCAN_S("mproc: "), SCAN_S("imsg: "), SCAN_S("ramstat: "), SCAN_S("<<< ["), SCAN_S(">>> "), SCAN_S("expand: "), SCAN_S("TABLE "), SCAN_S("rule #"), SCAN_S("no rule matched"),
		SCAN_S("#011"), SCAN_S("\t"),
	};
	static const struct sv bad[] = { SCAN_S("warn: "), SCAN_S("fatal: "), SCAN_S("crit: "), SCAN_S("err: "), SCAN_S("error: "), SCAN_S("warn"), SCAN_S("fatal") };
	const struct record clean = *r;
	struct sv t = s;
	if (scan_lit(&t, SV("smtp-in: ")))
		return smtp_in(t, r);
	if ((scan_lit(&t, SV("delivery: ")) && outcome(t, true, r)) || (t = s, scan_lit(&t, SV("relay: ")) && outcome(t, false, r)))
		return true;
	*r = clean;
	r->kind = SCAN_ANY(s, bad) ? RECORD_WARNING : RECORD_OTHER;
	r->reason = s;
	return r->kind == RECORD_WARNING || SCAN_ANY(s, begins) || filters_own(s);
}
