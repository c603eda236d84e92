/* What the primary of a backup domain said about recipients: who exists, who does not. Its CSV can make a list of recipients to accept. */
#include "web/backup.h"
#include "web/page.h"

#define ROWS 20000

static int build(struct call *c, struct json_object *out, struct err *e)
{
	struct db *d = &c->web->db;
	const struct conf_backup *b = backup_configured(c->web->conf, c->segment[1]);
	struct json_object *ui = json_object_new_object();
	struct backup_row r;
	int64_t limit = c->format == FORMAT_HTML ? 500 : ROWS;
	json_put(out, "ui", ui);
	if (!b) {
		err_set(e, "%.200s is no domain under backup-domains in the config.", c->segment[1]);
		return 404;
	}
	if (backup_put(d, b->domain, b->primary, backup_now(d), out, &r, e) < 0 ||
	    rows_add(out, "recipients", d, db_query(d, Q_WEB_BACKUP_RECIPIENTS, "si", json_str(out, "domain"), limit), e) < 0)
		return 500;
	json_put_text(ui, "title", b->domain);
	json_put_int(ui, "limit", limit);
	call_audit(c, "listed recipients of backup domain %s", b->domain);
	return 200;
}

static const struct page_column csv[] = {
	{ "recipient", "recipient" }, { "valid", "valid" }, { "first", "first_at" }, { "last", "last_at" }, { "answers", "answers" }, { NULL, NULL },
};

const struct page page_backup_recipients = {
	.path = "/backup-mx/*/recipients", .title = "Recipients", .template = "backup-recipients", .nav = "backup", .csv_rows = "recipients", .csv = csv, .build = build,
};
