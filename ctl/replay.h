/* replay: the whole pipeline over finished files, into the store that the config names. Reading, parsing and correlating run in a child
 * process (hostile text, and the second core); judging and storing in this one. */
#ifndef CTL_REPLAY_H
#define CTL_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/conf.h"

struct replay {
	bool show;       /* progress on a terminal */
	bool judge_only; /* the messages themselves are not kept */
	bool pass_over;  /* files that cannot be opened are named, and the others read; else they are an error */
	const char *listings; /* a file of what block lists said (ctl/listings.h), or NULL */
	/* What came of it. */
	int64_t lines, recognised, skipped, txns, sessions; /* skipped: without a time; sessions: captured */
	int64_t open;              /* messages that are not told whole yet: what is known of them is stored, too */
	bool partial;              /* a file was passed over or broke off, which was said; what could be read is stored */
	uint64_t evicted;          /* principals that did not fit into memory and went to the store */
	int64_t first_us, last_us; /* event time of everything the store has seen */
};

/* n may be 0 when there are listings. 0, or -1 and e; an empty e.text: the reason was said already. */
int replay_files(struct replay *r, const struct conf *conf, char **files, size_t n, struct err *e);
/* A log without a single line of a mail server is a mistake: says so and returns COMMAND_FAILED, else COMMAND_DONE. */
int replay_said_nothing(const struct replay *r, const struct conf *conf);

#endif
