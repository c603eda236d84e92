/* What qmail-smtpd logs when it is patched to: CHKUSER, and the lines that s/qmail and SPAMCONTROL share. */
#include "collector/qmail/qmail.h"

/* "helo:host:203.0.113.5" */
static void chkuser_remote(struct sv remote, struct record *r)
{
	struct sv helo;
	ptrdiff_t c = sv_rchr(remote, ':');
	if (c >= 0)
		r->client_ip = scan_ip(sv_skip(remote, (size_t)c + 1));
	if (scan_until(&remote, ':', &helo) && helo.n)
		r->helo = helo;
}

/* "address:account:identity" */
static void chkuser_from(struct sv from, struct record *r)
{
	ptrdiff_t d = sv_rchr(from, ':');
	from = d >= 0 ? sv_take(from, (size_t)d) : from;
	d = sv_rchr(from, ':');
	r->sender = d >= 0 ? sv_take(from, (size_t)d) : from;
	if (d >= 0 && (size_t)d + 1 < from.n)
		r->account = sv_skip(from, (size_t)d + 1);
}

/* "rejected rcpt: from <a:user:> remote <helo:host:203.0.113.5> rcpt <x@isp.example> : not existing recipient" */
static void chkuser(struct sv s, struct record *r)
{
	static const struct sv refused[] = { SCAN_S("rejected "), SCAN_S("mbx overquota"), SCAN_S("intrusion "), SCAN_S("must auth"), SCAN_S("no auth resource") };
	struct sv from, remote, t;
	r->kind = SCAN_ANY(s, refused) ? RECORD_REJECT : RECORD_OTHER;
	if (!scan_before(&s, SV(": from <"), &t) || !scan_once(s, SV("> remote <")) || !scan_once(s, SV("> rcpt <")) ||
	    !scan_before(&s, SV("> remote <"), &from) || !scan_before(&s, SV("> rcpt <"), &remote))
		return;
	(void)scan_until(&s, '>', &r->recipient);
	(void)scan_lit(&s, SV(" : "));
	r->reason = s;
	chkuser_remote(remote, r);
	chkuser_from(from, r);
}

/* "203.0.113.9:host.example"; a host's name may hold a colon when its owner likes, so that of two possible addresses neither counts. */
static void client(struct sv s, struct record *r)
{
	ptrdiff_t colon = sv_chr(s, ':');
	if (colon < 0)
		return;
	r->client_ip = scan_ip(sv_take(s, (size_t)colon));
	if (!r->client_ip.p)
		r->client_ip = scan_ip(sv_take(s, (size_t)(colon = sv_rchr(s, ':'))));
	struct sv name = sv_skip(s, (size_t)colon + 1);
	if (r->client_ip.p && name.n && !sv_eq(name, SV("unknown")))
		r->client_name = name;
}

/* What stands in quotes at the end: who logged in (" ?~ 'ann'", older " ?= 'ann'"), or what was found (" '*'"). Cut off from *s. */
static struct sv quoted_end(struct sv *s, struct sv mark)
{
	ptrdiff_t at = scan_rfind(*s, mark);
	if (at < 0 || !sv_ends(*s, SV("'")) || (size_t)at + mark.n >= s->n)
		return (struct sv){ 0 };
	struct sv v = sv_make(s->p + at + mark.n, s->n - (size_t)at - mark.n - 1);
	*s = sv_take(*s, (size_t)at);
	return v;
}

/* "helo F:a@b.example T:c@d.example", or only the HELO. */
static void parties(struct sv s, struct record *r)
{
	struct sv helo, from;
	if (sv_find(s, SV(" F:")) < 0 && sv_find(s, SV(" T:")) < 0) {
		r->helo = s;
		return;
	}
	if (!scan_once(s, SV(" F:")) || !scan_once(s, SV(" T:")) || !scan_before(&s, SV(" F:"), &helo) || !scan_before(&s, SV(" T:"), &from))
		return;
	r->helo = helo;
	r->sender = from;
	r->recipient = s;
}

/* What became of it: "Accept::AUTH::plain", "Reject::SNDR::Invalid_Relay". */
static void verdict(struct sv what, struct sv who, struct record *r)
{
	bool accepted = scan_lit(&what, SV("Accept::"));
	if (!accepted)
		(void)scan_lit(&what, SV("Reject::"));
	r->kind = accepted ? RECORD_OTHER : RECORD_REJECT;
	r->reason = what;
	if (!scan_lit(&what, SV("AUTH::")) || !who.n || sv_eq(what, SV("Auth_Meth")))
		return;
	r->kind = accepted ? RECORD_AUTH_OK : RECORD_AUTH_FAIL;
	r->account = who;
	if (what.n)
		r->auth_method = what;
}

/* "Reject::SNDR::Invalid_Relay P:SMTP S:203.0.113.9:host H:helo F:a@b.example T:c@d.example" */
static bool session_line(struct sv s, struct record *r)
{
	struct sv what = scan_word(&s), protocol, peer;
	if ((!sv_starts(what, SV("Accept::")) && !sv_starts(what, SV("Reject::"))) || !scan_before(&s, SV(" P:"), &protocol) || protocol.n ||
	    !scan_before(&s, SV(" S:"), &protocol) || !scan_before(&s, SV(" H:"), &peer))
		return false;
	struct sv who = quoted_end(&s, SV(" ?~ '"));
	if (!who.p)
		who = quoted_end(&s, SV(" ?= '"));
	if (!who.p)
		(void)quoted_end(&s, SV(" '"));
	verdict(what, who, r);
	client(peer, r);
	parties(s, r);
	return true;
}

/* "AUTH failed [203.0.113.9] who", "AUTH successful [203.0.113.9] who": patched in by many. */
static bool auth_line(struct sv s, struct record *r)
{
	struct sv ip, t = s;
	bool good = scan_lit(&t, SV("AUTH successful ["));
	if ((!good && !scan_lit(&t, SV("AUTH failed ["))) || !scan_until(&t, ']', &ip) || !scan_char(&t, ' '))
		return false;
	r->client_ip = scan_ip(ip);
	if (!r->client_ip.p)
		return false;
	r->kind = good ? RECORD_AUTH_OK : RECORD_AUTH_FAIL;
	if (t.n)
		r->account = t;
	r->reason = sv_take(s, good ? 15 : 11);
	return true;
}

bool qmail_smtpd(struct sv s, struct record *r)
{
	struct sv t = s;
	int64_t pid;
	if (auth_line(s, r))
		return true;
	if (scan_lit(&t, SV("CHKUSER "))) {
		r->reason = s;
		chkuser(t, r);
		return true;
	}
	if (scan_lit(&t, SV("pid ")) && scan_int(&t, &pid) && scan_char(&t, ' ') && session_line(t, r))
		return true;
	r->kind = RECORD_OTHER;
	r->reason = s;
	return true;
}
