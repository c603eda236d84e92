/* ahead: messages wait in a short queue before they are judged, while memory fetches what judging them will ask for. Without that, much
 * of the time of a busy judge is waiting for memory. Changes no opinion: takes hashes that would be taken anyway. */
#ifndef ANALYZER_AHEAD_H
#define ANALYZER_AHEAD_H

#include "analyzer/judge.h"
#include "lib/txn.h"

#define AHEAD_MESSAGES 16 /* so many wait at most; memory serves about as many requests at once */

/* Takes the hashes of t, reads its client's address and asks for the places they lead to. */
void ahead_message(const struct judge *j, struct txn *t);
/* Some messages later: finds out whose it is. */
void ahead_owner(const struct judge *j, struct txn *t);
/* Some messages later again: asks for the principal. */
void ahead_principal(const struct judge *j, const struct txn *t);

#endif
