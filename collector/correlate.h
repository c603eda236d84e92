/* correlate: records of one stream of lines → messages. Lines of different messages may interleave in any way; a queue
 * id belongs to one host and may be used again. Pure: the reports and their numbers follow from the records alone.
 *
 * When a message is reported (seq counts reports and facts of the stream):
 *   - all recipients' outcomes are known and some are deferred: at once;
 *   - all are final: when the queue manager says "removed" (the next line, in practice), so that one report says all;
 *   - 30 s of event time after the first outcome that was not reported yet, whatever is known then;
 *   - later changes report the whole message again with TXN_REPLAY and `changed` on what is new;
 *   - with final_only (`abusewatch messages`) only once, at the end of the message's life or of the log.
 * Re-injection by a content filter: a message handed to a loopback relay (or a pipe) and a new queue id from a
 * loopback client (or pickup) with the same message-id or named in the reply ("queued as") are one message. */
#ifndef COLLECTOR_CORRELATE_H
#define COLLECTOR_CORRELATE_H

#include "lib/obs.h"

#define CORRELATE_REPORT_US (30LL * 1000000)
#define CORRELATE_LINGER_US (10LL * 1000000)
#define CORRELATE_FOLD_US (600LL * 1000000)            /* longer than greylisting and the first retry take */
#define CORRELATE_FOLD_AGAIN_US (30LL * 1000000)       /* one that waited for that long before: its next retry is as far away; longer than the lines of one take */
#define CORRELATE_UNFOLDED_BYTES (2u << 20)            /* so much of what waits stays as it is: packing and unpacking costs more than some thousand messages take */
#define CORRELATE_FRESH_US (3600LL * 1000000)          /* never reached the queue: forgotten */
#define CORRELATE_STALE_US (6LL * 86400 * 1000000)     /* longer than mail stays in a queue: reported as it is */
#define CORRELATE_RCPT_MAX 65536u
#define CORRELATE_SAVED_BYTES_MAX (56u << 20)          /* what a snapshot may take: it must fit one frame */

struct correlate;

struct correlate_sink {
	void *ctx;
	/* Valid during the call. */
	void (*txn)(void *ctx, const struct txn *t);
	/* A fact outside messages: refused mail, failed log-ins, filters' refusals. */
	void (*fact)(void *ctx, uint64_t seq, const struct record *r, struct sv line);
};

/* max_open_bytes: memory for open messages, 0 = no limit of its own. Unless final_only there is a limit by the size of a
 * snapshot, too. Beyond either the oldest messages are reported as they are and counted as evicted. */
struct correlate *correlate_new(const struct correlate_sink *sink, size_t max_open_bytes, bool final_only);
void correlate_free(struct correlate *c);
/* What waits for longer (CORRELATE_FOLD_US) is kept as few bytes, see fold.c, where there is more of it than CORRELATE_UNFOLDED_BYTES
 * or an eighth of max_open_bytes.
 * It makes no difference to what is told. With this one, all that waits for longer than us is, however little it be. */
void correlate_fold_after(struct correlate *c, int64_t us);

/* One record with the line it came from. keeps_removed: see struct mta. */
void correlate_record(struct correlate *c, const struct record *r, struct sv line, bool keeps_removed);
/* Event time has come to us though nothing was said. */
void correlate_advance(struct correlate *c, int64_t us);
/* The machine's clock was put back to us from far ahead: so does event time, and what was heard of then counts as heard now, or its timers stood until then. What was reported stays as
 * it was. */
void correlate_put_back(struct correlate *c, int64_t us);
/* The log pauses or ends. Live: provisional reports (seq 0) of what was not reported yet. final_only: everything that is
 * still open, as TXN_TAIL_MISSING. */
void correlate_idle(struct correlate *c);
/* The log ends for good: everything that is still open is reported as it is. */
void correlate_end(struct correlate *c);

/* Numbers go on after seq: of a source that cannot be read again, what follows a crash is new. */
void correlate_skip_to(struct correlate *c, uint64_t seq);
uint64_t correlate_seq(const struct correlate *c);
int64_t correlate_now(const struct correlate *c);
/* Adds txns, records, head_missing, tail_missing, evicted, open_messages, open_bytes, last_event_us. */
void correlate_counters(const struct correlate *c, struct obs_counters *ret);

/* The whole state ↔ bytes. Loading into a fresh correlator; -1 on bytes that are no such state. */
void correlate_save(const struct correlate *c, struct buf *out);
struct wire;
int correlate_load(struct correlate *c, struct wire *w);
/* The same of what a webmail said of messages that are still to come. */
void correlate_save_early(const struct correlate *c, struct buf *out);
int correlate_load_early(struct correlate *c, struct wire *w);

#endif
