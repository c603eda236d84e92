#include <stdlib.h>

#include "analyzer/acase.h"
#include "analyzer/detector.h"
#include "analyzer/store.h"
#include "lib/msg.h"

/* --- writing ------------------------------------------------------------------------------------------------------ */

static int write_row(struct store *s, const struct acase *c, struct err *e)
{
	return db_run(&s->db, e, Q_CASE_PUT, "isssssssiiiiiiiiiiiiiiii", c->id, case_kind_name(c->kind), case_kind_name(c->runner_up),
	              principal_kind_name(c->principal_kind), c->principal_id, c->customer, case_state_name(c->state), case_level_name(c->level),
	              (int64_t)c->severity, (int64_t)c->score, (int64_t)c->peak_score, (int64_t)c->threshold, c->first_seen_us, c->opened_us,
	              c->updated_us, c->closed_us, (int64_t)c->reopened, (int64_t)c->messages, (int64_t)c->recipients,
	              (int64_t)c->utc_offset_s, c->positive_us, c->below_us, (int64_t)c->lines, c->parent);
}

static int write_text(struct store *s, const struct acase *c, struct err *e)
{
	const struct case_text *t = c->text;
	if (!t)
		return 0;
	int bad = db_run(&s->db, e, Q_CASE_TEXT, "tttti", buf_sv(&t->sentence), buf_sv(&t->also_json), buf_sv(&t->counter_evidence),
	                 buf_sv(&t->guards_json), c->id);
	if (!bad)
		bad = db_run(&s->db, e, Q_CASE_DETECTOR_CLEAR, "i", c->id);
	for (size_t d = 0; d < detector_count() && !bad; d++)
		if (c->detector_score[d])
			bad = db_run(&s->db, e, Q_CASE_DETECTOR_PUT, "isiit", c->id, detector_registry[d]->name, (int64_t)c->detector_score[d],
			             t->since_us[d], buf_sv(&t->why[d]));
	return bad;
}

static int write_lines(struct store *s, struct acase *c, struct err *e)
{
	const struct suspicion *x = acase_shown(c);
	if (!x)
		return 0;
	int bad = c->anew ? db_run(&s->db, e, Q_CASE_EVIDENCE_CLEAR, "i", c->id) : 0;
	for (uint32_t n = c->lines; n < x->lines_added && !bad; n++) {
		int slot = suspicion_slot(x, n);
		if (slot < 0 || !x->line[slot].text)
			continue;
		bad = db_run(&s->db, e, Q_CASE_EVIDENCE_PUT, "iiiss", c->id, (int64_t)n, x->line[slot].at_us,
		             detector_registry[x->line[slot].detector]->name, x->line[slot].text);
	}
	if (!bad)
		bad = db_run(&s->db, e, Q_CASE_EVIDENCE_TRIM, "ii", c->id, (int64_t)x->lines_added);
	return bad;
}

static int write_places(struct store *s, const struct acase *c, struct err *e)
{
	const struct suspicion *x = acase_shown(c);
	if (!x)
		return 0;
	/* Those that made room for others go. */
	int bad = db_run(&s->db, e, Q_CASE_SOURCE_CLEAR, "i", c->id) || db_run(&s->db, e, Q_CASE_DOMAIN_CLEAR, "i", c->id);
	for (size_t i = 0; i < x->n_sources && !bad; i++)
		bad = db_run(&s->db, e, Q_CASE_SOURCE_PUT, "isssiiii", c->id, x->source[i].ip, x->source[i].name, x->source[i].country,
		             (int64_t)x->source[i].asn, x->source[i].first_us, x->source[i].last_us, (int64_t)x->source[i].messages);
	for (size_t i = 0; i < x->n_domains && !bad; i++)
		bad = db_run(&s->db, e, Q_CASE_DOMAIN_PUT, "isii", c->id, x->domain[i].domain, (int64_t)x->domain[i].recipients,
		             (int64_t)x->domain[i].refused);
	return bad;
}

static int write_step(struct store *s, const struct acase *c, uint32_t seq, const struct journal_step *x, struct err *e)
{
	struct buf detectors = { 0 }, groups = { 0 };
	journal_detectors_json(x, &detectors);
	journal_groups_json(x, &groups);
	int bad = db_run(&s->db, e, Q_CASE_STEP_PUT, "iiiisssiitt", c->id, (int64_t)seq, (int64_t)x->nth, x->at_us, x->what, x->mark,
	                 x->has_case ? case_level_name((enum case_level)x->level) : "", (int64_t)x->total, (int64_t)journal_capped_to(x), buf_sv(&detectors), buf_sv(&groups));
	buf_fini(&detectors);
	buf_fini(&groups);
	return bad;
}

static int write_steps(struct store *s, const struct acase *c, struct err *e)
{
	const struct suspicion *x = acase_shown(c);
	const struct journal *g = x ? x->journal : NULL;
	if (!g)
		return 0;
	int bad = c->anew_steps ? db_run(&s->db, e, Q_CASE_STEP_CLEAR, "i", c->id) : 0;
	for (uint32_t n = c->steps; n < g->added && !bad; n++) {
		const struct journal_step *step = journal_step(g, n);
		if (step)
			bad = write_step(s, c, n, step, e);
	}
	if (g->top)
		journal_say(g->top);
	if (g->top && !bad)
		bad = write_step(s, c, JOURNAL_TOP, g->top, e);
	return bad ? bad : db_run(&s->db, e, Q_CASE_CHANGES, "ii", (int64_t)g->changes, c->id);
}

int store_case_write(struct store *s, const struct judge *j, struct acase *c, struct err *e)
{
	uint32_t written = c->lines;
	(void)j;
	if (acase_shown(c))
		c->lines = acase_shown(c)->lines_added;
	int bad = write_row(s, c, e);
	c->lines = written; /* until the commit has succeeded */
	if (!bad)
		bad = write_text(s, c, e);
	if (!bad && c->principal)
		bad = write_lines(s, c, e) || write_steps(s, c, e) || write_places(s, c, e);
	for (size_t i = 0; i < c->n_points && !bad; i++)
		bad = db_run(&s->db, e, Q_CASE_SCORE_PUT, "iisi", c->id, c->point[i].bucket_us, detector_registry[c->point[i].detector]->name,
		             (int64_t)c->point[i].score);
	for (const struct case_event *x = c->events; x && !bad; x = x->next)
		bad = db_run(&s->db, e, Q_CASE_EVENT_ADD, "iisss", c->id, x->at_us, x->actor, x->what, x->text);
	return bad ? -1 : 0;
}

/* --- loading ------------------------------------------------------------------------------------------------------ */

static int name_or_zero(int (*named)(const char *), sqlite3_stmt *st, int column)
{
	const char *text = (const char *)sqlite3_column_text(st, column);
	int v = text ? named(text) : -1;
	return v < 0 ? 0 : v;
}

static struct acase *from_row(sqlite3_stmt *st)
{
	int kind = name_or_zero(principal_kind_named, st, 3);
	const char *id = (const char *)sqlite3_column_text(st, 4);
	struct acase *c = acase_new(sqlite3_column_int64(st, 0), (enum principal_kind)kind, id ? id : "");
	c->kind = (enum case_kind)name_or_zero(case_kind_named, st, 1);
	c->runner_up = (enum case_kind)name_or_zero(case_kind_named, st, 2);
	c->owned_customer = xsvdup(db_text(st, 5));
	c->customer = c->owned_customer;
	c->state = (enum case_state)name_or_zero(case_state_named, st, 6);
	c->level = (enum case_level)name_or_zero(case_level_named, st, 7);
	c->severity = (enum case_severity)sqlite3_column_int(st, 8);
	c->score = sqlite3_column_int(st, 9);
	c->peak_score = sqlite3_column_int(st, 10);
	c->threshold = sqlite3_column_int(st, 11);
	c->first_seen_us = sqlite3_column_int64(st, 12);
	c->opened_us = sqlite3_column_int64(st, 13);
	c->updated_us = sqlite3_column_int64(st, 14);
	c->closed_us = sqlite3_column_int64(st, 15);
	c->reopened = (uint32_t)sqlite3_column_int64(st, 16);
	c->messages = (uint64_t)sqlite3_column_int64(st, 17);
	c->recipients = (uint64_t)sqlite3_column_int64(st, 18);
	c->utc_offset_s = sqlite3_column_int(st, 19);
	c->positive_us = sqlite3_column_int64(st, 20);
	c->below_us = sqlite3_column_int64(st, 21);
	c->lines = (uint32_t)sqlite3_column_int64(st, 22);
	c->parent = sqlite3_column_int64(st, 23);
	return c;
}

static void load_scores(struct store *s, struct acase *c)
{
	sqlite3_stmt *st = db_query(&s->db, Q_CASE_DETECTOR_ALL, "i", c->id);
	while (db_row(&s->db, st))
		for (size_t d = 0; d < detector_count(); d++)
			if (sv_eq(db_text(st, 0), sv_cstr(detector_registry[d]->name)))
				c->detector_score[d] = sqlite3_column_int(st, 1);
	sqlite3_reset(st);
}

struct acase *store_case_load(struct store *s, struct judge *j, int64_t id)
{
	(void)j;
	sqlite3_stmt *st = db_query(&s->db, Q_CASE_GET, "i", id);
	struct acase *c = db_row(&s->db, st) ? from_row(st) : NULL;
	sqlite3_reset(st);
	if (c)
		load_scores(s, c);
	return c;
}

int store_cases_load_open(struct store *s, struct judge *j, struct err *e)
{
	struct { int64_t *v; size_t n, cap; } ids = { 0 };
	sqlite3_stmt *st = db_query(&s->db, Q_CASE_OPEN_IDS, "");
	int rc;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (ids.n == ids.cap) {
			ids.cap = ids.cap ? ids.cap * 2 : 64;
			ids.v = xrealloc(ids.v, ids.cap * sizeof *ids.v);
		}
		ids.v[ids.n++] = sqlite3_column_int64(st, 0);
	}
	sqlite3_reset(st);
	for (size_t i = 0; i < ids.n; i++) {
		struct acase *c = judge_case(j, ids.v[i]);
		if (!c)
			continue;
		struct principal *p = judge_principal(j, (enum principal_kind)c->principal_kind, sv_cstr(c->principal_id), c->opened_us);
		c->principal = p;
		p->open_case = c;
	}
	free(ids.v);
	return rc == SQLITE_DONE ? 0 : err_set(e, "%s: %s", s->db.path, sqlite3_errmsg(s->db.h));
}
