/* What both styles of OpenSMTPD's lines share. */
#include "collector/opensmtpd/opensmtpd.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

bool opensmtpd_hex(struct sv *s, size_t n, struct sv *ret)
{
	size_t i = 0;
	while (i < s->n && ((s->p[i] >= '0' && s->p[i] <= '9') || (s->p[i] >= 'a' && s->p[i] <= 'f')))
		i++;
	if (i != n)
		return false;
	*ret = sv_take(*s, n);
	*s = sv_skip(*s, n);
	return true;
}

void opensmtpd_delay(struct record *r, struct sv text)
{
	static _Thread_local char out[24];
	int64_t sum = 0, n;
	while (scan_int(&text, &n)) {
		int64_t unit = !text.n ? 0 : text.p[0] == 'd' ? 86400 : text.p[0] == 'h' ? 3600 : text.p[0] == 'm' ? 60 : text.p[0] == 's' ? 1 : 0;
		if (!unit || n > 1000000)
			return;
		sum += n * unit;
		text = sv_skip(text, 1);
	}
	if (text.n)
		return;
	int len = snprintf(out, sizeof out, "%lld", (long long)sum);
	r->delay = sv_make(out, (size_t)len);
}

void opensmtpd_client(struct record *r, struct sv a, struct sv name)
{
	if (a.n > 2 && a.p[0] == '[' && a.p[a.n - 1] == ']')
		a = sv_make(a.p + 1, a.n - 2);
	(void)scan_lit(&a, SV("IPv6:"));
	r->client_ip = scan_ip(a);
	if (r->client_ip.p && name.n && name.n <= 255 && !sv_eq(name, SV("unknown")) && sv_chr(name, ' ') < 0)
		r->client_name = name;
}

bool opensmtpd_envelope(struct sv id, struct record *r)
{
	struct sv t = id, all;
	if (!opensmtpd_hex(&t, 16, &all) || t.n)
		return false;
	r->queue_id = sv_take(all, 8);
	return true;
}

void opensmtpd_relay(struct record *r, struct sv relay)
{
	struct sv ip, t = relay;
	if (scan_before(&t, SV(" ("), &ip) && t.n && t.p[t.n - 1] == ')') {
		r->relay_host = sv_take(t, t.n - 1);
	} else {
		ip = relay;
		r->relay_host = relay;
	}
	if (ip.n > 2 && ip.p[0] == '[' && ip.p[ip.n - 1] == ']')
		ip = sv_make(ip.p + 1, ip.n - 2);
	r->relay_ip = scan_ip(ip);
}

bool opensmtpd_status(struct sv result, struct record *r)
{
	static const struct { struct sv text, status; } known[] = {
#define S(a, b) { { (a), sizeof(a) - 1 }, { (b), sizeof(b) - 1 } }
		S("Ok", "sent"), S("TempFail", "deferred"), S("PermFail", "bounced"), S("LoopFail", "bounced"), S("Expire", "expired"),
#undef S
	};
	if (sv_eq(result, SV("Remove"))) { /* by the operator (smtpctl): of this recipient nothing comes any more, and nobody refused it */
		r->kind = RECORD_REMOVE;
		r->killed = true;
		return true;
	}
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (!sv_eq(result, known[i].text))
			continue;
		r->status = known[i].status;
		r->kind = RECORD_DELIVERY;
		return true;
	}
	return false;
}

/* Clients write commands in letters of any size. */
static bool verb(struct sv *s, struct sv upper)
{
	if (s->n < upper.n || strncasecmp(s->p, upper.p, upper.n) != 0)
		return false;
	*s = sv_skip(*s, upper.n);
	while (s->n && s->p[0] == ' ')
		*s = sv_skip(*s, 1);
	return true;
}

static void set_reason(struct sv command, struct record *r)
{
	static const struct sv verbs[] = {
		SCAN_S("RCPT"), SCAN_S("MAIL"), SCAN_S("DATA"), SCAN_S("AUTH"), SCAN_S("EHLO"), SCAN_S("HELO"), SCAN_S("RSET"), SCAN_S("STARTTLS"), SCAN_S("BDAT"), SCAN_S("VRFY"),
	};
	size_t n = 0;
	while (n < command.n && n < 16 && isalpha((unsigned char)command.p[n]))
		n++;
	if (n)
		r->reason = sv_take(command, n);
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (n == verbs[i].n && verb(&(struct sv){ command.p, n }, verbs[i]))
			r->reason = verbs[i];
}

void opensmtpd_failed(struct sv command, struct sv result, struct record *r)
{
	struct sv t = command;
	set_reason(command, r);
	scan_set_reply(r, result);
	if (verb(&t, SV("AUTH ")) && (sv_starts(result, SV("535 ")) || sv_starts(result, SV("454 ")))) {
		r->kind = RECORD_AUTH_FAIL;
		r->auth_method = scan_word(&t);
		r->reason = result;
		r->reply = (struct sv){ 0 };
		scan_login_unjudged(r);
		return;
	}
	if (sv_eq(r->reason, SV("AUTH"))) { /* nobody looked at a password: what looks is away, no such mechanism, a filter does not want it */
		r->kind = RECORD_WARNING;
		return;
	}
	bool protocol = sv_starts(r->dsn, SV("5.5."));
	r->kind = protocol || !result.n || (result.p[0] != '5' && result.p[0] != '4') ? RECORD_WARNING : RECORD_REJECT;
	if (protocol)
		return;
	if (verb(&t, SV("RCPT TO:")))
		(void)scan_angle(&t, &r->recipient);
	else if (verb(&t, SV("MAIL FROM:")))
		(void)scan_angle(&t, &r->sender);
	else if (verb(&t, SV("EHLO ")) || verb(&t, SV("HELO ")))
		r->helo = scan_word(&t);
}
