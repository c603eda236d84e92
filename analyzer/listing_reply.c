/* Receivers that name a list in their refusals, or that refuse for the address's repute. */
#include <strings.h>

#include "analyzer/judge_int.h"
#include "analyzer/listing_int.h"

static bool contains_folded(struct sv text, struct sv part)
{
	for (size_t i = 0; part.n && i + part.n <= text.n; i++)
		if (strncasecmp(text.p + i, part.p, part.n) == 0)
			return true;
	return false;
}

/* The reply has the zone's name, or the table of replies calls the list by the word that is in it ("spamhaus-zen": zen.spamhaus.org). */
static bool names_zone(const struct listing_zone *z, struct sv reply, const char *detail)
{
	const char *list = strstr(detail, "list=");
	if (contains_folded(reply, sv_cstr(z->name)))
		return true;
	size_t n = list ? strcspn(list + 5, "- ") : 0;
	return n >= 4 && list[5] != '$' && contains_folded(sv_cstr(z->name), sv_make(list + 5, n));
}

/* The address of ours that a refusal is about: the one it names, else the only one. "" when it may be any. */
static struct sv refused_address(const struct judge *j, struct sv reply, char *text)
{
	const struct prefix_table *all = &j->conf->egress;
	struct sv ip = attribute_named_egress(j, reply, text);
	if (ip.n)
		return ip;
	return all->n == 1 && all->v[0].bits == 128 ? sv_make(text, ipaddr_text(&all->v[0].addr, text)) : SV("");
}

static void refused(struct judge *j, const struct message_view *m, size_t i)
{
	const struct txn_rcpt *r = &m->txn->rcpt[i];
	const char *detail = reply_classify(j->replies, r->reply, r->dsn).detail;
	char text[48];
	struct sv ip = refused_address(j, r->reply, text);
	if (strstr(detail, "sub=ip-reputation") || strstr(detail, "sub=complaints"))
		blame_repute(j, ip, m->rcpt[i].domain);
	struct listing_target *t = ip.n ? listing_target_named(j, ip) : NULL;
	for (struct listing_pair *p = t ? t->pairs : NULL; p; p = p->of_target)
		if (names_zone(p->zone, r->reply, detail))
			listing_named(j, p, m->at_us);
}

void listing_message(struct judge *j, const struct principal *p, const struct message_view *m)
{
	blame_note(j, p, m);
	if (!j->conf->egress.n)
		return;
	for (size_t i = 0; i < m->n_listed; i++)
		if (m->rcpt[i].listed && !m->rcpt[i].again)
			refused(j, m, i);
}
