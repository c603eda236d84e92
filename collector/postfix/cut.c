/* A forwarder that takes "postfix/smtpd" for a path leaves "postfix": the line itself must say which daemon wrote it. What only one
 * daemon can begin a line with decides; nothing that a peer may write stands there. */
#include "collector/postfix/postfix.h"

struct opening { struct sv text; enum postfix_daemon daemon; };

static int opening_of(struct sv s, const struct opening *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (sv_starts(s, v[i].text))
			return (int)v[i].daemon;
	return -1;
}
#define OPENING(s, array) opening_of((s), (array), sizeof(array) / sizeof *(array))

/* "to=<a>, orig_to=<b>, relay=…": a mailbox, a program, a socket, or a host. */
static enum postfix_daemon agent_of(struct sv s)
{
	struct sv skipped, relay;
	if (!scan_lit(&s, SV("to=")) || !scan_angle(&s, &skipped))
		return POSTFIX_SMTP;
	if (scan_lit(&s, SV(", orig_to=")) && !scan_angle(&s, &skipped))
		(void)scan_word(&s);
	if (!scan_lit(&s, SV(", relay=")) || !scan_before(&s, SV(", "), &relay))
		return POSTFIX_SMTP;
	if (sv_eq(relay, SV("local")) || sv_eq(relay, SV("virtual")))
		return relay.p[0] == 'l' ? POSTFIX_LOCAL : POSTFIX_VIRTUAL;
	ptrdiff_t open = sv_chr(relay, '[');
	if (open >= 0)
		return sv_chr(sv_skip(relay, (size_t)open), '/') >= 0 ? POSTFIX_LMTP : POSTFIX_SMTP;
	return sv_eq(relay, SV("none")) ? POSTFIX_SMTP : POSTFIX_PIPE;
}

/* Of a line about a message. */
static enum postfix_daemon of_message(struct sv s)
{
	static const struct opening openings[] = {
		{ SCAN_S("client="), POSTFIX_SMTPD }, { SCAN_S("message-id="), POSTFIX_CLEANUP }, { SCAN_S("resent-message-id="), POSTFIX_CLEANUP },
		{ SCAN_S("uid="), POSTFIX_PICKUP }, { SCAN_S("from=<"), POSTFIX_QMGR }, { SCAN_S("removed"), POSTFIX_QMGR },
		{ SCAN_S("skipped, "), POSTFIX_QMGR }, { SCAN_S("sender non-delivery "), POSTFIX_BOUNCE }, { SCAN_S("postmaster non-delivery "), POSTFIX_BOUNCE },
		{ SCAN_S("lost connection after "), POSTFIX_SMTPD }, { SCAN_S("timeout after "), POSTFIX_SMTPD }, { SCAN_S("too many errors after "), POSTFIX_SMTPD },
		{ SCAN_S("sender delay "), POSTFIX_BOUNCE }, { SCAN_S("postmaster delay "), POSTFIX_BOUNCE }, { SCAN_S("sender delivery status "), POSTFIX_BOUNCE },
	};
	struct sv action, t = s;
	int d = OPENING(s, openings);
	if (d >= 0)
		return (enum postfix_daemon)d;
	if (sv_starts(s, SV("to=")))
		return agent_of(s);
	if (scan_before(&t, SV(": "), &action) && action.n <= 24 && sv_chr(action, ' ') < 0) { /* "reject: RCPT from …", "reject: header …" */
		if (sv_starts(action, SV("proxy-")))
			return POSTFIX_SMTPD;
		if (sv_starts(t, SV("RCPT from [")) || sv_starts(t, SV("CONNECT from [")))
			return POSTFIX_POSTSCREEN;
		return sv_starts(t, SV("header ")) || sv_starts(t, SV("body ")) || sv_starts(t, SV("mime")) || sv_starts(t, SV("END-OF-MESSAGE")) ? POSTFIX_CLEANUP : POSTFIX_SMTPD;
	}
	return POSTFIX_SMTP;
}

enum postfix_daemon postfix_cut(struct sv s)
{
	static const struct opening openings[] = {
		{ SCAN_S("connect from "), POSTFIX_SMTPD }, { SCAN_S("disconnect from "), POSTFIX_SMTPD }, { SCAN_S("lost connection after "), POSTFIX_SMTPD },
		{ SCAN_S("timeout after "), POSTFIX_SMTPD }, { SCAN_S("too many errors after "), POSTFIX_SMTPD }, { SCAN_S("improper command pipelining "), POSTFIX_SMTPD },
		{ SCAN_S("warning: "), POSTFIX_SMTPD }, { SCAN_S("proxy-"), POSTFIX_SMTPD }, { SCAN_S("milter-"), POSTFIX_SMTPD }, { SCAN_S("CONNECT from ["), POSTFIX_POSTSCREEN }, { SCAN_S("PASS NEW ["), POSTFIX_POSTSCREEN },
		{ SCAN_S("PASS OLD ["), POSTFIX_POSTSCREEN }, { SCAN_S("PREGREET "), POSTFIX_POSTSCREEN }, { SCAN_S("DNSBL rank "), POSTFIX_POSTSCREEN },
		{ SCAN_S("HANGUP after "), POSTFIX_POSTSCREEN }, { SCAN_S("DISCONNECT ["), POSTFIX_POSTSCREEN }, { SCAN_S("WHITELISTED ["), POSTFIX_POSTSCREEN },
		{ SCAN_S("ALLOWLISTED ["), POSTFIX_POSTSCREEN }, { SCAN_S("BLACKLISTED ["), POSTFIX_POSTSCREEN }, { SCAN_S("DENYLISTED ["), POSTFIX_POSTSCREEN },
		{ SCAN_S("WHITELIST VETO ["), POSTFIX_POSTSCREEN }, { SCAN_S("COMMAND "), POSTFIX_POSTSCREEN }, { SCAN_S("NON-SMTP COMMAND "), POSTFIX_POSTSCREEN },
		{ SCAN_S("BARE NEWLINE "), POSTFIX_POSTSCREEN }, { SCAN_S("cache "), POSTFIX_POSTSCREEN }, { SCAN_S("addr "), POSTFIX_DNSBLOG },
		{ SCAN_S("statistics: "), POSTFIX_ANVIL }, { SCAN_S("Policy action="), POSTFIX_POLICY_SPF }, { SCAN_S("daemon started "), POSTFIX_MASTER }, { SCAN_S("terminating on signal "), POSTFIX_MASTER },
		{ SCAN_S("reload -- "), POSTFIX_MASTER }, { SCAN_S("Placed on hold: "), POSTFIX_SUPER }, { SCAN_S("Deleted: "), POSTFIX_SUPER },
		{ SCAN_S("Requeued: "), POSTFIX_SUPER }, { SCAN_S("Released from hold: "), POSTFIX_SUPER }, { SCAN_S("connect to "), POSTFIX_SMTP },
	};
	struct sv id;
	if (postfix_queue_id(&s, &id))
		return of_message(s);
	int d = OPENING(s, openings);
	if (d >= 0)
		return (enum postfix_daemon)d;
	ptrdiff_t tls = sv_find(s, SV(" TLS connection established "));
	if (tls > 0)
		return sv_starts(sv_skip(s, (size_t)tls + 28), SV("from ")) ? POSTFIX_SMTPD : POSTFIX_SMTP;
	return POSTFIX_POSTFIX;
}
