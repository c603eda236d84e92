/* The tables of analyzer/listing.h. */
#include <stdlib.h>

#include "analyzer/listing_int.h"
#include "analyzer/store.h"

/* --- loading ------------------------------------------------------------------------------------------------------ */

static char *list_or_null(sqlite3_stmt *st, int column)
{
	struct sv v = db_text(st, column);
	return v.n <= 2 ? NULL : xsvdup(v);
}

static uint8_t number(int named)
{
	return named < 0 ? 0 : (uint8_t)named;
}

static void replace(char **to, struct sv text)
{
	free(*to);
	*to = xsvdup(text);
}

static void load_zones(struct store *s, struct judge *j)
{
	sqlite3_stmt *st = db_query(&s->db, Q_LISTING_ZONE_ALL, "");
	while (db_row(&s->db, st)) {
		struct listing_zone *z = listing_zone_made(j, db_text(st, 0));
		if (!z)
			break;
		z->verdict = number(dnsbl_verdict_named(db_text(st, 1)));
		replace(&z->reason, db_text(st, 2));
		z->since_us = sqlite3_column_int64(st, 3);
		z->heard_us = sqlite3_column_int64(st, 4);
		z->suspended_us = sqlite3_column_int64(st, 5);
	}
	sqlite3_reset(st);
}

static void load_targets(struct store *s, struct judge *j)
{
	sqlite3_stmt *st = db_query(&s->db, Q_LISTING_TARGET_ALL, "");
	while (db_row(&s->db, st)) {
		struct listing_target *t = listing_target_made(j, db_text(st, 0), sqlite3_column_int64(st, 2));
		struct sv seen = db_blob(st, 10);
		if (!t)
			break;
		if (seen.n == sizeof t->seen)
			memcpy(t->seen, seen.p, seen.n);
		t->kind = (uint8_t)(principal_kind_named((const char *)sqlite3_column_text(st, 1)) < 0 ? t->kind : principal_kind_named((const char *)sqlite3_column_text(st, 1)));
		t->heard_us = sqlite3_column_int64(st, 3);
		t->risk = number(listing_risk_named(db_text(st, 4)));
		t->risk_points = sqlite3_column_int(st, 5);
		t->own_points = sqlite3_column_int(st, 6);
		t->risk_us = sqlite3_column_int64(st, 7);
		t->reasons = list_or_null(st, 8);
		t->cause = list_or_null(st, 9);
	}
	sqlite3_reset(st);
}

static void load_pair(sqlite3_stmt *st, struct listing_pair *p)
{
	p->state = number(listing_state_named(db_text(st, 2)));
	p->verdict = number(dnsbl_verdict_named(db_text(st, 3)));
	p->kind = number(dnsbl_kind_named(db_text(st, 4)));
	p->code = (uint32_t)sqlite3_column_int64(st, 5);
	p->points = sqlite3_column_int(st, 6);
	replace(&p->meaning, db_text(st, 7));
	replace(&p->text, db_text(st, 8));
	p->heard_us = sqlite3_column_int64(st, 9);
	p->since_us = sqlite3_column_int64(st, 10);
	p->listed_us = sqlite3_column_int64(st, 11);
	p->negative_us = sqlite3_column_int64(st, 12);
	p->negatives = (uint32_t)sqlite3_column_int64(st, 13);
	p->named = (uint32_t)sqlite3_column_int64(st, 14);
	p->named_us = sqlite3_column_int64(st, 15);
	p->named_from_us = sqlite3_column_int64(st, 16);
	p->fresh = sqlite3_column_int(st, 17) != 0;
	p->cause = list_or_null(st, 18);
}

void store_listing_load(struct store *s, struct judge *j)
{
	load_zones(s, j);
	load_targets(s, j);
	sqlite3_stmt *st = db_query(&s->db, Q_LISTING_ALL, "");
	while (db_row(&s->db, st)) {
		struct listing_target *t = listing_target_named(j, db_text(st, 0));
		struct listing_zone *z = listing_zone_made(j, db_text(st, 1));
		struct listing_pair *p = t && z ? listing_pair_made(j, t, z) : NULL;
		if (p)
			load_pair(st, p);
	}
	sqlite3_reset(st);
	listing_loaded(j);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static const char *list(const char *json)
{
	return json ? json : "[]";
}

static int write_target(struct store *s, const struct judge *j, const struct listing_target *t, struct err *e)
{
	return db_run(&s->db, e, Q_LISTING_TARGET_PUT, "sssiiiiisiiissb", t->name, principal_kind_name(t->kind),
	              enrich_customer(j->enrich, (enum principal_kind)t->kind, sv_cstr(t->name)), t->first_us, t->heard_us, (int64_t)t->points, (int64_t)t->on, (int64_t)t->main_on,
	              listing_risk_name(t->risk), (int64_t)t->risk_points, (int64_t)t->own_points, t->risk_us, list(t->reasons), list(t->cause),
	              sv_make((const char *)t->seen, sizeof t->seen));
}

static int write_pair(struct store *s, const struct listing_pair *p, struct err *e)
{
	return db_run(&s->db, e, Q_LISTING_PUT, "sssssiissiiiiiiiiis", p->target->name, p->zone->name, listing_state_name(p->state), dnsbl_verdict_name(p->verdict),
	              dnsbl_kind_name(p->kind), (int64_t)p->code, (int64_t)p->points, p->meaning, p->text, p->heard_us, p->since_us, p->listed_us, p->negative_us,
	              (int64_t)p->negatives, (int64_t)p->named, p->named_us, p->named_from_us, (int64_t)p->fresh, list(p->cause));
}

/* The hour's letter is due when the hour is over. */
static int write_change(struct store *s, const struct listing_change *c, struct err *e)
{
	const char *kind = c->target[0] ? principal_kind_name(c->kind) : "", *entry = c->target[0] ? dnsbl_kind_name(c->entry) : "";
	int64_t hour_us = c->at_us - c->at_us % US_PER_HOUR;
	int bad = db_run(&s->db, e, Q_LISTING_CHANGE_PUT, "issssssiisssiiii", c->at_us, listing_what_name(c->what), c->target, c->zone, kind, c->customer, entry,
	                 (int64_t)c->code, (int64_t)c->points, c->meaning, c->text, list(c->cause), c->since_us, (int64_t)c->before, (int64_t)c->after, (int64_t)c->tell);
	if (!bad && c->what == LISTING_WHAT_LISTED)
		bad = db_run(&s->db, e, Q_LISTING_PAST_BEGIN, "ssisssiisss", c->target, c->zone, c->since_us, kind, c->customer, entry, (int64_t)c->code,
		             (int64_t)c->points, c->meaning, c->text, list(c->cause));
	if (!bad && (c->what == LISTING_WHAT_DELISTED || c->what == LISTING_WHAT_UNWATCHED || c->what == LISTING_WHAT_WITHDRAWN))
		bad = db_run(&s->db, e, Q_LISTING_PAST_END, "iiissssi", c->at_us, (int64_t)c->code, (int64_t)c->points, c->meaning, c->text, c->target, c->zone, c->since_us);
	if (!bad && c->tell)
		bad = db_run(&s->db, e, Q_SERVICE_ALERT_PUT, "ssiissi", "", "listings", hour_us, hour_us + US_PER_HOUR, "", "", (int64_t)0);
	return bad;
}

int store_listing_write(struct store *s, const struct judge *j, struct err *e)
{
	const struct listing *l = j->listing;
	int bad = 0;
	for (const struct listing_target *t = l->dirty_targets; t && !bad; t = t->next_dirty)
		bad = write_target(s, j, t, e);
	for (const struct listing_pair *p = l->dirty; p && !bad; p = p->next_dirty)
		bad = write_pair(s, p, e);
	for (const struct listing_zone *z = l->zones; z && !bad; z = z->next)
		if (z->dirty)
			bad = db_run(&s->db, e, Q_LISTING_ZONE_PUT, "sssiiii", z->name, dnsbl_verdict_name(z->verdict), z->reason, z->since_us, z->heard_us, z->suspended_us,
			             (int64_t)z->id);
	for (size_t i = 0; i < l->n_changes && !bad; i++)
		bad = write_change(s, &l->change[i], e);
	return bad;
}
