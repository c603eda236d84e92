/* One case: what is said against whom, with the lines to prove it, and what people did about it. */
#include <stdio.h>

#include "lib/times.h"
#include "report/advice.h"
#include "web/listings.h"
#include "web/page.h"
#include "web/policy.h"
#include "web/rows.h"

static int add_lists(struct db *d, struct json_object *out, int64_t id, struct err *e)
{
	static const struct { const char *key; enum query q; } lists[] = {
		{ "detectors", Q_WEB_CASE_DETECTORS }, { "evidence", Q_WEB_CASE_EVIDENCE }, { "sources", Q_WEB_CASE_SOURCES },
		{ "recipient_domains", Q_WEB_CASE_DOMAINS }, { "history", Q_WEB_CASE_EVENTS }, { "notifications", Q_WEB_CASE_NOTIFICATIONS },
		{ "scores", Q_WEB_CASE_SCORES }, { "together", Q_WEB_CASE_CHILDREN },
	};
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		if (rows_add(out, lists[i].key, d, db_query(d, lists[i].q, "i", id), e) < 0)
			return -1;
	return 0;
}

/* Whom to write to: the inventory knows; inline customers and the CSV's alike. */
static void add_contact(const struct call *c, struct json_object *out)
{
	const struct conf *f = c->web->conf;
	const char *name = json_str(out, "customer");
	json_put_text(out, "contact", "");
	for (size_t i = 0; i < f->n_customer && *name; i++)
		if (strcmp(f->customer[i].customer, name) == 0 && f->customer[i].contact[0]) {
			json_put_text(out, "contact", f->customer[i].contact);
			return;
		}
}

/* From a bit before the first event to now: what a clerk looks at next. */
static void add_search_url(struct json_object *out, struct json_object *ui)
{
	const char *kind = json_str(out, "principal_kind"), *field = NULL;
	struct buf b = { 0 };
	/* messages are found by a local user's name, not by a number */
	if (strcmp(kind, "account") == 0 || (strcmp(kind, "script") == 0 && json_str(out, "principal_id")[strspn(json_str(out, "principal_id"), "0123456789")]))
		field = "account";
	else if (strcmp(kind, "host") == 0 || strcmp(kind, "own_ip") == 0)
		field = "client";
	else if (strcmp(kind, "domain") == 0)
		field = "sender";
	else if (strcmp(kind, "mx") == 0)
		field = "recipient";
	if (!field)
		return;
	buf_printf(&b, "/search?%s=", field);
	if (strcmp(kind, "domain") == 0 || strcmp(kind, "mx") == 0)
		buf_puts(&b, "%40");
	form_encode(&b, sv_cstr(json_str(out, "principal_id")));
	buf_puts(&b, "&since=");
	form_encode(&b, sv_cstr(json_str(out, "first_seen_at")));
	json_put_text(ui, "search_url", buf_cstr(&b));
	buf_fini(&b);
}

static void put_neighbours(struct db *d, struct json_object *ui, int64_t id)
{
	sqlite3_stmt *st = db_query(d, Q_WEB_CASE_NEIGHBOURS, "i", id);
	if (sqlite3_step(st) == SQLITE_ROW) {
		json_put_int(ui, "next", sqlite3_column_int64(st, 0));
		json_put_int(ui, "previous", sqlite3_column_int64(st, 1));
	}
	sqlite3_reset(st);
}

static void add_ui(struct call *c, struct json_object *out, int64_t id)
{
	struct json_object *ui = json_object_new_object();
	char title[64];
	const char *state = json_str(out, "state");
	bool active = strcmp(state, "open") == 0 || strcmp(state, "acknowledged") == 0;
	(void)snprintf(title, sizeof title, "Case %lld", (long long)id);
	json_put_text(ui, "title", title);
	json_put_bool(ui, "can_acknowledge", strcmp(state, "open") == 0);
	json_put_bool(ui, "active", active);
	json_put_bool(ui, "has_scores", json_object_array_length(json_object_object_get(out, "scores")) > 0);
	json_put_bool(ui, "has_together", json_object_array_length(json_object_object_get(out, "together")) > 0);
	json_put_bool(ui, "breaks_policy", json_object_array_length(json_object_object_get(out, "policy")) > 0);
	json_put_bool(ui, "listed", json_object_array_length(json_object_object_get(out, "lists")) > 0 || strcmp(json_str(out, "kind"), "listing") == 0);
	add_search_url(out, ui);
	put_neighbours(&c->web->db, ui, id);
	json_put(out, "ui", ui);
}

static int build(struct call *c, struct json_object *out, struct err *e)
{
	struct db *d = &c->web->db;
	int64_t id = call_number(c, 1);
	struct json_object *row = rows_one(d, db_query(d, Q_WEB_CASE, "i", id), e);
	if (!row && e->text[0])
		return 500;
	if (!row) {
		err_set(e, "There is no case %lld. Cases are forgotten %lld day%s after they were closed.", (long long)id, (long long)c->web->conf->keep_cases_days,
		        c->web->conf->keep_cases_days == 1 ? "" : "s");
		return 404;
	}
	json_merge(out, row);
	if (add_lists(d, out, id, e) < 0 ||
	    policy_rows(c, out, "policy", db_query(d, Q_WEB_PRINCIPAL_RULES, "ss", json_str(out, "principal_kind"), json_str(out, "principal_id")), e) < 0 ||
	    listings_of(c, out, json_str(out, "principal_kind"), json_str(out, "principal_id"), false, e) < 0)
		return 500;
	add_contact(c, out);
	json_put_text(out, "advice", advice_for(json_str(out, "kind")));
	add_ui(c, out, id);
	call_audit(c, "viewed case %lld", (long long)id);
	return 200;
}

static const struct page_column csv[] = { { "at", "at" }, { "detector", "detector" }, { "line", "line" }, { NULL, NULL } };

const struct page page_case = {
	.path = "/case/#", .title = "Case", .template = "case", .nav = "cases", .csv_rows = "evidence", .csv = csv, .build = build,
};
