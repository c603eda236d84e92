/* The daemons that speak of the system rather than of mail. */
#include "collector/postfix/postfix.h"

#include <strings.h>

/* What each may start a line with. */
static const struct sv master[] = {
	SCAN_S("daemon started"), SCAN_S("reload"), SCAN_S("terminating on signal"), SCAN_S("process "), SCAN_S("stopping"),
	SCAN_S("postfix compatibility level"), SCAN_S("service "), SCAN_S("using backwards-compatible default setting "),
};
static const struct sv script[] = {
	SCAN_S("starting the Postfix mail system"), SCAN_S("stopping the Postfix mail system"), SCAN_S("refreshing the Postfix mail system"),
	SCAN_S("aborting the Postfix mail system"), SCAN_S("the Postfix mail system is "), SCAN_S("waiting for the Postfix mail system"),
	SCAN_S("configuration check"), SCAN_S("stopping the Postfix"), SCAN_S("To disable backwards compatibility"),
	SCAN_S("Postfix is "), SCAN_S("rotating"), SCAN_S("See http"), SCAN_S("Postfix is using backwards-compatible"),
};
static const struct sv statistics[] = { SCAN_S("statistics: ") };
static const struct sv tables[] = {
	SCAN_S("table "), SCAN_S("cache "), SCAN_S("close database "), SCAN_S("open database "), SCAN_S("start interval"),
	SCAN_S("write session "), SCAN_S("using backwards-compatible default setting "), SCAN_S("flush "), SCAN_S("delete session"),
};
static const struct sv super[] = {
	SCAN_S("Deleted: "), SCAN_S("Placed on hold: "), SCAN_S("Released from hold: "), SCAN_S("Requeued: "), SCAN_S("Expired: "),
	SCAN_S("scanned "), SCAN_S("Renamed "), SCAN_S("Force-expired: "), SCAN_S("renamed file"),
};

/* "statistics: max connection rate 5/60s for (smtp:192.0.2.1) at …" */
static void anvil_client(struct sv s, struct record *r)
{
	struct sv what, who;
	if (!scan_before(&s, SV(" for ("), &what) || !scan_before(&s, SV(") at "), &who))
		return;
	ptrdiff_t colon = sv_chr(who, ':');
	if (colon >= 0)
		r->client_ip = scan_ip(sv_skip(who, (size_t)colon + 1));
}

/* "softfail", "PASS:"; "PREPEND X-Comment: SPF skipped …", "DUNNO" and the like are no results. */
static struct sv spf_status(struct sv result)
{
	static const struct sv known[] = {
		SCAN_S("pass"), SCAN_S("fail"), SCAN_S("softfail"), SCAN_S("neutral"), SCAN_S("none"), SCAN_S("temperror"), SCAN_S("permerror"),
		SCAN_S("error"), SCAN_S("unknown"),
	};
	if (result.n && result.p[result.n - 1] == ':')
		result.n--;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (result.n == known[i].n && strncasecmp(result.p, known[i].p, result.n) == 0)
			return known[i];
	return SV("none");
}

/* Explanation, HELO and sender are strangers' texts around the address: what stands twice is left out, but the address that is the line's end. */
static void spf_parties(struct sv s, struct record *r)
{
	struct sv t, skipped;
	ptrdiff_t last = scan_rfind(s, SV("; client-ip="));
	if (last >= 0)
		r->client_ip = scan_ip(sv_skip(s, (size_t)last + 12));
	t = s;
	if (!r->client_ip.p && scan_once(s, SV("ip=")) && scan_before(&t, SV("ip="), &skipped))
		r->client_ip = scan_ip(scan_word(&t));
	t = s;
	if (scan_once(s, SV("envelope-from=")) && scan_before(&t, SV("envelope-from="), &skipped)) {
		r->sender = scan_word(&t);
		if (r->sender.n > 1 && r->sender.p[0] == '"')
			r->sender = sv_make(r->sender.p + 1, r->sender.n - 2);
	}
	t = s;
	if (scan_once(s, SV("; helo=")) && scan_before(&t, SV("; helo="), &skipped))
		r->helo = scan_word(&t);
}

/* The Perl one: "Policy action=PREPEND Received-SPF: pass (…) client-ip=192.0.2.1; envelope-from=a@b; helo=h;", "Policy action=550 Please see …",
 * "Policy action=DEFER_IF_PERMIT …" */
static bool spf(struct sv s, struct record *r)
{
	struct sv skipped, t = s, result;
	if (!scan_before(&t, SV("Received-SPF: "), &skipped) && !scan_before(&t, SV("action="), &skipped))
		return true;
	result = scan_word(&t);
	r->kind = RECORD_POLICY;
	r->status = spf_status(result);
	(void)scan_lit(&s, SV(": "));
	if (sv_starts(s, SV("Policy action=5")))
		r->status = SV("reject");
	else if (sv_starts(s, SV("Policy action=DEFER")) || sv_starts(s, SV("Policy action=4")))
		r->status = SV("defer");
	spf_parties(s, r);
	return true;
}

bool postfix_other(enum postfix_daemon d, struct sv s, struct record *r)
{
	r->kind = RECORD_OTHER;
	r->reason = s;
	switch (d) {
	case POSTFIX_MASTER:
		return SCAN_ANY(s, master);
	case POSTFIX_SCRIPT: case POSTFIX_POSTFIX: case POSTFIX_POST_INSTALL: case POSTFIX_SET_PERM: case POSTFIX_POSTMULTI:
		return SCAN_ANY(s, script) || SCAN_ANY(s, master);
	case POSTFIX_ANVIL:
		anvil_client(s, r);
		return SCAN_ANY(s, statistics);
	case POSTFIX_SCACHE:
		return SCAN_ANY(s, statistics);
	case POSTFIX_SUPER:
		return SCAN_ANY(s, super);
	case POSTFIX_POLICY_SPF:
		return spf(s, r);
	case POSTFIX_POSTLOG: case POSTFIX_POSTLOGD: /* whatever an operator wants to write there */
		return true;
	default:
		return SCAN_ANY(s, tables) || SCAN_ANY(s, statistics);
	}
}
