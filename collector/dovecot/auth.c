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

/* How much of "passwd-file(ann,192.0.2.1): Password mismatch (given password: secret)" is no password, which may look like all before it. */
static size_t before_password(struct sv s)
{
	static const struct sv given = SCAN_S(" (given password"), next[] = { SCAN_S(" - trying the next passdb"), SCAN_S(" - trying the next userdb") };
	ptrdiff_t at = sv_find(s, given);
	if (at >= 0 && (sv_ends(s, next[0]) || sv_ends(s, next[1])))
		s.n -= next[0].n;
	return at < 0 || !sv_ends(s, SV(")")) ? s.n : scan_once(s, given) ? (size_t)at : 0;
}

/* "?,192.0.2.1,<session>): Username character disallowed by auth_username_chars: 0x29 (username: who)": where that is set nobody is called otherwise. */
static bool no_name(struct sv s, struct record *r)
{
	struct sv who;
	if (!sv_starts(s, SV("?,")) || !scan_before(&s, SV("): "), &who) || !sv_starts(s, SV("Username ")) || !who_is(who, r))
		return false;
	r->reason = s;
	return true;
}

/* "ann,192.0.2.1,<session>): why": ann may be called anything, also "x,192.0.2.2): why", so it goes on to the last place that may be its end. */
static bool who_and_why(struct sv s, struct record *r)
{
	ptrdiff_t end = (ptrdiff_t)before_password(s);
	if (!end) { /* nobody can tell */
		r->reason = without_password(s);
		return true;
	}
	for (unsigned tries = 0; tries < 16; tries++) {
		end = scan_rfind(sv_take(s, (size_t)end), SV("): "));
		if (end < 0)
			return false;
		if (who_is(sv_take(s, (size_t)end), r)) {
			r->reason = without_password(sv_skip(s, (size_t)end + 3));
			return true;
		}
	}
	return false;
}

bool dovecot_auth(const struct dovecot_head *h, struct sv s, struct record *r)
{
	struct sv database;
	skip_connection(&s);
	if (sv_starts(s, SV("pam_")))
		return pam(s, r);
	if (h->who.n && who_is(h->who, r)) { /* 2.4 */
		r->kind = RECORD_WARNING;
		r->reason = without_password(s);
		return true;
	}
	struct sv t = s;
	r->kind = RECORD_WARNING;
	return scan_until(&t, '(', &database) && database.n <= 32 && sv_chr(database, ' ') < 0 && (no_name(t, r) || who_and_why(t, r));
}
