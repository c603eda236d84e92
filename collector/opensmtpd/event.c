/* "0123456789abcdef smtp connected address=192.0.2.1 host=mail.example": since 6.0 (there with "event=" before the event). */
#include "collector/opensmtpd/opensmtpd.h"

/* " key=value": a word, <…> or "…". What is in quotes may hold quotes when it is the last. */
static bool field(struct sv *s, struct sv *key, struct sv *value)
{
	struct sv t = *s;
	if (!scan_char(&t, ' ') || !scan_until(&t, '=', key) || key->n > 16 || sv_chr(*key, ' ') >= 0)
		return false;
	if (scan_angle(&t, value)) {
		*s = t;
		return true;
	}
	if (scan_char(&t, '"')) {
		ptrdiff_t end = sv_find(t, SV("\" "));
		if (sv_eq(*key, SV("stat")) || sv_eq(*key, SV("reason")) || end < 0)
			end = sv_rchr(t, '"');
		if (end < 0)
			end = (ptrdiff_t)t.n; /* a line that was cut */
		*value = sv_take(t, (size_t)end);
		*s = sv_skip(t, (size_t)end + 1);
		return true;
	}
	ptrdiff_t space = sv_eq(*key, SV("stat")) ? -1 : sv_chr(t, ' ');
	*value = space < 0 ? t : sv_take(t, (size_t)space);
	*s = sv_skip(t, value->n);
	return true;
}

static void set_int(struct sv text, int64_t *ret)
{
	int64_t n;
	if (scan_int(&text, &n) && !text.n)
		*ret = n;
}

struct fields {
	struct sv address, host, msgid, evpid, from, to, rcpt, result, relay, delay, stat, reason, ciphers, size, nrcpt;
};

static void fields(struct sv s, struct fields *f)
{
	struct sv key, value;
	const struct { struct sv name; struct sv *at; } known[] = {
#define K(n) { { #n, sizeof(#n) - 1 }, &f->n }
		K(address), K(host), K(msgid), K(evpid), K(from), K(to), K(rcpt), K(result), K(relay), K(delay), K(stat), K(reason), K(ciphers), K(size), K(nrcpt),
#undef K
		{ { "ndest", 5 }, &f->nrcpt },
	};
	*f = (struct fields){ 0 };
	while (field(&s, &key, &value)) {
		for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
			if (sv_eq(key, known[i].name) && !known[i].at->p) /* the first counts */
				*known[i].at = value;
		}
	}
}

static void set_tls(struct sv ciphers, struct record *r)
{
	struct sv version;
	if (scan_lit(&ciphers, SV("version="))) { /* 6.0 */
		if (scan_before(&ciphers, SV(", cipher="), &r->tls_version))
			r->tls_cipher = scan_word(&ciphers);
		return;
	}
	if (!scan_until(&ciphers, ':', &version))
		return;
	r->tls_version = version;
	ptrdiff_t bits = sv_rchr(ciphers, ':');
	r->tls_cipher = bits > 0 ? sv_take(ciphers, (size_t)bits) : ciphers;
}

static bool message(const struct fields *f, struct record *r)
{
	struct sv t = f->msgid;
	if (!t.p || !opensmtpd_hex(&t, 8, &r->queue_id))
		return false;
	r->kind = RECORD_ACCEPT;
	set_int(f->size, &r->size);
	set_int(f->nrcpt, &r->nrcpt);
	r->sender = f->from;
	r->recipient = f->to; /* where the line is told once per recipient */
	return true;
}

/* The text before the last `key`; *s becomes what follows it. */
static bool cut_last(struct sv *s, struct sv key, struct sv *before)
{
	ptrdiff_t at = -1;
	for (ptrdiff_t next; (next = sv_find(sv_skip(*s, (size_t)(at + 1)), key)) >= 0;)
		at += next + 1;
	if (at < 0)
		return false;
	*before = sv_take(*s, (size_t)at);
	*s = sv_skip(*s, (size_t)at + key.n);
	return true;
}

/* "failed-command command="…" result="…"": the client chose the first, the last " result=" is the server's. */
static bool failed_command(struct sv s, struct record *r)
{
	struct sv command;
	if (!scan_lit(&s, SV(" command=\"")) || !cut_last(&s, SV("\" result=\""), &command))
		return false;
	if (s.n && s.p[s.n - 1] == '"')
		s.n--;
	opensmtpd_failed(command, s, r);
	return true;
}

/* " user=who result=ok", in between perhaps " address=192.0.2.1 host=mail.example": the client may call itself anything. */
static bool authentication(struct sv s, struct record *r)
{
	struct sv user, peer;
	if (!scan_lit(&s, SV(" user=")) || !cut_last(&s, SV(" result="), &user))
		return false;
	peer = user;
	if (cut_last(&peer, SV(" address="), &user)) {
		struct sv address = scan_word(&peer);
		opensmtpd_client(r, address, scan_lit(&peer, SV(" host=")) ? peer : (struct sv){ 0 });
	}
	r->account = user;
	r->reason = s;
	/* a failure is told again, as a failed command: here it only says whose it will be */
	r->kind = sv_eq(s, SV("ok")) ? RECORD_AUTH_OK : RECORD_WARNING;
	return true;
}

static bool delivery(const struct fields *f, struct record *r)
{
	if (!f->evpid.p || !f->to.p || !opensmtpd_envelope(f->evpid, r) || !opensmtpd_status(f->result, r))
		return false;
	r->sender = f->from;
	r->recipient = f->to;
	if (f->rcpt.n && !sv_eq(f->rcpt, SV("-")))
		r->orig_recipient = f->rcpt;
	if (f->relay.n)
		opensmtpd_relay(r, f->relay);
	r->local = !f->relay.p;
	opensmtpd_delay(r, f->delay);
	if (f->stat.n)
		scan_set_reply(r, f->stat);
	return true;
}

static bool smtp(struct sv event, struct sv rest, struct record *r)
{
	struct fields f;
	if (sv_eq(event, SV("failed-command")))
		return failed_command(rest, r);
	if (sv_eq(event, SV("authentication")))
		return authentication(rest, r);
	fields(rest, &f);
	if (sv_starts(rest, SV(" address=")))
		opensmtpd_client(r, f.address, f.host);
	if (sv_eq(event, SV("connected"))) {
		r->kind = RECORD_CONNECT;
		return f.address.p != NULL;
	}
	if (sv_eq(event, SV("message")))
		return message(&f, r);
	if (sv_eq(event, SV("envelope"))) {
		r->kind = RECORD_ENVELOPE;
		r->sender = f.from;
		r->recipient = f.to;
		return f.from.p && opensmtpd_envelope(f.evpid, r);
	}
	if (sv_eq(event, SV("disconnected")) || sv_eq(event, SV("closed"))) {
		r->kind = RECORD_DISCONNECT;
		r->reason = f.reason;
		r->session_end = true;
		return true;
	}
	if (sv_eq(event, SV("tls")) || sv_eq(event, SV("starttls"))) {
		set_tls(f.ciphers, r);
		return true;
	}
	if (sv_eq(event, SV("bad-input"))) {
		r->kind = RECORD_WARNING;
		r->reason = event;
		scan_set_reply(r, f.result);
		return true;
	}
	r->reason = sv_make(event.p, event.n + rest.n); /* certificates, filters, proxies and what may come */
	return true;
}

static bool mta(struct sv event, struct sv rest, struct record *r)
{
	struct fields f;
	fields(rest, &f);
	if (sv_eq(event, SV("delivery")))
		return delivery(&f, r);
	if (sv_eq(event, SV("tls")) || sv_eq(event, SV("starttls")))
		set_tls(f.ciphers, r);
	if (sv_eq(event, SV("error")))
		r->kind = RECORD_WARNING;
	r->reason = sv_make(event.p, event.n + rest.n);
	return true;
}

bool opensmtpd_event(struct sv s, struct record *r)
{
	struct sv session, t = s;
	if (!opensmtpd_hex(&t, 16, &session) || !scan_char(&t, ' '))
		return false;
	bool is_smtp = scan_lit(&t, SV("smtp ")), is_mta = !is_smtp && (scan_lit(&t, SV("mta ")) || scan_lit(&t, SV("mda ")));
	r->kind = RECORD_OTHER;
	if (!is_smtp && !is_mta) { /* queue, filters */
		r->reason = t;
		return true;
	}
	(void)scan_lit(&t, SV("event="));
	struct sv event = scan_word(&t);
	if (is_smtp)
		r->session = session;
	return is_smtp ? smtp(event, t, r) : mta(event, t, r);
}
