/* Who broke which published limit on which day. Findings of low severity, no cases. */
#include "analyzer/policy.h"
#include "lib/times.h"
#include "web/list.h"
#include "web/page.h"
#include "web/policy.h"
#include "web/rows.h"

static const char *const columns[] = { "-date", "rule", "id", "customer", "-count", "-largest", "-last", NULL };
static const char *const fields[] = { "rule", "date", "customer", "text", NULL };

static void add_filters(const struct call *c, struct json_object *out, struct json_object *ui)
{
	const char *rules[64] = { "" }, *labels[64] = { "any rule" };
	for (size_t i = 0; i < 62 && policy_registry[i]; i++) {
		rules[i + 1] = policy_registry[i]->name;
		labels[i + 1] = policy_registry[i]->title;
	}
	list_choices(ui, "rules", rules, labels, form_get(&c->query, "rule"));
	struct json_object *f = json_object_new_object();
	bool filtered = false;
	for (size_t i = 0; fields[i]; i++) {
		json_put_text(f, fields[i], form_get(&c->query, fields[i]));
		filtered |= *form_get(&c->query, fields[i]) != 0;
	}
	json_put(out, "filter", f);
	json_put_bool(ui, "filtered", filtered);
	json_put_text(ui, "severity", "low");
}

static int build(struct call *c, struct json_object *out, struct err *e)
{
	struct db *d = &c->web->db;
	struct json_object *ui = json_object_new_object();
	struct list l = list_of(c, columns);
	const char *rule = form_get(&c->query, "rule"), *date = form_get(&c->query, "date");
	const char *customer = form_get(&c->query, "customer"), *text = form_get(&c->query, "text");
	int64_t day_us;
	json_put(out, "ui", ui);
	if (*date && (strlen(date) != 10 || times_parse(sv_cstr(date), &day_us) < 0)) {
		err_set(e, "\"%.80s\" is not a date. Write 2026-11-23.", date);
		return 400;
	}
	add_filters(c, out, ui);
	sqlite3_stmt *st = db_query(d, Q_WEB_POLICY_COUNT, "ssss", rule, customer, date, text);
	int64_t total = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_reset(st);
	st = db_query(d, Q_WEB_POLICY_DROPPED, "s", date);
	json_put_int(out, "not_kept", sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0);
	sqlite3_reset(st);
	list_pages(c, out, ui, &l, total);
	list_sort_links(c, ui, &l, columns);
	if (policy_rows(c, out, "findings", db_query(d, Q_WEB_POLICY, "sssssiii", rule, customer, date, text, l.sort, l.direction, l.limit, l.offset), e) < 0)
		return 500;
	call_audit(c, "listed policy findings (rule \"%s\", date \"%s\", customer \"%s\", text \"%s\")", rule, date, customer, text);
	return 200;
}

static const struct page_column csv[] = {
	{ "date", "date" }, { "rule", "rule" }, { "severity", "severity" }, { "kind", "kind" }, { "principal", "id" }, { "customer", "customer" }, { "count", "count" },
	{ "largest", "largest" }, { "unit", "unit" }, { "first", "first_at" }, { "last", "last_at" }, { "queue_id", "queue_id" }, { "example", "line" }, { NULL, NULL },
};

const struct page page_policy = {
	.path = "/policy", .title = "Policy", .template = "policy", .nav = "policy", .csv_rows = "findings", .csv = csv, .build = build,
};
