/* handover: what root's commands made before the programs become another user. */
#ifndef SUPERVISOR_HANDOVER_H
#define SUPERVISOR_HANDOVER_H

#include <sys/types.h>

#include "lib/conf.h"

/* Gives the store, the dashboard's users and the small files of the state folder to that user, where they are root's: abusewatch import, user and
 * login-link run before abusewatchd, as root. Says what cannot be given. */
void handover(const struct conf *conf, uid_t uid, gid_t gid);

#endif
