/* result: one verdict as a JSON object, the form in which it leaves the probe: to the command line, the page and the API. No key is in it. */
#ifndef PROBE_RESULT_H
#define PROBE_RESULT_H

#include <json-c/json.h>

#include "probe/engine.h"

/* {"target":…,"zone":…,"title":…,"verdict":…,"kind":…,"code":…,"meaning":…,"text":…,"reason":…,"delist":…,"points":…,"since":…,"answered":…,"ttl":…,"cached":…} */
void result_json(const struct engine_result *r, struct buf *out);
/* The object back; zone is found by its name. Texts are borrowed from o. False when it is none. */
bool result_read(struct json_object *o, const struct dnsbl_zones *zones, struct engine_result *ret);
/* "127.0.0.2" (16 bytes). */
void result_code_text(uint32_t code, char *out);

#endif
