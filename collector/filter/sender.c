/* Who may send for a domain: opendkim, openarc, opendmarc, policyd-spf, pyspf-milter. */
#include "collector/filter/filter.h"

#include <strings.h>

/* "Q: DKIM-Signature field added (s=mail, d=isp.example)", "Q: DKIM verification successful", "Q: bad signature data" */
void filter_dkim(struct sv s, struct record *r)
{
	static const struct { struct sv text, status; } known[] = {
		{ SCAN_S("DKIM-Signature field added"), SCAN_S("signed") }, { SCAN_S("DKIM-Signature header added"), SCAN_S("signed") },
		{ SCAN_S("DKIM verification successful"), SCAN_S("pass") }, { SCAN_S("bad signature data"), SCAN_S("fail") },
		{ SCAN_S("signature verification failed"), SCAN_S("fail") }, { SCAN_S("DKIM verification failed"), SCAN_S("fail") },
		{ SCAN_S("DKIM signature added"), SCAN_S("signed") }, { SCAN_S("DKIM signature verified"), SCAN_S("pass") }, /* dkimpy-milter */
		{ SCAN_S("ARC-Seal field added"), SCAN_S("signed") }, { SCAN_S("ARC chain pass"), SCAN_S("pass") }, { SCAN_S("ARC chain fail"), SCAN_S("fail") },
	};
	filter_queue_id(&s, r);
	for (size_t i = 0; r->queue_id.p && i < sizeof known / sizeof *known; i++) {
		if (filter_has(s, known[i].text)) {
			r->status = known[i].status;
			return;
		}
	}
}

/* "Q: shop.example pass", "Q: SPF(mailfrom): shop.example fail" (the domain, or with old ones the address). What came of it the server tells: its
 * reply is "rejected by DMARC policy for shop.example". */
void filter_dmarc(struct sv s, struct record *r)
{
	filter_queue_id(&s, r);
	if (!r->queue_id.p)
		return;
	if (sv_ends(s, SV(" pass")))
		r->status = SV("pass");
	else if (sv_ends(s, SV(" fail")))
		r->status = SV("fail");
	struct sv t = s;
	if (scan_lit(&t, SV("SPF(mailfrom): ")) && sv_rchr(t, ' ') > 0 && sv_chr(t, '@') >= 0)
		r->sender = sv_take(t, (size_t)sv_rchr(t, ' '));
}

/* "Pass", "softfail" */
static void spf_result(struct sv result, struct record *r)
{
	static const struct sv results[] = {
		SCAN_S("pass"), SCAN_S("fail"), SCAN_S("softfail"), SCAN_S("neutral"), SCAN_S("none"), SCAN_S("temperror"), SCAN_S("permerror"),
	};
	for (size_t i = 0; i < sizeof results / sizeof *results; i++)
		if (result.n == results[i].n && strncasecmp(result.p, results[i].p, result.n) == 0)
			r->status = results[i];
}

/* "client-ip=192.0.2.1; helo=h; envelope-from=a@b.example; receiver=r" */
static void spf_parties(struct sv t, struct record *r)
{
	if (scan_once(t, SV("client-ip="))) /* the comment before it and the HELO behind may hold another: a stranger's words */
		r->client_ip = scan_ip(filter_value(t, SV("client-ip="), SV(";")));
	ptrdiff_t receiver = scan_rfind(t, SV("; receiver="));
	if (scan_once(t, SV("; envelope-from=")))
		filter_set(&r->sender, filter_value(receiver < 0 ? t : sv_take(t, (size_t)receiver), SV("; envelope-from="), SV("\n")));
}

/* "Pass (mailfrom) identity=mailfrom; client-ip=192.0.2.1; helo=h; envelope-from=a@b.example; receiver=r" */
static void received_spf(struct sv t, struct record *r)
{
	spf_result(scan_word(&t), r);
	spf_parties(t, r);
	filter_set(&r->helo, filter_value(t, SV("; helo="), SV(";")));
}

/* "mx; spf=pass (sender SPF authorized) smtp.mailfrom=b.example (client-ip=192.0.2.1; helo=h; envelope-from=a@b.example; receiver=r)". What it calls
 * helo is the client's name. */
static void authentication_results(struct sv t, struct record *r)
{
	struct sv skipped;
	ptrdiff_t parties = scan_rfind(t, SV(" (client-ip="));
	if (parties < 0 || !scan_before(&t, SV("; spf="), &skipped))
		return;
	struct sv said = sv_skip(t, (size_t)parties - skipped.n - 6);
	spf_result(scan_word(&t), r);
	spf_parties(said, r);
}

/* "…;id=a@b.example;ip=192.0.2.1;r=c@d.example": since 2.9 the recipient's domain alone, or <UNKNOWN>. */
static void refused_spf(struct sv s, struct record *r)
{
	ptrdiff_t ip = scan_rfind(s, SV(";ip=")), id = sv_find(s, SV(";id="));
	if (ip < 0)
		return;
	struct sv t = sv_skip(s, (size_t)ip), recipient = filter_value(t, SV(";r="), SV(";"));
	r->client_ip = scan_ip(filter_value(t, SV(";ip="), SV(";")));
	if (id >= 0 && id < ip)
		r->sender = sv_make(s.p + id + 4, (size_t)(ip - id) - 4);
	if (sv_chr(recipient, '@') >= 0)
		r->recipient = recipient;
}

/* Policy daemons for SPF, all behind "Q: " or, before there is a message, ": ": "prepend Received-SPF: Pass (mailfrom) …", "550 5.7.23 Message
 * rejected due to: SPF fail - …;id=a@b.example;…", "defer_if_permit 4.7.24 …". */
void filter_spf(struct sv s, struct record *r)
{
	struct sv t, skipped;
	if (!scan_lit(&s, SV(": ")))
		filter_queue_id(&s, r);
	t = s;
	if (scan_before(&t, SV("Received-SPF: "), &skipped)) {
		received_spf(t, r);
		return;
	}
	if (scan_lit(&t, SV("prepend Authentication-Results: "))) {
		authentication_results(t, r);
		return;
	}
	bool later = scan_lit(&s, SV("defer_if_permit "));
	if (s.n <= 4 || !filter_has(s, SV("SPF")) || (!later && s.p[0] != '5' && s.p[0] != '4'))
		return;
	r->status = !later && s.p[0] == '5' ? SV("reject") : SV("defer");
	scan_set_reply(r, s);
	refused_spf(s, r);
}
