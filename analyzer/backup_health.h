/* backup_health: what is known of one domain whose second MX we are: when its first MX (the primary) answered, what waits for it, and what
 * it made of what we handed over. Flat and free of pointers: it is kept in the store as it is, and read by the pages. Docs: detectors.md D.
 * This part is arithmetic only; analyzer/backup.h fills it from messages. */
#ifndef ANALYZER_BACKUP_HEALTH_H
#define ANALYZER_BACKUP_HEALTH_H

#include "lib/sv.h"
#include "lib/times.h"

#define BACKUP_SLICE_US (300 * US_PER_S)
#define BACKUP_SLICES_DAY 288u
#define BACKUP_DAYS 32u            /* of slices and daily counts */
#define BACKUP_SLICES (BACKUP_DAYS * BACKUP_SLICES_DAY)
#define BACKUP_RING_HOURS 384u     /* 16 days: longer than any queue keeps mail */
#define BACKUP_RELAYS 4u
#define BACKUP_HEALTH_VERSION 1u

/* Five minutes of a primary. */
enum backup_slice { BACKUP_UNKNOWN, BACKUP_UP, BACKUP_DEGRADED, BACKUP_DOWN };
/* Why there was no answer. */
enum backup_reason {
	BACKUP_NO_HOST, BACKUP_NULL_MX, BACKUP_LOOP, BACKUP_DNS, BACKUP_REFUSED, BACKUP_TIMED_OUT, BACKUP_UNREACHABLE, BACKUP_DROPPED, BACKUP_REASONS
};
/* Alerts of the present episode that were given. */
enum backup_alert { BACKUP_ALERT_OUTAGE, BACKUP_ALERT_OVER, BACKUP_ALERT_EXPIRY_48, BACKUP_ALERT_EXPIRY_24, BACKUP_ALERT_EXPIRY_6, BACKUP_ALERT_NEVER,
	BACKUP_ALERT_DRAIN, BACKUP_ALERTS };
/* One sentence's worth of state for lists. */
enum backup_state { BACKUP_STATE_NO_MAIL, BACKUP_STATE_NO_ANSWER, BACKUP_STATE_UP, BACKUP_STATE_DEGRADED, BACKUP_STATE_FAILING, BACKUP_STATE_OUTAGE, BACKUP_STATE_NEVER,
	BACKUP_STATES };

struct backup_day { /* UTC */
	uint32_t day, accepted, delivered, unknown, refused, deferred, expired, bounces, rejected;
};
struct backup_relay { char host[64], ip[46]; uint16_t pad; uint32_t answers; int64_t last_us; };
struct backup_cause { int64_t last_us; uint32_t n, pad; };

struct backup_health {
	uint32_t version, bytes;
	int64_t first_us, last_us;                      /* of mail for the domain; 0 = none seen */
	int64_t answered_us, accepted_us, failed_us;    /* last answer, last acceptance, last failure of the primary; 0 = never */
	int64_t good_us, later_us;                      /* last answer that said more than "later"; last one that did not */
	int64_t streak_us;                              /* first failure since the last answer; 0 = none */
	int64_t outage_us;                              /* begin of the outage that is open; 0 = none */
	int64_t over_us;                                /* end of the last outage */
	uint64_t streak_message;                        /* the first message that failed */
	uint32_t streak, streak_messages;               /* failures since the last answer; 1, 2 = from one message, from several */
	uint32_t queued, waited;                        /* messages now; the most of this episode */
	uint32_t untracked, lost, late;                 /* not followed: table full; given up on; ended by the queue's lifetime */
	uint32_t told;                                  /* bit set of enum backup_alert: given in this episode */
	uint32_t drain_hour, drained, drained_before;   /* messages that left the queue with an answer in this hour and in the one before */
	uint32_t learn_day, learned[2];                 /* recipients noted on that day: unknown ones, valid ones */
	int32_t utc_offset_s;
	uint32_t youngest_expiry_s;                     /* how young a message was that the MTA gave up on; 0 = none */
	struct { uint32_t slice; uint16_t good, later, failed, pad; } now[2]; /* the newest two slices, by slice & 1 */
	uint32_t slice;                                 /* the newest slice anything was seen in */
	uint32_t ring_hour;
	int64_t told_us[BACKUP_ALERTS];                 /* when each was given last */
	struct backup_cause cause[BACKUP_REASONS];
	char cause_text[160];                           /* of the last failure, as the log has it */
	struct backup_relay relay[BACKUP_RELAYS];
	struct backup_day day[BACKUP_DAYS];             /* by day % BACKUP_DAYS */
	uint32_t ring[BACKUP_RING_HOURS];               /* messages still queued, by the hour they came in */
	unsigned char slices[BACKUP_SLICES / 4];        /* two bits each, by slice % BACKUP_SLICES */
};

const char *backup_reason_name(enum backup_reason r);
const char *backup_slice_name(enum backup_slice s);
const char *backup_state_name(enum backup_state s);
const char *backup_alert_name(enum backup_alert a);

/* --- slices --- */
enum backup_slice backup_slice_get(const struct backup_health *h, uint32_t slice);
/* One answer (later: only "try again later") or failure at that time. */
void backup_slice_answer(struct backup_health *h, int64_t at_us, bool later);
void backup_slice_failure(struct backup_health *h, int64_t at_us);

struct backup_availability {
	uint32_t up, degraded, down, all;
	/* in 1/100 %: share of up (degraded counts as up: it answered) among the known ones with its Wilson interval (95 %), and share of known ones; -1: nothing known */
	int32_t share, low, high, coverage;
};
/* Of the slices in [since, until). Slices from before first mail was seen are no slices. */
struct backup_availability backup_available(const struct backup_health *h, int64_t since_us, int64_t until_us);
/* Wilson's interval for yes of all, z = 1.96, in 1/100 %. */
void backup_wilson(uint32_t yes, uint32_t all, int32_t *ret_low, int32_t *ret_high);

/* --- time --- */
/* Event time was put back (judge_put_back()): what was noted of later goes, days and slices, or counts as of now. */
void backup_health_put_back(struct backup_health *h, int64_t now_us);

/* --- queue --- */
struct backup_projection {
	uint32_t queued, within_24h, within_48h, overdue; /* overdue: older than the lifetime, and still heard of */
	int64_t oldest_us, expiry_us;                     /* earliest hour of arrival, and when the first ones end; 0 = none queued */
	uint32_t first;                                   /* messages of that first hour */
	uint32_t needed_hour, drained_hour;               /* messages an hour to clear what came before the lifetime ends; and what left in the last hour */
	int64_t clear_us;                                 /* at that rate everything is gone then; 0 = cannot be said */
};
struct backup_projection backup_project(const struct backup_health *h, int64_t lifetime_s, int64_t now_us);
/* Messages that end until then if nothing is delivered. */
uint32_t backup_expiring(const struct backup_health *h, int64_t lifetime_s, int64_t now_us, int64_t until_us);

/* --- counts --- */
/* That day's row, made when missing; NULL for a day older than the oldest kept. */
struct backup_day *backup_day_of(struct backup_health *h, int64_t at_us);
/* Sum of the last n days up to that time. */
struct backup_day backup_days_sum(const struct backup_health *h, int64_t now_us, uint32_t n);
enum backup_state backup_state_of(const struct backup_health *h, int64_t now_us);

#endif
