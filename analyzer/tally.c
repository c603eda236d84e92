/* Counts for the overview and for each principal: they decide nothing. */
#include "analyzer/judge_int.h"
#include "analyzer/rollup.h"
#include "lib/wire.h"

static unsigned status_column(const struct txn_rcpt *r)
{
	switch (r->status) {
	case TXN_SENT: return ROLLUP_SENT;
	case TXN_DEFERRED: return ROLLUP_DEFERRED;
	default: return ROLLUP_BOUNCED;
	}
}

static bool is_refusal(const struct txn_rcpt *r)
{
	return (r->status == TXN_BOUNCED || r->status == TXN_DEFERRED) &&
	       (r->reply_class == REPLY_SPAM_CONTENT || r->reply_class == REPLY_POLICY_BLOCK || r->reply_class == REPLY_IP_LISTED ||
	        r->reply_class == REPLY_DOMAIN_LISTED || r->reply_class == REPLY_RATE_LIMITED);
}

/* A day that ended becomes a row of its own. */
static void move_hours(struct judge *j, struct principal *p)
{
	struct buf day = { 0 };
	int32_t number;
	if (hours_move(&p->hours, j->site->now_us, &day, &number)) {
		wire_put_u(&j->ended_days, p->kind);
		wire_put_sv(&j->ended_days, sv_cstr(p->id));
		wire_put_i(&j->ended_days, number);
		wire_put_sv(&j->ended_days, buf_sv(&day));
	}
	buf_fini(&day);
}

void tally_hours(struct judge *j, struct principal *p, const uint32_t *more)
{
	move_hours(j, p);
	if (p->kind != PRINCIPAL_MX) { /* mail for a domain makes it no sender */
		struct rollup_row *w = rollup_principal_kept(j->rollup, p->key);
		w = w ? w : rollup_principal(j->rollup, p->key, p->kind, sv_cstr(p->id)); /* its id may lie where nobody has looked for long */
		for (unsigned i = 0; i < ROLLUP_COLUMNS; i++)
			w->n[i] += more[i];
	}
	p->hours.n[HOURS_MESSAGES] += more[ROLLUP_MESSAGES];
	p->hours.n[HOURS_RECIPIENTS] += more[ROLLUP_RECIPIENTS];
	p->hours.n[HOURS_BOUNCED] += more[ROLLUP_BOUNCED];
	p->hours.n[HOURS_REFUSED] += more[ROLLUP_REFUSED];
}

void tally_txn(struct judge *j, struct principal *p, const struct txn *t)
{
	struct rollup *u = j->rollup;
	struct rollup_row *v = rollup_volume(u, t->at_us - t->at_us % ROLLUP_BUCKET_US);
	uint32_t w[ROLLUP_COLUMNS] = { 0 };
	bool first = !(t->flags & TXN_REPLAY);
	v->n[ROLLUP_MESSAGES] += first;
	w[ROLLUP_MESSAGES] += first;
	for (size_t i = 0; i < t->n_rcpt; i++) {
		const struct txn_rcpt *r = &t->rcpt[i];
		if (!r->changed || r->status == TXN_PENDING)
			continue;
		unsigned column = status_column(r);
		bool refused = is_refusal(r), heard_first = first || r->attempts == 1; /* of some recipients the log speaks long after the first report */
		v->n[column]++;
		v->n[ROLLUP_RECIPIENTS] += heard_first;
		w[column]++;
		w[ROLLUP_RECIPIENTS] += heard_first;
		w[ROLLUP_REFUSED] += refused;
		const struct enrich_domain *d = &j->domain[i];
		if (r->local || !d->org.n)
			continue;
		struct rollup_row *x = rollup_receiver(u, d->org_hash, d->org);
		x->n[column]++;
		x->n[ROLLUP_RECIPIENTS] += heard_first;
		x->n[ROLLUP_REFUSED] += refused;
	}
	if (p)
		tally_hours(j, p, w);
}

void tally_principal(struct judge *j, struct principal *p, const struct message_view *m)
{
	p->messages += m->first_report;
	p->recipients += m->n_more;
	for (size_t i = 0; i < m->n_listed; i++)
		p->bounced += m->rcpt[i].changed && m->rcpt[i].outcome >= OUTCOME_BAD;
	if (m->at_us > p->last_us)
		p->last_us = m->at_us;
	p->utc_offset_s = m->txn->utc_offset_s;
	judge_touch(j, p);
}

void tally_session(struct judge *j, struct principal *p, const struct session_view *v)
{
	uint32_t w[ROLLUP_COLUMNS] = { 0 };
	if (!v->inbound) {
		w[ROLLUP_MESSAGES] = v->n_messages_taken;
		w[ROLLUP_RECIPIENTS] = v->n_taken + v->n_refused;
		w[ROLLUP_SENT] = v->n_taken;
		w[ROLLUP_REFUSED] = v->n_refused;
		p->messages += v->n_messages_taken;
		p->recipients += v->n_taken + v->n_refused;
		tally_hours(j, p, w);
	}
	if (v->at_us > p->last_us)
		p->last_us = v->at_us;
	judge_touch(j, p);
}
