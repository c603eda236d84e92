/* cleanup: message ids, and what header_checks, body_checks and milters did to a message. */
#include "collector/postfix/postfix.h"

/* " from H[ip]" or " from local" at the end of what a check matched: the last one, as the header is the sender's. */
static struct sv cut_origin(struct sv s, struct record *r)
{
	for (size_t end = s.n; end;) {
		ptrdiff_t sp = sv_rchr(sv_take(s, end), ' ');
		if (sp < 5)
			break;
		struct sv t = sv_skip(s, (size_t)sp + 1);
		struct scan_peer p;
		if (memcmp(s.p + sp - 5, " from", 5) == 0 && scan_peer(&t, &p) && !t.n) {
			scan_set_client(r, &p);
			return sv_take(s, (size_t)sp - 5);
		}
		if (memcmp(s.p + sp - 5, " from", 5) == 0 && sv_eq(t, SV("local")))
			return sv_take(s, (size_t)sp - 5);
		end = (size_t)sp;
	}
	return s;
}

/* "warning: header Subject: text from H[ip]; from=<a> to=<b> proto=ESMTP helo=<c>: reason" */
static bool check_line(struct sv s, struct record *r)
{
	static const struct sv parts[] = {
		SCAN_S("header "), SCAN_S("body "), SCAN_S("mime header "), SCAN_S("nested header "), SCAN_S("mime-header "),
		SCAN_S("nested-header "), SCAN_S("message header "),
	};
	struct postfix_tail t;
	struct sv action, matched, value;
	if (!scan_until(&s, ':', &action) || action.n > 24 || !scan_char(&s, ' ') || !SCAN_ANY(s, parts))
		return false;
	(void)postfix_tail(s, &t);
	postfix_set_tail(r, &t);
	matched = cut_origin(t.before, r);
	r->kind = sv_ends(action, SV("reject")) ? RECORD_REJECT : sv_eq(action, SV("warning")) || sv_eq(action, SV("warn")) ? RECORD_WARNING : RECORD_POLICY;
	if (sv_eq(action, SV("info")) || sv_eq(action, SV("replace")) || sv_eq(action, SV("prepend")) || sv_eq(action, SV("strip")))
		r->kind = RECORD_OTHER;
	r->status = action;
	r->reason = matched;
	if (sv_starts(t.after, SV(": ")))
		scan_set_reply(r, sv_skip(t.after, 2));
	value = matched;
	if (scan_lit(&value, SV("header Subject: ")) || scan_lit(&value, SV("header subject: ")))
		r->subject = value;
	return true;
}

static bool message_id(struct sv s, struct record *r)
{
	if (!scan_lit(&s, SV("message-id=")) && !scan_lit(&s, SV("resent-message-id=")))
		return false;
	if (s.n > 1 && s.p[0] == '<' && s.p[s.n - 1] == '>')
		s = sv_make(s.p + 1, s.n - 2);
	r->message_id = s;
	r->kind = RECORD_MESSAGE_ID;
	return true;
}

bool postfix_cleanup(struct sv s, struct record *r)
{
	if (!postfix_queue_id(&s, &r->queue_id)) {
		r->kind = RECORD_OTHER;
		r->reason = s;
		return sv_starts(s, SV("table ")) || sv_starts(s, SV("using backwards-compatible default setting "));
	}
	return message_id(s, r) || postfix_removed(s, r) || check_line(s, r) || postfix_action(s, r);
}
