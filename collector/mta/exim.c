/* The Exim format: mainlog and rejectlog as Exim writes them, and the same lines through syslog. Queue ids are Exim's
 * message ids. A line says all about its event; nothing needs to be remembered from one to the next. */
#include "collector/exim/exim.h"

#include <ctype.h>

#include "lib/buf.h"

enum { SYSLOG_LINE, OWN_LINE, DUMP_LINE };

static int program(struct sv p)
{
	if (sv_eq(p, SV("exim")) || sv_eq(p, SV("exim4")) || sv_eq(p, SV("exim5")))
		return SYSLOG_LINE;
	return sv_starts(p, SV("exim-")) || sv_starts(p, SV("exim_")) || sv_starts(p, SV("exim4-")) ? SYSLOG_LINE : -1;
}

static bool digits(struct sv s, const char *form)
{
	size_t i = 0;
	for (; form[i]; i++)
		if (i >= s.n || (form[i] == '0' ? !isdigit((unsigned char)s.p[i]) : s.p[i] != form[i]))
			return false;
	return true;
}

/* " +0100" that log_timezone adds; minutes in *ret_minutes. */
static bool zone(struct sv *t, int32_t *ret_minutes)
{
	if (!t->n || (t->p[0] != '+' && t->p[0] != '-') || !digits(sv_skip(*t, 1), "0000 "))
		return false;
	int h = (t->p[1] - '0') * 10 + t->p[2] - '0', m = (t->p[3] - '0') * 10 + t->p[4] - '0';
	if (h > 14 || m > 59)
		return false;
	*ret_minutes = (t->p[0] == '-' ? -1 : 1) * (h * 60 + m);
	*t = sv_skip(*t, 6);
	return true;
}

/* "[1234] " of log_selector +pid. */
static bool pid(struct sv *t, int64_t *ret)
{
	struct sv p = *t;
	int64_t n;
	if (!scan_char(&p, '[') || !scan_int(&p, &n) || !scan_lit(&p, SV("] ")))
		return false;
	*ret = n;
	*t = p;
	return true;
}

/* What no other server's line begins with. */
static bool is_ours(struct sv s)
{
	static const struct sv begins[] = {
		SCAN_S("H="), SCAN_S("U="), SCAN_S("Start queue run: pid="), SCAN_S("End queue run: pid="), SCAN_S("cwd=/"), SCAN_S("SMTP connection from "),
		SCAN_S("SMTP call from "), SCAN_S("SMTP protocol "), SCAN_S("SMTP syntax error in "), SCAN_S("no host name found for IP address "),
		SCAN_S("no MAIL in SMTP connection from "), SCAN_S("no IP address found for host "), SCAN_S("unexpected disconnection while reading SMTP "),
		SCAN_S("TLS error on connection from "), SCAN_S("refused connection from "), SCAN_S("rejected EHLO from "), SCAN_S("rejected HELO from "),
		SCAN_S("rejected MAIL "), SCAN_S("too many recipients: "), SCAN_S("rejected from "), SCAN_S("SMTP command timeout on "), SCAN_S("SMTP data timeout "), SCAN_S("LOG: "),
		SCAN_S("Warning: No server certificate defined; "), /* the first line after many a start */
	};
	struct sv id, t = s, version;
	if (exim_id(&t, &id) || SCAN_ANY(s, begins))
		return true;
	if (scan_lit(&t, SV("exim ")) && scan_before(&t, SV(" daemon started: pid="), &version))
		return true;
	ptrdiff_t failed = sv_find(sv_take(s, 96), SV(" authenticator failed for "));
	return failed > 0 && sv_chr(sv_take(s, (size_t)failed), ' ') < 0;
}

/* The rejectlog shows a refused message's envelope and header under the line that says so, and a rule after it. Long texts go
 * on in the next line. None of them can look as if it had a stamp: each begins with Exim's own letter or with a space. */
static bool is_dump(struct sv s)
{
	if (!s.n || s.p[0] == ' ' || s.p[0] == '\t' || sv_starts(s, SV("--------")) || sv_starts(s, SV("Envelope-from: ")) || sv_starts(s, SV("Envelope-to: ")))
		return true;
	return s.n > 2 && (s.p[0] == '*' || isupper((unsigned char)s.p[0])) && s.p[1] == ' ' && sv_chr(sv_take(s, 128), ':') > 2;
}

static int native(struct native *n, struct sv line, struct logline *l)
{
	bool known = sv_eq(buf_sv(n->heading), SV("exim"));
	struct sv t = line;
	int32_t minutes;
	bool again = line.n > 19 && line.p[10] == ' ' && (stamp_is_memo(n->stamp, line, 19) || stamp_later_second(n->stamp, line.p, 19));
	if (!again && !digits(line, "0000-00-00 00:00:00"))
		return known && is_dump(line) ? DUMP_LINE : -1;
	struct stamp kept;
	if (!known)
		kept = *n->stamp;
	if (!stamp_read(n->stamp, &t, &l->time_us, &l->utc_offset_s))
		return -1;
	if (zone(&t, &minutes)) {
		l->time_us += (l->utc_offset_s - minutes * 60) * 1000000LL;
		l->utc_offset_s = minutes * 60;
	}
	if (t.n && t.p[0] == '[')
		(void)pid(&t, &l->pid);
	if (!known && !is_ours(t)) {
		*n->stamp = kept;
		return -1;
	}
	if (!known) {
		buf_clear(n->heading);
		buf_addsv(n->heading, SV("exim"));
	}
	l->program = SV("exim");
	l->text = t;
	return OWN_LINE;
}

/* In syslog: "[2/3] " before the parts of a long line, Exim's own stamp, "[pid] ". False: a later part. */
static bool unwrap(struct sv *s, struct record *r)
{
	struct sv t = *s;
	int64_t part, all;
	int32_t minutes;
	if (scan_char(&t, '[') && scan_int(&t, &part) && (scan_char(&t, '/') || scan_char(&t, '\\')) && scan_int(&t, &all) && scan_lit(&t, SV("] "))) {
		if (part != 1)
			return false;
		*s = t;
	}
	if (digits(*s, "0000-00-00 00:00:00")) {
		t = sv_skip(*s, 19);
		if (scan_char(&t, '.'))
			(void)scan_int(&t, &part);
		if (scan_char(&t, ' ')) {
			(void)zone(&t, &minutes);
			*s = t;
		}
	}
	(void)pid(s, &r->pid);
	return true;
}

/* "PRDR a@b why": of the message that comes, this recipient does not want it (RFC draft-hall-prdr). Who the client is the line of its arrival says. */
static bool unwanted(struct sv s, struct record *r)
{
	if (!scan_lit(&s, SV("PRDR ")) || sv_starts(s, SV("R=<"))) /* "R=<a@b> acceptance" */
		return false;
	r->recipient = exim_address(&s);
	if (sv_chr(r->recipient, '@') < 0)
		return false;
	r->kind = RECORD_REJECT;
	r->reason = SV("PRDR");
	r->put_off = true;
	if (scan_char(&s, ' ') && s.n)
		scan_set_reply(r, s);
	return true;
}

/* syslog_processname = anything */
static int renamed(struct sv text)
{
	struct record r;
	record_clear(&r);
	return unwrap(&text, &r) && is_ours(text) ? SYSLOG_LINE : -1;
}

/* What is said of a message whose id came first. */
static bool of_message(struct sv s, struct record *r)
{
	static const struct sv marks[] = { SCAN_S("=> "), SCAN_S("-> "), SCAN_S(">> "), SCAN_S("*> "), SCAN_S("** "), SCAN_S("== ") };
	static const struct sv gone[] = { SCAN_S("removed by "), SCAN_S("Removed by ") };
	struct sv t = s;
	if (scan_lit(&t, SV("<= ")) || scan_lit(&t, SV("(= "))) /* the client was told that it is refused (control = fakereject) */
		return exim_arrival(t, r);
	if (SCAN_ANY(s, marks))
		return exim_delivery(sv_take(s, 2), sv_skip(s, 3), r);
	r->kind = RECORD_REMOVE;
	r->round = SCAN_ANY(s, gone); /* today's Exim says "Completed" after it, those before did not */
	if (r->round || sv_eq(s, SV("Completed")) || sv_starts(s, SV("Completed ")))
		return true;
	r->kind = RECORD_EXPIRE;
	if (sv_starts(s, SV("cancelled by "))) /* -Mg, timeout_frozen_after: no recipient is named */
		return true;
	const struct record clean = *r;
	if (unwanted(s, r))
		return true;
	*r = clean;
	r->kind = RECORD_OTHER;
	if (exim_refusal(s, r))
		return true;
	*r = clean;
	if (exim_client(s, r))
		return true;
	*r = clean;
	r->kind = RECORD_OTHER; /* routers, filters and ACLs may say anything about a message */
	r->reason = s;
	return true;
}

static enum mta_result parse(int number, const struct logline *l, struct record *r)
{
	struct sv s = l->text;
	if (number == DUMP_LINE || (number == SYSLOG_LINE && !unwrap(&s, r)))
		return MTA_NOTHING;
	if (exim_id(&s, &r->queue_id))
		return of_message(s, r) ? MTA_RECORD : MTA_UNRECOGNISED;
	const struct record stated = *r;
	if (exim_refusal(s, r))
		return MTA_RECORD;
	*r = stated;
	if (exim_client(s, r))
		return MTA_RECORD;
	*r = stated;
	return exim_other(s, r) ? MTA_RECORD : MTA_UNRECOGNISED;
}

static enum mta_hot hot(int number, const struct logline *l, struct record *r)
{
	return number == DUMP_LINE ? HOT_NO : exim_hot(l, r); /* an id is neither syslog's "[2/3] " nor Exim's own stamp there */
}

const struct mta mta_exim = { .name = "exim", .twice = true, .program = program, .renamed = renamed, .native = native, .own_alike = true, .parse = parse, .hot = hot };
