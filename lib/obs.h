/* obs: the stream from a collector to the analyzer (a Unix stream socket, or a socketpair on import).
 * Every frame: u32 length of payload (little endian), u8 type, payload. Payloads use lib/wire.h.
 *
 *   collector → HELLO     source name
 *   analyzer  → RESUME    the applied seq and the last snapshot of that source (both empty when new)
 *   collector → TXN       a message report, RECORD a fact outside messages (auth_fail, auth_ok, reject, policy)
 *             → SESSION   an SMTP session out of captured packets (lib/smtp_session.h)
 *             → CAPTURE   totals of a capture since it began
 *             → SNAPSHOT  the reader's and correlator's whole state; everything before it is applied with it
 *             → COUNTERS  totals since the source began
 *             → SHAPE     a shape of line that no format understood, with a sample
 *             → IDLE      end of what there is to read: commit now
 *             → BYE       (import) no more will come
 *             → GONE      the log itself is gone and was read to its end: commit, forget where it stood, and answer with RESUME
 *
 * The probe speaks the same on the same socket:
 *   probe     → HELLO     "probe"
 *             → LISTING   what a DNS block list says of an address or a domain
 *             → ZONE      how a list itself is: in order, suspended, …
 *   analyzer  → ASK       a client's address that it wants to know about
 *
 * Exactly once: every TXN, RECORD and SESSION carries seq, their ordinal in the source's stream, which is a function of the
 * log alone. After a crash the collector resumes from the snapshot and repeats what followed it;
 * the analyzer drops what has seq <= the applied one. A live interface cannot be read again: its numbers only go on. seq 0 marks provisional reports, which may repeat. */
#ifndef LIB_OBS_H
#define LIB_OBS_H

#include "lib/err.h"
#include "lib/record.h"
#include "lib/txn.h"

struct arena;
struct buf;
struct smtp_session;

enum obs_type { OBS_HELLO = 1, OBS_RESUME, OBS_TXN, OBS_RECORD, OBS_SNAPSHOT, OBS_COUNTERS, OBS_SHAPE, OBS_IDLE, OBS_BYE,
	OBS_LISTING, OBS_ZONE, OBS_SESSION, OBS_ASK, OBS_CAPTURE, OBS_GONE, OBS_TYPES };

#define OBS_HEADER_BYTES 5
#define OBS_FRAME_MAX (64u << 20) /* a snapshot of many open messages is the largest frame */

struct obs_resume {
	uint64_t applied_seq;
	struct sv snapshot; /* borrowed */
};

struct obs_record {
	uint64_t seq;
	struct record record;
	struct sv line; /* the raw line, ≤ TXN_LINE_BYTES */
};

/* Totals of one source since it was first read; part of the snapshot, so they survive restarts. */
#define OBS_COUNTERS_LIST(C)                                                                   \
	C(lines) C(bytes) C(recognised) C(unrecognised) C(foreign) /* foreign: lines of programs that are no MTA's */ \
	C(cut_lines) C(nul_bytes) C(bad_utf8) C(bad_stamps) C(txns) C(records)                             \
	C(head_missing) C(tail_missing) C(evicted) C(open_messages) C(open_bytes)              \
	C(rotations) C(truncations) C(dropped) /* datagrams the kernel had no room for */ C(lag_bytes) C(last_event_us) \
	C(future_stamps) /* lines whose clock was not believed */

struct obs_counters {
#define C(name) uint64_t name;
	OBS_COUNTERS_LIST(C)
#undef C
	struct sv path; /* the file now read */
};

struct obs_shape {
	struct sv program, shape, sample; /* shape: the line with its variable parts replaced by # */
	uint64_t lines;                   /* seen so far */
	struct sv was;                    /* the shape it was told as before, when it is wider now; else empty */
};

enum obs_listing_cause { OBS_LISTING_WATCHED, OBS_LISTING_ASKED /* by OBS_ASK */, OBS_LISTING_CAUSES };

#define OBS_LISTING_TEXT 255

struct obs_listing {
	int64_t time_us;          /* of the answer */
	struct sv target, zone;   /* an address in canonical text or a domain in lower case; the zone's name without any key */
	uint8_t verdict, kind, cause; /* enum dnsbl_verdict, dnsbl_kind, obs_listing_cause */
	uint32_t code;            /* the answer, 127.0.0.2 as 0x7f000002; 0 when there was none */
	int32_t points;           /* what a listing there weighs, whole nats, ≥ 0 */
	struct sv meaning, text;  /* of the code; what the list itself says (TXT): printable UTF-8, ≤ OBS_LISTING_TEXT bytes */
};

struct obs_zone {
	int64_t time_us;
	struct sv zone, reason;   /* reason: a sentence */
	uint8_t verdict;          /* what every look-up there comes to: DNSBL_CLEAN means the zone is in order */
};

/* Each appends one whole frame. */
void obs_put_hello(struct buf *out, struct sv source);
void obs_put_resume(struct buf *out, const struct obs_resume *r);
void obs_put_txn(struct buf *out, const struct txn *t);
void obs_put_record(struct buf *out, uint64_t seq, const struct record *r, struct sv line);
void obs_put_snapshot(struct buf *out, uint64_t seq, struct sv blob);
void obs_put_counters(struct buf *out, const struct obs_counters *c);
void obs_put_shape(struct buf *out, const struct obs_shape *s);
void obs_put_listing(struct buf *out, const struct obs_listing *l);
void obs_put_zone(struct buf *out, const struct obs_zone *z);
void obs_put_ask(struct buf *out, struct sv target);
void obs_put_session(struct buf *out, const struct smtp_session *s);
/* names: words of letters and "_"; n of them. path: the file or interface. */
void obs_put_capture(struct buf *out, const char *const *names, const uint64_t *values, size_t n, struct sv path);
void obs_put_empty(struct buf *out, enum obs_type type); /* IDLE, BYE, GONE */

/* Looks at the start of in: 1 and one frame (borrowed from in; *ret_used bytes of it), 0 when more bytes
 * are needed, -1 when these bytes are no frame. */
int obs_next(struct sv in, enum obs_type *ret_type, struct sv *ret_payload, size_t *ret_used, struct err *e);

/* Each reads one payload; borrowed text; -1 and e on hostile bytes. */
int obs_get_hello(struct sv payload, struct sv *ret_source, struct err *e);
int obs_get_resume(struct sv payload, struct obs_resume *ret_resume, struct err *e);
int obs_get_record(struct sv payload, struct obs_record *ret_record, struct err *e);
int obs_get_snapshot(struct sv payload, uint64_t *ret_seq, struct sv *ret_blob, struct err *e);
int obs_get_counters(struct sv payload, struct obs_counters *ret_counters, struct err *e);
int obs_get_session(struct sv payload, struct arena *a, struct smtp_session *ret, struct err *e);
/* Calls each for every total. */
int obs_get_capture(struct sv payload, void (*each)(void *ctx, struct sv name, uint64_t value), void *ctx, struct sv *ret_path, struct err *e);
int obs_get_shape(struct sv payload, struct obs_shape *ret_shape, struct err *e);
int obs_get_listing(struct sv payload, struct obs_listing *ret_listing, struct err *e);
int obs_get_zone(struct sv payload, struct obs_zone *ret_zone, struct err *e);
int obs_get_ask(struct sv payload, struct sv *ret_target, struct err *e);

#endif
