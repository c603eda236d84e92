/* Zimbra's audit.log and mailbox.log:
 *   "WARN  [qtp7-16:https://mail/service/soap/AuthRequest] [name=a@x;oip=203.0.113.9;ua=…;] security - cmd=Auth; account=a@x; protocol=soap; error=…;"
 * Who may write what he likes: the user agent, the account's name, X-Forwarded-For (oip). Zimbra doubles a ';' within a value and has no line ends
 * there, so a single ';' ends a value for certain and ']' ends nothing within one. Where that does not come out the line is not understood.
 *
 * cmd=Auth and cmd=PreAuth count. mailbox.log says of the same log-ins "account -", "imap -", "SoapEngine - … authentication failed": warnings.
 * Log-ins to SMTP (oproto=smtp) are the mail server's to tell, AdminAuth comes with an Auth of its own. */
#include "collector/webmail/webmail.h"

bool webmail_zimbra_level(struct sv *s)
{
	static const struct sv levels[] = { SCAN_S("INFO  ["), SCAN_S("WARN  ["), SCAN_S("ERROR ["), SCAN_S("FATAL ["), SCAN_S("DEBUG ["), SCAN_S("TRACE [") };
	if (!SCAN_ANY(*s, levels))
		return false;
	*s = sv_skip(*s, 6);
	return true;
}

/* "key=value;" at the start of *s, which moves past it. */
static bool take_pair(struct sv *s, struct sv *ret_key, struct sv *ret_value)
{
	size_t n = 0, i;
	while (n < s->n && n < 64 && ((s->p[n] | 0x20) >= 'a') && ((s->p[n] | 0x20) <= 'z'))
		n++;
	if (!n || n >= s->n || s->p[n] != '=')
		return false;
	for (i = n + 1; i < s->n; i++) {
		if (s->p[i] != ';')
			continue;
		if (i + 1 >= s->n || s->p[i + 1] != ';')
			break;
		i++;
	}
	if (i >= s->n)
		return false;
	*ret_key = sv_take(*s, n);
	*ret_value = sv_make(s->p + n + 1, i - n - 1);
	*s = sv_skip(*s, i + 1);
	return true;
}

struct context { struct sv ip, oip, oproto; };

/* "[name=…;oip=…;ua=…;] ", "[] ". A key that comes twice is not Zimbra's. */
static bool take_context(struct sv *s, struct context *c)
{
	struct sv key, value;
	if (!scan_char(s, '['))
		return false;
	while (!scan_lit(s, SV("] "))) {
		if (!take_pair(s, &key, &value))
			return false;
		struct sv *slot = sv_eq(key, SV("ip")) ? &c->ip : sv_eq(key, SV("oip")) ? &c->oip : sv_eq(key, SV("oproto")) ? &c->oproto : NULL;
		if (!slot)
			continue;
		if (slot->p)
			return false;
		*slot = value;
	}
	return true;
}

struct command { struct sv cmd, account, protocol, error; };

/* "cmd=Auth; account=a@x; protocol=soap; error=…;" */
static bool read_command(struct sv s, struct command *c)
{
	struct sv key, value;
	while (take_pair(&s, &key, &value)) {
		struct sv *slot = sv_eq(key, SV("cmd")) ? &c->cmd : sv_eq(key, SV("account")) ? &c->account : sv_eq(key, SV("protocol")) ? &c->protocol :
		                  sv_eq(key, SV("error")) ? &c->error : NULL;
		if (slot && slot->p)
			return false;
		if (slot)
			*slot = value;
		if (s.n && !scan_char(&s, ' '))
			return false;
	}
	return s.n == 0 && c->cmd.p;
}

/* What only the directory or the database could not do. */
static bool unjudged(struct sv error)
{
	static const struct sv reasons[] = { SCAN_S("system failure"), SCAN_S("temporary"), SCAN_S("resource unreachable"), SCAN_S("error while proxying") };
	return SCAN_ANY(error, reasons);
}

static void security(const struct context *x, struct sv s, struct record *r)
{
	struct command c = { 0 };
	r->kind = RECORD_OTHER;
	if (!read_command(s, &c)) {
		r->reason = s;
		return;
	}
	if ((!sv_eq(c.cmd, SV("Auth")) && !sv_eq(c.cmd, SV("PreAuth"))) || sv_eq(x->oproto, SV("smtp")) || sv_eq(c.protocol, SV("smtp")) || !c.account.n) {
		r->reason = c.error.p ? c.error : c.cmd;
		return;
	}
	r->client_ip = webmail_client(x->ip, (struct sv){ 0 }, x->oip);
	r->account = c.account;
	r->auth_method = c.protocol;
	r->reason = c.error;
	if (c.error.p)
		r->kind = unjudged(c.error) ? RECORD_WARNING : RECORD_AUTH_FAIL;
	else if (r->client_ip.p) /* else Zimbra's programs among themselves */
		r->kind = RECORD_AUTH_OK;
}

bool webmail_zimbra(struct sv text, struct record *r)
{
	struct sv s = text, thread, category;
	struct context x = { 0 };
	if (!webmail_zimbra_level(&s) || !scan_before(&s, SV("] "), &thread) || !take_context(&s, &x) || !scan_before(&s, SV(" - "), &category) ||
	    category.n > 64 || sv_chr(category, ' ') >= 0)
		return false;
	if (sv_eq(category, SV("security"))) {
		security(&x, s, r);
		return true;
	}
	r->kind = sv_find(s, SV("authentication failed for [")) >= 0 || text.p[0] == 'W' || text.p[0] == 'E' || text.p[0] == 'F' ? RECORD_WARNING : RECORD_OTHER;
	r->reason = s;
	return true;
}
