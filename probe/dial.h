/* dial: the running probe's socket, for those who ask it (probe/probe.h says what is spoken there). By itself, so that who only asks needs no resolver. */
#ifndef PROBE_DIAL_H
#define PROBE_DIAL_H

#include "lib/conf.h"

/* The connected socket, or -1. waits: reading and writing block; a dashboard must not. */
int probe_dial(const struct conf *conf, bool waits);

#endif
