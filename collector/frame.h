/* frame: bytes → lines. Lines end with LF or CR LF. A line longer than FRAME_LINE_MAX is cut there and counted; a last
 * line without its end waits for more bytes. Positions only ever lie between lines, so a reader can stop and resume. */
#ifndef COLLECTOR_FRAME_H
#define COLLECTOR_FRAME_H

#include "lib/buf.h"
#include "lib/newlines.h"

#define FRAME_LINE_MAX (64u << 10)

struct framing;

enum frame_mode { FRAME_UNKNOWN, FRAME_LINES, FRAME_UNITS };

struct frame {
	struct buf rest;     /* the start of a line whose end has not come, at most FRAME_LINE_MAX bytes; in FRAME_UNITS, of units: whole ones, too, that wait for their turn */
	uint64_t rest_bytes; /* how many bytes of input rest stands for (more than it holds when the line is cut) */
	struct buf unit;     /* what was given last, when it was kept */
	enum frame_mode mode; /* lines, or units of a framing that do not end with a newline (collector/framing.h); seen at the beginning */
	const struct framing *framing; /* of the unit at hand; NULL: a line */
	/* What is known of lines ahead: where they end, seen from `from`; `line` is where the next of them begins. */
	struct newlines ends;
	unsigned next_end;
	const char *from, *line;
	/* totals over whole lines */
	uint64_t lines, bytes, cut_lines, nul_bytes, bad_utf8;
};

void frame_fini(struct frame *f);
/* Forgets an unfinished line. */
void frame_reset(struct frame *f);
/* Another file begins. */
void frame_begin(struct frame *f);
/* Counts the NULs of a line, and whether it is UTF-8. */
void frame_count_odd(struct frame *f, struct sv line);
/* Says that in will be given to frame_next() until it is used up: what is known of other bytes is forgotten. */
void frame_feed(struct frame *f, struct sv in);
/* The next whole line out of *in, which moves on. The line is borrowed from in or from f until the next call.
 * False: what is left of in was kept for later, *in is empty. */
bool frame_next(struct frame *f, struct sv *in, struct sv *ret_line);
/* At the end of a finished file: the last line, when it has no end. */
bool frame_last(struct frame *f, struct sv *ret_line);

#endif
