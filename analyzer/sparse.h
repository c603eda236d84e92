/* sparse: bytes most of which are zero, without these. */
#ifndef ANALYZER_SPARSE_H
#define ANALYZER_SPARSE_H

#include <stddef.h>

#include "lib/buf.h"

/* How many zero bytes p begins with, n at most. */
size_t sparse_zeros(const unsigned char *p, size_t n);
/* Whether three of four are zero: then leaving them out is worth the time. */
bool sparse_is(const unsigned char *p, size_t n);
/* Appends them to out: (zero bytes, other bytes, these) … with numbers as in lib/wire.h. */
void sparse_put(const unsigned char *p, size_t n, struct buf *out);
/* Into p, which is zeroed where nothing is said; -1 when they do not fit (p then holds some of them). */
int sparse_get(struct sv bytes, unsigned char *p, size_t n);

#endif
