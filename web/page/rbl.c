/* The look-up on block lists. The page itself is only the form; web/static/rbl.js fills it from /rbl/stream as answers come. */
#include "web/lookup.h"
#include "web/page.h"
#include "web/rows.h"

static int build(struct call *c, struct json_object *out, struct err *e)
{
	struct json_object *ui = json_object_new_object();
	(void)e;
	json_put_text(out, "target", form_get(&c->query, "target"));
	json_put_bool(ui, "asked", *form_get(&c->query, "target") != 0);
	json_put_bool(ui, "known", c->session != NULL);
	json_put_int(ui, "per_hour", c->web->conf->rbl.open_per_hour);
	json_put_text(ui, "client", c->client);
	json_put(out, "ui", ui);
	return 200;
}

static const struct page_column csv[] = { { "target", "target" }, { NULL, NULL } };

const struct page page_rbl = {
	.path = "/rbl", .title = "Look up on block lists", .template = "rbl", .nav = "listings", .csv = csv, .no_store = true, .build = build,
};
