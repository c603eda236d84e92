/* Plesk's programs in front of qmail-smtpd: relaylock, smtp_auth. */
#include "collector/qmail/qmail.h"

/* "/var/qmail/bin/relaylock: mail from 203.0.113.5:17249 (host.example)" */
bool qmail_relaylock(struct sv s, struct record *r)
{
	struct sv skipped, ip, name;
	r->kind = RECORD_OTHER;
	r->reason = s;
	if (!scan_before(&s, SV("relaylock: mail from "), &skipped) || !scan_until(&s, ':', &ip))
		return true;
	r->kind = RECORD_CONNECT;
	r->reason = (struct sv){ 0 };
	r->client_ip = scan_ip(ip);
	(void)scan_int(&s, &r->client_port);
	if (scan_lit(&s, SV(" (")) && scan_until(&s, ')', &name) && sv_chr(name, ' ') < 0) /* else: "not defined" */
		r->client_name = name;
	return true;
}

/* "/var/qmail/mailnames/isp.example/ann": the mailbox says whose it is more fully than what was typed. */
static struct sv mailbox(struct sv path)
{
	static _Thread_local char name[512];
	struct sv skipped, domain;
	if (!scan_before(&path, SV("/mailnames/"), &skipped) || !scan_until(&path, '/', &domain) || !domain.n || !path.n ||
	    domain.n + path.n + 1 > sizeof name || sv_chr(path, '/') >= 0)
		return (struct sv){ 0 };
	memcpy(name, path.p, path.n);
	name[path.n] = '@';
	memcpy(name + path.n + 1, domain.p, domain.n);
	return sv_make(name, path.n + 1 + domain.n);
}

/* "… from host@ [203.0.113.5]", what the server writes last. */
static void client(struct sv s, struct record *r)
{
	ptrdiff_t open = sv_rchr(s, '[');
	struct sv t = open < 0 ? s : sv_skip(s, (size_t)open + 1), ip;
	if (open >= 0 && scan_until(&t, ']', &ip))
		r->client_ip = scan_ip(ip);
}

/* "smtp_auth: SMTP user ann : /var/qmail/mailnames/isp.example/ann logged in from host@ [203.0.113.5]", "FAILED: ann - password incorrect
 * from host@ [203.0.113.5]" */
bool qmail_smtp_auth(struct sv s, struct record *r)
{
	static const struct sv wrong = SCAN_S(" - password incorrect from "), in = SCAN_S(" logged in from ");
	ptrdiff_t at;
	r->kind = RECORD_OTHER;
	r->reason = s;
	(void)scan_lit(&s, SV("smtp_auth: "));
	client(s, r);
	if (scan_lit(&s, SV("FAILED: "))) {
		r->kind = RECORD_AUTH_FAIL;
		if ((at = scan_rfind(s, wrong)) > 0)
			r->account = sv_take(s, (size_t)at);
	} else if (scan_lit(&s, SV("SMTP user ")) && (at = scan_rfind(s, in)) > 0) {
		struct sv who = sv_take(s, (size_t)at);
		ptrdiff_t colon = scan_rfind(who, SV(" : "));
		r->kind = RECORD_AUTH_OK;
		r->account = colon < 0 ? who : mailbox(sv_skip(who, (size_t)colon + 3));
		if (!r->account.p)
			r->account = sv_take(who, (size_t)colon);
	}
	return true;
}
