#include "analyzer/literal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"

#define LITERAL_LEAST 3
#define LITERAL_DEPTH 8 /* patterns are ours, but a bound costs nothing */

static int alternatives(const char **pp, struct literal_set *ret, int depth);

void literal_fini(struct literal_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	s->n = 0;
}

static size_t shortest(const struct literal_set *s)
{
	size_t least = s->n ? 1000 : 0;
	for (size_t i = 0; i < s->n; i++)
		if (strlen(s->v[i]) < least)
			least = strlen(s->v[i]);
	return least;
}

/* Keeps the better of two sets (the longer shortest literal) in *best; the other is freed. */
static void keep_better(struct literal_set *best, struct literal_set *other)
{
	if (shortest(other) > shortest(best)) {
		struct literal_set t = *best;
		*best = *other;
		*other = t;
	}
	literal_fini(other);
}

static void keep_run(struct literal_set *best, struct buf *run)
{
	if (run->n) {
		struct literal_set one = { .n = 1 };
		one.v[0] = xstrdup(buf_cstr(run));
		keep_better(best, &one);
	}
	buf_clear(run);
}

static const char *skip_bracket(const char *p)
{
	p++;
	if (*p == '^')
		p++;
	if (*p == ']')
		p++;
	while (*p && *p != ']')
		p++;
	return *p ? p + 1 : p;
}

/* Whether the quantifier at p lets the piece be absent; *ret_end is behind it. */
static int optional_piece(const char *p, const char **ret_end)
{
	int absent = 0;
	while (*p == '?' || *p == '*' || *p == '+' || *p == '{') {
		if (*p == '?' || *p == '*' || (*p == '{' && p[1] == '0'))
			absent = 1;
		if (*p == '{')
			while (*p && *p != '}')
				p++;
		if (*p)
			p++;
	}
	*ret_end = p;
	return absent;
}

static const char *group(const char *p, struct literal_set *best, int depth)
{
	struct literal_set inner = { 0 };
	const char *end;
	p++;
	int has = alternatives(&p, &inner, depth + 1);
	if (*p == ')')
		p++;
	if (!optional_piece(p, &end) && has == 0)
		keep_better(best, &inner);
	else
		literal_fini(&inner);
	return end;
}

/* One literal character at p (after any backslash), with its quantifier. */
static const char *character(const char *p, struct buf *run, struct literal_set *best)
{
	const char *end;
	char c = (char)tolower((unsigned char)*p);
	int absent = optional_piece(p + 1, &end);
	if (!absent)
		buf_addc(run, c);
	if (absent || end != p + 1)
		keep_run(best, run);
	return end;
}

static int concatenation(const char **pp, struct literal_set *best, int depth)
{
	const char *p = *pp;
	struct buf run = { 0 };
	while (*p && *p != '|' && *p != ')') {
		if (*p == '\\' && p[1]) {
			p = character(p + 1, &run, best);
			continue;
		}
		if (!strchr("([.^$", *p)) {
			p = character(p, &run, best);
			continue;
		}
		keep_run(best, &run);
		if (*p == '(') {
			p = group(p, best, depth);
			continue;
		}
		const char *end;
		p = *p == '[' ? skip_bracket(p) : p + 1;
		(void)optional_piece(p, &end);
		p = end;
	}
	keep_run(best, &run);
	buf_fini(&run);
	*pp = p;
	return shortest(best) >= LITERAL_LEAST ? 0 : -1;
}

static int alternatives(const char **pp, struct literal_set *ret, int depth)
{
	int has = depth > LITERAL_DEPTH ? -1 : 0;
	for (;;) {
		struct literal_set branch = { 0 };
		if (concatenation(pp, &branch, depth) < 0 || ret->n + branch.n > LITERAL_MAX)
			has = -1;
		for (size_t i = 0; i < branch.n; i++) {
			if (has == 0)
				ret->v[ret->n++] = branch.v[i];
			else
				free(branch.v[i]);
		}
		if (**pp != '|')
			break;
		(*pp)++;
	}
	if (has < 0)
		literal_fini(ret);
	return has;
}

int literal_extract(const char *pattern, struct literal_set *ret_set)
{
	*ret_set = (struct literal_set){ 0 };
	return alternatives(&pattern, ret_set, 0);
}
