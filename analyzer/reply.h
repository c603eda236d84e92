/* reply: what a remote server's reply means (docs/detectors.md, section C). A table of ordered POSIX patterns
 * (etc/reply_patterns.tsv) behind a literal prefilter (Aho-Corasick, 1975) and a cache of masked templates, because real
 * logs repeat a few hundred texts. */
#ifndef ANALYZER_REPLY_H
#define ANALYZER_REPLY_H

#include "lib/err.h"
#include "lib/reply_class.h"
#include "lib/sv.h"

struct reply_table;

enum reply_verb { REPLY_AT_UNKNOWN, REPLY_AT_CONNECT, REPLY_AT_MAIL, REPLY_AT_RCPT, REPLY_AT_DATA };

struct reply_verdict {
	uint8_t class;       /* enum reply_class */
	const char *detail;  /* "list=spamhaus-zen", "sub=inactive", "" (lives as long as the table) */
	int row;             /* row of the table, -1: by status code or unmatched */
};

/* The built-in table. NULL and e when a row of it is wrong (a bug of the table). Patterns are compiled when they are first needed. */
struct reply_table *reply_table_new(struct err *e);
/* Compiles all of them; -1 and e when one does not compile. */
int reply_table_compile(struct reply_table *t, struct err *e);
void reply_table_free(struct reply_table *t);

/* reply as the log has it ("host x[1.2.3.4] said: 550 5.1.1 … (in reply to RCPT TO command)"), dsn its status code. */
struct reply_verdict reply_classify(struct reply_table *t, struct sv reply, struct sv dsn);
/* Cuts the MTA's wrapper; the borrowed remote text and the verb it answered. */
struct sv reply_unwrap(struct sv reply, enum reply_verb *ret_verb);

#endif
