/* list: what all tables of the dashboard share: sorting by column, pages of rows, links that keep the filters. */
#ifndef WEB_LIST_H
#define WEB_LIST_H

#include "web/call.h"

#define LIST_ROWS 50

struct list {
	const char *sort;   /* one of the known columns */
	int64_t direction;  /* 1 up, -1 down */
	int64_t limit, offset, page;
};

/* Reads sort, dir, page and limit from the query. columns: the known ones, first = default, ends with NULL; a "-" before
 * the name means that it sorts downwards at first. CSV takes all rows at once. */
struct list list_of(const struct call *c, const char *const *columns);
/* Adds ui.sort.<column> {url, aria, arrow} for headings. */
void list_sort_links(const struct call *c, struct json_object *ui, const struct list *l, const char *const *columns);
/* Adds paging {page, pages, total} to out and links to ui. */
void list_pages(const struct call *c, struct json_object *out, struct json_object *ui, const struct list *l, int64_t total);
/* This page's URL with one query field changed (NULL: removed); page goes back to the first. Caller frees. */
char *list_url(const struct call *c, const char *field, const char *value);
/* Adds choices[] {value, label, selected} for a <select>. values ends with NULL; labels may be NULL. */
void list_choices(struct json_object *ui, const char *key, const char *const *values, const char *const *labels, const char *now);

#endif
