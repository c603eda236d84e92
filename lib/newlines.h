/* newlines: where the lines of a piece of text end, for many lines at once: a search per line would take longer than reading the text. */
#ifndef LIB_NEWLINES_H
#define LIB_NEWLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEWLINES_MAX 512u

struct newlines {
	uint16_t at[NEWLINES_MAX]; /* offsets of the first n newlines */
	unsigned n;
	size_t looked; /* how many bytes, from the first, were looked at: fewer than were given when there was no room for more */
	bool odd;      /* among them is a NUL or a byte above 127 */
};

void newlines_find(const char *p, size_t n, struct newlines *ret);

/* The ways to do it, for tests: false when this processor knows no such one. */
enum newlines_way { NEWLINES_PLAIN, NEWLINES_SSE2, NEWLINES_AVX2, NEWLINES_WAYS };
bool newlines_find_by(enum newlines_way way, const char *p, size_t n, struct newlines *ret);

#endif
