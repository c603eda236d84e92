/* Addresses of hosts, for what is watched by name. */
#include <stdlib.h>

#include "probe/engine_int.h"

static void end_resolve(struct engine *e, struct resolve *r, const uint32_t *address, unsigned n)
{
	struct resolve **at = &e->resolves, copy = *r;
	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	free(r);
	copy.cb(copy.ctx, address, n);
}

void engine_resolved(struct engine *e, struct query *q)
{
	struct query copy = *q;
	engine_drop(e, q);
	end_resolve(e, copy.resolve, copy.code, copy.outcome == OUTCOME_ANSWER ? copy.n_code : 0);
}

int engine_resolve(struct engine *e, struct sv host, void (*cb)(void *ctx, const uint32_t *address, unsigned n), void *ctx)
{
	struct query *q = engine_query(e);
	q->zone = NULL;
	q->role = ROLE_ADDRESS;
	if (dnsname_parse(host, &q->name) < 0 || e->main->ops->ask(e->main, &q->name, DNS_A, q) < 0) {
		engine_drop(e, q);
		return -1;
	}
	q->resolve = xmalloc(sizeof *q->resolve);
	*q->resolve = (struct resolve){ e->resolves, cb, ctx };
	e->resolves = q->resolve;
	if (e->main->ops->flush)
		e->main->ops->flush(e->main);
	return 0;
}

void engine_end_resolves(struct engine *e)
{
	while (e->resolves)
		end_resolve(e, e->resolves, NULL, 0);
}
