#include "collector/snapshot.h"

#include <stdlib.h>

#include "collector/open.h"
#include "lib/wire.h"

#define SNAPSHOT_VERSION 11u
#define SNAPSHOT_CLOCK_SINCE 11u
#define SNAPSHOT_PIPELINE_SINCE 10u /* the first version with today's layout of the pipeline */
#define SNAPSHOT_HEAD_SINCE 9u /* the first version with today's layout before the pipeline: positions, totals, again, heading */

void snapshot_fini(struct snapshot *s)
{
	positions_fini(&s->positions);
	buf_fini(&s->again);
	buf_fini(&s->heading);
}

void snapshot_save(const struct snapshot *s, const struct pipeline *p, struct buf *out)
{
	wire_put_u(out, SNAPSHOT_VERSION);
	wire_put_i(out, s->wall_us);
	positions_save(&s->positions, out);
#define C(name) wire_put_u(out, s->totals.name);
	OBS_COUNTERS_LIST(C)
#undef C
	wire_put_sv(out, buf_sv(&s->again));
	wire_put_sv(out, buf_sv(&s->heading));
	pipeline_save(p, out);
}

int snapshot_load(struct sv blob, struct snapshot *s, struct pipeline *p, struct err *e)
{
	if (!blob.n)
		return 0;
	struct wire w = wire_of(blob);
	uint64_t version = wire_get_u(&w);
	if (version > SNAPSHOT_VERSION)
		return err_set(e, "the saved state of the source was written by a newer version; install that one again");
	if (version < SNAPSHOT_HEAD_SINCE)
		return err_set(e, "the saved state of the source was written by a version too old to follow on from; move the store away and import the logs anew");
	s->wall_us = version < SNAPSHOT_CLOCK_SINCE ? 0 : wire_get_i(&w);
	(void)positions_load(&s->positions, &w);
#define C(name) s->totals.name = wire_get_u(&w);
	OBS_COUNTERS_LIST(C)
#undef C
	struct sv again = wire_get_sv(&w), heading = wire_get_sv(&w);
	if (!w.bad) {
		buf_addsv(&s->again, again);
		buf_addsv(&s->heading, heading);
	}
	if (!w.bad && version < SNAPSHOT_PIPELINE_SINCE)
		return 1;
	if (w.bad || pipeline_load(p, &w) < 0 || w.p != w.end)
		return err_set(e, "the saved state of a source does not decode (%zu bytes)", blob.n);
	return 0;
}

/* -- the correlator -- */

static void put_ref(struct buf *out, struct open_ref r)
{
	wire_put_u(out, r.at == OPEN_NONE ? 0 : (uint64_t)r.at + 1);
	if (r.at != OPEN_NONE)
		wire_put_u(out, r.n);
}

static void save_rcpt(const struct open_rcpt *r, struct buf *out)
{
#define F(name) wire_put_i(out, (int64_t)r->name);
	RCPT_FIGURES(F)
#undef F
#define T(name) put_ref(out, r->name);
	RCPT_TEXTS(T)
#undef T
}

static void save_keys(const struct correlate *c, uint32_t first, struct buf *out)
{
	uint32_t n = 0;
	for (uint32_t k = first; k != OPEN_NONE; k = c->key[k].next)
		n++;
	wire_put_u(out, n);
	for (uint32_t k = first; k != OPEN_NONE; k = c->key[k].next) {
		const struct open_key *key = &c->key[k];
		wire_put_sv(out, open_key_text(key));
		wire_put_u(out, (key->seen ? 1u : 0u) | (key->head ? 2u : 0u) | (key->removed ? 4u : 0u));
	}
}

static void save_msg(const struct correlate *c, uint32_t at, struct buf *out)
{
	const struct open_msg *m = c->msg[at];
	wire_put_u(out, c->stub[at].again);
	wire_put_u(out, c->stub[at].node == OPEN_NONE ? 0 : c->stub[at].id_order);
	wire_put_u(out, m->host);
	wire_put_sv(out, sv_cstr(m->mta));
#define F(name) wire_put_i(out, (int64_t)m->name);
	MSG_FIGURES(F)
#undef F
	wire_put_u(out, m->text_cap);
	wire_put_sv(out, sv_make(m->text ? m->text : "", m->text_n));
#define T(name) put_ref(out, m->name);
	OPEN_TEXTS(T)
#undef T
	for (unsigned i = 0; i < TXN_LINES; i++) {
		put_ref(out, m->lines[i]);
		wire_put_u(out, m->line_refused[i]);
	}
	wire_put_u(out, m->n_rcpt);
	wire_put_u(out, m->rcpt_cap);
	for (uint32_t i = 0; i < m->n_rcpt; i++)
		save_rcpt(&m->rcpt[i], out);
	save_keys(c, m->first_key, out);
}

/* Messages are written list by list, oldest first; from then on a message is its number in that order. Nothing speaks of one that is folded. */
static uint32_t *numbers(const struct correlate *c)
{
	uint32_t *number = xcalloc(c->n_msg, sizeof *number), n = 0;
	for (unsigned l = 0; l < OPEN_LISTS; l++)
		for (uint32_t m = c->list[l].first; m != OPEN_NONE; m = c->stub[m].list_next)
			number[m] = n++;
	return number;
}

static void save_children(const struct correlate *c, const uint32_t *number, uint32_t m, struct buf *out)
{
	uint32_t n = 0, first = c->msg[m]->first_child;
	for (uint32_t k = first; k != OPEN_NONE; k = c->msg[k]->next_child)
		n++;
	wire_put_u(out, n);
	for (uint32_t k = first; k != OPEN_NONE; k = c->msg[k]->next_child)
		wire_put_u(out, number[k]);
}

static void save_lists(const struct correlate *c, struct buf *out)
{
	uint32_t *number = numbers(c);
	for (unsigned d = OPEN_DUE_REPORT; d < OPEN_DUES; d++) {
		uint32_t n = 0;
		for (uint32_t m = c->due[d].first; m != OPEN_NONE; m = c->msg[m]->due_next)
			n++;
		wire_put_u(out, n);
		for (uint32_t m = c->due[d].first; m != OPEN_NONE; m = c->msg[m]->due_next)
			wire_put_u(out, number[m]);
	}
	for (unsigned l = 0; l < OPEN_LISTS; l++)
		for (uint32_t m = c->list[l].first; m != OPEN_NONE; m = c->stub[m].list_next)
			save_children(c, number, m, out);
	free(number);
}

void correlate_save(const struct correlate *c, struct buf *out)
{
	wire_put_i(out, c->now_us);
	wire_put_u(out, c->seq);
	wire_put_u(out, c->txns);
	wire_put_u(out, c->facts);
	wire_put_u(out, c->head_missing);
	wire_put_u(out, c->tail_missing);
	wire_put_u(out, c->evicted);
	wire_put_u(out, c->id_order);
	wire_put_u(out, c->n_host);
	for (uint32_t i = 0; i < c->n_host; i++)
		wire_put_sv(out, sv_make(c->host[i].name, c->host[i].n));
	cwd_save(&c->cwd, out);
	fold_save_dictionary(c, out);
	for (unsigned t = 0; t < OPEN_FOLDS; t++)
		fold_save(c, t, out);
	for (unsigned l = 0; l < OPEN_LISTS; l++) {
		uint32_t n = 0;
		for (uint32_t m = c->list[l].first; m != OPEN_NONE; m = c->stub[m].list_next)
			n++;
		wire_put_u(out, n);
		for (uint32_t m = c->list[l].first; m != OPEN_NONE; m = c->stub[m].list_next)
			save_msg(c, m, out);
	}
	save_lists(c, out);
}
