/* Who is on which block list now, how near our own addresses are to it, and which lists cannot be trusted. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/prefix.h"
#include "web/list.h"
#include "web/listings.h"
#include "web/page.h"
#include "web/rows.h"

static const char *const columns[] = { "-since", "target", "zone", "-points", "customer", "-heard", NULL };
static const char *const states[] = { "", "listed", "suspect", "held", "policy", "all", NULL };
static const char *const state_labels[] = { "on a list", "listed", "suspect", "held", "policy lists", "all that are kept" };
static const char *const fields[] = { "state", "zone", "text", NULL };

static void add_filters(const struct call *c, struct json_object *out, struct json_object *ui)
{
	struct json_object *f = json_object_new_object();
	bool filtered = false;
	for (size_t i = 0; fields[i]; i++) {
		json_put_text(f, fields[i], form_get(&c->query, fields[i]));
		filtered |= *form_get(&c->query, fields[i]) != 0;
	}
	json_put(out, "filter", f);
	json_put_bool(ui, "filtered", filtered);
	list_choices(ui, "states", states, state_labels, form_get(&c->query, "state"));
}

/* --- networks ----------------------------------------------------------------------------------------------------- */

struct net { struct ipaddr addr; int64_t listed; };

static int by_address(const void *a, const void *b)
{
	return memcmp(((const struct net *)a)->addr.b, ((const struct net *)b)->addr.b, 16);
}

static void add_net(struct json_object *all, const struct net *n)
{
	char text[48];
	bool v4 = ipaddr_is_v4(&n->addr);
	struct json_object *o = json_object_new_object();
	size_t len = ipaddr_text(&n->addr, text);
	(void)snprintf(text + len, sizeof text - len, v4 ? "/24" : "/48");
	json_put_text(o, "network", text);
	json_put_int(o, "listed", n->listed);
	json_put_int(o, "limit", 5);
	json_put_bool(o, "near", n->listed >= 3);
	json_object_array_add(all, o);
}

/* Listed addresses by /24 (IPv6: /48): from five on UCEPROTECT lists the whole network. */
static int add_networks(struct call *c, struct json_object *out, struct err *e)
{
	struct db *d = &c->web->db;
	struct json_object *rows = rows_all(d, db_query(d, Q_WEB_LISTING_ADDRESSES, ""), e), *all = json_object_new_array();
	size_t n = rows ? json_object_array_length(rows) : 0, k = 0;
	struct net *v = xcalloc(n + 1, sizeof *v);
	json_put(out, "networks", all);
	for (size_t i = 0; i < n; i++) {
		if (ipaddr_parse(sv_cstr(json_str(json_object_array_get_idx(rows, i), "target")), &v[k].addr) < 0)
			continue;
		bool v4 = ipaddr_is_v4(&v[k].addr);
		memset(v[k].addr.b + (v4 ? 15 : 6), 0, v4 ? 1 : 10);
		v[k++].listed = 1;
	}
	qsort(v, k, sizeof *v, by_address);
	for (size_t i = 0; i < k; i++) {
		if (i + 1 < k && by_address(&v[i], &v[i + 1]) == 0)
			v[i + 1].listed += v[i].listed;
		else
			add_net(all, &v[i]);
	}
	free(v);
	json_object_put(rows);
	return rows ? 0 : -1;
}

/* --- page --------------------------------------------------------------------------------------------------------- */

static bool has(struct json_object *out, const char *key)
{
	return json_object_array_length(json_object_object_get(out, key)) > 0;
}

static int add_all(struct call *c, struct json_object *out, struct json_object *ui, struct err *e)
{
	struct db *d = &c->web->db;
	struct list l = list_of(c, columns);
	const char *state = form_get(&c->query, "state"), *zone = form_get(&c->query, "zone"), *text = form_get(&c->query, "text");
	sqlite3_stmt *st = db_query(d, Q_WEB_LISTINGS_COUNT, "sss", state, zone, text);
	int64_t total = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_reset(st);
	list_pages(c, out, ui, &l, total);
	list_sort_links(c, ui, &l, columns);
	struct json_object *sums = rows_one(d, db_query(d, Q_WEB_LISTING_SUMS, ""), e);
	if (!sums)
		return -1;
	json_merge(out, sums);
	return listings_rows(c, out, "listings", db_query(d, Q_WEB_LISTINGS, "ssssiii", state, zone, text, l.sort, l.direction, l.limit, l.offset), e) < 0 ||
	               listings_own(c, out, e) < 0 || add_networks(c, out, e) < 0 || listings_rows(c, out, "zones", db_query(d, Q_WEB_LISTING_ZONES, ""), e) < 0
	       ? -1 : 0;
}

static int build(struct call *c, struct json_object *out, struct err *e)
{
	struct json_object *ui = json_object_new_object();
	json_put(out, "ui", ui);
	add_filters(c, out, ui);
	if (add_all(c, out, ui, e) < 0)
		return 500;
	json_put_bool(ui, "has_own", has(out, "own"));
	json_put_bool(ui, "has_networks", has(out, "networks"));
	json_put_bool(ui, "has_zones", has(out, "zones"));
	json_put_bool(ui, "watched", json_int(out, "targets") > 0);
	call_audit(c, "listed block list entries (state \"%s\", zone \"%s\", text \"%s\")", form_get(&c->query, "state"), form_get(&c->query, "zone"),
	           form_get(&c->query, "text"));
	return 200;
}

static const struct page_column csv[] = {
	{ "target", "target" }, { "kind", "kind" }, { "customer", "customer" }, { "zone", "zone" }, { "list", "title" }, { "state", "state" }, { "entry", "entry" },
	{ "code", "code" }, { "meaning", "meaning" }, { "text", "text" }, { "points", "points" }, { "since", "since_at" }, { "lasts_s", "lasts_s" },
	{ "named_24h", "named" }, { "last_answer", "verdict" }, { "last_look", "heard_at" }, { "delist", "delist" }, { NULL, NULL },
};

const struct page page_listings = {
	.path = "/listings", .title = "Block lists", .template = "listings", .nav = "listings", .csv_rows = "listings", .csv = csv, .build = build,
};
