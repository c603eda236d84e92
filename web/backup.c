#include "web/backup.h"

#include <stdio.h>
#include <strings.h>

int64_t backup_now(struct db *d)
{
	sqlite3_stmt *st = db_query(d, Q_WEB_BACKUP_NOW, "");
	int64_t us = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_reset(st);
	return us;
}

const struct conf_backup *backup_configured(const struct conf *conf, const char *domain)
{
	for (size_t i = 0; i < conf->n_backup; i++)
		if (strcasecmp(conf->backup[i].domain, domain) == 0)
			return &conf->backup[i];
	return NULL;
}

/* 1/100 % → per cent with two decimals, null when unknown. Rounded towards what is worse: 99.998 % is not 100 %. */
static struct json_object *percent(int32_t hundredths)
{
	char text[32];
	if (hundredths < 0)
		return NULL;
	(void)snprintf(text, sizeof text, hundredths % 100 ? "%d.%02d" : "%d", hundredths / 100, hundredths % 100);
	return json_object_new_double_s(hundredths / 100.0, text);
}

static int64_t down_us(struct db *d, const char *domain, int64_t since_us, int64_t now_us)
{
	sqlite3_stmt *st = db_query(d, Q_WEB_BACKUP_DOWN_TIME, "iis", now_us, since_us, domain);
	int64_t us = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_reset(st);
	return us;
}

static void put_availability(struct db *d, const char *domain, const struct backup_row *r, struct json_object *o)
{
	static const struct { const char *key; int days; } windows[] = { { "h24", 1 }, { "d7", 7 }, { "d30", 30 } };
	struct json_object *all = json_object_new_object();
	for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
		int64_t since = r->now_us - windows[i].days * US_PER_DAY;
		struct backup_availability a = backup_available(&r->health, since, r->now_us + 1);
		struct json_object *w = json_object_new_object();
		json_put_bool(w, "known", a.share >= 0);
		json_put(w, "percent", percent(a.share));
		json_put(w, "low", percent(a.low));
		json_put(w, "high", percent(a.high));
		json_put(w, "coverage", percent(a.coverage));
		json_put_int(w, "slices_up", a.up);
		json_put_int(w, "slices_degraded", a.degraded);
		json_put_int(w, "slices_down", a.down);
		json_put_int(w, "outage_s", down_us(d, domain, since, r->now_us) / US_PER_S);
		json_put(all, windows[i].key, w);
	}
	json_put(o, "availability", all);
}

static void put_queue(const struct backup_row *r, struct json_object *o)
{
	struct backup_projection p = backup_project(&r->health, r->lifetime_s, r->now_us);
	int64_t age_us = p.oldest_us ? r->now_us - p.oldest_us : 0;
	json_put_int(o, "queued", p.queued);
	json_put(o, "oldest_at", json_time(p.oldest_us));
	json_put_int(o, "oldest_s", age_us > 0 ? age_us / US_PER_S : 0);
	json_put(o, "first_expiry_at", json_time(p.expiry_us));
	json_put_int(o, "first_expiring", p.first);
	json_put_int(o, "expiring_24h", p.within_24h);
	json_put_int(o, "expiring_48h", p.within_48h);
	json_put_int(o, "overdue", p.overdue);
	json_put_int(o, "needed_per_hour", p.needed_hour);
	json_put_int(o, "drained_per_hour", p.drained_hour);
	json_put(o, "clear_at", json_time(r->health.outage_us ? 0 : p.clear_us));
	json_put_int(o, "untracked", r->health.untracked);
	json_put_int(o, "lost", r->health.lost);
}

static void put_counts(const struct backup_row *r, struct json_object *o)
{
	struct backup_day s = backup_days_sum(&r->health, r->now_us, 7);
	uint32_t answered = s.delivered + s.unknown;
	json_put_int(o, "accepted", s.accepted);
	json_put_int(o, "judged", answered);
	json_put_int(o, "delivered", s.delivered);
	json_put_int(o, "unknown", s.unknown);
	json_put_int(o, "refused", s.refused);
	json_put_int(o, "expired", s.expired);
	json_put_int(o, "bounces", s.bounces);
	json_put_int(o, "rejected", s.rejected);
	json_put(o, "unknown_percent", percent(answered ? (int32_t)((uint64_t)s.unknown * 10000 / answered) : -1));
}

static int64_t state_since(const struct backup_health *h, enum backup_state s)
{
	switch (s) {
	case BACKUP_STATE_NO_MAIL: return 0;
	case BACKUP_STATE_NO_ANSWER: return h->first_us;
	case BACKUP_STATE_UP: return h->over_us;
	case BACKUP_STATE_DEGRADED: return h->later_us;
	case BACKUP_STATE_OUTAGE: return h->outage_us;
	case BACKUP_STATE_FAILING:
	case BACKUP_STATE_NEVER: return h->streak_us;
	case BACKUP_STATES: break;
	}
	return 0;
}

static void put_state(const struct backup_row *r, struct json_object *o)
{
	const struct backup_health *h = &r->health;
	enum backup_state s = backup_state_of(h, r->now_us);
	size_t cause = 0;
	for (size_t i = 1; i < BACKUP_REASONS; i++)
		if (h->cause[i].last_us > h->cause[cause].last_us)
			cause = i;
	json_put_text(o, "state", backup_state_name(s));
	json_put(o, "since_at", json_time(state_since(h, s)));
	json_put_text(o, "reason", h->streak_us && h->cause[cause].last_us ? backup_reason_name((enum backup_reason)cause) : "");
	json_put(o, "first_at", json_time(h->first_us));
	json_put(o, "last_at", json_time(h->last_us));
	json_put(o, "answered_at", json_time(h->answered_us));
	json_put(o, "accepted_at", json_time(h->accepted_us));
	json_put(o, "failed_at", json_time(h->failed_us));
}

static int put_case(struct db *d, const char *domain, struct json_object *o, struct err *e)
{
	struct json_object *row = rows_one(d, db_query(d, Q_WEB_BACKUP_CASE, "s", domain), e);
	if (row)
		json_merge(o, row);
	return !row && e->text[0] ? -1 : 0;
}

int backup_put(struct db *d, const char *domain, const char *primary, int64_t now_us, struct json_object *o, struct backup_row *r, struct err *e)
{
	char name[256];
	sqlite3_stmt *st;
	*r = (struct backup_row){ .now_us = now_us };
	(void)snprintf(name, sizeof name, "%s", domain);
	for (char *p = name; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
	st = db_query(d, Q_WEB_BACKUP_DOMAIN, "s", name);
	json_put_text(o, "domain", name);
	json_put_text(o, "primary", primary);
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		struct sv blob = db_blob(st, 4);
		r->lifetime_s = sqlite3_column_int64(st, 2);
		json_put(o, "customer", json_text(db_text(st, 3)));
		r->found = blob.n == sizeof r->health;
		if (r->found)
			memcpy(&r->health, blob.p, sizeof r->health);
		r->found = r->found && r->health.version == BACKUP_HEALTH_VERSION;
		if (!r->found)
			r->health = (struct backup_health){ .version = BACKUP_HEALTH_VERSION };
	}
	sqlite3_reset(st);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return err_set(e, "%s", sqlite3_errmsg(d->h));
	json_put_int(o, "lifetime_s", r->lifetime_s);
	put_state(r, o);
	put_availability(d, name, r, o);
	put_queue(r, o);
	put_counts(r, o);
	return put_case(d, name, o, e);
}
