/* Content filters: amavis, clamav-milter, clamsmtpd, MailScanner, MIMEDefang. */
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
	struct sv end = filter_has(s, SV(">, mail_id: ")) ? SV(">, mail_id: ") : SV(">, Hits: "); /* until 2.4 */
	struct sv id = filter_value(s, SV("Message-ID: <"), end);
	if (id.n && filter_has(s, end))
		r->message_id = id;
	int64_t size;
	ptrdiff_t at = scan_rfind(s, SV(", size: "));
	if (at < 0)
		at = scan_rfind(s, SV(", Size: "));
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

/* What Full says of the message: " with subject 's' message-id '<m>' date 'd'". It writes a space for each ' of the sender's, so these
 * words are found from the right. Returns what stands before. */
static struct sv clamav_headers(struct sv s, struct record *r)
{
	ptrdiff_t subject = scan_rfind(s, SV(" with subject '")), id = scan_rfind(s, SV("' message-id '"));
	if (subject < 0 || id < subject + 15)
		return s;
	r->subject = sv_make(s.p + subject + 15, (size_t)(id - subject) - 15);
	struct sv v = filter_value(sv_skip(s, (size_t)id), SV("' message-id '"), SV("' date '"));
	if (!sv_eq(v, SV("UNKNOWN")))
		filter_set(&r->message_id, v);
	if (sv_eq(r->subject, SV("UNKNOWN")))
		r->subject = (struct sv){ 0 };
	return sv_take(s, (size_t)subject);
}

/* With LogInfected and LogClean Full "Message Q from <a> to <b> with subject … infected by Eicar", "Clean message Q from <a> to …", with
 * Basic "Message from <a> to <b> infected by Eicar", "Clean message from <a> to <b>". A line per recipient with SupportMultipleRecipients, the
 * recipient then in two pairs of brackets. */
void filter_clamav(struct sv s, struct record *r)
{
	ptrdiff_t by = scan_rfind(s, SV(" infected by "));
	bool clean = scan_lit(&s, SV("Clean message "));
	if (!clean && (by < 8 || !scan_lit(&s, SV("Message "))))
		return;
	r->status = clean ? SV("pass") : SV("infected");
	s = clamav_headers(clean ? s : sv_take(s, (size_t)by - 8), r);
	if (!sv_starts(s, SV("from <"))) {
		struct sv id = scan_word(&s);
		if (id.n >= 5 && id.n <= 24 && !sv_eq(id, SV("UNKNOWN")))
			r->queue_id = id;
		(void)scan_char(&s, ' ');
	}
	ptrdiff_t to;
	if (!scan_lit(&s, SV("from <")) || !sv_ends(s, SV(">")) || (to = scan_rfind(s, SV("> to <"))) < 0)
		return;
	r->sender = sv_take(s, (size_t)to);
	r->recipient = filter_unbracket(sv_make(s.p + to + 6, s.n - (size_t)to - 7));
}

/* Takes what stands before the next ", to=" that is not in quotes. */
static struct sv clamsmtpd_address(struct sv *s)
{
	bool quoted = false;
	size_t i = 0;
	for (; i < s->n && (quoted || !sv_starts(sv_skip(*s, i), SV(", to="))); i++) {
		if (s->p[i] == '"')
			quoted = !quoted;
		else if (quoted && s->p[i] == '\\')
			i++;
	}
	struct sv a = sv_take(*s, i);
	*s = sv_skip(*s, i + 5);
	return filter_unbracket(a);
}

/* "100001: from=a@b.example, to=c@d.example, to=e@d.example, status=VIRUS:Eicar" */
void filter_clamsmtpd(struct sv s, struct record *r)
{
	struct sv skipped;
	ptrdiff_t status = scan_rfind(s, SV(", status="));
	if (status < 0)
		return;
	struct sv what = sv_skip(s, (size_t)status + 9);
	r->status = sv_starts(what, SV("CLEAN")) ? SV("pass") : sv_starts(what, SV("VIRUS")) ? SV("infected") : SV("defer");
	s = sv_take(s, (size_t)status);
	if (!scan_before(&s, SV(": from="), &skipped))
		return;
	r->sender = clamsmtpd_address(&s);
	int64_t n = 0;
	for (; s.n; n++) {
		struct sv a = clamsmtpd_address(&s);
		if (!n)
			r->recipient = a;
	}
	r->nrcpt = n > 1 ? n : RECORD_UNSET;
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
	struct sv first;
	r->recipient = scan_until(&domain, ',', &first) ? first : domain; /* the domains of all recipients */
	r->status = sv_starts(s, SV("spam")) ? SV("spam") : sv_starts(s, SV("not spam")) || sv_starts(s, SV("whitelisted")) ? SV("pass") :
	            sv_starts(s, SV("too big")) ? SV("pass") : (struct sv){ 0 };
}

/* What a site's filter of MIMEDefang says of a message, in the words of its example: "event,value,address,<a@b.example>,<c@d.example>,subject". A comma
 * in one of them is "%2C"; instead of the recipient there may be "rcpts=3". */
static void mimedefang_said(struct sv s, struct record *r)
{
	static const struct { struct sv event, status; } known[] = {
		{ SCAN_S("virus"), SCAN_S("infected") }, { SCAN_S("spam"), SCAN_S("spam") }, { SCAN_S("bad_filename"), SCAN_S("banned") },
		{ SCAN_S("suspicious_chars"), SCAN_S("banned") }, { SCAN_S("message/partial"), SCAN_S("banned") }, /* "bounce": the filter says it */
	};
	struct sv event, value, address, to;
	if (!scan_until(&s, ',', &event) || !scan_until(&s, ',', &value) || !scan_until(&s, ',', &address) || !scan_angle(&s, &r->sender) ||
	    !scan_char(&s, ',') || !scan_until(&s, ',', &to))
		return;
	r->client_ip = scan_ip(address);
	if (scan_lit(&to, SV("rcpts=")))
		(void)scan_int(&to, &r->nrcpt);
	else
		filter_set(&r->recipient, to);
	if (s.n && sv_chr(s, '%') < 0)
		r->subject = s;
	for (size_t i = 0; i < sizeof known / sizeof *known && !r->status.p; i++)
		if (sv_eq(event, known[i].event))
			r->status = known[i].status;
}

/* "Q: MDLOG,Q,virus,Eicar-Test,…", and what becomes of the message: "Q: filter:  discard=1 quarantine_entire_message=1". mimedefang itself says it again. */
void filter_mimedefang(struct sv s, struct record *r)
{
	static const struct { struct sv action, status; } known[] = {
		{ SCAN_S(" bounce=1"), SCAN_S("reject") }, { SCAN_S(" discard=1"), SCAN_S("discard") }, { SCAN_S(" tempfail=1"), SCAN_S("defer") },
		{ SCAN_S(" quarantine_entire_message=1"), SCAN_S("banned") },
	};
	struct sv id;
	filter_queue_id(&s, r);
	if (scan_lit(&s, SV("MDLOG,")) && scan_until(&s, ',', &id)) {
		if (!r->queue_id.p && !sv_eq(id, SV("NOQUEUE")))
			r->queue_id = id;
		mimedefang_said(s, r);
	} else if (scan_lit(&s, SV("filter: "))) {
		for (size_t i = 0; i < sizeof known / sizeof *known && !r->status.p; i++)
			if (filter_has(s, known[i].action))
				r->status = known[i].status;
	}
}
