/* buf: a growable run of bytes, owned by its holder. Out of memory aborts (a bug of limits, not of data). */
#ifndef LIB_BUF_H
#define LIB_BUF_H

#include "lib/sv.h"

struct buf {
	char *p;
	size_t n, cap;
};

void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);
/* A NUL-terminated heap copy of s; the caller frees it. */
char *xsvdup(struct sv s);

/* Frees the bytes; b is empty and usable afterwards. */
void buf_fini(struct buf *b);
/* The slow half of buf_reserve(). */
void buf_grow(struct buf *b, size_t n);
/* Makes room for n more bytes. Here, because every number on the wire asks for ten. */
static inline void buf_reserve(struct buf *b, size_t n)
{
	if (b->cap - b->n < n)
		buf_grow(b, n);
}
static inline void buf_add(struct buf *b, const void *p, size_t n)
{
	if (!n)
		return;
	buf_reserve(b, n);
	memcpy(b->p + b->n, p, n);
	b->n += n;
}
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Removes the first n bytes. */
void buf_drop(struct buf *b, size_t n);
/* NUL-terminates without counting the NUL; returns the bytes as a C string. */
const char *buf_cstr(struct buf *b);

static inline void buf_addsv(struct buf *b, struct sv s) { buf_add(b, s.p, s.n); }
static inline void buf_addc(struct buf *b, char c)
{
	buf_reserve(b, 1);
	b->p[b->n++] = c;
}
static inline void buf_puts(struct buf *b, const char *s) { buf_add(b, s, strlen(s)); }
static inline void buf_clear(struct buf *b) { b->n = 0; }
static inline struct sv buf_sv(const struct buf *b) { return sv_make(b->p ? b->p : "", b->n); }

#endif
