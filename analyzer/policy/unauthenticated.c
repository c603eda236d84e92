/* unauthenticated: a host of ours relays to the outside without logging in. Relaying by address is what many providers offer, so
 * it is off until somebody publishes that it is not allowed. */
#include "analyzer/policy.h"

struct options { bool enabled; };

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "false", 0, 0, "", "whether this rule is watched; off, as relaying by address is normal at many providers" },
	{ 0 },
};
static const struct opt_table table = { "policy", "unauthenticated", rows, sizeof(struct options) };

static bool message(struct judge *j, const struct principal *p, const void *opt, const struct message_view *m, struct policy_breach *ret_breach)
{
	const struct txn *t = m->txn;
	uint32_t outside = 0, news = 0;
	(void)opt;
	if (p->kind != PRINCIPAL_HOST || m->null_sender || m->expansion)
		return false;
	for (size_t i = 0; i < t->n_rcpt; i++) {
		const struct txn_rcpt *r = &t->rcpt[i];
		bool relayed = r->status != TXN_PENDING && !r->local && !enrich_is_local_domain(j->enrich, sv_domain(r->orig_recipient.n ? r->orig_recipient : r->recipient));
		outside += relayed;
		news += relayed && r->changed && r->attempts <= 1;
	}
	/* Outcomes may come in several reports: it counts in the first one in which it leaves our domains. */
	ret_breach->value = outside;
	ret_breach->times = m->first_report || outside == news;
	return outside && (m->first_report || news);
}

const struct policy_rule policy_unauthenticated = { .name = "unauthenticated", .title = "messages relayed without a login", .unit = "recipients",
	                                            .options = &table, .message = message };
