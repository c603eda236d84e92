/* ingest: what the analyzer does with the frames of one source (lib/obs.h), whatever they came through. */
#ifndef ANALYZER_INGEST_H
#define ANALYZER_INGEST_H

#include "analyzer/store.h"

struct ingest {
	struct store *store;
	struct judge *judge;
	struct arena arena, ahead; /* of the frame at hand; of messages that wait for their turn */
	uint64_t pending;        /* bytes of frames applied since the last commit */
	int64_t (*wall_us)(void); /* for "last heard" on the health page, and for finding that the clock was put back */
	int64_t heard_us;        /* when the frames at hand came */
	int64_t behind_from_us;  /* the clock is far behind what it was, since then; 0: it is not */
	bool put_back;           /* the clock was: what comes dated far ahead is of before */
	bool retention;          /* drop old days by event time (import) */
	bool judge_only;         /* the messages themselves are not kept */
	void (*before)(struct ingest *in, int64_t at_us); /* called before an event of that time is judged (import); may be NULL */
	void *before_ctx;
};

struct ingest_source {
	struct store_input *input;
	bool bye;
	bool settled; /* nothing was reported since the last snapshot: what is committed now is never reported again */
};

/* All whole frames in bytes; *ret_used of them were used up. reply gets what must be sent back. 0, or -1 and e: the peer sent nonsense and
 * is to be disconnected. */
int ingest_bytes(struct ingest *in, struct ingest_source *src, struct sv bytes, size_t *ret_used, struct buf *reply, struct err *e);
/* Its connection is closed. */
void ingest_source_end(struct ingest_source *src);
/* An answer about a block list, as a frame gives it. */
void ingest_listing(struct ingest *in, const struct obs_listing *l);
/* store_commit() when anything is pending. */
int ingest_commit(struct ingest *in, struct err *e);
void ingest_fini(struct ingest *in);

#endif
