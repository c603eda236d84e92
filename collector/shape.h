/* shape: what kinds of lines a log has. A shape is the line with its variable parts (numbers, hexadecimal ids,
 * addresses, texts in brackets and quotes) replaced by '#'. Shapes that no format understands and that differ in a few words are one
 * cluster, with '*' for those words. The table is bounded; what does not fit is only counted. */
#ifndef COLLECTOR_SHAPE_H
#define COLLECTOR_SHAPE_H

#include "lib/sv.h"

#define SHAPE_TEXT 160
#define SHAPE_MAX 1024
#define SHAPE_WORDS 48

struct shape {
	char program[64], text[SHAPE_TEXT], sample[256]; /* text: of the cluster */
	char told_text[SHAPE_TEXT]; /* text when the owner last looked */
	size_t sample_n;
	uint64_t lines, told; /* told: lines when the owner last looked (for the owner) */
	bool recognised;
	uint8_t n_words;            /* of text, ... */
	uint32_t word[SHAPE_WORDS]; /* ... and a hash of each */
};

struct shapes {
	struct shape *v; /* SHAPE_MAX of them, made at the first use */
	struct shape_slot { uint64_t hash; uint32_t index; } *slot;
	size_t n, used;
	uint64_t overflow;
};

void shapes_fini(struct shapes *s);
/* Counts one line. Returns its shape, or NULL when the table is full. */
struct shape *shapes_add(struct shapes *s, struct sv program, struct sv text, bool recognised);
/* State ↔ bytes; -1 when the bytes are no such state. */
struct buf;
struct wire;
void shapes_save(const struct shapes *s, struct buf *out);
int shapes_load(struct shapes *s, struct wire *w);
/* The shape of text, NUL-terminated. */
void shape_of(struct sv text, char out[SHAPE_TEXT]);

#endif
