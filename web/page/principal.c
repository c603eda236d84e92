/* One principal: what it sends by the hour, its cases, and its captured sessions. */
#include "analyzer/hours.h"
#include "lib/times.h"
#include "lib/wire.h"
#include "web/listings.h"
#include "web/page.h"
#include "web/policy.h"
#include "web/rows.h"

#define PRINCIPAL_HOURS (30 * 24)

static void add_search_url(struct json_object *out, struct json_object *ui)
{
	const char *kind = json_str(out, "kind");
	const char *id = json_str(out, "id");
	bool user = strcmp(kind, "script") == 0 && id[strspn(id, "0123456789")]; /* messages are found by a local user's name, not by a number */
	const char *field = user || strcmp(kind, "account") == 0 ? "account" : strcmp(kind, "host") == 0 || strcmp(kind, "own_ip") == 0 ? "client" : strcmp(kind, "mx") == 0 ? "recipient" : NULL;
	struct buf b = { 0 };
	if (!field)
		return;
	buf_printf(&b, "/search?%s=%s", field, strcmp(kind, "mx") == 0 ? "%40" : "");
	form_encode(&b, sv_cstr(id));
	json_put_text(ui, "search_url", buf_cstr(&b));
	buf_fini(&b);
}

static void add_hour(struct json_object *hours, const struct hours_entry *e)
{
	struct json_object *o = json_object_new_object();
	json_put(o, "hour_at", json_time(e->hour_us));
	json_put_int(o, "messages", (int64_t)e->n[HOURS_MESSAGES]);
	json_put_int(o, "recipients", (int64_t)e->n[HOURS_RECIPIENTS]);
	json_put_int(o, "bounced", (int64_t)e->n[HOURS_BOUNCED]);
	json_put_int(o, "refused", (int64_t)e->n[HOURS_REFUSED]);
	json_object_array_add(hours, o);
}

/* Every hour in which it did anything, oldest first. */
static int add_hours(struct json_object *out, struct db *d, const char *kind, const char *id, int64_t since_us, struct err *e)
{
	struct json_object *hours = json_object_new_array();
	int rc;
	sqlite3_stmt *st = db_query(d, Q_WEB_PRINCIPAL_DAYS, "ssi", kind, id, since_us / US_PER_DAY);
	json_put(out, "hours", hours);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct hours_entry entry;
		struct wire w = wire_of(db_blob(st, 1));
		int32_t day = sqlite3_column_int(st, 0);
		if (sqlite3_column_int(st, 2))
			day = hours_today(db_blob(st, 1), &w);
		while (w.p && hours_next(&w, day, &entry))
			if (entry.hour_us >= since_us)
				add_hour(hours, &entry);
	}
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? 0 : err_set(e, "%s", sqlite3_errmsg(d->h));
}

/* An address that answers as a mail server: its software, and what changed of it. */
static int add_server(struct json_object *out, struct db *d, const char *kind, const char *id, struct err *e)
{
	if (strcmp(kind, "host") != 0 && strcmp(kind, "own_ip") != 0)
		return 0;
	struct json_object *row = rows_one(d, db_query(d, Q_WEB_SERVER, "s", id), e);
	if (!row)
		return e->text[0] ? -1 : 0;
	json_put(out, "server", row);
	return rows_add(row, "greetings", d, db_query(d, Q_WEB_SERVER_FACES, "s", id), e) < 0 ||
	               rows_add(row, "changes", d, db_query(d, Q_NETWORK_EVENTS, "issi", (int64_t)0, id, "software", (int64_t)20), e) < 0
	       ? -1 : 0;
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
	id = json_str(out, "id"); /* as it is written in the store */
	(void)times_parse(sv_cstr(json_str(out, "last_at")), &last_us);
	int64_t since = last_us - PRINCIPAL_HOURS * US_PER_HOUR;
	if (add_hours(out, d, kind, id, since, e) < 0 ||
	    rows_add(out, "cases", d, db_query(d, Q_WEB_PRINCIPAL_CASES, "ss", kind, id), e) < 0 ||
	    rows_add(out, "sessions", d, db_query(d, Q_WEB_DIALOGUES, "ss", kind, id), e) < 0 ||
	    rows_add(out, "helos", d, db_query(d, Q_WEB_DIALOGUE_HELOS, "ss", kind, id), e) < 0 ||
	    rows_add(out, "refusals", d, db_query(d, Q_WEB_DIALOGUE_REFUSALS, "ss", kind, id), e) < 0 ||
	    add_server(out, d, kind, id, e) < 0 ||
	    policy_rows(c, out, "policy", db_query(d, Q_WEB_PRINCIPAL_POLICY, "ss", kind, id), e) < 0 || listings_of(c, out, kind, id, true, e) < 0)
		return 500;
	struct json_object *ui = json_object_new_object();
	json_put_text(ui, "title", id);
	json_put_bool(ui, "has_hours", json_object_array_length(json_object_object_get(out, "hours")) > 0);
	json_put_bool(ui, "has_cases", json_object_array_length(json_object_object_get(out, "cases")) > 0);
	json_put_bool(ui, "has_sessions", json_object_array_length(json_object_object_get(out, "sessions")) > 0);
	json_put_bool(ui, "has_refusals", json_object_array_length(json_object_object_get(out, "refusals")) > 0);
	json_put_bool(ui, "breaks_policy", json_object_array_length(json_object_object_get(out, "policy")) > 0);
	json_put_bool(ui, "listed", json_object_array_length(json_object_object_get(out, "lists")) > 0 || json_object_object_get(out, "own"));
	json_put_bool(ui, "was_listed", json_object_array_length(json_object_object_get(out, "past")) > 0);
	add_search_url(out, ui);
	json_put_bool(ui, "backup", strcmp(kind, "mx") == 0);
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
