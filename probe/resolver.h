/* resolver: who answers a question. Two of them behind one shape, both inside the libuv loop, without threads:
 *   resolver_unbound  libunbound: its own recursion from the root, DNSSEC, TCP, cache; the default, because block lists refuse public resolvers
 *   resolver_direct   datagrams to given servers (a site's resolver, or a server that holds a zone), many at once: for scans of whole networks
 * An answer is handed on as it came; who asked parses it (probe/dnsmsg.h). */
#ifndef PROBE_RESOLVER_H
#define PROBE_RESOLVER_H

#include <uv.h>

#include "lib/err.h"
#include "probe/dnsmsg.h"
#include "probe/verdict.h"

/* outcome: OUTCOME_ANSWER with a whole message (parsed already when the resolver had to), else why there is none. Borrowed. */
typedef void resolver_cb(void *ctx, void *question, enum outcome outcome, const struct dnsmsg *m);

struct resolver {
	const struct resolver_ops *ops;
	unsigned outstanding, window; /* how many are under way, and how many may be now */
};

struct resolver_ops {
	/* name is copied. The callback comes later, never from within; 0, or -1: could not even be sent. */
	int (*ask)(struct resolver *r, const struct dnsname *name, uint16_t type, void *question);
	/* Questions asked since the last time go out. May be NULL. */
	void (*flush)(struct resolver *r);
	void (*free)(struct resolver *r);
};

/* Servers are "192.0.2.53", "192.0.2.53@5353", "[2001:db8::53]@5353"… -1 when the text is none. */
int resolver_server(const char *text, struct sockaddr_storage *ret, socklen_t *ret_n);

/* n_forward servers that are asked to recurse; without any it recurses itself. n_stub pairs zone, server: who holds that zone. */
struct resolver *resolver_unbound_new(uv_loop_t *loop, const char *const *forward, size_t n_forward, const char *const (*stub)[2], size_t n_stub,
                                      unsigned timeout_ms, resolver_cb *cb, void *ctx, struct err *e);
/* recurse: the server is a resolver. timeout_ms: after so long there is no answer. An answer that did not fit into a datagram is told as OUTCOME_ANSWER with
 * m->truncated. */
struct resolver *resolver_direct_new(uv_loop_t *loop, const char *const *server, size_t n_server, bool recurse, unsigned timeout_ms,
                                     resolver_cb *cb, void *ctx, struct err *e);

#endif
