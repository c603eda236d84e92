/* rows: query results as JSON. Column names say how a value is shown: x_us becomes x_at, at_us becomes at (RFC 3339, in the row's
 * utc_offset_s or else the site's zone), score columns become nats with one decimal, x_json becomes x parsed. Text is
 * made valid UTF-8. */
#ifndef WEB_ROWS_H
#define WEB_ROWS_H

#include <json-c/json.h>

#include "web/call.h"

/* All rows as an array of objects; the caller owns it. NULL and e when the query fails. */
struct json_object *rows_all(struct db *d, sqlite3_stmt *st, struct err *e);
/* The first row as an object, or NULL when there is none (e->text empty) or the query fails. */
struct json_object *rows_one(struct db *d, sqlite3_stmt *st, struct err *e);
/* Runs the query and adds all rows as out[key]. -1 and e on failure. */
int rows_add(struct json_object *out, const char *key, struct db *d, sqlite3_stmt *st, struct err *e);

/* Moves row's members into out; row is gone afterwards. */
void json_merge(struct json_object *out, struct json_object *row);
/* Valid UTF-8 out of anything. */
struct json_object *json_text(struct sv s);
/* RFC 3339 in the site's zone; null for 0. */
struct json_object *json_time(int64_t us);
struct json_object *json_time_at(int64_t us, int32_t utc_offset_s);
/* 1/4096 nat → nats with one decimal. */
struct json_object *json_score(int64_t score);
/* Seconds east of UTC that the site's zone has at that time. */
int32_t site_offset_s(int64_t us);

static inline void json_put(struct json_object *o, const char *key, struct json_object *v) { json_object_object_add(o, key, v); }
static inline void json_put_int(struct json_object *o, const char *key, int64_t v) { json_put(o, key, json_object_new_int64(v)); }
static inline void json_put_text(struct json_object *o, const char *key, const char *v) { json_put(o, key, json_text(sv_cstr(v))); }
static inline void json_put_bool(struct json_object *o, const char *key, bool v) { json_put(o, key, json_object_new_boolean(v)); }
/* Member as integer, 0 when absent; as text, "" when absent. Borrowed. */
int64_t json_int(struct json_object *o, const char *key);
const char *json_str(struct json_object *o, const char *key);

#endif
