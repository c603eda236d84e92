/* How the score of a case came about, step by step: the same as `abusewatch explain`. */
#include <stdio.h>

#include "web/page.h"
#include "web/rows.h"

/* 1/4096 nat as nats with two decimals. */
static void to_nats(struct json_object *o, const char *key)
{
	char text[32];
	double nats = (double)json_int(o, key) / 4096;
	(void)snprintf(text, sizeof text, "%.2f", nats);
	json_put(o, key, json_object_new_double_s(nats, text));
}

static void each_to_nats(struct json_object *list, const char *const *keys)
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		for (const char *const *k = keys; *k; k++)
			to_nats(json_object_array_get_idx(list, i), *k);
}

/* What the template cannot work out itself. */
static void show_step(struct json_object *step, int64_t *nth)
{
	static const char *const of_detector[] = { "before", "after", "step", NULL }, *const of_group[] = { "best", "second", "cap", "sum", NULL };
	struct json_object *detectors = json_object_object_get(step, "detectors"), *groups = json_object_object_get(step, "groups");
	int64_t missing = json_int(step, "event") - *nth - 1;
	*nth = json_int(step, "event");
	if (missing > 0)
		json_put_int(step, "left_out_before", missing);
	for (size_t i = 0; i < json_object_array_length(groups); i++) {
		struct json_object *g = json_object_array_get_idx(groups, i);
		json_put_bool(g, "cut", json_int(g, "best") + json_int(g, "second") / 2 > json_int(g, "cap"));
		json_put_bool(g, "has_second", json_int(g, "second") > 0);
		json_put_bool(g, "more", i > 0);
	}
	for (size_t i = 0; i < json_object_array_length(detectors); i++) {
		struct json_object *d = json_object_array_get_idx(detectors, i);
		json_put_bool(d, "moved", json_int(d, "before") != json_int(d, "after"));
	}
	if (json_int(step, "capped_to"))
		to_nats(step, "capped_to");
	else
		json_object_object_del(step, "capped_to");
	to_nats(step, "total");
	each_to_nats(detectors, of_detector);
	each_to_nats(groups, of_group);
}

static int build(struct call *c, struct json_object *out, struct err *e)
{
	struct db *d = &c->web->db;
	struct json_object *ui = json_object_new_object();
	int64_t id = call_number(c, 1), nth = 0;
	char title[64];
	struct json_object *row = rows_one(d, db_query(d, Q_WEB_CASE, "i", id), e);
	json_put(out, "ui", ui);
	if (!row && e->text[0])
		return 500;
	if (!row) {
		err_set(e, "There is no case %lld.", (long long)id);
		return 404;
	}
	json_merge(out, row);
	if (rows_add(out, "steps", d, db_query(d, Q_WEB_CASE_STEPS, "i", id), e) < 0)
		return 500;
	struct json_object *steps = json_object_object_get(out, "steps");
	size_t n = json_object_array_length(steps);
	for (size_t i = 0; i < n; i++)
		show_step(json_object_array_get_idx(steps, i), &nth);
	json_put_int(out, "left_out_after", n && json_int(out, "changes") > nth ? json_int(out, "changes") - nth : 0);
	(void)snprintf(title, sizeof title, "Score of case %lld", (long long)id);
	json_put_text(ui, "title", title);
	json_put_bool(ui, "has_steps", n > 0);
	call_audit(c, "viewed the score of case %lld", (long long)id);
	json_put_bool(ui, "left_out_after", json_int(out, "left_out_after") > 0);
	return 200;
}

static const struct page_column csv[] = {
	{ "event", "event" }, { "at", "at" }, { "what", "what" }, { "mark", "mark" }, { "level", "level" }, { "score", "total" }, { NULL, NULL },
};

const struct page page_steps = {
	.path = "/case/#/steps", .title = "Score", .template = "steps", .nav = "cases", .csv_rows = "steps", .csv = csv, .build = build,
};
