/* The tables of analyzer/backup.h. */
#include <stdlib.h>

#include "analyzer/backup.h"
#include "analyzer/store.h"
#include "lib/msg.h"

bool store_backup_domain(void *ctx, struct backup_domain *d)
{
	struct store *s = ctx;
	const struct backup_health *h;
	sqlite3_stmt *st = db_query(&s->db, Q_BACKUP_DOMAIN_GET, "s", d->name);
	bool found = db_row(&s->db, st);
	struct sv v = found ? db_blob(st, 0) : (struct sv){ 0 };
	if (v.n == sizeof *h) {
		memcpy(&d->health, v.p, sizeof *h);
		found = d->health.version == BACKUP_HEALTH_VERSION && d->health.bytes == sizeof *h;
		if (!found)
			d->health = (struct backup_health){ .version = BACKUP_HEALTH_VERSION, .bytes = sizeof *h };
	}
	if (v.n && (!found || v.n != sizeof *h))
		msg_warn("%s: what was known of the backup domain %s is of another version; it is learned anew", s->db.path, d->name);
	sqlite3_reset(st);
	d->dirty = !found;
	return found;
}

void store_backup_load(struct store *s, struct judge *j)
{
	backup_configure(j);
	for (size_t i = 0; i < j->backup->n_domains; i++)
		(void)store_backup_domain(s, j->backup->domain[i]);
	backup_recount(j);
}

static int write_domain(struct store *s, const struct judge *j, const struct backup_domain *d, struct err *e)
{
	return db_run(&s->db, e, Q_BACKUP_DOMAIN_PUT, "ssisb", d->name, d->primary, backup_options(j)->lifetime_s,
	              enrich_customer(j->enrich, PRINCIPAL_MX, sv_cstr(d->name)), sv_make((const char *)&d->health, sizeof d->health));
}

int store_backup_write(struct store *s, const struct judge *j, struct err *e)
{
	const struct backup *b = j->backup;
	int bad = 0;
	for (size_t i = 0; i < b->n_domains && !bad; i++)
		if (b->domain[i]->dirty)
			bad = write_domain(s, j, b->domain[i], e);
	for (size_t i = 0; i < b->n_outages && !bad; i++) {
		const struct backup_outage_row *r = &b->outage[i];
		bad = db_run(&s->db, e, Q_BACKUP_OUTAGE_PUT, "siiis", r->domain->name, r->begin_us, r->end_us, (int64_t)r->failures,
		             backup_reason_name((enum backup_reason)r->reason));
	}
	for (size_t i = 0; i < b->n_rcpts && !bad; i++) {
		const struct backup_rcpt_row *r = &b->rcpt[i];
		bad = db_run(&s->db, e, Q_BACKUP_RECIPIENT_PUT, "ssii", r->domain->name, r->recipient, (int64_t)r->valid, r->at_us);
	}
	for (size_t i = 0; i < b->n_alerts && !bad; i++) {
		const struct backup_alert_row *r = &b->alert[i];
		bad = db_run(&s->db, e, Q_SERVICE_ALERT_PUT, "ssiissi", r->domain->name, backup_alert_name((enum backup_alert)r->alert), r->subject_us, r->at_us,
		             enrich_customer(j->enrich, PRINCIPAL_MX, sv_cstr(r->domain->name)), r->text, (int64_t)r->domain->health.utc_offset_s);
	}
	return bad;
}

int store_alert_letter(struct store *s, int64_t alert_id, int64_t at_us, const char *kind, const char *recipient, const char *language, const char *status,
                       const char *error, const char *message_id, struct err *e)
{
	return db_run(&s->db, e, Q_NOTIFICATION_ALERT_ADD, "iissssssi", alert_id, at_us, kind, recipient, language, status, error, message_id, at_us);
}
