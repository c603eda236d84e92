/* listing: what DNS block lists say of the addresses and domains that we watch (lib/dnsbl.h says the words, the probe asks), and how that changes.
 * One pair is a target and a zone. A first entry makes it suspect; a second one at least ten minutes later, or a receiver that names the list, makes
 * it listed; three answers without entry over six hours end that. A list that refuses, fails or is out of order changes nothing. When much of what
 * we watch turns up on one list at once, it is the list that has a problem: what turned up is held until the share falls (docs/detectors.md, D13).
 * A function of the answers, in their own time (the judge's clock is the log's, and is not moved by them): an answer that is not newer than the last
 * one of its pair is left out, so repeats are harmless. Kept in the store in the same transaction. Bounded by the numbers below; what finds no room is
 * counted and dropped. Of a pair that never had an entry only a bit is kept, once there are many. */
#ifndef ANALYZER_LISTING_H
#define ANALYZER_LISTING_H

#include "analyzer/blame.h"
#include "analyzer/judge.h"
#include "lib/dnsbl.h"
#include "lib/opt.h"

#define LISTING_PAIRS 65536u
#define LISTING_ZONES 512u
#define LISTING_TARGETS 32768u
#define LISTING_TARGETS_MORE 8192u /* for our own and such as are listed */

#define LISTING_STATE_LIST(S) S(CLEAR, "clear") S(SUSPECT, "suspect") S(LISTED, "listed") S(HELD, "held")
#define LISTING_RISK_LIST(S) S(NONE, "") S(WATCH, "watch") S(LIKELY, "likely") S(IMMINENT, "imminent")
#define LISTING_WHAT_LIST(S) S(LISTED, "listed") S(DELISTED, "delisted") S(SUSPENDED, "suspended") S(RESUMED, "resumed") S(UNWATCHED, "unwatched") S(WITHDRAWN, "withdrawn") S(IMMINENT, "imminent")
#define S(e, name) LISTING_##e,
enum listing_state { LISTING_STATE_LIST(S) LISTING_STATES };
#undef S
#define S(e, name) LISTING_RISK_##e,
enum listing_risk_level { LISTING_RISK_LIST(S) LISTING_RISKS };
#undef S
#define S(e, name) LISTING_WHAT_##e,
enum listing_what { LISTING_WHAT_LIST(S) LISTING_WHATS };
#undef S
const char *listing_state_name(uint8_t s);
const char *listing_risk_name(uint8_t r);
const char *listing_what_name(uint8_t w);
int listing_state_named(struct sv name); /* -1: none of that name */
int listing_risk_named(struct sv name);

/* Of the detector's section (analyzer/detect/list-risk.c). */
struct listing_options {
	bool enabled;
	double cap, base, risk_cap;
	int64_t base_points;
	int64_t debounce_s, clear_s, clear_answers, forget_s;
	double suspend_share, contagion, unknown_some, unknown_many;
	int64_t suspend_least, unknown_least, alert_points;
	int64_t watch, likely, imminent;
};
const struct listing_options *listing_options(const struct judge *j);

struct listing_target {
	char *name;            /* canonical address, or domain in lower case; owned */
	uint64_t key;          /* keyed hash of the name */
	uint8_t kind;          /* enum principal_kind: OWN_IP, HOST or DOMAIN */
	bool is_ip, dirty;
	struct ipaddr ip;
	int64_t first_us, heard_us;
	int32_t points;        /* of the lists that have it, whole nats; policy counts nothing */
	uint32_t on, main_on;  /* so many lists have it, policy ones left out; and those of them that weigh something (base-points) */
	int64_t since_us;      /* first entry of these; 0: none */
	uint8_t risk;          /* enum listing_risk_level */
	int32_t risk_points;   /* with what receivers say of the address */
	int32_t own_points;    /* without: that is evidence of another group already */
	int64_t risk_us;       /* of the present level */
	char *reasons, *cause; /* JSON lists: of sentences; of blame (blame_json()). NULL: none */
	uint64_t seen[LISTING_ZONES / 64]; /* zones (by id) that said whether they have it */
	struct listing_pair *pairs;
	struct listing_target *next, *next_dirty;
};

struct listing_zone {
	char *name;            /* owned */
	uint64_t key;
	bool dirty;
	uint32_t id;           /* 0, 1, … in order of first sight */
	uint32_t targets, held; /* that it said something about; of these, those that are held */
	uint8_t verdict;       /* what the probe says of the list itself: DNSBL_CLEAN is in order */
	char *reason;          /* owned; "" */
	int64_t since_us, heard_us; /* of that */
	int64_t suspended_us;  /* too many turned up at once; 0: trusted */
	struct listing_zone *next;
};

struct listing_pair {
	struct listing_target *target;
	struct listing_zone *zone;
	bool dirty, fresh;     /* fresh: on the list when it was first looked at, so no news */
	uint8_t state, verdict, kind; /* verdict: of the last answer; kind: of the newest entry */
	uint32_t code, negatives, named;
	int32_t points;
	int64_t heard_us, since_us, listed_us; /* since_us: first entry of this time; 0 when clear */
	int64_t negative_us;   /* first answer without entry in a row */
	int64_t named_us, named_from_us; /* newest reply that names the list, and since when `named` are counted: a day at most */
	char *meaning, *text;  /* owned; of the newest entry */
	char *cause;           /* blame_json() when it came on the list; NULL: none */
	struct listing_pair *of_target, *next, *next_dirty;
};

/* What waits for the commit: a change for people to hear of, or an entry that ended. */
struct listing_change {
	int64_t at_us, since_us; /* since_us: of what ended or is told */
	uint8_t what;            /* enum listing_what */
	bool tell;               /* in the hour's letter to the desk */
	char *target, *zone, *meaning, *text, *cause;
	const char *customer;    /* borrowed from the inventory */
	uint8_t kind, entry;
	uint32_t code, before, after; /* lists that have the target; of a list: targets on it */
	int32_t points;
};

struct listing {
	struct listing_target *targets;
	struct listing_zone *zones;
	struct listing_pair *pairs, *dirty;
	struct listing_target *dirty_targets;
	struct listing_pair **slot; size_t n_slots; /* by hash of target and zone */
	struct listing_target **by_name; size_t n_by_name; /* by hash of the name */
	uint32_t n_pairs, n_zones, n_targets;
	uint64_t dropped;        /* answers about what found no room */
	int64_t clock_us;        /* the day of the answers */
	int64_t newest_us;       /* of all answers; what zones said, too */
	struct listing_change *change; size_t n_changes, cap_changes;
	struct memory blame_memory, asked_memory;
	struct buf asks;         /* frames for the probe; no state */
};

/* What a detector is told: lists that have p itself changed, or the risk that one will; or an address that p wrote from is listed. */
struct listing_view {
	const struct listing_target *target; /* of p; NULL: an address that p wrote from */
	struct sv source;        /* that address */
	uint8_t kind; int32_t points; /* of the entry */
	struct sv zone, line;    /* line: what is shown as evidence */
	int64_t at_us;
};

struct listing *listing_new(void);
void listing_free(struct listing *l);
/* Another config or inventory: whose targets are (ours, a customer's) may be another now. */
void listing_configure(struct judge *j);
/* An answer about a watched target; the state of a list. */
void listing_answer(struct judge *j, const struct obs_listing *a);
void listing_zone_said(struct judge *j, const struct obs_zone *z);
/* Where answers come as they are given: what was heard later than wall_us, and so much more, was heard before the clock was put back. It counts as heard now, or every answer
 * until then would be an old one. */
#define LISTING_AHEAD_US US_PER_HOUR
void listing_clock(struct judge *j, int64_t wall_us);
/* Event time was put back (judge_put_back()): what replies and refusals say is dated by it. */
void listing_put_back(struct judge *j, int64_t now_us);
/* listing_reply.c. A message of ours: which refusals name a list that has the address it left through, and who is to blame for refusals. */
void listing_message(struct judge *j, const struct principal *p, const struct message_view *m);
/* listing_risk.c: event time came to another five minutes: how near the addresses of ours are to being listed. */
#define LISTING_RISK_US (300 * US_PER_S)
void listing_risks(struct judge *j);
/* The target that a principal is, or NULL. */
struct listing_target *listing_of(const struct judge *j, const struct principal *p);
struct listing_target *listing_target_named(const struct judge *j, struct sv name);

#endif
