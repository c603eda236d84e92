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

/* What stands before S=: who the client is. */
static void before_size(const struct exim_field *f, struct sv *s, struct sv *protocol, struct record *r)
{
	if (sv_eq(f->key, SV("U"))) {
		exim_set_user(r, f->value);
		struct sv ident = sv_make(f->value.p, (size_t)(s->p + s->n - f->value.p));
		if (r->local_user.p)
			return;
		if (exim_past_ident(&ident))
			*s = ident;
		else
			*protocol = SV("unknown");
	} else if (sv_eq(f->key, SV("P"))) {
		if (!protocol->p)
			*protocol = f->value;
	} else if (sv_eq(f->key, SV("X"))) {
		exim_set_tls(r, f->value);
	} else if (sv_eq(f->key, SV("A")) && exim_logged_in(*protocol)) {
		exim_set_auth(r, exim_words(s, f->value));
	} else if (sv_eq(f->key, SV("R"))) {
		r->parent_queue_id = f->value;
	} else if (sv_eq(f->key, SV("S"))) {
		struct sv size = f->value;
		if (!scan_int(&size, &r->size))
			r->size = RECORD_UNSET;
	}
}

bool exim_arrival(struct sv s, struct record *r)
{
	struct exim_host h;
	struct exim_field f;
	struct sv protocol = { 0 };
	bool sized = false;
	r->sender = exim_address(&s);
	if (!r->sender.n)
		return false;
	if (sv_eq(r->sender, SV("<>")))
		r->sender.n = 0;
	while (s.n) {
		struct sv t = s;
		if (!sized && !r->client_ip.p && scan_lit(&t, SV(" H=")) && exim_host(&t, &h)) {
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
			r->tells_client = r->counts_refused |= !sized && sv_eq(f.key, SV("PRDR"));
			continue;
		}
		if (!sized)
			before_size(&f, &s, &protocol, r);
		else if (sv_eq(f.key, SV("id")) && !r->message_id.p)
			r->message_id = f.value;
		else if (sv_eq(f.key, SV("T")) && !r->subject.p)
			r->subject = f.value;
		sized |= sv_eq(f.key, SV("S"));
	}
	r->kind = RECORD_ACCEPT;
	r->submission = exim_logged_in(protocol);
	return true;
}
