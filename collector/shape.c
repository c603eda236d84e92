#include "collector/shape.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/buf.h"

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '-' ||
	       c == '.' || c == '@' || c == '+' || c == '/' || (unsigned char)c >= 0x80;
}

/* Words with a digit, an '@' or a dot inside (host names), and long runs of hex, are variable. */
static bool variable(struct sv w)
{
	bool digit = false, hex = w.n >= 8;
	for (size_t i = 0; i < w.n; i++) {
		digit |= (w.p[i] >= '0' && w.p[i] <= '9') || w.p[i] == '@' || (w.p[i] == '.' && i && i + 1 < w.n);
		hex &= is_hex(w.p[i]);
	}
	return digit || hex;
}

/* The end of a bracketed text that begins at i, or i when it has none near. */
static size_t bracket_end(struct sv t, size_t i)
{
	char close = t.p[i] == '<' ? '>' : t.p[i] == '[' ? ']' : t.p[i] == '(' ? ')' : '"';
	const char *q = memchr(t.p + i + 1, close, t.n - i - 1);
	return q ? (size_t)(q - t.p) : i;
}

void shape_of(struct sv t, char out[SHAPE_TEXT])
{
	size_t n = 0;
	for (size_t i = 0; i < t.n && n < SHAPE_TEXT - 4;) {
		if (strchr("<[(\"", t.p[i]) && t.p[i]) {
			size_t end = bracket_end(t, i);
			out[n++] = t.p[i];
			if (end > i) {
				out[n++] = '#';
				out[n++] = t.p[end];
			}
			i = end + 1;
			continue;
		}
		size_t start = i;
		while (i < t.n && is_word(t.p[i]))
			i++;
		struct sv w = sv_make(t.p + start, i - start);
		if (!w.n) {
			out[n++] = t.p[i] >= 0x20 && t.p[i] < 0x7f ? t.p[i] : '?';
			i++;
		} else if (variable(w)) {
			out[n++] = '#';
		} else {
			for (size_t j = 0; j < w.n && n < SHAPE_TEXT - 4; j++)
				out[n++] = (unsigned char)w.p[j] < 0x80 ? w.p[j] : '?';
		}
	}
	out[n] = 0;
}

static uint32_t hash(const char *a, const char *b)
{
	uint32_t h = 2166136261u;
	for (; *a; a++)
		h = (h ^ (unsigned char)*a) * 16777619u;
	for (h *= 16777619u; *b; b++)
		h = (h ^ (unsigned char)*b) * 16777619u;
	return h;
}

#define SLOTS (SHAPE_MAX * 2)

struct shape *shapes_add(struct shapes *s, struct sv program, struct sv text, bool recognised)
{
	char shape[SHAPE_TEXT], prog[sizeof s->v->program];
	if (!s->v) {
		s->v = xcalloc(SHAPE_MAX, sizeof *s->v);
		s->slot = xcalloc(SLOTS, sizeof *s->slot);
	}
	shape_of(text, shape);
	(void)snprintf(prog, sizeof prog, "%.*s", SVARG(sv_take(program, sizeof prog - 1)));
	uint32_t i = hash(prog, shape) % SLOTS;
	for (; s->slot[i]; i = (i + 1) % SLOTS) {
		struct shape *v = &s->v[s->slot[i] - 1];
		if (v->recognised == recognised && !strcmp(v->text, shape) && !strcmp(v->program, prog)) {
			v->lines++;
			return v;
		}
	}
	if (s->n == SHAPE_MAX) {
		s->overflow++;
		return NULL;
	}
	struct shape *v = &s->v[s->n++];
	s->slot[i] = (uint32_t)s->n;
	memcpy(v->program, prog, sizeof prog);
	memcpy(v->text, shape, sizeof shape);
	struct sv sample = sv_take(text, sizeof v->sample);
	memcpy(v->sample, sample.p, sample.n);
	v->sample_n = sample.n;
	v->recognised = recognised;
	v->lines = 1;
	return v;
}

void shapes_fini(struct shapes *s)
{
	free(s->v);
	free(s->slot);
	*s = (struct shapes){ 0 };
}
