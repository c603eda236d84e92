/* http: libmicrohttpd on one side, struct call on the other. Bounded in everything a client controls: connections, header
 * bytes, URL, body, time. */
#ifndef WEB_HTTP_H
#define WEB_HTTP_H

#include "web/call.h"

#define HTTP_URL_MAX 4096

struct http;
/* Serves the listening socket fd (taken over). NULL and e on failure. */
struct http *http_new(struct web *w, int fd, struct err *e);
void http_free(struct http *h);
/* For the event loop: poll this for reading, call http_run(); then call again after *ret_ms at the latest. */
int http_fd(struct http *h);
void http_run(struct http *h, unsigned *ret_ms);

#endif
