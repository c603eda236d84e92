/* The queue manager and the daemons that make messages (pickup, bounce) or take them away (postsuper). */
#include "collector/postfix/postfix.h"

/* "from=<a>, size=1, nrcpt=2 (queue active)", "from=<a>, status=expired, returned to sender" */
static bool from_line(struct sv s, struct record *r)
{
	if (!scan_lit(&s, SV("from=")) || !scan_angle(&s, &r->sender) || !scan_lit(&s, SV(", ")))
		return false;
	if (scan_lit(&s, SV("status="))) {
		r->kind = RECORD_EXPIRE;
		if (!scan_until(&s, ',', &r->status))
			r->status = s;
		(void)scan_char(&s, ' ');
		r->reason = s;
		return true;
	}
	if (!scan_lit(&s, SV("size=")) || !scan_int(&s, &r->size))
		return false;
	if (scan_lit(&s, SV(", nrcpt=")))
		(void)scan_int(&s, &r->nrcpt);
	r->kind = RECORD_ENVELOPE;
	return true;
}

/* "uid=1000 from=<a>", "uid=102 from=<a> orig_id=ABCDE1234" */
static bool pickup_line(struct sv s, struct record *r)
{
	if (!scan_lit(&s, SV("uid=")) || !scan_int(&s, &r->uid) || !scan_lit(&s, SV(" from=")) || !scan_angle(&s, &r->sender))
		return false;
	if (scan_lit(&s, SV(" orig_id=")))
		r->orig_queue_id = s;
	r->kind = RECORD_ACCEPT;
	return true;
}

/* "sender non-delivery notification: CCC": a bounce. Delay and success notices are not, but have a child too. */
static bool notice(struct sv s, struct record *r)
{
	struct sv what;
	if (!scan_before(&s, SV(" notification: "), &what) || what.n > 48)
		return false;
	if (!sv_starts(what, SV("sender ")) && !sv_starts(what, SV("postmaster ")))
		return false;
	r->kind = sv_find(what, SV("non-delivery")) >= 0 ? RECORD_BOUNCE : RECORD_OTHER;
	r->reason = sv_make(what.p, what.n + 13); /* with the word "notification" */
	r->child_queue_id = scan_word(&s);
	return r->child_queue_id.n > 0;
}

/* "removed", and of a message that never came to the queue "removed (canceled)", "removed (discarded)": cleanup's, since 3.10. */
bool postfix_removed(struct sv s, struct record *r)
{
	if (!scan_lit(&s, SV("removed")) || (s.n && !scan_lit(&s, SV(" ("))))
		return false;
	r->kind = RECORD_REMOVE;
	r->killed = s.n > 0;
	if (s.n && !scan_until(&s, ')', &r->reason))
		r->reason = s;
	return true;
}

bool postfix_queue(enum postfix_daemon d, struct sv s, struct record *r)
{
	static const struct sv plain[] = {
		SCAN_S("skipped, still being delivered"), SCAN_S("placed on hold"), SCAN_S("released from hold"),
		SCAN_S("hold"), SCAN_S("flush"), SCAN_S("moved to"), SCAN_S("message has been queued"), SCAN_S("content filter"),
		SCAN_S("expired"), SCAN_S("force-expired"), SCAN_S("renamed to"), SCAN_S("sender notification failed"), SCAN_S("postmaster notification failed"),
	};
	if (postfix_removed(s, r) || sv_starts(s, SV("requeued"))) {
		r->kind = RECORD_REMOVE;
		if (d == POSTFIX_SUPER)
			r->reason = s;
		return true;
	}
	if (from_line(s, r) || pickup_line(s, r) || notice(s, r))
		return true;
	r->kind = RECORD_OTHER;
	r->reason = s;
	return SCAN_ANY(s, plain);
}
