/* What a case is about: from which groups of detectors its evidence comes, and what the principal was before. */
#include "analyzer/acase.h"
#include "analyzer/detector.h"
#include "analyzer/fusion.h"

/* Evidence of one detector in the case; 0 when there is no such detector. */
static int32_t evidence_of(const struct acase *c, const char *name)
{
	for (size_t d = 0; d < detector_count(); d++)
		if (strcmp(detector_registry[d]->name, name) == 0)
			return c->detector_score[d];
	return 0;
}

struct guess { enum case_kind kind, other; };

/* Refusals without a jump in volume, strangers or origin are bad list hygiene or forwarded spam, not a break-in. Who has no history cannot be
 * said to have no jump. */
static bool is_refusals_only(const struct judge *j, const struct acase *c, const int32_t *groups)
{
	return acase_has_history(j, c) && groups[GROUP_RECEIVERS] > 0 && groups[GROUP_VOLUME] < 3 * NAT && groups[GROUP_ORIGIN] < 2 * NAT &&
	       groups[GROUP_PROTOCOL] < 3 * NAT;
}

static enum case_kind break_in(const struct acase *c)
{
	switch (c->principal_kind) {
	case PRINCIPAL_ACCOUNT: return CASE_STOLEN_ACCOUNT;
	case PRINCIPAL_SCRIPT: return CASE_SCRIPT;
	default: return CASE_INFECTED_HOST;
	}
}

/* A server that sent its own mail for weeks and now has everybody's senders relays for strangers; a machine that never was one is infected. */
static struct guess guess_host(const struct judge *j, const struct acase *c)
{
	bool was_server = acase_has_history(j, c) && c->principal->messages > c->messages + 50;
	if (evidence_of(c, "sender-spread") < 4 * NAT)
		return (struct guess){ CASE_INFECTED_HOST, was_server ? CASE_OPEN_RELAY : CASE_UNKNOWN };
	return was_server ? (struct guess){ CASE_OPEN_RELAY, CASE_INFECTED_HOST } : (struct guess){ CASE_INFECTED_HOST, CASE_OPEN_RELAY };
}

/* What a detector whose evidence has weight says by itself. */
static enum case_kind named_kind(const struct judge *j, const struct acase *c)
{
	for (size_t d = 0; d < detector_count(); d++)
		if (detector_registry[d]->suggests && c->detector_score[d] >= 3 * NAT) {
			enum case_kind k = (enum case_kind)detector_registry[d]->suggests(judge_slab(j, c->principal, d));
			if (k != CASE_UNKNOWN)
				return k;
		}
	return CASE_UNKNOWN;
}

/* What it does, whatever lists say. */
static int32_t harm(const int32_t *groups)
{
	int32_t sum = 0;
	for (size_t g = 0; g < GROUPS; g++)
		sum += g == GROUP_LISTING ? 0 : groups[g];
	return sum;
}

static struct guess guess_kind(const struct judge *j, const struct acase *c, const int32_t *groups)
{
	if (c->principal_kind == PRINCIPAL_MX)
		return (struct guess){ CASE_BACKSCATTER, CASE_UNKNOWN };
	enum case_kind named = named_kind(j, c);
	/* A host that does harm is that first; that lists have it, too, follows. */
	if (named == CASE_LISTING && c->principal_kind == PRINCIPAL_HOST && harm(groups) >= 8 * NAT)
		return (struct guess){ guess_host(j, c).kind, CASE_LISTING };
	if (named != CASE_UNKNOWN)
		return (struct guess){ named, c->principal_kind == PRINCIPAL_ACCOUNT ? break_in(c) : CASE_UNKNOWN };
	if (is_refusals_only(j, c, groups)) {
		bool spam = evidence_of(c, "reject-mix") > evidence_of(c, "bad-rcpt");
		return (struct guess){ spam ? CASE_FORWARDER : CASE_LIST_HYGIENE, break_in(c) };
	}
	if (c->principal_kind == PRINCIPAL_HOST)
		return guess_host(j, c);
	return (struct guess){ break_in(c), groups[GROUP_RECEIVERS] > groups[GROUP_VOLUME] ? CASE_LIST_HYGIENE : CASE_UNKNOWN };
}

static bool is_break_in(enum case_kind k)
{
	return k == CASE_STOLEN_ACCOUNT || k == CASE_SCRIPT || k == CASE_INFECTED_HOST || k == CASE_OPEN_RELAY || k == CASE_GUEST_RELAY;
}

static enum case_severity severity_of(const struct acase *c)
{
	int points = (int)c->level + 1 + (c->principal_kind == PRINCIPAL_HOST ? 0 : 1);
	points += (c->recipients >= 100) + (c->recipients >= 1000);
	if (c->kind == CASE_LIST_HYGIENE || c->kind == CASE_FORWARDER)
		return CASE_LOW;
	if (c->kind == CASE_LISTING) /* everybody's mail, or one customer's */
		return c->principal_kind != PRINCIPAL_OWN_IP ? CASE_MEDIUM : c->level == CASE_CONFIRMED ? CASE_CRITICAL : CASE_HIGH;
	return points <= 2 ? CASE_MEDIUM : points <= 4 ? CASE_HIGH : CASE_CRITICAL;
}

void case_classify(const struct judge *j, struct acase *c)
{
	int32_t groups[GROUPS];
	enum case_kind was = c->kind;
	fusion_groups(c->detector_score, fusion_volume_cap(j, c->principal, c->updated_us), groups);
	struct guess g = guess_kind(j, c, groups);
	/* A case that once was a break-in does not turn into a matter of hygiene because one sign fades. */
	if (c->updated_us != c->opened_us && is_break_in(was) && !is_break_in(g.kind))
		g = (struct guess){ was, g.kind };
	c->kind = g.kind;
	c->runner_up = g.other;
	enum case_severity s = severity_of(c);
	if (s > c->severity || c->updated_us == c->opened_us)
		c->severity = s;
}
