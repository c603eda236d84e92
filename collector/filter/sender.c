/* Who may send for a domain: opendkim, openarc, opendmarc, policyd-spf. */
#include "collector/filter/filter.h"

#include <strings.h>

/* "Q: DKIM-Signature field added (s=mail, d=isp.example)", "Q: DKIM verification successful", "Q: bad signature data" */
void filter_dkim(struct sv s, struct record *r)
{
	static const struct { struct sv text, status; } known[] = {
		{ SCAN_S("DKIM-Signature field added"), SCAN_S("signed") }, { SCAN_S("DKIM-Signature header added"), SCAN_S("signed") },
		{ SCAN_S("DKIM verification successful"), SCAN_S("pass") }, { SCAN_S("bad signature data"), SCAN_S("fail") },
		{ SCAN_S("signature verification failed"), SCAN_S("fail") }, { SCAN_S("DKIM verification failed"), SCAN_S("fail") },
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

/* "Q: shop.example pass", "Q: SPF(mailfrom): a@b.example fail", "Q: rejected by DMARC policy for shop.example" */
void filter_dmarc(struct sv s, struct record *r)
{
	filter_queue_id(&s, r);
	if (!r->queue_id.p)
		return;
	if (filter_has(s, SV("rejected by DMARC policy")))
		r->status = SV("reject");
	else if (filter_has(s, SV("quarantined by DMARC policy")))
		r->status = SV("spam");
	else if (sv_ends(s, SV(" pass")))
		r->status = SV("pass");
	else if (sv_ends(s, SV(" fail")))
		r->status = SV("fail");
	struct sv t = s;
	if (scan_lit(&t, SV("SPF(mailfrom): ")) && sv_rchr(t, ' ') > 0)
		r->sender = sv_take(t, (size_t)sv_rchr(t, ' '));
}

/* Policy daemons for SPF: "prepend Received-SPF: Pass (mailfrom) identity=mailfrom; client-ip=192.0.2.1; helo=h;
 * envelope-from=a@b.example; receiver=r", "550 5.7.23 Message rejected due to: SPF fail - …;id=a@b.example;ip=192.0.2.1;r=c@d.example" */
void filter_spf(struct sv s, struct record *r)
{
	static const struct sv results[] = {
		SCAN_S("pass"), SCAN_S("fail"), SCAN_S("softfail"), SCAN_S("neutral"), SCAN_S("none"), SCAN_S("temperror"), SCAN_S("permerror"),
	};
	struct sv t = s, skipped;
	if (scan_before(&t, SV("Received-SPF: "), &skipped)) {
		struct sv result = scan_word(&t);
		for (size_t i = 0; i < sizeof results / sizeof *results; i++)
			if (result.n == results[i].n && strncasecmp(result.p, results[i].p, result.n) == 0)
				r->status = results[i];
		r->client_ip = scan_ip(filter_value(t, SV("client-ip="), SV(";")));
		filter_set(&r->helo, filter_value(t, SV("; helo="), SV(";")));
		ptrdiff_t receiver = scan_rfind(t, SV("; receiver="));
		filter_set(&r->sender, filter_value(receiver < 0 ? t : sv_take(t, (size_t)receiver), SV("; envelope-from="), SV("\n")));
		return;
	}
	if (s.n > 4 && (s.p[0] == '5' || s.p[0] == '4') && filter_has(s, SV("SPF"))) {
		r->status = s.p[0] == '5' ? SV("reject") : SV("defer");
		r->reply = s;
		(void)scan_dsn(sv_skip(s, 4), &r->dsn);
		ptrdiff_t ip = scan_rfind(s, SV(";ip=")), id = sv_find(s, SV(";id="));
		if (ip >= 0)
			r->client_ip = scan_ip(filter_value(sv_skip(s, (size_t)ip), SV(";ip="), SV(";")));
		if (ip >= 0 && id >= 0 && id < ip)
			r->sender = sv_make(s.p + id + 4, (size_t)(ip - id) - 4);
		if (ip >= 0)
			filter_set(&r->recipient, filter_value(sv_skip(s, (size_t)ip), SV(";r="), SV(";")));
		if (sv_eq(r->recipient, SV("UNKNOWN"))) /* what it writes where it does not tell */
			r->recipient = (struct sv){ 0 };
	}
}
