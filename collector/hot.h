/* hot: the steps of the quick readings (struct mta, hot()): one pass from left to right over lines that have exactly the usual form. */
#ifndef COLLECTOR_HOT_H
#define COLLECTOR_HOT_H

#include "lib/near.h"
#include "lib/sv.h"

static inline __attribute__((always_inline)) bool hot_lit(struct sv *s, const char *text, size_t n)
{
	if (s->n < n || memcmp(s->p, text, n) != 0) /* of a constant: compared without a call */
		return false;
	s->p += n;
	s->n -= n;
	return true;
}
#define LIT(s, text) hot_lit((s), (text), sizeof(text) - 1)

/* What stands before the first c; *s moves past c. */
static inline __attribute__((always_inline)) bool hot_upto(struct sv *s, char c, struct sv *ret)
{
	size_t i = near_first_of(s->p, s->n, c, c, c);
	if (i == s->n)
		return false;
	*ret = sv_make(s->p, i);
	s->n -= i + 1;
	s->p += i + 1;
	return true;
}

/* The same where `bad` must not stand before c. */
static inline bool hot_upto_but(struct sv *s, char c, char bad, struct sv *ret)
{
	size_t i = near_first_of(s->p, s->n, c, bad, c);
	if (i == s->n || s->p[i] != c)
		return false;
	*ret = sv_make(s->p, i);
	s->n -= i + 1;
	s->p += i + 1;
	return true;
}

/* What stands before the first c, which is left, or all that is left. */
static inline struct sv hot_value(struct sv *s, char c)
{
	const char *q = near_chr(s->p, c, s->n);
	struct sv v = sv_make(s->p, q ? (size_t)(q - s->p) : s->n);
	s->p += v.n;
	s->n -= v.n;
	return v;
}

static inline bool hot_number(struct sv *s, int64_t *ret)
{
	int64_t v = 0;
	size_t i = 0;
	for (; i < s->n && i < 18 && s->p[i] >= '0' && s->p[i] <= '9'; i++)
		v = v * 10 + (s->p[i] - '0');
	if (!i || i == 18)
		return false;
	*ret = v;
	s->p += i;
	s->n -= i;
	return true;
}

/* "<address>" without quotes. */
static inline bool hot_angle(struct sv *s, struct sv *ret)
{
	return LIT(s, "<") && hot_upto_but(s, '>', '"', ret);
}

#endif
