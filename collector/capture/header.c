/* Headers of interest, attachments' names, and the fingerprint of a text. */
#include "collector/capture/body.h"

#include <string.h>
#include <strings.h>

#define SUBJECT_BYTES 200
#define NAME_BYTES 160
#define MOST_ATTACHMENTS 16

/* -- RFC 2047 -- */

struct out { char *p; size_t n, cap; };

static void put(struct out *o, unsigned ch)
{
	if (o->n < o->cap)
		o->p[o->n++] = (char)ch;
}

static void put_latin(struct out *o, uint8_t ch)
{
	if (ch < 0x80) {
		put(o, ch);
	} else {
		put(o, 0xc0u | ch >> 6);
		put(o, 0x80u | (ch & 0x3f));
	}
}

static int hex(char ch)
{
	if (ch >= '0' && ch <= '9') return ch - '0';
	ch |= 32;
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* The byte of two digits, or -1. */
static int hex_pair(struct sv t)
{
	int high = t.n > 1 ? hex(t.p[0]) : -1, low = t.n > 1 ? hex(t.p[1]) : -1;
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static void put_byte(struct out *o, uint8_t ch, bool latin)
{
	if (latin)
		put_latin(o, ch);
	else
		put(o, ch);
}

/* Bytes of which some are two digits behind mark. */
static void put_coded(struct out *o, struct sv t, char mark, char space, bool latin)
{
	for (size_t i = 0; i < t.n; i++) {
		uint8_t ch = t.p[i] == space ? ' ' : (uint8_t)t.p[i];
		int coded = t.p[i] == mark ? hex_pair(sv_skip(t, i + 1)) : -1;
		if (coded >= 0)
			i += 2;
		put_byte(o, coded >= 0 ? (uint8_t)coded : ch, latin);
	}
}

static void put_b(struct out *o, struct sv t, bool latin)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0, have = 0;
	for (size_t i = 0; i < t.n && t.p[i] != '='; i++) {
		const char *at = t.p[i] ? strchr(digits, t.p[i]) : NULL;
		if (!at)
			continue;
		bits = bits << 6 | (unsigned)(at - digits);
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		put_byte(o, (uint8_t)(bits >> have), latin);
	}
}

static inline bool is_named(struct sv s, struct sv name)
{
	return s.n == name.n && strncasecmp(s.p, name.p, s.n) == 0;
}

/* One "=?charset?X?text?=" at the start of t: its length, or 0 when there is none that we can read. */
static size_t encoded_word(struct sv t, struct out *o)
{
	if (!sv_starts(t, SV("=?")))
		return 0;
	struct sv rest = sv_skip(t, 2);
	ptrdiff_t q = sv_chr(rest, '?');
	if (q < 0 || (size_t)q + 3 > rest.n || rest.p[q + 2] != '?')
		return 0;
	struct sv charset = sv_take(rest, (size_t)q);
	ptrdiff_t lang = sv_chr(charset, '*');
	charset = lang < 0 ? charset : sv_take(charset, (size_t)lang);
	char how = (char)(rest.p[q + 1] | 32);
	rest = sv_skip(rest, (size_t)q + 3);
	ptrdiff_t end = sv_find(rest, SV("?="));
	bool latin = is_named(charset, SV("iso-8859-1")) || is_named(charset, SV("iso-8859-15")) || is_named(charset, SV("windows-1252"));
	if (end < 0 || (how != 'q' && how != 'b') || (!latin && !is_named(charset, SV("utf-8")) && !is_named(charset, SV("us-ascii"))))
		return 0;
	if (how == 'q')
		put_coded(o, sv_take(rest, (size_t)end), '=', '_', latin);
	else
		put_b(o, sv_take(rest, (size_t)end), latin);
	return (size_t)(rest.p + end + 2 - t.p);
}

size_t header_decode(struct sv t, char *to, size_t cap)
{
	struct out o = { to, 0, cap };
	while (t.n) {
		size_t n = encoded_word(t, &o);
		if (n) {
			t = sv_skip(t, n);
			size_t blank = 0;
			while (blank < t.n && (t.p[blank] == ' ' || t.p[blank] == '\t'))
				blank++;
			if (blank && sv_starts(sv_skip(t, blank), SV("=?"))) /* blanks between two of them are none */
				t = sv_skip(t, blank);
			continue;
		}
		put(&o, (uint8_t)*t.p);
		t = sv_skip(t, 1);
	}
	return o.n;
}

/* -- parameters -- */

static bool is_blank(char ch)
{
	return ch == ' ' || ch == '\t' || ch == '\r';
}

static struct sv trim(struct sv s)
{
	while (s.n && is_blank(*s.p))
		s = sv_skip(s, 1);
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* Takes the next "; name=value" off s. False at the end. */
static bool parameter(struct sv *s, struct sv *ret_name, struct sv *ret_value)
{
	ptrdiff_t semi = sv_chr(*s, ';');
	if (semi < 0)
		return false;
	struct sv t = trim(sv_skip(*s, (size_t)semi + 1));
	ptrdiff_t eq = sv_chr(t, '='), next = sv_chr(t, ';');
	*s = sv_make(t.p, t.n);
	*ret_name = *ret_value = SV("");
	if (eq < 0 || (next >= 0 && next < eq)) {
		return true;
	}
	*ret_name = trim(sv_take(t, (size_t)eq));
	t = trim(sv_skip(t, (size_t)eq + 1));
	if (t.n && *t.p == '"') {
		t = sv_skip(t, 1);
		ptrdiff_t end = sv_chr(t, '"');
		*ret_value = end < 0 ? t : sv_take(t, (size_t)end);
		*s = end < 0 ? SV("") : sv_skip(t, (size_t)end + 1);
	} else {
		ptrdiff_t end = sv_chr(t, ';');
		*ret_value = trim(end < 0 ? t : sv_take(t, (size_t)end));
		*s = end < 0 ? SV("") : sv_skip(t, (size_t)end);
	}
	return true;
}

/* RFC 2231: a name that ends in "*" is percent-encoded, and may begin with a charset. */
static void put_value(struct out *o, struct sv v, bool encoded, bool first)
{
	if (!encoded) {
		o->n += header_decode(v, o->p + o->n, o->cap - o->n);
		return;
	}
	ptrdiff_t a = first ? sv_chr(v, '\'') : -1, b = a < 0 ? -1 : sv_chr(sv_skip(v, (size_t)a + 1), '\'');
	bool latin = a > 0 && strncasecmp(v.p, "iso-8859-1", 10) == 0 && a >= 10;
	if (b >= 0)
		v = sv_skip(v, (size_t)a + (size_t)b + 2);
	put_coded(o, v, '%', ' ', latin);
}

static void names(struct capture *c, struct flow *f, struct body *b, struct sv value, const char *wanted)
{
	char text[NAME_BYTES];
	struct out o = { text, 0, sizeof text };
	struct sv rest = value, name, v;
	size_t n = strlen(wanted);
	bool first = true;
	while (parameter(&rest, &name, &v)) {
		if (name.n < n || strncasecmp(name.p, wanted, n) || (name.n > n && name.p[n] != '*'))
			continue;
		put_value(&o, v, name.n > n && name.p[name.n - 1] == '*', first);
		first = false;
		if (name.n == n)
			break;
	}
	uint32_t h = body_boundary_hash(sv_make(text, o.n));
	if (!o.n || h == b->last_name || b->n_attachments >= MOST_ATTACHMENTS)
		return;
	b->last_name = h;
	b->n_attachments++;
	note_add(c, f, &(struct note){ .type = NOTE_ATTACHMENT, .of = b->of, .text = sv_make(text, o.n) });
}

static void content_type(struct capture *c, struct flow *f, struct body *b, struct sv value)
{
	struct sv rest = value, name, v;
	while (parameter(&rest, &name, &v))
		if (is_named(name, SV("boundary")) && v.n && b->n_boundaries < BOUNDARIES)
			b->boundary[b->n_boundaries++] = body_boundary_hash(v);
	names(c, f, b, value, "name");
}

/* -- headers -- */

/* Of the subject in lower case and without digits: what a campaign counts up stays one subject. */
static uint64_t subject_hash(struct sv t)
{
	uint64_t h = 0xcbf29ce484222325ull;
	for (size_t i = 0; i < t.n; i++) {
		uint8_t ch = (uint8_t)t.p[i];
		if (ch >= '0' && ch <= '9')
			continue;
		if (ch >= 'A' && ch <= 'Z')
			ch |= 32;
		h = (h ^ ch) * 0x100000001b3ull;
	}
	return h ? h : 1;
}

static void subject(struct capture *c, struct flow *f, struct body *b, struct sv value)
{
	char text[SUBJECT_BYTES];
	struct sv t = sv_make(text, header_decode(value, text, sizeof text));
	note_add(c, f, &(struct note){ .type = NOTE_HEADER, .which = 's', .of = b->of, .number = subject_hash(t), .text = c->o.subjects ? t : (struct sv){ 0 } });
}

void body_header(struct capture *c, struct flow *f, struct body *b, struct sv header)
{
	ptrdiff_t colon = sv_chr(header, ':');
	if (colon <= 0)
		return;
	struct sv name = trim(sv_take(header, (size_t)colon)), value = trim(sv_skip(header, (size_t)colon + 1));
	if (is_named(name, SV("content-type"))) {
		content_type(c, f, b, value);
		return;
	}
	if (is_named(name, SV("content-disposition"))) {
		names(c, f, b, value, "filename");
		return;
	}
	if (b->stage != BODY_HEADERS)
		return;
	struct note n = { .type = NOTE_HEADER, .of = b->of, .text = value };
	if (is_named(name, SV("message-id")))
		n.which = 'm';
	else if (is_named(name, SV("from")))
		n.which = 'f';
	else if (is_named(name, SV("x-mailer")) || is_named(name, SV("user-agent")))
		n.which = 'x';
	else if (is_named(name, SV("subject")))
		subject(c, f, b, value);
	char text[HEADER_BYTES];
	if (n.which == 'f')
		n.text = sv_make(text, header_decode(value, text, sizeof text));
	if (n.which)
		note_add(c, f, &n);
}

