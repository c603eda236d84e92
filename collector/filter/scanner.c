/* Content filters: amavis, clamav-milter, clamsmtpd, MailScanner. */
#include "collector/filter/filter.h"

/* Where "[192.0.2.1]:25 … <a> -> <b>" begins in amavis's words: after "{Relayed…}, " and the names of policy banks. What was
 * banned or found stands before it in parentheses, a name that the sender chose: so the last such place counts, but
 * not one in the message-id, which comes after. */
static struct sv amavis_path(struct sv s)
{
	ptrdiff_t id = scan_rfind(s, SV(", Message-ID: "));
	struct sv head = id < 0 ? s : sv_take(s, (size_t)id);
	ptrdiff_t at = scan_rfind(head, SV("}, "));
	if (at < 0)
		at = scan_rfind(head, SV("), ["));
	if (at < 0)
		at = sv_find(head, SV(", ")) - 1;
	return at < -1 ? sv_make(NULL, 0) : sv_skip(s, (size_t)(at + 3));
}

static void amavis_parties(struct sv s, struct record *r)
{
	struct scan_peer p;
	struct sv skipped, a;
	while (s.n && s.p[0] != '[' && s.p[0] != '<') { /* "ORIGINATING LOCAL " */
		struct sv word = scan_word(&s);
		if (!word.n || !scan_char(&s, ' '))
			return;
	}
	if (scan_peer(&s, &p))
		scan_set_client(r, &p);
	if (r->client_name.p && !r->client_name.n)
		r->client_name = (struct sv){ 0 };
	if (s.n && s.p[0] != '<' && scan_before(&s, SV(" <"), &skipped))
		s = sv_make(s.p - 1, s.n + 1);
	if (!scan_angle(&s, &r->sender) || !scan_lit(&s, SV(" -> ")))
		return;
	int64_t n = 0;
	while (scan_angle(&s, &a)) {
		if (!n++)
			r->recipient = a;
		(void)scan_char(&s, ',');
	}
	r->nrcpt = n > 1 ? n : RECORD_UNSET;
	filter_set(&r->queue_id, filter_value(s, SV("Queue-ID: "), SV(", ")));
	/* its end is the last of what may follow it, as the id is the sender's */
	struct sv id = filter_value(s, SV("Message-ID: <"), SV(">, mail_id: "));
	if (id.n && !filter_has(s, SV(">, mail_id: ")))
		id = filter_value(id, SV(""), SV(">"));
	if (id.n)
		r->message_id = id;
	int64_t size;
	ptrdiff_t at = scan_rfind(s, SV(", size: "));
	struct sv t = at < 0 ? s : sv_skip(s, (size_t)at + 8);
	if (at >= 0 && scan_int(&t, &size))
		r->size = size;
}

/* "(123-4) Blocked SPAM {…}, [192.0.2.1]:25 [192.0.2.1] <a> -> <b>,<c>, Queue-ID: Q, Message-ID: <m>, …" */
void filter_amavis(struct sv s, struct record *r)
{
	static const struct { struct sv name, status; } verdicts[] = {
		{ SCAN_S("CLEAN"), SCAN_S("pass") }, { SCAN_S("SPAM"), SCAN_S("spam") }, { SCAN_S("INFECTED"), SCAN_S("infected") },
		{ SCAN_S("BANNED"), SCAN_S("banned") }, { SCAN_S("TEMPFAIL"), SCAN_S("defer") }, { SCAN_S("MTA-BLOCKED"), SCAN_S("reject") },
	};
	struct sv session;
	if (!scan_char(&s, '(') || !scan_before(&s, SV(") "), &session) || session.n > 64)
		return;
	bool blocked = scan_lit(&s, SV("Blocked "));
	if (!blocked && !scan_lit(&s, SV("Passed ")))
		return;
	r->status = blocked ? SV("reject") : SV("pass");
	for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++)
		if (sv_starts(s, verdicts[i].name))
			r->status = verdicts[i].status;
	amavis_parties(amavis_path(s), r);
}

/* "Message <id> from <a> to <b> with subject 's' message-id '<m>' date 'd' infected by Eicar", "Clean message from <a> to <b>" */
void filter_clamav(struct sv s, struct record *r)
{
	filter_queue_id(&s, r);
	bool clean = filter_has(sv_take(s, 24), SV("lean message")), message = sv_starts(s, SV("Message "));
	if (!clean && !message && !filter_has(s, SV(" Intercepted virus from ")) && !filter_has(s, SV("infected by ")))
		return;
	r->status = clean ? SV("pass") : SV("infected");
	struct sv t = s, skipped, id = message ? filter_value(s, SV("Message "), SV(" from <")) : (struct sv){ 0 };
	if (id.n >= 5 && id.n <= 24 && sv_chr(id, ' ') < 0)
		r->queue_id = id;
	if (!scan_before(&t, SV(" from <"), &skipped) || !scan_until(&t, '>', &r->sender) || !scan_lit(&t, SV(" to <")))
		return;
	(void)scan_until(&t, '>', &r->recipient);
	id = filter_value(t, SV(" message-id '<"), SV(">'"));
	if (id.n)
		r->message_id = id;
}

/* "100001: from=a@b.example, to=c@d.example, status=VIRUS:Eicar" */
void filter_clamsmtpd(struct sv s, struct record *r)
{
	ptrdiff_t status = scan_rfind(s, SV(", status="));
	if (status < 0)
		return;
	struct sv what = sv_skip(s, (size_t)status + 9);
	r->status = sv_starts(what, SV("CLEAN")) ? SV("pass") : sv_starts(what, SV("VIRUS")) ? SV("infected") : SV("defer");
	s = sv_take(s, (size_t)status);
	ptrdiff_t to = scan_rfind(s, SV(", to="));
	if (to >= 0)
		filter_set(&r->recipient, sv_skip(s, (size_t)to + 5));
	filter_set(&r->sender, filter_value(to >= 0 ? sv_take(s, (size_t)to) : s, SV("from="), SV(", client=")));
}

/* "Message 4F1C22003D.A1234 from 192.0.2.1 (a@b.example) to d.example is spam, SpamAssassin (…)", "Infected message Q came from
 * 192.0.2.1". Postfix's queue id stands before the dot. */
void filter_mailscanner(struct sv s, struct record *r)
{
	struct sv id;
	bool infected = scan_lit(&s, SV("Infected message "));
	if (!infected && !scan_lit(&s, SV("Message ")))
		return;
	id = scan_word(&s);
	ptrdiff_t dot = sv_chr(id, '.');
	filter_set(&r->queue_id, dot < 0 ? id : sv_take(id, (size_t)dot));
	if (infected) {
		r->status = SV("infected");
		if (scan_lit(&s, SV(" came from ")))
			filter_client(scan_word(&s), r);
		return;
	}
	if (!scan_lit(&s, SV(" from ")))
		return;
	filter_client(scan_word(&s), r);
	struct sv domain;
	ptrdiff_t to = scan_rfind(s, SV(") to ")); /* the sender's text comes before */
	if (!scan_lit(&s, SV(" (")) || to < 2)
		return;
	r->sender = sv_take(s, (size_t)to - 2);
	s = sv_skip(s, (size_t)to + 3);
	if (!scan_before(&s, SV(" is "), &domain))
		return;
	r->recipient = domain;
	r->status = sv_starts(s, SV("spam")) ? SV("spam") : sv_starts(s, SV("not spam")) || sv_starts(s, SV("whitelisted")) ? SV("pass") :
	            sv_starts(s, SV("too big")) ? SV("pass") : (struct sv){ 0 };
}
