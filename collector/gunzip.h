/* gunzip: the bytes of gzip members, some at a time: with ISA-L where the build has it, else with zlib. Of what is well-formed both give the same bytes. */
#ifndef COLLECTOR_GUNZIP_H
#define COLLECTOR_GUNZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gunzip;
struct gunzip_room { const uint8_t *in; uint8_t *out; size_t in_n, out_n; };
enum gunzip_how { GUNZIP_MORE, GUNZIP_MEMBER_ENDS, GUNZIP_DAMAGED };

/* by_zlib: also where there is ISA-L. NULL: no memory. */
struct gunzip *gunzip_new(bool by_zlib);
void gunzip_free(struct gunzip *g);
bool gunzip_by_isal(const struct gunzip *g);
/* Goes on until the input or the room for output is used up (MORE; room says what is left of both), or a member ends: what follows is taken for the
 * next one. After DAMAGED nothing more may be asked, and what was made in this step is not to be relied on. */
enum gunzip_how gunzip_step(struct gunzip *g, struct gunzip_room *room);

#endif
