#include "analyzer/fusion.h"

#include "analyzer/budget.h"

/* nats; the origin group's cap is the detector's own (14 once ten networks are in use, else 10) */
static const int32_t group_cap[GROUPS] = { 16, 14, 14, 16, 12, 25, 12 };

const char *fusion_group_name(enum evidence_group g)
{
	static const char *const names[GROUPS] = { "volume", "receivers", "origin", "protocol", "identity", "topology", "listing" };
	return names[g];
}

int32_t fusion_group_cap(enum evidence_group g)
{
	return group_cap[g] * NAT;
}

int32_t fusion_volume_cap(const struct judge *j, const struct principal *p, int64_t now_us)
{
	int32_t whole = group_cap[GROUP_VOLUME] * NAT;
	bool ready = now_us - p->first_us >= j->limits.ready_days * US_PER_DAY;
	return ready || j->limits.unready_cap > whole ? whole : j->limits.unready_cap;
}

/* The two highest of each group. */
struct highest { int32_t first[GROUPS], second[GROUPS]; };

static void take(struct highest *h, size_t g, int32_t score)
{
	if (score > h->first[g]) {
		h->second[g] = h->first[g];
		h->first[g] = score;
	} else if (score > h->second[g]) {
		h->second[g] = score;
	}
}

static void add_up(const struct highest *h, int32_t volume_cap, int32_t *groups)
{
	for (size_t g = 0; g < GROUPS; g++) {
		int32_t cap = g == GROUP_VOLUME ? volume_cap : group_cap[g] * NAT;
		groups[g] = h->first[g] + h->second[g] / 2;
		if (groups[g] > cap)
			groups[g] = cap;
	}
}

void fusion_groups(const int32_t *scores, int32_t volume_cap, int32_t *groups)
{
	struct highest h = { { 0 }, { 0 } };
	for (size_t d = 0; d < detector_count(); d++)
		take(&h, detector_registry[d]->group, scores[d]);
	add_up(&h, volume_cap, groups);
}

int32_t fusion_home_cap(const struct judge *j, const struct principal *p)
{
	int32_t below = budget_threshold(j, (enum principal_kind)p->kind) - NAT;
	return j->limits.home_cap < below ? (int32_t)j->limits.home_cap : below;
}

/* In the first weeks of a site every newsletter is its sender's first. */
#define YOUNG_SITE_TIMES 5

bool fusion_is_new_site(const struct judge *j)
{
	return j->site->now_us - j->site->first_us < j->limits.ready_days * US_PER_DAY;
}

uint64_t fusion_home_messages(const struct judge *j)
{
	return (uint64_t)j->limits.home_messages * (fusion_is_new_site(j) ? YOUNG_SITE_TIMES : 1);
}

static uint64_t home_bad(const struct judge *j, const struct principal *p)
{
	return (uint64_t)j->limits.home_bad * (p->kind == PRINCIPAL_ACCOUNT && fusion_is_new_site(j) ? YOUNG_SITE_TIMES : 1);
}

/* Who writes many invitations does so from the desk and from the telephone by turns; a thief's mail is soon more than the owner's. */
static bool is_mostly_home(const struct principal *p)
{
	const struct odd *o = &p->odd;
	return o->all && (p->kind == PRINCIPAL_ACCOUNT ? o->home * 2ull >= o->all : o->home * 5ull >= o->all * 4ull);
}

bool fusion_is_home(const struct judge *j, const struct principal *p, const int32_t *scores)
{
	int32_t independent = 0;
	for (size_t d = 0; d < detector_count(); d++) {
		const struct detector *x = detector_registry[d];
		if (x->others && scores[d] > (int32_t)x->others * NAT)
			return false;
		if (x->independent)
			independent += scores[d];
	}
	return is_mostly_home(p) && p->odd.all < fusion_home_messages(j) &&
	       p->odd.bad < home_bad(j, p) && (p->odd.bad < 10 || p->odd.bad * 5ull < p->odd.recipients * 2ull) && /* no old list is dead by two fifths */
	       independent < j->limits.home_proof;
}

static int32_t sum(const int32_t *groups)
{
	int32_t s = 0;
	for (size_t g = 0; g < GROUPS; g++)
		s += groups[g];
	return s;
}

/* Most say nothing about most principals, and asking them costs more than looking. */
static bool is_silent(const struct judge_detector *x, const unsigned char *state)
{
	const struct walk *w = (const struct walk *)(const void *)(state + x->slab);
	bool any = !x->walks || w[0].s || w[0].since_us;
	return !any && (x->walks < 2 || (!w[1].s && !w[1].since_us));
}

static int32_t ask(const struct judge *j, const struct principal *p, const struct judge_detector *x, int64_t now_us, int32_t others)
{
	return x->detector->score(j, p, (void *)(uintptr_t)(p->state + x->slab), x->options, now_us, others);
}

/* Whether anything speaks against p. */
static bool each(const struct judge *j, const struct principal *p, int64_t now_us, int32_t *scores, struct highest *h)
{
	const struct judge_detector *x = j->judging[p->kind], *end = x + j->n_judging[p->kind];
	bool any = false;
	memset(scores, 0, detector_count() * sizeof *scores);
	for (; x < end; x++) {
		if (!x->enabled || is_silent(x, p->state))
			continue;
		int32_t score = ask(j, p, x, now_us, 0);
		scores[x->number] = score;
		any |= score > 0;
		take(h, x->group, score);
	}
	return any;
}

/* Guards look at what the other groups say, so a second round with that known; of those that have one. Whether that changed anything. */
static bool guards(const struct judge *j, const struct principal *p, int64_t now_us, int32_t *scores, int32_t total, const int32_t *groups)
{
	const struct judge_detector *x = j->judging[p->kind], *end = x + j->n_judging[p->kind];
	bool changed = false;
	for (; x < end; x++) {
		if (!x->guarded || !x->enabled || is_silent(x, p->state))
			continue;
		int32_t score = ask(j, p, x, now_us, total - groups[x->group]);
		changed |= score != scores[x->number];
		scores[x->number] = score;
	}
	return changed;
}

int32_t fusion_score(const struct judge *j, const struct principal *p, int64_t now_us, int32_t *scores)
{
	int32_t groups[GROUPS];
	struct highest h = { { 0 }, { 0 } };
	if (!each(j, p, now_us, scores, &h))
		return 0;
	int32_t cap = fusion_volume_cap(j, p, now_us);
	add_up(&h, cap, groups);
	int32_t total = sum(groups);
	if (total == 0)
		return 0;
	if (guards(j, p, now_us, scores, total, groups)) {
		fusion_groups(scores, cap, groups);
		total = sum(groups);
	}
	int32_t home = fusion_home_cap(j, p);
	return total > home && fusion_is_home(j, p, scores) ? home : total;
}
