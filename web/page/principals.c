/* Everybody who sends: accounts, hosts, scripts, with the score of when they were last seen. */
#include "lib/principal.h"
#include "web/list.h"
#include "web/page.h"
#include "web/rows.h"

static const char *const columns[] = { "-score", "id", "kind", "customer", "-messages", "-recipients", "-bounced", "-first", "-last", NULL };

static void add_filters(const struct call *c, struct json_object *out, struct json_object *ui)
{
	const char *kinds[PRINCIPAL_KINDS + 2] = { "" }, *labels[PRINCIPAL_KINDS + 2] = { "any kind" };
	for (int k = 0; k < PRINCIPAL_KINDS; k++)
		kinds[k + 1] = labels[k + 1] = principal_kind_name((enum principal_kind)k);
	kinds[PRINCIPAL_KINDS + 1] = NULL;
	list_choices(ui, "kinds", kinds, labels, form_get(&c->query, "kind"));
	struct json_object *f = json_object_new_object();
	json_put_text(f, "kind", form_get(&c->query, "kind"));
	json_put_text(f, "customer", form_get(&c->query, "customer"));
	json_put_text(f, "text", form_get(&c->query, "text"));
	json_put(out, "filter", f);
	json_put_bool(ui, "filtered", *form_get(&c->query, "kind") || *form_get(&c->query, "customer") || *form_get(&c->query, "text"));
}

static int build(struct call *c, struct json_object *out, struct err *e)
{
	struct db *d = &c->web->db;
	struct json_object *ui = json_object_new_object();
	struct list l = list_of(c, columns);
	const char *kind = form_get(&c->query, "kind"), *customer = form_get(&c->query, "customer"), *text = form_get(&c->query, "text");
	json_put(out, "ui", ui);
	add_filters(c, out, ui);
	sqlite3_stmt *st = db_query(d, Q_WEB_PRINCIPALS_COUNT, "sss", kind, customer, text);
	int64_t total = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_reset(st);
	list_pages(c, out, ui, &l, total);
	list_sort_links(c, ui, &l, columns);
	if (rows_add(out, "principals", d, db_query(d, Q_WEB_PRINCIPALS, "ssssiii", kind, customer, text, l.sort, l.direction, l.limit, l.offset), e) < 0)
		return 500;
	call_audit(c, "listed principals (kind \"%s\", customer \"%s\", text \"%s\")", kind, customer, text);
	return 200;
}

static const struct page_column csv[] = {
	{ "kind", "kind" }, { "principal", "id" }, { "customer", "customer" }, { "score", "score" }, { "messages", "messages" },
	{ "recipients", "recipients" }, { "bounced", "bounced" }, { "first", "first_at" }, { "last", "last_at" }, { "case", "case_id" }, { NULL, NULL },
};

const struct page page_principals = {
	.path = "/principals", .title = "Principals", .template = "principals", .nav = "principals", .csv_rows = "principals", .csv = csv, .build = build,
};
