/* Greylisting and policy services: postgrey, sqlgrey, milter-greylist, policyd and cbpolicyd, postfwd, spamdyke. */
#include "collector/filter/filter.h"

static struct sv action_status(struct sv action)
{
	static const struct { struct sv action, status; } known[] = {
		{ SCAN_S("greylist"), SCAN_S("greylist") }, { SCAN_S("pass"), SCAN_S("pass") }, { SCAN_S("dunno"), SCAN_S("pass") },
		{ SCAN_S("DUNNO"), SCAN_S("pass") }, { SCAN_S("OK"), SCAN_S("pass") }, { SCAN_S("accept"), SCAN_S("pass") },
		{ SCAN_S("permit"), SCAN_S("pass") }, { SCAN_S("PERMIT"), SCAN_S("pass") }, { SCAN_S("reject"), SCAN_S("reject") },
		{ SCAN_S("REJECT"), SCAN_S("reject") }, { SCAN_S("5"), SCAN_S("reject") }, { SCAN_S("DEFER"), SCAN_S("defer") },
		{ SCAN_S("defer"), SCAN_S("defer") }, { SCAN_S("4"), SCAN_S("defer") }, { SCAN_S("discard"), SCAN_S("discard") },
		{ SCAN_S("DISCARD"), SCAN_S("discard") }, { SCAN_S("hold"), SCAN_S("hold") }, { SCAN_S("HOLD"), SCAN_S("hold") },
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (sv_starts(action, known[i].action))
			return known[i].status;
	return action;
}

/* "Q: action=greylist, reason=new, client_name=h, client_address=192.0.2.1/32, sender=a, recipient=b". Addresses come last; an empty sender is
 * left out. */
void filter_postgrey(struct sv s, struct record *r)
{
	filter_queue_id(&s, r);
	if (!sv_starts(s, SV("action=")))
		return;
	r->status = action_status(filter_value(s, SV("action="), SV(", ")));
	struct sv t = s, skipped, name = filter_value(s, SV(", client_name="), SV(", "));
	if (name.n && !sv_eq(name, SV("unknown")))
		r->client_name = name;
	if (!scan_before(&t, SV(", client_address="), &skipped))
		return;
	filter_client(scan_word(&t), r);
	ptrdiff_t to = scan_rfind(t, SV(", recipient="));
	if (to >= 0)
		filter_set(&r->recipient, sv_skip(t, (size_t)to + 12));
	if (scan_lit(&t, SV(", sender=")))
		r->sender = filter_unbracket(to >= 9 ? sv_take(t, (size_t)to - 9) : t);
	else if (!to)
		r->sender = SV("");
}

/* "grey: new: 192.0.2.1(192.0.2.1), a@b.example -> c@d.example", "grey: reconnect ok: …, a -> c (00:05:12)" */
void filter_sqlgrey(struct sv s, struct record *r)
{
	static const struct { struct sv text, status; } known[] = {
		{ SCAN_S("new: "), SCAN_S("greylist") }, { SCAN_S("early reconnect: "), SCAN_S("greylist") }, { SCAN_S("throttling: "), SCAN_S("greylist") },
		{ SCAN_S("reconnect ok: "), SCAN_S("pass") },
	};
	struct sv ip;
	if (!scan_lit(&s, SV("grey: ")))
		return;
	for (size_t i = 0; i < sizeof known / sizeof *known && !r->status.p; i++)
		if (scan_lit(&s, known[i].text))
			r->status = known[i].status;
	ptrdiff_t open = sv_chr(s, '(');
	if (!r->status.p || open < 0)
		return;
	struct sv t = sv_skip(s, (size_t)open + 1);
	if (!scan_until(&t, ')', &ip) || !scan_lit(&t, SV(", ")))
		return;
	r->client_ip = scan_ip(ip);
	ptrdiff_t arrow = scan_rfind(t, SV(" -> "));
	if (arrow < 0)
		return;
	filter_set(&r->sender, sv_take(t, (size_t)arrow));
	if (sv_eq(r->sender, SV("-undef-@-undef-"))) /* how it writes an empty one */
		r->sender = SV("");
	t = sv_skip(t, (size_t)arrow + 4);
	r->recipient = scan_word(&t);
}

/* "Q: addr h[192.0.2.1] from <a> to <b> delayed for 00:05:00 (ACL 9)", "Q: skipping greylist because …, (from=<a>, rcpt=<b>,
 * addr=h[192.0.2.1]) ACL 4" */
void filter_milter_greylist(struct sv s, struct record *r)
{
	struct sv t, skipped;
	(void)scan_lit(&s, SV("(unknown id): "));
	filter_queue_id(&s, r);
	if (scan_lit(&s, SV("addr "))) {
		filter_client(scan_word(&s), r);
		if (!scan_lit(&s, SV(" from ")) || !scan_angle(&s, &r->sender) || !scan_lit(&s, SV(" to ")) || !scan_angle(&s, &r->recipient))
			return;
		r->status = sv_starts(s, SV(" delayed")) ? SV("greylist") : filter_has(s, SV("blacklisted")) ? SV("reject") : (struct sv){ 0 };
		return;
	}
	if (!sv_starts(s, SV("skipping greylist")))
		return;
	r->status = SV("pass");
	t = s;
	if (scan_before(&t, SV("(from="), &skipped) && scan_angle(&t, &r->sender) && scan_lit(&t, SV(", rcpt=")) && scan_angle(&t, &r->recipient) &&
	    scan_lit(&t, SV(", addr=")))
		filter_client(scan_word(&t), r);
}

/* cbpolicyd: "module=Quotas, mode=update, host=192.0.2.1, helo=h, from=a, to=b, reason=quota_match, …", "module=AccessControl,
 * action=reject, …"; policyd: "rcpt=1, greylist=new, host=192.0.2.1 (h), from=a, to=b, size=1" */
void filter_policyd(struct sv s, struct record *r)
{
	static const struct { struct sv text, status; } reasons[] = {
		{ SCAN_S("quota_exceeded"), SCAN_S("defer") }, { SCAN_S("quota_match"), SCAN_S("pass") }, { SCAN_S("quota_update"), SCAN_S("pass") },
	};
	struct sv t = s, skipped;
	if (scan_before(&t, SV("[CBPOLICYD] "), &skipped))
		s = t;
	ptrdiff_t begin = sv_find(s, SV("module="));
	bool module = begin >= 0;
	if (!module && !sv_starts(s, SV("rcpt=")))
		return;
	s = module ? sv_skip(s, (size_t)begin) : s;
	struct sv action = filter_value(s, SV(", action="), SV(",")), grey = filter_value(s, SV(", greylist="), SV(","));
	struct sv host = filter_value(s, SV(", host="), SV(",")), reason = filter_value(s, SV(", reason="), SV(","));
	r->status = action.n ? action_status(action) : sv_eq(grey, SV("new")) || sv_eq(grey, SV("abuse")) ? SV("greylist") : grey.n ? SV("pass") : (struct sv){ 0 };
	for (size_t i = 0; !r->status.p && i < sizeof reasons / sizeof *reasons; i++)
		if (sv_eq(reason, reasons[i].text))
			r->status = reasons[i].status;
	filter_client(scan_word(&host), r);
	filter_set(&r->helo, filter_value(s, SV(", helo="), SV(", ")));
	filter_set(&r->sender, filter_value(s, SV(", from="), SV(", to=")));
	filter_set(&r->recipient, filter_value(s, SV(", to="), module ? SV(", reason=") : SV(", size=")));
}

/* "[RULES] rule=12, id=RBL, client=h[192.0.2.1], sender=<a>, recipient=<b>, helo=<h>, …, action=REJECT …" */
void filter_postfwd(struct sv s, struct record *r)
{
	struct sv t = s, skipped, action;
	if (!filter_has(sv_take(s, 32), SV("rule=")))
		return;
	ptrdiff_t at = scan_rfind(s, SV(", action="));
	if (at < 0 || !scan_before(&t, SV(", client="), &skipped))
		return;
	action = sv_skip(s, (size_t)at + 9);
	r->status = action_status(action);
	if (sv_eq(r->status, action))
		r->status = SV("other");
	if (action.n > 4 && (action.p[0] == '4' || action.p[0] == '5'))
		scan_set_reply(r, action);
	filter_client(scan_word(&t), r);
	if (scan_lit(&t, SV(", sender=")) && scan_angle(&t, &r->sender) && scan_lit(&t, SV(", recipient=")) && scan_angle(&t, &r->recipient) &&
	    scan_lit(&t, SV(", helo=")))
		(void)scan_angle(&t, &r->helo);
}

/* Programs whose lines we only know in outline (greylistd, DCC's): what names a verdict in so many words. */
void filter_generic(struct sv s, struct record *r)
{
	filter_queue_id(&s, r);
	if (filter_has(s, SV("greylisted")))
		r->status = SV("greylist");
	else if (sv_starts(s, SV("rejected ")) || sv_starts(s, SV("reject ")))
		r->status = SV("reject");
}

/* "DENIED_RBL_MATCH from: a@b.example to: c@d.example origin_ip: 192.0.2.1 origin_rdns: host auth: who encryption: TLS reason: text";
 * what is absent is written in brackets: "(unknown)". The addresses are strangers' texts, and what comes after them is not theirs. */
void filter_spamdyke(struct sv s, struct record *r)
{
	struct sv what, t = s;
	ptrdiff_t ip = scan_rfind(s, SV(" origin_ip: ")), to = sv_find(s, SV(" to: "));
	if (!scan_before(&t, SV(" from: "), &what) || ip < 0 || to < t.p - s.p || to + 5 > ip) /* the two may share a space */
		return;
	if (sv_starts(what, SV("DENIED_GRAYLISTED")))
		r->status = SV("greylist");
	else if (sv_starts(what, SV("DENIED_")))
		r->status = SV("reject");
	else if (sv_starts(what, SV("ALLOWED")))
		r->status = SV("pass");
	else
		return;
	struct sv after = sv_skip(s, (size_t)ip);
	r->client_ip = scan_ip(filter_value(after, SV("origin_ip: "), SV(" ")));
	struct sv name = filter_value(after, SV(" origin_rdns: "), SV(" ")), account = filter_value(after, SV(" auth: "), SV(" "));
	if (name.n && name.p[0] != '(')
		r->client_name = name;
	if (account.n && account.p[0] != '(')
		r->account = account;
	struct sv sender = sv_take(t, (size_t)(s.p + to - t.p)), recipient = sv_make(s.p + to + 5, (size_t)(ip - to) - 5);
	if (sv_find(recipient, SV(" to: ")) >= 0) /* in one of the two, and nobody can tell in which */
		return;
	if (!sv_eq(sender, SV("(unknown)")))
		r->sender = filter_unbracket(sender);
	if (!sv_eq(recipient, SV("(unknown)")))
		filter_set(&r->recipient, recipient);
}
