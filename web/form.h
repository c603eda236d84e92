/* form: names and values out of a query string or an urlencoded body, percent-decoded, as UTF-8 text without NUL. */
#ifndef WEB_FORM_H
#define WEB_FORM_H

#include "lib/buf.h"

#define FORM_FIELDS 48

struct form {
	struct { char *name, *value; } v[FORM_FIELDS]; /* further fields are ignored */
	size_t n;
};

/* Reads text; false when it is malformed (then f holds what came before). */
bool form_parse(struct form *f, struct sv text);
void form_fini(struct form *f);
/* The value, or "". Borrowed. */
const char *form_get(const struct form *f, const char *name);
/* A whole number within lo..hi, else fallback. */
int64_t form_int(const struct form *f, const char *name, int64_t lo, int64_t hi, int64_t fallback);
/* Sets or replaces; value NULL removes. */
void form_set(struct form *f, const char *name, const char *value);
/* Appends "?a=b&c=d" of the non-empty fields, or nothing. */
void form_query(const struct form *f, struct buf *out);

/* Decodes %xx (and + when plus); false for malformed escapes, NUL and text that is not UTF-8. *ret is a heap copy. */
bool form_decode(struct sv s, bool plus, char **ret);
/* Appends s for a path segment or a query: everything but letters, digits and -_~.@: as %xx, and the dots too where they
 * would read as a format's suffix. */
void form_encode(struct buf *out, struct sv s);

#endif
