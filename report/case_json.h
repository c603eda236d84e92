/* case_json: a case as other programs see it (docs/contract.md). The same log gives the same bytes. */
#ifndef REPORT_CASE_JSON_H
#define REPORT_CASE_JSON_H

#include "analyzer/db.h"
#include "lib/buf.h"

struct case_filter {
	bool open_only;
	int64_t since_us; /* opened or updated at or after; 0 = all */
};

/* Calls cb with each case (oldest first) as one JSON object without newline; false stops. 0, or -1 and e. */
typedef bool case_json_cb(void *ctx, struct sv json);
int case_json_each(struct db *d, const struct case_filter *f, case_json_cb *cb, void *ctx, struct err *e);
/* A score in nats with one decimal: "12.5". */
void case_json_score(struct buf *out, int64_t score);

#endif
