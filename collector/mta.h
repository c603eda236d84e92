/* mta: log formats. Adding one is adding collector/mta/<name>.c that defines `const struct mta mta_<name>`.
 * A format turns one line, whose header is already read, into its records: one, or one per recipient where a line names several.
 * It keeps no state and takes no memory: what joins lines is collector/session.h and collector/correlate.h. */
#ifndef COLLECTOR_MTA_H
#define COLLECTOR_MTA_H

#include "collector/stamp.h"
#include "lib/record.h"

struct buf;
struct mta;

/* One line of a log with its header read. All text is borrowed from the line. */
struct logline {
	int64_t time_us;
	int32_t utc_offset_s;
	struct sv raw;           /* the whole line, without its end */
	struct sv host, program; /* program as logged: "postfix/submission/smtpd" */
	int64_t pid;             /* RECORD_UNSET when the line has none */
	struct sv text;          /* what follows "program[pid]: " */
	const struct mta *native; /* the format whose own log this line is from (host may then be empty); NULL: it has a syslog header */
	int number;              /* of native: for parse() */
	struct sv heading;       /* of native: see struct native */
};

/* What a format's own log file needs beside the line at hand. Belongs to the file, is saved with it. */
#define NATIVE_HEADING_MAX 4096u
struct native {
	struct stamp *stamp; /* reads times: knows zone and year */
	struct buf *heading; /* what the file said once and later lines need (the names of a table's columns) */
};

enum mta_result {
	MTA_RECORD,       /* the record stands */
	MTA_UNRECOGNISED, /* a line of this format that it does not understand */
	MTA_NOTHING,      /* understood, but it says nothing (a table's heading) */
};

/* What the quick reading of a line came to. */
enum mta_hot {
	HOT_NO,      /* not one of the usual lines: parse() decides; r may hold anything */
	HOT_NOTHING, /* parse() would give a record that neither opens nor changes a message and is no fact */
	HOT_RECORD,  /* r holds what parse() would give, as far as the correlator reads it */
};

struct mta {
	const char *name;   /* as in records: "postfix" */
	bool filter;        /* programs that accompany any MTA: tried first, whatever format a source is said to have, as they may bear the server's name */
	bool accompanies;   /* the same of mailboxes and webmail, which tell log-ins and no messages of their own: tried last */
	bool keeps_removed; /* the log never says that a message left the queue (no "removed" line) */
	bool twice;         /* hands what it refuses to syslog twice; see collector/twins.h */
	/* A number that parse() gets again when program belongs to this format, else -1. Asked once per program name. */
	int (*program)(struct sv program);
	/* Of a program whose name no format knows, where the operator says that the source is of this one (syslog_processname may be anything): is the text one
	 * that only this server writes? Then as the program of that number. NULL: names say all. */
	int (*renamed)(struct sv text);
	/* A line of the log that the server writes itself, without a syslog header: sets time, pid, program, text (host stays empty)
	 * and returns a number for parse(); -1: the line is none. Must be sure: it is asked about any server's lines. NULL: there
	 * is no such log. */
	int (*native)(struct native *n, struct sv line, struct logline *ret_line);
	/* Of native(): a line of the same second as the one before, whose text followed a stamp of 19 bytes and a space at once, is the same but for its text,
	 * unless that begins with one of + - [. */
	bool own_alike;
	/* r comes cleared, with time, host, program, pid and mta set. */
	enum mta_result (*parse)(int program, const struct logline *l, struct record *r);
	/* The same as parse() for the lines that make up nearly all of a log, where only the correlator listens; asked first, of lines with a
	 * syslog header and of the server's own log alike. r comes cleared or as the same hot() left it; it clears of r what it set before
	 * when there is a record; time, host, program, pid and mta are set afterwards. NULL: none. */
	enum mta_hot (*hot)(int program, const struct logline *l, struct record *r);
	/* The next record of the same line (one per recipient), made out of the last one; false: there is no more. NULL: never. */
	bool (*next)(int program, const struct logline *l, struct record *r);
};

extern const struct mta *const mta_registry[]; /* ends with NULL */

/* The format of that name, or NULL. */
const struct mta *mta_named(struct sv name);

#endif
