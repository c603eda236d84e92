/* D13 list-risk: DNS block lists have an address of ours, a customer's mail server or a domain, or soon will have an address of ours. What lists say is
 * followed in analyzer/listing.h, the risk in analyzer/listing_risk.c; here it becomes evidence. Points are the zone's (etc/dnsbl.conf); entries that
 * say nothing of abuse (policy: dynamic addresses, whole providers) have none. It does not fade while it stands. docs/detectors.md B.2, D13. */
#include <json-c/json.h>

#include "analyzer/acase.h"
#include "analyzer/detector.h"
#include "analyzer/listing_int.h"
#include "analyzer/phrase.h"

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct listing_options, enabled), "true", 0, 0, "", "whether this detector speaks" },
	{ "cap", OPT_REAL, offsetof(struct listing_options, cap), "12", 0, 64, "nats", "most evidence; 12 opens a case alone" },
	{ "base", OPT_REAL, offsetof(struct listing_options, base), "4", 0, 64, "nats",
	  "added once to the points of the lists: an entry seen twice is a fact, so that one major list opens a case" },
	{ "risk-cap", OPT_REAL, offsetof(struct listing_options, risk_cap), "0", 0, 64, "nats",
	  "most evidence of the risk alone: it is told on the pages and by mail, but what may come is no sign of what is" },
	{ "base-points", OPT_INT, offsetof(struct listing_options, base_points), "3", 0, 100, "points", "from so many points on; lists of whole networks (2) say little about who is in them" },
	{ "debounce", OPT_TIME_S, offsetof(struct listing_options, debounce_s), "10m", 0, 86400, "s", "an entry must be seen again after so long, or be named by a receiver, to count" },
	{ "clear-after", OPT_TIME_S, offsetof(struct listing_options, clear_s), "6h", 0, 2592000, "s", "no entry for so long ends it: servers of one list differ for hours" },
	{ "clear-answers", OPT_INT, offsetof(struct listing_options, clear_answers), "3", 1, 1000, "answers", "and in so many answers" },
	{ "forget", OPT_TIME_S, offsetof(struct listing_options, forget_s), "14d", 3600, 31536000, "s", "an entry that nobody looked at for so long is of a target that is not watched any more; one of a list that was out of order for so long says nothing either" },
	{ "suspend-share", OPT_REAL, offsetof(struct listing_options, suspend_share), "0.20", 0.01, 1, "",
	  "a list on which more than this share of what we watch turns up within an hour is wrong, or was made to be: its entries are held" },
	{ "suspend-least", OPT_INT, offsetof(struct listing_options, suspend_least), "5", 1, 100000, "targets", "and at least so many; a few addresses of one server farm do turn up together" },
	{ "alert-points", OPT_INT, offsetof(struct listing_options, alert_points), "3", 0, 100, "points", "changes at lists of this weight and more are mailed to the desk" },
	{ "unknown-some", OPT_REAL, offsetof(struct listing_options, unknown_some), "0.05", 0.001, 1, "", "share of recipients that do not exist, over all our mail of a day: 2 points of risk (senders' rules of large receivers)" },
	{ "unknown-many", OPT_REAL, offsetof(struct listing_options, unknown_many), "0.10", 0.001, 1, "", "and 4 points" },
	{ "unknown-least", OPT_INT, offsetof(struct listing_options, unknown_least), "100", 1, 1000000, "recipients", "of fewer recipients in a day a share says nothing" },
	{ "contagion", OPT_REAL, offsetof(struct listing_options, contagion), "0.60", 0.01, 1, "", "share of the listed neighbours from which on UCEPROTECT lists a whole network (5 in a /24): 3 points" },
	{ "watch", OPT_INT, offsetof(struct listing_options, watch), "4", 1, 1000, "points", "risk level watch from here on" },
	{ "likely", OPT_INT, offsetof(struct listing_options, likely), "8", 1, 1000, "points", "risk level likely from here on" },
	{ "imminent", OPT_INT, offsetof(struct listing_options, imminent), "12", 1, 1000, "points", "risk level imminent from here on" },
	{ 0 },
};
static const struct opt_table table = { "detector", "list-risk", rows, sizeof(struct listing_options) };

struct state {
	int64_t since_us;
	int32_t points, base; /* of the lists, whole nats; what is added once a list of weight has it */
	int32_t risk;         /* without what other groups say */
	int32_t forgiven;     /* so much somebody has dealt with */
};

static int32_t evidence(const struct state *s)
{
	return s->points + s->base > s->risk ? s->points + s->base : s->risk;
}

static void listing(struct judge *j, struct principal *p, void *state, const void *opt, const struct listing_view *v)
{
	struct state *s = state;
	const struct listing_options *o = opt;
	(void)j, (void)p;
	if (!v->target)
		return;
	int32_t was = evidence(s) - s->forgiven;
	s->points = v->target->points;
	s->risk = v->target->own_points < (int32_t)o->risk_cap ? v->target->own_points : (int32_t)o->risk_cap;
	s->base = v->target->main_on ? (int32_t)o->base : 0;
	int32_t now = evidence(s);
	if (s->forgiven > now)
		s->forgiven = now;
	s->since_us = !now ? 0 : s->since_us ? s->since_us : s->points ? v->target->since_us : v->at_us;
	walk_reason(s->points ? "lists that have it" : "risk of being listed");
	walk_told((now - s->forgiven - was) * NAT);
}

static int32_t score(const struct judge *j, const struct principal *p, void *state, const void *opt, int64_t now_us, int32_t others)
{
	const struct state *s = state;
	const struct listing_options *o = opt;
	(void)j, (void)p, (void)now_us, (void)others;
	int32_t nats = evidence(s) - s->forgiven, cap = NATS(o->cap);
	return nats <= 0 ? 0 : nats * NAT < cap ? nats * NAT : cap;
}

static int64_t since(const void *state)
{
	return ((const struct state *)state)->since_us;
}

/* "; main source: ann@isp.example with 62 % of the refused mail, then uid 33 with 20 %" */
static void main_source(const char *cause, struct buf *out)
{
	struct json_object *list = cause ? json_tokener_parse(cause) : NULL;
	for (size_t i = 0; json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		struct principal p = { .kind = (uint8_t)principal_kind_named(json_object_get_string(json_object_object_get(o, "kind"))),
			               .id = (char *)(uintptr_t)json_object_get_string(json_object_object_get(o, "id")) };
		buf_printf(out, "%s%s with %d %%%s", i ? ", then " : "; main source: ", phrase_name(&p).s, json_object_get_int(json_object_object_get(o, "share")),
		           i ? "" : " of the refused mail");
	}
	if (!json_object_is_type(list, json_type_array) || !json_object_array_length(list))
		buf_puts(out, "; no one principal stands out among the refused mail");
	json_object_put(list);
}

static bool heavier(const struct listing_pair *a, const struct listing_pair *b)
{
	if (a->points != b->points)
		return a->points > b->points;
	return strcmp(a->zone->name, b->zone->name) < 0;
}

/* The lists that have it, the heaviest first. */
static void say_lists(const struct judge *j, const struct principal *p, const struct listing_target *t, struct buf *out)
{
	const struct listing_pair *last = NULL;
	uint32_t names = 0, said = 0;
	for (;; said++) {
		const struct listing_pair *best = NULL;
		for (const struct listing_pair *x = t->pairs; x; x = x->of_target)
			if (x->state == LISTING_LISTED && x->kind == DNSBL_BLOCK && (!last || heavier(last, x)) && (!best || heavier(x, best)))
				best = x;
		if (!best || said == 5)
			break;
		bool tells = best->meaning[0] && strcmp(best->meaning, "listed") != 0;
		buf_printf(out, "%s%s%s%.60s%s since %s", said ? ", " : "", best->zone->name, tells ? " (" : "", tells ? best->meaning : "", tells ? ")" : "",
		           phrase_time(p, best->since_us).s);
		names += j->site->now_us - best->named_us < US_PER_DAY ? best->named : 0;
		last = best;
	}
	if (t->on > said)
		buf_printf(out, " and %u more", t->on - said);
	if (t->kind == PRINCIPAL_OWN_IP && names)
		buf_printf(out, " (%u remote rejection%s name%s %s in 24 h)", names, names == 1 ? "" : "s", names == 1 ? "s" : "", said == 1 ? "it" : "them");
}

static const char *cause_of(const struct listing_target *t)
{
	const struct listing_pair *first = NULL;
	for (const struct listing_pair *x = t->pairs; x; x = x->of_target)
		if (x->state == LISTING_LISTED && x->kind == DNSBL_BLOCK && x->cause && (!first || x->since_us < first->since_us))
			first = x;
	return first ? first->cause : t->cause;
}

static void why(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	const struct listing_target *t = listing_of(j, p);
	(void)opt;
	if (!t) {
		buf_printf(out, "%s was on a block list.", p->id);
		return;
	}
	bool by_lists = s->points && s->points + s->base >= s->risk;
	if (!by_lists) {
		buf_printf(out, "%s risks listing (%s): ", p->id, t->risk ? listing_risk_name(t->risk) : "watch");
		listing_say_reasons(t, out);
	}
	if (s->points) {
		buf_printf(out, "%s is on ", by_lists ? p->id : "; it");
		say_lists(j, p, t, out);
	}
	if (p->kind == PRINCIPAL_OWN_IP)
		main_source(by_lists ? cause_of(t) : t->cause, out);
	buf_addc(out, '.');
}

static void guards(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct listing_target *t = listing_of(j, p);
	(void)state, (void)opt;
	for (const struct listing_pair *x = t ? t->pairs : NULL; x; x = x->of_target) {
		if (x->state == LISTING_HELD)
			buf_printf(out, "%s is not counted: too much of what we watch turned up there at once; ", x->zone->name);
		else if (x->state == LISTING_LISTED && x->kind == DNSBL_POLICY)
			buf_printf(out, "%s is not counted: it says whose network it is, not what it did; ", x->zone->name);
	}
}

static int suggests(const void *state)
{
	const struct state *s = state;
	return s->points || s->risk ? CASE_LISTING : CASE_UNKNOWN;
}

/* Dealt with: what stands now counts no more, what comes on top does. */
static void forgive(void *state)
{
	struct state *s = state;
	s->forgiven = evidence(s);
}

const struct detector detector_list_risk = {
	.name = "list-risk",
	.title = "on a block list, or soon",
	.group = GROUP_LISTING,
	.independent = true,
	.kinds = 1u << PRINCIPAL_OWN_IP | 1u << PRINCIPAL_HOST | 1u << PRINCIPAL_DOMAIN,
	.state_bytes = (sizeof(struct state) + 7) / 8 * 8,
	.options = &table,
	.listing = listing,
	.score = score,
	.since = since,
	.why = why,
	.suggests = suggests,
	.guards = guards,
	.forgive = forgive,
};
