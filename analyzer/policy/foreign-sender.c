/* foreign-sender: mail from envelope addresses that are not the customer's: of no domain of ours, of its own or of its customer's in
 * the inventory. Lists and forwarders of ours write in a domain of ours, and bounces in none. Off until the inventory names the customers' domains: without it,
 * whoever mails with an address of his own domain would stand here. */
#include "analyzer/policy.h"

struct options { bool enabled, learned; };

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "false", 0, 0, "", "whether this rule is watched; off, as it needs an inventory with the customers' domains" },
	{ "learned", OPT_BOOL, offsetof(struct options, learned), "true", 0, 0, "",
	  "domains that the principal wrote from in an earlier week are taken for its own; false: only those of the inventory" },
	{ 0 },
};
static const struct opt_table table = { "policy", "foreign-sender", rows, sizeof(struct options) };

static bool message(struct judge *j, const struct principal *p, const void *opt, const struct message_view *m, struct policy_breach *ret_breach)
{
	const struct options *o = opt;
	(void)j, (void)p, (void)ret_breach;
	if (!m->first_report || !m->txn->sender.n)
		return false;
	return !(o->learned ? m->sender_known : m->own_sender);
}

const struct policy_rule policy_foreign_sender = { .name = "foreign-sender", .title = "messages from addresses that are not the customer's", .options = &table,
	                                           .message = message };
