/* All cases: filter, sort, page. */
#include <stdlib.h>

#include "web/list.h"
#include "web/page.h"
#include "web/rows.h"

static const char *const columns[] = { "-severity", "-id", "-score", "-opened", "-updated", "-messages", "-recipients", "customer", "principal", "state", NULL };
static const char *const states[] = { "active", "open", "acknowledged", "closed", "false-positive", "all", NULL };
static const char *const state_labels[] = { "open and acknowledged", "open", "acknowledged", "closed", "false alarm", "all" };
static const char *const severities[] = { "", "critical", "high", "medium", "low", NULL };
static const char *const severity_labels[] = { "any severity", "critical", "high", "medium", "low" };

static int add_kinds(struct call *c, struct json_object *ui, const char *now, struct err *e)
{
	const char *values[32] = { "" }, *labels[32] = { "any kind" };
	size_t n = 1;
	struct json_object *rows = rows_all(&c->web->db, db_query(&c->web->db, Q_WEB_CASE_KINDS, ""), e);
	if (!rows)
		return -1;
	for (size_t i = 0; i < json_object_array_length(rows) && n < 31; i++, n++)
		values[n] = labels[n] = json_str(json_object_array_get_idx(rows, i), "kind");
	values[n] = NULL;
	list_choices(ui, "kinds", values, labels, now);
	json_object_put(rows);
	return 0;
}

static void add_filters(const struct call *c, struct json_object *out, struct json_object *ui, const char *state)
{
	struct json_object *f = json_object_new_object();
	json_put_text(f, "state", state);
	json_put_text(f, "severity", form_get(&c->query, "severity"));
	json_put_text(f, "kind", form_get(&c->query, "kind"));
	json_put_text(f, "customer", form_get(&c->query, "customer"));
	json_put_text(f, "text", form_get(&c->query, "text"));
	json_put(out, "filter", f);
	list_choices(ui, "states", states, state_labels, state);
	list_choices(ui, "severities", severities, severity_labels, form_get(&c->query, "severity"));
}

static int64_t count(struct db *d, const char *state, const char *severity, const char *kind, const char *customer, const char *text)
{
	sqlite3_stmt *st = db_query(d, Q_WEB_CASES_COUNT, "sssss", state, severity, kind, customer, text);
	int64_t n = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_reset(st);
	return n;
}

static int build(struct call *c, struct json_object *out, struct err *e)
{
	struct db *d = &c->web->db;
	struct json_object *ui = json_object_new_object();
	struct list l = list_of(c, columns);
	const char *state = *form_get(&c->query, "state") ? form_get(&c->query, "state") : "active";
	const char *severity = form_get(&c->query, "severity"), *kind = form_get(&c->query, "kind");
	const char *customer = form_get(&c->query, "customer"), *text = form_get(&c->query, "text");
	json_put(out, "ui", ui);
	add_filters(c, out, ui, state);
	json_put_text(ui, "sort_now", form_get(&c->query, "sort"));
	json_put_text(ui, "dir_now", form_get(&c->query, "dir"));
	const char *want = strcmp(state, "all") == 0 ? "" : state;
	int64_t total = count(d, want, severity, kind, customer, text);
	list_pages(c, out, ui, &l, total);
	list_sort_links(c, ui, &l, columns);
	json_put_bool(ui, "filtered", *severity || *kind || *customer || *text || strcmp(state, "active") != 0);
	if (add_kinds(c, ui, kind, e) < 0 ||
	    rows_add(out, "cases", d, db_query(d, Q_WEB_CASES, "ssssssiii", want, severity, kind, customer, text, l.sort, l.direction, l.limit, l.offset), e) < 0)
		return 500;
	call_audit(c, "listed cases (state %s, severity \"%s\", customer \"%s\", text \"%s\")", state, severity, customer, text);
	return 200;
}

static const struct page_column csv[] = {
	{ "case", "id" }, { "severity", "severity" }, { "level", "level" }, { "state", "state" }, { "kind", "kind" },
	{ "principal_kind", "principal_kind" }, { "principal", "principal_id" }, { "customer", "customer" }, { "score", "score" },
	{ "peak_score", "peak_score" }, { "detectors", "detectors" }, { "messages", "messages" }, { "recipients", "recipients" },
	{ "first_seen", "first_seen_at" }, { "opened", "opened_at" }, { "updated", "updated_at" }, { "closed", "closed_at" },
	{ "reopened", "reopened" }, { "sentence", "sentence" }, { NULL, NULL },
};

const struct page page_cases = {
	.path = "/cases", .title = "Cases", .template = "cases", .nav = "cases", .csv_rows = "cases", .csv = csv, .build = build,
};
