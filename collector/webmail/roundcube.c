/* Roundcube, as 1.6.5 wrote it: userlogins.log (log_logins), sendmail.log (smtp_log) and errors.log, each line after "<session> ".
 *
 * A user name is logged as it was typed, with its line ends, so it may begin a line that looks like any other; but Roundcube takes tags out
 * of it, and "<session>" is one: only lines that have it are believed. What stands behind the name is read from the right.
 *
 * A failed log-in is told twice, here and in errors.log, which knows nothing of successes: the first is the auth_fail, the second a warning.
 * A message that was handed over is told by the mail server, with its outcome; here it is a verdict that says who wrote it, from where and
 * under which queue id. */
#include "collector/webmail/webmail.h"

static bool is_of_session(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == ',' || c == '-';
}

static struct sv take_session(struct sv *s)
{
	size_t n = 0;
	while (n < s->n && n < 256 && is_of_session(s->p[n]))
		n++;
	struct sv name = sv_take(*s, n);
	*s = sv_skip(*s, n);
	return name;
}

bool webmail_roundcube_session(struct sv *text, struct sv *ret)
{
	struct sv t = *text;
	if (!scan_char(&t, '<'))
		return false;
	*ret = take_session(&t);
	if (!ret->n || !scan_lit(&t, SV("> ")))
		return false;
	*text = t;
	return true;
}

/* The same session, of which either place shows only the beginning. */
static bool same_session(struct sv a, struct sv b)
{
	return a.n && b.n && (a.n < b.n ? sv_starts(b, a) : sv_starts(a, b));
}

/* Takes " in session 8c57dnd2aogd3lqn" from the end of *s. */
static bool cut_session(struct sv *s, struct sv session)
{
	ptrdiff_t at = scan_rfind(*s, SV(" in session "));
	if (at < 0)
		return false;
	struct sv t = sv_skip(*s, (size_t)at + 12), name = take_session(&t);
	if (t.n || !(same_session(session, name) || sv_eq(name, SV("no-session"))))
		return false;
	*s = sv_take(*s, (size_t)at);
	return true;
}

/* "203.0.113.9", "10.0.0.1 (X-Real-IP: 203.0.113.9,X-Forwarded-For: 8.8.8.8, 203.0.113.9)": headers are shown whoever sent them. */
static struct sv client_of(struct sv s)
{
	static const struct sv real_key = SCAN_S("X-Real-IP: "), forwarded_key = SCAN_S("X-Forwarded-For: ");
	struct sv remote = s, real = { 0 }, forwarded = { 0 };
	ptrdiff_t open = sv_find(s, SV(" ("));
	if (open > 0 && s.p[s.n - 1] == ')') {
		remote = sv_take(s, (size_t)open);
		s = sv_make(s.p + open + 2, s.n - (size_t)open - 3);
		if (scan_lit(&s, real_key) && !scan_before(&s, SV(",X-Forwarded-For: "), &real))
			real = s;
		else if (real.p || scan_lit(&s, forwarded_key))
			forwarded = s;
	}
	return webmail_client(remote, real, forwarded);
}

/* "NAME (ID: 3) from ADDRESS": who logged in has an account's name; what is strange may follow, not come before. */
static bool logged_in(struct sv s, struct sv session, struct record *r)
{
	int64_t id;
	r->kind = RECORD_AUTH_OK;
	if (!cut_session(&s, session) || !scan_before(&s, SV(" (ID: "), &r->account) || !scan_int(&s, &id) || !scan_lit(&s, SV(") from ")))
		return false;
	r->client_ip = client_of(s);
	return true;
}

/* "NAME from ADDRESS": both may be a stranger's. Without headers the address is the last word; with them there must be one place where it can begin. */
static void who_and_where(struct sv s, struct record *r)
{
	ptrdiff_t at = scan_rfind(s, SV(" from "));
	if (at < 0 || (s.p[s.n - 1] == ')' && !scan_once(s, SV(" from "))))
		return;
	r->client_ip = client_of(sv_skip(s, (size_t)at + 6));
	if (r->client_ip.p)
		r->account = sv_take(s, (size_t)at);
}

/* "NAME from ADDRESS in session ID (error: 0)". 0: the server did not take the password; 4: too many tries. Else none was tried. */
static bool refused(struct sv s, struct sv session, struct record *r)
{
	int64_t error = -1;
	ptrdiff_t end = scan_rfind(s, SV(" (error: "));
	struct sv t = sv_skip(s, end < 0 ? s.n : (size_t)end + 9);
	if (end < 0 || (!scan_int(&t, &error) && t.n && t.p[0] != '-'))
		return false;
	s = sv_take(s, (size_t)end);
	if (!cut_session(&s, session))
		return false;
	r->kind = error == 0 || error == 4 ? RECORD_AUTH_FAIL : RECORD_WARNING;
	who_and_where(s, r);
	return true;
}

/* Recipients of the line at hand that were not told yet: stands from webmail_roundcube() to the last webmail_roundcube_next(). */
static _Thread_local struct sv waiting;

/* The address before the first ", " or "; " outside of quotes; *ret_last: it was no comma. */
static struct sv take_recipient(struct sv *s, bool *ret_last)
{
	bool quoted = false;
	size_t n = 0;
	for (; n < s->n && (quoted || (s->p[n] != ',' && s->p[n] != ';')); n++) {
		if (s->p[n] == '\\' && quoted && n + 1 < s->n)
			n++;
		else if (s->p[n] == '"')
			quoted = !quoted;
	}
	struct sv address = sv_take(*s, n);
	*ret_last = n >= s->n || s->p[n] != ',';
	*s = sv_skip(*s, n + 1);
	if (s->n && s->p[0] == ' ')
		*s = sv_skip(*s, 1);
	return address;
}

bool webmail_roundcube_next(struct record *r)
{
	bool last;
	if (!waiting.n)
		return false;
	r->recipient = take_recipient(&waiting, &last);
	return true;
}

/* "; 250: " before what the server answered: the last one, as no recipient follows it. *s ends before it. */
static struct sv cut_answer(struct sv *s)
{
	for (size_t end = s->n; end;) {
		ptrdiff_t at = scan_rfind(sv_take(*s, end), SV("; "));
		if (at < 0)
			break;
		struct sv t = sv_skip(*s, (size_t)at + 2), answer = t;
		int64_t code;
		if (scan_int(&t, &code) && answer.n - t.n == 3 && sv_starts(t, SV(":"))) {
			s->n = (size_t)at;
			return answer;
		}
		end = (size_t)at;
	}
	return (struct sv){ 0 };
}

/* "User NAME [ADDRESS]; Message <ID> for a@x, b@y; 250: 2.0.0 Ok: queued as ID". The address is one that Roundcube chose (proxy_whitelist), but may be any text. */
static bool handed_over(struct sv s, struct record *r)
{
	struct sv address, all = s;
	bool last = false;
	if (!scan_before(&s, SV(" ["), &r->account) || !scan_before(&s, SV("]; Message <"), &address) || !scan_until(&s, '>', &r->message_id) ||
	    !scan_lit(&s, SV(" for ")))
		return false;
	r->kind = RECORD_POLICY;
	r->status = SV("pass");
	if (!scan_once(all, SV("]; Message <"))) { /* written by a stranger, once */
		r->message_id = r->account = (struct sv){ 0 };
		return true;
	}
	r->client_ip = scan_ip(address);
	struct sv answer = cut_answer(&s), list = s;
	while (s.n && !last) {
		struct sv one = take_recipient(&s, &last);
		waiting = sv_make(list.p, (size_t)(one.p - list.p) + one.n);
	}
	(void)webmail_roundcube_next(r);
	s = answer.p ? answer : s;
	if (s.n)
		r->reply = s;
	r->child_queue_id = scan_queued_as(s);
	return true;
}

/* "IMAP Error: Login failed for NAME against HOST from ADDRESS. …", "SMTP Error: …", "PHP Error: …" */
static bool complaint(struct sv s, struct record *r)
{
	struct sv t = s, kind;
	if (!scan_before(&t, SV(" Error: "), &kind) || kind.n > 16 || sv_chr(kind, ' ') >= 0)
		return false;
	r->kind = RECORD_WARNING;
	r->reason = s;
	return true;
}

bool webmail_roundcube(struct sv text, struct record *r)
{
	struct sv session = { 0 }, s = text, said = text;
	bool ok = false;
	waiting = (struct sv){ 0 };
	if (webmail_roundcube_session(&s, &session)) {
		said = s;
		if (scan_lit(&s, SV("Successful login for ")))
			ok = logged_in(s, session, r);
		else if (scan_lit(&s, SV("Failed login for ")))
			ok = refused(s, session, r);
		else if (scan_lit(&s, SV("User ")))
			ok = handed_over(s, r);
		else
			ok = complaint(s, r);
	}
	if (ok)
		return true;
	r->kind = RECORD_OTHER; /* logs of plug-ins, debugging; the rest of a line that a stranger broke */
	r->account = r->message_id = (struct sv){ 0 };
	r->reason = said;
	return true;
}
