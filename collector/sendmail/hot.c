/* The lines that a busy Sendmail writes most, read in one pass. Each is either exactly as Sendmail writes it, and then gives the same
 * record as the full parser, or it is left to the full parser (tests/unit/test_hot.c holds them against each other). */
#include "collector/hot.h"
#include "collector/sendmail/sendmail.h"

/* What follows "<", up to ">"; without quotes, comments, backslashes and brackets, with which anything may stand in it. */
static inline bool angle(struct sv *s, struct sv *ret)
{
	size_t n = near_first_below(s->p, s->n, '>', '<', ')'); /* among those before it are '"' and '(' */
	if (n == s->n || s->p[n] != '>' || s->p[(ptrdiff_t)n - 1] == '\\')
		return false;
	*ret = sv_make(s->p, n);
	s->n -= n + 1;
	s->p += n + 1;
	return true;
}

/* ", size=1, class=0, nrcpts=2, msgid=<…>, …, relay=host [ip]" after the sender */
static enum mta_hot arrival(struct sv s, struct record *r)
{
	int64_t class;
	if (!angle(&s, &r->sender) || !LIT(&s, ", size=") || !hot_number(&s, &r->size) || !LIT(&s, ", class=") || !hot_number(&s, &class))
		return HOT_NO;
	if (!LIT(&s, ", nrcpts=") || !hot_number(&s, &r->nrcpt) || !r->nrcpt || !LIT(&s, ", msgid=") || !hot_angle(&s, &r->message_id) || !LIT(&s, ", "))
		return HOT_NO;
	struct sv last = sv_make(s.p - 2, s.n + 2); /* the last field says from where */
	r->logged_in = sendmail_logged_in(last);
	last = sv_skip(last, (size_t)sv_rchr(last, ','));
	if (!LIT(&last, ", relay="))
		return HOT_NO;
	sendmail_set_origin(last, r);
	r->kind = RECORD_ACCEPT;
	return HOT_RECORD;
}

/* ", delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, relay=host [ip], dsn=2.0.0, stat=Sent (…)" after the recipient */
static enum mta_hot delivery(struct sv s, struct record *r)
{
	struct sv v;
	if (!angle(&s, &r->recipient)) /* several recipients: the next step refuses them */
		return HOT_NO;
	if (s.n > 2 && s.p[2] == 'c')
		sendmail_control_address(&s, r);
	if (!LIT(&s, ", delay=") || !hot_upto(&s, ',', &v))
		return HOT_NO;
	sendmail_set_delay(v, r);
	if (!LIT(&s, " xdelay=") || !hot_upto(&s, ',', &v) || !LIT(&s, " mailer=") || !hot_upto(&s, ',', &v))
		return HOT_NO;
	sendmail_set_mailer(v, r);
	if (!LIT(&s, " pri=") || !hot_upto(&s, ',', &v))
		return HOT_NO;
	if (LIT(&s, " relay=")) {
		if (!hot_upto(&s, ',', &v))
			return HOT_NO;
		sendmail_set_relay(v, r);
	}
	if (!LIT(&s, " dsn=") || !hot_upto(&s, ',', &r->dsn) || !LIT(&s, " stat=") || !sendmail_set_status(s, r))
		return HOT_NO;
	r->kind = RECORD_DELIVERY;
	return HOT_RECORD;
}

/* Takes back what the readings here set: much less than all that a record may say. */
static inline void clear(struct record *r)
{
	r->queue_id = r->client_ip = r->client_name = r->account = r->auth_method = r->sender = r->recipient = r->message_id = (struct sv){ 0 };
	r->relay_host = r->relay_ip = r->status = r->dsn = r->reply = r->delay = r->reason = r->local_user = r->session = (struct sv){ 0 };
	r->size = r->nrcpt = r->uid = RECORD_UNSET;
	r->local = r->piped = r->logged_in = r->session_asks = r->tells_client = false;
}

static enum mta_hot without_id(const struct logline *l, struct record *r)
{
	struct sv s = l->text;
	if (LIT(&s, "STARTTLS=server, relay=") || LIT(&s, "STARTTLS=client, "))
		return HOT_NOTHING;
	if (s.n < 4 || memcmp(s.p, "AUTH", 4) != 0)
		return HOT_NO;
	clear(r);
	r->pid = l->pid;
	return sendmail_login(s, r) ? HOT_RECORD : HOT_NO;
}

enum mta_hot sendmail_hot(const struct logline *l, struct record *r)
{
	struct sv s = l->text, id;
	if (s.n < 9)
		return HOT_NO;
	if (s.p[4] == '=' || s.p[8] == '=') /* no id */
		return without_id(l, r);
	if (!sendmail_id(&s, &id) || l->text.p[l->text.n - 1] == '\'') /* "… Unbalanced '<'": a recipient that was typed like such a line */
		return HOT_NO;
	clear(r);
	r->queue_id = id;
	r->pid = l->pid;
	if (LIT(&s, "from=<"))
		return arrival(s, r);
	if (LIT(&s, "to=<"))
		return delivery(s, r);
	r->kind = RECORD_REMOVE;
	return LIT(&s, "done; ") ? HOT_RECORD : HOT_NO;
}
