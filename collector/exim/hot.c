/* The lines that a busy Exim writes most — a message came, was delivered, is done — read in one pass. Each is either exactly as Exim writes
 * it with usual settings, and then gives the same record as the full parser, or it is left to the full parser (tests/unit/test_hot.c). */
#include "collector/exim/exim.h"
#include "collector/hot.h"

/* A value of one word, neither quoted nor in brackets. */
static inline bool plain(struct sv *s, struct sv *ret)
{
	if (!s->n || s->p[0] == '"' || s->p[0] == '<')
		return false;
	*ret = hot_value(s, ' ');
	return ret->n && ret->p[ret->n - 1] != ':';
}

/* The rest of "text" with nothing escaped, and the end or a space after it. */
static inline bool quoted(struct sv *s, struct sv *ret)
{
	return hot_upto(s, '"', ret) && !near_chr(ret->p, '\\', ret->n) && (!s->n || s->p[0] == ' ');
}

/* "a@b c@d" after " for " */
static bool recipients(struct sv s, int64_t *ret)
{
	int64_t n = 0;
	if (near_chr(s.p, '"', s.n))
		return false;
	for (;;) {
		n += hot_value(&s, ' ').n > 0;
		if (!s.n)
			break;
		s = sv_skip(s, 1);
	}
	*ret = n;
	return true;
}

/* Who the client is, up to the size. */
static bool arrival_client(struct sv *s, struct record *r)
{
	struct exim_host h;
	struct sv protocol, v;
	if (LIT(s, " H=")) {
		if (!exim_host_in(EXIM_ARRIVED, s, &h) || h.in_doubt)
			return false;
		exim_set_client(r, &h);
		if (exim_local_port(r))
			return false;
	}
	if (LIT(s, " R=") && !plain(s, &r->parent_queue_id))
		return false;
	if (LIT(s, " I=") && !plain(s, &v))
		return false;
	if (LIT(s, " U=")) {
		if (!plain(s, &v))
			return false;
		exim_set_user(r, v);
		if (!r->local_user.p) /* a client's host may say anything */
			return false;
	}
	if (!LIT(s, " P=") || !plain(s, &protocol))
		return false;
	r->submission = exim_logged_in(protocol);
	if (LIT(s, " X=")) {
		if (!plain(s, &v))
			return false;
		exim_set_tls(r, v);
	}
	if (LIT(s, " CV=") && !plain(s, &v))
		return false;
	if (LIT(s, " A=")) {
		if (!plain(s, &v) || !sv_starts(*s, SV(" S="))) /* an account with a space */
			return false;
		if (r->submission)
			exim_set_auth(r, v);
	}
	return true;
}

static enum mta_hot arrival(struct sv s, struct record *r)
{
	r->sender = hot_value(&s, ' ');
	if (!r->sender.n || near_chr(r->sender.p, '"', r->sender.n) || !arrival_client(&s, r) || !LIT(&s, " S=") || !hot_number(&s, &r->size))
		return HOT_NO;
	if (r->sender.n == 2 && memcmp(r->sender.p, "<>", 2) == 0)
		r->sender.n = 0;
	if (s.n && s.p[0] != ' ')
		return HOT_NO;
	if ((LIT(&s, " id=") && !plain(&s, &r->message_id)) || (LIT(&s, " T=\"") && !quoted(&s, &r->subject)))
		return HOT_NO;
	if (s.n && (!LIT(&s, " for ") || !recipients(s, &r->nrcpt)))
		return HOT_NO;
	r->kind = RECORD_ACCEPT;
	return HOT_RECORD;
}

/* "final" and "final <original>" without anything that needs a second look. */
static bool addresses(struct sv *s, struct record *r)
{
	struct sv original;
	r->recipient = hot_value(s, ' ');
	const char *p = r->recipient.p;
	size_t n = r->recipient.n;
	if (!n || p[0] == '|' || p[0] == '/' || p[0] == ':' || p[0] == '>' || p[n - 1] == ':' || near_chr(p, '"', n) || near_chr(p, '<', n))
		return false;
	if (!LIT(s, " <"))
		return true;
	if (!hot_upto(s, '>', &original) || !original.n || near_chr(original.p, '"', original.n) || near_chr(original.p, '<', original.n))
		return false;
	if (!near_chr(p, '@', n))
		r->recipient = original;
	else if (!sv_eq(original, r->recipient))
		r->orig_recipient = original;
	return true;
}

static bool delivery_host(struct sv *s, struct record *r)
{
	struct exim_host h;
	struct sv v;
	if (LIT(s, " H=")) {
		if (!exim_host(s, &h))
			return false;
		exim_set_relay(r, &h);
		r->local = false;
	}
	if (LIT(s, " I=") && !plain(s, &v))
		return false;
	if (LIT(s, " X=")) {
		if (!plain(s, &v))
			return false;
		exim_set_tls(r, v);
	}
	return !LIT(s, " CV=") || plain(s, &v);
}

static enum mta_hot delivery(struct sv s, struct record *r)
{
	struct sv v;
	if (!addresses(&s, r) || (LIT(&s, " F=") && (!hot_angle(&s, &v) || (v.n && v.p[v.n - 1] == ':'))))
		return HOT_NO;
	if (!LIT(&s, " R=") || !plain(&s, &v) || !LIT(&s, " T=") || !plain(&s, &v))
		return HOT_NO;
	exim_set_transport(r, v);
	if ((LIT(&s, " S=") && !plain(&s, &v)) || !delivery_host(&s, r))
		return HOT_NO;
	if (LIT(&s, " C=\"")) {
		if (!quoted(&s, &v))
			return HOT_NO;
		scan_set_reply(r, v);
	}
	if ((LIT(&s, " QT=") && !plain(&s, &v)) || (LIT(&s, " DT=") && !plain(&s, &v)) || s.n)
		return HOT_NO;
	r->kind = RECORD_DELIVERY;
	r->status = SV("sent");
	return HOT_RECORD;
}

/* Takes back what the readings here set: much less than all that a record may say. */
static inline void clear(struct record *r)
{
	r->client_ip = r->client_name = r->helo = r->account = r->auth_method = r->sender = r->recipient = r->orig_recipient = (struct sv){ 0 };
	r->message_id = r->relay_host = r->relay_ip = r->status = r->dsn = r->reply = r->tls_version = r->tls_cipher = (struct sv){ 0 };
	r->subject = r->parent_queue_id = r->local_user = (struct sv){ 0 };
	r->client_port = r->size = r->nrcpt = r->relay_port = RECORD_UNSET;
	r->submission = r->local = r->piped = false;
}

enum mta_hot exim_hot(const struct logline *l, struct record *r)
{
	struct sv s = l->text, id;
	if (!exim_id(&s, &id) || s.n < 3)
		return HOT_NO;
	bool here = s.p[0] == '=' || s.p[0] == '-';
	if (!here && s.p[0] != '<' && s.p[0] != 'C')
		return HOT_NO;
	clear(r);
	r->queue_id = id;
	if (here)
		return s.p[1] == '>' && s.p[2] == ' ' ? delivery(sv_skip(s, 3), r) : HOT_NO;
	if (LIT(&s, "<= "))
		return arrival(s, r);
	r->kind = RECORD_REMOVE;
	return LIT(&s, "Completed") && (!s.n || s.p[0] == ' ') ? HOT_RECORD : HOT_NO;
}
