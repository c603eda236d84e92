/* pipeline: bytes of log files → records and messages, for the daemon, the commands and import alike.
 * Several files (collector/feed.h) may feed one pipeline: what a stream of lines becomes, its formats, records, correlator and counters.
 * No clock, no input or output of its own; everything leaves through the sink. */
#ifndef COLLECTOR_PIPELINE_H
#define COLLECTOR_PIPELINE_H

#include "collector/correlate.h"
#include "collector/feed.h"
#include "collector/session.h"
#include "collector/shape.h"

struct pipeline_sink {
	void *ctx; /* any of the functions may be NULL */
	void (*record)(void *ctx, const struct record *r, const struct logline *l);
	void (*unrecognised)(void *ctx, const struct logline *l);
	void (*line)(void *ctx, const struct logline *l, bool recognised); /* every line of a mail program */
	void (*txn)(void *ctx, const struct txn *t);
	void (*fact)(void *ctx, uint64_t seq, const struct record *r, struct sv line);
};

struct pipeline_options {
	const struct mta *mta;   /* NULL: whatever the program's name says */
	size_t max_open_bytes;   /* 0: the most that is allowed */
	int64_t fold_after_us;   /* how long a message waits before it is kept as few bytes, see correlate_fold_after(); 0: as it should be */
	bool final_only;         /* one report per message */
	bool correlate;
};

struct pipeline;
struct pipeline *pipeline_new(const struct pipeline_options *o, const struct pipeline_sink *sink);
void pipeline_free(struct pipeline *p);
/* One line, `times` times. */
void pipeline_take(struct pipeline *p, const struct logline *l, unsigned times);
/* The machine's clock was put back to now_us from far ahead. */
void pipeline_put_back(struct pipeline *p, struct feed *f, int64_t now_us);
/* One framed line, header and all. False: it is later than until_us and was only read, into *ret_line. */
bool pipeline_line(struct pipeline *p, struct feed *f, struct sv line, int64_t until_us, struct logline *ret_line, unsigned *ret_times);
/* All whole lines of in; what is left waits in f. */
void pipeline_bytes(struct pipeline *p, struct feed *f, struct sv in);
/* The file is finished: its last line counts though it has no end. */
void pipeline_end_of_file(struct pipeline *p, struct feed *f);
void pipeline_idle(struct pipeline *p);
/* The log ends for good: what is open is reported as it is. */
void pipeline_end(struct pipeline *p);

void pipeline_skip_to(struct pipeline *p, uint64_t seq);
uint64_t pipeline_seq(const struct pipeline *p);
int64_t pipeline_now(const struct pipeline *p); /* event time, µs; 0: none yet */
/* Unrecognised shapes so far; the owner may use `told`. */
struct shapes *pipeline_shapes(struct pipeline *p);
/* Totals; the feeds' part is added by pipeline_add_feed. */
void pipeline_counters(const struct pipeline *p, struct obs_counters *ret);
void pipeline_add_feed(const struct feed *f, struct obs_counters *ret);

/* State ↔ bytes, for snapshots. Loading into a fresh pipeline with a correlator; -1 when the bytes are no such state. */
void pipeline_save(const struct pipeline *p, struct buf *out);
int pipeline_load(struct pipeline *p, struct wire *w);

#endif
