/* Greylisting and policy services: postgrey, sqlgrey, milter-greylist, policyd and cbpolicyd, postfwd, spamdyke. */
#include "collector/filter/filter.h"

/* What is no action that we know stays as it is. */
static struct sv own_status(struct sv action) { return filter_action(action, action); }

/* "Q: action=greylist, reason=new, client_name=h, client_address=192.0.2.1/32, sender=a, recipient=b". Addresses come last; an empty sender is
 * left out. */
void filter_postgrey(struct sv s, struct record *r)
{
	filter_queue_id(&s, r);
	if (!sv_starts(s, SV("action=")))
		return;
	r->status = own_status(filter_value(s, SV("action="), SV(", ")));
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

/* "grey: new: 192.0.2.1(192.0.2.1), a@b.example -> c@d.example", "grey: reconnect ok: …, a -> c (00:05:12)", and of who is known by now
 * "grey: from awl match: updating 192.0.2(192.0.2.1), a@b.example(a@b.example)" */
void filter_sqlgrey(struct sv s, struct record *r)
{
	static const struct { struct sv text, status; } known[] = {
		{ SCAN_S("new: "), SCAN_S("greylist") }, { SCAN_S("early reconnect: "), SCAN_S("greylist") }, { SCAN_S("throttling: "), SCAN_S("greylist") },
		{ SCAN_S("reconnect ok: "), SCAN_S("pass") }, { SCAN_S("from awl match: "), SCAN_S("pass") }, { SCAN_S("domain awl match: "), SCAN_S("pass") },
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
	if (arrow < 0 && t.n > 3 && t.p[t.n - 1] == ')' && t.p[t.n / 2 - 1] == '(') { /* the address without and with what changes in it */
		struct sv plain = sv_take(t, t.n / 2 - 1), given = sv_make(t.p + t.n / 2, t.n - t.n / 2 - 1);
		if (sv_eq(plain, given))
			r->sender = given;
	}
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

/* What stands before the client's address is the service's own; behind it are the HELO and both addresses, which may look like any field. */
static struct sv policyd_status(struct sv own)
{
	struct sv action = filter_value(own, SV(", action="), SV(",")), grey = filter_value(own, SV("greylist="), SV(",")),
	          type = filter_value(own, SV("type="), SV(",")), count, module;
	if (action.n)
		return own_status(action);
	if (grey.n)
		return sv_eq(grey, SV("new")) || sv_eq(grey, SV("abuse")) ? SV("greylist") : sv_eq(grey, SV("abl")) ? SV("reject") : SV("pass");
	if (scan_lit(&own, SV("rcpt=")) && scan_before(&own, SV(", "), &count) && scan_before(&own, SV("="), &module)) {
		if (sv_starts(module, SV("throttle")))
			return sv_starts(own, SV("abuse")) ? SV("defer") : sv_starts(own, SV("blacklisted")) ? SV("reject") : SV("pass");
		return sv_starts(module, SV("blacklist")) || sv_eq(module, SV("spamtrap")) || sv_eq(own, SV("abuse")) ? SV("reject") : SV("pass");
	}
	if (type.n)
		return sv_starts(type, SV("whitelist")) ? SV("pass") : SV("reject");
	return filter_has(own, SV(", mode=")) ? SV("pass") : (struct sv){ 0 }; /* a quota is counted: quota_create, quota_update */
}

/* "192.0.2.1, helo=h, from=a, to=b, reason=…", "192.0.2.1 (h), from=a, to=b, size=1" */
static void policyd_parties(struct sv s, struct record *r)
{
	struct sv client = s, skipped, from;
	filter_client(scan_word(&client), r);
	if (!scan_once(s, SV(", from=")) || !scan_once(s, SV(", to=")))
		return;
	if (scan_once(s, SV(", helo=")))
		filter_set(&r->helo, filter_value(s, SV(", helo="), sv_find(s, SV(", helo=")) < sv_find(s, SV(", from=")) ? SV(", from=") : SV(", expire=")));
	if (!scan_before(&s, SV(", from="), &skipped) || !scan_before(&s, SV(", to="), &from))
		return;
	r->sender = filter_unbracket(from);
	ptrdiff_t end = scan_rfind(s, SV(", reason="));
	if (end < 0 || end != sv_find(s, SV(", reason=")))
		end = end < 0 ? sv_find(s, SV(", size=")) : sv_find(s, SV(", "));
	if (end < 0)
		end = scan_rfind(s, SV(", count=")); /* throttle_rcpt */
	filter_set(&r->recipient, end < 0 ? s : sv_take(s, (size_t)end));
	struct sv after = end < 0 ? sv_make(s.p, 0) : sv_skip(s, (size_t)end);
	if (sv_starts(after, SV(", size=")) && scan_once(s, SV(", sasl_username=")))
		filter_set(&r->account, filter_value(after, SV(", sasl_username="), SV(",")));
	bool own = scan_once(s, SV(", reason=")) && sv_starts(after, SV(", reason="));
	if (own && scan_once(s, SV(", track=SASLUsername:"))) /* whose messages a quota counts */
		filter_set(&r->account, filter_value(after, SV(", track=SASLUsername:"), SV(", counter=")));
}

/* cbpolicyd: "module=Quotas, mode=update, host=192.0.2.1, helo=h, from=a, to=b, reason=quota_update, …", "module=AccessControl,
 * action=reject, …"; policyd: "rcpt=1, greylist=new, host=192.0.2.1 (h), from=a, to=b, size=1", "rcpt=1, throttle_rcpt=new(a), …, to=b, count=1/64(1), …" */
void filter_policyd(struct sv s, struct record *r)
{
	static const struct sv openings[] = {
		SCAN_S("module="), SCAN_S("rcpt="), SCAN_S("greylist="), SCAN_S("throttle="), SCAN_S("type="),
	};
	struct sv own, t = s;
	if (sv_starts(t, SV("[")) && scan_before(&t, SV("] "), &own)) /* "[CBPOLICYD] " */
		s = t;
	if (!SCAN_ANY(s, openings))
		return;
	if (scan_before(&s, SV(", host="), &own)) {
		policyd_parties(s, r);
		r->status = policyd_status(own);
	} else { /* a site that leaves the parties out */
		r->status = policyd_status(sv_take(s, sv_find(s, SV(", reason=")) < 0 ? s.n : (size_t)sv_find(s, SV(", reason="))));
	}
}

/* ", user=who, size=700, sender=<a>, recipient=<b>, helo=<h>, …": what is not known is left out. The account is the server's word. */
static void postfwd_parties(struct sv t, struct record *r)
{
	static const struct sv next[] = { SCAN_S(", size="), SCAN_S(", sender=<"), SCAN_S(", recipient=<"), SCAN_S(", helo=<") };
	struct sv user;
	if (scan_lit(&t, SV(", user="))) {
		size_t n = 0;
		while (n < t.n && !SCAN_ANY(sv_skip(t, n), next))
			n++;
		user = sv_take(t, n);
		filter_set(&r->account, user);
		t = sv_skip(t, n);
	}
	if (scan_lit(&t, SV(", size=")) && !scan_int(&t, &r->size))
		return;
	if (scan_lit(&t, SV(", sender=")) && !scan_angle(&t, &r->sender))
		return;
	if (scan_lit(&t, SV(", recipient=")) && !scan_angle(&t, &r->recipient))
		return;
	if (scan_lit(&t, SV(", helo=")))
		(void)scan_angle(&t, &r->helo);
}

/* "[RULES] rule=12, id=RBL, queue=Q, client=h[192.0.2.1], user=who, sender=<a>, recipient=<b>, helo=<h>, …, action=REJECT …" */
void filter_postfwd(struct sv s, struct record *r)
{
	struct sv t = s, skipped, action;
	if (!filter_has(sv_take(s, 32), SV("rule=")))
		return;
	ptrdiff_t at = scan_rfind(s, SV(", action="));
	if (at < 0 || !scan_before(&t, SV(", client="), &skipped))
		return;
	action = sv_skip(s, (size_t)at + 9);
	r->status = own_status(action);
	if (sv_eq(r->status, action))
		r->status = SV("other");
	if (action.n > 4 && (action.p[0] == '4' || action.p[0] == '5'))
		scan_set_reply(r, action);
	filter_client(scan_word(&t), r);
	filter_set(&r->queue_id, filter_value(skipped, SV(", queue="), SV(",")));
	postfwd_parties(t, r);
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
