/* auth and auth-worker, which speak of a failed login when auth_verbose is on:
 *   "passwd-file(ann,192.0.2.1,<session>): Password mismatch", "conn unix:auth-worker (…): auth-worker<7>: sql(…): unknown user"
 * and since 2.4 "auth(ann,192.0.2.1,sasl:plain)<session>: Info: sql: unknown user".
 * A warning: see login.c for what counts. Passwords that a configuration lets Dovecot write are cut off the reason. */
#include "collector/dovecot/dovecot.h"

/* "user,address", "user,address,<session>", "user,address,sasl:plain". The user may hold commas: from the right. */
static bool who_is(struct sv who, struct record *r)
{
	ptrdiff_t comma;
	for (unsigned i = 0; i < 4 && (comma = sv_rchr(who, ',')) >= 0; i++) {
		struct sv last = sv_skip(who, (size_t)comma + 1), ip = scan_ip(last);
		who = sv_take(who, (size_t)comma);
		if (ip.p) {
			r->client_ip = ip;
			if (!sv_eq(who, SV("?")))
				r->account = who;
			return true;
		}
	}
	return false;
}

static struct sv without_password(struct sv s)
{
	ptrdiff_t given = sv_find(s, SV("given password"));
	if (given < 0)
		return s;
	s = sv_take(s, (size_t)given);
	while (s.n && s.p[s.n - 1] != '(')
		s.n--;
	s.n -= s.n > 0;
	while (s.n && s.p[s.n - 1] == ' ')
		s.n--;
	return s;
}

/* "pam_unix(dovecot:auth): authentication failure; logname= uid=0 euid=0 tty=dovecot ruser=info rhost=192.0.2.1  user=info" */
static bool pam(struct sv s, struct record *r)
{
	ptrdiff_t rhost = scan_rfind(s, SV(" rhost=")), ruser = sv_find(s, SV(" ruser="));
	if (rhost < 0 || ruser < 0 || ruser + 7 > rhost)
		return false;
	struct sv host = sv_skip(s, (size_t)rhost + 7);
	r->kind = RECORD_WARNING;
	r->reason = sv_take(s, (size_t)sv_chr(s, ';') < s.n ? (size_t)sv_chr(s, ';') : s.n);
	r->client_ip = scan_ip(scan_word(&host));
	r->account = sv_make(s.p + ruser + 7, (size_t)(rhost - ruser) - 7);
	return true;
}

/* "conn unix:auth-worker (pid=7,uid=97): auth-worker<12>: " before what a worker says. */
static void skip_connection(struct sv *s)
{
	struct sv skipped, t = *s;
	if (scan_lit(&t, SV("conn unix:")) && scan_before(&t, SV("): "), &skipped))
		*s = t;
	t = *s;
	if (scan_lit(&t, SV("auth-worker<")) && scan_before(&t, SV(">: "), &skipped))
		*s = t;
}

bool dovecot_auth(const struct dovecot_head *h, struct sv s, struct record *r)
{
	struct sv database, who;
	skip_connection(&s);
	if (sv_starts(s, SV("pam_")))
		return pam(s, r);
	if (h->who.n && who_is(h->who, r)) { /* 2.4 */
		r->kind = RECORD_WARNING;
		r->reason = without_password(s);
		return true;
	}
	struct sv t = s;
	if (!scan_until(&t, '(', &database) || database.n > 32 || sv_chr(database, ' ') >= 0 || !scan_before(&t, SV("): "), &who) || !who_is(who, r))
		return false;
	r->kind = RECORD_WARNING;
	r->reason = without_password(t);
	return true;
}
