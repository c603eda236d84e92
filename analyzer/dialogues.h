/* dialogues: captured sessions for showing: the newest of each principal. They decide nothing. Gathered here until the commit, bounded; the
 * store keeps no more of each either. */
#ifndef ANALYZER_DIALOGUES_H
#define ANALYZER_DIALOGUES_H

#include "analyzer/judge.h"

#define DIALOGUES_KEPT 64 /* of one principal */

struct dialogue {
	int64_t at_us;
	uint16_t port;        /* the client's: with the time it tells sessions apart */
	uint32_t flags;
	uint32_t n_rcpt, n_taken, n_messages, n_taken_messages;
	char peer[48];
	char *helo, *sender, *refusal, *banner; /* owned; "" when there is none */
};

struct dialogues_of { uint64_t key; uint8_t kind; char *id; uint32_t n, next; struct dialogue row[DIALOGUES_KEPT]; };

void dialogues_note(struct judge *j, const struct principal *p, const struct session_view *v);
/* After a commit: all is written. */
void dialogues_clear(struct dialogues *d);
void dialogues_fini(struct dialogues *d);

#endif
