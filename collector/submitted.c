/* Who submitted a message that came from a server before this one: a Dovecot that relays, or a webmail, whose lines stand in the same stream says so:
 * "… reply=`250 2.0.0 Ok: queued as QID'", "User NAME [ADDRESS]; Message <ID> for a@x; 250: 2.0.0 Ok: queued as QID". */
#include "collector/open.h"
#include "collector/scan.h"

#include <strings.h>

#define HOSTS_ASKED 64u /* for the id that another host gave; the hosts of a farm, not those that a forger invents */

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
	return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

void submitted_by(struct correlate *c, const struct record *r, struct sv line)
{
	uint32_t m = taken_as(c, r);
	struct open_msg *o = m == OPEN_NONE ? NULL : c->msg[m];
	line = sv_take(line, TXN_LINE_BYTES);
	if (!o || sv_eq(open_get(o, o->lines[0]), line)) /* another recipient of the same line */
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
