#include "analyzer/dialogues.h"

#include <stdlib.h>

#define TEXT_BYTES 160

static char *text(struct sv s)
{
	s = sv_take(s, TEXT_BYTES);
	return xsvdup(s.p ? s : SV(""));
}

static void free_row(struct dialogue *r)
{
	free(r->helo);
	free(r->sender);
	free(r->refusal);
	free(r->banner);
}

static void index_all(struct dialogues *d)
{
	free(d->slot);
	d->n_slots = d->n_slots ? d->n_slots * 2 : 256;
	d->slot = xcalloc(d->n_slots, sizeof *d->slot);
	for (size_t i = 0; i < d->n; i++) {
		size_t at = d->v[i]->key & (d->n_slots - 1);
		while (d->slot[at])
			at = (at + 1) & (d->n_slots - 1);
		d->slot[at] = (uint32_t)i + 1;
	}
}

static struct dialogues_of *find(struct dialogues *d, const struct principal *p)
{
	if (d->n * 2 >= d->n_slots)
		index_all(d);
	size_t at = p->key & (d->n_slots - 1);
	for (; d->slot[at]; at = (at + 1) & (d->n_slots - 1))
		if (d->v[d->slot[at] - 1]->key == p->key)
			return d->v[d->slot[at] - 1];
	if (d->n == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 64;
		d->v = xrealloc(d->v, d->cap * sizeof *d->v);
	}
	struct dialogues_of *of = d->v[d->n++] = xcalloc(1, sizeof *of);
	of->key = p->key;
	of->kind = p->kind;
	of->id = xstrdup(p->id);
	d->slot[at] = (uint32_t)d->n;
	return of;
}

void dialogues_note(struct judge *j, const struct principal *p, const struct session_view *v)
{
	const struct smtp_session *s = v->session;
	struct dialogues_of *of = find(&j->dialogues, p);
	struct dialogue *r = &of->row[of->next];
	free_row(r);
	*r = (struct dialogue){ .at_us = s->last_us, .port = s->client_port, .flags = s->flags, .n_rcpt = v->n_rcpt, .n_taken = v->n_taken,
		.n_messages = (uint32_t)s->n_messages, .n_taken_messages = v->n_messages_taken };
	r->peer[ipaddr_text(v->inbound ? &s->client : &s->server, r->peer)] = 0;
	r->helo = text(s->helo);
	r->sender = text(s->n_messages ? s->message[0].sender : (struct sv){ 0 });
	r->refusal = text(s->refusal);
	r->banner = text(s->banner);
	of->next = (of->next + 1) % DIALOGUES_KEPT;
	of->n += of->n < DIALOGUES_KEPT;
}

void dialogues_clear(struct dialogues *d)
{
	for (size_t i = 0; i < d->n; i++) {
		for (size_t k = 0; k < DIALOGUES_KEPT; k++)
			free_row(&d->v[i]->row[k]);
		free(d->v[i]->id);
		free(d->v[i]);
	}
	d->n = 0;
	if (d->slot)
		memset(d->slot, 0, d->n_slots * sizeof *d->slot);
}

void dialogues_fini(struct dialogues *d)
{
	dialogues_clear(d);
	free(d->v);
	free(d->slot);
}
