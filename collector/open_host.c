/* The hosts of open messages and queue ids, by number. A central log may have thousands of them, line by line another. */
#include "collector/open.h"

#include <stdlib.h>

#define HOSTS_MAX 65536u

/* Where name stands, or a free place. */
static uint32_t *slot_of(struct correlate *c, struct sv name)
{
	uint32_t i = (uint32_t)open_hash(c, name, 0) & c->host_mask;
	for (; c->host_slot[i]; i = (i + 1) & c->host_mask) {
		const struct open_host *h = &c->host[c->host_slot[i] - 1];
		if (sv_eq(sv_make(h->name, h->n), name))
			break;
	}
	return &c->host_slot[i];
}

/* Half of the places are free at least. */
static void make_room(struct correlate *c)
{
	if (c->n_host < c->cap_host)
		return;
	c->cap_host = c->cap_host ? c->cap_host * 2 : 8;
	c->host = xrealloc(c->host, c->cap_host * sizeof *c->host);
	free(c->host_slot);
	c->host_slot = xcalloc((size_t)c->cap_host * 2, sizeof *c->host_slot);
	c->host_mask = c->cap_host * 2 - 1;
	for (uint32_t i = 0; i < c->n_host; i++)
		*slot_of(c, sv_make(c->host[i].name, c->host[i].n)) = i + 1;
}

uint32_t open_other_host(struct correlate *c, struct sv name)
{
	make_room(c);
	uint32_t *slot = slot_of(c, name);
	if (*slot)
		return c->last_host = *slot - 1;
	if (c->n_host == HOSTS_MAX) /* a forger of host names: they all become one */
		return c->last_host = 0;
	c->host[c->n_host] = (struct open_host){ xsvdup(name), name.n };
	*slot = ++c->n_host;
	return c->last_host = c->n_host - 1;
}

void open_hosts_free(struct correlate *c)
{
	for (uint32_t i = 0; i < c->n_host; i++)
		free(c->host[i].name);
	free(c->host);
	free(c->host_slot);
}
