/* command: one word of `abusewatch WORD …`. Adding one is adding ctl/cmd/<name>.c that defines
 * `const struct command command_<name>` ("-" in the word becomes "_" in the name). */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include <stdio.h>

enum { COMMAND_DONE = 0, COMMAND_FAILED = 1, COMMAND_MISUSED = 2 };

struct command {
	const char *name;
	const char *summary;            /* one line for `abusewatch --help` */
	void (*help)(FILE *to);         /* for `abusewatch WORD --help` */
	int (*run)(int argc, char **argv); /* argv[0] is the word; returns one of the codes above */
};

extern const struct command *const command_registry[];

/* Says what is wrong on stderr, "abusewatch: …", and where help is; returns COMMAND_MISUSED. */
int command_misuse(const struct command *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* getopt has said what is wrong with an option: says where help is; returns COMMAND_MISUSED. */
int command_wrong_option(const struct command *c);
/* Says what failed, "abusewatch: …"; returns COMMAND_FAILED. */
int command_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* --format. Table on a terminal, NDJSON in a pipe, unless said otherwise. */
enum command_format { FORMAT_TABLE, FORMAT_NDJSON, FORMAT_JSON, FORMAT_CSV };
enum command_format command_default_format(void);
/* "table", "ndjson", "json", "csv" → the format; -1 for another word. */
int command_format_named(const char *word);

#endif
