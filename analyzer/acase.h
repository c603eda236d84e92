/* acase: the durable, human thing: what is held against one principal, over time. Owned by the judge while it is in memory;
 * written by the store at every commit when dirty. Closed cases are only in memory while somebody changes them. */
#ifndef ANALYZER_ACASE_H
#define ANALYZER_ACASE_H

#include "analyzer/judge.h"
#include "lib/buf.h"

#define CASE_STATES(S) S(OPEN, "open") S(ACKNOWLEDGED, "acknowledged") S(CLOSED, "closed") S(FALSE_POSITIVE, "false-positive")
#define CASE_LEVELS(S) S(SUSPECTED, "suspected") S(LIKELY, "likely") S(CONFIRMED, "confirmed")
#define CASE_SEVERITIES(S) S(LOW, "low") S(MEDIUM, "medium") S(HIGH, "high") S(CRITICAL, "critical")
#define CASE_KINDS(S)                                                                                                  \
	S(STOLEN_ACCOUNT, "stolen-account") S(SCRIPT, "script-compromise") S(INFECTED_HOST, "infected-host")             \
	S(OPEN_RELAY, "open-relay") S(GUEST_RELAY, "guest-relay") S(FORWARDER, "forwarder")                              \
	S(LIST_HYGIENE, "list-hygiene") S(LISTING, "listing") S(BACKSCATTER, "backscatter") S(UNKNOWN, "")

#define S(e, name) CASE_##e,
enum case_state { CASE_STATES(S) CASE_STATE_COUNT };
enum case_level { CASE_LEVELS(S) CASE_LEVEL_COUNT };
enum case_severity { CASE_SEVERITIES(S) CASE_SEVERITY_COUNT };
enum case_kind { CASE_KINDS(S) CASE_KIND_COUNT };
#undef S
const char *case_state_name(enum case_state s);
const char *case_level_name(enum case_level l);
const char *case_severity_name(enum case_severity s);
const char *case_kind_name(enum case_kind k);
int case_state_named(const char *name);
int case_level_named(const char *name);
int case_severity_named(const char *name);
int case_kind_named(const char *name);

struct case_event { struct case_event *next; int64_t at_us; char *actor, *what, *text; };
struct case_point { int64_t bucket_us; size_t detector; int32_t score; };

/* What the case says, in the words of the moment when the evidence was strongest: rendered while an event is judged, so that
 * it does not depend on when the store is written. */
struct case_text {
	struct buf sentence, also_json, counter_evidence, guards_json;
	struct buf *why;            /* by registry index; empty when that detector is silent */
	int64_t *since_us;
};
void case_text_free(struct case_text *t);

struct acase {
	int64_t id;
	bool dirty, fresh;          /* fresh: not in the store yet */
	struct principal *principal; /* NULL for a closed one that was loaded to be changed */
	uint8_t principal_kind;
	char *principal_id;
	const char *customer;       /* borrowed from the inventory, or owned_customer */
	char *owned_customer;
	enum case_state state;
	enum case_level level;
	enum case_severity severity;
	enum case_kind kind, runner_up;
	int32_t score, peak_score, threshold;
	int64_t first_seen_us, opened_us, updated_us, closed_us; /* closed_us 0 = open */
	int64_t positive_us, below_us;
	int64_t parent;             /* the case it belongs to, 0: none */
	uint32_t reopened, lines;
	uint32_t steps;             /* of the journal that are in the store, as far as this process knows */
	uint64_t messages, recipients;
	int32_t utc_offset_s;
	int32_t *detector_score;    /* of the last event near the peak, by registry index */
	struct suspicion *shown;    /* copy of the principal's when it was closed; owned; NULL while open */
	bool anew, anew_steps;      /* re-opened: what the store shows as evidence, and of the journal, is replaced when there is something new */
	struct case_text *text;     /* rendered then, not in the store yet; NULL when nothing new is to be said */
	struct case_event *events, **events_tail; /* not in the store yet */
	struct case_point *point;   /* not in the store yet */
	size_t n_points, cap_points;
};

struct acase *acase_new(int64_t id, enum principal_kind kind, const char *principal_id);
void acase_free(struct acase *c);
/* What the case shows as evidence; NULL: nothing new. */
const struct suspicion *acase_shown(const struct acase *c);
static inline bool acase_is_open(const struct acase *c) { return c->state == CASE_OPEN || c->state == CASE_ACKNOWLEDGED; }
/* Appends to the history; text may be "". */
void acase_event(struct acase *c, int64_t at_us, const char *actor, const char *what, const char *text);
/* The highest score of each five minutes, for the chart. */
void acase_point(struct acase *c, int64_t at_us, size_t detector, int32_t score);

/* Whether the principal is known long enough for "usual" to mean something. */
bool acase_has_history(const struct judge *j, const struct acase *c);
/* case_kind.c: what the case is, what else it could be, and how bad. From the scores it holds. */
void case_classify(const struct judge *j, struct acase *c);

/* case_merge.c: a case that just opened: finds the one it belongs to. */
void case_merge(struct judge *j, struct acase *c, int64_t at_us);

/* After an event of p: opens, raises, updates or leaves alone. scores by registry index. rose: some score grew. */
void acase_update(struct judge *j, struct principal *p, const int32_t *scores, int32_t total, int64_t at_us, bool rose);
/* At event-time hours: closes what has been quiet long enough. */
void acase_close_quiet(struct judge *j, int64_t now_us);
/* People's actions. what: "acknowledged" "note" "false-positive" "closed" "reopened"; -1 and e when it makes no sense now. */
int acase_act(struct judge *j, struct acase *c, const char *what, const char *actor, const char *text, int64_t wall_us, struct err *e);


#endif
