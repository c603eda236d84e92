/* collector: what other programs run of it in their own process. */
#ifndef COLLECTOR_COLLECTOR_H
#define COLLECTOR_COLLECTOR_H

#include "lib/blocks.h"
#include "lib/conf.h"

/* Import: reads finished log files (also packed ones), in the order of their times, and gives the frames of lib/obs.h to
 * blocks, whose tokens go over fd, a connected stream socket that blocks: HELLO, waits for RESUME (on fd itself), then everything, SNAPSHOT, COUNTERS, IDLE, BYE. The source
 * is the one of the config whose path fits the first file, else the first one. Files that were read before (known by
 * their first bytes) are skipped, a live file is read from where reading stopped. A damaged file ends early; the others
 * are read, then -1 and e. Shows progress when stderr is a terminal. fd stays open. */
int collector_import(const struct conf *c, char *const *files, size_t n, int fd, struct blocks *blocks, struct err *e);

#endif
