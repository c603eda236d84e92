/* What leaves the correlator, and when. */
#include "collector/open.h"

#include <stdlib.h>

/* -- a message as others see it -- */

static bool covered(const struct open_msg *m, const struct open_rcpt *handed)
{
	struct sv who = open_get(m, handed->recipient);
	for (uint32_t i = 0; i < m->n_rcpt; i++)
		if (m->rcpt[i].final_hop && sv_eq(open_get(m, m->rcpt[i].orig), who))
			return true;
	return false;
}

static void rcpt_out(const struct open_msg *m, const struct open_rcpt *r, struct txn_rcpt *ret)
{
	*ret = (struct txn_rcpt){
		.recipient = open_get(m, r->recipient), .orig_recipient = open_get(m, r->orig), .dsn = open_get(m, r->dsn),
		.reply = open_get(m, r->reply), .relay_host = open_get(m, r->relay_host), .relay_ip = open_get(m, r->relay_ip),
		.time_us = r->time_us, .attempts = r->attempts, .status = (uint8_t)(r->status & ~OPEN_GONE), .local = r->local, .changed = r->changed,
	};
	if (ret->orig_recipient.p && sv_eq(ret->orig_recipient, ret->recipient))
		ret->orig_recipient = (struct sv){ 0 };
}

static size_t rcpts_out(struct correlate *c, const struct open_msg *m, bool ended)
{
	if (c->out_cap < m->n_rcpt) {
		c->out_cap = m->n_rcpt < 16 ? 16 : (size_t)m->n_rcpt * 2;
		c->out = xrealloc(c->out, c->out_cap * sizeof *c->out);
	}
	size_t n = 0;
	for (uint32_t i = 0; i < m->n_rcpt; i++) {
		const struct open_rcpt *r = &m->rcpt[i];
		if (r->handed && m->stitched && covered(m, r))
			continue;
		rcpt_out(m, r, &c->out[n]);
		if (r->handed && m->stitched && ended) /* the filter kept it: what it answered is the outcome */
			c->out[n].status = TXN_SENT;
		n++;
	}
	return n;
}

static enum txn_origin origin(const struct open_msg *m)
{
	if (m->bounce || sv_starts(open_get(m, m->sender), SV("double-bounce@")))
		return TXN_BOUNCE;
	if (m->forward)
		return TXN_FORWARD;
	if (m->uid >= 0)
		return m->uid ? TXN_SCRIPT : TXN_LOCAL;
	if (m->local_user.at != OPEN_NONE)
		return sv_eq(open_get(m, m->local_user), SV("root")) ? TXN_LOCAL : TXN_SCRIPT;
	return m->submission ? TXN_SUBMISSION : TXN_SMTP;
}

static bool all_final(const struct txn *t)
{
	for (size_t i = 0; i < t->n_rcpt; i++)
		if (t->rcpt[i].status == TXN_PENDING || t->rcpt[i].status == TXN_DEFERRED)
			return false;
	return t->n_rcpt > 0 || t->nrcpt == 0; /* all were taken away */
}

static void lines_out(const struct open_msg *m, struct txn *t)
{
	for (unsigned i = 0; i < TXN_LINES; i++)
		if (m->lines[i].at != OPEN_NONE)
			t->lines[t->n_lines++] = open_get(m, m->lines[i]);
}

static void txn_of(struct correlate *c, uint32_t i, uint32_t flags, bool ended, struct txn *t)
{
	const struct open_msg *m = c->msg[i];
	const struct open_host *h = &c->host[m->host];
	*t = (struct txn){
		.at_us = c->now_us, .first_us = m->first_us, .last_us = m->last_us, .utc_offset_s = m->utc_offset_s,
		.host = sv_make(h->name, h->n), .mta = sv_cstr(m->mta), .queue_id = open_queue_id(c, i),
		.message_id = open_get(m, m->message_id), .client_ip = open_get(m, m->client_ip),
		.client_name = open_get(m, m->client_name), .helo = open_get(m, m->helo), .account = open_get(m, m->account),
		.auth_method = open_get(m, m->auth_method), .sender = open_get(m, m->sender),
		.sender_known = m->sender_known || m->sender.at != OPEN_NONE, .uid = m->uid, .size = m->size, .nrcpt = m->nrcpt,
		.parent_queue_id = open_get(m, m->parent), .local_user = open_get(m, m->local_user),
		.cwd = open_get(m, m->cwd), .subject = open_get(m, m->subject), .origin = (uint8_t)origin(m), .flags = flags,
	};
	t->n_rcpt = rcpts_out(c, m, ended);
	t->rcpt = c->out;
	lines_out(m, t);
	if (!m->head && t->origin != TXN_BOUNCE)
		t->flags |= TXN_HEAD_MISSING;
	if (m->stitched)
		t->flags |= TXN_REINJECTED;
	if (m->reported)
		t->flags |= TXN_REPLAY;
	if (m->removed && !m->stitched && open_outcomes(m) < m->nrcpt)
		t->flags |= TXN_GAP;
	bool gone = (m->removed || m->keeps_removed) && !(flags & TXN_TAIL_MISSING);
	t->complete = gone && all_final(t) && !(t->flags & TXN_GAP) && (ended || !m->stitched || !m->keys_open);
}

static void count(struct correlate *c, const struct txn *t)
{
	c->txns++;
	c->head_missing += !!(t->flags & TXN_HEAD_MISSING);
	c->tail_missing += !!(t->flags & TXN_TAIL_MISSING);
}

static void give(struct correlate *c, uint32_t i, uint32_t flags, bool ended)
{
	struct txn t;
	txn_of(c, i, flags, ended, &t);
	t.seq = ++c->seq;
	if (!(t.flags & TXN_REPLAY))
		count(c, &t);
	c->sink.txn(c->sink.ctx, &t);
	struct open_msg *m = c->msg[i];
	for (uint32_t r = 0; r < m->n_rcpt; r++)
		m->rcpt[r].changed = false;
	m->reported = true;
	m->dirty = false;
	m->shown = true;
	open_count(m);
}

void report_now(struct correlate *c, uint32_t m, uint32_t flags)
{
	open_set_due(c, m, OPEN_DUE_NOT);
	if (c->msg[m]->probe || (!c->msg[m]->dirty && c->msg[m]->reported))
		return;
	give(c, m, flags, false);
}

/* A message that never reached the queue and left nothing behind is none. */
static bool worth_telling(const struct open_msg *m, bool fresh, uint32_t flags)
{
	if (m->probe)
		return false;
	if (fresh && !m->removed)
		return (flags & TXN_TAIL_MISSING) && m->message_id.at != OPEN_NONE;
	return true;
}

void report_end(struct correlate *c, uint32_t m, uint32_t flags)
{
	struct open_msg *o = c->msg[m];
	stitch_release(c, m);
	/* the "removed" of a message whose outcomes were all told makes it complete: worth one more word */
	if (worth_telling(o, c->stub[m].list == OPEN_FRESH, flags) && (!o->reported || o->dirty || o->removed))
		if (!(o->reported && !o->dirty && o->due == OPEN_DUE_LINGER))
			give(c, m, flags, true);
	open_free(c, m);
}

/* -- time -- */

void report_timers(struct correlate *c)
{
	for (uint32_t m; (m = c->due[OPEN_DUE_REPORT].first) != OPEN_NONE && c->msg[m]->due_us <= c->now_us;) {
		if (c->msg[m]->maybe_parent != OPEN_NONE || c->final_only)
			open_set_due(c, m, OPEN_DUE_NOT);
		else
			report_now(c, m, 0);
	}
	for (uint32_t m; (m = c->due[OPEN_DUE_LINGER].first) != OPEN_NONE && c->msg[m]->due_us <= c->now_us;) {
		if (c->msg[m]->maybe_parent != OPEN_NONE) /* the would-be parent decides */
			open_set_due(c, m, OPEN_DUE_NOT);
		else
			report_end(c, m, 0);
	}
	for (uint32_t m; (m = c->list[OPEN_FRESH].first) != OPEN_NONE && c->msg[m]->last_us + CORRELATE_FRESH_US <= c->now_us;)
		report_end(c, m, 0);
	for (unsigned t = 0; t < OPEN_FOLDS && c->folded.from_us <= c->now_us - CORRELATE_STALE_US; t++)
		while (fold_older(c, t, c->now_us - CORRELATE_STALE_US + 1))
			report_end(c, fold_open(c, fold_first(c, t)), TXN_TAIL_MISSING);
	for (unsigned l = OPEN_IDLE; l < OPEN_LISTS; l++)
		for (uint32_t m; (m = c->list[l].first) != OPEN_NONE && c->msg[m]->last_us + CORRELATE_STALE_US <= c->now_us;)
			report_end(c, m, TXN_TAIL_MISSING);
	fold_idle(c);
}

/* What the open messages take in memory; and in a snapshot, rather too much than too little. */
static inline size_t bytes(const struct correlate *c, size_t *ret_saved)
{
	*ret_saved = c->text_bytes + c->folded.saved_bytes + c->rcpts * 80 + (size_t)(c->live - c->folded.n) * 320 + c->live_keys * 30;
	return c->folded.bytes + open_unfolded_bytes(c);
}

/* Of all open messages the one that was heard of least lately; rather one that is in the queue. */
static uint32_t oldest(struct correlate *c)
{
	static const uint8_t lists[] = { OPEN_QUEUED, OPEN_AGAIN, OPEN_IDLE, OPEN_LISTS /* the folded ones */, OPEN_FRESH };
	uint32_t best = OPEN_NONE, node = OPEN_NONE;
	int64_t best_us = INT64_MAX;
	for (unsigned i = 0; i < sizeof lists; i++) {
		uint32_t m = lists[i] < OPEN_LISTS ? c->list[lists[i]].first : OPEN_NONE;
		if (m != OPEN_NONE && c->msg[m]->last_us < best_us) {
			best_us = c->msg[best = m]->last_us;
			node = OPEN_NONE;
		}
		for (unsigned t = 0; t < OPEN_FOLDS && lists[i] == OPEN_LISTS; t++)
			if (fold_older(c, t, best_us)) {
				best_us = fold_first_us(c, t);
				node = fold_first(c, t);
			}
	}
	return node == OPEN_NONE ? best : fold_open(c, node);
}

void report_limit(struct correlate *c)
{
	size_t saved;
	while ((bytes(c, &saved) > c->max_bytes || saved > c->max_saved) && c->live) {
		c->evicted++;
		report_end(c, oldest(c), TXN_TAIL_MISSING);
	}
}

static void provisional(struct correlate *c, uint32_t i)
{
	struct txn t;
	txn_of(c, i, TXN_PROVISIONAL, false, &t);
	t.flags &= ~TXN_REPLAY;
	c->sink.txn(c->sink.ctx, &t);
	c->msg[i]->shown = true;
}

static void end_all(struct correlate *c, enum open_list list)
{
	for (uint32_t m; (m = c->list[list].first) != OPEN_NONE;)
		report_end(c, m, c->msg[m]->removed ? 0 : TXN_TAIL_MISSING);
}

void correlate_idle(struct correlate *c)
{
	for (unsigned l = OPEN_IDLE; l < OPEN_LISTS && !c->final_only; l++)
		for (uint32_t m = c->list[l].first; m != OPEN_NONE; m = c->stub[m].list_next)
			if (!c->msg[m]->shown && !c->msg[m]->probe) /* what is folded was shown */
				provisional(c, m);
	if (c->final_only)
		correlate_end(c);
}

void correlate_end(struct correlate *c)
{
	end_all(c, OPEN_FRESH);
	for (unsigned t = 0; t < OPEN_FOLDS; t++)
		for (uint32_t node; (node = fold_first(c, t)) != OPEN_NONE;) {
			uint32_t m = fold_open(c, node);
			report_end(c, m, c->msg[m]->removed ? 0 : TXN_TAIL_MISSING);
		}
	for (unsigned l = OPEN_IDLE; l < OPEN_LISTS; l++)
		end_all(c, l);
}

void correlate_skip_to(struct correlate *c, uint64_t seq)
{
	if (seq > c->seq)
		c->seq = seq;
}

uint64_t correlate_seq(const struct correlate *c)
{
	return c->seq;
}

int64_t correlate_now(const struct correlate *c)
{
	return c->now_us;
}

void correlate_counters(const struct correlate *c, struct obs_counters *ret)
{
	ret->txns += c->txns;
	ret->records += c->facts;
	ret->head_missing += c->head_missing;
	ret->tail_missing += c->tail_missing;
	ret->evicted += c->evicted;
	ret->open_messages += c->live;
	size_t saved;
	ret->open_bytes += bytes(c, &saved);
	if ((uint64_t)c->now_us > ret->last_event_us)
		ret->last_event_us = (uint64_t)c->now_us;
}
