/* policy: findings of policy rules as rows of a page. */
#ifndef WEB_POLICY_H
#define WEB_POLICY_H

#include "web/call.h"

struct json_object;

/* Runs the query (columns rule and largest among its own) and adds all rows as out[key]: what was done in words, the unit of the largest
 * value, null where the rule has none. -1 and e on failure. */
int policy_rows(const struct call *c, struct json_object *out, const char *key, sqlite3_stmt *st, struct err *e);

#endif
