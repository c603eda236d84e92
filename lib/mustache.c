#include "lib/mustache.h"

#include <ctype.h>
#include <stdlib.h>

#define MUSTACHE_DEPTH 48
#define MUSTACHE_NAME_MAX 128

enum node_kind { NODE_TEXT, NODE_VARIABLE, NODE_RAW, NODE_SECTION, NODE_INVERTED, NODE_PARTIAL };

struct node {
	enum node_kind kind;
	struct sv text;   /* literal text, or the name */
	struct sv indent; /* of a partial that stands alone on its line */
	size_t end;       /* sections: the node after the last one inside */
};

struct program {
	struct node *v;
	size_t n, cap;
};

struct compiler {
	struct sv src;
	size_t at;
	struct sv open, close; /* the delimiters now in force */
	size_t section[MUSTACHE_DEPTH];
	size_t depth;
	struct program *out;
};

struct stack {
	struct json_object *v[MUSTACHE_DEPTH * 2];
	size_t n;
	int partials;
	const struct mustache_options *o;
};

void mustache_escape(struct buf *out, struct sv s)
{
	for (size_t i = 0; i < s.n; i++) {
		switch (s.p[i]) {
		case '&': buf_puts(out, "&amp;"); break;
		case '<': buf_puts(out, "&lt;"); break;
		case '>': buf_puts(out, "&gt;"); break;
		case '"': buf_puts(out, "&quot;"); break;
		case '\'': buf_puts(out, "&#39;"); break;
		default:
			if (((unsigned char)s.p[i] < 32 && !strchr("\t\n\r", s.p[i])) || s.p[i] == 0x7f)
				buf_puts(out, "\xef\xbf\xbd"); /* HTML has no place for it, not even as an entity */
			else
				buf_addc(out, s.p[i]);
		}
	}
}

/* --- from text to nodes -------------------------------------------------------------------------------------------- */

static struct node *add_node(struct program *p, enum node_kind kind, struct sv text)
{
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 32;
		p->v = xrealloc(p->v, p->cap * sizeof *p->v);
	}
	p->v[p->n] = (struct node){ .kind = kind, .text = text };
	return &p->v[p->n++];
}

static struct sv trim(struct sv s)
{
	while (s.n && isspace((unsigned char)s.p[0]))
		s = sv_skip(s, 1);
	while (s.n && isspace((unsigned char)s.p[s.n - 1]))
		s.n--;
	return s;
}

/* How many blanks stand between the start of the line and `at`; -1 when something else does. */
static ptrdiff_t blanks_before(struct sv src, size_t at)
{
	size_t i = at;
	while (i && (src.p[i - 1] == ' ' || src.p[i - 1] == '\t'))
		i--;
	return i == 0 || src.p[i - 1] == '\n' ? (ptrdiff_t)(at - i) : -1;
}

/* Where the next line begins when only blanks stand before it; -1 otherwise. */
static ptrdiff_t line_after(struct sv src, size_t at)
{
	while (at < src.n && (src.p[at] == ' ' || src.p[at] == '\t'))
		at++;
	if (at < src.n && src.p[at] == '\r' && at + 1 < src.n && src.p[at + 1] == '\n')
		at++;
	if (at == src.n)
		return (ptrdiff_t)at;
	return src.p[at] == '\n' ? (ptrdiff_t)at + 1 : -1;
}

static int set_delimiters(struct compiler *c, struct sv tag, struct err *e)
{
	size_t a = 0, b = tag.n;
	while (a < tag.n && !isspace((unsigned char)tag.p[a]))
		a++;
	while (b > a && !isspace((unsigned char)tag.p[b - 1]))
		b--;
	if (!a || b == tag.n || b <= a)
		return err_set(e, "mustache: {{=%.*s=}} must name two delimiters", SVARG(tag));
	c->open = sv_take(tag, a);
	c->close = sv_skip(tag, b);
	return 0;
}

static int open_section(struct compiler *c, enum node_kind kind, struct sv name, struct err *e)
{
	if (c->depth == MUSTACHE_DEPTH)
		return err_set(e, "mustache: sections are nested more than %d deep", MUSTACHE_DEPTH);
	c->section[c->depth++] = c->out->n;
	add_node(c->out, kind, name);
	return 0;
}

static int close_section(struct compiler *c, struct sv name, struct err *e)
{
	if (!c->depth)
		return err_set(e, "mustache: {{/%.*s}} closes nothing", SVARG(name));
	struct node *n = &c->out->v[c->section[--c->depth]];
	if (!sv_eq(n->text, name))
		return err_set(e, "mustache: {{/%.*s}} where {{/%.*s}} is due", SVARG(name), SVARG(n->text));
	n->end = c->out->n;
	return 0;
}

static int add_tag(struct compiler *c, char sigil, struct sv name, struct sv indent, struct err *e)
{
	switch (sigil) {
	case '!': return 0;
	case '=': return set_delimiters(c, name, e);
	case '#': return open_section(c, NODE_SECTION, name, e);
	case '^': return open_section(c, NODE_INVERTED, name, e);
	case '/': return close_section(c, name, e);
	case '>': add_node(c->out, NODE_PARTIAL, name)->indent = indent; return 0;
	case '&': case '{': add_node(c->out, NODE_RAW, name); return 0;
	default: add_node(c->out, NODE_VARIABLE, name); return 0;
	}
}

/* One tag; c->at stands behind its opening delimiter, which began at `start`. Text before it begins at `text`. */
static int compile_tag(struct compiler *c, size_t text, size_t start, struct err *e)
{
	char sigil = c->at < c->src.n && strchr("!=#^/>&{", c->src.p[c->at]) ? c->src.p[c->at] : 0;
	struct sv rest = sv_skip(c->src, c->at + (sigil != 0));
	char closing[40];
	size_t n = 0;
	if (sigil == '{' || sigil == '=')
		closing[n++] = sigil == '{' ? '}' : '=';
	if (c->close.n > sizeof closing - 2)
		return err_set(e, "mustache: delimiter too long");
	memcpy(closing + n, c->close.p, c->close.n);
	n += c->close.n;
	ptrdiff_t len = sv_find(rest, sv_make(closing, n));
	if (len < 0)
		return err_set(e, "mustache: a tag is never closed: {{%.*s", (int)(rest.n < 40 ? rest.n : 40), rest.p);
	size_t after = (size_t)(rest.p - c->src.p) + (size_t)len + n, end = start;
	ptrdiff_t blanks = sigil && sigil != '&' && sigil != '{' ? blanks_before(c->src, start) : -1;
	ptrdiff_t next = blanks >= 0 ? line_after(c->src, after) : -1;
	struct sv indent = { 0 };
	if (next >= 0) { /* alone on its line: the line is not part of the text */
		end = start - (size_t)blanks;
		indent = sv_make(c->src.p + end, (size_t)blanks);
		after = (size_t)next;
	}
	if (end > text)
		add_node(c->out, NODE_TEXT, sv_make(c->src.p + text, end - text));
	c->at = after;
	return add_tag(c, sigil, trim(sv_take(rest, (size_t)len)), indent, e);
}

static int compile(struct sv src, struct program *out, struct err *e)
{
	struct compiler c = { .src = src, .open = SV("{{"), .close = SV("}}"), .out = out };
	while (c.at < src.n) {
		size_t text = c.at;
		ptrdiff_t hit = sv_find(sv_skip(src, text), c.open);
		if (hit < 0) {
			add_node(out, NODE_TEXT, sv_skip(src, text));
			break;
		}
		size_t start = text + (size_t)hit;
		c.at = start + c.open.n;
		if (compile_tag(&c, text, start, e) < 0)
			return -1;
	}
	if (c.depth)
		return err_set(e, "mustache: {{#%.*s}} is never closed", SVARG(out->v[c.section[c.depth - 1]].text));
	return 0;
}

/* --- from nodes to output ------------------------------------------------------------------------------------------ */

/* One part of a dotted name in one object. */
static bool get_part(struct json_object *o, struct sv part, struct json_object **ret)
{
	char name[MUSTACHE_NAME_MAX];
	if (!json_object_is_type(o, json_type_object) || part.n >= sizeof name)
		return false;
	memcpy(name, part.p, part.n);
	name[part.n] = 0;
	return json_object_object_get_ex(o, name, ret);
}

/* NULL when there is nothing of that name. Only the first part of a dotted name is looked for all the way up. */
static struct json_object *lookup(const struct stack *s, struct sv name)
{
	struct json_object *v = NULL;
	if (sv_eq(name, SV(".")))
		return s->v[s->n - 1];
	ptrdiff_t dot = sv_chr(name, '.');
	struct sv part = dot < 0 ? name : sv_take(name, (size_t)dot);
	size_t i = s->n;
	while (i && !get_part(s->v[i - 1], part, &v))
		i--;
	if (!i)
		return NULL;
	while (dot >= 0 && v) {
		name = sv_skip(name, (size_t)dot + 1);
		dot = sv_chr(name, '.');
		if (!get_part(v, dot < 0 ? name : sv_take(name, (size_t)dot), &v))
			return NULL;
	}
	return v;
}

static bool is_true(struct json_object *v)
{
	switch (json_object_get_type(v)) {
	case json_type_null: return false;
	case json_type_boolean: return json_object_get_boolean(v);
	case json_type_array: return json_object_array_length(v) > 0;
	case json_type_string: return json_object_get_string_len(v) > 0;
	case json_type_int: return json_object_get_int64(v) != 0;
	default: return true;
	}
}

static struct sv value_text(struct json_object *v)
{
	if (json_object_is_type(v, json_type_string))
		return sv_make(json_object_get_string(v), (size_t)json_object_get_string_len(v));
	return sv_cstr(json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN));
}

static void show(const struct stack *s, const struct node *n, struct buf *out)
{
	struct sv name = n->text;
	ptrdiff_t bar = s->o->filter ? sv_chr(name, '|') : -1;
	struct json_object *v = lookup(s, bar < 0 ? name : trim(sv_take(name, (size_t)bar)));
	if (bar >= 0) {
		char filter[MUSTACHE_NAME_MAX];
		struct sv f = trim(sv_skip(name, (size_t)bar + 1));
		if (f.n < sizeof filter) {
			memcpy(filter, f.p, f.n);
			filter[f.n] = 0;
			if (s->o->filter(s->o->ctx, filter, v, out))
				return;
		}
	}
	if (!v)
		return;
	if (n->kind == NODE_VARIABLE && s->o->escape)
		mustache_escape(out, value_text(v));
	else
		buf_addsv(out, value_text(v));
}

static int run(const struct program *p, size_t from, size_t to, struct stack *s, struct buf *out, struct err *e);

static int push_and_run(const struct program *p, size_t i, struct json_object *v, struct stack *s, struct buf *out, struct err *e)
{
	if (s->n == sizeof s->v / sizeof *s->v)
		return err_set(e, "mustache: sections are nested too deep");
	s->v[s->n++] = v;
	int r = run(p, i + 1, p->v[i].end, s, out, e);
	s->n--;
	return r;
}

static int run_section(const struct program *p, size_t i, struct stack *s, struct buf *out, struct err *e)
{
	struct json_object *v = lookup(s, p->v[i].text);
	if (p->v[i].kind == NODE_INVERTED)
		return is_true(v) ? 0 : run(p, i + 1, p->v[i].end, s, out, e);
	if (!is_true(v))
		return 0;
	if (!json_object_is_type(v, json_type_array))
		return push_and_run(p, i, v, s, out, e);
	for (size_t k = 0; k < json_object_array_length(v); k++)
		if (push_and_run(p, i, json_object_array_get_idx(v, k), s, out, e) < 0)
			return -1;
	return 0;
}

static void add_indented(struct buf *out, struct sv text, struct sv indent)
{
	for (size_t i = 0; i < text.n; i++) {
		if (i == 0 || text.p[i - 1] == '\n')
			buf_addsv(out, indent);
		buf_addc(out, text.p[i]);
	}
}

static int run_partial(const struct node *n, struct stack *s, struct buf *out, struct err *e)
{
	char name[MUSTACHE_NAME_MAX];
	struct program p = { 0 };
	struct buf indented = { 0 };
	if (!s->o->partial || n->text.n >= sizeof name)
		return 0;
	if (s->partials == MUSTACHE_DEPTH)
		return err_set(e, "mustache: partial %.*s includes itself without end", SVARG(n->text));
	memcpy(name, n->text.p, n->text.n);
	name[n->text.n] = 0;
	struct sv text = s->o->partial(s->o->ctx, name);
	if (sv_absent(text))
		return 0;
	if (n->indent.n) {
		add_indented(&indented, text, n->indent);
		text = buf_sv(&indented);
	}
	s->partials++;
	int r = compile(text, &p, e);
	if (r == 0)
		r = run(&p, 0, p.n, s, out, e);
	s->partials--;
	free(p.v);
	buf_fini(&indented);
	return r;
}

static int run(const struct program *p, size_t from, size_t to, struct stack *s, struct buf *out, struct err *e)
{
	int r = 0;
	for (size_t i = from; i < to && r == 0; i++) {
		const struct node *n = &p->v[i];
		switch (n->kind) {
		case NODE_TEXT: buf_addsv(out, n->text); break;
		case NODE_VARIABLE: case NODE_RAW: show(s, n, out); break;
		case NODE_PARTIAL: r = run_partial(n, s, out, e); break;
		case NODE_SECTION: case NODE_INVERTED:
			r = run_section(p, i, s, out, e);
			i = n->end - 1;
			break;
		}
	}
	return r;
}

int mustache_render(struct sv text, struct json_object *view, const struct mustache_options *o, struct buf *out, struct err *e)
{
	struct program p = { 0 };
	struct stack s = { .v = { view }, .n = 1, .o = o };
	int r = compile(text, &p, e);
	if (r == 0)
		r = run(&p, 0, p.n, &s, out, e);
	free(p.v);
	return r;
}
