/* imap-login, pop3-login, submission-login, managesieve-login:
 *   "Login: user=<u>, method=PLAIN, rip=…, lip=…, mpid=…, TLS, session=<…>"
 *   "Disconnected: Connection closed (auth failed, 2 attempts in 6 secs): user=<u>, method=…, rip=…, …"
 * A failed login is told here, always, and by auth as well when auth_verbose is on. It counts here and once: this line exists
 * with every configuration, and names the address that the client really has. What auth says is a warning. (Where another
 * server asks Dovecot's auth for its own clients, as Postfix does, that server tells of the failure itself.) */
#include "collector/dovecot/dovecot.h"

/* Where "rip=" of the server stands. Everything after the user name is Dovecot's own, and the user name is the client's: so it is the last one, but where
 * login_log_format_elements puts it before the name, the first. */
static ptrdiff_t client_at(struct sv s, ptrdiff_t user)
{
	ptrdiff_t first = sv_find(s, SV(" rip="));
	return first >= 0 && first < user && !sv_starts(s, SV("proxy(")) ? first + 1 : scan_rfind(s, SV("rip="));
}

/* Where "user=<" stands, and not the end of a site's "orig_user=<" or "master_user=<" before it, whose name could hold one as well: then not the only one. */
static ptrdiff_t user_at(struct sv s)
{
	ptrdiff_t user = sv_find(s, SV("user=<"));
	if (user > 0 && s.p[user - 1] != ' ' && scan_once(s, SV(", user=<")))
		return sv_find(s, SV(", user=<")) + 2;
	return user;
}

/* "ann", out of "ann>" or, where a site has elements of its own behind it, "ann>, method=PLAIN, orig=<ann@isp.example>, secured". A client that names itself so
 * gets the account that it could have named as well. Where the method was found behind, another one belongs to the name. */
static void account(struct sv s, struct record *r)
{
	bool named = r->auth_method.p && sv_ends(s, SV(">")) && (sv_find(s, SV(">, method=")) >= 0 || sv_find(s, SV(", rip=")) >= 0);
	ptrdiff_t end = named ? -1 : sv_find(s, SV(">, "));
	if (end < 0 && sv_ends(s, SV(">")))
		end = (ptrdiff_t)s.n - 1;
	if (end > 0)
		r->account = sv_take(s, (size_t)end);
}

/* Port and session, out of what follows the address. Where the name stands there, too, the client's words are left out: the port comes before it, and of
 * sessions behind it the last one counts. */
static void connection(struct sv s, ptrdiff_t user, struct record *r)
{
	struct sv own = user < 0 ? s : sv_take(s, (size_t)user), t = own, skipped;
	if (scan_before(&t, SV("rport="), &skipped))
		(void)scan_int(&t, &r->client_port);
	t = own;
	if (scan_before(&t, SV("session=<"), &skipped)) {
		(void)scan_until(&t, '>', &r->session);
		return;
	}
	ptrdiff_t at = user < 0 ? -1 : scan_rfind(s, SV("session=<"));
	t = sv_skip(s, at < 0 ? s.n : (size_t)at + 9);
	(void)scan_until(&t, '>', &r->session);
}

static bool tail(struct sv s, struct record *r)
{
	ptrdiff_t user = user_at(s), rip = client_at(s, sv_find(s, SV("user=<"))), method;
	if (rip < 1 || s.p[rip - 1] != ' ')
		return false;
	struct sv t = sv_skip(s, (size_t)rip + 4), before = sv_take(s, (size_t)rip);
	r->client_ip = scan_ip(scan_word(&t));
	connection(t, user > rip ? user - (t.p - s.p) : -1, r);
	if (user > rip) {
		account(sv_skip(s, (size_t)user + 6), r);
		return true;
	}
	if (sv_ends(before, SV(", ")))
		before.n -= 2;
	method = scan_rfind(before, SV(", method="));
	if (method > 0 && before.p[method - 1] == '>' && sv_chr(sv_skip(before, (size_t)method + 9), ' ') < 0) {
		r->auth_method = sv_skip(before, (size_t)method + 9);
		before.n = (size_t)method;
	}
	if (user < 0 && (method = sv_find(before, SV(": method="))) > 0) /* until 2.0, where the client named nobody */
		r->auth_method = sv_skip(before, (size_t)method + 9);
	if (user >= 0)
		account(sv_skip(before, (size_t)user + 6), r);
	return true;
}

/* How the session ended, by the words before "user=<": nobody but Dovecot writes there. */
static enum record_kind verdict(struct sv why)
{
	static const struct sv failed[] = {
		SCAN_S("(auth failed"), SCAN_S("(proxy dest auth failed"), SCAN_S("authentication attempts)"), SCAN_S("(authorization failed"),
		SCAN_S("(user disabled"), SCAN_S("(user is disabled"), SCAN_S("(password expired"), SCAN_S("(login disabled"),
	};
	static const struct sv odd[] = { /* no password was judged */
		SCAN_S("plaintext auth"), SCAN_S("(cert"), SCAN_S(" cert)"), SCAN_S(" cert,"), SCAN_S("internal failure"), SCAN_S("temporary"),
		SCAN_S("auth service"),
	};
	for (size_t i = 0; i < sizeof failed / sizeof *failed; i++)
		if (sv_find(why, failed[i]) >= 0)
			return RECORD_AUTH_FAIL;
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
		if (sv_find(why, odd[i]) >= 0)
			return RECORD_WARNING;
	return RECORD_DISCONNECT;
}

/* "proxy(ann): started proxying to 192.0.2.5:143: user=<ann>, …", "proxy(ann): disconnecting 198.51.100.7 (…): user=<…", since 2.3.14
 * "proxy(ann,192.0.2.5:143): Started proxying to <192.0.2.5> (0.020 secs): user=<ann>, …", "proxy(ann,192.0.2.5:143): Disconnected by client (…): …" */
static bool proxy(struct sv s, struct record *r)
{
	static const struct sv starts[] = { SCAN_S("): started proxying to "), SCAN_S("): Started proxying to ") };
	static const struct sv ends[] = { SCAN_S("): Disconnected"), SCAN_S("): disconnecting ") };
	if (!tail(s, r))
		return false;
	r->kind = RECORD_WARNING; /* "): Login failed": what follows, "Disconnected (proxy dest auth failed)", counts */
	for (size_t i = 0; i < 2; i++) {
		if (sv_find(s, starts[i]) >= 0)
			r->kind = RECORD_AUTH_OK;
		else if (sv_find(s, ends[i]) >= 0)
			r->kind = RECORD_DISCONNECT;
	}
	r->session_end = r->kind == RECORD_DISCONNECT;
	if (r->kind == RECORD_WARNING)
		r->reason = s;
	return true;
}

bool dovecot_login(struct sv s, struct record *r)
{
	static const struct sv ends[] = {
		SCAN_S("Disconnected"), SCAN_S("Aborted login"), SCAN_S("Login aborted"), SCAN_S("Client has quit the connection"),
		SCAN_S("Remote closed connection"), SCAN_S("Internal login failure"), SCAN_S("Connection closed"), SCAN_S("Maximum number of connections"),
	};
	if (sv_starts(s, SV("Login: ")) || sv_starts(s, SV("Logged in: "))) {
		r->kind = RECORD_AUTH_OK;
		return tail(s, r);
	}
	if (sv_starts(s, SV("proxy(")))
		return proxy(s, r);
	if (!SCAN_ANY(s, ends) || !tail(s, r))
		return false;
	ptrdiff_t user = sv_find(s, SV("user=<")), rip = client_at(s, user);
	ptrdiff_t end = scan_rfind(sv_take(s, (size_t)(user >= 0 && user < rip ? user : rip)), SV(": "));
	struct sv why = end >= 0 ? sv_take(s, (size_t)end) : s;
	r->kind = verdict(why);
	r->reason = why;
	if (r->kind == RECORD_DISCONNECT && r->account.p && !r->account.n)
		r->account = (struct sv){ 0 };
	r->session_end = true;
	return true;
}
