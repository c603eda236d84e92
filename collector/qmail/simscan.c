/* simscan, which stands before qmail-queue: one line a message. */
#include "collector/qmail/qmail.h"

static struct sv state_status(struct sv state)
{
	static const struct { struct sv state, status; } known[] = {
		{ SCAN_S("CLEAN"), SCAN_S("pass") }, { SCAN_S("RELAYCLIENT"), SCAN_S("pass") }, { SCAN_S("SPAM"), SCAN_S("spam") },
		{ SCAN_S("VIRUS"), SCAN_S("infected") }, { SCAN_S("ATTACH"), SCAN_S("banned") },
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (sv_starts(state, known[i].state))
			return known[i].status;
	return (struct sv){ 0 };
}

/* "subject:203.0.113.5:a@b.example:c@d.example": the subject may hold colons and so may an address, so there must be one place only where
 * an address of a host stands, and one colon behind it. */
static void parties(struct sv s, bool is_subject, struct record *r)
{
	struct sv rest = s, token, after = { 0 }, ip = { 0 };
	while (scan_until(&rest, ':', &token)) {
		if (sv_chr(token, '.') < 0 || !scan_ip(token).p)
			continue;
		if (after.p)
			return;
		ip = token;
		after = rest;
	}
	if (!after.p || sv_chr(after, ':') != sv_rchr(after, ':') || !scan_until(&after, ':', &r->sender))
		return;
	r->recipient = after;
	r->client_ip = scan_ip(ip);
	size_t n = (size_t)(ip.p - s.p);
	if (is_subject && n && !sv_eq(sv_take(s, n - 1), SV("(null)")))
		r->subject = sv_take(s, n - 1);
}

/* "[1234]:SPAM REJECT (15.20/9.00):3.3608s:subject:203.0.113.5:a@b.example:c@d.example", "[1234]:VIRUS:0.2101s:Eicar:…" */
bool qmail_simscan(struct sv s, struct record *r)
{
	int64_t pid;
	struct sv state, seconds;
	r->kind = RECORD_OTHER;
	r->reason = s;
	if (!scan_char(&s, '[') || !scan_int(&s, &pid) || !scan_lit(&s, SV("]:")) || !scan_until(&s, ':', &state) || !scan_until(&s, ':', &seconds) ||
	    !sv_ends(seconds, SV("s")))
		return true; /* what it is about to do */
	r->status = state_status(state);
	if (!r->status.n)
		return true;
	r->kind = RECORD_POLICY;
	parties(s, sv_starts(state, SV("CLEAN")) || sv_starts(state, SV("SPAM")), r);
	return true;
}
