/* More policy services: policyd-weight, gld, iRedAPD; and dkimproxy. */
#include "collector/filter/filter.h"

static void answer(struct sv action, struct record *r)
{
	r->status = filter_action(action, SV("other"));
	if (action.n > 4 && (action.p[0] == '4' || action.p[0] == '5'))
		scan_set_reply(r, action);
}

/* "decided action=450 No DNS entries … Your HELO: h, IP: 192.0.2.1; <client=n[192.0.2.1]> <helo=h> <from=a> <to=b>; delay: 2s". The HELO stands in the
 * action, too, before the client: who sends what looks like a field loses all of them. */
void filter_policyd_weight(struct sv s, struct record *r)
{
	static const struct sv keys[] = { SCAN_S("; <client="), SCAN_S("]> <helo="), SCAN_S("> <from="), SCAN_S("> <to="), SCAN_S(">; delay: ") };
	struct sv value[5];
	if (!scan_lit(&s, SV("decided action=")))
		return;
	r->status = filter_action(s, SV("other"));
	ptrdiff_t instance = sv_find(s, SV("; <instance=")); /* with $DEBUG, before the client */
	for (size_t i = 0; i < 5; i++)
		if (!scan_once(s, sv_skip(keys[i], i == 0 && instance >= 0 ? 2 : 0)))
			return;
	for (size_t i = 0; i < 5; i++)
		if (!scan_before(&s, sv_skip(keys[i], i == 0 && instance >= 0 ? 2 : 0), &value[i]))
			return;
	answer(instance >= 0 ? sv_take(value[0], (size_t)instance) : value[0], r);
	struct sv client = sv_make(value[1].p, value[1].n + 1); /* with its "]" */
	filter_client(client, r);
	filter_set(&r->helo, value[2]);
	r->sender = value[3];
	filter_set(&r->recipient, value[4]);
}

/* "Greylist activated for recipient=<b> sender=<a> ip=<192.0.2.1>". The address comes last. */
void filter_gld(struct sv s, struct record *r)
{
	static const struct { struct sv text, status; } known[] = {
		{ SCAN_S("Greylist activated for recipient=<"), SCAN_S("greylist") }, { SCAN_S("Local whitelist hit for recipient=<"), SCAN_S("pass") },
		{ SCAN_S("DNS whitelist hit for recipient=<"), SCAN_S("pass") }, { SCAN_S("Local DNS node whitelist hit for recipient=<"), SCAN_S("pass") },
	};
	for (size_t i = 0; i < sizeof known / sizeof *known && !r->status.p; i++)
		if (scan_lit(&s, known[i].text))
			r->status = known[i].status;
	ptrdiff_t ip = scan_rfind(s, SV("> ip=<"));
	if (!r->status.p || ip < 0 || !sv_ends(s, SV(">")))
		return;
	r->client_ip = scan_ip(sv_make(s.p + ip + 6, s.n - (size_t)ip - 7));
	s = sv_take(s, (size_t)ip);
	struct sv recipient;
	if (!scan_once(s, SV("> sender=<")) || !scan_before(&s, SV("> sender=<"), &recipient))
		return;
	filter_set(&r->recipient, recipient);
	r->sender = s;
}

/* An address that cannot run into what follows: no space, comma or quote. It may be empty. */
static struct sv plain_address(struct sv *s)
{
	size_t n = 0;
	while (n < s->n && s->p[n] != ' ' && s->p[n] != ',' && s->p[n] != '"')
		n++;
	struct sv a = sv_take(*s, n);
	*s = sv_skip(*s, n);
	return a;
}

/* "a -> b, ", "account => b, " (which is the sender, too), "account => a -> b, ", and behind it the answer. An address may look like these arrows: they are
 * believed where `said`, the server's word for the account, is known and the same. */
static bool iredapd_parties(struct sv *s, struct sv said, struct record *r)
{
	struct sv account = SV(""), sender = plain_address(s), recipient;
	bool arrow = scan_lit(s, SV(" -> "));
	if (!arrow && !scan_lit(s, SV(" => ")))
		return false;
	recipient = plain_address(s);
	if (!arrow) {
		account = sender;
		if (scan_lit(s, SV(" -> "))) {
			sender = recipient;
			recipient = plain_address(s);
		}
	}
	if (!scan_lit(s, SV(", ")))
		return false;
	if (said.p && sv_eq(account, said)) {
		r->sender = sender;
		filter_set(&r->recipient, recipient);
		filter_set(&r->account, account);
	}
	return true;
}

/* "[192.0.2.1] RCPT, a -> b, 451 4.7.1 text [sasl_username=, sender=a, client_name=n, …, helo=h, …, process_time=0.01s]", "[192.0.2.1] END-OF-MESSAGE, a -> b, DUNNO
 * [recipient_count=1, size=700, process_time=0.01s]"; with the level before it: "INFO: [192.0.2.1] …" */
void filter_iredapd(struct sv s, struct record *r)
{
	static const struct sv levels[] = { SCAN_S("INFO: "), SCAN_S("WARNING: "), SCAN_S("ERROR: "), SCAN_S("DEBUG: ") };
	struct sv ip, stage, tail, head, said = { 0 };
	if (SCAN_ANY(s, levels) && !scan_before(&s, SV(": "), &ip))
		return;
	if (!scan_char(&s, '[') || !scan_before(&s, SV("] "), &ip) || !scan_ip(ip).p || !scan_before(&s, SV(", "), &stage) || stage.n > 16)
		return;
	r->client_ip = scan_ip(ip);
	bool rcpt = filter_has(s, SV(" [sasl_username="));
	struct sv key = rcpt ? SV(" [sasl_username=") : SV(" [recipient_count=");
	tail = s;
	if (!scan_before(&tail, key, &head))
		return;
	if (rcpt && scan_once(s, key) && scan_once(tail, SV(", sender=")))
		(void)scan_before(&tail, SV(", sender="), &said);
	else if (!rcpt && scan_once(s, key))
		said = SV(""); /* an account is not said here: then there are no parties */
	if (!iredapd_parties(&head, said, r))
		return;
	answer(head, r);
	if (sv_eq(r->status, SV("defer")) && filter_has(head, SV("reylist")))
		r->status = SV("greylist");
	if (rcpt && scan_once(tail, SV(", client_name="))) {
		struct sv name = filter_value(tail, SV(", client_name="), SV(", "));
		if (!sv_eq(name, SV("unknown")))
			filter_set(&r->client_name, name);
	}
}

/* "DKIM signing - signed; message-id=<m>, from=<a>", "DKIM verify - fail (message has been altered); message-id=<m>, …". All behind the verdict is the message's
 * own; From: is no envelope's sender. */
void filter_dkimproxy(struct sv s, struct record *r)
{
	static const struct { struct sv text, status; } known[] = {
		{ SCAN_S("signed"), SCAN_S("signed") }, { SCAN_S("pass"), SCAN_S("pass") }, { SCAN_S("fail"), SCAN_S("fail") }, { SCAN_S("invalid"), SCAN_S("fail") },
	};
	struct sv skipped;
	if (!scan_lit(&s, SV("DKIM signing - ")) && !scan_lit(&s, SV("DKIM verify - ")))
		return;
	for (size_t i = 0; i < sizeof known / sizeof *known && !r->status.p; i++)
		if (sv_starts(s, known[i].text))
			r->status = known[i].status;
	if (scan_before(&s, SV("; "), &skipped) && scan_lit(&s, SV("message-id=<")) && scan_until(&s, '>', &skipped))
		filter_set(&r->message_id, skipped);
}
