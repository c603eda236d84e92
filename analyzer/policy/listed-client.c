/* listed-client: a DNSBL that our servers ask lists an address of ours or of a customer's. The server's own refusal says so, or
 * postscreen's rank. Being listed is often a sign of more; the detectors look for that themselves. */
#include "analyzer/policy.h"

struct options { bool enabled; };

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "true", 0, 0, "", "whether this rule is watched" },
	{ 0 },
};
static const struct opt_table table = { "policy", "listed-client", rows, sizeof(struct options) };

/* Postfix's words the reply table knows; Sendmail ("Rejected: 192.0.2.1 listed at …") and Exim's administrators name the client in theirs.
 * Where the text names no address it may be the sender's domain that is listed. */
static bool says_listed(const struct record *r, uint8_t class)
{
	static const struct sv words[] = { { " listed at ", 11 }, { " listed in ", 11 }, { " listed on ", 11 }, { " listed by ", 11 } };
	if (class == REPLY_IP_LISTED)
		return true;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (sv_find(r->reply, words[i]) >= 0)
			return class != REPLY_DOMAIN_LISTED && r->client_ip.n && sv_find(r->reply, r->client_ip) >= 0;
	return false;
}

static bool fact(struct judge *j, const struct principal *p, const void *opt, const struct fact_view *f, struct policy_breach *ret_breach)
{
	const struct record *r = f->record;
	(void)j, (void)p, (void)opt;
	/* Of a client elsewhere nothing is known but that it logged in: its address is no customer's. */
	if (!f->place.own_network)
		return false;
	bool refused = r->kind == RECORD_REJECT && says_listed(r, f->class);
	bool ranked = r->kind == RECORD_POLICY && sv_eq(r->status, SV("dnsbl"));
	/* postscreen ranks first and may refuse then: that is one, but its second line names the list. */
	ret_breach->times = ranked || (refused && !sv_ends(r->program, SV("/postscreen")));
	ret_breach->value = refused;
	return refused || ranked;
}

const struct policy_rule policy_listed_client = { .name = "listed-client", .title = "sending from a blocklisted address", .options = &table, .fact = fact };
