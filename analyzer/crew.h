/* crew: some threads that do pieces of one job together with who asks for it. They wait between jobs. Reading from a disk they wait for it
 * side by side, which is why there are more of them than processors. */
#ifndef ANALYZER_CREW_H
#define ANALYZER_CREW_H

#include <stddef.h>

#define CREW_MOST 8u /* with who asks: a disk answers some eight at a time about as fast as it ever does. Pieces that do not wait get one a processor */

struct crew;
struct crew *crew_new(void);
void crew_free(struct crew *c);
/* Calls piece(ctx, worker, i) for each i below n, in any order, on any of the threads (worker < CREW_MOST tells which); returns when all
 * are done. The threads are made when there is first something to share; without them it all happens here. */
typedef void crew_piece(void *ctx, unsigned worker, size_t i);
void crew_run(struct crew *c, size_t n, crew_piece *piece, void *ctx);

#endif
