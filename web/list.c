#include "web/list.h"

#include <stdio.h>
#include <stdlib.h>

#include "web/rows.h"

static const char *bare(const char *column)
{
	return column + (*column == '-');
}

struct list list_of(const struct call *c, const char *const *columns)
{
	const char *want = form_get(&c->query, "sort"), *dir = form_get(&c->query, "dir");
	const char *hit = columns[0];
	for (size_t i = 1; columns[i]; i++)
		if (strcmp(bare(columns[i]), want) == 0)
			hit = columns[i];
	struct list l = { .sort = bare(hit), .direction = *hit == '-' ? -1 : 1 };
	if (strcmp(dir, "up") == 0)
		l.direction = 1;
	else if (strcmp(dir, "down") == 0)
		l.direction = -1;
	l.page = form_int(&c->query, "page", 1, 1000000, 1);
	l.limit = c->format == FORMAT_HTML ? form_int(&c->query, "limit", 1, 500, LIST_ROWS)
	                                   : form_int(&c->query, "limit", 1, 100000, c->format == FORMAT_CSV ? 100000 : LIST_ROWS);
	l.offset = (l.page - 1) * l.limit;
	return l;
}

static char *url_with(const struct call *c, const char *field, const char *value, const char *field2, const char *value2)
{
	struct form f = { .n = 0 };
	struct buf b = { 0 };
	for (size_t i = 0; i < c->query.n; i++)
		if (strcmp(c->query.v[i].name, "page") != 0)
			form_set(&f, c->query.v[i].name, c->query.v[i].value);
	form_set(&f, field, value);
	if (field2)
		form_set(&f, field2, value2);
	for (size_t i = 0; i < c->n_segment; i++) {
		buf_addc(&b, '/');
		form_encode(&b, sv_cstr(c->segment[i]));
	}
	if (!c->n_segment)
		buf_addc(&b, '/');
	form_query(&f, &b);
	form_fini(&f);
	(void)buf_cstr(&b);
	return b.p;
}

char *list_url(const struct call *c, const char *field, const char *value)
{
	return url_with(c, field, value, NULL, NULL);
}

void list_sort_links(const struct call *c, struct json_object *ui, const struct list *l, const char *const *columns)
{
	struct json_object *all = json_object_new_object();
	for (size_t i = 0; columns[i]; i++) {
		const char *name = bare(columns[i]);
		bool now = strcmp(name, l->sort) == 0, up = now ? l->direction < 0 : *columns[i] != '-';
		struct json_object *o = json_object_new_object();
		char *url = url_with(c, "sort", name, "dir", up ? "up" : "down");
		json_put_text(o, "url", url);
		json_put_text(o, "aria", !now ? "none" : l->direction > 0 ? "ascending" : "descending");
		json_put_text(o, "arrow", !now ? "" : l->direction > 0 ? "\xe2\x96\xb2" : "\xe2\x96\xbc");
		json_put(all, name, o);
		free(url);
	}
	json_put(ui, "sort", all);
}

static void put_page_url(const struct call *c, struct json_object *ui, const char *key, int64_t page)
{
	char number[24];
	(void)snprintf(number, sizeof number, "%lld", (long long)page);
	char *url = list_url(c, "page", page > 1 ? number : NULL);
	json_put_text(ui, key, url);
	free(url);
}

void list_pages(const struct call *c, struct json_object *out, struct json_object *ui, const struct list *l, int64_t total)
{
	int64_t pages = (total + l->limit - 1) / l->limit;
	struct json_object *p = json_object_new_object();
	json_put_int(p, "page", l->page);
	json_put_int(p, "pages", pages);
	json_put_int(p, "total", total);
	json_put(out, "paging", p);
	json_put_bool(ui, "many", pages > 1);
	if (l->page > 1)
		put_page_url(c, ui, "previous_url", l->page - 1);
	if (l->page < pages)
		put_page_url(c, ui, "next_url", l->page + 1);
}

void list_choices(struct json_object *ui, const char *key, const char *const *values, const char *const *labels, const char *now)
{
	struct json_object *all = json_object_new_array();
	for (size_t i = 0; values[i]; i++) {
		struct json_object *o = json_object_new_object();
		json_put_text(o, "value", values[i]);
		json_put_text(o, "label", labels ? labels[i] : values[i]);
		json_put_bool(o, "selected", strcmp(values[i], now) == 0);
		json_object_array_add(all, o);
	}
	json_put(ui, key, all);
}
