/* store: the one writer. One commit holds everything that came of some input: messages, counts, principals, cases, memory, and
 * the positions of the inputs. After kill -9 the store is at some commit, and the collectors repeat what followed it. */
#ifndef ANALYZER_STORE_H
#define ANALYZER_STORE_H

#include "analyzer/archive.h"
#include "analyzer/db.h"
#include "analyzer/judge.h"
#include "lib/obs.h"

struct store_shape { char *program, *shape, *sample; uint64_t lines; bool gone; };

/* What is known of one source since the last commit. */
struct store_input {
	char *name;
	uint64_t applied_seq;
	struct buf snapshot;
	bool has_snapshot;      /* a newer one than the store has */
	bool dirty;
	bool gone;              /* see store_input_gone() */
	unsigned users;         /* connections that speak of it; the owner's count */
	struct buf counters;    /* JSON */
	char *path;
	int64_t last_event_us, heard_us;
	struct store_shape *shape;
	size_t n_shapes;
};

struct store {
	struct db db;
	int lock; /* on <store>.lock: there is one writer */
	bool had_principals; /* when it was opened, or since some were let go; before, all are in memory */
	bool defers;         /* see store_defer() */
	bool settles;        /* with this commit all that is late is written in its place */
	int64_t heard_us;    /* the machine's clock when anything was last heard; 0: never */
	int64_t put_back_us; /* it was put back to then, and the rows of inputs do not know it yet; 0: it was not */
	int64_t settled_us;  /* when they were last, by event time */
	size_t late_rows, late_new; /* in principal_late; with the commit at hand */
	size_t late_bytes, late_bytes_new; /* in memory_late; with the commit at hand */
	bool ahead;          /* the next commit's transaction has begun: see store_write_ahead() */
	bool lost;           /* what was written ahead was rolled back */
	int64_t principals_day; /* day of the last retention that looked at principals; 0: none yet */
	struct archive *archive;
	struct store_input **input;
	size_t n_inputs;
};

/* Takes the lock of the one writer, opens or creates, connects the judge's callbacks and loads its memory and open cases. NULL and e. */
struct store *store_open(const char *path, struct judge *j, struct err *e);
/* The same for an import: see db_open_bulk() and archive_uncached(). */
struct store *store_open_bulk(const char *path, struct judge *j, struct err *e);
void store_close(struct store *s, struct judge *j);

/* The input of that source, from the store or new. Lives as long as the store, or until a commit after store_input_gone() when it has no users. */
struct store_input *store_input(struct store *s, struct sv name);
/* The machine's clock was put back to now_us: of no input anything was heard later. */
void store_put_back(struct store *s, int64_t now_us);
/* With the next commit it is forgotten where its log stood; its totals stay for some days. */
void store_input_gone(struct store_input *in);
void store_input_shape(struct store_input *in, const struct obs_shape *shape);

/* Writes all that changed. 0, or -1 and e: then nothing was written, everything is kept in memory, and the next commit
 * tries again. */
int store_commit(struct store *s, struct judge *j, struct err *e);
/* Between two commits, for who commits seldom: rows of hours and days that are over, which nothing changes any more, go into the next commit's transaction
 * already when there are many. They take no memory from then on, and the commit has less to do. When a commit fails after that, the store cannot go
 * on: each further one fails. */
int store_write_ahead(struct store *s, struct judge *j, struct err *e);
/* Below that nothing points at a principal: it has no lines to show, either. */
#define STORE_SHOWS_FROM (2 * NAT)
/* From now on commits add principals of whom nothing shows but counts, and changes of memory, to the ends of tables; one a minute puts them in their places.
 * For who commits often and little. */
void store_defer(struct store *s, struct judge *j);
/* The next commit is such a one: for when there are late_rows and no more commits for now. */
void store_settle(struct store *s);
/* Drops what is older than the config keeps, counted from now_us. Part of the next commit's work: call between commits. */
int store_retention(struct store *s, const struct conf *conf, int64_t now_us, struct err *e);
/* now_us of the last one; 0: there was none. */
int64_t store_retained_us(struct store *s);
/* Joins small segments of days that are over, or makes a filter of many: 1 when it did, 0 when there is nothing left to do, -1 and e. Call between commits. */
int store_compact(struct store *s, int64_t now_us, struct err *e);
/* Makes a filter: 1 when it did, 0 when there are too few segments for one, -1 and e. Call between commits. */
int store_filter(struct store *s, struct err *e);
/* Adds a row to the outbox in a transaction of its own. Returns its id or -1. */
int64_t store_notification(struct store *s, int64_t id, int64_t case_id, int64_t at_us, const char *kind, const char *recipient,
                           const char *language, const char *status, const char *error, const char *message_id, struct err *e);

/* What became of a letter about a service alert, in a transaction of its own. 0, or -1 and e. */
int store_alert_letter(struct store *s, int64_t alert_id, int64_t at_us, const char *kind, const char *recipient, const char *language, const char *status,
                       const char *error, const char *message_id, struct err *e);

/* whom we judge (store_principal.c): judge_store.load_principal, and after opening, those that are late; then, of a commit, its rows, and that it stands */
bool store_principal_load(void *ctx, struct judge *j, struct principal *p);
int store_principals_take(struct store *s, struct err *e);
int store_principals_write(struct store *s, struct judge *j, struct err *e);
void store_principals_committed(struct store *s, struct judge *j);
/* principal's state to and from its blob (store_state.c) */
void store_state_encode(const struct judge *j, const struct principal *p, struct buf *out);
uint16_t store_state_tag(const char *name); /* of a detector */
int store_state_decode(const struct judge *j, struct principal *p, struct sv blob);
/* memory's pages, and contacts that are in none yet (store_memory.c) */
int store_memory_load(struct store *s, struct judge *j, struct err *e);
int store_memory_write(struct store *s, struct judge *j, struct err *e);
void store_memory_committed(struct store *s, struct judge *j);
void store_memory_defer(struct judge *j);
/* what the overview shows (store_rollup.c) */
int store_rollup_load(struct store *s, struct judge *j, struct err *e);
int store_rollup_write(struct store *s, const struct judge *j, struct err *e);
/* of it what nothing changes any more: how much that is; writes and forgets it */
size_t store_rollup_ended_bytes(const struct judge *j);
int store_rollup_write_ended(struct store *s, struct judge *j, struct err *e);
/* the backup domains (store_backup.c) */
void store_backup_load(struct store *s, struct judge *j);
/* Fills d->health, of one domain; ctx is the store. False: nothing is stored of it. */
bool store_backup_domain(void *ctx, struct backup_domain *d);
int store_backup_write(struct store *s, const struct judge *j, struct err *e);
/* the policy findings (store_policy.c) */
void store_policy_load(struct store *s, struct judge *j);
int store_policy_write(struct store *s, const struct judge *j, struct err *e);
/* what block lists say (store_listing.c) */
void store_listing_load(struct store *s, struct judge *j);
int store_listing_write(struct store *s, const struct judge *j, struct err *e);
/* servers and facts about the network (store_servers.c) */
void store_servers_load(struct store *s, struct judge *j);
int store_servers_write(struct store *s, const struct judge *j, struct err *e);
/* captured sessions (store_dialogues.c) */
int store_dialogues_write(struct store *s, const struct judge *j, struct err *e);
/* the case tables (store_case.c) */
int store_case_write(struct store *s, const struct judge *j, struct acase *c, struct err *e);
struct acase *store_case_load(struct store *s, struct judge *j, int64_t id);
int store_cases_load_open(struct store *s, struct judge *j, struct err *e);

#endif
