/* What is wrong now, who sends, who refuses, and whether we see everything. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/times.h"
#include "web/backup.h"
#include "web/health.h"
#include "web/list.h"
#include "web/listings.h"
#include "web/page.h"
#include "web/rows.h"

#define OVERVIEW_CASES 25
#define OVERVIEW_ROWS 10
#define OVERVIEW_POINTS 480
#define OVERVIEW_BUCKET_US (300 * US_PER_S)

static const char *const severities[] = { "critical", "high", "medium", "low" };

static int add_counts(struct call *c, struct json_object *out, struct err *e)
{
	struct db *d = &c->web->db;
	int64_t open[4] = { 0 }, taken[4] = { 0 };
	struct json_object *rows = rows_all(d, db_query(d, Q_WEB_CASE_COUNTS, ""), e), *all = json_object_new_array();
	if (!rows) {
		json_object_put(all);
		return -1;
	}
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		struct json_object *row = json_object_array_get_idx(rows, i);
		for (size_t s = 0; s < 4; s++) {
			if (strcmp(json_str(row, "severity"), severities[s]) != 0)
				continue;
			if (strcmp(json_str(row, "state"), "open") == 0)
				open[s] += json_int(row, "cases");
			else if (strcmp(json_str(row, "state"), "acknowledged") == 0)
				taken[s] += json_int(row, "cases");
		}
	}
	for (size_t s = 0; s < 4; s++) {
		struct json_object *o = json_object_new_object();
		json_put_text(o, "severity", severities[s]);
		json_put_int(o, "open", open[s]);
		json_put_int(o, "acknowledged", taken[s]);
		json_put_int(o, "active", open[s] + taken[s]);
		json_object_array_add(all, o);
	}
	json_put(out, "severities", all);
	json_put_int(out, "open_cases", open[0] + open[1] + open[2] + open[3]);
	json_put_int(out, "acknowledged_cases", taken[0] + taken[1] + taken[2] + taken[3]);
	json_object_put(rows);
	return 0;
}

static int64_t newest_bucket(struct db *d)
{
	sqlite3_stmt *st = db_query(d, Q_WEB_VOLUME_END, "");
	int64_t us = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_reset(st);
	return us;
}

static int add_volume(struct call *c, struct json_object *out, int64_t hours, struct err *e)
{
	struct db *d = &c->web->db;
	/* The newest mail is "now": an imported log of last month shows its own last day. */
	int64_t end = newest_bucket(d), since = end + OVERVIEW_BUCKET_US - hours * US_PER_HOUR;
	int64_t step = (hours * US_PER_HOUR / OVERVIEW_POINTS + OVERVIEW_BUCKET_US - 1) / OVERVIEW_BUCKET_US * OVERVIEW_BUCKET_US;
	json_put(out, "until_at", json_time(end ? end + OVERVIEW_BUCKET_US : 0));
	json_put_int(out, "range_hours", hours);
	json_put_int(out, "step_s", step / US_PER_S);
	struct json_object *total = rows_one(d, db_query(d, Q_WEB_VOLUME_TOTAL, "i", since), e);
	if (!total)
		return -1;
	json_put(out, "totals", total);
	int64_t hour = since / US_PER_HOUR * US_PER_HOUR, rows = OVERVIEW_ROWS;
	return rows_add(out, "volume", d, db_query(d, Q_WEB_VOLUME, "ii", step, since), e) < 0 ||
	               rows_add(out, "top_senders", d, db_query(d, Q_WEB_TOP_SENDERS, "ii", hour, rows), e) < 0 ||
	               rows_add(out, "refused_senders", d, db_query(d, Q_WEB_BLAME, "ii", hour, rows), e) < 0 ||
	               rows_add(out, "refusing_receivers", d, db_query(d, Q_WEB_REFUSING, "ii", hour, rows), e) < 0
	       ? -1 : 0;
}

static void add_ranges(const struct call *c, struct json_object *ui, int64_t hours)
{
	static const struct { int64_t hours; const char *label; } ranges[] = { { 6, "6 h" }, { 24, "24 h" }, { 72, "3 d" }, { 168, "7 d" }, { 720, "30 d" } };
	struct json_object *all = json_object_new_array();
	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
		struct json_object *o = json_object_new_object();
		char number[24];
		(void)snprintf(number, sizeof number, "%lld", (long long)ranges[i].hours);
		char *url = list_url(c, "hours", number);
		json_put_text(o, "label", ranges[i].label);
		json_put_text(o, "url", url);
		json_put_bool(o, "current", ranges[i].hours == hours);
		json_object_array_add(all, o);
		free(url);
	}
	json_put(ui, "ranges", all);
}

/* Primaries of backup domains that do not answer now. */
static int add_outages(struct call *c, struct json_object *out, struct err *e)
{
	struct db *d = &c->web->db;
	int64_t n = 0;
	int rc;
	sqlite3_stmt *st = db_query(d, Q_WEB_BACKUP_AWAY, "");
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		n += backup_configured(c->web->conf, (const char *)sqlite3_column_text(st, 0)) != NULL;
	sqlite3_reset(st);
	json_put_int(out, "primaries_away", n);
	return rc == SQLITE_DONE ? 0 : err_set(e, "%s", sqlite3_errmsg(d->h));
}

static int build(struct call *c, struct json_object *out, struct err *e)
{
	struct db *d = &c->web->db;
	struct json_object *ui = json_object_new_object();
	int64_t hours = form_int(&c->query, "hours", 1, 2160, 24), limit = OVERVIEW_CASES;
	json_put(out, "ui", ui);
	add_ranges(c, ui, hours);
	if (add_counts(c, out, e) < 0 || add_volume(c, out, hours, e) < 0 || health_add(c, out, e) < 0 || add_outages(c, out, e) < 0 || listings_own(c, out, e) < 0 ||
	    rows_add(out, "cases", d, db_query(d, Q_WEB_CASE_ACTIVE, "i", limit), e) < 0)
		return 500;
	json_put_bool(ui, "more_cases", json_int(out, "open_cases") + json_int(out, "acknowledged_cases") > limit);
	json_put_bool(ui, "one_away", json_int(out, "primaries_away") == 1);
	json_put_bool(ui, "has_own", json_object_array_length(json_object_object_get(out, "own")) > 0);
	json_put_bool(ui, "has_volume", json_object_array_length(json_object_object_get(out, "volume")) > 0);
	call_audit(c, "viewed the overview");
	return 200;
}

static const struct page_column csv[] = {
	{ "at", "bucket_at" }, { "messages", "messages" }, { "recipients", "recipients" }, { "sent", "sent" }, { "deferred", "deferred" },
	{ "bounced", "bounced" }, { "rejected", "rejected" }, { "auth_failed", "auth_failed" }, { NULL, NULL },
};

const struct page page_overview = {
	.path = "/", .title = "Overview", .template = "overview", .nav = "overview", .csv_rows = "volume", .csv = csv, .build = build,
};
