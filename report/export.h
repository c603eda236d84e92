/* export: CSV for other teams (docs/contract.md). RFC 4180, UTF-8, header line, no cell that a spreadsheet would run. */
#ifndef REPORT_EXPORT_H
#define REPORT_EXPORT_H

#include "analyzer/db.h"
#include "lib/buf.h"
#include "lib/conf.h"

/* One row per case: the open ones, and with since_us also those that changed since then. 0, or -1 and e. */
int export_compromised_hosts(struct db *d, const struct conf *conf, int64_t since_us, struct buf *out, struct err *e);
int export_cases(struct db *d, const struct conf *conf, int64_t since_us, struct buf *out, struct err *e);
/* One row per finding of a policy rule: all, or those of which something was seen since since_us. */
int export_violations(struct db *d, const struct conf *conf, int64_t since_us, struct buf *out, struct err *e);

#endif
