#include "analyzer/acase.h"
#include "analyzer/budget.h"

#include <stdio.h>
#include <stdlib.h>

#include "analyzer/detector.h"
#include "analyzer/fusion.h"
#include "lib/jsonw.h"

#define S(e, name) name,
static const char *const states[] = { CASE_STATES(S) };
static const char *const levels[] = { CASE_LEVELS(S) };
static const char *const severities[] = { CASE_SEVERITIES(S) };
static const char *const kinds[] = { CASE_KINDS(S) };
#undef S

static int named(const char *const *list, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(list[i], name) == 0)
			return i;
	return -1;
}

const char *case_state_name(enum case_state s) { return states[s]; }
const char *case_level_name(enum case_level l) { return levels[l]; }
const char *case_severity_name(enum case_severity s) { return severities[s]; }
const char *case_kind_name(enum case_kind k) { return kinds[k]; }
int case_state_named(const char *name) { return named(states, CASE_STATE_COUNT, name); }
int case_level_named(const char *name) { return named(levels, CASE_LEVEL_COUNT, name); }
int case_severity_named(const char *name) { return named(severities, CASE_SEVERITY_COUNT, name); }
int case_kind_named(const char *name) { return named(kinds, CASE_KIND_COUNT, name); }

struct acase *acase_new(int64_t id, enum principal_kind kind, const char *principal_id)
{
	struct acase *c = xcalloc(1, sizeof *c);
	c->id = id;
	c->principal_kind = (uint8_t)kind;
	c->principal_id = xstrdup(principal_id);
	c->customer = "";
	c->runner_up = CASE_UNKNOWN;
	c->detector_score = xcalloc(detector_count(), sizeof *c->detector_score);
	c->events_tail = &c->events;
	return c;
}

void acase_free(struct acase *c)
{
	if (!c)
		return;
	while (c->events) {
		struct case_event *e = c->events;
		c->events = e->next;
		free(e->actor);
		free(e->what);
		free(e->text);
		free(e);
	}
	free(c->principal_id);
	free(c->owned_customer);
	free(c->detector_score);
	free(c->point);
	suspicion_free(c->shown);
	case_text_free(c->text);
	free(c);
}

const struct suspicion *acase_shown(const struct acase *c)
{
	return !acase_is_open(c) ? c->shown : c->principal ? c->principal->suspicion : NULL;
}

void acase_event(struct acase *c, int64_t at_us, const char *actor, const char *what, const char *text)
{
	struct case_event *e = xcalloc(1, sizeof *e);
	*e = (struct case_event){ NULL, at_us, xstrdup(actor), xstrdup(what), xstrdup(text) };
	*c->events_tail = e;
	c->events_tail = &e->next;
	c->dirty = true;
}

void acase_point(struct acase *c, int64_t at_us, size_t detector, int32_t score)
{
	int64_t bucket = at_us - at_us % (300 * US_PER_S);
	for (size_t i = c->n_points; i-- > 0 && c->point[i].bucket_us == bucket;)
		if (c->point[i].detector == detector) {
			if (score > c->point[i].score)
				c->point[i].score = score;
			return;
		}
	if (c->n_points == c->cap_points) {
		c->cap_points = c->cap_points ? c->cap_points * 2 : 16;
		c->point = xrealloc(c->point, c->cap_points * sizeof *c->point);
	}
	c->point[c->n_points++] = (struct case_point){ bucket, detector, score };
}

/* --- texts -------------------------------------------------------------------------------------------------------- */

void case_text_free(struct case_text *t)
{
	if (!t)
		return;
	buf_fini(&t->sentence);
	buf_fini(&t->also_json);
	buf_fini(&t->counter_evidence);
	buf_fini(&t->guards_json);
	for (size_t d = 0; d < detector_count(); d++)
		buf_fini(&t->why[d]);
	free(t->why);
	free(t->since_us);
	free(t);
}

static size_t dominant(const struct acase *c)
{
	size_t best = 0;
	for (size_t d = 1; d < detector_count(); d++)
		if (c->detector_score[d] > c->detector_score[best])
			best = d;
	return best;
}

bool acase_has_history(const struct judge *j, const struct acase *c)
{
	return c->updated_us - c->principal->first_us >= j->limits.ready_days * US_PER_DAY;
}

/* What does not fit the suspicion: groups without any evidence, in words. Without a history nothing is usual or known. */
static void counter_evidence(const struct acase *c, bool history, struct buf *out)
{
	static const char *const words[GROUPS] = { [GROUP_VOLUME] = "volume and recipients as usual",
		                                   [GROUP_RECEIVERS] = "no unknown recipients",
		                                   [GROUP_ORIGIN] = "known networks only" };
	bool has[GROUPS] = { false }, judged[GROUPS] = { false };
	for (size_t d = 0; d < detector_count(); d++) {
		const struct detector *x = detector_registry[d];
		judged[x->group] |= (x->kinds >> c->principal_kind & 1) != 0;
		has[x->group] |= c->detector_score[d] > 0;
	}
	for (size_t g = 0; g < GROUPS; g++)
		if (judged[g] && !has[g] && words[g] && c->principal_kind != PRINCIPAL_OWN_IP && (history || g == GROUP_RECEIVERS))
			buf_printf(out, "%s%s", out->n ? ", " : "", words[g]);
}

static void json_list_item(struct buf *list, struct sv text)
{
	if (list->n > 1)
		buf_addc(list, ',');
	jsonw_text(list, text);
}

static void also_sentences(const struct acase *c, const struct case_text *t, size_t first, struct buf *out)
{
	bool done[64] = { false };
	buf_addc(out, '[');
	for (;;) {
		size_t best = SIZE_MAX;
		for (size_t d = 0; d < detector_count(); d++)
			if (d != first && !done[d] && c->detector_score[d] >= 2 * NAT &&
			    (best == SIZE_MAX || c->detector_score[d] > c->detector_score[best]))
				best = d;
		if (best == SIZE_MAX)
			break;
		done[best] = true;
		json_list_item(out, buf_sv(&t->why[best]));
	}
	buf_addc(out, ']');
}

static void guard_list(const struct judge *j, const struct acase *c, struct buf *out)
{
	struct buf all = { 0 };
	buf_addc(out, '[');
	for (size_t d = 0; d < detector_count(); d++)
		if (detector_registry[d]->guards && (detector_registry[d]->kinds >> c->principal_kind & 1))
			detector_registry[d]->guards(j, c->principal, judge_slab(j, c->principal, d), judge_options(j, d), &all);
	if (c->principal_kind != PRINCIPAL_MX && c->kind != CASE_LISTING && fusion_volume_cap(j, c->principal, c->updated_us) < 16 * NAT)
		buf_printf(&all, "known for less than %d days: volume and strangers alone cannot open a case; ", (int)j->limits.ready_days);
	if (fusion_is_home(j, c->principal, c->detector_score))
		buf_printf(&all, "%s, and hardly a receiver calls it spam: at most %.0f nats until %d such messages or %d unknown recipients; ",
		           c->principal_kind == PRINCIPAL_ACCOUNT ? "everything odd came from where it always writes from" : "everything odd came with its own senders",
		           (double)fusion_home_cap(j, c->principal) / NAT, (int)fusion_home_messages(j), (int)j->limits.home_bad);
	struct sv rest = buf_sv(&all);
	for (ptrdiff_t at; (at = sv_find(rest, SV("; "))) >= 0; rest = sv_skip(rest, (size_t)at + 2))
		json_list_item(out, sv_take(rest, (size_t)at));
	buf_addc(out, ']');
	buf_fini(&all);
}

/* Where to look for the script. The text is the program's own. */
static void folder(const struct suspicion *s, struct buf *out)
{
	if (!s || !s->folder)
		return;
	buf_puts(out, " Sent from the folder \"");
	for (const char *p = s->folder; *p; p++)
		buf_addc(out, (unsigned char)*p < 0x20 || *p == 0x7f || *p == '"' ? '?' : *p);
	buf_puts(out, "\".");
}

static void render(const struct judge *j, struct acase *c)
{
	size_t first = dominant(c);
	struct case_text *t = xcalloc(1, sizeof *t);
	t->why = xcalloc(detector_count(), sizeof *t->why);
	t->since_us = xcalloc(detector_count(), sizeof *t->since_us);
	for (size_t d = 0; d < detector_count(); d++) {
		const void *slab = judge_slab(j, c->principal, d);
		if (!c->detector_score[d])
			continue;
		detector_registry[d]->why(j, c->principal, slab, judge_options(j, d), &t->why[d]);
		t->since_us[d] = detector_registry[d]->since(slab);
	}
	buf_addsv(&t->sentence, buf_sv(&t->why[first]));
	folder(c->principal->suspicion, &t->sentence);
	also_sentences(c, t, first, &t->also_json);
	counter_evidence(c, acase_has_history(j, c), &t->counter_evidence);
	guard_list(j, c, &t->guards_json);
	case_text_free(c->text);
	c->text = t;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void hold(struct judge *j, struct acase *c)
{
	if (j->n_cases == j->cap_cases) {
		j->cap_cases = j->cap_cases ? j->cap_cases * 2 : 64;
		j->cases = xrealloc(j->cases, j->cap_cases * sizeof(struct acase *));
	}
	j->cases[j->n_cases++] = c;
}

struct acase *judge_case(struct judge *j, int64_t id)
{
	for (size_t i = 0; i < j->n_cases; i++)
		if (j->cases[i]->id == id)
			return j->cases[i];
	struct acase *c = j->store.load_case ? j->store.load_case(j->store.ctx, j, id) : NULL;
	if (c)
		hold(j, c);
	return c;
}

static enum case_level level_of(const struct judge *j, int32_t total)
{
	if (total >= j->limits.confirmed)
		return CASE_CONFIRMED;
	return total >= j->limits.likely ? CASE_LIKELY : CASE_SUSPECTED;
}

static void take_over(struct judge *j, struct acase *c, struct principal *p, int64_t at_us)
{
	c->principal = p;
	p->open_case = c;
	judge_touch(j, p);
	suspicion_free(c->shown);
	c->shown = NULL;
	c->customer = judge_customer(j, p);
	c->utc_offset_s = p->utc_offset_s;
	c->first_seen_us = p->suspicion && p->suspicion->since_us ? p->suspicion->since_us : at_us;
	c->threshold = budget_threshold(j, (enum principal_kind)p->kind);
}

/* The newest closed case of p. One closed a moment ago is not in the store yet: what happens must not depend on when that is
 * written. */
static struct acase *recent_case(struct judge *j, const struct principal *p, int64_t since_us)
{
	int64_t id = j->store.recent_case ? j->store.recent_case(j->store.ctx, p, since_us) : 0;
	for (size_t i = 0; i < j->n_cases; i++) {
		const struct acase *c = j->cases[i];
		if (c->principal == p && c->state == CASE_CLOSED && c->closed_us >= since_us && c->id > id)
			id = c->id;
	}
	return id ? judge_case(j, id) : NULL;
}

static struct acase *open_case(struct judge *j, struct principal *p, int32_t total, int64_t at_us)
{
	struct acase *c = recent_case(j, p, at_us - j->limits.reopen_s * US_PER_S);
	char text[96];
	(void)snprintf(text, sizeof text, "score %.1f, threshold %.1f", (double)total / NAT, (double)budget_threshold(j, (enum principal_kind)p->kind) / NAT);
	if (c) {
		c->reopened++;
		c->peak_score = 0;
		c->lines = c->steps = 0;
		c->anew = c->anew_steps = true;
		c->state = CASE_OPEN;
		c->closed_us = 0;
		c->parent = 0;
		take_over(j, c, p, at_us);
		acase_event(c, at_us, "abusewatch", "reopened", text);
	} else {
		c = acase_new((int64_t)j->site->next_case++, (enum principal_kind)p->kind, p->id);
		memory_touch(&j->site_memory, offsetof(struct site_state, next_case));
		hold(j, c);
		c->fresh = true;
		c->opened_us = at_us;
		take_over(j, c, p, at_us);
		acase_event(c, at_us, "abusewatch", "opened", text);
	}
	case_merge(j, c, at_us);
	return c;
}

void acase_update(struct judge *j, struct principal *p, const int32_t *scores, int32_t total, int64_t at_us, bool rose)
{
	struct acase *c = p->open_case;
	if (!c) {
		if (total < budget_threshold(j, (enum principal_kind)p->kind) || !rose)
			return;
		c = open_case(j, p, total, at_us);
		c->level = level_of(j, total);
	} else if (level_of(j, total) > c->level) {
		char text[96];
		c->level = level_of(j, total);
		(void)snprintf(text, sizeof text, "%s, score %.1f", case_level_name(c->level), (double)total / NAT);
		acase_event(c, at_us, "abusewatch", "level", text);
	}
	bool at_top = total <= c->peak_score;
	c->score = total;
	if (total > c->peak_score)
		c->peak_score = total;
	c->updated_us = at_us;
	if (rose && total >= j->limits.close_below) /* every busy sender makes some evidence of no weight */
		c->positive_us = at_us;
	c->below_us = total >= j->limits.close_below ? 0 : c->below_us ? c->below_us : at_us;
	for (size_t d = 0; d < detector_count(); d++)
		if (scores[d])
			acase_point(c, at_us, d, scores[d]);
	if (p->suspicion) {
		c->messages = p->suspicion->messages;
		c->recipients = p->suspicion->recipients;
	}
	/* What is said stays in the words of the strongest moment; faded evidence makes sentences without sense. In a long
	 * run at the top the counts are said anew with every sixteenth message only: words cost more than judging. */
	bool new_words = !at_top || c->messages < 64 || c->messages % 16 == 0;
	if (total >= c->peak_score - NAT && new_words) {
		memcpy(c->detector_score, scores, detector_count() * sizeof *scores);
		case_classify(j, c);
		render(j, c);
	}
	c->dirty = true;
}

static void close_case(struct acase *c, enum case_state state, int64_t at_us)
{
	c->state = state;
	c->closed_us = at_us;
	c->dirty = true;
	/* What the principal does from now on is not this case's, whenever the store is written. */
	if (c->principal) {
		c->shown = c->principal->suspicion ? suspicion_copy(c->principal->suspicion) : NULL;
		if (c->principal->suspicion) {
			journal_free(c->principal->suspicion->journal);
			c->principal->suspicion->journal = NULL;
		}
		c->principal->open_case = NULL;
	}
}

void acase_close_quiet(struct judge *j, int64_t now_us)
{
	for (size_t i = 0; i < j->n_cases; i++) {
		struct acase *c = j->cases[i];
		if (!acase_is_open(c) || !c->principal)
			continue;
		int32_t scores[64];
		int32_t total = fusion_score(j, c->principal, now_us, scores);
		c->principal->score = total;
		judge_touch(j, c->principal);
		c->score = total;
		c->dirty = true;
		if (total >= j->limits.close_below)
			c->below_us = 0;
		else if (!c->below_us)
			c->below_us = now_us;
		if (c->below_us && now_us - c->below_us >= 24 * US_PER_HOUR && now_us - c->positive_us >= j->limits.quiet_s * US_PER_S) {
			close_case(c, CASE_CLOSED, now_us);
			acase_event(c, now_us, "abusewatch", "closed", "quiet");
		}
	}
}

/* --- people ------------------------------------------------------------------------------------------------------- */

static void forgive(struct judge *j, struct acase *c, bool normal)
{
	if (!c->principal)
		return;
	for (size_t d = 0; d < detector_count(); d++) {
		const struct detector *x = detector_registry[d];
		if (!(x->kinds >> c->principal->kind & 1))
			continue;
		if (normal && x->learn)
			x->learn(judge_slab(j, c->principal, d));
		if (x->forgive)
			x->forgive(judge_slab(j, c->principal, d));
	}
	c->principal->score = 0;
	judge_touch(j, c->principal);
}

static int reopen(struct judge *j, struct acase *c, struct err *e)
{
	struct principal *p = judge_principal(j, (enum principal_kind)c->principal_kind, sv_cstr(c->principal_id), j->site->now_us);
	if (p->open_case && p->open_case != c)
		return err_set(e, "case %lld about the same %s is open already", (long long)p->open_case->id, principal_kind_name(p->kind));
	c->state = CASE_OPEN;
	c->closed_us = 0;
	c->below_us = 0;
	c->positive_us = j->site->now_us;
	c->principal = p;
	c->lines = c->steps = 0;
	c->anew = c->anew_steps = true;
	suspicion_free(c->shown);
	c->shown = NULL;
	p->open_case = c;
	judge_touch(j, p);
	return 0;
}

int acase_act(struct judge *j, struct acase *c, const char *what, const char *actor, const char *text, int64_t wall_us, struct err *e)
{
	bool open = acase_is_open(c);
	if (strcmp(what, "acknowledged") == 0) {
		if (!open)
			return err_set(e, "case %lld is %s", (long long)c->id, case_state_name(c->state));
		c->state = CASE_ACKNOWLEDGED;
	} else if (strcmp(what, "false-positive") == 0 || strcmp(what, "closed") == 0) {
		if (!open)
			return err_set(e, "case %lld is %s already", (long long)c->id, case_state_name(c->state));
		/* Closing by hand says "dealt with", a false alarm says "was nothing": either way the evidence so far is
		 * used up, and only new evidence may open it again. */
		bool normal = strcmp(what, "false-positive") == 0;
		forgive(j, c, normal);
		if (normal)
			budget_false_alarm(j, (enum principal_kind)c->principal_kind, c->peak_score);
		close_case(c, normal ? CASE_FALSE_POSITIVE : CASE_CLOSED, wall_us);
	} else if (strcmp(what, "reopened") == 0) {
		if (open)
			return err_set(e, "case %lld is open", (long long)c->id);
		if (reopen(j, c, e) < 0)
			return -1;
	} else if (strcmp(what, "note") != 0 && strcmp(what, "notified") != 0 && strcmp(what, "notify-failed") != 0 &&
	           strcmp(what, "notify-asked") != 0) {
		return err_set(e, "unknown action %s", what);
	}
	acase_event(c, wall_us, actor, what, text);
	return 0;
}
