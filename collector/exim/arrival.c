/* "<= sender H=… U=… P=… X=… A=… S=… id=… T="…" from <…> for …": a message came. */
#include "collector/exim/exim.h"

static int64_t recipients(struct sv s)
{
	int64_t n = 0;
	while (scan_char(&s, ' '))
		n += exim_address(&s).n > 0;
	return n;
}

bool exim_logged_in(struct sv protocol)
{
	return sv_ends(protocol, SV("a")) || sv_eq(protocol, SV("asmtp"));
}

struct seen {
	struct sv protocol;
	bool account, sni; /* text of the client's own: after it comes none of the fields before it */
	bool sized, two_hosts, in_doubt;
};

static void set_size(struct sv size, struct record *r)
{
	if (!scan_int(&size, &r->size))
		r->size = RECORD_UNSET;
}

/* U=: of a local submission who calls; of a client what its host says of it, *s moves past that. */
static void user(const struct exim_field *f, struct sv *s, struct seen *seen, struct record *r)
{
	exim_set_user(r, f->value);
	struct sv ident = sv_make(f->value.p, (size_t)(s->p + s->n - f->value.p));
	if (r->local_user.p)
		return;
	if (exim_past_ident(&ident))
		*s = ident;
	else if (sv_find(ident, SV(" P=")) >= 0)
		seen->in_doubt = true;
	else
		seen->protocol = SV("unknown"); /* which Exim leaves out of no line */
}

/* P=. Of two hosts, with a log-in between them, either the HELO holds the first, or the name that logged in the second: nobody can tell. */
static void protocol(struct sv value, struct seen *seen, struct record *r)
{
	if (seen->protocol.p)
		return;
	seen->protocol = value;
	if (!seen->two_hosts)
		return;
	seen->in_doubt = true;
	r->client_ip = r->client_name = r->helo = (struct sv){ 0 };
	r->client_port = RECORD_UNSET;
}

/* What stands before S=: who the client is. */
static void before_size(const struct exim_field *f, struct sv *s, struct seen *seen, struct record *r)
{
	if (sv_eq(f->key, SV("S"))) {
		set_size(f->value, r);
	} else if (sv_eq(f->key, SV("A")) && exim_logged_in(seen->protocol) && (!seen->account || seen->sni)) {
		exim_set_auth(r, exim_words(s, f->value)); /* before Exim 4.94 a SNI may hold spaces, and look like one */
		seen->account = true;
	} else if (seen->account) {
		;
	} else if (sv_eq(f->key, SV("U"))) {
		user(f, s, seen, r);
	} else if (sv_eq(f->key, SV("P"))) {
		protocol(f->value, seen, r);
	} else if (sv_eq(f->key, SV("X"))) {
		exim_set_tls(r, f->value);
	} else if (sv_eq(f->key, SV("R"))) {
		r->parent_queue_id = f->value;
	}
	seen->sni |= !seen->account && sv_eq(f->key, SV("SNI"));
}

static void after_size(const struct exim_field *f, struct seen *seen, struct record *r)
{
	bool subject = sv_eq(f->key, SV("T")), misquoted = subject && f->value.n && f->value.p[0] == '"';
	if (sv_eq(f->key, SV("id")) && !r->message_id.p) {
		r->message_id = f->value;
	} else if (subject && !misquoted && !r->subject.p) {
		r->subject = f->value;
	} else if (seen->account && (misquoted || sv_eq(f->key, SV("S")))) { /* the name that logged in imitates fields */
		r->size = RECORD_UNSET;
		r->message_id = r->subject = (struct sv){ 0 };
		seen->in_doubt = true;
	}
}

bool exim_arrival(struct sv s, struct record *r)
{
	struct exim_host h;
	struct exim_field f;
	struct seen seen = { 0 };
	r->sender = exim_address(&s);
	if (!r->sender.n)
		return false;
	if (sv_eq(r->sender, SV("<>")))
		r->sender.n = 0;
	while (s.n && !seen.in_doubt) {
		struct sv t = s;
		if (!seen.sized && !seen.protocol.p && !r->client_ip.p && scan_lit(&t, SV(" H=")) && exim_host_in(EXIM_ARRIVED, &t, &h)) {
			seen.two_hosts = h.in_doubt;
			exim_set_client(r, &h);
			s = t;
			continue;
		}
		if (!exim_field(&s, &f))
			break;
		if (!f.value.p && sv_eq(f.key, SV("for"))) {
			r->nrcpt = recipients(s);
			break;
		}
		if (!f.value.p) {
			r->tells_client = r->counts_refused |= !seen.sized && sv_eq(f.key, SV("PRDR"));
			continue;
		}
		if (!seen.sized)
			before_size(&f, &s, &seen, r);
		else
			after_size(&f, &seen, r);
		seen.sized |= sv_eq(f.key, SV("S"));
	}
	r->kind = RECORD_ACCEPT;
	r->tells_client |= seen.in_doubt; /* a message all the same */
	r->submission = exim_logged_in(seen.protocol);
	r->local_port = exim_local_port(r);
	return true;
}
