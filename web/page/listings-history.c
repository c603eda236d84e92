/* Who was on which block list, and how long. */
#include "web/list.h"
#include "web/listings.h"
#include "web/page.h"
#include "web/rows.h"

static const char *const columns[] = { "-since", "target", "zone", "-until", "-lasted", "customer", NULL };

static int build(struct call *c, struct json_object *out, struct err *e)
{
	struct db *d = &c->web->db;
	struct json_object *ui = json_object_new_object(), *f = json_object_new_object();
	struct list l = list_of(c, columns);
	const char *zone = form_get(&c->query, "zone"), *text = form_get(&c->query, "text");
	json_put(out, "ui", ui);
	json_put_text(f, "zone", zone);
	json_put_text(f, "text", text);
	json_put(out, "filter", f);
	json_put_bool(ui, "filtered", *zone || *text);
	sqlite3_stmt *st = db_query(d, Q_WEB_LISTING_PAST_COUNT, "ss", zone, text);
	int64_t total = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_reset(st);
	list_pages(c, out, ui, &l, total);
	list_sort_links(c, ui, &l, columns);
	if (listings_rows(c, out, "past", db_query(d, Q_WEB_LISTING_PAST, "sssiii", zone, text, l.sort, l.direction, l.limit, l.offset), e) < 0)
		return 500;
	call_audit(c, "listed past block list entries (zone \"%s\", text \"%s\")", zone, text);
	return 200;
}

static const struct page_column csv[] = {
	{ "target", "target" }, { "kind", "kind" }, { "customer", "customer" }, { "zone", "zone" }, { "list", "title" }, { "entry", "entry" }, { "code", "code" },
	{ "meaning", "meaning" }, { "text", "text" }, { "points", "points" }, { "since", "since_at" }, { "until", "until_at" }, { "lasted_s", "lasted_s" }, { NULL, NULL },
};

const struct page page_listings_history = {
	.path = "/listings/history", .title = "Past entries", .template = "listings-history", .nav = "listings", .csv_rows = "past", .csv = csv, .build = build,
};
