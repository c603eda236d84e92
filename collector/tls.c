#include "collector/tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>

#include "lib/buf.h"
#include "lib/msg.h"

struct tls_server {
	gnutls_certificate_credentials_t files;
	gnutls_priority_t priority;
	bool ask; /* clients must show a certificate */
};

struct tls_session {
	gnutls_session_t s;
	uv_stream_t *stream;
	struct sv in;   /* not taken by GnuTLS yet */
	bool shaken, ended;
};

/* The value of name in "?a=b&c=d", as a copy; NULL: not there. */
static char *parameter(const char *query, const char *name)
{
	size_t n = strlen(name);
	for (const char *p = query; p && *p; p = strchr(p, '&')) {
		p++;
		if (!strncmp(p, name, n) && p[n] == '=')
			return xsvdup(sv_make(p + n + 1, strcspn(p + n + 1, "&")));
	}
	return NULL;
}

static int load(struct tls_server *t, const char *cert, const char *key, const char *ca, struct err *e)
{
	int bad;
	if (!cert || !key)
		return err_set(e, "TLS needs a certificate and its key: cert = \"…\" and key = \"…\"");
	if ((bad = gnutls_certificate_set_x509_key_file(t->files, cert, key, GNUTLS_X509_FMT_PEM)) < 0)
		return err_set(e, "%s and %s: %s", cert, key, gnutls_strerror(bad));
	if (ca && (bad = gnutls_certificate_set_x509_trust_file(t->files, ca, GNUTLS_X509_FMT_PEM)) <= 0)
		return err_set(e, "%s: %s", ca, bad ? gnutls_strerror(bad) : "holds no certificate");
	t->ask = ca != NULL;
	return 0;
}

struct tls_server *tls_server_new(const char *query, struct err *e)
{
	struct tls_server *t = xcalloc(1, sizeof *t);
	char *cert = parameter(query, "cert"), *key = parameter(query, "key"), *ca = parameter(query, "ca");
	if (gnutls_certificate_allocate_credentials(&t->files) < 0 || gnutls_priority_init(&t->priority, "NORMAL", NULL) < 0)
		panic("GnuTLS does not start");
	int status = load(t, cert, key, ca, e);
	free(cert);
	free(key);
	free(ca);
	if (status == 0)
		return t;
	tls_server_free(t);
	return NULL;
}

void tls_server_free(struct tls_server *t)
{
	if (!t)
		return;
	gnutls_certificate_free_credentials(t->files);
	gnutls_priority_deinit(t->priority);
	free(t);
}

static ssize_t pull(gnutls_transport_ptr_t ctx, void *to, size_t n)
{
	struct tls_session *c = ctx;
	if (!c->in.n) {
		gnutls_transport_set_errno(c->s, EAGAIN);
		return -1;
	}
	n = n < c->in.n ? n : c->in.n;
	memcpy(to, c->in.p, n);
	c->in = sv_skip(c->in, n);
	return (ssize_t)n;
}

struct writing { uv_write_t req; char bytes[]; };

static void on_written(uv_write_t *req, int status)
{
	(void)status; /* reading will tell */
	free(req->data);
}

static ssize_t push(gnutls_transport_ptr_t ctx, const void *from, size_t n)
{
	struct tls_session *c = ctx;
	struct writing *w = xmalloc(sizeof *w + n);
	memcpy(w->bytes, from, n);
	w->req.data = w;
	uv_buf_t b = uv_buf_init(w->bytes, (unsigned)n);
	if (uv_is_closing((uv_handle_t *)c->stream) || uv_write(&w->req, c->stream, &b, 1, on_written) < 0) {
		free(w);
		gnutls_transport_set_errno(c->s, EPIPE);
		return -1;
	}
	return (ssize_t)n;
}

struct tls_session *tls_session_new(struct tls_server *t, uv_stream_t *stream)
{
	struct tls_session *c = xcalloc(1, sizeof *c);
	c->stream = stream;
	if (gnutls_init(&c->s, GNUTLS_SERVER | GNUTLS_NONBLOCK) < 0) {
		free(c);
		return NULL;
	}
	gnutls_priority_set(c->s, t->priority);
	gnutls_credentials_set(c->s, GNUTLS_CRD_CERTIFICATE, t->files);
	gnutls_certificate_server_set_request(c->s, t->ask ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_IGNORE);
	if (t->ask)
		gnutls_session_set_verify_cert(c->s, NULL, 0);
	gnutls_transport_set_ptr(c->s, c);
	gnutls_transport_set_pull_function(c->s, pull);
	gnutls_transport_set_push_function(c->s, push);
	return c;
}

void tls_session_free(struct tls_session *c)
{
	if (!c)
		return;
	gnutls_deinit(c->s);
	free(c);
}

static bool waits(long n)
{
	return n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED;
}

/* 1: done, 0: more must come, -1. */
static int shake(struct tls_session *c, struct err *e)
{
	int bad;
	while ((bad = gnutls_handshake(c->s)) < 0 && !gnutls_error_is_fatal(bad) && !waits(bad))
		;
	c->shaken = bad == 0;
	if (bad < 0 && !waits(bad))
		return err_set(e, "no TLS: %s", gnutls_strerror(bad));
	return c->shaken;
}

int tls_session_read(struct tls_session *c, struct sv in, void (*plain)(void *ctx, struct sv bytes), void *ctx, struct err *e)
{
	char block[16384];
	c->in = in;
	int status = c->shaken ? 1 : shake(c, e);
	if (status <= 0)
		return status;
	for (;;) {
		ssize_t n = gnutls_record_recv(c->s, block, sizeof block);
		if (n > 0) {
			plain(ctx, sv_make(block, (size_t)n));
			continue;
		}
		if (n == 0)
			c->ended = true;
		if (n == 0 || (waits(n) && !c->in.n))
			return 0;
		if (!waits(n) && gnutls_error_is_fatal((int)n))
			return err_set(e, "TLS: %s", gnutls_strerror((int)n));
	}
}

bool tls_session_ended(const struct tls_session *c)
{
	return c->ended;
}
