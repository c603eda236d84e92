#include "web/policy.h"

#include "analyzer/policy.h"
#include "web/rows.h"

static void explain(const struct call *c, struct json_object *row)
{
	const struct policy_rule *rule = policy_rule_named(sv_cstr(json_str(row, "rule")));
	json_put_text(row, "what", rule ? rule->title : json_str(row, "rule"));
	json_put(row, "unit", rule && rule->unit ? json_text(sv_cstr(rule->unit)) : NULL);
	if (!rule || !rule->unit)
		json_put(row, "largest", NULL);
	if (c->format != FORMAT_HTML)
		return;
	json_put_bool(row, "one_day", json_int(row, "days") == 1); /* for the templates only */
	if (rule && rule->unit)
		json_put_bool(row, strcmp(rule->unit, "bytes") == 0 ? "in_bytes" : "in_recipients", true);
}

int policy_rows(const struct call *c, struct json_object *out, const char *key, sqlite3_stmt *st, struct err *e)
{
	struct json_object *rows = rows_all(&c->web->db, st, e);
	if (!rows)
		return -1;
	for (size_t i = 0; i < json_object_array_length(rows); i++)
		explain(c, json_object_array_get_idx(rows, i));
	json_put(out, key, rows);
	return 0;
}
