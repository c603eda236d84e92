/* common: what the commands that read the store share. */
#ifndef CTL_COMMON_H
#define CTL_COMMON_H

#include "analyzer/db.h"
#include "ctl/command.h"
#include "lib/conf.h"

/* SYSCONFDIR/abusewatch.conf. */
const char *common_default_conf(void);
/* Reads the config (exits 1 on mistakes) and opens its store read-only. 0, or -1 after saying why. */
int common_open(const char *conf_path, struct conf **ret_conf, struct db *ret_db);
void common_close(struct conf *conf, struct db *db);
/* Makes the state folder and that of the store where nobody did yet: these commands come before the first start. */
void common_make_state(const struct conf *conf);
/* A whole number, 0 or more, and nothing else. 0 or -1. */
int common_count(const char *text, int64_t *ret);
/* RFC 3339, a date (local, as all without a zone), or "2h", "7d" back from now. 0 or -1. */
int common_time(const char *text, int64_t *ret_us);
/* The same for the end of a stretch of time: a date means all of its day. */
int common_time_end(const char *text, int64_t *ret_us);

#endif
