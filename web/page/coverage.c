/* How much of each source is understood, and what is not: clusters of lines with a sample each. */
#include "web/health.h"
#include "web/page.h"
#include "web/rows.h"

#define COVERAGE_CLUSTERS 1000

/* Each source as a link that shows its lines only. */
static void mark_chosen(struct json_object *sources, const char *chosen)
{
	for (size_t i = 0; i < json_object_array_length(sources); i++) {
		struct json_object *s = json_object_array_get_idx(sources, i);
		json_put_bool(s, "chosen", strcmp(json_str(s, "source"), chosen) == 0);
	}
}

static int build(struct call *c, struct json_object *out, struct err *e)
{
	struct db *d = &c->web->db;
	const char *source = form_get(&c->query, "source");
	int64_t limit = COVERAGE_CLUSTERS;
	if (health_add(c, out, e) < 0 || rows_add(out, "clusters", d, db_query(d, Q_WEB_UNRECOGNISED, "si", source, limit), e) < 0)
		return 500;
	struct json_object *sources = json_object_object_get(out, "collectors"), *ui = json_object_new_object();
	mark_chosen(sources, source);
	json_put_text(out, "source", source);
	json_put_bool(ui, "has_clusters", json_object_array_length(json_object_object_get(out, "clusters")) > 0);
	json_put_bool(ui, "filtered", *source != 0);
	json_put(out, "ui", ui);
	return 200;
}

static const struct page_column csv[] = {
	{ "source", "source" }, { "program", "program" }, { "lines", "lines" }, { "cluster", "shape" }, { "sample", "sample" }, { NULL, NULL },
};

const struct page page_coverage = {
	.path = "/coverage", .title = "Coverage", .template = "coverage", .nav = "about", .csv_rows = "clusters", .csv = csv, .build = build,
};
