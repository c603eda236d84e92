/* Horde with IMP, by syslog (recorded of 5.2.23 with IMP 6.2.27; NOTICE is what it logs unless told otherwise):
 *   "[horde] Login success for ann@isp.example to horde (203.0.113.9) [pid 7 on line 156 of "…"]"
 *   "[imp] Login success for ann@isp.example (10.0.0.1) (forwarded for [8.8.8.8, 203.0.113.9]) to {imap://localhost/} [pid 7 on line 148 of "…"]"
 *   "[horde] FAILED LOGIN for ann to horde (203.0.113.9) [pid 7 on line 191 of "…"]"
 * Horde tells a log-in at once, IMP with the first page of mail, which who only tries passwords never asks for; but IMP knows what a proxy said.
 * So where no proxy asked, Horde's line counts, else IMP's, and always where the mailbox has another name. The failure is Horde's, as IMP's is INFO.
 * Whoever fails may write any name, and anybody any X-Forwarded-For. A name's line ends make lines of their own, in its own file and
 * in syslog, too, unless PHP's syslog.filter is "raw": nothing in them shows that they are forged. */
#include "collector/webmail/webmail.h"

#define FORWARDED SV(" (forwarded for [")

/* Bytes of a name (an address has at most 320) or list. Syslog cuts lines, from 1,024 bytes on: what stands behind a longer one may belong to it. */
enum { LONGEST = 512 };

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

/* " (forwarded for [8.8.8.8, 203.0.113.9]) to {imap://localhost/}", the first part may lack. False: before it stands more of a name. */
static bool take_forwarded(struct sv s, struct sv *ret)
{
	ptrdiff_t end = scan_rfind(s, SV("]) to {"));
	if (scan_lit(&s, FORWARDED)) {
		if (end < (ptrdiff_t)FORWARDED.n)
			return false;
		struct sv list = sv_take(s, (size_t)end - FORWARDED.n);
		s = sv_skip(s, list.n + 2);
		if (list.n <= LONGEST)
			*ret = list;
	}
	return sv_starts(s, SV(" to {")) && sv_ends(s, SV("}")) && sv_find(s, SV(" (")) < 0;
}

static bool is_told_by_horde(struct sv remote)
{
	struct sv ip = scan_ip(remote);
	return ip.p && !webmail_is_inside(ip);
}

static void tell(enum record_kind kind, struct sv account, struct sv ip, struct record *r)
{
	r->kind = kind;
	r->reason = (struct sv){ 0 };
	r->client_ip = ip;
	if (account.n)
		r->account = account;
}

/* "ann (Horde user a) (10.0.0.1) (forwarded for [8.8.8.8, 203.0.113.9]) to {imap://localhost/}": who is logged in has an account's name. */
static void mailbox_opened(struct sv s, struct record *r)
{
	struct sv user, horde_user = { 0 }, remote, forwarded = { 0 };
	if (!scan_before(&s, SV(" ("), &user) || (scan_lit(&s, SV("Horde user ")) && !scan_before(&s, SV(") ("), &horde_user)))
		return;
	if (!scan_until(&s, ')', &remote))
		return;
	if (take_forwarded(s, &forwarded) && (horde_user.p || !is_told_by_horde(remote)))
		tell(RECORD_AUTH_OK, user, webmail_client(remote, (struct sv){ 0 }, forwarded), r);
}

/* "ann to horde (203.0.113.9)": the address that asked; of a proxy's headers nothing is said here. */
static bool take_asker(struct sv s, struct sv *ret_user, struct sv *ret_remote)
{
	ptrdiff_t open = scan_rfind(s, SV(" ("));
	if (open < 0 || !sv_ends(s, SV(")")))
		return false;
	ptrdiff_t to = scan_rfind(sv_take(s, (size_t)open), SV(" to "));
	if (to < 0)
		return false;
	*ret_user = sv_take(s, (size_t)to);
	*ret_remote = sv_make(s.p + open + 2, s.n - (size_t)open - 3);
	return true;
}

static void horde_says(struct sv s, bool success, struct record *r)
{
	struct sv user, remote;
	if (!take_asker(s, &user, &remote) || user.n > LONGEST)
		return;
	if (!success)
		tell(RECORD_AUTH_FAIL, user, scan_ip(remote), r);
	else if (is_told_by_horde(remote))
		tell(RECORD_AUTH_OK, user, scan_ip(remote), r);
}

bool webmail_is_horde(struct sv text)
{
	return (sv_starts(text, SV("[imp] ")) || sv_starts(text, SV("[horde] "))) && cut_place(&text);
}

bool webmail_horde(struct sv text, struct record *r)
{
	struct sv s = text, app = { 0 };
	if ((scan_char(&s, '[') && !scan_before(&s, SV("] "), &app)) || !cut_place(&s))
		return false;
	r->reason = s;
	bool success = scan_lit(&s, SV("Login success for ")), failure = !success && scan_lit(&s, SV("FAILED LOGIN for "));
	r->kind = failure ? RECORD_WARNING : RECORD_OTHER;
	if (sv_eq(app, SV("horde")) && (success || failure))
		horde_says(s, success, r);
	else if (sv_eq(app, SV("imp")) && success)
		mailbox_opened(s, r);
	return true;
}
