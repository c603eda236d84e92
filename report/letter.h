/* letter: a text for a person about a case: from a Mustache template per language (report/letters/, or the operator's own
 * folder) to an RFC 5322 message. */
#ifndef REPORT_LETTER_H
#define REPORT_LETTER_H

#include "analyzer/db.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "report/plan.h"

struct letter {
	char message_id[160];  /* without <>; the same for the same letter, so that a repetition can be recognised */
	struct buf subject, body; /* UTF-8 */
	struct buf message;    /* whole, with headers, lines end in CRLF */
};

/* Fills *ret (letter_fini() frees). now_us: for the Date header. -1 and e: no such case, or a broken template. */
int letter_write(struct db *d, const struct conf *conf, const struct letter_due *due, int64_t now_us, struct letter *ret, struct err *e);
void letter_fini(struct letter *l);
/* letter_mime.c: headers and encoding, by GMime. reply_to may be NULL. */
int letter_mime(const struct conf *conf, const struct letter_due *due, const char *reply_to, int64_t now_us, struct letter *l, struct err *e);

/* Hands the message to the MTA (sendmail -i or SMTP submission, as configured). -1 and e with what it said. */
int letter_send(const struct conf *conf, const struct letter_due *due, const struct letter *l, struct err *e);

#endif
