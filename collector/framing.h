/* framing: what lines are wrapped in. Adding one is adding collector/framing/<name>.c that defines
 * `const struct framing framing_<name>`. Two things may be special: where a unit ends (a count before it, an empty line after
 * it), and that the line of the log lies in it as text. Which framing it is is seen at the beginning of each unit; units that
 * do not end with a newline are only looked for in files and streams that begin with one. */
#ifndef COLLECTOR_FRAMING_H
#define COLLECTOR_FRAMING_H

#include "collector/frame.h"

#define FRAMING_UNIT_MAX (1u << 20)
#define FRAMING_PIECES_MAX 1024u /* lines of a unit */
#define FRAMING_ENOUGH 10u /* bytes that show of what framing a unit is, ... */
#define FRAMING_ENOUGH_STAMPED 48u /* ... and when it begins with a time: it is a line then, or made of lines */

struct framing {
	const char *name;
	/* Whether s, as many bytes as show it or up to a newline, begins a unit of this kind. */
	bool (*begins)(struct sv s);
	/* Bytes of the whole unit at the start of s. 0: more are needed, *ret_need of them at least. NULL: a unit is a line. */
	size_t (*measure)(struct sv s, size_t *ret_need);
	/* The plain line in a unit, into an empty buffer. False: there is none. host: of units that name none. */
	bool (*open)(struct sv unit, struct sv host, struct buf *ret_line);
};

extern const struct framing *const framing_registry[];

/* measure() for logs that cut a long line into pieces, each a line: up to the one that ends it. A line of the other stream in between ends it early.
 * read: which stream a line is of, and whether more of it follows; false: it is none. */
size_t framing_measure_pieces(struct sv s, size_t *ret_need, bool (*read)(struct sv line, struct sv *ret_stream, bool *ret_is_part));

/* frame_next() of a stream that is not known to be plain lines. */
bool framing_next(struct frame *f, struct sv *in, struct sv *ret_line);

/* Takes *line out of what it is wrapped in, if it is; scratch are two buffers that hold the result. False: it is wrapped, but has no
 * line in it. */
bool framing_unwrap(struct buf scratch[2], struct sv host, struct sv *line);
/* A line with a count before it in a file of plain lines: the line. */
bool framing_counted(struct sv line, struct sv *ret_line);
/* Whether a line, which is not empty, may be wrapped, as far as one sees at once. */
static inline bool framing_may_wrap(struct sv line)
{
	return line.p[0] >= '_' || (line.p[0] == '[' && line.n > 1 && line.p[1] == 'p') || (line.n > 34 && line.p[10] == 'T' && line.p[4] == '-');
}

/* Begins s with a time of its own, as a line of syslog or of a server's own log does? */
bool framing_is_stamped(struct sv s);
/* Takes a container's time, "2026-11-24T10:00:00.123456789Z ", from the start of *s; empty: there is none. */
struct sv framing_take_time(struct sv *s);
/* What a wrapper says beside the message; all may be absent. */
struct framing_parts {
	struct sv time;     /* RFC 3339 as it stands */
	int64_t time_us;    /* when time is absent; INT64_MIN: neither */
	struct sv host, program, pid, message;
};
/* Writes them as a line of syslog; a message that is one already (and no program was said) stays as it is. False: no message or no time. */
bool framing_compose(const struct framing_parts *p, struct buf *ret_line);

#endif
