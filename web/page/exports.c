/* The compromised hosts for other teams: the same rows as `abusewatch export compromised-hosts`. */
#include <stdlib.h>

#include "lib/csv.h"
#include "lib/times.h"
#include "report/export.h"
#include "web/page.h"
#include "web/rows.h"

/* The apostrophe is for spreadsheets; JSON and pages show the value itself, and CSV gets it again. */
static struct sv plain(struct sv cell)
{
	return cell.n > 1 && cell.p[0] == '\'' && strchr("=+-@\t\r", cell.p[1]) ? sv_skip(cell, 1) : cell;
}

static struct json_object *read_rows(struct sv text)
{
	struct json_object *all = json_object_new_array();
	struct csv_reader r;
	struct csv_row row;
	char *name[CSV_CELLS];
	size_t n = 0;
	csv_reader_init(&r, text);
	if (csv_next(&r, &row))
		for (; n < row.n && n < CSV_CELLS; n++)
			name[n] = xsvdup(row.v[n]);
	while (csv_next(&r, &row)) {
		struct json_object *o = json_object_new_object();
		for (size_t i = 0; i < row.n && i < n; i++)
			json_put(o, name[i], json_text(plain(row.v[i])));
		json_object_array_add(all, o);
	}
	for (size_t i = 0; i < n; i++)
		free(name[i]);
	csv_reader_fini(&r);
	return all;
}

static int build(struct call *c, struct json_object *out, struct err *e)
{
	struct buf text = { 0 };
	int64_t since_us = 0;
	struct sv since = sv_cstr(form_get(&c->query, "since"));
	if (since.n && times_parse_local(since, &since_us) < 0) {
		err_set(e, "\"%.80s\" is not a time. Write 2026-11-23 or a full RFC 3339 time.", since.p);
		return 400;
	}
	int r = export_compromised_hosts(&c->web->db, c->web->conf, since_us, &text, e);
	if (r == 0)
		json_put(out, "hosts", read_rows(buf_sv(&text)));
	buf_fini(&text);
	json_put_text(out, "since", since.p);
	call_audit(c, "exported compromised hosts");
	return r == 0 ? 200 : 500;
}

static const struct page_column csv[] = {
	{ "ip", "ip" }, { "account", "account" }, { "customer", "customer" }, { "contact", "contact" }, { "first_seen", "first_seen" },
	{ "last_seen", "last_seen" }, { "detectors", "detectors" }, { "score", "score" }, { "messages", "messages" }, { "recipients", "recipients" },
	{ "countries", "countries" }, { "asn", "asn" }, { "blocklists", "blocklists" }, { "case_id", "case_id" }, { "case_url", "case_url" }, { NULL, NULL },
};

const struct page page_exports = {
	.path = "/exports/compromised-hosts", .title = "Compromised hosts", .template = "compromised-hosts", .nav = "exports", .csv_rows = "hosts", .csv = csv,
	.build = build,
};
