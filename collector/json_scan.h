/* json_scan: reads the members of a JSON object one by one, without building anything. Nothing is trusted: text that is no
 * JSON ends the reading. */
#ifndef COLLECTOR_JSON_SCAN_H
#define COLLECTOR_JSON_SCAN_H

#include "lib/buf.h"

/* Steps into the object at the start of *s. */
bool json_enter(struct sv *s);
/* The next member: its name (as it stands between the quotes) and its value's text. False at the end, or where it is no JSON any more. */
bool json_member(struct sv *s, struct sv *ret_name, struct sv *ret_value);
/* Appends the text of a string, of an array of bytes (as journald writes what is not UTF-8) or of a number; of an array of such the
 * first. False: it is none of these. */
bool json_text(struct sv value, struct buf *out);

#endif
