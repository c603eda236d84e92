/* plan: which letters are due now. Decides from the store alone, so that the mailer, `abusewatch notify` and a restart agree:
 * the first letter when a case reaches the configured level, another when the level rises, a reminder at most once a
 * cool-down while new evidence comes, one to the desk when nobody acknowledges the case; what a clerk asked for; and alerts about the
 * backup domains' service (notify { service }), each once to each. */
#ifndef REPORT_PLAN_H
#define REPORT_PLAN_H

#include "analyzer/db.h"
#include "lib/conf.h"

/* A case whose last evidence is older than this is history (an import): nobody is written to. So is what a clerk asked for, and was not sent until then. */
#define PLAN_STALE_S (24 * 3600)
/* After a failure the same letter waits this long. */
#define PLAN_RETRY_S 600

struct letter_due {
	int64_t case_id, notification_id; /* notification_id: the outbox row of an asked-for letter, else 0 */
	int64_t alert_id;                 /* of a service alert; then there is no case */
	char kind[16];                    /* open rise reminder asked desk; of an alert: its kind */
	char recipient[320];
	char language[8];
};

/* Calls cb for each letter due at now_us (wall time). 0, or -1 and e. */
typedef void plan_cb(void *ctx, const struct letter_due *due);
int plan_letters(struct db *d, const struct conf *conf, int64_t now_us, plan_cb *cb, void *ctx, struct err *e);

#endif
