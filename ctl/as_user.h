/* as_user: whether what a config names can be read by the user that the programs become, asked as root. */
#ifndef CTL_AS_USER_H
#define CTL_AS_USER_H

#include "lib/conf.h"

/* Tells of every file that this user, unlike us, cannot read: the config, what it names, the logs. Nothing where we are not root or the config names no user. */
void as_user_check(const struct conf *c, const struct opt_table *const *tables, size_t n_tables, conf_mistake_cb *cb, void *ctx);

/* Owned: of the source's files the first that we, as who we are, may not read, or its path when that is so of its folder. NULL: there is none. */
char *as_user_unreadable(const struct conf_source *s);

#endif
