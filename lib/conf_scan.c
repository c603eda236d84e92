/* Reads the shape of abusewatch.conf without giving up at the first mistake, which libconfuse does. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/buf.h"
#include "lib/conf_int.h"
#include "lib/msg.h"

#define SCAN_BYTES_MAX (16u << 20)
#define SCAN_INCLUDE_MAX 8

enum token { TOKEN_END, TOKEN_WORD, TOKEN_ASSIGN, TOKEN_APPEND, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_COMMA, TOKEN_PAREN, TOKEN_UNPAREN };
static const char *const token_words[] = { "the end of the file", "", "=", "+=", "{", "}", ",", "(", ")" };

struct lexer {
	struct conf_scan *s;
	const char *p, *start, *end, *file;
	int line, depth;
	enum token token;
	int token_line;
	bool quoted, first; /* first: nothing but blanks before it on its line */
	struct buf text;
};

void conf_mistake(struct conf_scan *s, const char *file, int line, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	s->mistakes++;
	if (s->cb)
		s->cb(s->ctx, file, line, text);
	else if (line)
		msg_error("%s:%d: %s", file, line, text);
	else
		msg_error("%s: %s", file, text);
}

static void skip_line(struct lexer *x)
{
	while (x->p < x->end && *x->p != '\n')
		x->p++;
}

static void skip_long_comment(struct lexer *x)
{
	int begun = x->line;
	for (x->p += 2; x->p < x->end; x->p++) {
		if (*x->p == '\n')
			x->line++;
		if (*x->p == '*' && x->p + 1 < x->end && x->p[1] == '/') {
			x->p += 2;
			return;
		}
	}
	conf_mistake(x->s, x->file, begun, "the comment that begins here never ends; close it with */");
}

static void skip_blanks(struct lexer *x)
{
	while (x->p < x->end) {
		char c = *x->p, d = x->p + 1 < x->end ? x->p[1] : 0;
		if (c == '\n') {
			x->line++;
			x->first = true;
			x->p++;
		} else if (isspace((unsigned char)c)) {
			x->p++;
		} else if (c == '#' || (c == '/' && d == '/')) {
			skip_line(x);
		} else if (c == '/' && d == '*') {
			skip_long_comment(x);
		} else {
			return;
		}
	}
}

/* No setting spans lines, so a quote that is open at the end of its line was forgotten. */
static void lex_quoted(struct lexer *x)
{
	char quote = *x->p++;
	x->quoted = true;
	for (; x->p < x->end && *x->p != quote && *x->p != '\n'; x->p++) {
		if (*x->p == '\\' && x->p + 1 < x->end && (quote == '"' || x->p[1] == quote || x->p[1] == '\\'))
			x->p++;
		buf_addc(&x->text, *x->p);
	}
	if (x->p < x->end && *x->p == quote)
		x->p++;
	else
		conf_mistake(x->s, x->file, x->line, "the text that begins here is never closed; add the missing %c", quote);
}

static enum token lex_word(struct lexer *x)
{
	if (*x->p == '"' || *x->p == '\'') {
		lex_quoted(x);
		return TOKEN_WORD;
	}
	while (x->p < x->end && !isspace((unsigned char)*x->p) && !strchr("\"'={}(),#", *x->p)) {
		if (*x->p == '+' && x->p + 1 < x->end && x->p[1] == '=')
			break;
		buf_addc(&x->text, *x->p++);
	}
	return TOKEN_WORD;
}

static void next(struct lexer *x)
{
	static const char single[] = "={},()";
	static const enum token kinds[] = { TOKEN_ASSIGN, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_COMMA, TOKEN_PAREN, TOKEN_UNPAREN };
	x->first = x->p == x->start;
	buf_clear(&x->text);
	x->quoted = false;
	skip_blanks(x);
	x->token_line = x->line;
	if (x->p >= x->end) {
		x->token = TOKEN_END;
		return;
	}
	const char *hit = *x->p ? strchr(single, *x->p) : NULL;
	if (hit) {
		x->token = kinds[hit - single];
		x->p++;
	} else if (*x->p == '+' && x->p + 1 < x->end && x->p[1] == '=') {
		x->token = TOKEN_APPEND;
		x->p += 2;
	} else if (!*x->p) {
		x->p++; /* a NUL byte: no text editor writes one; libconfuse would stop here */
		next(x);
	} else {
		x->token = lex_word(x);
	}
}

static const char *shown(struct lexer *x)
{
	return x->token == TOKEN_WORD ? buf_cstr(&x->text) : token_words[x->token];
}

/* After a mistake: on to what begins a new line and looks like a name or a closing brace. */
static void resync(struct lexer *x)
{
	do
		next(x);
	while (x->token != TOKEN_END && x->token != TOKEN_CLOSE && !(x->first && x->token == TOKEN_WORD && !x->quoted));
}

static struct conf_item *add_item(struct lexer *x, int block, const char *name, int line)
{
	struct conf_scan *s = x->s;
	s->item = xrealloc(s->item, (s->n_item + 1) * sizeof *s->item);
	s->item[s->n_item] = (struct conf_item){ .block = block, .name = xstrdup(name), .file = x->file, .line = line };
	return &s->item[s->n_item++];
}

static int add_block(struct lexer *x, const char *name, char *title, int line)
{
	struct conf_scan *s = x->s;
	s->block = xrealloc(s->block, (s->n_block + 1) * sizeof *s->block);
	s->block[s->n_block] = (struct conf_block){ xstrdup(name), title, x->file, line };
	return (int)s->n_block++;
}

static void add_value(struct lexer *x, struct conf_item *it)
{
	it->v = xrealloc(it->v, (it->n + 1) * sizeof *it->v);
	it->v[it->n++] = (struct conf_value){ xstrdup(buf_cstr(&x->text)), x->token_line };
}

/* { "a", "b" } — the opening brace was read. */
static void scan_list(struct lexer *x, struct conf_item *it)
{
	int begun = x->token_line;
	bool comma = true;
	for (next(x); x->token != TOKEN_CLOSE; next(x)) {
		if (x->token == TOKEN_WORD) {
			if (!comma)
				conf_mistake(x->s, x->file, x->token_line, "%s: a comma is missing before \"%s\"", it->name, shown(x));
			add_value(x, it);
			comma = false;
		} else if (x->token == TOKEN_COMMA) {
			if (comma)
				conf_mistake(x->s, x->file, x->token_line, "%s: a comma without a value before it", it->name);
			comma = true;
		} else {
			conf_mistake(x->s, x->file, begun, "%s: the list that begins here holds \"%s\"%s; write { \"…\", \"…\" }",
			             it->name, shown(x), x->token == TOKEN_END ? "" : " or is not closed with }");
			resync(x);
			return;
		}
	}
	next(x);
}

static void scan_assign(struct lexer *x, int block, const char *name, int line)
{
	struct conf_item *it = add_item(x, block, name, line);
	it->append = x->token == TOKEN_APPEND;
	next(x);
	if (x->token == TOKEN_OPEN) {
		scan_list(x, it);
	} else if (x->token == TOKEN_WORD && (x->quoted || x->token_line == line)) {
		add_value(x, it);
		next(x);
	} else {
		conf_mistake(x->s, x->file, line, "%s: a value is missing after the equals sign", name);
		if (x->token != TOKEN_WORD)
			resync(x);
	}
}

static void scan_body(struct lexer *x, int block);
static void scan_text(struct conf_scan *s, const char *path, const char *from, int line, int depth, int block);

static void scan_include(struct lexer *x, int line, int block)
{
	char *path = NULL;
	next(x);
	if (x->token == TOKEN_WORD) {
		path = xstrdup(buf_cstr(&x->text));
		next(x);
	}
	if (!path || x->token != TOKEN_UNPAREN) {
		conf_mistake(x->s, x->file, line, "include is written include(\"other.conf\")");
		resync(x);
	} else {
		char *dir = conf_dir_of(x->s->file[0]), *full = conf_path_in(dir, path);
		scan_text(x->s, full, x->file, line, x->depth + 1, block);
		free(full);
		free(dir);
		next(x);
	}
	free(path);
}

/* name { … } or name "title" { … }; the name was read. */
static void scan_section(struct lexer *x, const char *name, int line)
{
	char *title = NULL;
	if (x->token == TOKEN_WORD) {
		title = xstrdup(buf_cstr(&x->text));
		next(x);
	}
	if (x->token != TOKEN_OPEN) {
		conf_mistake(x->s, x->file, line, "after \"%s\" comes \"%s\"; write %s = value, or %s \"title\" { … }", name,
		             title ? title : shown(x), name, name);
		free(title);
		if (!(x->first && x->token == TOKEN_WORD) && x->token != TOKEN_CLOSE)
			resync(x);
		return;
	}
	int block = add_block(x, name, title, line);
	next(x);
	scan_body(x, block);
	if (x->token == TOKEN_CLOSE)
		next(x);
	else
		conf_mistake(x->s, x->file, line, "the section %s that begins here is never closed; add }", name);
}

static void scan_setting(struct lexer *x, int block)
{
	char *name = xstrdup(buf_cstr(&x->text));
	int line = x->token_line;
	next(x);
	if (x->token == TOKEN_ASSIGN || x->token == TOKEN_APPEND) {
		scan_assign(x, block, name, line);
	} else if (x->token == TOKEN_PAREN && strcmp(name, "include") == 0) {
		scan_include(x, line, block);
	} else if (block == 0) {
		scan_section(x, name, line);
	} else {
		conf_mistake(x->s, x->file, line, "\"%s\" has no value; write %s = value (sections do not nest)", name, name);
		if (!(x->first && x->token == TOKEN_WORD) && x->token != TOKEN_CLOSE)
			resync(x);
	}
	free(name);
}

/* Until the closing brace of the block, or the end of the file. */
static void scan_body(struct lexer *x, int block)
{
	for (;;) {
		if (x->token == TOKEN_END || (x->token == TOKEN_CLOSE && block))
			return;
		if (x->token == TOKEN_WORD) {
			scan_setting(x, block);
			continue;
		}
		conf_mistake(x->s, x->file, x->token_line, "\"%s\" without anything that it belongs to", shown(x));
		next(x);
	}
}

static int slurp(const char *path, struct buf *out)
{
	char chunk[16384];
	FILE *f = fopen(path, "re");
	size_t n;
	if (!f)
		return -1;
	while (out->n < SCAN_BYTES_MAX && (n = fread(chunk, 1, sizeof chunk, f)) > 0)
		buf_add(out, chunk, n);
	int bad = ferror(f);
	fclose(f);
	return bad ? -1 : 0;
}

/* The bytes of one file, which is the last of s->file. */
static void scan_bytes(struct conf_scan *s, struct sv text, int depth, int block)
{
	const char *file = s->file[s->n_file - 1];
	struct lexer x = { .s = s, .p = text.p, .start = text.p, .end = text.p + text.n, .file = file, .line = 1, .depth = depth };
	next(&x);
	scan_body(&x, block);
	if (x.token == TOKEN_CLOSE)
		conf_mistake(s, file, x.token_line, "} without a section that it closes");
	buf_fini(&x.text);
}

static void add_file(struct conf_scan *s, const char *path)
{
	s->file = xrealloc(s->file, (s->n_file + 1) * sizeof *s->file);
	s->file[s->n_file++] = xstrdup(path);
}

static void scan_text(struct conf_scan *s, const char *path, const char *from, int line, int depth, int block)
{
	struct buf text = { 0 };
	if (depth > SCAN_INCLUDE_MAX) {
		conf_mistake(s, from, line, "includes are nested more than %d deep; does a file include itself?", SCAN_INCLUDE_MAX);
		return;
	}
	add_file(s, path);
	if (slurp(path, &text) == 0) {
		bool marked = sv_starts(buf_sv(&text), SV("\xef\xbb\xbf"));
		if (marked)
			conf_mistake(s, path, 1, "the file begins with a byte order mark, which nobody sees; save it as UTF-8 without one (sed -i '1s/^\\xef\\xbb\\xbf//' FILE)");
		scan_bytes(s, sv_skip(buf_sv(&text), marked ? 3 : 0), depth, block);
	}
	else if (depth)
		conf_mistake(s, from, line, "cannot read the included file %s (%m)", path);
	else
		conf_mistake(s, path, 0, "cannot read it (%m)%s", errno == EACCES ? "; its group may as a rule: chgrp abusewatch FILE, chmod 640 FILE; or try as root" : "");
	buf_fini(&text);
}

static void begin(struct conf_scan *s, const char *path)
{
	s->block = xcalloc(1, sizeof *s->block);
	s->block[0] = (struct conf_block){ xstrdup(""), NULL, path, 1 };
	s->n_block = 1;
}

void conf_scan_file(struct conf_scan *s, const char *path)
{
	begin(s, path);
	scan_text(s, path, path, 0, 0, 0);
}

void conf_scan_text(struct conf_scan *s, const char *name, struct sv text)
{
	begin(s, name);
	add_file(s, name);
	scan_bytes(s, text, 0, 0);
}

void conf_scan_fini(struct conf_scan *s)
{
	for (size_t i = 0; i < s->n_item; i++) {
		for (size_t j = 0; j < s->item[i].n; j++)
			free(s->item[i].v[j].text);
		free(s->item[i].v);
		free(s->item[i].name);
	}
	for (size_t i = 0; i < s->n_block; i++) {
		free(s->block[i].name);
		free(s->block[i].title);
	}
	for (size_t i = 0; i < s->n_file; i++)
		free(s->file[i]);
	free(s->item);
	free(s->block);
	free(s->file);
}
