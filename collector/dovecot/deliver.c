/* lmtp, lda and Sieve: "msgid=<m>: saved mail to INBOX", "sieve: msgid=<m>: stored mail into mailbox 'Junk'", "… forwarded
 * to <b>". Without a queue id: the server that handed the message over tells of it; here it is said what became of it then.
 * A message-id is the sender's and comes first: what happened is read from the right. */
#include "collector/dovecot/dovecot.h"

enum outcome { STORED, FORWARDED, DISCARDED, REJECTED, FAILED, NOTED };

static const struct { struct sv text; enum outcome outcome; } outcomes[] = {
	{ SCAN_S(": saved mail to "), STORED }, { SCAN_S(": stored mail into mailbox "), STORED }, { SCAN_S(": forwarded to <"), FORWARDED },
	{ SCAN_S(": marked message to be discarded"), DISCARDED }, { SCAN_S(": discarded duplicate forward to <"), NOTED },
	{ SCAN_S(": discard action"), DISCARDED }, { SCAN_S(": sent vacation response to <"), NOTED },
	{ SCAN_S(": discarded vacation reply to <"), NOTED }, { SCAN_S(": rejected message from <"), REJECTED }, { SCAN_S(": rejected: "), REJECTED },
	{ SCAN_S(": save failed to "), FAILED }, { SCAN_S(": failed to store into mailbox "), FAILED },
	{ SCAN_S(": failed to redirect message to "), FAILED }, { SCAN_S(": left message in mailbox "), NOTED },
};

/* The outcome that begins furthest to the right. */
static int outcome_of(struct sv s, ptrdiff_t *ret_at)
{
	int best = -1;
	*ret_at = -1;
	for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
		ptrdiff_t at = scan_rfind(s, outcomes[i].text);
		if (at > *ret_at) {
			*ret_at = at;
			best = (int)i;
		}
	}
	return best;
}

/* Between the message-id and what happened Sieve names the action since 2.3: "msgid=<m>: fileinto action: stored …". */
static struct sv before_action(struct sv s)
{
	ptrdiff_t at = sv_ends(s, SV(" action")) ? scan_rfind(s, SV(": ")) : -1;
	return at >= 0 && sv_chr(sv_skip(s, (size_t)at + 2), '>') < 0 ? sv_take(s, (size_t)at) : s;
}

static void message_id(struct sv s, struct record *r)
{
	s = before_action(s);
	if (!scan_lit(&s, SV("msgid=")))
		return;
	if (s.n > 1 && s.p[0] == '<' && s.p[s.n - 1] == '>')
		s = sv_make(s.p + 1, s.n - 2);
	if (!sv_eq(s, SV("unspecified")))
		r->message_id = s;
}

static void delivered(struct record *r)
{
	r->kind = RECORD_DELIVERY;
	r->status = SV("sent");
	r->recipient = r->account;
	r->local = true;
}

static void act(enum outcome o, struct sv after, struct record *r)
{
	switch (o) {
	case STORED:
		delivered(r);
		break;
	case FORWARDED:
		delivered(r);
		r->local = false;
		r->orig_recipient = r->account;
		(void)scan_until(&after, '>', &r->recipient);
		break;
	case DISCARDED: /* by the owner's own rules */
		r->kind = RECORD_OTHER;
		r->status = SV("discard");
		break;
	case REJECTED:
		r->kind = RECORD_BOUNCE;
		if (sv_chr(after, '>') >= 0)
			(void)scan_until(&after, '>', &r->sender);
		break;
	case FAILED:
		r->kind = RECORD_WARNING;
		break;
	case NOTED:
		r->kind = RECORD_OTHER;
		break;
	}
}

static bool lmtp_session(struct sv s, struct record *r)
{
	bool begins = scan_lit(&s, SV("Connect from ")) || scan_lit(&s, SV("connect from "));
	if (!begins && !scan_lit(&s, SV("Disconnect from ")))
		return false;
	r->kind = begins ? RECORD_CONNECT : RECORD_DISCONNECT;
	size_t n = 0;
	while (n < s.n && s.p[n] != ' ' && s.p[n] != ',' && !(s.p[n] == ':' && (n + 1 == s.n || s.p[n + 1] == ' ')))
		n++;
	r->client_ip = scan_ip(sv_take(s, n));
	return true;
}

/* "abcDEF: msgid=…", "abcDEF: sieve: …": a session before the words. */
static void skip_session(struct sv *s)
{
	struct sv session, t = *s;
	if (scan_before(&t, SV(": "), &session) && session.n <= 64 && sv_chr(session, ' ') < 0 && !sv_eq(session, SV("sieve")) && sv_chr(session, '=') < 0 &&
	    (sv_starts(t, SV("msgid=")) || sv_starts(t, SV("sieve: "))))
		*s = t;
}

/* "lmtp(17, ann): session: msgid=…" until 2.2, "lmtp(ann)<17><session>: msgid=…" since. */
static struct sv user_of(const struct dovecot_head *h, struct sv *s)
{
	struct sv who = h->who, skipped;
	bool pid = scan_before(&who, SV(", "), &skipped);
	if (pid && sv_chr(*s, ':') > 0 && !sv_starts(*s, SV("sieve: ")) && !sv_starts(*s, SV("msgid=")))
		(void)scan_before(s, SV(": "), &skipped);
	else
		skip_session(s);
	bool number = who.n > 0;
	for (size_t i = 0; i < who.n; i++)
		number = number && who.p[i] >= '0' && who.p[i] <= '9';
	return number && !pid ? sv_make(NULL, 0) : who;
}

bool dovecot_deliver(const struct dovecot_head *h, struct sv s, struct record *r)
{
	ptrdiff_t at;
	if (lmtp_session(s, r))
		return true;
	r->account = user_of(h, &s);
	if (!r->account.n)
		r->account = (struct sv){ 0 };
	(void)scan_lit(&s, SV("sieve: "));
	int i = outcome_of(s, &at);
	if (i < 0) {
		r->kind = RECORD_OTHER;
		r->reason = s;
		return true;
	}
	message_id(sv_take(s, (size_t)at), r);
	r->reason = sv_skip(s, (size_t)at + 2);
	act(outcomes[i].outcome, sv_skip(s, (size_t)at + outcomes[i].text.n), r);
	return true;
}
