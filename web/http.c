#include "web/http.h"

#include <stdio.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/msg.h"
#include "lib/prefix.h"
#include "lib/times.h"
#include "web/route.h"

#define HTTP_CONNECTIONS 256
#define HTTP_CONNECTION_BYTES 32768 /* request line and headers; more is refused by the library */
#define HTTP_CONNECTIONS_EACH 64 /* of one address */
#define HTTP_IDLE_S 30

struct http {
	struct web *web;
	struct MHD_Daemon *daemon;
	struct reading *readings; /* answers in pieces that are under way */
	bool ending;
};

/* What the library keeps for us with each request. */
struct exchange {
	struct call call;
	char *url;
	struct buf body;
	bool begun, body_too_long;
};

static int64_t wall_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *con)
{
	(void)cls;
	(void)con;
	struct exchange *x = xcalloc(1, sizeof *x);
	x->url = xsvdup(sv_make(uri, strnlen(uri, HTTP_URL_MAX + 1)));
	return x;
}

static void on_done(void *cls, struct MHD_Connection *con, void **con_cls, enum MHD_RequestTerminationCode why)
{
	struct exchange *x = *con_cls;
	(void)cls;
	(void)con;
	(void)why;
	if (!x)
		return;
	struct call *c = &x->call;
	for (size_t i = 0; i < c->n_segment; i++)
		free(c->segment[i]);
	form_fini(&c->query);
	form_fini(&c->body);
	buf_fini(&c->answer.body);
	if (c->answer.stream)
		c->answer.stream->free(c->answer.stream);
	free(c->answer.location);
	free(c->answer.filename);
	for (size_t i = 0; i < c->answer.n_cookie; i++)
		free(c->answer.cookie[i]);
	buf_fini(&x->body);
	free(x->url);
	free(x);
	*con_cls = NULL;
}

static void peer_address(struct MHD_Connection *con, struct ipaddr *ret)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(con, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	*ret = (struct ipaddr){ 0 };
	if (!info || !info->client_addr)
		return;
	if (info->client_addr->sa_family == AF_INET6) {
		memcpy(ret->b, &((const struct sockaddr_in6 *)(const void *)info->client_addr)->sin6_addr, 16);
	} else if (info->client_addr->sa_family == AF_INET) {
		ret->b[10] = ret->b[11] = 0xff;
		memcpy(ret->b + 12, &((const struct sockaddr_in *)(const void *)info->client_addr)->sin_addr, 4);
	}
}

/* HAProxy adds a header of its own behind what a client sent, others add to the client's. */
static enum MHD_Result take_last(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	if (value && strcasecmp(name, "X-Forwarded-For") == 0)
		*(const char **)cls = value;
	return MHD_YES;
}

/* Behind a TLS proxy on this machine the client is whom the proxy saw last; nobody else is believed. */
static void find_client(const struct http *h, struct MHD_Connection *con, struct call *c)
{
	struct ipaddr peer, named;
	peer_address(con, &peer);
	const char *via = NULL;
	MHD_get_connection_values(con, MHD_HEADER_KIND, take_last, &via);
	if (via && ipaddr_is_loopback(&peer) && strncmp(h->web->conf->web.base_url, "https:", 6) == 0) {
		const char *last = strrchr(via, ',');
		struct sv s = sv_cstr(last ? last + 1 : via);
		while (s.n && s.p[0] == ' ')
			s = sv_skip(s, 1);
		if (ipaddr_parse(s, &named) == 0)
			peer = named;
	}
	(void)ipaddr_text(&peer, c->client);
}

static void take_cookie(struct MHD_Connection *con, const char *name, char out[SESSION_TOKEN_HEX])
{
	const char *v = MHD_lookup_connection_value(con, MHD_COOKIE_KIND, name);
	if (v && strlen(v) == SESSION_TOKEN_HEX - 1 && strspn(v, "0123456789abcdef") == SESSION_TOKEN_HEX - 1)
		memcpy(out, v, SESSION_TOKEN_HEX);
}

static void add_header(struct MHD_Response *r, const char *name, const char *value)
{
	if (MHD_add_response_header(r, name, value) == MHD_NO)
		msg_warn("header %s: \"%s\" was refused", name, value);
}

static void add_security(const struct http *h, struct MHD_Response *r)
{
	add_header(r, "Content-Security-Policy",
	           "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
	           "form-action 'self'; base-uri 'none'; frame-ancestors 'none'");
	add_header(r, "X-Frame-Options", "DENY");
	add_header(r, "X-Content-Type-Options", "nosniff");
	add_header(r, "Referrer-Policy", "same-origin");
	add_header(r, "Cross-Origin-Opener-Policy", "same-origin");
	add_header(r, "Cross-Origin-Resource-Policy", "same-origin");
	add_header(r, "Permissions-Policy", "camera=(), geolocation=(), microphone=()");
	if (strncmp(h->web->conf->web.base_url, "https:", 6) == 0)
		add_header(r, "Strict-Transport-Security", "max-age=31536000");
}

static void add_answer_headers(const struct answer *a, struct MHD_Response *r)
{
	char text[256];
	if (a->type)
		add_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
	if (a->location)
		add_header(r, MHD_HTTP_HEADER_LOCATION, a->location);
	for (size_t i = 0; i < a->n_cookie; i++)
		add_header(r, MHD_HTTP_HEADER_SET_COOKIE, a->cookie[i]);
	if (a->filename) {
		(void)snprintf(text, sizeof text, "attachment; filename=\"%s\"", a->filename);
		add_header(r, "Content-Disposition", text);
	}
	if (a->retry_after_s) {
		(void)snprintf(text, sizeof text, "%lld", (long long)a->retry_after_s);
		add_header(r, MHD_HTTP_HEADER_RETRY_AFTER, text);
	}
	if (a->status == 405)
		add_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD, POST");
	add_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, a->immutable ? "public, max-age=31536000, immutable" : "no-store");
}

/* --- answers in pieces -------------------------------------------------------------------------------------------- */

struct reading { struct http *h; struct stream *stream; struct MHD_Connection *con; struct reading *next, **at; };

static ssize_t on_more(void *cls, uint64_t at, char *out, size_t cap)
{
	struct reading *r = cls;
	(void)at;
	ptrdiff_t n = r->h->ending ? STREAM_BROKEN : r->stream->read(r->stream, out, cap);
	if (n < 0)
		return n == STREAM_BROKEN ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
	if (n == 0) {
		r->stream->waiting = r->con;
		MHD_suspend_connection(r->con);
	}
	return n;
}

static void on_stream_end(void *cls)
{
	struct reading *r = cls;
	r->stream->waiting = NULL;
	r->stream->free(r->stream);
	*r->at = r->next;
	if (r->next)
		r->next->at = r->at;
	free(r);
}

void stream_wake(struct stream *s)
{
	struct MHD_Connection *con = s->waiting;
	s->waiting = NULL;
	if (con)
		MHD_resume_connection(con);
}

static struct MHD_Response *response_of(struct http *h, struct stream *s, struct MHD_Connection *con)
{
	struct reading *r = xmalloc(sizeof *r);
	*r = (struct reading){ h, s, con, h->readings, &h->readings };
	if (r->next)
		r->next->at = &r->next;
	h->readings = r;
	struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 8192, on_more, r, on_stream_end);
	if (!response)
		on_stream_end(r);
	return response;
}

static enum MHD_Result queue_answer(struct http *h, struct MHD_Connection *con, struct answer *a)
{
	struct MHD_Response *r;
	if (a->stream) {
		r = response_of(h, a->stream, con);
		a->stream = NULL;
	} else if (a->bytes) {
		/* The library's parameter is not const, but a persistent buffer is only read. */
		r = MHD_create_response_from_buffer(a->n_bytes, (void *)(uintptr_t)a->bytes, MHD_RESPMEM_PERSISTENT);
	} else {
		(void)buf_cstr(&a->body);
		r = MHD_create_response_from_buffer(a->body.n, a->body.p, MHD_RESPMEM_MUST_FREE);
		a->body = (struct buf){ 0 };
	}
	if (!r)
		return MHD_NO;
	add_security(h, r);
	add_answer_headers(a, r);
	enum MHD_Result ok = MHD_queue_response(con, (unsigned)a->status, r);
	MHD_destroy_response(r);
	return ok;
}

/* The path, in decoded segments, without the format's suffix; then the query. False when it is malformed. */
static bool split_url(struct call *c, const char *url)
{
	struct sv s = sv_cstr(url);
	ptrdiff_t mark = sv_chr(s, '?');
	struct sv path = mark < 0 ? s : sv_take(s, (size_t)mark);
	if (mark >= 0 && !form_parse(&c->query, sv_skip(s, (size_t)mark + 1)))
		return false;
	if (!path.n || path.p[0] != '/')
		return false;
	bool file = sv_starts(path, SV("/static/"));
	if (!file && sv_ends(path, SV(".json"))) {
		c->format = FORMAT_JSON;
		path.n -= 5;
	} else if (!file && sv_ends(path, SV(".csv"))) {
		c->format = FORMAT_CSV;
		path.n -= 4;
	}
	for (path = sv_skip(path, 1); path.n;) {
		ptrdiff_t slash = sv_chr(path, '/');
		struct sv part = slash < 0 ? path : sv_take(path, (size_t)slash);
		if (c->n_segment == CALL_SEGMENTS || !form_decode(part, false, &c->segment[c->n_segment]))
			return false;
		c->n_segment++;
		path = slash < 0 ? sv_take(path, 0) : sv_skip(path, (size_t)slash + 1);
	}
	return true;
}

static void prepare(struct http *h, struct MHD_Connection *con, struct exchange *x, const char *method)
{
	struct call *c = &x->call;
	c->web = h->web;
	c->method = method;
	c->now_us = wall_us();
	find_client(h, con, c);
	take_cookie(con, "aw_session", c->session_token);
	take_cookie(con, "aw_login", c->login_token);
	c->live = MHD_lookup_connection_value(con, MHD_HEADER_KIND, "X-Live") != NULL;
}

/* Only when the request is whole: while a form comes in, sessions end and others take their places. */
static void find_session(struct call *c)
{
	struct web *w = c->web;
	sessions_check_users(w->sessions, w->conf->web.users_file);
	if (c->session_token[0])
		c->session = session_find(w->sessions, c->session_token, c->now_us, !c->live);
}

/* Contacts are those that letters go to. */
static void follow_inventory(struct web *w)
{
	static struct stat seen;
	if (conf_customers_follow(w->conf, &seen, NULL, NULL) < 0)
		msg_error("%s has mistakes (abusewatch check-config shows them); going on with the old one", w->conf->customers_path);
}

static void respond(struct exchange *x)
{
	struct call *c = &x->call;
	bool post = strcmp(c->method, "POST") == 0;
	find_session(c);
	follow_inventory(c->web);
	if (strlen(x->url) > HTTP_URL_MAX)
		call_error(c, 414, "The address is too long.");
	else if (x->body_too_long)
		call_error(c, 413, "That is more text than a form may hold.");
	else if (!post && strcmp(c->method, "GET") != 0 && strcmp(c->method, "HEAD") != 0)
		call_error(c, 405, "Only GET and POST work here.");
	else if (!split_url(c, x->url))
		call_error(c, 400, "The address is malformed.");
	else if (post && !form_parse(&c->body, buf_sv(&x->body)))
		call_error(c, 400, "The form's data is malformed.");
	else
		route(c);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *con, const char *url, const char *method, const char *version,
                                  const char *upload, size_t *upload_n, void **con_cls)
{
	struct http *h = cls;
	struct exchange *x = *con_cls;
	(void)url;
	(void)version;
	if (!x)
		return MHD_NO;
	if (!x->begun) {
		x->begun = true;
		prepare(h, con, x, method);
		return MHD_YES;
	}
	if (*upload_n) {
		if (x->body.n + *upload_n > CALL_BODY_MAX)
			x->body_too_long = true;
		else
			buf_add(&x->body, upload, *upload_n);
		*upload_n = 0;
		return MHD_YES;
	}
	respond(x);
	return queue_answer(h, con, &x->call.answer);
}

static void on_log(void *cls, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void on_log(void *cls, const char *fmt, va_list ap)
{
	char text[512];
	(void)cls;
	(void)vsnprintf(text, sizeof text, fmt, ap);
	msg_debug("http: %s", text);
}

struct http *http_new(struct web *w, int fd, struct err *e)
{
	struct http *h = xcalloc(1, sizeof *h);
	h->web = w;
	h->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, h,
	                             MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
	                             MHD_OPTION_URI_LOG_CALLBACK, on_uri, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_done, NULL,
	                             MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS,
	                             MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_EACH,
	                             MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_CONNECTION_BYTES,
	                             MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_S, MHD_OPTION_END);
	if (h->daemon)
		return h;
	(void)err_set(e, "the HTTP server does not start");
	close(fd);
	free(h);
	return NULL;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	h->ending = true; /* the library aborts when it is stopped while an answer sleeps */
	for (struct reading *r = h->readings; r; r = r->next)
		stream_wake(r->stream);
	(void)MHD_run(h->daemon);
	MHD_stop_daemon(h->daemon);
	free(h);
}

int http_fd(struct http *h)
{
	const union MHD_DaemonInfo *i = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	return i ? i->epoll_fd : -1;
}

void http_run(struct http *h, unsigned *ret_ms)
{
	MHD_UNSIGNED_LONG_LONG ms;
	(void)MHD_run(h->daemon);
	*ret_ms = MHD_get_timeout(h->daemon, &ms) == MHD_YES && ms < 1000 ? (unsigned)ms : 1000;
}
