/* privileges: giving up rights for good, and lending one right (raw packets) to one child. Linux capabilities by system call. */
#ifndef LIB_PRIVILEGES_H
#define LIB_PRIVILEGES_H

#include <stdbool.h>

#include "lib/err.h"

/* Before a root program changes its user: keeps CAP_NET_RAW, and nothing else, over the change. privileges_kept() after it. 0, or -1 and e. */
int privileges_keep_raw(struct err *e);
int privileges_kept(struct err *e);
/* Whether programs that this one starts from now on get CAP_NET_RAW. */
void privileges_lend_raw(bool lend);

/* As root: becomes that user, with the groups that he is in and those that may read logs (adm, systemd-journal). 0, or -1 and e. */
int privileges_become_reader(const char *user, struct err *e);
/* As root: becomes that user, with his own group alone. Then, whoever we are: no capability is left, and none can come back; the process leaves no
 * core and cannot be looked into. user NULL or "": stays who it is. 0, or -1 and e. */
int privileges_drop(const char *user, struct err *e);

/* From here on only the system calls of a program that has its files and sockets open: reading, writing, polling, memory, time, and connecting to Unix
 * sockets; others fail with EPERM. True when the kernel enforces it. */
bool privileges_few_calls(void);

#endif
