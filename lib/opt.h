/* opt: option tables. One row makes the parser, the default, the limits and a paragraph of the manual.
 * Used for detectors' options and the fixed top-level settings. */
#ifndef LIB_OPT_H
#define LIB_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opt_type { OPT_INT, OPT_REAL, OPT_BOOL, OPT_TEXT, OPT_TIME_S, OPT_BYTES };

struct opt_row {
	const char *name;
	enum opt_type type;
	size_t offset;        /* of the value in the options struct: int64_t, double, bool, char* */
	const char *fallback; /* the default, as text */
	double min, max;      /* inclusive; both 0 = no limits */
	const char *unit;     /* "nats", "s", "messages", … */
	const char *why;      /* one sentence: what it does and why this default */
};

struct opt_table {
	const char *section; /* "detector", "policy" */
	const char *title;   /* "new-rcpt" */
	const struct opt_row *rows; /* ends with name == NULL */
	size_t struct_bytes;
};

struct err;
/* Fills every row's default into *ret. */
void opt_defaults(const struct opt_table *t, void *ret);
/* Frees the texts in values; not values itself. */
void opt_fini(const struct opt_table *t, void *values);
/* Sets one row from text; -1 and e when the name is unknown, the text is no such value, or it is out of limits. */
int opt_set(const struct opt_table *t, void *values, const char *name, const char *text, struct err *e);
/* The row with that name, or NULL. */
const struct opt_row *opt_find(const struct opt_table *t, const char *name);
/* The nearest of n known names by edit distance when it is near enough to be meant, else NULL. */
const char *opt_nearest(const char *name, const char *const *known, size_t n);
/* "30s", "5m", "2h", "7d", "4w" or plain seconds → seconds; -1 when it is none. */
int64_t opt_duration_s(const char *text);
/* "64M", "1G", "500K" or plain bytes → bytes; -1 when it is none. */
int64_t opt_bytes(const char *text);

#endif
