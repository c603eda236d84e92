/* What accompanies any MTA: filters and policy services that log a verdict on a client or a message under their own
 * program name. Every verdict is one record of kind policy: status says it in one word, reason is the line. */
#include "collector/filter/filter.h"

typedef void (*parser)(struct sv s, struct record *r);

static const struct { struct sv name; parser parse; } programs[] = {
	{ SCAN_S("amavis"), filter_amavis }, { SCAN_S("amavisd"), filter_amavis }, { SCAN_S("amavisd-new"), filter_amavis },
	{ SCAN_S("rspamd"), filter_rspamd }, { SCAN_S("rspamd_proxy"), filter_rspamd }, { SCAN_S("spamd"), filter_spamd },
	{ SCAN_S("spampd"), filter_spampd }, { SCAN_S("opendkim"), filter_dkim }, { SCAN_S("openarc"), filter_dkim },
	{ SCAN_S("dkimpy-milter"), filter_dkim },
	{ SCAN_S("opendmarc"), filter_dmarc }, { SCAN_S("policyd-spf"), filter_spf }, { SCAN_S("postgrey"), filter_postgrey },
	{ SCAN_S("postfix/policyd-spf"), filter_spf }, { SCAN_S("spamdyke"), filter_spamdyke },
	{ SCAN_S("postfix/postgrey"), filter_postgrey }, { SCAN_S("sqlgrey"), filter_sqlgrey }, { SCAN_S("milter-greylist"), filter_milter_greylist },
	{ SCAN_S("policyd"), filter_policyd }, { SCAN_S("cbpolicyd"), filter_policyd }, { SCAN_S("postfix-policyd"), filter_policyd }, { SCAN_S("postfwd"), filter_postfwd },
	{ SCAN_S("postfwd1"), filter_postfwd }, { SCAN_S("postfwd2"), filter_postfwd }, { SCAN_S("postfwd3"), filter_postfwd },
	{ SCAN_S("clamav-milter"), filter_clamav },
	{ SCAN_S("clamsmtpd"), filter_clamsmtpd }, { SCAN_S("MailScanner"), filter_mailscanner }, { SCAN_S("greylistd"), filter_generic },
	{ SCAN_S("mimedefang.pl"), filter_mimedefang }, { SCAN_S("mimedefang"), filter_mimedefang }, { SCAN_S("mimedefang-multiplexor"), filter_mimedefang },
	{ SCAN_S("pyspf-milter"), filter_spf },
	{ SCAN_S("pmg-smtp-filter"), filter_pmg }, { SCAN_S("dccm"), filter_generic }, { SCAN_S("dccifd"), filter_generic },
	{ SCAN_S("postfix/policyd-weight"), filter_policyd_weight }, { SCAN_S("policyd-weight"), filter_policyd_weight }, { SCAN_S("gld"), filter_gld },
	{ SCAN_S("iredapd"), filter_iredapd }, { SCAN_S("dkimproxy.in"), filter_dkimproxy }, { SCAN_S("dkimproxy.out"), filter_dkimproxy },
};

enum { RSPAMD = 3 };

static int program(struct sv p)
{
	ptrdiff_t slash = sv_starts(p, SV("postfwd")) ? sv_chr(p, '/') : -1; /* "postfwd2/policy", "postfwd2/master" */
	p = slash < 0 ? p : sv_take(p, (size_t)slash);
	for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
		if (sv_eq(p, programs[i].name))
			return (int)i;
	return -1;
}

/* rspamd's own file: "2026-11-24 10:00:00 #123(normal) <tag>; task; rspamd_task_write_log: …" */
static int native(struct native *n, struct sv line, struct logline *l)
{
	struct sv t = line, skipped;
	if (line.n < 40 || line.p[4] != '-' || line.p[10] != ' ' || sv_chr(sv_take(line, 34), '#') < 0)
		return -1;
	if (!stamp_read(n->stamp, &t, &l->time_us, &l->utc_offset_s) || !scan_char(&t, '#') || !scan_int(&t, &l->pid) || !scan_char(&t, '(') ||
	    !scan_before(&t, SV(") "), &skipped) || skipped.n > 32)
		return -1;
	l->program = SV("rspamd");
	l->text = t;
	return RSPAMD;
}

static enum mta_result parse(int filter, const struct logline *l, struct record *r)
{
	r->reason = l->text;
	programs[filter].parse(l->text, r);
	r->kind = r->status.n ? RECORD_POLICY : RECORD_OTHER; /* about itself, not about mail */
	return MTA_RECORD;
}

const struct mta mta_filter = { .name = "filter", .filter = true, .program = program, .native = native, .parse = parse };
