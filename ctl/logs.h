/* logs: what the commands that read log files share: their options and the loop over files. */
#ifndef CTL_LOGS_H
#define CTL_LOGS_H

#include "collector/pipeline.h"
#include "ctl/command.h"

struct logs_options {
	const struct mta *mta; /* NULL: auto */
	int year;
	const char *host;      /* of lines that name none */
	struct zone zone;
	int format; /* enum command_format */
	bool unrecognised, coverage;
	char **files;
	size_t n_files;
};

/* The options' part of the help text. */
void logs_help(FILE *to);
/* Reads options and files; 0, or the exit status after having said what is wrong. with_lines: --unrecognised and
 * --coverage are known. */
int logs_options(const struct command *c, int argc, char **argv, bool with_lines, struct logs_options *ret);

/* Lines without a stamp, if any: how many of the file, and which is the first. */
void logs_tell_skipped(const char *path, const struct feed *f);

/* Output in the four formats out of JSON lines: columns are those named, in that order. */
struct logs_out;
struct logs_out *logs_out_new(int format, const char *const *columns, size_t n);
/* One object, as NDJSON with its newline. */
void logs_out_add(struct logs_out *o, struct sv ndjson);
void logs_out_free(struct logs_out *o); /* writes what is left */

/* Progress on a terminal: bytes read, lines per second, time left. */
struct logs_progress { uint64_t total, done, lines; int64_t start_us, next_us; bool on; };
void logs_progress_start(struct logs_progress *p, char *const *files, size_t n);
void logs_progress_at(struct logs_progress *p, uint64_t done, uint64_t lines);
void logs_progress_end(struct logs_progress *p);

#endif
