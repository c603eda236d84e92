/* The domains whose second MX we are: does the first one answer, what waits, what will be given up. */
#include "web/backup.h"
#include "web/page.h"

/* What needs somebody first. */
static int urgency(struct json_object *row)
{
	static const char *const order[] = { "outage", "never-answered", "failing", "degraded" };
	int points = json_int(row, "expiring_24h") ? 32 : json_int(row, "expiring_48h") ? 16 : 0;
	for (int i = 0; i < 4; i++)
		if (strcmp(json_str(row, "state"), order[i]) == 0)
			points += 8 - 2 * i;
	return points + (json_int(row, "case_id") != 0);
}

static int by_urgency(const void *a, const void *b)
{
	struct json_object *x = *(struct json_object *const *)a, *y = *(struct json_object *const *)b;
	int more = urgency(y) - urgency(x);
	return more ? more : strcmp(json_str(x, "domain"), json_str(y, "domain"));
}

static int build(struct call *c, struct json_object *out, struct err *e)
{
	struct db *d = &c->web->db;
	const struct conf *conf = c->web->conf;
	struct json_object *all = json_object_new_array(), *ui = json_object_new_object();
	int64_t now_us = backup_now(d), queued = 0, troubled = 0;
	json_put(out, "domains", all);
	json_put(out, "now_at", json_time(now_us));
	for (size_t i = 0; i < conf->n_backup; i++) {
		struct json_object *o = json_object_new_object();
		struct backup_row r;
		json_object_array_add(all, o);
		if (backup_put(d, conf->backup[i].domain, conf->backup[i].primary, now_us, o, &r, e) < 0)
			return 500;
		queued += json_int(o, "queued");
		troubled += urgency(o) > 1;
	}
	json_object_array_sort(all, by_urgency);
	json_put_int(out, "total", (int64_t)conf->n_backup);
	json_put_int(out, "queued", queued);
	json_put_int(out, "troubled", troubled);
	json_put_bool(ui, "any", conf->n_backup > 0);
	json_put(out, "ui", ui);
	return 200;
}

static const struct page_column csv[] = {
	{ "domain", "domain" }, { "primary", "primary" }, { "customer", "customer" }, { "state", "state" }, { "since", "since_at" }, { "reason", "reason" },
	{ "available_24h", "availability.h24.percent" }, { "coverage_24h", "availability.h24.coverage" }, { "available_7d", "availability.d7.percent" },
	{ "coverage_7d", "availability.d7.coverage" }, { "available_30d", "availability.d30.percent" }, { "coverage_30d", "availability.d30.coverage" },
	{ "outage_30d_s", "availability.d30.outage_s" }, { "queued", "queued" }, { "oldest", "oldest_at" }, { "expiring_24h", "expiring_24h" },
	{ "expiring_48h", "expiring_48h" }, { "accepted_7d", "accepted" }, { "unknown_7d", "unknown" }, { "unknown_percent", "unknown_percent" },
	{ "bounces_7d", "bounces" }, { "case", "case_id" }, { NULL, NULL },
};

const struct page page_backup_mx = {
	.path = "/backup-mx", .title = "Backup MX", .template = "backup-mx", .nav = "backup", .csv_rows = "domains", .csv = csv, .build = build,
};
