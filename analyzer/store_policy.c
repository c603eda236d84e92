/* The tables of analyzer/policy.h. */
#include "analyzer/policy.h"
#include "analyzer/store.h"

static const char *text(sqlite3_stmt *st, int column)
{
	return (const char *)sqlite3_column_text(st, column);
}

void store_policy_load(struct store *s, struct judge *j)
{
	int64_t since = j->site->now_us / US_PER_DAY - 1;
	sqlite3_stmt *st = db_query(&s->db, Q_POLICY_FINDING_SINCE, "i", since);
	while (db_row(&s->db, st)) {
		struct policy_finding f = {
			.day = sqlite3_column_int(st, 0),
			.rule = policy_rule_named(db_text(st, 1)),
			.kind = (uint8_t)principal_kind_named(text(st, 2)),
			.id = (char *)(uintptr_t)text(st, 3),
			.count = (uint64_t)sqlite3_column_int64(st, 4),
			.largest = sqlite3_column_int64(st, 5),
			.first_us = sqlite3_column_int64(st, 6),
			.last_us = sqlite3_column_int64(st, 7),
			.utc_offset_s = sqlite3_column_int(st, 8),
			.line = (char *)(uintptr_t)text(st, 9),
			.queue_id = (char *)(uintptr_t)text(st, 10),
		};
		if (f.rule) /* else of a rule that this version does not have */
			policy_loaded(j, &f);
	}
	sqlite3_reset(st);
	st = db_query(&s->db, Q_POLICY_DAY_SINCE, "i", since);
	while (db_row(&s->db, st))
		policy_day(j->policy, sqlite3_column_int(st, 0))->dropped = (uint64_t)sqlite3_column_int64(st, 1);
	sqlite3_reset(st);
	policy_committed(j->policy, j->site->now_us);
}

int store_policy_write(struct store *s, const struct judge *j, struct err *e)
{
	const struct policy *y = j->policy;
	int bad = 0;
	for (size_t i = 0; i < y->n && !bad; i++) {
		const struct policy_finding *f = &y->finding[i];
		if (f->dirty)
			bad = db_run(&s->db, e, Q_POLICY_FINDING_PUT, "issssiiiiiss", (int64_t)f->day, f->rule->name, principal_kind_name(f->kind), f->id,
			             enrich_customer(j->enrich, (enum principal_kind)f->kind, sv_cstr(f->id)), (int64_t)f->count, f->largest, f->first_us,
			             f->last_us, (int64_t)f->utc_offset_s, f->line, f->queue_id);
	}
	for (size_t d = 0; d < POLICY_DAYS && !bad; d++)
		if (y->day[d].dirty)
			bad = db_run(&s->db, e, Q_POLICY_DAY_PUT, "ii", (int64_t)y->day[d].day, (int64_t)y->day[d].dropped);
	return bad;
}
