/* web_backup: what the pages about backup domains share: a domain's row of the store as JSON. */
#ifndef WEB_BACKUP_H
#define WEB_BACKUP_H

#include "analyzer/backup_health.h"
#include "web/rows.h"

struct backup_row {
	struct backup_health health;
	int64_t lifetime_s, now_us; /* now: the newest event of any source, so that an imported log shows its own last day */
	bool found;                 /* false: the analyzer has not written about it yet */
};

/* The newest event of any source; 0 when there is none. */
int64_t backup_now(struct db *d);
/* Reads the row of that domain and puts what lists show into o. -1 and e when the store cannot be read. */
int backup_put(struct db *d, const char *domain, const char *primary, int64_t now_us, struct json_object *o, struct backup_row *ret_row, struct err *e);
/* The domain as the config has it, or NULL; borrowed. */
const struct conf_backup *backup_configured(const struct conf *conf, const char *domain);

#endif
