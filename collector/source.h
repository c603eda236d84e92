/* source: where log lines come from live. Adding one is adding collector/source/<name>.c that defines
 * `const struct source source_<name>`. A source gives bytes in order and says where one file ends; it knows nothing of
 * lines. All calls come from the loop's thread. */
#ifndef COLLECTOR_SOURCE_H
#define COLLECTOR_SOURCE_H

#include <uv.h>

#include "collector/position.h"

enum source_boundary {
	SOURCE_ROTATED,   /* the file was renamed away and is finished; the next one follows */
	SOURCE_TRUNCATED, /* it was emptied in place; what its copy still held was given */
};

struct source_events {
	void *ctx;
	/* The next bytes. The source may be paused from inside. */
	void (*bytes)(void *ctx, struct sv bytes);
	/* The file at hand is finished. position() still speaks of it. */
	void (*boundary)(void *ctx, enum source_boundary b);
	/* The file at hand cannot be read to its end; a whole copy may come. position() still speaks of it. Returns how many of the bytes that were given
	 * are not taken: half a line at its break. */
	uint64_t (*broken)(void *ctx);
	/* There is no more for now. */
	void (*idle)(void *ctx);
};

struct source_run; /* each source has its own */

struct source {
	const char *name; /* `type` in the config */
	/* Starts following path where resume says (empty: from the beginning). NULL and e when that can never work. */
	struct source_run *(*open)(uv_loop_t *loop, const char *path, const struct positions *resume, const struct source_events *ev,
	                           struct err *e);
	void (*pause)(struct source_run *s, bool pause);
	/* Where the file at hand stands, when the last `unfinished` bytes given do not count. False: no file yet. */
	bool (*position)(const struct source_run *s, uint64_t unfinished, struct position *ret);
	/* What was given cannot be read again: position() is always false, and after a crash what was on its way is lost. */
	bool passing;
	/* Datagrams that were lost before we could read them; NULL: none can be. */
	uint64_t (*dropped)(const struct source_run *s);
	/* The log itself is gone, was read to its end, and nothing more came for so long that nothing will. NULL: that cannot be. */
	bool (*gone)(const struct source_run *s);
	/* Bytes that were written but not read yet. */
	uint64_t (*lag)(const struct source_run *s);
	/* Ends; nothing is called any more. Memory is freed when the loop is done with it. */
	void (*close)(struct source_run *s);
};

extern const struct source *const source_registry[];
const struct source *source_named(const char *name);

#endif
