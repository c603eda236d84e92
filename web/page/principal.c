/* One principal: what it sends by the hour, and its cases. */
#include "lib/times.h"
#include "web/page.h"
#include "web/rows.h"

#define PRINCIPAL_HOURS (30 * 24)

static void add_search_url(struct json_object *out, struct json_object *ui)
{
	const char *kind = json_str(out, "kind");
	const char *field = strcmp(kind, "account") == 0 ? "account" : strcmp(kind, "host") == 0 || strcmp(kind, "own_ip") == 0 ? "client" : NULL;
	struct buf b = { 0 };
	if (!field)
		return;
	buf_printf(&b, "/search?%s=", field);
	form_encode(&b, sv_cstr(json_str(out, "id")));
	json_put_text(ui, "search_url", buf_cstr(&b));
	buf_fini(&b);
}

static int build(struct call *c, struct json_object *out, struct err *e)
{
	struct db *d = &c->web->db;
	const char *kind = c->segment[1], *id = c->segment[2];
	struct json_object *row = rows_one(d, db_query(d, Q_WEB_PRINCIPAL, "ss", kind, id), e);
	int64_t last_us = 0;
	if (!row && e->text[0])
		return 500;
	if (!row) {
		err_set(e, "Nothing is known about %s %.200s.", kind, id);
		return 404;
	}
	json_merge(out, row);
	(void)times_parse(sv_cstr(json_str(out, "last_at")), &last_us);
	int64_t since = last_us - PRINCIPAL_HOURS * US_PER_HOUR;
	if (rows_add(out, "hours", d, db_query(d, Q_WEB_PRINCIPAL_HOURS, "ssi", kind, id, since), e) < 0 ||
	    rows_add(out, "cases", d, db_query(d, Q_WEB_PRINCIPAL_CASES, "ss", kind, id), e) < 0)
		return 500;
	struct json_object *ui = json_object_new_object();
	json_put_text(ui, "title", id);
	json_put_bool(ui, "has_hours", json_object_array_length(json_object_object_get(out, "hours")) > 0);
	json_put_bool(ui, "has_cases", json_object_array_length(json_object_object_get(out, "cases")) > 0);
	add_search_url(out, ui);
	json_put(out, "ui", ui);
	call_audit(c, "viewed %s %s", kind, id);
	return 200;
}

static const struct page_column csv[] = {
	{ "hour", "hour_at" }, { "messages", "messages" }, { "recipients", "recipients" }, { "bounced", "bounced" }, { "refused", "refused" }, { NULL, NULL },
};

const struct page page_principal = {
	.path = "/principal/*/*", .title = "Principal", .template = "principal", .nav = "principals", .csv_rows = "hours", .csv = csv, .build = build,
};
