/* The OpenSMTPD format. Its daemon is called smtpd, as one of Postfix's, which logs as postfix/smtpd. A message's id is the
 * first half of its envelopes' ids; lines of one connection share a session, which knows client and account. */
#include "collector/opensmtpd/opensmtpd.h"

static int program(struct sv p)
{
	return sv_eq(p, SV("smtpd")) || sv_eq(p, SV("opensmtpd")) ? 0 : -1;
}

static enum mta_result parse(int number, const struct logline *l, struct record *r)
{
	(void)number;
	bool event = l->text.n > 16 && l->text.p[16] == ' ' && l->text.p[0] <= 'f' && opensmtpd_hex(&(struct sv){ l->text.p, l->text.n }, 16, &(struct sv){ 0 });
	return (event ? opensmtpd_event(l->text, r) : opensmtpd_prose(l->text, r)) ? MTA_RECORD : MTA_UNRECOGNISED;
}

const struct mta mta_opensmtpd = { .name = "opensmtpd", .keeps_removed = true, .program = program, .parse = parse };
