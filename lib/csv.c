#include "lib/csv.h"

#include <stdlib.h>

#include "lib/buf.h"
#include "lib/plain.h"

/* -12 and +3.5e4 are numbers to a spreadsheet, not formulas; +31 20 123 and -1+cmd are not plain numbers. */
static bool plain_number(struct sv s)
{
	bool digit = false;
	for (size_t i = 1; i < s.n; i++) {
		if (s.p[i] >= '0' && s.p[i] <= '9')
			digit = true;
		else if (s.p[i] != '.')
			return false;
	}
	return digit;
}

static bool runs_as_formula(struct sv s)
{
	if (!s.n)
		return false;
	if (s.p[0] == '-' || s.p[0] == '+')
		return !plain_number(s);
	return s.p[0] == '=' || s.p[0] == '@' || s.p[0] == '\t' || s.p[0] == '\r';
}

static bool wants_quotes(struct sv s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '"' || s.p[i] == ',' || s.p[i] == '\n' || s.p[i] == '\r')
			return true;
	return s.n && (s.p[0] == ' ' || s.p[s.n - 1] == ' ');
}

void csv_put(struct buf *out, bool first, struct sv cell)
{
	bool quotes = wants_quotes(cell);
	if (!first)
		buf_addc(out, ',');
	if (quotes)
		buf_addc(out, '"');
	if (runs_as_formula(cell))
		buf_addc(out, '\'');
	while (cell.n) {
		ptrdiff_t quote = sv_chr(cell, '"');
		size_t n = quote < 0 ? cell.n : (size_t)quote + 1;
		plain_put(out, sv_take(cell, n), "\n\r\t");
		if (quote >= 0)
			buf_addc(out, '"');
		cell = sv_skip(cell, n);
	}
	if (quotes)
		buf_addc(out, '"');
}

void csv_end_row(struct buf *out)
{
	buf_add(out, "\r\n", 2);
}

void csv_reader_init(struct csv_reader *r, struct sv text)
{
	if (sv_starts(text, SV("\xef\xbb\xbf")))
		text = sv_skip(text, 3);
	*r = (struct csv_reader){ .rest = text, .line = 1, .separator = ',' };
}

void csv_reader_fini(struct csv_reader *r)
{
	free(r->cell);
	r->cell = NULL;
}

static bool at_eol(struct sv s)
{
	return s.n && (s.p[0] == '\n' || (s.p[0] == '\r' && (s.n == 1 || s.p[1] == '\n')));
}

static void skip_eol(struct csv_reader *r)
{
	if (!r->rest.n)
		return;
	r->rest = sv_skip(r->rest, r->rest.p[0] == '\r' && r->rest.n > 1 ? 2 : 1);
	r->line++;
}

/* Copies one cell to r->cell + at; returns its length. */
static size_t read_cell(struct csv_reader *r, size_t at, bool *ret_open)
{
	size_t n = 0;
	bool quoted = r->rest.n && r->rest.p[0] == '"';
	if (quoted)
		r->rest = sv_skip(r->rest, 1);
	while (r->rest.n) {
		char c = r->rest.p[0];
		if (quoted && c == '"') {
			r->rest = sv_skip(r->rest, 1);
			if (!r->rest.n || r->rest.p[0] != '"') {
				quoted = false;
				continue;
			}
		} else if (!quoted && (c == r->separator || at_eol(r->rest))) {
			break;
		}
		if (c == '\n')
			r->line++;
		r->cell[at + n++] = c;
		r->rest = sv_skip(r->rest, 1);
	}
	*ret_open = quoted;
	return n;
}

bool csv_next(struct csv_reader *r, struct csv_row *ret)
{
	size_t at = 0;
	*ret = (struct csv_row){ 0 };
	while (at_eol(r->rest))
		skip_eol(r);
	if (!r->rest.n)
		return false;
	ret->line = r->line;
	if (r->cap < r->rest.n) { /* only at the first row: no row is longer than all that is left */
		r->cap = r->rest.n;
		r->cell = xrealloc(r->cell, r->cap);
	}
	for (;;) {
		size_t n = read_cell(r, at, &ret->open_quote);
		if (ret->n < CSV_CELLS)
			ret->v[ret->n] = sv_make(r->cell + at, n);
		ret->n++;
		at += n;
		if (!r->rest.n || r->rest.p[0] != r->separator)
			break;
		r->rest = sv_skip(r->rest, 1);
	}
	skip_eol(r);
	return true;
}
