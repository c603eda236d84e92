/* size: messages over the size that the provider allows, as its servers logged it (with the attachments' encoding, which makes
 * a file a third larger). A bounce carries somebody else's message back and does not count. */
#include "analyzer/policy.h"

struct options { bool enabled; int64_t limit_bytes; };

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "true", 0, 0, "", "whether this rule is watched" },
	{ "limit", OPT_BYTES, offsetof(struct options, limit_bytes), "30M", 1, 8589934592.0, "bytes",
	  "messages over this size break the rule; the server itself may accept more" },
	{ 0 },
};
static const struct opt_table table = { "policy", "size", rows, sizeof(struct options) };

static bool message(struct judge *j, const struct principal *p, const void *opt, const struct message_view *m, struct policy_breach *ret_breach)
{
	const struct options *o = opt;
	(void)j, (void)p;
	ret_breach->value = m->txn->size;
	return m->first_report && !m->null_sender && m->txn->size > o->limit_bytes;
}

const struct policy_rule policy_size = { .name = "size", .title = "messages over the size limit", .unit = "bytes", .options = &table, .message = message };
