/* How abusewatch itself is: sources, what it does not understand, the store, versions. */
#include <microhttpd.h>
#include <sodium.h>
#include <sys/stat.h>

#include "lib/control.h"
#include "web/health.h"
#include "web/lookup.h"
#include "web/page.h"
#include "web/rows.h"

#define ABOUT_SHAPES 5 /* the coverage page has them all; the servers page all that is said of the network */
#define ABOUT_PING_MS 300

static int64_t file_bytes(const char *path, const char *suffix)
{
	struct buf b = { 0 };
	struct stat st;
	buf_printf(&b, "%s%s", path, suffix);
	int64_t n = stat(buf_cstr(&b), &st) == 0 ? (int64_t)st.st_size : 0;
	buf_fini(&b);
	return n;
}

/* Messages are those of the volume, which is kept as long as they are: there each counts once. In the archive one that was deferred for long is there twice, in
 * the segment of its first report and in that of its end. */
static int add_store(struct call *c, struct json_object *out, struct err *e)
{
	struct db *d = &c->web->db;
	struct json_object *o = rows_one(d, db_query(d, Q_WEB_STORE_COUNTS, ""), e);
	struct json_object *seg = o ? rows_one(d, db_query(d, Q_WEB_SEGMENTS, ""), e) : NULL;
	if (!seg) {
		json_object_put(o);
		return -1;
	}
	int64_t db_bytes = file_bytes(c->web->conf->store, "") + file_bytes(c->web->conf->store, "-wal");
	json_put_text(o, "path", c->web->conf->store);
	json_put_int(o, "database_bytes", db_bytes);
	json_put_int(o, "archive_bytes", json_int(seg, "bytes"));
	json_put_int(o, "segments", json_int(seg, "segments"));
	json_put(o, "oldest_at", json_object_get(json_object_object_get(seg, "first_at")));
	json_put(o, "newest_at", json_object_get(json_object_object_get(seg, "last_at")));
	json_put_int(o, "keep_messages_days", c->web->conf->keep_messages_days);
	json_put_int(o, "keep_cases_days", c->web->conf->keep_cases_days);
	json_object_put(seg);
	json_put(out, "store", o);
	return 0;
}

static void add_versions(struct call *c, struct json_object *out)
{
	struct json_object *v = json_object_new_object();
	json_put_text(v, "abusewatch", VERSION);
	json_put_text(v, "sqlite", sqlite3_libversion());
	json_put_text(v, "libmicrohttpd", MHD_get_version());
	json_put_text(v, "libsodium", sodium_version_string());
	json_put_text(v, "json_c", json_c_version());
	json_put(out, "versions", v);
	json_put(out, "started_at", json_time(c->web->started_us));
}

static void add_analyzer(struct call *c, struct json_object *out)
{
	struct err e = { "" };
	struct json_object *rq = json_object_new_object(), *o = json_object_new_object();
	json_put_text(rq, "do", "ping");
	struct json_object *rs = control_ask(conf_control_socket(c->web->conf).s, rq, ABOUT_PING_MS, &e);
	json_put_bool(o, "running", rs != NULL);
	json_put_text(o, "problem", rs ? "" : e.text);
	if (rs && json_object_object_get(rs, "principals")) {
		json_put_int(o, "principals", json_int(rs, "principals"));
		json_put_int(o, "principals_bytes", json_int(rs, "principals_bytes"));
		json_put_int(o, "resting", json_int(rs, "resting"));
		json_put_int(o, "resting_bytes", json_int(rs, "resting_bytes"));
		json_put_int(o, "evicted", json_int(rs, "evicted"));
		json_put_bool(o, "counts", true);
	}
	json_put(out, "analyzer", o);
	json_object_put(rs);
	json_object_put(rq);
}

/* Who asks the block lists, and how many of those that may be asked are in order for every kind of target that they have. */
static void add_probe(struct call *c, struct json_object *out)
{
	struct err e = { "" };
	struct json_object *all = json_object_new_object(), *o = json_object_new_object();
	int64_t asked = 0, good = 0;
	json_put_bool(o, "running", lookup_lists(c, all, &e) == 0);
	struct json_object *lists = json_object_object_get(all, "lists");
	for (size_t i = 0; i < json_object_array_length(lists); i++) {
		struct json_object *l = json_object_array_get_idx(lists, i), *health = json_object_object_get(l, "health");
		bool fine = true;
		if (!json_object_get_boolean(json_object_object_get(l, "enabled")) || json_object_get_boolean(json_object_object_get(l, "needs_key")))
			continue;
		for (size_t k = 0; k < json_object_array_length(health); k++)
			fine = fine && strcmp(json_str(json_object_array_get_idx(health, k), "state"), "good") == 0;
		asked++;
		good += fine;
	}
	json_put_int(o, "lists", asked);
	json_put_int(o, "in_order", good);
	json_put(out, "probe", o);
	json_object_put(all);
}

static int build(struct call *c, struct json_object *out, struct err *e)
{
	struct db *d = &c->web->db;
	int64_t limit = ABOUT_SHAPES;
	json_put_text(out, "config", c->web->conf->path);
	if (health_add(c, out, e) < 0 || add_store(c, out, e) < 0 ||
	    rows_add(out, "network", d, db_query(d, Q_NETWORK_EVENTS, "issi", (int64_t)0, "", "network", limit), e) < 0 ||
	    rows_add(out, "unrecognised", d, db_query(d, Q_WEB_UNRECOGNISED, "si", "", limit), e) < 0)
		return 500;
	add_versions(c, out);
	add_analyzer(c, out);
	add_probe(c, out);
	struct json_object *ui = json_object_new_object();
	json_put_bool(ui, "has_captures", json_object_array_length(json_object_object_get(out, "captures")) > 0);
	json_put_bool(ui, "has_network", json_object_array_length(json_object_object_get(out, "network")) > 0);
	json_put_bool(ui, "has_unrecognised", json_object_array_length(json_object_object_get(out, "unrecognised")) > 0);
	json_put(out, "ui", ui);
	return 200;
}

static const struct page_column csv[] = {
	{ "source", "source" }, { "path", "path" }, { "state", "state" }, { "last_event", "last_event_at" }, { "heard", "heard_at" }, { "lag_bytes", "lag_bytes" },
	{ "lines", "lines" }, { "recognised", "recognised" }, { "unrecognised", "unrecognised" }, { "recognised_percent", "recognised_percent" },
	{ "messages", "txns" }, { "open_messages", "open_messages" }, { NULL, NULL },
};

const struct page page_about = {
	.path = "/about", .title = "About and health", .template = "about", .nav = "about", .csv_rows = "collectors", .csv = csv, .build = build,
};
