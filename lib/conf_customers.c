/* The inventory: customer,contact,language,kind,value, one row for each thing that belongs to a customer. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#include "lib/buf.h"
#include "lib/conf_int.h"
#include "lib/csv.h"

enum { COL_CUSTOMER, COL_CONTACT, COL_LANGUAGE, COL_KIND, COL_VALUE, COL_COUNT };
static const char *const col_names[COL_COUNT] = { "customer", "contact", "language", "kind", "value" };
static const char *const kind_names[] = { "account", "domain", "prefix", "uid" };
static const struct conf_key kind_keys[] = {
	{ "", "account", CONF_TEXTS, 0, NULL, NULL },
	{ "", "domain", CONF_DOMAINS, 0, NULL, NULL },
	{ "", "prefix", CONF_PREFIXES, 0, NULL, NULL },
	{ "", "uid", CONF_UIDS, 0, NULL, NULL },
};
static const struct conf_key contact_key = { "", "contact", CONF_MAIL, 0, NULL, NULL };
static const struct conf_key language_key = { "", "language", CONF_LANGUAGE, 0, NULL, NULL };

/* What spreadsheets put between cells, by the country that they are set to; the comma, which is documented, goes before. */
static const struct separator { char c; const char *name, *row; } separators[] = {
	{ ',', "commas", "customer,contact,language,kind,value" },
	{ ';', "semicolons", "customer;contact;language;kind;value" },
	{ '\t', "tabs", "customer, contact, language, kind, value" },
};

struct inventory {
	struct conf_scan s; /* for its mistakes only */
	const char *path;
	const struct separator *separator;
	size_t col[COL_COUNT];
	struct conf_customer *v;
	int *line;
	size_t n, cap;
};

const char *customer_kind_name(enum customer_kind k)
{
	return kind_names[k];
}

static bool same_word(struct sv cell, const char *word)
{
	return cell.n == strlen(word) && strncasecmp(cell.p, word, cell.n) == 0;
}

static struct sv trim(struct sv s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = sv_skip(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* A first row that names columns may put them into any order; without one they stand as documented. */
static bool read_header(struct inventory *inv, const struct csv_row *row)
{
	size_t hits = 0;
	for (size_t i = 0; i < row->n && i < CSV_CELLS; i++)
		for (size_t c = 0; c < COL_COUNT; c++)
			hits += same_word(trim(row->v[i]), col_names[c]);
	if (hits < 2)
		return false;
	for (size_t c = 0; c < COL_COUNT; c++) {
		inv->col[c] = CSV_CELLS;
		for (size_t i = 0; i < row->n && i < CSV_CELLS; i++)
			if (same_word(trim(row->v[i]), col_names[c]))
				inv->col[c] = i;
		if (inv->col[c] == CSV_CELLS)
			conf_mistake(&inv->s, inv->path, row->line, "the header has no column %s; it must name customer,contact,language,kind,value",
			             col_names[c]);
	}
	for (size_t i = 0; i < row->n && i < CSV_CELLS; i++) {
		bool known = false;
		for (size_t c = 0; c < COL_COUNT; c++)
			known |= inv->col[c] == i;
		if (!known)
			conf_mistake(&inv->s, inv->path, row->line, "unknown column \"%.*s\"; the columns are customer,contact,language,kind,value",
			             SVARG(row->v[i]));
	}
	return true;
}

static int read_kind(struct inventory *inv, int line, const char *text)
{
	for (int k = 0; k < 4; k++)
		if (strcasecmp(text, kind_names[k]) == 0)
			return k;
	const char *near = opt_nearest(text, kind_names, 4);
	conf_mistake(&inv->s, inv->path, line, "kind \"%s\" is unknown; write account, domain, prefix or uid%s%s%s", text,
	             near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
	return -1;
}

static bool check_cell(struct inventory *inv, int line, const struct conf_key *k, const char *text)
{
	struct err e;
	if (conf_check_value(k, text, ".", &e) == 0)
		return true;
	conf_mistake(&inv->s, inv->path, line, "%s: %s", k->name, e.text);
	return false;
}

static void keep(struct inventory *inv, int line, int kind, char **cell)
{
	if (inv->n == inv->cap) {
		inv->cap = inv->cap ? inv->cap * 2 : 64;
		inv->v = xrealloc(inv->v, inv->cap * sizeof *inv->v);
		inv->line = xrealloc(inv->line, inv->cap * sizeof *inv->line);
	}
	inv->line[inv->n] = line;
	inv->v[inv->n++] = (struct conf_customer){ xstrdup(cell[COL_CUSTOMER]), xstrdup(cell[COL_CONTACT]), xstrdup(cell[COL_LANGUAGE]),
		                                   xstrdup(cell[COL_VALUE]), (enum customer_kind)kind };
}

static void read_row(struct inventory *inv, const struct csv_row *row)
{
	char *cell[COL_COUNT];
	if (row->open_quote) {
		conf_mistake(&inv->s, inv->path, row->line, "the quote that begins in this row is never closed");
		return;
	}
	if (row->n != COL_COUNT) {
		conf_mistake(&inv->s, inv->path, row->line, "%zu cell%s instead of 5; write %s separated by %s%s (cells with %s in quotes)", row->n, row->n == 1 ? "" : "s",
		             inv->separator->row, inv->separator->name, inv->separator == separators ? "" : ", as the first row is", inv->separator->name);
		return;
	}
	for (size_t c = 0; c < COL_COUNT; c++)
		cell[c] = inv->col[c] < row->n ? xsvdup(trim(row->v[inv->col[c]])) : xstrdup("");
	int kind = read_kind(inv, row->line, cell[COL_KIND]);
	bool ok = kind >= 0;
	if (!cell[COL_CUSTOMER][0]) {
		conf_mistake(&inv->s, inv->path, row->line, "the customer is empty; every row needs one");
		ok = false;
	}
	ok &= check_cell(inv, row->line, &contact_key, cell[COL_CONTACT]);
	ok &= check_cell(inv, row->line, &language_key, cell[COL_LANGUAGE]);
	if (kind >= 0)
		ok &= check_cell(inv, row->line, &kind_keys[kind], cell[COL_VALUE]);
	if (ok)
		keep(inv, row->line, kind, cell);
	for (size_t c = 0; c < COL_COUNT; c++)
		free(cell[c]);
}

static const struct inventory *sort_inv; /* qsort has no context argument */

static int by_value(const void *x, const void *y)
{
	size_t i = *(const size_t *)x, j = *(const size_t *)y;
	const struct conf_customer *a = &sort_inv->v[i], *b = &sort_inv->v[j];
	int c = (int)a->kind - (int)b->kind;
	if (!c)
		c = strcasecmp(a->value, b->value);
	return c ? c : i < j ? -1 : 1;
}

/* The same account cannot belong to two customers. */
static void check_owners(struct inventory *inv)
{
	size_t *order = xmalloc(inv->n * sizeof *order);
	for (size_t i = 0; i < inv->n; i++)
		order[i] = i;
	sort_inv = inv;
	qsort(order, inv->n, sizeof *order, by_value);
	for (size_t i = 1; i < inv->n; i++) {
		const struct conf_customer *a = &inv->v[order[i - 1]], *b = &inv->v[order[i]];
		if (a->kind == b->kind && strcasecmp(a->value, b->value) == 0 && strcmp(a->customer, b->customer) != 0)
			conf_mistake(&inv->s, inv->path, inv->line[order[i]], "%s %s already belongs to %s (line %d); keep one owner",
			             kind_names[a->kind], b->value, a->customer, inv->line[order[i - 1]]);
	}
	sort_inv = NULL;
	free(order);
}

static int slurp(const char *path, struct buf *out)
{
	char chunk[65536];
	FILE *f = fopen(path, "re");
	size_t n;
	if (!f)
		return -1;
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
		buf_add(out, chunk, n);
	int bad = ferror(f);
	fclose(f);
	return bad ? -1 : 0;
}

static bool is_remark(const struct csv_row *row)
{
	return row->v[0].n && row->v[0].p[0] == '#';
}

/* Cells of the first row that is no remark. */
static size_t cells_of_first(struct sv text, char separator)
{
	struct csv_reader r;
	struct csv_row row;
	bool more;
	csv_reader_init(&r, text);
	r.separator = separator;
	while ((more = csv_next(&r, &row)) && is_remark(&row))
		;
	csv_reader_fini(&r);
	return more ? row.n : 0;
}

/* The one that gives the first row its five cells, else the most. A file with commas is never read otherwise. */
static const struct separator *separator_of(struct sv text)
{
	const struct separator *best = separators;
	size_t most = 0;
	for (size_t i = 0; i < sizeof separators / sizeof *separators && most != COL_COUNT; i++) {
		size_t n = cells_of_first(text, separators[i].c);
		if (n > most || n == COL_COUNT) {
			most = n;
			best = &separators[i];
		}
	}
	return best;
}

size_t conf_customers_load(const char *path, conf_mistake_cb *cb, void *ctx, struct conf_customer **ret, size_t *ret_n)
{
	struct inventory inv = { .s = { .cb = cb, .ctx = ctx }, .path = path, .col = { 0, 1, 2, 3, 4 } };
	struct buf text = { 0 };
	struct csv_reader r;
	struct csv_row row;
	bool first = true;
	if (slurp(path, &text) < 0)
		conf_mistake(&inv.s, path, 0, "cannot read the customers' file (%m)");
	inv.separator = separator_of(buf_sv(&text));
	csv_reader_init(&r, buf_sv(&text));
	r.separator = inv.separator->c;
	while (csv_next(&r, &row)) {
		if (is_remark(&row))
			continue;
		if (!first || !read_header(&inv, &row))
			read_row(&inv, &row);
		first = false;
	}
	csv_reader_fini(&r);
	buf_fini(&text);
	if (inv.n)
		check_owners(&inv);
	free(inv.line);
	*ret = inv.v;
	*ret_n = inv.n;
	return inv.s.mistakes;
}

static void customers_free(struct conf_customer *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(v[i].customer);
		free(v[i].contact);
		free(v[i].language);
		free(v[i].value);
	}
}

void conf_customers_free(struct conf_customer *v, size_t n)
{
	customers_free(v, n);
	free(v);
}

int conf_customers_reload(struct conf *c, conf_mistake_cb *cb, void *ctx)
{
	struct conf_customer *v;
	size_t n;
	if (!c->customers_path[0])
		return 0;
	if (conf_customers_load(c->customers_path, cb, ctx, &v, &n)) {
		conf_customers_free(v, n);
		return -1;
	}
	customers_free(c->customer + c->n_customer_inline, c->n_customer - c->n_customer_inline);
	c->n_customer = c->n_customer_inline + n;
	c->customer = xrealloc(c->customer, c->n_customer * sizeof *c->customer);
	if (n)
		memcpy(c->customer + c->n_customer_inline, v, n * sizeof *v);
	free(v);
	return 0;
}

int conf_customers_follow(struct conf *c, struct stat *seen, conf_mistake_cb *cb, void *ctx)
{
	struct stat now;
	if (!c->customers_path[0] || stat(c->customers_path, &now) < 0)
		return 0;
	bool same = now.st_ino == seen->st_ino && now.st_dev == seen->st_dev && now.st_size == seen->st_size &&
	            now.st_mtim.tv_sec == seen->st_mtim.tv_sec && now.st_mtim.tv_nsec == seen->st_mtim.tv_nsec;
	*seen = now; /* before it is read, so that a later change is seen at the next look */
	return same ? 0 : conf_customers_reload(c, cb, ctx) < 0 ? -1 : 1;
}
