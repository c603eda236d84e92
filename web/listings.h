/* listings: what block lists say, as rows of pages. */
#ifndef WEB_LISTINGS_H
#define WEB_LISTINGS_H

#include "web/call.h"

struct json_object;

/* Runs the query (columns target, zone, code among its own) and adds all rows as out[key], with the list's title, its answer as text and the way
 * off it. -1 and e on failure. */
int listings_rows(const struct call *c, struct json_object *out, const char *key, sqlite3_stmt *st, struct err *e);
/* Adds what is on lists, or was, for one principal's page: lists[], and own{}: risk, reasons and who caused it, null for others than our addresses.
 * history: of the principal's page, past[] too. -1 and e. */
int listings_of(const struct call *c, struct json_object *out, const char *kind, const char *id, bool history, struct err *e);
/* Adds own[]: our outgoing addresses, the nearest to being listed first. -1 and e. */
int listings_own(const struct call *c, struct json_object *out, struct err *e);

#endif
