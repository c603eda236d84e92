/* Who submitted a message that came from a server before this one: a Dovecot that relays, or a webmail, whose lines stand in the same stream says so:
 * "… reply=`250 2.0.0 Ok: queued as QID'", "User NAME [ADDRESS]; Message <ID> for a@x; 250: 2.0.0 Ok: queued as QID". */
#include "collector/open.h"
#include "collector/scan.h"

#include <strings.h>

#define HOSTS_ASKED 1024u /* for the id that another host gave; the hosts of a farm, not those that a forger invents */

static bool is_meant(const struct correlate *c, uint32_t k, const struct record *r)
{
	if (k == OPEN_NONE)
		return false;
	const struct open_msg *o = c->msg[c->key[k].msg];
	if (!o->head || o->piped || o->reported || r->time_us - o->first_us > CORRELATE_LINGER_US)
		return false;
	if (r->message_id.n)
		return sv_eq(open_get(o, o->message_id), sv_take(r->message_id, ADDRESS_MAX));
	return !o->sender_known || sv_eq(open_get(o, o->sender), sv_take(r->sender, ADDRESS_MAX));
}

/* A queue id means something on one host only: that of another must have the message-id, too. */
static uint32_t taken_as(struct correlate *c, const struct record *r)
{
	uint32_t own = open_host(c, r->host), k = open_find(c, own, r->child_queue_id);
	if (is_meant(c, k, r))
		return c->key[k].msg;
	for (uint32_t host = 0; r->message_id.n && c->n_host <= HOSTS_ASKED && host < c->n_host; host++)
		if (host != own && is_meant(c, k = open_find(c, host, r->child_queue_id), r))
			return c->key[k].msg;
	return OPEN_NONE;
}

static struct sv local_part(struct sv login)
{
	ptrdiff_t at = sv_rchr(login, '@');
	return at < 0 ? login : sv_take(login, (size_t)at);
}

/* "anna" and "Anna@isp.example" are one user, as one of two programs may add the domain. */
static bool same_user(struct sv a, struct sv b)
{
	if (sv_chr(a, '@') < 0 || sv_chr(b, '@') < 0)
		a = local_part(a), b = local_part(b);
	return a.n == b.n && (!a.n || strncasecmp(a.p, b.p, a.n) == 0);
}

static void set_user(struct correlate *c, struct open_msg *o, const struct record *r, struct sv line)
{
	char room[TXN_LINE_BYTES];
	line = txn_line(line, room);
	if (sv_eq(open_get(o, o->lines[0]), line)) /* another recipient of the same line */
		return;
	if (o->account.at == OPEN_NONE || !same_user(open_get(o, o->account), r->account)) { /* a webmail may have one login for all */
		open_set(c, o, &o->account, sv_take(r->account, NAME_MAX_BYTES));
		open_set(c, o, &o->auth_method, sv_take(r->auth_method, 64));
	}
	o->submission = true;
	open_set(c, o, &o->lines[0], line);
	if (!r->client_ip.p || scan_ip_is_loopback(r->client_ip))
		return;
	open_set(c, o, &o->client_ip, r->client_ip);
	open_set(c, o, &o->client_name, sv_take(r->client_name, NAME_MAX_BYTES));
	open_set(c, o, &o->helo, sv_take(r->helo, NAME_MAX_BYTES));
}

static void keep(struct correlate *c, int64_t time_us, const struct sv texts[EARLY_TEXTS])
{
	static const size_t most[EARLY_TEXTS] = {
		[EARLY_ID] = OPEN_ID_BYTES, [EARLY_MESSAGE_ID] = ADDRESS_MAX, [EARLY_ACCOUNT] = NAME_MAX_BYTES, [EARLY_CLIENT_IP] = 48, [EARLY_LINE] = TXN_LINE_BYTES,
	};
	if (!c->early)
		c->early = xcalloc(OPEN_EARLY, sizeof *c->early);
	struct open_early *e = &c->early[c->n_early++ % OPEN_EARLY];
	uint32_t n = 0;
	e->time_us = time_us;
	for (unsigned i = 0; i < EARLY_TEXTS; i++) {
		struct sv t = sv_take(texts[i], most[i]);
		if (t.n)
			memcpy(e->text + n, t.p, t.n);
		e->end[i] = n += (uint32_t)t.n;
	}
}

static struct sv kept(const struct open_early *e, unsigned i)
{
	uint32_t begin = i ? e->end[i - 1] : 0;
	return e->end[i] > begin ? sv_make(e->text + begin, e->end[i] - begin) : (struct sv){ 0 };
}

void submitted_by(struct correlate *c, const struct record *r, struct sv line)
{
	char room[TXN_LINE_BYTES];
	uint32_t m = taken_as(c, r);
	line = txn_line(line, room);
	const struct open_early *last = c->n_early ? &c->early[(c->n_early - 1) % OPEN_EARLY] : NULL;
	if (m != OPEN_NONE)
		set_user(c, c->msg[m], r, line);
	else if (r->message_id.n && !(last && sv_eq(kept(last, EARLY_LINE), line)))
		keep(c, r->time_us, (struct sv[EARLY_TEXTS]){ r->child_queue_id, r->message_id, r->account, r->client_ip, line });
}

void submitted_early(struct correlate *c, uint32_t m)
{
	struct open_msg *o = c->msg[m];
	struct sv id = open_queue_id(c, m), message_id = open_get(o, o->message_id);
	if (!o->head || o->piped || o->reported)
		return;
	for (struct open_early *e = c->early; e < c->early + OPEN_EARLY; e++) {
		if (e->time_us < o->first_us - CORRELATE_LINGER_US || !sv_eq(kept(e, EARLY_ID), id) || !sv_eq(kept(e, EARLY_MESSAGE_ID), message_id))
			continue;
		struct record r;
		record_clear(&r);
		r.account = kept(e, EARLY_ACCOUNT);
		r.client_ip = kept(e, EARLY_CLIENT_IP);
		set_user(c, o, &r, kept(e, EARLY_LINE));
		return;
	}
}

static bool still_counts(const struct correlate *c, const struct open_early *e)
{
	return e->time_us >= c->now_us - CORRELATE_LINGER_US;
}

void correlate_save_early(const struct correlate *c, struct buf *out)
{
	uint32_t first = c->n_early > OPEN_EARLY ? c->n_early - OPEN_EARLY : 0, n = 0;
	for (uint32_t i = first; i < c->n_early; i++)
		n += still_counts(c, &c->early[i % OPEN_EARLY]);
	if (!n) /* most sources have no webmail: as before there was this */
		return;
	wire_put_u(out, n);
	for (uint32_t i = first; i < c->n_early; i++) {
		const struct open_early *e = &c->early[i % OPEN_EARLY];
		if (!still_counts(c, e))
			continue;
		wire_put_i(out, e->time_us);
		for (unsigned t = 0; t < EARLY_TEXTS; t++)
			wire_put_sv(out, kept(e, t));
	}
}

int correlate_load_early(struct correlate *c, struct wire *w)
{
	uint64_t n = wire_get_u(w);
	if (n > OPEN_EARLY)
		wire_spoil(w);
	for (uint64_t i = 0; i < n && !w->bad; i++) {
		struct sv texts[EARLY_TEXTS];
		int64_t time_us = wire_get_i(w);
		for (unsigned t = 0; t < EARLY_TEXTS; t++)
			texts[t] = wire_get_sv(w);
		if (!w->bad)
			keep(c, open_sane_us(time_us) ? time_us : 0, texts);
	}
	return w->bad ? -1 : 0;
}
