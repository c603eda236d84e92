/* What the outcome of one recipient says about the server it should have gone to. A reply of that server, whatever it says, proves that it
 * is there; a network error proves nothing but itself; and a queue manager that did not even try says nothing. */
#include <strings.h>

#include "analyzer/backup.h"

struct phrase { struct sv text; uint8_t reason; };
#define P(lit, r) { { lit, sizeof(lit) - 1 }, r }

/* The first that fits counts; small letters. Postfix, Exim, Sendmail, OpenSMTPD, qmail, Courier, Exchange. */
static const struct phrase phrases[] = {
	P("does not accept mail (nullmx)", BACKUP_NULL_MX), P("nullmx", BACKUP_NULL_MX), P("null mx", BACKUP_NULL_MX), P("empty mx", BACKUP_NULL_MX),
	P("loops back to", BACKUP_LOOP), P("mx list for", BACKUP_LOOP), P("points to local host", BACKUP_LOOP), P("points back to", BACKUP_LOOP),
	P("host not found, try again", BACKUP_DNS), P("host name lookup failure", BACKUP_DNS), P("lookup did not complete", BACKUP_DNS),
	P("name server timeout", BACKUP_DNS), P("temporary failure in name resolution", BACKUP_DNS), P("dns lookup failure", BACKUP_DNS),
	P("name service error", BACKUP_NO_HOST), P("host not found", BACKUP_NO_HOST), P("host or domain name not found", BACKUP_NO_HOST),
	P("host unknown", BACKUP_NO_HOST), P("unrouteable mail domain", BACKUP_NO_HOST), P("non-existent hosts", BACKUP_NO_HOST),
	P("couldn't find any host", BACKUP_NO_HOST), P("no such domain", BACKUP_NO_HOST), P("no mx", BACKUP_NO_HOST), P("nxdomain", BACKUP_NO_HOST),
	P("connection refused", BACKUP_REFUSED),
	P("no route to host", BACKUP_UNREACHABLE), P("unreachable", BACKUP_UNREACHABLE), P("host is down", BACKUP_UNREACHABLE),
	P("timed out", BACKUP_TIMED_OUT), P("timeout", BACKUP_TIMED_OUT), P("couldn't establish an smtp connection", BACKUP_TIMED_OUT),
	P("wasn't able to establish", BACKUP_TIMED_OUT),
	P("lost connection", BACKUP_DROPPED), P("connection reset", BACKUP_DROPPED), P("closed connection", BACKUP_DROPPED),
	P("connection closed", BACKUP_DROPPED), P("broken pipe", BACKUP_DROPPED), P("connection died", BACKUP_DROPPED),
};

/* The queue manager only repeats what it knew. */
static bool not_tried(struct sv low)
{
	return sv_find(low, SV("delivery temporarily suspended")) >= 0 || sv_find(low, SV("retry time not reached")) >= 0 ||
	       sv_find(low, SV("retry timeout exceeded")) >= 0 ||
	       sv_find(low, SV("mail transport unavailable")) >= 0 || sv_find(low, SV("local configuration error")) >= 0;
}

static bool three_digits(struct sv s)
{
	return s.n >= 3 && s.p[0] >= '2' && s.p[0] <= '5' && s.p[1] >= '0' && s.p[1] <= '9' && s.p[2] >= '0' && s.p[2] <= '9' &&
	       (s.n == 3 || s.p[3] == ' ' || s.p[3] == '-' || s.p[3] == '\\');
}

/* The first digit of the server's own code, or 0. */
static char reply_digit(struct sv reply, struct sv low)
{
	static const struct sv before[] = { { " said: ", 7 }, { "refused to talk to me: ", 23 }, { "deferred: ", 10 } };
	if (three_digits(reply))
		return reply.p[0];
	for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
		ptrdiff_t at = sv_find(low, before[i]);
		if (at >= 0 && three_digits(sv_skip(reply, (size_t)at + before[i].n)))
			return reply.p[(size_t)at + before[i].n];
	}
	return 0;
}

/* "Later" that does not mean that the server is in trouble: a full mailbox, a recipient to be looked up, greylisting. */
static bool is_about_message(uint8_t class)
{
	return class == REPLY_GREYLIST || class == REPLY_MAILBOX_FULL || class == REPLY_UNKNOWN_USER || class == REPLY_SPAM_CONTENT || class == REPLY_AUTH_FAILURE;
}

static enum backup_said network_error(struct sv low, enum backup_reason *ret_reason)
{
	for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
		if (sv_find(low, phrases[i].text) >= 0) {
			*ret_reason = (enum backup_reason)phrases[i].reason;
			return BACKUP_FAILED;
		}
	return BACKUP_SAID_NOTHING;
}

enum backup_said backup_reply(const struct txn *t, const struct txn_rcpt *r, enum backup_reason *ret_reason)
{
	char text[400];
	struct sv low = { text, r->reply.n < sizeof text ? r->reply.n : sizeof text };
	for (size_t i = 0; i < low.n; i++)
		text[i] = (char)(r->reply.p[i] >= 'A' && r->reply.p[i] <= 'Z' ? r->reply.p[i] + 32 : r->reply.p[i]);
	/* Giving up is no try: its text is that of the last one. */
	if (r->status == TXN_PENDING || r->status == TXN_EXPIRED || r->local)
		return BACKUP_SAID_NOTHING;
	if (r->status == TXN_SENT)
		return r->relay_host.n || r->relay_ip.n ? BACKUP_SAID_YES : BACKUP_SAID_NOTHING;
	if (not_tried(low))
		return BACKUP_SAID_NOTHING;
	/* Exchange writes network errors as if the other server had said them. */
	bool pretends = sv_eq(t->mta, SV("exchange")) && (sv_starts(r->dsn, SV("4.4.")) || sv_starts(r->dsn, SV("5.4.")));
	char digit = pretends ? 0 : reply_digit(r->reply, low);
	if (digit == '4')
		return is_about_message(r->reply_class) ? BACKUP_SAID_NO : BACKUP_SAID_LATER;
	if (digit)
		return BACKUP_SAID_NO;
	enum backup_said said = network_error(low, ret_reason);
	if (said != BACKUP_SAID_NOTHING)
		return said;
	/* A refusal that names the server, in words of its own. */
	return r->status == TXN_BOUNCED && r->relay_ip.n && r->dsn.n && !sv_starts(r->dsn, SV("5.4.")) ? BACKUP_SAID_NO : BACKUP_SAID_NOTHING;
}
