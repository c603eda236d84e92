/* policy: limits that a provider publishes, and who of its customers broke one. Findings, not cases: they are of low severity, add
 * nothing to a score and open nothing. One finding is a rule, a principal and a day (in the log's zone): how often, when first and
 * last, the largest value, one log line that shows it. A function of the events, kept in the store in the same transaction.
 * Bounded: POLICY_DAY_MAX findings a day; what has no room is counted. */
#ifndef ANALYZER_POLICY_H
#define ANALYZER_POLICY_H

#include "analyzer/judge.h"
#include "lib/opt.h"

#define POLICY_DAY_MAX 5000u /* more rows than anybody reads; some 5 MiB with their lines */

/* What an event broke, as the rule says it. All zero but times, line and queue_id when the rule is asked. */
struct policy_breach {
	uint32_t times;       /* 1; 0: it was counted before and has only grown */
	int64_t value;        /* in the rule's unit */
	struct sv line, queue_id;
};

/* One file of analyzer/policy/ each: policy_<name>. */
struct policy_rule {
	const char *name;
	const char *title;               /* what was done: "messages over the size limit" */
	const char *unit;                /* of the value: "bytes", "recipients"; NULL: there is none */
	const struct opt_table *options; /* section "policy"; the first member of the struct is `bool enabled` */
	/* Whether a report of an account's, host's or script's message breaks it. May be NULL. */
	bool (*message)(struct judge *j, const struct principal *p, const void *opt, const struct message_view *m, struct policy_breach *ret_breach);
	/* The same of a fact outside messages. May be NULL. */
	bool (*fact)(struct judge *j, const struct principal *p, const void *opt, const struct fact_view *f, struct policy_breach *ret_breach);
};
extern const struct policy_rule *const policy_registry[]; /* NULL-terminated, alphabetical */
/* NULL when there is none of that name. */
const struct policy_rule *policy_rule_named(struct sv name);

struct policy_finding {
	uint64_t key;         /* of rule, principal and day */
	const struct policy_rule *rule;
	uint8_t kind;         /* of the principal */
	bool dirty;
	int32_t day, utc_offset_s;
	char *id, *line, *queue_id; /* owned */
	uint64_t count;
	int64_t largest, first_us, last_us;
};

/* One of the days at hand; logs of several zones may speak of two at a time. */
struct policy_day { int32_t day; bool dirty; uint32_t n; uint64_t dropped; };
#define POLICY_DAYS 16 /* slots, by day modulo this; between two commits of a busy log there are fewer */

struct policy {
	void **options;                 /* one struct a rule, in registry order */
	struct policy_finding *finding; /* of the days at hand, and of days before that wait for the commit */
	size_t n, cap;
	uint32_t *slot;                 /* 1 + index into finding; open addressing */
	size_t n_slots;
	struct policy_day day[POLICY_DAYS];
};

struct policy *policy_new(void);
void policy_free(struct policy *y);
/* Reads the options of j's config. */
void policy_configure(struct judge *j);

void policy_message(struct judge *j, const struct principal *p, const struct message_view *m);
void policy_fact(struct judge *j, const struct principal *p, const struct fact_view *f);

/* From the store: one of today's or yesterday's; texts are copied. */
void policy_loaded(struct judge *j, const struct policy_finding *f);
struct policy_day *policy_day(struct policy *y, int32_t day);
/* After a commit, or after loading: now_us is event time. */
void policy_committed(struct policy *y, int64_t now_us);

#endif
