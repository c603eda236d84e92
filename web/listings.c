#include "web/listings.h"

#include <stdlib.h>

#include "report/lists.h"
#include "web/rows.h"

static void explain(const struct call *c, struct json_object *row)
{
	struct buf b = { 0 };
	const char *zone = json_str(row, "zone"), *target = json_str(row, "target");
	int64_t code = json_int(row, "code");
	json_put_text(row, "title", lists_title(c->web->conf, zone));
	lists_code(code, &b);
	json_put_text(row, "code", code ? buf_cstr(&b) : "");
	buf_clear(&b);
	lists_delist(c->web->conf, zone, target, &b);
	json_put_text(row, "delist", buf_cstr(&b));
	buf_fini(&b);
	if (c->format != FORMAT_HTML)
		return;
	json_put_bool(row, "policy", strcmp(json_str(row, "entry"), "policy") == 0); /* for the templates only */
	struct json_object *cause = json_object_object_get(row, "cause");
	json_put_bool(row, "has_cause", (!*json_str(row, "state") || strcmp(json_str(row, "state"), "listed") == 0) && json_object_is_type(cause, json_type_array) && json_object_array_length(cause) > 0);
	json_put_bool(row, "no_answer", *json_str(row, "verdict") && strcmp(json_str(row, "verdict"), "listed") != 0 && strcmp(json_str(row, "verdict"), "clean") != 0);
}

int listings_rows(const struct call *c, struct json_object *out, const char *key, sqlite3_stmt *st, struct err *e)
{
	struct json_object *rows = rows_all(&c->web->db, st, e);
	if (!rows)
		return -1;
	for (size_t i = 0; i < json_object_array_length(rows); i++)
		explain(c, json_object_array_get_idx(rows, i));
	json_put(out, key, rows);
	return 0;
}

int listings_of(const struct call *c, struct json_object *out, const char *kind, const char *id, bool history, struct err *e)
{
	struct db *d = &c->web->db;
	bool may = strcmp(kind, "own_ip") == 0 || strcmp(kind, "host") == 0 || strcmp(kind, "domain") == 0;
	const char *target = may ? id : "";
	struct json_object *own = rows_one(d, db_query(d, Q_WEB_LISTING_TARGET, "s", strcmp(kind, "own_ip") == 0 ? id : ""), e);
	if (!own && e->text[0])
		return -1;
	json_put(out, "own", own);
	if (listings_rows(c, out, "lists", db_query(d, Q_WEB_LISTING_LISTS, "s", target), e) < 0)
		return -1;
	return history ? listings_rows(c, out, "past", db_query(d, Q_WEB_LISTING_PAST_OF, "s", target), e) : 0;
}

int listings_own(const struct call *c, struct json_object *out, struct err *e)
{
	struct db *d = &c->web->db;
	return rows_add(out, "own", d, db_query(d, Q_WEB_LISTING_OWN, ""), e);
}
