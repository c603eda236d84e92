/* One domain whose second MX we are: when its primary answered, its outages, what waits and until when, what it refuses. */
#include <stdio.h>

#include "web/backup.h"
#include "web/page.h"

#define OUTAGES 100
#define ALERTS 50
#define RECIPIENTS 20
#define SHOWN_DAYS 14

/* Runs of slices in the same state, oldest first. What is unknown is left out. */
static void add_timeline(const struct backup_row *r, struct json_object *out)
{
	const struct backup_health *h = &r->health;
	struct json_object *list = json_object_new_array();
	uint32_t last = (uint32_t)(r->now_us / BACKUP_SLICE_US), from = last >= BACKUP_SLICES ? last - BACKUP_SLICES + 1 : 0;
	json_put(out, "timeline", list);
	for (uint32_t s = from; h->first_us && s <= last;) {
		enum backup_slice state = backup_slice_get(h, s);
		uint32_t end = s + 1;
		while (end <= last && backup_slice_get(h, end) == state)
			end++;
		if (state != BACKUP_UNKNOWN) {
			struct json_object *o = json_object_new_object();
			json_put(o, "from_at", json_time((int64_t)s * BACKUP_SLICE_US));
			json_put(o, "until_at", json_time((int64_t)end * BACKUP_SLICE_US));
			json_put_text(o, "state", backup_slice_name(state));
			json_put_int(o, "minutes", (int64_t)(end - s) * 5);
			json_object_array_add(list, o);
		}
		s = end;
	}
}

/* The worst of an hour's twelve slices. */
static struct json_object *cell(const struct backup_health *h, int64_t hour_us)
{
	unsigned n[4] = { 0 };
	char title[120];
	uint32_t first = (uint32_t)(hour_us / BACKUP_SLICE_US);
	for (uint32_t i = 0; i < 12; i++)
		n[backup_slice_get(h, first + i)]++;
	enum backup_slice worst = n[BACKUP_DOWN] ? BACKUP_DOWN : n[BACKUP_DEGRADED] ? BACKUP_DEGRADED : n[BACKUP_UP] ? BACKUP_UP : BACKUP_UNKNOWN;
	struct json_object *o = json_object_new_object();
	struct times_text t = times_text(hour_us, site_offset_s(hour_us));
	(void)snprintf(title, sizeof title, "%.10s %.5s: %u up, %u degraded, %u down, %u unknown", t.s, t.s + 11, n[BACKUP_UP], n[BACKUP_DEGRADED], n[BACKUP_DOWN],
	               n[BACKUP_UNKNOWN]);
	json_put_text(o, "state", backup_slice_name(worst));
	json_put_text(o, "title", title);
	return o;
}

static void add_grid(const struct backup_row *r, struct json_object *ui)
{
	struct json_object *days = json_object_new_array(), *hours = json_object_new_array();
	int64_t offset_us = site_offset_s(r->now_us) * US_PER_S, today = (r->now_us + offset_us) / US_PER_DAY;
	json_put(ui, "days", days);
	json_put(ui, "hours", hours);
	for (int hour = 0; hour < 24; hour++) {
		char text[8] = "";
		if (hour % 3 == 0)
			(void)snprintf(text, sizeof text, "%02d", hour);
		json_object_array_add(hours, json_object_new_string(text));
	}
	for (int64_t day = today; r->health.first_us && day > today - SHOWN_DAYS && (day + 1) * US_PER_DAY - offset_us > r->health.first_us; day--) {
		struct json_object *o = json_object_new_object(), *cells = json_object_new_array();
		json_put(o, "day_at", json_time(day * US_PER_DAY - offset_us));
		struct times_text t = times_text(day * US_PER_DAY, 0);
		t.s[10] = 0;
		json_put_text(o, "day", t.s);
		json_put(o, "cells", cells);
		for (int64_t hour = 0; hour < 24; hour++)
			json_object_array_add(cells, cell(&r->health, day * US_PER_DAY - offset_us + hour * US_PER_HOUR));
		json_object_array_add(days, o);
	}
}

/* When how many of the waiting messages are given up. */
static void add_expiry(const struct backup_row *r, struct json_object *out)
{
	struct json_object *list = json_object_new_array();
	int64_t now = r->now_us / US_PER_HOUR;
	uint64_t sum = 0;
	json_put(out, "expiry", list);
	for (int64_t hour = now - (BACKUP_RING_HOURS - 1); hour <= now; hour++) {
		uint32_t n = hour >= 0 ? r->health.ring[hour % BACKUP_RING_HOURS] : 0;
		if (!n)
			continue;
		struct json_object *o = json_object_new_object();
		json_put(o, "arrived_at", json_time(hour * US_PER_HOUR));
		json_put(o, "expires_at", json_time(hour * US_PER_HOUR + r->lifetime_s * US_PER_S));
		json_put_int(o, "messages", n);
		json_put_int(o, "until_then", (int64_t)(sum += n));
		json_object_array_add(list, o);
	}
}

static void add_days(const struct backup_row *r, struct json_object *out)
{
	struct json_object *list = json_object_new_array();
	uint32_t today = (uint32_t)(r->now_us / US_PER_DAY);
	json_put(out, "days", list);
	for (uint32_t i = 0; i < BACKUP_DAYS && i <= today; i++) {
		const struct backup_day *d = &r->health.day[(today - i) % BACKUP_DAYS];
		if (d->day != today - i || !d->day)
			continue;
		struct json_object *o = json_object_new_object();
		struct times_text t = times_text((int64_t)d->day * US_PER_DAY, 0);
		t.s[10] = 0;
		json_put_text(o, "day", t.s);
		json_put_int(o, "accepted", d->accepted);
		json_put_int(o, "delivered", d->delivered);
		json_put_int(o, "unknown", d->unknown);
		json_put_int(o, "refused", d->refused);
		json_put_int(o, "deferred", d->deferred);
		json_put_int(o, "expired", d->expired);
		json_put_int(o, "bounces", d->bounces);
		json_put_int(o, "rejected", d->rejected);
		json_object_array_add(list, o);
	}
}

static void add_causes(const struct backup_row *r, struct json_object *out)
{
	struct json_object *causes = json_object_new_array(), *relays = json_object_new_array();
	const struct backup_health *h = &r->health;
	json_put(out, "causes", causes);
	json_put(out, "answered_by", relays);
	for (size_t i = 0; i < BACKUP_REASONS; i++) {
		if (!h->cause[i].n)
			continue;
		struct json_object *o = json_object_new_object();
		json_put_text(o, "reason", backup_reason_name((enum backup_reason)i));
		json_put_int(o, "failures", h->cause[i].n);
		json_put(o, "last_at", json_time(h->cause[i].last_us));
		json_object_array_add(causes, o);
	}
	json_put(out, "last_failure", json_text(sv_cstr(h->cause_text)));
	for (size_t i = 0; i < BACKUP_RELAYS; i++) {
		if (!h->relay[i].last_us)
			continue;
		struct json_object *o = json_object_new_object();
		json_put(o, "host", json_text(sv_cstr(h->relay[i].host)));
		json_put(o, "ip", json_text(sv_cstr(h->relay[i].ip)));
		json_put_int(o, "answers", h->relay[i].answers);
		json_put(o, "last_at", json_time(h->relay[i].last_us));
		json_object_array_add(relays, o);
	}
}

static int add_rows(struct db *d, const char *domain, struct json_object *out, struct err *e)
{
	int64_t outages = OUTAGES, alerts = ALERTS, recipients = RECIPIENTS;
	sqlite3_stmt *st = db_query(d, Q_WEB_BACKUP_RECIPIENT_COUNTS, "s", domain);
	bool found = sqlite3_step(st) == SQLITE_ROW;
	json_put_int(out, "recipients_valid", found ? sqlite3_column_int64(st, 0) : 0);
	json_put_int(out, "recipients_unknown", found ? sqlite3_column_int64(st, 1) : 0);
	sqlite3_reset(st);
	if (rows_add(out, "outages", d, db_query(d, Q_WEB_BACKUP_OUTAGES, "si", domain, outages), e) < 0 ||
	    rows_add(out, "alerts", d, db_query(d, Q_WEB_BACKUP_ALERTS, "si", domain, alerts), e) < 0)
		return -1;
	return rows_add(out, "recipients", d, db_query(d, Q_WEB_BACKUP_RECIPIENTS, "si", domain, recipients), e);
}

/* How long each lasted; of one that lasts, until now. */
static void add_durations(struct json_object *outages, const struct backup_row *r)
{
	for (size_t i = 0; i < json_object_array_length(outages); i++) {
		struct json_object *o = json_object_array_get_idx(outages, i);
		int64_t begin = 0, end = r->now_us;
		(void)times_parse(sv_cstr(json_str(o, "begin_at")), &begin);
		if (*json_str(o, "end_at"))
			(void)times_parse(sv_cstr(json_str(o, "end_at")), &end);
		json_put_int(o, "duration_s", end > begin ? (end - begin) / US_PER_S : 0);
		json_put_bool(o, "lasts", !*json_str(o, "end_at"));
	}
}

static int build(struct call *c, struct json_object *out, struct err *e)
{
	struct db *d = &c->web->db;
	const struct conf_backup *b = backup_configured(c->web->conf, c->segment[1]);
	struct json_object *ui = json_object_new_object();
	struct backup_row r;
	json_put(out, "ui", ui);
	if (!b) {
		err_set(e, "%.200s is no domain under backup-domains in the config.", c->segment[1]);
		return 404;
	}
	if (backup_put(d, b->domain, b->primary, backup_now(d), out, &r, e) < 0 || add_rows(d, json_str(out, "domain"), out, e) < 0)
		return 500;
	add_durations(json_object_object_get(out, "outages"), &r);
	add_timeline(&r, out);
	add_expiry(&r, out);
	add_days(&r, out);
	add_causes(&r, out);
	add_grid(&r, ui);
	json_put_text(ui, "title", b->domain);
	json_put_bool(ui, "seen", r.health.first_us != 0);
	json_put_bool(ui, "has_expiry", r.health.queued > 0);
	json_put_bool(ui, "early", r.health.youngest_expiry_s && r.health.youngest_expiry_s + 86400 < r.lifetime_s);
	json_put_int(out, "youngest_expiry_s", r.health.youngest_expiry_s);
	json_put(out, "now_at", json_time(r.now_us));
	call_audit(c, "viewed backup domain %s", b->domain);
	return 200;
}

static const struct page_column csv[] = {
	{ "from", "from_at" }, { "until", "until_at" }, { "state", "state" }, { "minutes", "minutes" }, { NULL, NULL },
};

const struct page page_backup_domain = {
	.path = "/backup-mx/*", .title = "Backup domain", .template = "backup-domain", .nav = "backup", .csv_rows = "timeline", .csv = csv, .build = build,
};
