/* filter: how values of the API's objects look on a page: {{opened_at|time}}. */
#ifndef WEB_FILTER_H
#define WEB_FILTER_H

#include <json-c/json.h>

#include "lib/buf.h"

/* Appends ready-made HTML; false when there is no filter of that name. ctx is the wall clock in microseconds (int64_t *). */
bool filter_apply(void *ctx, const char *name, struct json_object *value, struct buf *out);

#endif
