/* tls: the server's side of TLS over a libuv stream, by GnuTLS. */
#ifndef COLLECTOR_TLS_H
#define COLLECTOR_TLS_H

#include <uv.h>

#include "lib/err.h"
#include "lib/sv.h"

struct tls_server;  /* certificate and key, and whose clients are let in */
struct tls_session; /* one connection */

/* "?cert=FILE&key=FILE[&ca=FILE]". NULL and e when a file is absent or no such thing. */
struct tls_server *tls_server_new(const char *query, struct err *e);
void tls_server_free(struct tls_server *t);

/* stream stays the caller's and must outlive the session's last write: close it before. NULL: out of memory. */
struct tls_session *tls_session_new(struct tls_server *t, uv_stream_t *stream);
void tls_session_free(struct tls_session *c);
/* Takes what came from the peer, gives its plain bytes. -1 and e: the connection is no good. */
int tls_session_read(struct tls_session *c, struct sv in, void (*plain)(void *ctx, struct sv bytes), void *ctx, struct err *e);
/* The peer said that it is done. */
bool tls_session_ended(const struct tls_session *c);

#endif
