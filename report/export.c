#include "report/export.h"

#include <inttypes.h>
#include <stdio.h>

#include "analyzer/policy.h"
#include "lib/csv.h"
#include "lib/times.h"

static void header(struct buf *out, const char *const *names)
{
	for (size_t i = 0; names[i]; i++)
		csv_put(out, i == 0, sv_cstr(names[i]));
	csv_end_row(out);
}

static void put_int(struct buf *out, int64_t v)
{
	char text[24];
	(void)snprintf(text, sizeof text, "%" PRId64, v);
	csv_put(out, false, sv_cstr(text));
}

static void put_time(struct buf *out, int64_t us, int32_t offset)
{
	csv_put(out, false, sv_cstr(times_text(us, offset).s));
}

static void put_score(struct buf *out, int64_t score)
{
	struct buf b = { 0 };
	case_json_score(&b, score);
	csv_put(out, false, buf_sv(&b));
	buf_fini(&b);
}

static const char *contact_of(const struct conf *conf, struct sv customer)
{
	for (size_t i = 0; customer.n && i < conf->n_customer; i++)
		if (sv_eq(customer, sv_cstr(conf->customer[i].customer)) && conf->customer[i].contact[0])
			return conf->customer[i].contact;
	return "";
}

static int ended(struct db *d, sqlite3_stmt *st, int rc, struct err *e)
{
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? 0 : err_set(e, "%s: %s", d->path, sqlite3_errmsg(d->h));
}

static void put_url(struct buf *out, const struct conf *conf, int64_t id)
{
	struct buf url = { 0 };
	buf_printf(&url, "%s/case/%" PRId64, conf->web.base_url, id);
	csv_put(out, false, buf_sv(&url));
	buf_fini(&url);
}

int export_compromised_hosts(struct db *d, const struct conf *conf, int64_t since_us, struct buf *out, struct err *e)
{
	static const char *const names[] = { "ip", "account", "customer", "contact", "first_seen", "last_seen", "detectors", "score", "messages",
		                             "recipients", "countries", "asn", "blocklists", "case_id", "case_url", NULL };
	int rc;
	sqlite3_stmt *st = db_query(d, Q_EXPORT_COMPROMISED, "i", since_us ? since_us : INT64_MAX);
	header(out, names);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		int32_t offset = sqlite3_column_int(st, 12);
		csv_put(out, true, db_text(st, 1));
		csv_put(out, false, db_text(st, 2));
		csv_put(out, false, db_text(st, 3));
		csv_put(out, false, sv_cstr(contact_of(conf, db_text(st, 3))));
		put_time(out, sqlite3_column_int64(st, 4), offset);
		put_time(out, sqlite3_column_int64(st, 5), offset);
		csv_put(out, false, db_text(st, 6));
		put_score(out, sqlite3_column_int64(st, 7));
		put_int(out, sqlite3_column_int64(st, 8));
		put_int(out, sqlite3_column_int64(st, 9));
		csv_put(out, false, db_text(st, 10));
		csv_put(out, false, db_text(st, 11));
		csv_put(out, false, db_text(st, 13));
		put_int(out, sqlite3_column_int64(st, 0));
		put_url(out, conf, sqlite3_column_int64(st, 0));
		csv_end_row(out);
	}
	return ended(d, st, rc, e);
}

int export_cases(struct db *d, const struct conf *conf, const struct case_filter *f, struct buf *out, struct err *e)
{
	static const char *const names[] = { "case_id", "state", "severity", "level", "kind", "principal_kind", "principal", "customer", "contact", "score",
		                             "opened_at", "updated_at", "closed_at", "messages", "recipients", "sentence", "case_url", NULL };
	int rc;
	sqlite3_stmt *st = db_query(d, Q_EXPORT_CASES, "ii", (int64_t)f->open_only, f->since_us);
	header(out, names);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		int32_t offset = sqlite3_column_int(st, 15);
		char id[24];
		(void)snprintf(id, sizeof id, "%" PRId64, (int64_t)sqlite3_column_int64(st, 0));
		csv_put(out, true, sv_cstr(id));
		for (int i = 1; i <= 7; i++)
			csv_put(out, false, db_text(st, i));
		csv_put(out, false, sv_cstr(contact_of(conf, db_text(st, 7))));
		put_score(out, sqlite3_column_int64(st, 8));
		put_time(out, sqlite3_column_int64(st, 9), offset);
		put_time(out, sqlite3_column_int64(st, 10), offset);
		if (sqlite3_column_type(st, 11) == SQLITE_NULL)
			csv_put(out, false, SV(""));
		else
			put_time(out, sqlite3_column_int64(st, 11), offset);
		put_int(out, sqlite3_column_int64(st, 12));
		put_int(out, sqlite3_column_int64(st, 13));
		csv_put(out, false, db_text(st, 14));
		put_url(out, conf, sqlite3_column_int64(st, 0));
		csv_end_row(out);
	}
	return ended(d, st, rc, e);
}

int export_violations(struct db *d, const struct conf *conf, int64_t since_us, struct buf *out, struct err *e)
{
	static const char *const names[] = { "date", "rule", "principal_kind", "principal", "customer", "contact", "count", "largest", "first_seen", "last_seen",
		                             "example", NULL };
	int rc;
	sqlite3_stmt *st = db_query(d, Q_EXPORT_VIOLATIONS, "i", since_us);
	header(out, names);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		const struct policy_rule *rule = policy_rule_named(db_text(st, 1));
		int32_t offset = sqlite3_column_int(st, 10);
		for (int i = 0; i <= 4; i++)
			csv_put(out, i == 0, db_text(st, i));
		csv_put(out, false, sv_cstr(contact_of(conf, db_text(st, 4))));
		put_int(out, sqlite3_column_int64(st, 5));
		if (rule && rule->unit)
			put_int(out, sqlite3_column_int64(st, 6));
		else
			csv_put(out, false, SV(""));
		put_time(out, sqlite3_column_int64(st, 7), offset);
		put_time(out, sqlite3_column_int64(st, 8), offset);
		csv_put(out, false, db_text(st, 9));
		csv_end_row(out);
	}
	return ended(d, st, rc, e);
}
