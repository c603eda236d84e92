/* shape: what kinds of lines a log has. A shape is the line with its variable parts (numbers, hexadecimal ids,
 * addresses, texts in brackets and quotes) replaced by '#'. The table is bounded; what does not fit is only counted. */
#ifndef COLLECTOR_SHAPE_H
#define COLLECTOR_SHAPE_H

#include "lib/sv.h"

#define SHAPE_TEXT 160
#define SHAPE_MAX 1024

struct shape {
	char program[64], text[SHAPE_TEXT], sample[256];
	size_t sample_n;
	uint64_t lines, told; /* told: lines when the owner last looked (for the owner) */
	bool recognised;
};

struct shapes {
	struct shape *v; /* SHAPE_MAX of them, made at the first use */
	uint32_t *slot;
	size_t n;
	uint64_t overflow;
};

void shapes_fini(struct shapes *s);
/* Counts one line. Returns its shape, or NULL when the table is full. */
struct shape *shapes_add(struct shapes *s, struct sv program, struct sv text, bool recognised);
/* The shape of text, NUL-terminated. */
void shape_of(struct sv text, char out[SHAPE_TEXT]);

#endif
