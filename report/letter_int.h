/* letter_int: the parts of a letter's view, for each other. */
#ifndef REPORT_LETTER_INT_H
#define REPORT_LETTER_INT_H

#include <json-c/json.h>

#include "report/letter.h"

/* What a log says can be any bytes; a letter is text. */
struct json_object *letter_text(struct sv s);
/* Adds list as view[key], and view["any_" key] when there is anything in it. */
void letter_list(struct json_object *view, const char *key, struct json_object *list);
void letter_time(struct json_object *view, const char *key, int64_t us, int32_t utc_offset_s);

/* letter_lists.c: adds lists[]: those that have the target, or who belongs to its case. */
void letter_lists(struct db *d, const struct conf *conf, int64_t case_id, const char *target, struct json_object *view);
/* Adds what changed within that hour and is to be told: listed[], delisted[], suspended[], resumed[], subjects[]. */
void letter_list_changes(struct db *d, const struct conf *conf, int64_t hour_us, struct json_object *view);

/* letter_send.c: one of letter_send()'s two ways; sendmail is killed after limit_s. The caller ignores SIGPIPE. */
int letter_to_sendmail(const struct conf *conf, const char *recipient, const struct letter *l, int limit_s, struct err *e);

#endif
