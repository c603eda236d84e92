/* lock: one process at a time. The lock goes with the process, however that ends. */
#ifndef LIB_LOCK_H
#define LIB_LOCK_H

#include "lib/err.h"

/* Locks PATH.lock (made if need be; nobody removes it). Returns what to close when it is over, or -1 and e, which says `taken` when another process
 * has it. */
int lock_take(const char *path, const char *taken, struct err *e);

#endif
