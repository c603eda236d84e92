/* A clock that stood far ahead was put back. */
#include "collector/open.h"
#include "lib/times.h"

static void put_back(struct open_msg *m, int64_t now_us)
{
	times_no_later(&m->first_us, now_us);
	times_no_later(&m->last_us, now_us);
	for (uint32_t i = 0; i < m->n_rcpt; i++)
		times_no_later(&m->rcpt[i].time_us, now_us);
}

/* All lists keep their order: what lay behind now lies at now. */
void correlate_put_back(struct correlate *c, int64_t us)
{
	if (c->now_us <= us)
		return;
	fold_put_back(c, us);
	for (unsigned l = 0; l < OPEN_LISTS; l++)
		for (uint32_t m = c->list[l].first; m != OPEN_NONE; m = c->stub[m].list_next)
			put_back(c->msg[m], us);
	for (unsigned d = 0; d < OPEN_DUES; d++)
		for (uint32_t m = c->due[d].first; m != OPEN_NONE; m = c->msg[m]->due_next)
			times_no_later(&c->msg[m]->due_us, us + (d == OPEN_DUE_REPORT ? CORRELATE_REPORT_US : CORRELATE_LINGER_US));
	cwd_put_back(&c->cwd, us);
	c->now_us = us;
}
