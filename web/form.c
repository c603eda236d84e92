#include "web/form.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/jsonw.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_text(struct sv s)
{
	while (s.n) {
		size_t n = utf8_length(s);
		if (!n || !s.p[0])
			return false;
		s = sv_skip(s, n);
	}
	return true;
}

bool form_decode(struct sv s, bool plus, char **ret)
{
	char *out = xmalloc(s.n + 1);
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '%') {
			int a = i + 2 < s.n ? hex(s.p[i + 1]) : -1, b = i + 2 < s.n ? hex(s.p[i + 2]) : -1;
			if (a < 0 || b < 0) {
				free(out);
				return false;
			}
			c = (char)(a << 4 | b);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		out[n++] = c;
	}
	out[n] = 0;
	if (!is_text(sv_make(out, n))) {
		free(out);
		return false;
	}
	*ret = out;
	return true;
}

bool form_parse(struct form *f, struct sv text)
{
	while (text.n) {
		ptrdiff_t amp = sv_chr(text, '&');
		struct sv pair = amp < 0 ? text : sv_take(text, (size_t)amp);
		text = amp < 0 ? sv_take(text, 0) : sv_skip(text, (size_t)amp + 1);
		ptrdiff_t eq = sv_chr(pair, '=');
		if (!pair.n || f->n == FORM_FIELDS)
			continue;
		char *name = NULL, *value = NULL;
		if (!form_decode(eq < 0 ? pair : sv_take(pair, (size_t)eq), true, &name))
			return false;
		if (!form_decode(eq < 0 ? SV("") : sv_skip(pair, (size_t)eq + 1), true, &value)) {
			free(name);
			return false;
		}
		f->v[f->n].name = name;
		f->v[f->n++].value = value;
	}
	return true;
}

void form_fini(struct form *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->v[i].name);
		free(f->v[i].value);
	}
	f->n = 0;
}

const char *form_get(const struct form *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->v[i].name, name) == 0)
			return f->v[i].value;
	return "";
}

int64_t form_int(const struct form *f, const char *name, int64_t lo, int64_t hi, int64_t fallback)
{
	const char *s = form_get(f, name);
	char *end;
	errno = 0;
	long long v = strtoll(s, &end, 10);
	return !*s || *end || errno || v < lo || v > hi ? fallback : v;
}

void form_set(struct form *f, const char *name, const char *value)
{
	size_t i = 0;
	while (i < f->n && strcmp(f->v[i].name, name) != 0)
		i++;
	if (i == f->n) {
		if (!value || f->n == FORM_FIELDS)
			return;
		f->v[f->n].name = xstrdup(name);
		f->v[f->n++].value = xstrdup(value);
		return;
	}
	free(f->v[i].value);
	f->v[i].value = xstrdup(value ? value : ""); /* empty fields are left out of form_query() */
}

void form_query(const struct form *f, struct buf *out)
{
	char sep = '?';
	for (size_t i = 0; i < f->n; i++) {
		if (!f->v[i].value[0])
			continue;
		buf_addc(out, sep);
		form_encode(out, sv_cstr(f->v[i].name));
		buf_addc(out, '=');
		form_encode(out, sv_cstr(f->v[i].value));
		sep = '&';
	}
}

void form_encode(struct buf *out, struct sv s)
{
	bool suffix = sv_ends(s, SV(".json")) || sv_ends(s, SV(".csv")) || sv_eq(s, SV(".")) || sv_eq(s, SV(".."));
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '~' ||
		    (c == '.' && !suffix) || c == '@' || c == ':')
			buf_addc(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}
