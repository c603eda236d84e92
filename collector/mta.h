/* mta: log formats. Adding one is adding collector/mta/<name>.c that defines `const struct mta mta_<name>`.
 * A format turns one line, whose syslog header is already read, into at most one record. It keeps no state and takes no
 * memory: what joins lines is collector/correlate.h. */
#ifndef COLLECTOR_MTA_H
#define COLLECTOR_MTA_H

#include "lib/record.h"

/* One line of a log with its header read. All text is borrowed from the line. */
struct logline {
	int64_t time_us;
	int32_t utc_offset_s;
	struct sv raw;           /* the whole line, without its end */
	struct sv host, program; /* program as logged: "postfix/submission/smtpd" */
	int64_t pid;             /* RECORD_UNSET when the line has none */
	struct sv text;          /* what follows "program[pid]: " */
};

enum mta_result {
	MTA_RECORD,       /* the record stands */
	MTA_UNRECOGNISED, /* a line of this format that it does not understand */
};

struct mta {
	const char *name;   /* as in records: "postfix" */
	bool filter;        /* programs that accompany any MTA: tried whatever format a source is said to have */
	bool keeps_removed; /* the log never says that a message left the queue (no "removed" line) */
	/* A number that parse() gets again when program belongs to this format, else -1. Asked once per program name. */
	int (*program)(struct sv program);
	/* r comes cleared, with time, host, program, pid and mta set. */
	enum mta_result (*parse)(int program, const struct logline *l, struct record *r);
};

extern const struct mta *const mta_registry[]; /* ends with NULL */

/* The format of that name, or NULL. */
const struct mta *mta_named(struct sv name);

#endif
