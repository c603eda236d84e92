#include "lib/opt.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/msg.h"

#define OPT_NAME_MAX 63

const struct opt_row *opt_find(const struct opt_table *t, const char *name)
{
	for (const struct opt_row *r = t->rows; r->name; r++)
		if (strcmp(r->name, name) == 0)
			return r;
	return NULL;
}

static int smaller(int a, int b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: insertion, deletion, replacement and swapped neighbours each cost one. */
static int edit_distance(const char *a, const char *b)
{
	int row[3][OPT_NAME_MAX + 1];
	size_t n = strlen(a), m = strlen(b);
	if (n > OPT_NAME_MAX || m > OPT_NAME_MAX)
		return OPT_NAME_MAX;
	for (size_t j = 0; j <= m; j++)
		row[0][j] = (int)j;
	for (size_t i = 1; i <= n; i++) {
		int *now = row[i % 3], *up = row[(i + 2) % 3], *upup = row[(i + 1) % 3];
		now[0] = (int)i;
		for (size_t j = 1; j <= m; j++) {
			int same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
			now[j] = smaller(smaller(up[j], now[j - 1]) + 1, up[j - 1] + !same);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = smaller(now[j], upup[j - 2] + 1);
		}
	}
	return row[n % 3][m];
}

const char *opt_nearest(const char *name, const char *const *known, size_t n)
{
	const char *best = NULL;
	int limit = (int)strlen(name) / 3 + 1, nearest = limit + 1;
	for (size_t i = 0; i < n; i++) {
		int d = edit_distance(name, known[i]);
		if (d < nearest && d < (int)strlen(known[i])) {
			nearest = d;
			best = known[i];
		}
	}
	return best;
}

int64_t opt_duration_s(const char *text)
{
	static const struct { char c; int64_t s; } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	char *end;
	if (!isdigit((unsigned char)text[0]))
		return -1;
	errno = 0;
	long long v = strtoll(text, &end, 10);
	if (errno || v > INT64_MAX / 604800)
		return -1;
	if (!*end)
		return v;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (end[0] == units[i].c && !end[1])
			return v * units[i].s;
	return -1;
}

int64_t opt_bytes(const char *text)
{
	static const char units[] = "KMG";
	char *end;
	errno = 0;
	if (!isdigit((unsigned char)text[0]))
		return -1;
	long long v = strtoll(text, &end, 10);
	const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (errno || v > (1ll << 33) || (*end && (!unit || end[1])))
		return -1;
	return unit ? v << (10 * (unit - units + 1)) : v;
}

static int parse_bool(const char *text, bool *ret)
{
	static const char *const words[][2] = { { "false", "true" }, { "no", "yes" }, { "off", "on" }, { "0", "1" } };
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		for (int v = 0; v < 2; v++)
			if (strcasecmp(text, words[i][v]) == 0) {
				*ret = v;
				return 0;
			}
	return -1;
}

static int in_limits(const struct opt_row *r, double v, struct err *e)
{
	if ((r->min == 0 && r->max == 0) || (v >= r->min && v <= r->max))
		return 0;
	return err_set(e, "%s must lie between %.15g and %.15g%s%s", r->name, r->min, r->max, r->unit && *r->unit ? " " : "",
	               r->unit ? r->unit : "");
}

static int set_int(const struct opt_row *r, int64_t *at, const char *text, struct err *e)
{
	char *end;
	errno = 0;
	long long v = strtoll(text, &end, 10);
	if (end == text || *end || errno)
		return err_set(e, "%s = \"%s\" is not a whole number; write for example %s", r->name, text, r->fallback);
	if (in_limits(r, (double)v, e) < 0)
		return -1;
	*at = v;
	return 0;
}

static int set_real(const struct opt_row *r, double *at, const char *text, struct err *e)
{
	char *end;
	double v = strtod(text, &end);
	if (end == text || *end || !isfinite(v))
		return err_set(e, "%s = \"%s\" is not a number; write for example %s", r->name, text, r->fallback);
	if (in_limits(r, v, e) < 0)
		return -1;
	*at = v;
	return 0;
}

static int set_bytes(const struct opt_row *r, int64_t *at, const char *text, struct err *e)
{
	int64_t v = opt_bytes(text);
	if (v < 0)
		return err_set(e, "%s = \"%s\" is not a size; write for example %s", r->name, text, r->fallback);
	if (in_limits(r, (double)v, e) < 0)
		return -1;
	*at = v;
	return 0;
}

static int set_time(const struct opt_row *r, int64_t *at, const char *text, struct err *e)
{
	int64_t v = opt_duration_s(text);
	if (v < 0)
		return err_set(e, "%s = \"%s\" is not a duration; write 30s, 5m, 2h, 7d or 4w", r->name, text);
	if (in_limits(r, (double)v, e) < 0)
		return -1;
	*at = v;
	return 0;
}

static int set_row(const struct opt_row *r, void *values, const char *text, struct err *e)
{
	void *at = (char *)values + r->offset;
	switch (r->type) {
	case OPT_INT:
		return set_int(r, at, text, e);
	case OPT_REAL:
		return set_real(r, at, text, e);
	case OPT_TIME_S:
		return set_time(r, at, text, e);
	case OPT_BYTES:
		return set_bytes(r, at, text, e);
	case OPT_BOOL:
		if (parse_bool(text, at) < 0)
			return err_set(e, "%s = \"%s\" is neither true nor false", r->name, text);
		return 0;
	case OPT_TEXT:
		free(*(char **)at);
		*(char **)at = xstrdup(text);
		return 0;
	}
	return err_set(e, "%s has no known type", r->name);
}

void opt_defaults(const struct opt_table *t, void *ret)
{
	struct err e;
	memset(ret, 0, t->struct_bytes);
	for (const struct opt_row *r = t->rows; r->name; r++)
		if (set_row(r, ret, r->fallback, &e) < 0)
			panic("option table %s: the default is wrong: %s", t->title, e.text);
}

void opt_fini(const struct opt_table *t, void *values)
{
	for (const struct opt_row *r = t->rows; r->name; r++)
		if (r->type == OPT_TEXT)
			free(*(char **)(void *)((char *)values + r->offset));
}

int opt_set(const struct opt_table *t, void *values, const char *name, const char *text, struct err *e)
{
	const char *known[128];
	size_t n = 0;
	const struct opt_row *r = opt_find(t, name);
	if (r)
		return set_row(r, values, text, e);
	for (r = t->rows; r->name && n < sizeof known / sizeof *known; r++)
		known[n++] = r->name;
	const char *near = opt_nearest(name, known, n);
	return err_set(e, "unknown option %s in %s \"%s\"%s%s%s", name, t->section, t->title, near ? "; did you mean " : "",
	               near ? near : "", near ? "?" : "");
}
