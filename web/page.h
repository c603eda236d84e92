/* page: one file in web/page/ that defines `const struct page page_<name>`. It builds ONE object out of queries; the same
 * URL answers as HTML (web/tmpl/<template>.html), with .json (the object) and with .csv (one of its arrays). So the API and
 * the exports cannot lag behind the dashboard. What only the HTML needs goes under the key "ui" and is left out of .json. */
#ifndef WEB_PAGE_H
#define WEB_PAGE_H

#include "web/call.h"

struct page_column {
	const char *header; /* NULL ends the table */
	const char *key;    /* of the row; dots go deeper */
};

struct page {
	const char *path;     /* "/case/#" — # is one number, * any one segment */
	const char *title;
	const char *template; /* web/tmpl/<template>.html */
	const char *nav;      /* which entry of the navigation is the present one */
	const char *csv_rows; /* key of the array that .csv shows; NULL = the object itself is the one row */
	const struct page_column *csv;
	bool no_store;        /* works without a store */
	/* Fills out. Returns the HTTP status, 200 when all is well, else fills e with a sentence for the page. */
	int (*build)(struct call *c, struct json_object *out, struct err *e);
};

extern const struct page *const page_registry[];

#endif
