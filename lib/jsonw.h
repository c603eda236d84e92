/* jsonw: JSON by hand, appended to a struct buf; for the hot paths where building a tree would cost more than the
 * text. Keys put the comma themselves, so fields may be left out freely. Bytes that are not UTF-8 come out as U+FFFD. */
#ifndef LIB_JSONW_H
#define LIB_JSONW_H

#include "lib/buf.h"

/* A quoted, escaped string. */
void jsonw_text(struct buf *b, struct sv s);
void jsonw_int(struct buf *b, int64_t v);
/* A quoted RFC 3339 time with offset. */
void jsonw_time(struct buf *b, int64_t us, int32_t utc_offset_s);

/* A comma unless something was just opened. */
static inline void jsonw_sep(struct buf *b)
{
	if (b->n && b->p[b->n - 1] != '{' && b->p[b->n - 1] != '[')
		buf_addc(b, ',');
}
/* `,"name":` with name as it is. Here, because names are known when this is compiled: a few stores instead of a call. */
static inline void jsonw_key(struct buf *b, struct sv name)
{
	jsonw_sep(b);
	buf_reserve(b, name.n + 3);
	char *p = b->p + b->n;
	*p = '"';
	memcpy(p + 1, name.p, name.n);
	p[1 + name.n] = '"';
	p[2 + name.n] = ':';
	b->n += name.n + 3;
}

/* Fields: nothing at all for an absent text. */
static inline void jsonw_field_text(struct buf *b, struct sv name, struct sv s)
{
	if (!s.p)
		return;
	jsonw_key(b, name);
	jsonw_text(b, s);
}
static inline void jsonw_field_int(struct buf *b, struct sv name, int64_t v)
{
	jsonw_key(b, name);
	jsonw_int(b, v);
}
void jsonw_field_bool(struct buf *b, struct sv name, bool v);

/* Length of the well-formed UTF-8 sequence at the start of s (1..4), or 0 when there is none. */
size_t utf8_length(struct sv s);

#endif
