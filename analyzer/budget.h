/* budget: how many false cases the desk is willing to see sets the threshold, not the other way round. For each kind of principal a histogram of the
 * highest S of each active principal's day, without those whose case stands; what people called a false alarm counts as one. At every midnight of
 * event time the lowest threshold (from budget-least on) is taken that keeps the predicted false cases within the budget. docs/detectors.md B.3. */
#ifndef ANALYZER_BUDGET_H
#define ANALYZER_BUDGET_H

#include "analyzer/judge.h"

#define BUDGET_BINS 64          /* of half a nat */
#define BUDGET_DAYS_LEAST 15000 /* principal-days before it says anything: 3 in so many is the least rate that can be told from none */

void budget_init(struct memory *m);
/* p was judged: its day goes into the histogram once the next one has begun. */
void budget_note(struct judge *j, struct principal *p);
/* People say that this score was a false alarm. */
void budget_false_alarm(struct judge *j, enum principal_kind kind, int32_t peak);
/* Event time came to another day. */
void budget_retune(struct judge *j);
/* What opens a case about such a principal now, 1/4096 nat. */
int32_t budget_threshold(const struct judge *j, enum principal_kind kind);

#endif
