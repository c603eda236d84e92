/* stream: one log followed live: source → pipeline → frames to the analyzer. Owns its connection; when that is lost it
 * throws its state away, connects again with growing pauses, and goes on from what the analyzer remembers. */
#ifndef COLLECTOR_STREAM_H
#define COLLECTOR_STREAM_H

#include <uv.h>

#include "lib/conf.h"

struct stream;

struct stream_options {
	uv_loop_t *loop;
	const char *name;              /* of the stream, as in HELLO */
	const char *path;              /* the file */
	const struct conf_source *source;
	const char *socket;            /* NULL: messages as NDJSON to standard output, nothing is remembered */
	bool of_pattern;               /* ends with its file: see stream_gone() */
};

/* Copies what it needs. NULL and e when the source can never work (unknown type, time zone or format). */
struct stream *stream_new(const struct stream_options *o, struct err *e);
const char *stream_name(const struct stream *s);
/* To be asked now and then of a file of a pattern. When the file was deleted or given a name that is not of the pattern, and nothing came for long, what is
 * still open is reported as it is and the analyzer forgets the stream. True when it has: then it is to be stopped. */
bool stream_gone(struct stream *s);
/* Sends a last snapshot and ends; freed by the loop. */
void stream_stop(struct stream *s);

#endif
