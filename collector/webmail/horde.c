/* Horde with IMP, by syslog (forms of 5.2 and IMP 6.2; NOTICE is what it logs unless told otherwise):
 *   "[imp] Login success for ann@isp.example (10.0.0.1) (forwarded for [8.8.8.8, 203.0.113.9]) to {imap://localhost/} [pid 7 on line 146 of "…"]"
 *   "[horde] FAILED LOGIN for ann to horde (203.0.113.9) [pid 7 on line 198 of "…"]"
 * One log-in is told by both: the success of IMP counts, whose name is the mailbox's, and the failure of Horde, as IMP's is not logged at that level.
 * Whoever fails may write any name, and anybody any X-Forwarded-For. Its own file is not read: there a name may hold line ends. */
#include "collector/webmail/webmail.h"

#define FORWARDED SV(" (forwarded for [")

/* " [pid 7 on line 146 of "…"]" at the end, which is cut off. */
static bool cut_place(struct sv *s)
{
	int64_t pid, line;
	ptrdiff_t at = scan_rfind(*s, SV(" [pid "));
	struct sv t = sv_skip(*s, at < 0 ? s->n : (size_t)at + 6);
	if (at < 0 || !scan_int(&t, &pid) || !scan_lit(&t, SV(" on line ")) || !scan_int(&t, &line) || !scan_lit(&t, SV(" of \"")) || !sv_ends(t, SV("\"]")))
		return false;
	s->n = (size_t)at;
	return true;
}

/* "ann (Horde user a) (10.0.0.1) (forwarded for [8.8.8.8, 203.0.113.9]) to {imap://localhost/}": who is logged in has an account's name. */
static void logged_in(struct sv s, struct record *r)
{
	struct sv user, horde_user, remote, forwarded = { 0 };
	if (!scan_before(&s, SV(" ("), &user) || (scan_lit(&s, SV("Horde user ")) && !scan_before(&s, SV(") ("), &horde_user)) || !scan_until(&s, ')', &remote))
		return;
	ptrdiff_t end = scan_rfind(s, SV("]) to {"));
	if (scan_lit(&s, FORWARDED) && end >= (ptrdiff_t)FORWARDED.n)
		forwarded = sv_take(s, (size_t)end - FORWARDED.n);
	r->kind = RECORD_AUTH_OK;
	r->reason = (struct sv){ 0 };
	r->account = user;
	r->client_ip = webmail_client(remote, (struct sv){ 0 }, forwarded);
}

/* "ann to horde (203.0.113.9)": the address that asked; of a proxy's headers nothing is said here. */
static void failed(struct sv s, struct record *r)
{
	ptrdiff_t open = scan_rfind(s, SV(" ("));
	if (open < 0 || !sv_ends(s, SV(")")))
		return;
	ptrdiff_t to = scan_rfind(sv_take(s, (size_t)open), SV(" to "));
	if (to < 0)
		return;
	r->kind = RECORD_AUTH_FAIL;
	r->reason = (struct sv){ 0 };
	r->client_ip = scan_ip(sv_make(s.p + open + 2, s.n - (size_t)open - 3));
	r->account = sv_take(s, (size_t)to);
}

bool webmail_is_horde(struct sv text)
{
	return (sv_starts(text, SV("[imp] ")) || sv_starts(text, SV("[horde] "))) && cut_place(&text);
}

bool webmail_horde(struct sv text, struct record *r)
{
	struct sv s = text, app;
	if (!scan_char(&s, '[') || !scan_before(&s, SV("] "), &app) || !cut_place(&s))
		return false;
	r->kind = RECORD_OTHER;
	r->reason = s;
	if (scan_lit(&s, SV("Login success for ")) && sv_eq(app, SV("imp")))
		logged_in(s, r);
	else if (scan_lit(&s, SV("FAILED LOGIN for "))) {
		r->kind = RECORD_WARNING;
		if (sv_eq(app, SV("horde")))
			failed(s, r);
	}
	return true;
}
