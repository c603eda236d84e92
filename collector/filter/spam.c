/* Spam filters: rspamd, SpamAssassin's spamd, spampd. */
#include "collector/filter/filter.h"

static struct sv rspamd_status(struct sv action)
{
	static const struct { struct sv action, status; } known[] = {
		{ SCAN_S("no action"), SCAN_S("pass") }, { SCAN_S("greylist"), SCAN_S("greylist") }, { SCAN_S("reject"), SCAN_S("reject") },
		{ SCAN_S("soft reject"), SCAN_S("defer") }, { SCAN_S("add header"), SCAN_S("spam") }, { SCAN_S("rewrite subject"), SCAN_S("spam") },
		{ SCAN_S("quarantine"), SCAN_S("reject") }, { SCAN_S("discard"), SCAN_S("discard") },
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (sv_eq(action, known[i].action))
			return known[i].status;
	return SV("spam"); /* an action of the site's own: not nothing */
}

/* Whether b is a, "ann+box@isp.example", without its tag. */
static bool is_untagged(struct sv a, struct sv b)
{
	ptrdiff_t plus = sv_chr(a, '+'), at = sv_rchr(a, '@');
	return plus > 0 && at > plus && b.n == a.n - (size_t)(at - plus) && sv_starts(a, sv_take(b, (size_t)plus)) && sv_ends(a, sv_skip(b, (size_t)plus));
}

/* "<b,c>, …": the first, and how many. Behind an address with a tag it writes the same without. */
static void recipients(struct sv s, struct record *r)
{
	struct sv list, one, last = { 0 };
	if (!scan_char(&s, '<') || !scan_until(&s, '>', &list) || !list.n)
		return;
	int64_t n = 0;
	for (bool more = true; more;) {
		more = scan_until(&list, ',', &one);
		one = more ? one : list;
		if (!n)
			r->recipient = one;
		n += !is_untagged(last, one);
		last = one;
	}
	r->nrcpt = n > 1 ? n : RECORD_UNSET;
}

/* What it greylists, it refuses for now: "soft reject" and "GREYLIST(0.00){greylisted;…}" among its symbols. When the server tries again
 * is known by its sender, so an address that is not written as it was given is not said to be greylisted. */
static bool is_greylisted(struct sv symbols, const struct record *r)
{
	struct sv skipped, t = symbols;
	return scan_before(&t, SV("GREYLIST("), &skipped) && scan_before(&t, SV(")"), &skipped) && sv_starts(sv_skip(t, 1), SV("greylisted")) &&
	       !filter_has(symbols, SV("TAGGED_FROM(")) && sv_chr(r->sender, ' ') < 0;
}

/* "<tag>; proxy; rspamd_task_write_log: id: <m>, qid: <Q>, ip: 192.0.2.1, user: u, from: <a>, (default: F (reject): [15.1/15.0]
 * [SYMBOL(1.0){…;},…]), len: 4100, time: 12ms, …, rcpts: <b,c>, mime_rcpts: <b>". The id is the sender's and comes first; from
 * "qid" on it goes step by step. */
void filter_rspamd(struct sv s, struct record *r)
{
	struct sv skipped, v, action, id = { 0 };
	if (!scan_before(&s, SV("rspamd_task_write_log: "), &skipped))
		return;
	if (scan_lit(&s, SV("id: <")) || scan_lit(&s, SV("id: "))) {
		ptrdiff_t end = scan_rfind(s, SV(">, qid: <")), ip = scan_rfind(s, SV(", ip: "));
		if (end < 0 || end > ip)
			end = sv_find(s, SV(">, "));
		if (end >= 0) {
			id = sv_take(s, (size_t)end);
			s = sv_skip(s, (size_t)end + 3);
		} else if (scan_before(&s, SV(", "), &skipped)) {
			id = skipped;
		}
	}
	if (id.n && !sv_eq(id, SV("undef")))
		r->message_id = id;
	if (scan_lit(&s, SV("qid: <")) && scan_before(&s, SV(">, "), &v))
		filter_set(&r->queue_id, sv_eq(v, SV("undef")) ? sv_make(NULL, 0) : v);
	if (scan_lit(&s, SV("ip: ")) && scan_before(&s, SV(", "), &v))
		filter_client(v, r);
	if (scan_lit(&s, SV("user: ")) && scan_before(&s, SV(", "), &v))
		filter_set(&r->account, v);
	if (scan_lit(&s, SV("from: ")) && scan_angle(&s, &v)) {
		r->sender = v;
		(void)scan_lit(&s, SV(", "));
	}
	if (!scan_char(&s, '(') || !scan_before(&s, SV(" ("), &skipped) || !scan_before(&s, SV("): ["), &action))
		return;
	ptrdiff_t len = scan_rfind(s, SV("]), len: ")), rcpts;
	v = len < 0 ? s : sv_skip(s, (size_t)len + 9);
	if (len >= 0)
		(void)scan_int(&v, &r->size);
	if ((rcpts = sv_find(v, SV(", rcpts: "))) >= 0) {
		recipients(sv_skip(v, (size_t)rcpts + 9), r);
		if (!r->sender.p) /* an empty one is left out */
			r->sender = SV("");
	}
	r->status = rspamd_status(action);
	if (sv_eq(action, SV("soft reject")) && len >= 0 && is_greylisted(sv_take(s, (size_t)len), r))
		r->status = SV("greylist");
}

/* "spamd: result: Y 15 - RULES scantime=1.2,size=4100,user=u,…,mid=<m>,autolearn=spam". The lines before it that say the same
 * ("identified spam (15.1/5.0) for u:100 …") are not the verdict. */
void filter_spamd(struct sv s, struct record *r)
{
	struct sv t;
	(void)scan_lit(&s, SV("spamd: "));
	if (!scan_lit(&s, SV("result: ")) || !s.n)
		return;
	r->status = s.p[0] == 'Y' ? SV("spam") : SV("pass");
	struct sv id = filter_value(s, SV(",mid=<"), SV(">,"));
	if (!id.n)
		id = filter_value(s, SV(",mid="), SV(","));
	if (id.n && !sv_eq(id, SV("(unknown)")))
		r->message_id = id.p[id.n - 1] == '>' ? sv_take(id, id.n - 1) : id;
	t = filter_value(s, SV(",size="), SV(","));
	(void)scan_int(&t, &r->size);
}

/* "<b>,<c>", "<b> ORCPT=rfc822;b,<c> ORCPT=rfc822;c", and what follows. */
static struct sv spampd_recipients(struct sv s, struct record *r)
{
	struct sv a;
	int64_t n = 0;
	while (scan_angle(&s, &a)) {
		if (!n++)
			r->recipient = a;
		if (sv_starts(s, SV(" ORCPT=")))
			while (s.n && !sv_starts(s, SV(",<")) && !sv_starts(s, SV(" in ")))
				s = sv_skip(s, 1);
		if (!scan_char(&s, ','))
			break;
	}
	r->nrcpt = n > 1 ? n : RECORD_UNSET;
	return s;
}

/* "identified spam <m> (15.1/5.0) from <a> for <b>,<c> in 1s, 4100 bytes.", "clean message (unknown) (…) from <a> for <b> …" */
void filter_spampd(struct sv s, struct record *r)
{
	bool spam = scan_lit(&s, SV("identified spam "));
	if (!spam && !scan_lit(&s, SV("clean message ")))
		return;
	r->status = spam ? SV("spam") : SV("pass");
	(void)scan_angle(&s, &r->message_id);
	ptrdiff_t from = scan_rfind(s, SV(" from <")), to = scan_rfind(s, SV(" for <"));
	if (from < 0 || to < from)
		return;
	struct sv t = sv_skip(s, (size_t)from + 6), skipped;
	(void)scan_angle(&t, &r->sender);
	t = spampd_recipients(sv_skip(s, (size_t)to + 5), r);
	if (scan_lit(&t, SV(" in ")) && scan_before(&t, SV("s, "), &skipped))
		(void)scan_int(&t, &r->size);
}
