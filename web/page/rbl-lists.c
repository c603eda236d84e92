/* Which block lists are asked, how each does with its own test entries, and those that are not asked any more. */
#include "web/lookup.h"
#include "web/page.h"
#include "web/rows.h"

/* One word for all kinds of targets that it has: the first that is not good. */
static void add_state(struct json_object *list)
{
	struct json_object *health = json_object_object_get(list, "health"), *worst = NULL;
	for (size_t i = 0; i < json_object_array_length(health); i++) {
		struct json_object *h = json_object_array_get_idx(health, i);
		if (!worst || strcmp(json_str(worst, "state"), "good") == 0)
			worst = h;
	}
	bool off = !json_object_get_boolean(json_object_object_get(list, "enabled")), key = json_object_get_boolean(json_object_object_get(list, "needs_key"));
	const char *state = off ? "off" : key ? "no key" : worst ? json_str(worst, "state") : "untested";
	json_put_text(list, "state", state);
	json_put_text(list, "reason", off || key || !worst ? "" : json_str(worst, "reason"));
	json_put_bool(list, "named", strcmp(json_str(list, "title"), json_str(list, "zone")) != 0);
	json_put_bool(list, "good", strcmp(state, "good") == 0);
	json_put_bool(list, "quiet", off || key || strcmp(state, "untested") == 0);
	if (worst && *json_str(worst, "tested"))
		json_put_text(list, "tested_at", json_str(worst, "tested"));
}

static int build(struct call *c, struct json_object *out, struct err *e)
{
	struct json_object *ui = json_object_new_object();
	int64_t good = 0, asked = 0;
	if (lookup_lists(c, out, e) < 0)
		return 503;
	struct json_object *lists = json_object_object_get(out, "lists");
	for (size_t i = 0; i < json_object_array_length(lists); i++) {
		struct json_object *l = json_object_array_get_idx(lists, i);
		add_state(l);
		good += json_object_get_boolean(json_object_object_get(l, "good"));
		asked += strcmp(json_str(l, "state"), "off") != 0 && strcmp(json_str(l, "state"), "no key") != 0;
	}
	json_put_int(ui, "good", good);
	json_put_int(ui, "asked", asked);
	json_put(out, "ui", ui);
	return 200;
}

static const struct page_column csv[] = {
	{ "zone", "zone" }, { "list", "title" }, { "state", "state" }, { "reason", "reason" }, { "tested", "tested_at" }, { "kind", "kind" }, { "points", "points" },
	{ "asked_today", "asked_today" }, { "per_day", "per_day" }, { "licence", "licence" }, { "note", "note" }, { NULL, NULL },
};

const struct page page_rbl_lists = {
	.path = "/rbl/lists", .title = "Block lists that are asked", .template = "rbl-lists", .nav = "listings", .csv_rows = "lists", .csv = csv, .no_store = true, .build = build,
};
