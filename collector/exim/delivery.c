/* "=> a@b <c@d> R=router T=transport H=host [ip]:25 X=… C="250 …"", and the same with -> >> *> ** ==. */
#include "collector/exim/exim.h"

#include <ctype.h>

#include "lib/near.h"

/* The same after a command or a file, which may hold anything: behind the last "<a@b>" that stands before a field (P=<…> is one itself). */
static size_t command_end(struct sv s)
{
	static const struct sv fields[] = { SCAN_S("> R="), SCAN_S("> F=<"), SCAN_S("> SRS=<"), SCAN_S("> T=") };
	for (size_t i = s.n; i-- > 0;) {
		if (s.p[i] != '>' || !SCAN_ANY(sv_skip(s, i), fields))
			continue;
		ptrdiff_t lt = scan_rfind(sv_take(s, i), SV(" <"));
		if (lt > 0 && sv_chr(sv_make(s.p + lt + 2, i - (size_t)lt - 2), ' ') < 0)
			return i + 1;
	}
	return 0;
}

static char lower(char c)
{
	return (char)tolower((unsigned char)c);
}

/* Is that the quoted address, or its local part, as Exim writes it when it has become the final one: without the quotes, mostly in lower case? */
static bool unquoted_form(struct sv s, struct sv quoted)
{
	size_t k = 0, i = 1;
	for (; i < quoted.n && quoted.p[i] != '"'; i++, k++) {
		if (quoted.p[i] == '\\')
			i++;
		if (i >= quoted.n || k >= s.n || lower(s.p[k]) != lower(quoted.p[i]))
			return false;
	}
	struct sv at = sv_skip(quoted, i + 1), rest = sv_skip(s, k);
	for (k = 0; k < rest.n && k < at.n && lower(rest.p[k]) == lower(at.p[k]);)
		k++;
	return i < quoted.n && at.n > 1 && at.p[0] == '@' && k == rest.n && (!rest.n || rest.n == at.n);
}

/* At "a b@c <"a B"@c>", whose local part may hold what looks like fields: length of all that, with the address in *ret; 0: it is none. */
static size_t unquoted_end(struct sv s, struct sv *ret)
{
	ptrdiff_t lt = -1;
	for (ptrdiff_t next; s.n && s.p[0] != '"' && (next = sv_find(sv_skip(s, (size_t)(lt + 1)), SV(" <\""))) >= 0;) {
		lt += next + 1;
		struct sv t = sv_skip(s, (size_t)lt + 1);
		if (lt > 0 && scan_angle(&t, ret) && (!t.n || t.p[0] == ' ' || t.p[0] == ':') && unquoted_form(sv_take(s, (size_t)lt), *ret))
			return s.n - t.n;
	}
	return 0;
}

/* Where the addresses end: at the first field, or at the colon before an error. */
static size_t addresses_end(struct sv s)
{
	size_t command = s.n && (s.p[0] == '|' || s.p[0] == '/') ? command_end(s) : 0;
	if (command)
		return command;
	static const struct sv fields[] = {
		SCAN_S(" R="), SCAN_S(" T="), SCAN_S(" F=<"), SCAN_S(" P=<"), SCAN_S(" SRS=<"), SCAN_S(" defer ("), SCAN_S(" routing defer"), SCAN_S(" H="),
	};
	bool quoted = false, angle = false;
	ptrdiff_t special = s.n && s.p[0] == ':' ? sv_chr(sv_skip(s, 1), ':') : -2; /* ":blackhole: <a@b>" */
	for (size_t i = (size_t)(special + 2); i < s.n; i++) {
		char c = s.p[i];
		if (quoted && c == '\\')
			i++;
		else if (c == '"' && (quoted || !i || s.p[i - 1] == ' ' || s.p[i - 1] == '<'))
			quoted = !quoted;
		else if (!quoted && c == '<')
			angle = true;
		else if (!quoted && c == '>')
			angle = false;
		else if (!quoted && !angle && ((c == ':' && i + 1 < s.n && s.p[i + 1] == ' ' && i) || (c == ' ' && SCAN_ANY(sv_skip(s, i), fields))))
			return i;
	}
	return s.n;
}

/* Is it an address, and no mailbox, file, command or word? */
static bool is_address(struct sv a)
{
	return a.n && a.p[0] != '|' && a.p[0] != '/' && a.p[0] != ':' && a.p[0] != '>' && sv_chr(a, '@') >= 0;
}

/* "final (parent) <original>" */
static void addresses(struct sv s, struct record *r)
{
	struct sv original = { 0 }, final = s;
	if (s.n > 2 && s.p[s.n - 1] == '>') {
		ptrdiff_t lt = sv_find(s, SV(" <"));
		if (lt >= 0 && s.p[0] == '"') { /* the bracket after a quoted local part, not one in it */
			for (ptrdiff_t next; (next = sv_find(sv_skip(s, (size_t)lt + 2), SV(" <"))) >= 0 && !scan_balanced(sv_take(s, (size_t)lt));)
				lt += next + 2;
		} else if (lt >= 0 && (s.p[0] == '|' || s.p[0] == '/')) { /* commands and files may hold anything */
			for (ptrdiff_t next; (next = sv_find(sv_skip(s, (size_t)lt + 2), SV(" <"))) >= 0;)
				lt += next + 2;
		}
		if (lt >= 0) {
			original = sv_make(s.p + lt + 2, s.n - (size_t)lt - 3);
			final.n = (size_t)lt;
		}
	}
	r->piped = s.n && s.p[0] == '|';
	ptrdiff_t parent = r->piped ? -1 : sv_find(final, SV(" ("));
	if (parent > 0 && final.p[0] != '"')
		final.n = (size_t)parent;
	if (original.n && !is_address(final)) {
		r->recipient = original;
		return;
	}
	r->recipient = final;
	if (original.n && !sv_eq(original, final))
		r->orig_recipient = original;
}

/* After "SMTP error from remote mail server after RCPT TO:<…>": what the other side said. */
static bool remote_error(struct sv s, struct record *r)
{
	struct sv verb, skipped;
	struct exim_host h;
	if (!scan_lit(&s, SV("SMTP error from remote mail server after ")) && !scan_lit(&s, SV("SMTP error from remote mailer after ")) &&
	    !scan_lit(&s, SV("LMTP error after ")) && !scan_lit(&s, SV("LMTP error from remote mail server after ")))
		return false;
	ptrdiff_t lt = sv_chr(s, '<'), colon = sv_find(s, SV(": "));
	if (lt >= 0 && (colon < 0 || lt < colon)) { /* the command's address */
		s = sv_skip(s, (size_t)lt);
		if (!scan_angle(&s, &skipped))
			return false;
	}
	if (!scan_before(&s, SV(": "), &verb))
		return false;
	struct sv t = s; /* before 4.83 the host came here */
	if (scan_lit(&t, SV("host ")) && exim_host(&t, &h) && scan_lit(&t, SV(": "))) {
		exim_set_relay(r, &h);
		s = t;
	}
	scan_set_reply(r, s);
	return true;
}

/* " DT=1.2s", "DT=1m3s: ": how long it took (+deliver_time) is no part of what was said. */
static bool is_time(struct sv s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isdigit((unsigned char)s.p[i]) && !strchr(".dhmsw", s.p[i]))
			return false;
	return s.n > 1 && s.p[s.n - 1] == 's';
}

static struct sv without_time(struct sv s)
{
	struct sv time, t = s;
	ptrdiff_t last = scan_rfind(s, SV(" DT="));
	if (last >= 0 && is_time(sv_skip(s, (size_t)last + 4)))
		s.n = (size_t)last;
	if (scan_lit(&t, SV("DT=")) && scan_before(&t, SV(": "), &time) && is_time(time))
		s = sv_skip(s, (size_t)(t.p - s.p));
	return s;
}

static void set_error(struct sv s, struct record *r)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == ':'))
		s = sv_skip(s, 1);
	s = without_time(s);
	struct exim_host h;
	struct sv t = s, skipped;
	/* "Connection timed out H=host [ip]: SMTP timeout after …" */
	if (!r->relay_ip.p && scan_before(&t, SV(" H="), &skipped) && exim_host(&t, &h))
		exim_set_relay(r, &h);
	if (!remote_error(s, r) && s.n)
		scan_set_reply(r, s);
}

/* "(-44) H=host [ip]: text", "(113): Connection refused" */
static void deferred(struct sv s, struct record *r)
{
	struct exim_host h;
	struct sv code, t;
	if (!scan_until(&s, ')', &code))
		return;
	t = s;
	if (scan_lit(&t, SV(" H=")) && exim_host(&t, &h)) {
		struct record own;
		record_clear(&own);
		exim_set_relay(r, &h);
		(void)exim_extras(&t, &own); /* " I=[…]:25": from where we spoke */
		s = t;
	}
	set_error(s, r);
}

static void outcome(struct sv mark, struct record *r)
{
	r->kind = RECORD_DELIVERY;
	if (sv_eq(mark, SV("**")))
		r->status = sv_starts(r->reply, SV("retry timeout exceeded")) || sv_find(r->reply, SV(": retry timeout exceeded")) >= 0 ?
		            SV("expired") : SV("bounced");
	else
		r->status = sv_eq(mark, SV("==")) ? SV("deferred") : SV("sent");
	if (sv_eq(mark, SV("*>"))) /* exim -N: as if */
		r->kind = RECORD_OTHER;
}

void exim_set_transport(struct record *r, struct sv name)
{
	r->piped |= near_find(name.p, name.n, "pipe", 4) != NULL;
	r->local = !r->relay_host.p && !near_find(name.p, name.n, "smtp", 4);
}

bool exim_delivery(struct sv mark, struct sv s, struct record *r)
{
	struct exim_host h;
	struct exim_field f;
	if (sv_starts(s, SV("blackhole ("))) { /* an ACL threw all recipients away */
		r->kind = RECORD_POLICY;
		r->unnamed = true;
		r->status = SV("discard");
		r->reason = s;
		return true;
	}
	size_t end = unquoted_end(s, &r->recipient);
	if (!end) {
		end = addresses_end(s);
		addresses(sv_take(s, end), r);
	}
	if (!r->recipient.n)
		return false;
	s = sv_skip(s, end);
	while (s.n && s.p[0] == ' ') {
		struct sv t = s;
		if (scan_lit(&t, SV(" defer ")) || scan_lit(&t, SV(" routing defer "))) {
			deferred(t, r);
			break;
		}
		if (scan_lit(&t, SV(" H=")) && exim_host(&t, &h)) {
			exim_set_relay(r, &h);
			r->local = false;
			s = t;
			continue;
		}
		if (scan_lit(&t, SV(" : ")) || !exim_field(&s, &f))
			break;
		if (sv_eq(f.key, SV("T")) && f.value.p)
			exim_set_transport(r, f.value);
		else if (sv_eq(f.key, SV("X")) && f.value.p)
			exim_set_tls(r, f.value);
		else if (sv_eq(f.key, SV("C")) && f.value.p)
			scan_set_reply(r, f.value);
		if (f.value.n && f.value.p[f.value.n - 1] == ':' && !sv_eq(f.key, SV("C")))
			break;
	}
	if ((mark.p[0] == '*' || mark.p[0] == '=') && mark.p[1] != '>' && !r->reply.p)
		set_error(s, r);
	outcome(mark, r);
	return true;
}
