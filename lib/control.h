/* control: one JSON object per line over the analyzer's Unix socket. The analyzer is the store's only writer;
 * web, mailer and ctl ask it for changes with this.
 *   request  {"do":"case-note","case":12,"actor":"desk","text":"…"}
 *   answer   {"ok":true,…} or {"ok":false,"error":"…"}
 * Verbs: ping · case-acknowledge · case-note · case-notify · case-false-positive · case-close · case-reopen ·
 *        notification-result {id,status,error,message_id} · reload */
#ifndef LIB_CONTROL_H
#define LIB_CONTROL_H

#include <json-c/json.h>
#include <stdbool.h>

#include "lib/err.h"

/* Connects, asks, waits for the answer (≤ timeout_ms), closes. Returns the answer object (caller json_object_put()s
 * it) when ok is true; NULL and e otherwise. */
struct json_object *control_ask(const char *socket_path, struct json_object *request, int timeout_ms, struct err *e);
/* Whether somebody is there to be asked. One that is busy is, too. */
bool control_listens(const char *socket_path);

#endif
