/* Our and our customers' mail servers as captured sessions show them: what software they greet with, when that changed, and what happens to port 25 on the
 * way. */
#include "web/list.h"
#include "web/page.h"
#include "web/rows.h"

#define EVENTS 40

static const char *const columns[] = { "-changed", "address", "host", "customer", "software", "-last", "-sessions", NULL };

static bool has(struct json_object *out, const char *key)
{
	return json_object_array_length(json_object_object_get(out, key)) > 0;
}

static int build(struct call *c, struct json_object *out, struct err *e)
{
	struct db *d = &c->web->db;
	struct json_object *ui = json_object_new_object(), *f = json_object_new_object();
	struct list l = list_of(c, columns);
	const char *text = form_get(&c->query, "text");
	json_put(out, "ui", ui);
	json_put(out, "filter", f);
	json_put_text(f, "text", text);
	json_put_bool(ui, "filtered", *text);
	sqlite3_stmt *st = db_query(d, Q_SERVERS_COUNT, "s", text);
	int64_t total = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0, events = EVENTS;
	sqlite3_reset(st);
	list_pages(c, out, ui, &l, total);
	list_sort_links(c, ui, &l, columns);
	if (rows_add(out, "servers", d, db_query(d, Q_SERVERS_LIST, "ssiii", text, l.sort, l.direction, l.limit, l.offset), e) < 0 ||
	    rows_add(out, "changes", d, db_query(d, Q_NETWORK_EVENTS, "issi", (int64_t)0, "", "software", events), e) < 0 ||
	    rows_add(out, "network", d, db_query(d, Q_NETWORK_EVENTS, "issi", (int64_t)0, "", "network", events), e) < 0)
		return 500;
	struct json_object *rows = json_object_object_get(out, "network");
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		struct json_object *row = json_object_array_get_idx(rows, i);
		json_put_bool(row, "over", strcmp(json_str(row, "what"), "ended") == 0);
	}
	json_put_bool(ui, "has_changes", has(out, "changes"));
	json_put_bool(ui, "has_network", has(out, "network"));
	json_put_bool(ui, "any", total > 0 || *text);
	call_audit(c, "listed mail servers (text \"%s\")", text);
	return 200;
}

static const struct page_column csv[] = {
	{ "address", "address" }, { "customer", "customer" }, { "host", "host" }, { "software", "software" }, { "was", "was" }, { "changed", "changed_at" },
	{ "first", "first_at" }, { "last", "last_at" }, { "sessions", "sessions" }, { "greetings", "greetings" }, { NULL, NULL },
};

const struct page page_servers = {
	.path = "/servers", .title = "Mail servers", .template = "servers", .nav = "servers", .csv_rows = "servers", .csv = csv, .build = build,
};
