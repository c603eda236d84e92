/* recipients: messages to more recipients than the provider allows in one. What a list or forwarder of ours expands is the
 * provider's own doing. Where the log does not say how many there are (Exim), they come to light one by one: the message counts when
 * it crosses the limit, and its number grows with what follows. */
#include "analyzer/policy.h"

struct options { bool enabled; int64_t limit; };

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "true", 0, 0, "", "whether this rule is watched" },
	{ "limit", OPT_INT, offsetof(struct options, limit), "30", 1, 100000, "recipients", "messages to more than these break the rule; whoever writes to more should use a list" },
	{ 0 },
};
static const struct opt_table table = { "policy", "recipients", rows, sizeof(struct options) };

static bool message(struct judge *j, const struct principal *p, const void *opt, const struct message_view *m, struct policy_breach *ret_breach)
{
	const struct options *o = opt;
	(void)j, (void)p;
	if (m->null_sender || m->expansion || m->n_rcpt <= o->limit || !m->n_more)
		return false;
	ret_breach->value = m->n_rcpt;
	ret_breach->times = m->n_rcpt - m->n_more <= o->limit;
	return true;
}

const struct policy_rule policy_recipients = { .name = "recipients", .title = "messages to too many recipients", .unit = "recipients", .options = &table,
	                                       .message = message };
