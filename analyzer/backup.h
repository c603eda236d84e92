/* backup: the domains whose second MX we are (config: backup-domains), followed message by message: what was accepted for them, what their
 * primary answered, what waits, which alerts are due. A function of the events; kept in the store in the same transaction.
 * Bounded: one struct backup_health a configured domain, one table of queued messages, one of refused messages whose notice may follow. */
#ifndef ANALYZER_BACKUP_H
#define ANALYZER_BACKUP_H

#include "analyzer/backup_health.h"
#include "analyzer/judge.h"

#define BACKUP_QUEUED_MAX 65536u   /* messages followed while they wait, over all domains; 1 MiB */
#define BACKUP_PARENTS 8192u       /* refused messages whose bounce has not been seen yet */
#define BACKUP_LEARN_DAY 2000u     /* recipients of a domain that are noted in a day, valid and unknown ones apart */

struct backup_domain {
	char *name;                 /* lower case; owned */
	const char *primary;        /* of the config */
	uint64_t hash;              /* keyed, of name */
	bool dirty;
	struct backup_health health;
};

/* What waits for the commit. */
struct backup_outage_row { struct backup_domain *domain; int64_t begin_us, end_us; uint32_t failures; uint8_t reason; };
struct backup_alert_row { struct backup_domain *domain; int64_t at_us, subject_us; uint8_t alert; char *text; };
struct backup_rcpt_row { struct backup_domain *domain; int64_t at_us; bool valid; char *recipient; };

struct backup {
	struct backup_domain **domain; /* sorted by hash */
	size_t n_domains;
	struct backup_domain **retired; /* no longer in the config; rows that wait may name them */
	size_t n_retired;
	struct memory queue_memory, parent_memory;
	uint32_t queued;            /* entries in queue_memory */
	struct backup_outage_row *outage;
	struct backup_alert_row *alert;
	struct backup_rcpt_row *rcpt;
	size_t n_outages, cap_outages, n_alerts, cap_alerts, n_rcpts, cap_rcpts;
};

/* Of the detector's section (analyzer/detect/backup-mx.c). */
struct backup_options {
	bool enabled;
	int64_t half_life_s;
	double theta0, theta1, cap;
	int64_t least, lifetime_s, outage_failures, outage_s, never_s;
};
const struct backup_options *backup_options(const struct judge *j);

struct backup *backup_new(void);
void backup_free(struct backup *b);
/* The domains of the config are followed from now on; what is known of those that stay, stays, and what is stored of those that
 * come back is known again. */
void backup_configure(struct judge *j);
/* The domain of that address or name, or NULL. */
struct backup_domain *backup_find(const struct judge *j, struct sv domain);

/* One message report, after its own principal was judged. from_us: it came from an account, host or script of ours. */
void backup_txn(struct judge *j, const struct txn *t, bool from_us);
/* A recipient that was refused before there was a message. */
void backup_record(struct judge *j, const struct record *r);
/* Event time was put back (judge_put_back()). */
void backup_put_back(struct judge *j, int64_t now_us);
/* Event time came to another hour. */
void backup_hour(struct judge *j, int64_t now_us);
/* After a commit. */
void backup_committed(struct backup *b);
/* What waits for each domain, from queue_memory: of domains that were not followed for a while messages may have left it without a word. */
void backup_recount(struct judge *j);

/* --- inside --- */
/* backup_reply.c: what an outcome says about the primary. */
enum backup_said { BACKUP_SAID_NOTHING, BACKUP_SAID_YES, BACKUP_SAID_NO, BACKUP_SAID_LATER, BACKUP_FAILED };
enum backup_said backup_reply(const struct txn *t, const struct txn_rcpt *r, enum backup_reason *ret_reason);
/* backup_queue.c: the table of waiting messages. key: of host, queue id and domain. */
uint64_t backup_message_key(const struct judge *j, const struct txn *t);
void backup_queue_set(struct judge *j, struct backup_domain *d, uint64_t message, bool waits, int64_t first_us, bool answered);
void backup_queue_sweep(struct judge *j, int64_t now_us);
/* A message of d was refused for good: the bounce that follows is of d. Returns the domain a bounce belongs to, or NULL. */
void backup_parent_refused(struct judge *j, const struct backup_domain *d, const struct txn *t);
struct backup_domain *backup_parent_of(struct judge *j, const struct txn *bounce);
/* backup_alert.c */
void backup_alerts(struct judge *j, struct backup_domain *d, int64_t now_us);
void backup_alert_outage(struct judge *j, struct backup_domain *d);
void backup_alert_over(struct judge *j, struct backup_domain *d, int64_t at_us, int64_t begin_us);

#endif
