/* sv: borrowed text. A pointer and a length, never NUL-terminated by contract; whoever made it
 * owns the bytes. An absent value is {NULL, 0}; an empty one has a non-null pointer. */
#ifndef LIB_SV_H
#define LIB_SV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sv {
	const char *p;
	size_t n;
};

/* Makes an sv of a string literal. */
#define SV(lit) ((struct sv){ (lit), sizeof(lit) - 1 })
/* For printf: "%.*s", SVARG(x). */
#define SVARG(s) (int)(s).n, (s).p ? (s).p : ""

static inline struct sv sv_make(const char *p, size_t n) { return (struct sv){ p, n }; }
static inline struct sv sv_cstr(const char *s) { return (struct sv){ s, s ? strlen(s) : 0 }; }
static inline bool sv_absent(struct sv s) { return s.p == NULL; }
static inline bool sv_eq(struct sv a, struct sv b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool sv_starts(struct sv s, struct sv prefix)
{
	return s.n >= prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0;
}
static inline bool sv_ends(struct sv s, struct sv suffix)
{
	return s.n >= suffix.n && memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0;
}
/* The text after the first n bytes; empty when there are fewer. */
static inline struct sv sv_skip(struct sv s, size_t n)
{
	return n >= s.n ? sv_make(s.p + s.n, 0) : sv_make(s.p + n, s.n - n);
}
static inline struct sv sv_take(struct sv s, size_t n) { return sv_make(s.p, n < s.n ? n : s.n); }

/* Index of the first c in s, or -1. */
static inline ptrdiff_t sv_chr(struct sv s, char c)
{
	const char *q = s.n ? memchr(s.p, c, s.n) : NULL;
	return q ? q - s.p : -1;
}
/* Index of the last c in s, or -1. */
static inline ptrdiff_t sv_rchr(struct sv s, char c)
{
	const char *q = s.n ? memrchr(s.p, c, s.n) : NULL;
	return q ? q - s.p : -1;
}
/* Index of needle in s, or -1. */
static inline ptrdiff_t sv_find(struct sv s, struct sv needle)
{
	const char *q = s.n >= needle.n && needle.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;
	return q ? q - s.p : -1;
}
/* The domain of an address: what follows the last '@'; empty when there is none. */
static inline struct sv sv_domain(struct sv addr)
{
	ptrdiff_t at = sv_rchr(addr, '@');
	return at < 0 ? sv_make(addr.p ? addr.p + addr.n : "", 0) : sv_skip(addr, (size_t)at + 1);
}

#endif
