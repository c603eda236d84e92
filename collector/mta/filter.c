/* What accompanies any MTA: filters and policy services that log a verdict on a client or a message under their own
 * program name. Every verdict is one record of kind policy: status says it in one word, reason is the line. */
#include "collector/mta.h"
#include "collector/scan.h"

enum filter { OPENDKIM, OPENDMARC, AMAVIS, RSPAMD, SPAMD, POSTGREY, SQLGREY, POLICYD, MILTER_GREYLIST, CLAMAV, OPENARC };

static const struct { struct sv name; enum filter filter; } programs[] = {
	{ SCAN_S("opendkim"), OPENDKIM }, { SCAN_S("opendmarc"), OPENDMARC }, { SCAN_S("openarc"), OPENARC },
	{ SCAN_S("amavis"), AMAVIS }, { SCAN_S("amavisd"), AMAVIS }, { SCAN_S("amavisd-new"), AMAVIS },
	{ SCAN_S("rspamd"), RSPAMD }, { SCAN_S("spamd"), SPAMD }, { SCAN_S("spampd"), SPAMD },
	{ SCAN_S("postgrey"), POSTGREY }, { SCAN_S("postfix/postgrey"), POSTGREY }, { SCAN_S("sqlgrey"), SQLGREY },
	{ SCAN_S("policyd"), POLICYD }, { SCAN_S("cbpolicyd"), POLICYD }, { SCAN_S("milter-greylist"), MILTER_GREYLIST },
	{ SCAN_S("clamav-milter"), CLAMAV }, { SCAN_S("clamsmtpd"), CLAMAV },
};

static int program(struct sv p)
{
	for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
		if (sv_eq(p, programs[i].name))
			return (int)programs[i].filter;
	return -1;
}

static bool has(struct sv s, struct sv what)
{
	return sv_find(s, what) >= 0;
}

/* "ABCDEF12345: text" */
static void queue_id(struct sv *s, struct record *r)
{
	struct sv t = *s, id;
	if (!scan_until(&t, ':', &id) || id.n < 5 || id.n > 24 || !t.n || t.p[0] != ' ')
		return;
	for (size_t i = 0; i < id.n; i++)
		if (!((id.p[i] >= '0' && id.p[i] <= '9') || (id.p[i] >= 'A' && id.p[i] <= 'Z') || (id.p[i] >= 'a' && id.p[i] <= 'z')))
			return;
	r->queue_id = id;
	*s = sv_skip(t, 1);
}

/* The text after `key` up to a space, comma or semicolon. */
static struct sv value(struct sv s, struct sv key)
{
	struct sv skipped;
	return scan_before(&s, key, &skipped) ? scan_word(&s) : (struct sv){ 0 };
}

static struct sv unbracket(struct sv a)
{
	return a.n > 1 && a.p[0] == '<' && a.p[a.n - 1] == '>' ? sv_make(a.p + 1, a.n - 2) : a;
}

static void dkim(struct sv s, struct record *r)
{
	queue_id(&s, r);
	r->status = has(s, SV("DKIM-Signature field added")) ? SV("signed") : has(s, SV("verification successful")) ? SV("pass") :
	            has(s, SV("bad signature")) || has(s, SV("verification failed")) ? SV("fail") : SV("none");
}

static void dmarc(struct sv s, struct record *r)
{
	queue_id(&s, r);
	r->status = sv_ends(s, SV(" pass")) ? SV("pass") : sv_ends(s, SV(" fail")) ? SV("fail") : SV("none");
	if (has(s, SV("rejected by DMARC policy")))
		r->status = SV("reject");
}

/* "(123-4) Blocked SPAM {…}, [192.0.2.1]:25 [192.0.2.1] <a> -> <b>,<c>, Queue-ID: Q, Message-ID: <m>, …" */
static void amavis(struct sv s, struct record *r)
{
	struct sv skipped, verdict, t = s;
	r->status = SV("none");
	if (scan_char(&t, '(') && scan_before(&t, SV(") "), &skipped) && (sv_starts(t, SV("Passed ")) || sv_starts(t, SV("Blocked ")))) {
		bool blocked = t.p[0] == 'B';
		verdict = sv_skip(t, blocked ? 8 : 7);
		r->status = sv_starts(verdict, SV("CLEAN")) ? SV("pass") : sv_starts(verdict, SV("SPAM")) ? SV("spam") :
		            sv_starts(verdict, SV("INFECTED")) ? SV("infected") : sv_starts(verdict, SV("BANNED")) ? SV("banned") :
		            blocked ? SV("reject") : SV("pass");
		struct scan_peer p;
		struct sv at = verdict;
		if (scan_before(&at, SV(", ["), &skipped)) {
			at = sv_make(at.p - 1, at.n + 1);
			if (scan_peer(&at, &p))
				scan_set_client(r, &p);
		}
		at = verdict;
		if (scan_before(&at, SV("] <"), &skipped) || scan_before(&at, SV(", <"), &skipped)) {
			at = sv_make(at.p - 1, at.n + 1);
			(void)scan_angle(&at, &r->sender);
			if (scan_lit(&at, SV(" -> ")))
				(void)scan_angle(&at, &r->recipient);
		}
		struct sv id = value(verdict, SV("Queue-ID: ")), mid = value(verdict, SV("Message-ID: "));
		if (id.n)
			r->queue_id = id;
		if (mid.n)
			r->message_id = unbracket(mid);
	}
}

/* "… rspamd_task_write_log: id: <m>, qid: <Q>, ip: 192.0.2.1, user: u, from: <a>, (default: F (reject): [15.1/15.0] …" */
static void rspamd(struct sv s, struct record *r)
{
	r->status = SV("none");
	if (!has(s, SV("qid: <")) && !has(s, SV("ip: ")))
		return;
	struct sv qid = value(s, SV("qid: ")), user = value(s, SV("user: ")), from = value(s, SV("from: ")), mid = value(s, SV("id: "));
	struct sv action, t = s, skipped;
	if (qid.n > 2)
		r->queue_id = unbracket(qid);
	if (user.n)
		r->account = user;
	if (from.n)
		r->sender = unbracket(from);
	if (mid.n > 2)
		r->message_id = unbracket(mid);
	r->client_ip = scan_ip(value(s, SV(" ip: ")));
	if (!scan_before(&t, SV("(default: "), &skipped) || !scan_before(&t, SV(" ("), &skipped) || !scan_until(&t, ')', &action))
		return;
	r->status = sv_eq(action, SV("no action")) ? SV("pass") : sv_eq(action, SV("greylist")) ? SV("greylist") :
	            sv_eq(action, SV("reject")) ? SV("reject") : sv_eq(action, SV("soft reject")) ? SV("defer") : SV("spam");
}

/* "spamd: identified spam (15.1/5.0) for user:100 …", "spamd: clean message (…)", "spamd: result: Y 15 - …" */
static void spamd(struct sv s, struct record *r)
{
	r->status = has(s, SV("identified spam")) || has(s, SV("result: Y")) ? SV("spam") :
	            has(s, SV("clean message")) || has(s, SV("result: .")) || has(s, SV("result: N")) ? SV("pass") : SV("none");
	struct sv mid = value(s, SV("mid="));
	if (!mid.n)
		mid = value(s, SV("for message "));
	if (!mid.n)
		mid = value(s, SV("processing message "));
	if (mid.n)
		r->message_id = unbracket(mid);
}

/* "action=greylist, reason=new, client_name=h, client_address=192.0.2.1/32, sender=a, recipient=b" */
static void greylisting(struct sv s, struct record *r)
{
	struct sv action = value(s, SV("action=")), ip = value(s, SV("client_address="));
	struct sv sender = value(s, SV("sender=")), recipient = value(s, SV("recipient="));
	ptrdiff_t slash = sv_chr(ip, '/');
	queue_id(&s, r);
	r->status = sv_eq(action, SV("greylist")) || has(s, SV("greylist: from ")) ? SV("greylist") : action.n ? action : SV("none");
	if (sv_eq(action, SV("pass")) || sv_eq(action, SV("dunno")))
		r->status = SV("pass");
	r->client_ip = scan_ip(slash < 0 ? ip : sv_take(ip, (size_t)slash));
	if (sender.n)
		r->sender = unbracket(sender);
	if (recipient.n)
		r->recipient = unbracket(recipient);
}

static void clamav(struct sv s, struct record *r)
{
	queue_id(&s, r);
	bool clean = has(s, SV("lean message")) || has(s, SV("status=CLEAN"));
	r->status = clean ? SV("pass") : has(s, SV("infected by")) || has(s, SV("status=VIRUS")) ? SV("infected") : SV("none");
}

static enum mta_result parse(int filter, const struct logline *l, struct record *r)
{
	r->kind = RECORD_POLICY;
	r->reason = l->text;
	switch (filter) {
	case OPENDKIM: case OPENARC: dkim(l->text, r); break;
	case OPENDMARC: dmarc(l->text, r); break;
	case AMAVIS: amavis(l->text, r); break;
	case RSPAMD: rspamd(l->text, r); break;
	case SPAMD: spamd(l->text, r); break;
	case CLAMAV: clamav(l->text, r); break;
	default: greylisting(l->text, r);
	}
	if (sv_eq(r->status, SV("none"))) /* about itself, not about mail */
		r->kind = RECORD_OTHER;
	return MTA_RECORD;
}

const struct mta mta_filter = { .name = "filter", .filter = true, .program = program, .parse = parse };
