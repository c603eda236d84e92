/* SOGo, in sogo.log and by syslog (forms of 3.x to 5.x):
 *   "SOGoRootPage successful login from 'ADDRESS' for user 'NAME' - expire = -1  grace = -1"
 *   "SOGoRootPage Login from 'ADDRESS' for user 'NAME' might not have worked - password policy: 65535  grace: -1  expire: -1  bound: 0"
 * ADDRESS is all that X-Forwarded-For says, else what asked; SOGo always stands behind a web server. 2.0.4 and before name no address. */
#include "collector/webmail/webmail.h"

static bool numbers(struct sv s, const struct sv *words, size_t n)
{
	int64_t v;
	for (size_t i = 0; i < n; i++) {
		if (!scan_lit(&s, words[i]))
			return false;
		(void)scan_char(&s, '-');
		if (!scan_int(&s, &v))
			return false;
	}
	return s.n == 0;
}

/* Takes what SOGo writes after the name from the end of *s. */
static bool cut_end(struct sv *s, bool failed)
{
	static const struct sv bad[] = { SCAN_S("' might not have worked - password policy: "), SCAN_S("  grace: "), SCAN_S("  expire: "), SCAN_S("  bound: ") };
	static const struct sv good[] = { SCAN_S("' - expire = "), SCAN_S("  grace = ") };
	ptrdiff_t at = scan_rfind(*s, failed ? bad[0] : good[0]);
	if (at < 0 || !(failed ? numbers(sv_skip(*s, (size_t)at), bad, 4) : numbers(sv_skip(*s, (size_t)at), good, 2)))
		return false;
	*s = sv_take(*s, (size_t)at);
	return true;
}

static bool login(struct sv s, bool failed, struct record *r)
{
	static const struct sv between = SCAN_S("' for user '");
	r->kind = failed ? RECORD_AUTH_FAIL : RECORD_AUTH_OK;
	if (!cut_end(&s, failed))
		return false;
	if (scan_lit(&s, SV("for user '"))) {
		r->account = s;
		return true;
	}
	if (!scan_lit(&s, SV("from '")))
		return false;
	/* Who logged in has an account's name, so the strange text is the header before it. Else the name may be strange, too. */
	ptrdiff_t at = scan_rfind(s, between);
	if (at < 0)
		return false;
	if (failed && !scan_once(s, between))
		return true;
	r->account = sv_skip(s, (size_t)at + between.n);
	r->client_ip = webmail_client((struct sv){ 0 }, (struct sv){ 0 }, sv_take(s, (size_t)at));
	return true;
}

bool webmail_sogo(struct sv text, struct record *r)
{
	struct sv s = text, t;
	if (scan_lit(&s, SV("SOGoRootPage "))) {
		t = s;
		if (scan_lit(&t, SV("successful login ")) && login(t, false, r))
			return true;
		t = s;
		if (scan_lit(&t, SV("Login ")) && login(t, true, r))
			return true;
	}
	r->kind = RECORD_OTHER; /* requests, the life of its processes */
	r->account = (struct sv){ 0 };
	r->reason = text;
	return true;
}
