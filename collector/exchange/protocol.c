/* SMTP, POP3 and IMAP4 protocol logs: the dialogue of each session, row by row. A session is known by its id: a refusal is told
 * what the client had asked for. A message that was taken is told without its queue id: its story is in the tracking log. */
#include "collector/exchange/exchange.h"

static bool verb(struct sv *s, struct sv name)
{
	if (s->n < name.n)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if ((s->p[i] & ~0x20) != name.p[i] && s->p[i] != name.p[i])
			return false;
	*s = sv_skip(*s, name.n);
	return true;
}

/* What the client says (or we say to a server that we send to). */
static void command(struct sv s, struct record *r)
{
	r->kind = RECORD_OTHER;
	r->asked = true;
	if (verb(&s, SV("EHLO ")) || verb(&s, SV("HELO "))) {
		r->helo = s;
	} else if (verb(&s, SV("MAIL FROM:"))) {
		(void)scan_char(&s, ' ');
		(void)scan_angle(&s, &r->sender);
	} else if (verb(&s, SV("RCPT TO:"))) {
		(void)scan_char(&s, ' ');
		(void)scan_angle(&s, &r->recipient);
	} else if (verb(&s, SV("AUTH "))) {
		r->asked = false;
		r->auth_method = scan_word(&s);
	} else {
		r->reason = s;
	}
}

/* "250 2.6.0 <id> [InternalId=7, Hostname=ex1.isp.example] 4321 bytes in 0.1, 38.9 KB/sec Queued mail for delivery" */
static void queued(struct sv s, struct record *r)
{
	struct sv skipped;
	r->kind = RECORD_ACCEPT;
	if (scan_before(&s, SV("<"), &skipped) && scan_until(&s, '>', &r->message_id) && scan_before(&s, SV("] "), &skipped))
		(void)scan_int(&s, &r->size);
}

static void answer(struct sv s, struct record *r)
{
	int64_t code;
	r->kind = RECORD_OTHER;
	if (!exchange_reply(s, &code, r)) {
		r->reason = s;
		return;
	}
	if (sv_starts(s, SV("250 2.6.0 ")) && sv_find(s, SV("Queued mail for delivery")) >= 0) {
		queued(s, r);
		return;
	}
	r->asked = code >= 400;
	if (code == 535 || code == 534)
		r->kind = RECORD_AUTH_FAIL;
	else if (code == 421)
		r->kind = RECORD_WARNING;
	else if (code >= 400)
		r->kind = RECORD_REJECT;
}

/* '*': what Exchange says to itself. */
static void remark(struct sv data, struct sv context, struct record *r)
{
	struct sv t = context.n ? context : data;
	r->kind = RECORD_OTHER;
	r->reason = t;
	if (sv_eq(context, SV("authenticated"))) {
		r->kind = RECORD_AUTH_OK;
		r->account = data;
		r->reason = (struct sv){ 0 };
	} else if (scan_lit(&t, SV("User Name: "))) {
		r->kind = RECORD_WARNING;
		if (!sv_eq(t, SV("NULL")))
			r->account = t;
	} else if (sv_eq(context, SV("Set Session Permissions")) && sv_find(data, SV("SMTPAcceptAnyRecipient")) >= 0) {
		r->kind = RECORD_POLICY; /* this client may send to anybody */
		r->status = SV("relay");
		r->reason = data;
	} else if (sv_find(t, SV(" failed because of ")) >= 0 || sv_starts(t, SV("Tarpit for "))) {
		r->kind = RECORD_WARNING;
	}
}

/* The answers of a server that we send to: a refusal is told by the tracking log as the message's outcome. */
static void sending(char event, struct sv data, struct record *r)
{
	r->kind = RECORD_OTHER;
	if (event == '>') {
		command(data, r);
		r->helo = (struct sv){ 0 };
	} else if (event == '<') {
		answer(data, r);
		r->kind = r->kind == RECORD_REJECT || r->kind == RECORD_AUTH_FAIL ? RECORD_WARNING : RECORD_OTHER;
	} else if (data.n) {
		r->reason = data;
	}
}

static void client_of(struct sv remote, struct record *r)
{
	exchange_endpoint(remote, &r->client_ip, &r->client_port);
}

void exchange_protocol(bool is_send, const struct exchange_row *row, struct record *r)
{
	struct sv data = row->v[EXCHANGE_DATA], context = row->v[EXCHANGE_CONTEXT], event = row->v[EXCHANGE_EVENT];
	char e = event.n == 1 ? event.p[0] : ' ';
	r->session = row->v[EXCHANGE_SESSION_ID];
	r->session_end = e == '-';
	if (is_send) {
		exchange_endpoint(row->v[EXCHANGE_REMOTE], &r->relay_ip, &r->relay_port);
		sending(e, data.n ? data : context, r);
		return;
	}
	client_of(row->v[EXCHANGE_REMOTE], r);
	switch (e) {
	case '+': r->kind = RECORD_CONNECT; break;
	case '-':
		r->kind = RECORD_DISCONNECT;
		if (context.n)
			r->reason = context;
		break;
	case '<': command(data, r); break;
	case '>': answer(data, r); break;
	default: remark(data, context, r);
	}
}

static bool is_any(struct sv s, const struct sv *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s.n == v[i].n && verb(&s, v[i]))
			return true;
	return false;
}

/* "R=ok", "R=""-ERR Logon failure…""", "R=""x NO LOGIN failed.""" */
void exchange_pop(const struct exchange_row *row, struct record *r)
{
	static const struct sv logins[] = { SCAN_S("AUTH"), SCAN_S("PASS"), SCAN_S("LOGIN"), SCAN_S("AUTHENTICATE"), SCAN_S("APOP") };
	struct sv said = row->v[EXCHANGE_CONTEXT], command = row->v[EXCHANGE_POP_COMMAND];
	r->session = row->v[EXCHANGE_POP_SESSION];
	client_of(row->v[EXCHANGE_POP_CLIENT], r);
	r->kind = RECORD_OTHER;
	if (said.n)
		r->reason = said;
	if (sv_eq(command, SV("OpenSession")))
		r->kind = RECORD_CONNECT;
	if ((r->session_end = sv_eq(command, SV("CloseSession"))))
		r->kind = RECORD_DISCONNECT;
	if (!is_any(command, logins, sizeof logins / sizeof *logins))
		return;
	(void)scan_lit(&said, SV("R="));
	(void)scan_char(&said, '"');
	bool ok = sv_eq(said, SV("ok")) || sv_starts(said, SV("ok;")) || sv_starts(said, SV("OK")) || sv_starts(said, SV("+OK"));
	bool no = sv_starts(said, SV("-ERR")) || sv_find(sv_take(said, 40), SV(" NO ")) >= 0 || sv_find(said, SV("LogonDenied")) >= 0;
	r->kind = ok ? RECORD_AUTH_OK : no ? RECORD_AUTH_FAIL : RECORD_OTHER;
	if (r->kind != RECORD_OTHER && row->v[EXCHANGE_POP_USER].n)
		r->account = row->v[EXCHANGE_POP_USER];
	if (r->kind != RECORD_OTHER && command.n == 4 && verb(&command, SV("AUTH")) && row->v[EXCHANGE_POP_PARAMETERS].n)
		r->auth_method = sv_skip(row->v[EXCHANGE_POP_PARAMETERS], row->v[EXCHANGE_POP_PARAMETERS].p[0] == ' ');
}
