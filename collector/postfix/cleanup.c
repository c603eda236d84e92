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

/* "reject", "milter-header-warn": what a check did, whoever asked for it. */
static enum record_kind kind_of(struct sv action)
{
	static const struct sv harmless[] = { SCAN_S("info"), SCAN_S("replace"), SCAN_S("prepend"), SCAN_S("strip"), SCAN_S("add") };
	(void)scan_lit(&action, SV("milter-header-"));
	if (sv_ends(action, SV("reject")))
		return RECORD_REJECT;
	if (sv_eq(action, SV("warning")) || sv_eq(action, SV("warn")))
		return RECORD_WARNING;
	for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
		if (sv_eq(action, harmless[i]))
			return RECORD_OTHER;
	return RECORD_POLICY;
}

/* "warning: header " before the text that a check matched, to which *s moves. */
static bool check_start(struct sv *s, struct record *r)
{
	static const struct sv parts[] = {
		SCAN_S("header "), SCAN_S("body "), SCAN_S("mime header "), SCAN_S("nested header "), SCAN_S("mime-header "),
		SCAN_S("nested-header "), SCAN_S("message header "), SCAN_S("mime-error "),
	};
	struct sv t = *s, action;
	if (!scan_until(&t, ':', &action) || action.n > 24 || !scan_char(&t, ' ') || !SCAN_ANY(t, parts))
		return false;
	r->kind = kind_of(action);
	r->status = action;
	r->reason = *s = t;
	return true;
}

/* "replace: header Subject: text: Subject: other" of a delivery agent (smtp_header_checks): all of the text is the message's. */
bool postfix_agent_check(struct sv s, struct record *r)
{
	return check_start(&s, r);
}

/* "warning: header Subject: text from H[ip]; from=<a> to=<b> proto=ESMTP helo=<c>: reason", "reject: mime-error why: text from H[ip]; …" */
static bool check_line(struct sv s, struct record *r)
{
	struct postfix_tail t;
	struct sv matched, value;
	if (!check_start(&s, r))
		return false;
	if ((sv_ends(r->status, SV("replace")) || sv_ends(r->status, SV("prepend"))) && !scan_once(s, SV("; from=<")))
		return true; /* the new text comes last and may hold the sender's words: whose tail it is nobody can tell */
	(void)postfix_tail(s, &t);
	postfix_set_tail(r, &t);
	if (sv_starts(s, SV("mime-error ")) && sv_eq(r->recipient, SV("unknown"))) /* none was named yet */
		r->recipient = (struct sv){ 0 };
	matched = cut_origin(t.before, r);
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
	return message_id(s, r) || postfix_removed(s, r) || check_line(s, r) || postfix_delivery(s, r) || postfix_action(s, r);
}
