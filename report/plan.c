#include "report/plan.h"

#include <stdio.h>
#include <stdlib.h>

#include "analyzer/acase.h"
#include "lib/times.h"

struct open_case {
	int64_t id, opened_us, evidence_us; /* opened_us: or opened anew */
	char customer[128];
	int level;
	bool acknowledged, ours; /* ours: about an address of our own, which is the desk's and no customer's */
	bool listing;
};

struct sent {           /* what went out, or was tried, for one case */
	int64_t last_us, last_failed_us, last_level_us;
	bool to_customer, to_desk;
};

/* A customer's row that has a contact: not each of its rows need have one. */
static const struct conf_customer *customer_row(const struct conf *conf, const char *name)
{
	for (size_t i = 0; *name && i < conf->n_customer; i++)
		if (strcmp(conf->customer[i].customer, name) == 0 && conf->customer[i].contact && *conf->customer[i].contact)
			return &conf->customer[i];
	return NULL;
}

/* Who gets the customer's letter: the customer, or the desk when nobody is known. */
static void address(const struct conf *conf, const struct open_case *c, struct letter_due *due)
{
	const struct conf_customer *row = customer_row(conf, c->customer);
	(void)snprintf(due->recipient, sizeof due->recipient, "%s", row ? row->contact : conf->notify.desk ? conf->notify.desk : "");
	(void)snprintf(due->language, sizeof due->language, "%s", row && row->language && *row->language ? row->language : conf->notify.default_language);
}

static struct sent what_was_sent(struct db *d, const struct open_case *c)
{
	struct sent s = { 0 };
	sqlite3_stmt *st = db_query(d, Q_PLAN_SENT, "i", c->id);
	while (sqlite3_step(st) == SQLITE_ROW) {
		bool desk = sv_eq(db_text(st, 0), SV("desk"));
		int64_t at = sqlite3_column_int64(st, 2);
		if (sv_eq(db_text(st, 1), SV("sent"))) {
			s.to_desk |= desk && at >= c->opened_us; /* it is told no earlier than a case opens by the log */
			s.to_customer |= !desk;
			if (!desk && at > s.last_us)
				s.last_us = at;
		} else if (at > s.last_failed_us) {
			s.last_failed_us = at;
		}
	}
	sqlite3_reset(st);
	st = db_query(d, Q_PLAN_LEVEL_RISE, "i", c->id);
	if (sqlite3_step(st) == SQLITE_ROW)
		s.last_level_us = sqlite3_column_int64(st, 0); /* 1 when the level rose after the last letter */
	sqlite3_reset(st);
	return s;
}

static const char *customer_letter(const struct conf *conf, const struct open_case *c, const struct sent *s, int64_t now_us)
{
	int least = case_level_named(conf->notify.min_level);
	if ((c->level < least && !c->listing) || /* a block list's entry is no suspicion */
	     now_us - s->last_failed_us < PLAN_RETRY_S * US_PER_S)
		return NULL;
	if (!s->to_customer)
		return "open";
	if (now_us - s->last_us < conf->notify.cooldown_s * US_PER_S)
		return NULL;
	if (s->last_level_us)
		return "rise";
	return c->evidence_us > s->last_us ? "reminder" : NULL;
}

/* The letter is about those that belong to the case, too, which get none of their own: what is newest and worst of them all counts. */
static void with_children(struct db *d, struct open_case *c)
{
	sqlite3_stmt *st = db_query(d, Q_PLAN_CHILDREN, "i", c->id);
	while (sqlite3_step(st) == SQLITE_ROW) {
		int64_t evidence_us = sqlite3_column_int64(st, 0);
		const char *named = (const char *)sqlite3_column_text(st, 1);
		int level = named ? case_level_named(named) : 0;
		c->evidence_us = evidence_us > c->evidence_us ? evidence_us : c->evidence_us;
		c->level = level > c->level ? level : c->level;
		c->listing |= sqlite3_column_int(st, 2) != 0;
	}
	sqlite3_reset(st);
}

static void plan_case(struct db *d, const struct conf *conf, const struct open_case *c, int64_t now_us, plan_cb *cb, void *ctx)
{
	struct letter_due due = { .case_id = c->id };
	struct sent s = what_was_sent(d, c);
	if (now_us - c->evidence_us > PLAN_STALE_S * US_PER_S)
		return;
	const char *kind = c->ours ? NULL : customer_letter(conf, c, &s, now_us);
	int64_t wait_us = c->ours ? 0 : conf->notify.escalate_s * US_PER_S;
	if (kind) {
		(void)snprintf(due.kind, sizeof due.kind, "%s", kind);
		address(conf, c, &due);
		if (*due.recipient)
			cb(ctx, &due);
	}
	if (!c->acknowledged && !s.to_desk && conf->notify.desk && *conf->notify.desk && (conf->notify.escalate_s > 0 || c->ours) &&
	    now_us - c->opened_us >= wait_us && now_us - s.last_failed_us >= PLAN_RETRY_S * US_PER_S) {
		(void)snprintf(due.kind, sizeof due.kind, "desk");
		(void)snprintf(due.recipient, sizeof due.recipient, "%s", conf->notify.desk);
		(void)snprintf(due.language, sizeof due.language, "%s", conf->notify.default_language);
		cb(ctx, &due);
	}
}

/* What was asked for while letters were off is history when they are switched on. */
static void asked_for(struct db *d, const struct conf *conf, int64_t now_us, plan_cb *cb, void *ctx)
{
	sqlite3_stmt *st = db_query(d, Q_PLAN_ASKED, "i", now_us - PLAN_STALE_S * US_PER_S);
	while (sqlite3_step(st) == SQLITE_ROW) {
		struct letter_due due = { .case_id = sqlite3_column_int64(st, 1), .notification_id = sqlite3_column_int64(st, 0), .kind = "asked" };
		struct open_case c = { .id = due.case_id };
		(void)snprintf(c.customer, sizeof c.customer, "%.*s", SVARG(db_text(st, 3)));
		address(conf, &c, &due);
		if (db_text(st, 2).n)
			(void)snprintf(due.recipient, sizeof due.recipient, "%.*s", SVARG(db_text(st, 2)));
		if (*due.recipient)
			cb(ctx, &due);
	}
	sqlite3_reset(st);
}

/* --- service ------------------------------------------------------------------------------------------------------ */

static bool alert_due(struct db *d, int64_t id, const char *recipient, int64_t now_us)
{
	sqlite3_stmt *st = db_query(d, Q_PLAN_ALERT_SENT, "is", id, recipient);
	bool sent = sqlite3_step(st) == SQLITE_ROW && sqlite3_column_int64(st, 0) > 0;
	sqlite3_reset(st);
	st = db_query(d, Q_PLAN_ALERT_FAILED, "is", id, recipient);
	int64_t failed_us = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_reset(st);
	return !sent && now_us - failed_us >= PLAN_RETRY_S * US_PER_S;
}

static void alert_to(struct db *d, struct letter_due *due, const char *recipient, const char *language, int64_t now_us, plan_cb *cb, void *ctx)
{
	if (!recipient || !*recipient || !alert_due(d, due->alert_id, recipient, now_us))
		return;
	(void)snprintf(due->recipient, sizeof due->recipient, "%s", recipient);
	(void)snprintf(due->language, sizeof due->language, "%s", language);
	cb(ctx, due);
}

/* How fast the queue drains is our matter, whether the primary answers is the customer's, too. */
static int plan_alerts(struct db *d, const struct conf *conf, int64_t now_us, plan_cb *cb, void *ctx, struct err *e)
{
	int rc = SQLITE_DONE;
	const char *to = conf->notify.service ? conf->notify.service : "desk";
	bool desk = strcmp(to, "desk") == 0 || strcmp(to, "both") == 0, customer = strcmp(to, "customer") == 0 || strcmp(to, "both") == 0;
	sqlite3_stmt *st = db_query(d, Q_PLAN_ALERTS, "ii", now_us - PLAN_STALE_S * US_PER_S, now_us);
	while ((desk || customer) && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct letter_due due = { .alert_id = sqlite3_column_int64(st, 0) };
		(void)snprintf(due.kind, sizeof due.kind, "%.*s", SVARG(db_text(st, 1)));
		if (strcmp(due.kind, "listings") == 0 || strcmp(due.kind, "network") == 0) { /* changes on block lists, when their hour is over; the network */
			alert_to(d, &due, conf->notify.desk, conf->notify.default_language, now_us, cb, ctx);
			continue;
		}
		const char *name = (const char *)sqlite3_column_text(st, 2);
		const struct conf_customer *row = customer && strcmp(due.kind, "slow-drain") != 0 ? customer_row(conf, name ? name : "") : NULL;
		if (desk || !row)
			alert_to(d, &due, conf->notify.desk, conf->notify.default_language, now_us, cb, ctx);
		if (row)
			alert_to(d, &due, row->contact, row->language && *row->language ? row->language : conf->notify.default_language, now_us, cb, ctx);
	}
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? 0 : err_set(e, "%s: %s", d->path, sqlite3_errmsg(d->h));
}

int plan_letters(struct db *d, const struct conf *conf, int64_t now_us, plan_cb *cb, void *ctx, struct err *e)
{
	int rc;
	sqlite3_stmt *st = db_query(d, Q_PLAN_CASES, "");
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct open_case c = { .id = sqlite3_column_int64(st, 0), .opened_us = sqlite3_column_int64(st, 1), .evidence_us = sqlite3_column_int64(st, 2) };
		const char *level = (const char *)sqlite3_column_text(st, 4);
		(void)snprintf(c.customer, sizeof c.customer, "%.*s", SVARG(db_text(st, 3)));
		c.level = level ? case_level_named(level) : 0;
		c.acknowledged = sqlite3_column_int(st, 5) != 0;
		c.ours = sqlite3_column_int(st, 6) != 0;
		c.listing = sqlite3_column_int(st, 7) != 0;
		with_children(d, &c);
		plan_case(d, conf, &c, now_us, cb, ctx);
	}
	sqlite3_reset(st);
	if (rc != SQLITE_DONE)
		return err_set(e, "%s: %s", d->path, sqlite3_errmsg(d->h));
	asked_for(d, conf, now_us, cb, ctx);
	return plan_alerts(d, conf, now_us, cb, ctx, e);
}
