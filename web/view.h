/* view: objects into pages. Templates and static files are built into the program. */
#ifndef WEB_VIEW_H
#define WEB_VIEW_H

#include "web/page.h"

/* A built-in file, or NULL. */
const struct embed *asset_find(const char *name);
/* A short hash over all built-in files. */
void asset_version(char out[17]);
/* Answers with a static file; 404 when there is none. */
void asset_answer(struct call *c, const char *name);

/* Aborts when a built-in template is malformed: better at the start than at the first click. */
void view_check(void);
/* Renders web/tmpl/<template>.html with o inside the layout, as the answer's body. o is borrowed. */
void view_html(struct call *c, int status, const char *template, const char *title, const char *nav, struct json_object *o);
/* The object without "ui", or its rows. */
void view_json(struct call *c, int status, struct json_object *o);
void view_csv(struct call *c, const struct page *p, struct json_object *o);

#endif
