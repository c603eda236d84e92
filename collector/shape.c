#include "collector/shape.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/buf.h"
#include "lib/wire.h"

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

/* -- clusters -- */

#define ALIKE_PERCENT 60 /* of the words, so many must be the same */

struct words {
	struct sv v[SHAPE_WORDS];
	uint32_t hash[SHAPE_WORDS];
	size_t n;
};

#define ANY_WORD 1u /* "*" */

static uint32_t word_hash(struct sv w)
{
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < w.n; i++)
		h = (h ^ (unsigned char)w.p[i]) * 16777619u;
	return sv_eq(w, SV("*")) ? ANY_WORD : h | 2;
}

static void words_of(const char *shape, struct words *w)
{
	struct sv s = sv_cstr(shape);
	for (w->n = 0; s.n && w->n < SHAPE_WORDS; w->n++) {
		ptrdiff_t sp = sv_chr(s, ' ');
		w->v[w->n] = sp < 0 ? s : sv_take(s, (size_t)sp);
		w->hash[w->n] = word_hash(w->v[w->n]);
		s = sv_skip(s, w->v[w->n].n + 1);
	}
}

static void know_words(struct shape *v)
{
	struct words w;
	words_of(v->text, &w);
	v->n_words = (uint8_t)w.n;
	memcpy(v->word, w.hash, w.n * sizeof *w.hash);
}

/* How many of a hundred words are the same; 0 unless both have as many words and begin with the same one. */
static unsigned alike(const struct words *a, const struct shape *b)
{
	size_t same = 0;
	if (a->n != b->n_words || a->n < 3 || a->n == SHAPE_WORDS || a->hash[0] != b->word[0])
		return 0;
	for (size_t i = 0; i < a->n; i++)
		same += a->hash[i] == b->word[i] || b->word[i] == ANY_WORD;
	return (unsigned)(same * 100 / a->n);
}

/* What both have in common: '*' for each word that differs. */
static void generalise(struct shape *v, const struct words *w)
{
	struct words old;
	char text[SHAPE_TEXT];
	size_t n = 0;
	words_of(v->text, &old);
	for (size_t i = 0; i < old.n && i < w->n && n + 2 < sizeof text; i++) {
		struct sv x = sv_eq(old.v[i], w->v[i]) ? old.v[i] : SV("*");
		x = sv_take(x, sizeof text - 2 - n);
		if (i)
			text[n++] = ' ';
		memcpy(text + n, x.p, x.n);
		n += x.n;
	}
	text[n] = 0;
	memcpy(v->text, text, sizeof text);
	know_words(v);
}

/* The cluster that a shape which was never seen belongs to (after Drain: He et al., ICWS 2017, with one level), or NULL. */
static struct shape *cluster_of(struct shapes *s, const char *program, const char *shape)
{
	struct words w;
	struct shape *best = NULL;
	unsigned most = ALIKE_PERCENT - 1;
	words_of(shape, &w);
	for (size_t i = 0; i < s->n; i++) {
		struct shape *v = &s->v[i];
		unsigned percent = v->recognised ? 0 : alike(&w, v);
		if (percent > most && !strcmp(v->program, program)) {
			most = percent;
			best = v;
		}
	}
	if (best)
		generalise(best, &w);
	return best;
}

/* -- the table: exact shapes lead to their cluster -- */

#define SLOTS (SHAPE_MAX * 4)

static uint64_t hash(const char *program, const char *shape, bool recognised)
{
	uint64_t h = recognised ? 14695981039346656037u : 1469598103934665603u;
	for (; *program; program++)
		h = (h ^ (unsigned char)*program) * 1099511628211u;
	for (h *= 1099511628211u; *shape; shape++)
		h = (h ^ (unsigned char)*shape) * 1099511628211u;
	return h ^ h >> 32;
}

static struct shape *shape_new(struct shapes *s, const char *program, const char *shape, struct sv sample, bool recognised)
{
	if (s->n == SHAPE_MAX)
		return NULL;
	struct shape *v = &s->v[s->n++];
	*v = (struct shape){ .recognised = recognised };
	memcpy(v->program, program, strlen(program) + 1);
	memcpy(v->text, shape, strlen(shape) + 1);
	know_words(v);
	sample = sv_take(sample, sizeof v->sample);
	memcpy(v->sample, sample.p, sample.n);
	v->sample_n = sample.n;
	return v;
}

static void make_room(struct shapes *s)
{
	if (s->v)
		return;
	s->v = xcalloc(SHAPE_MAX, sizeof *s->v);
	s->slot = xcalloc(SLOTS, sizeof *s->slot);
}

struct shape *shapes_add(struct shapes *s, struct sv program, struct sv text, bool recognised)
{
	char shape[SHAPE_TEXT], prog[sizeof s->v->program];
	make_room(s);
	shape_of(text, shape);
	(void)snprintf(prog, sizeof prog, "%.*s", SVARG(sv_take(program, sizeof prog - 1)));
	uint64_t h = hash(prog, shape, recognised) | 1;
	size_t i = (size_t)h % SLOTS;
	for (; s->slot[i].hash && s->slot[i].hash != h; i = (i + 1) % SLOTS)
		;
	if (s->slot[i].hash) {
		s->v[s->slot[i].index].lines++;
		return &s->v[s->slot[i].index];
	}
	struct shape *v = recognised ? NULL : cluster_of(s, prog, shape);
	if (!v)
		v = shape_new(s, prog, shape, text, recognised);
	if (!v) {
		s->overflow++;
		return NULL;
	}
	if (s->used < SLOTS / 4 * 3) { /* without a place it is only found more slowly */
		s->slot[i] = (struct shape_slot){ h, (uint32_t)(v - s->v) };
		s->used++;
	}
	v->lines++;
	return v;
}

void shapes_save(const struct shapes *s, struct buf *out)
{
	wire_put_u(out, s->n);
	wire_put_u(out, s->overflow);
	for (size_t i = 0; i < s->n; i++) {
		const struct shape *v = &s->v[i];
		wire_put_sv(out, sv_cstr(v->program));
		wire_put_sv(out, sv_cstr(v->text));
		wire_put_sv(out, sv_make(v->sample, v->sample_n));
		wire_put_u(out, v->lines);
		wire_put_u(out, v->recognised);
	}
}

int shapes_load(struct shapes *s, struct wire *w)
{
	uint64_t n = wire_get_u(w);
	char program[sizeof s->v->program], text[SHAPE_TEXT];
	s->overflow = wire_get_u(w);
	if (n > SHAPE_MAX)
		return -1;
	if (n)
		make_room(s);
	for (; n && !w->bad; n--) {
		struct sv p = wire_get_sv(w), t = wire_get_sv(w), sample = wire_get_sv(w);
		uint64_t lines = wire_get_u(w), recognised = wire_get_u(w);
		if (w->bad || p.n >= sizeof program || t.n >= sizeof text || !sample.p)
			return -1;
		(void)snprintf(program, sizeof program, "%.*s", SVARG(p));
		(void)snprintf(text, sizeof text, "%.*s", SVARG(t));
		struct shape *v = shape_new(s, program, text, sample, recognised != 0);
		v->lines = v->told = lines;
		memcpy(v->told_text, v->text, sizeof v->told_text);
	}
	return w->bad ? -1 : 0;
}

void shapes_fini(struct shapes *s)
{
	free(s->v);
	free(s->slot);
	*s = (struct shapes){ 0 };
}
