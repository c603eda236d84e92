/* call: one request being answered, and what the pages need for it. Lives from the last byte of the request to the queued
 * answer; everything in it belongs to web/http.c. */
#ifndef WEB_CALL_H
#define WEB_CALL_H

#include <json-c/json.h>

#include "analyzer/archive.h"
#include "analyzer/store_ro.h"
#include "lib/conf.h"
#include "web/form.h"
#include "web/session.h"

#define CALL_SEGMENTS 6
#define CALL_BODY_MAX 65536

enum format { FORMAT_HTML, FORMAT_JSON, FORMAT_CSV };

/* The program: one of these. */
struct web {
	struct conf *conf;
	struct sessions *sessions;
	struct db db;
	bool db_open;
	struct archive *archive; /* NULL while there is none */
	char version[17];        /* of the embedded assets, for their URLs */
	int64_t started_us;
};

#define STREAM_BROKEN (-2)
/* An answer that comes in pieces. Whoever makes it sets the first three; web/http.c the others. */
struct stream {
	/* Some bytes, 0: none yet, -1: that was all; STREAM_BROKEN: there should be more, and whoever reads must see that it broke off. */
	ptrdiff_t (*read)(struct stream *s, char *out, size_t cap);
	void (*free)(struct stream *s);
	void *waiting;             /* the connection that sleeps until there is more */
};
/* There is more to read. */
void stream_wake(struct stream *s);

struct answer {
	int status;
	struct stream *stream;     /* instead of body; given over */
	const char *type;
	struct buf body;
	char *location;            /* of a redirect */
	char *cookie[2];           /* Set-Cookie values */
	size_t n_cookie;
	char *filename;            /* offered for saving */
	int64_t retry_after_s;
	const unsigned char *bytes; /* instead of body: static, not copied */
	size_t n_bytes;
	bool immutable;            /* may be cached for ever */
};

struct call {
	struct web *web;
	const char *method;
	char client[46];           /* the peer's address, or what a local proxy says it is */
	char *segment[CALL_SEGMENTS]; /* decoded path, without the format's suffix */
	size_t n_segment;
	enum format format;
	struct form query, body;
	char session_token[SESSION_TOKEN_HEX], login_token[SESSION_TOKEN_HEX]; /* cookies, or "" */
	struct session *session;   /* NULL: not logged in */
	bool live;                 /* asked by the page itself, to see whether something is new */
	int64_t now_us;            /* wall clock */
	struct answer answer;
};

/* A captured path segment as a positive number, or -1. */
int64_t call_number(const struct call *c, size_t segment);
/* A line for the log: who looked at what. Not again for what a page that was looked at asks by itself; anybody may say that it does. */
void call_audit(const struct call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void call_redirect(struct call *c, const char *location);
void call_cookie(struct call *c, const char *name, const char *value, int64_t max_age_s);
/* Shown once at the top of the next page. */
void call_flash(struct call *c, bool bad, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* An error as a page that people understand (or JSON, or plain text for CSV). */
void call_error(struct call *c, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The archive, opened when first needed; NULL and e when it cannot be. */
struct archive *call_archive(struct call *c, struct err *e);

#endif
