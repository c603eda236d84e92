/* The machine's clock stood far ahead and was put back: what was noted of then goes back with event time, or every event until then would be an old one. */
#include "analyzer/acase.h"
#include "analyzer/asked.h"
#include "analyzer/backup.h"
#include "analyzer/judge_int.h"
#include "analyzer/listing.h"
#include "analyzer/rollup.h"
#include "analyzer/servers.h"

static void suspicion_put_back(struct suspicion *s, int64_t now_us)
{
	times_no_later(&s->since_us, now_us);
	for (size_t i = 0; i < SUSPICION_LINES; i++)
		times_no_later(&s->line[i].at_us, now_us);
	for (size_t i = 0; i < s->n_sources; i++) {
		times_no_later(&s->source[i].first_us, now_us);
		times_no_later(&s->source[i].last_us, now_us);
	}
}

void principal_put_back(struct principal *p, int64_t now_us)
{
	int32_t today = (int32_t)(now_us / US_PER_DAY);
	uint32_t now_s = (uint32_t)(now_us / US_PER_S);
	times_no_later(&p->first_us, now_us);
	times_no_later(&p->last_us, now_us);
	p->heard_s = p->heard_s < now_s ? p->heard_s : now_s;
	p->top_day = p->top_day < today ? p->top_day : today;
	times_no_later(&p->browser.elsewhere_us, now_us);
	p->browser.first_day = p->browser.first_day < today ? p->browser.first_day : (uint16_t)today;
	if (p->suspicion)
		suspicion_put_back(p->suspicion, now_us);
}

static void case_put_back(struct acase *c, int64_t now_us)
{
	int64_t *const at[] = { &c->first_seen_us, &c->opened_us, &c->updated_us, &c->closed_us, &c->positive_us, &c->below_us };
	for (size_t i = 0; i < sizeof at / sizeof *at; i++)
		times_no_later(at[i], now_us);
	for (size_t d = 0; c->text && d < detector_count(); d++)
		times_no_later(&c->text->since_us[d], now_us);
	c->dirty = true;
}

static void site_put_back(struct judge *j, int64_t now_us)
{
	struct site_state *s = j->site;
	s->now_us = now_us;
	times_no_later(&s->first_us, now_us);
	times_no_later(&s->generation_us, now_us);
	times_no_later(&s->aged_us, now_us);
	memory_touch(&j->site_memory, 0);
	j->tick_us = j->rest_us = 0;
	rollup_hour(j->rollup, now_us - now_us % US_PER_HOUR);
}

void judge_put_back(struct judge *j, int64_t now_us)
{
	if (j->site->now_us <= now_us)
		return;
	site_put_back(j, now_us);
	for (size_t i = 0; i < j->cap; i++)
		if (j->table[i].principal) {
			principal_put_back(j->table[i].principal, now_us);
			judge_touch(j, j->table[i].principal);
		}
	for (size_t i = 0; i < j->n_cases; i++)
		case_put_back(j->cases[i], now_us);
	backup_put_back(j, now_us);
	servers_put_back(j->servers, now_us);
	asked_put_back(j, now_us);
	listing_put_back(j, now_us);
}
