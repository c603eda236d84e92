/* The saslauthd format: Cyrus SASL's daemon, which checks passwords for a mail server and logs the wrong ones:
 *   "do_auth         : auth failure: [user=ann] [service=smtp] [realm=isp.example] [mech=pam] [reason=PAM auth error]"
 * (since 2.1.28 blanks stand for "do_auth"). It knows no client. What failed for an SMTP server that server tells itself, with the client's address, so that
 * here it is a warning; of Cyrus' IMAP, POP3 and Sieve servers nobody else tells. Good log-ins are not logged.
 * Plesk's plesk_saslauthd serves SMTP only. */
#include "collector/mta.h"
#include "collector/scan.h"

enum { CYRUS, PLESK };

static int program(struct sv p)
{
	return sv_eq(p, SV("saslauthd")) ? CYRUS : sv_eq(p, SV("plesk_saslauthd")) ? PLESK : -1;
}

/* "failed mail authentication attempt for user 'ann' (password len=8)" */
static enum mta_result plesk(struct sv s, struct record *r)
{
	r->kind = RECORD_OTHER;
	r->reason = s;
	if (!scan_lit(&s, SV("failed mail authentication attempt for user '")))
		return MTA_RECORD;
	ptrdiff_t end = scan_rfind(s, SV("' (password len="));
	if (end < 0)
		return MTA_RECORD;
	r->kind = RECORD_WARNING;
	r->account = sv_take(s, (size_t)end);
	r->reason = SV("auth failure");
	return MTA_RECORD;
}

/* libsasl takes names apart at their last '@' before it asks, and who asked knows the whole: Postfix' sasl_username is "ann@isp.example" where saslauthd says
 * user=ann, realm=isp.example. With -r saslauthd puts them together itself. */
static struct sv whole_name(struct sv user, struct sv realm)
{
	static _Thread_local char text[320];
	if (!user.n || !realm.n || sv_chr(user, '@') >= 0 || user.n + 1 + realm.n > sizeof text)
		return user;
	memcpy(text, user.p, user.n);
	text[user.n] = '@';
	memcpy(text + user.n + 1, realm.p, realm.n);
	return sv_make(text, user.n + 1 + realm.n);
}

/* "ann] [service=smtp] [realm=] [mech=pam] [reason=PAM auth error]". User and realm are the client's texts: one that looks like the next field leaves
 * no account and no service that could be believed. */
static bool fields(struct sv s, struct record *r, struct sv *ret_service)
{
	static const struct sv keys[] = { SCAN_S("] [service="), SCAN_S("] [realm="), SCAN_S("] [mech="), SCAN_S("] [reason=") };
	struct sv value[4];
	for (size_t i = 0; i < 4; i++)
		if (!scan_once(s, keys[i]))
			return false;
	for (size_t i = 0; i < 4; i++)
		if (!scan_before(&s, keys[i], &value[i]))
			return false;
	if (!sv_ends(s, SV("]")))
		return false;
	r->account = whole_name(value[0], value[2]);
	r->reason = sv_take(s, s.n - 1);
	*ret_service = value[1];
	return true;
}

static enum mta_result failure(struct sv s, struct record *r)
{
	static const struct sv unseen[] = { SCAN_S("imap"), SCAN_S("pop"), SCAN_S("sieve") };
	static const struct sv unjudged[] = { SCAN_S("[ALERT]"), SCAN_S("PAM start error"), SCAN_S("Username ") }; /* "… lookup failure" */
	struct sv service;
	r->kind = RECORD_WARNING;
	r->reason = SV("auth failure");
	if (fields(s, r, &service) && SCAN_ANY(service, unseen)) {
		r->kind = SCAN_ANY(r->reason, unjudged) ? RECORD_WARNING : RECORD_AUTH_FAIL;
		scan_login_unjudged(r);
	}
	return MTA_RECORD;
}

static enum mta_result parse(int number, const struct logline *l, struct record *r)
{
	static const struct sv known[] = { SCAN_S("DEBUG: "), SCAN_S("pam_") };
	struct sv s = l->text, function;
	if (number == PLESK)
		return plesk(s, r);
	r->kind = RECORD_OTHER;
	if (SCAN_ANY(s, known)) { /* "auth_shadow: pw mismatch" is followed by the password's hashes: no reason is kept */
		r->reason = SV("debug");
		return MTA_RECORD;
	}
	if (!scan_until(&s, ':', &function) || function.n > 32 || !scan_char(&s, ' '))
		return MTA_UNRECOGNISED;
	if (scan_lit(&s, SV("auth failure: [user=")))
		return failure(s, r);
	r->reason = s;
	return MTA_RECORD;
}

const struct mta mta_saslauthd = { .name = "saslauthd", .accompanies = true, .program = program, .parse = parse };
