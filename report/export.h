/* export: for other teams and programs (docs/contract.md). CSV by RFC 4180, UTF-8, header line, no cell that a spreadsheet would run. */
#ifndef REPORT_EXPORT_H
#define REPORT_EXPORT_H

#include "analyzer/db.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "report/case_json.h"

/* One row per case: the open ones, and with since_us also those that changed since then. 0, or -1 and e. */
int export_compromised_hosts(struct db *d, const struct conf *conf, int64_t since_us, struct buf *out, struct err *e);
/* One row per case that passes. */
int export_cases(struct db *d, const struct conf *conf, const struct case_filter *f, struct buf *out, struct err *e);
/* One row per finding of a policy rule: all, or those of which something was seen since since_us. */
int export_violations(struct db *d, const struct conf *conf, int64_t since_us, struct buf *out, struct err *e);
/* export_dnsbl.c: a zone file for rbldnsd of hosts with an open case of a break-in, from that level (enum case_level) on. */
struct export_dnsbl { int least_level; int64_t ttl_s; const char *zone_name; }; /* zone_name: for SOA and NS records; NULL: none */
int export_dnsbl(struct db *d, const struct conf *conf, const struct export_dnsbl *o, struct buf *out, struct err *e);

#endif
