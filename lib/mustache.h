/* mustache: logic-less templates over json-c objects, as the published Mustache spec has them: variables, sections,
 * inverted sections, comments, partials (with indentation), set-delimiters, dotted names, the implicit iterator. No lambdas.
 * Not true: null, false, 0, "", and empty lists. A filter may follow a name: {{opened_at|time}}.
 * Templates are the program's or the operator's; what they show is hostile and therefore escaped unless escape is off. */
#ifndef LIB_MUSTACHE_H
#define LIB_MUSTACHE_H

#include <json-c/json.h>

#include "lib/buf.h"
#include "lib/err.h"

/* The text of a partial, or absent when there is none (then nothing is shown). Borrowed for the call of mustache_render. */
typedef struct sv mustache_partial_cb(void *ctx, const char *name);
/* Appends value as the filter wants it shown, ready-made HTML. False when there is no such filter. */
typedef bool mustache_filter_cb(void *ctx, const char *filter, struct json_object *value, struct buf *out);

struct mustache_options {
	bool escape; /* & < > " ' of {{variables}} become entities */
	mustache_partial_cb *partial;
	mustache_filter_cb *filter;
	void *ctx;
};

/* Appends the rendered text. -1 and e when the template is malformed (out then holds a part). view is borrowed. */
int mustache_render(struct sv text, struct json_object *view, const struct mustache_options *o, struct buf *out, struct err *e);
/* Appends s with & < > " ' as entities. */
void mustache_escape(struct buf *out, struct sv s);

#endif
