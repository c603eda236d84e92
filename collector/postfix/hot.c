/* The lines that a busy Postfix writes most, read in one pass from left to right. Each is either exactly as Postfix writes it, and then
 * gives the same record as the full parser, or it is left to the full parser (tests/unit/test_hot.c holds them against each other). */
#include "collector/hot.h"
#include "collector/postfix/postfix.h"

/* "name[address]" without a port, the name without spaces. */
static inline bool peer(struct sv *s, struct sv *name, struct sv *addr)
{
	return hot_upto_but(s, '[', ' ', name) && name->n <= 255 && hot_upto(s, ']', addr) && addr->n <= 128;
}

static inline bool set_client(struct record *r, struct sv name, struct sv addr)
{
	r->client_ip = scan_ip(addr);
	if (name.n && !(name.n == 7 && memcmp(name.p, "unknown", 7) == 0))
		r->client_name = name;
	return true;
}

static enum mta_hot tls(struct sv s)
{
	struct sv name, addr, version;
	int64_t port;
	if (!LIT(&s, "Anonymous") && !LIT(&s, "Untrusted") && !LIT(&s, "Trusted") && !LIT(&s, "Verified"))
		return HOT_NO;
	if (!LIT(&s, " TLS connection established ") || !(LIT(&s, "from ") || LIT(&s, "to ")) || !peer(&s, &name, &addr))
		return HOT_NO;
	if (!LIT(&s, ":"))
		return HOT_NO;
	if (s.n && s.p[0] != ' ' && (!hot_number(&s, &port) || !LIT(&s, ":")))
		return HOT_NO;
	if (!LIT(&s, " ") || !hot_upto(&s, ' ', &version) || !LIT(&s, "with cipher "))
		return HOT_NO;
	return HOT_NOTHING;
}

/* " ehlo=1 mail=1 rcpt=1/2 data=1 quit=1 commands=5": whether it says of a session that it sent something, or did not even ask. */
static bool sent_or_idle(struct sv s)
{
	struct sv name;
	int64_t n;
	bool asked = false, sent = false;
	while (s.n) {
		if (!LIT(&s, " ") || !hot_upto(&s, '=', &name) || !hot_number(&s, &n) || (LIT(&s, "/") && !hot_number(&s, &n)))
			return false;
		if (sv_eq(name, SV("vrfy")))
			return false;
		asked |= sv_eq(name, SV("rcpt"));
		sent |= sv_eq(name, SV("data")) && n > 0;
	}
	return sent || !asked;
}

static enum mta_hot session(struct sv s)
{
	struct sv name, addr;
	bool end = LIT(&s, "disconnect from ");
	if ((!end && !LIT(&s, "connect from ")) || !peer(&s, &name, &addr))
		return HOT_NO;
	if (end && (near_chr(name.p, ' ', name.n) || near_chr(addr.p, ' ', addr.n) || !sent_or_idle(s)))
		return HOT_NO;
	return HOT_NOTHING;
}

/* "client=H[ip], sasl_method=M, sasl_username=U" */
static enum mta_hot client(struct sv s, bool submission, struct record *r)
{
	struct sv name, addr;
	if (!LIT(&s, "client=") || !peer(&s, &name, &addr))
		return HOT_NO;
	if (s.n) {
		if (!LIT(&s, ", sasl_method=") || !hot_upto(&s, ',', &r->auth_method) || !LIT(&s, " sasl_username=") || memchr(s.p, ',', s.n))
			return HOT_NO;
		r->account = s;
	}
	r->kind = RECORD_ACCEPT;
	r->submission = submission;
	set_client(r, name, addr);
	return HOT_RECORD;
}

static enum mta_hot message_id(struct sv s, struct record *r)
{
	if (!LIT(&s, "message-id=<") || !s.n || s.p[s.n - 1] != '>')
		return HOT_NO;
	r->message_id = sv_make(s.p, s.n - 1);
	r->kind = RECORD_MESSAGE_ID;
	return HOT_RECORD;
}

static enum mta_hot envelope(struct sv s, struct record *r)
{
	if (s.n == 7 && memcmp(s.p, "removed", 7) == 0) {
		r->kind = RECORD_REMOVE;
		return HOT_RECORD;
	}
	if (!LIT(&s, "from=") || !hot_angle(&s, &r->sender) || !LIT(&s, ", size=") || !hot_number(&s, &r->size) || !LIT(&s, ", nrcpt=") ||
	    !hot_number(&s, &r->nrcpt) || !LIT(&s, " (queue active)"))
		return HOT_NO;
	r->kind = RECORD_ENVELOPE;
	return HOT_RECORD;
}

/* "H[ip]:25, " or "name, " */
static bool relay(struct sv *s, struct record *r)
{
	struct sv token, name, addr;
	if (!hot_upto(s, ',', &token) || !LIT(s, " "))
		return false;
	if (!near_chr(token.p, '[', token.n)) {
		if (!(token.n == 4 && memcmp(token.p, "none", 4) == 0))
			r->relay_host = token;
		return true;
	}
	if (!peer(&token, &name, &addr))
		return false;
	r->relay_host = name;
	r->relay_ip = scan_ip(addr);
	if (token.n && !(LIT(&token, ":") && hot_number(&token, &r->relay_port) && !token.n))
		return false;
	return true;
}

static enum mta_hot delivery(int d, struct sv s, struct record *r)
{
	struct sv skipped;
	if (!LIT(&s, "to=") || !hot_angle(&s, &r->recipient))
		return HOT_NO;
	if (LIT(&s, ", orig_to=") && !hot_angle(&s, &r->orig_recipient))
		return HOT_NO;
	if (!LIT(&s, ", relay=") || !relay(&s, r) || !LIT(&s, "delay=") || !hot_upto(&s, ',', &r->delay) || !LIT(&s, " delays=") || !hot_upto(&s, ',', &skipped) ||
	    (LIT(&s, " tls=") && !hot_upto(&s, ',', &skipped)) || !LIT(&s, " dsn=") || !hot_upto(&s, ',', &r->dsn) || !LIT(&s, " status=") || !hot_upto(&s, ' ', &r->status))
		return HOT_NO;
	if (!LIT(&s, "(") || !s.n || s.p[s.n - 1] != ')' || !r->status.n || memchr(r->status.p, ',', r->status.n))
		return HOT_NO;
	r->reply = sv_make(s.p, s.n - 1);
	r->kind = RECORD_DELIVERY;
	postfix_hints(d, r);
	return HOT_RECORD;
}

static enum mta_hot with_id(int number, struct sv s, struct record *r)
{
	int d = number & POSTFIX_DAEMON_MASK;
	switch (d) {
	case POSTFIX_SMTPD: return client(s, number & POSTFIX_SUBMISSION, r);
	case POSTFIX_CLEANUP: return message_id(s, r);
	case POSTFIX_QMGR: return envelope(s, r);
	case POSTFIX_SMTP: case POSTFIX_LMTP: case POSTFIX_LOCAL: case POSTFIX_VIRTUAL: case POSTFIX_PIPE: return delivery(d, s, r);
	default: return HOT_NO;
	}
}

/* Takes back what the readings here and postfix_hints() set: much less than all that a record may say. */
static inline void clear(struct record *r)
{
	r->client_ip = r->client_name = r->account = r->auth_method = r->message_id = r->sender = (struct sv){ 0 };
	r->recipient = r->orig_recipient = r->relay_host = r->relay_ip = r->status = r->dsn = r->reply = r->delay = (struct sv){ 0 };
	r->size = r->nrcpt = r->relay_port = RECORD_UNSET;
	r->submission = r->local = r->piped = false;
}

enum mta_hot postfix_hot(int number, const struct logline *l, struct record *r)
{
	struct sv s = l->text, rest = s;
	if (s.n < 16)
		return HOT_NO;
	if (s.p[0] == 'c' || s.p[0] == 'd') {
		if (s.p[1] == 'o' || s.p[1] == 'i')
			return (number & POSTFIX_DAEMON_MASK) == POSTFIX_SMTPD ? session(s) : HOT_NO;
	} else if (s.p[1] == 'n' || s.p[1] == 'r' || s.p[1] == 'e') {
		int d = number & POSTFIX_DAEMON_MASK;
		return d == POSTFIX_SMTPD || d == POSTFIX_SMTP ? tls(s) : HOT_NO;
	}
	struct sv id;
	if (!postfix_queue_id(&rest, &id) || !id.p)
		return HOT_NO;
	clear(r);
	r->queue_id = id;
	return with_id(number, rest, r);
}
