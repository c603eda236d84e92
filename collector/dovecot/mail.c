/* imap, pop3, submission, managesieve: what a user's session says after the login, "imap(ann)<17><session>: …". */
#include "collector/dovecot/dovecot.h"

static bool is_end(struct sv s)
{
	static const struct sv ends[] = {
		SCAN_S("Disconnected"), SCAN_S("Logged out"), SCAN_S("Connection closed"), SCAN_S("Connection reset"), SCAN_S("Server shutting down"),
	};
	return SCAN_ANY(s, ends);
}

/* "Successfully relayed message: from=<a>, size=700, id=abc, nrcpt=2, reply=`250 2.0.0 Ok: queued as F00'". Without a
 * queue id, as the server it goes to tells the message's story; here it is said who submitted it, which that server often does not know. */
static bool relayed(struct sv s, struct record *r)
{
	(void)scan_lit(&s, SV("relay: ")); /* 2.4 */
	bool ok = scan_lit(&s, SV("Successfully relayed message: from="));
	if ((!ok && !scan_lit(&s, SV("Failed to relay message: from="))) || !scan_angle(&s, &r->sender))
		return false;
	struct sv skipped;
	r->kind = ok ? RECORD_ACCEPT : RECORD_REJECT;
	r->submission = true;
	if (scan_lit(&s, SV(", size=")))
		(void)scan_int(&s, &r->size);
	if (scan_before(&s, SV(", nrcpt="), &skipped))
		(void)scan_int(&s, &r->nrcpt);
	if (scan_lit(&s, SV(", reply=`"))) {
		r->reply = s.n && s.p[s.n - 1] == '\'' ? sv_take(s, s.n - 1) : s;
		if (r->reply.n > 4)
			(void)scan_dsn(sv_skip(r->reply, 4), &r->dsn);
		if (ok)
			r->child_queue_id = scan_queued_as(r->reply);
	}
	return true;
}

bool dovecot_mail(const struct dovecot_head *h, struct sv s, struct record *r)
{
	if (h->who.n)
		r->account = h->who;
	if (relayed(s, r))
		return true;
	r->reason = s;
	r->kind = is_end(s) ? RECORD_DISCONNECT : RECORD_OTHER;
	r->session_end = r->kind == RECORD_DISCONNECT;
	return true;
}
