#include "collector/open.h"
#include "collector/password.h"
#include "collector/scan.h"

#include <stdlib.h>

/* The text is the record's at hand, of which correlate_record() knows the host. */
static uint32_t host_of(struct correlate *c, const struct record *r)
{
	return r->queue_id.p && c->at.text.p == r->queue_id.p ? c->at.host : open_host(c, r->host);
}

static uint32_t find(struct correlate *c, const struct record *r, uint32_t *ret_key)
{
	*ret_key = open_find(c, host_of(c, r), r->queue_id);
	return *ret_key == OPEN_NONE ? OPEN_NONE : c->key[*ret_key].msg;
}

/* The message of a line that is not how a message begins; a new one, headless, when we do not know it. */
static uint32_t find_or_new(struct correlate *c, const struct record *r, uint32_t *ret_key)
{
	uint32_t m = find(c, r, ret_key);
	if (m != OPEN_NONE)
		return m;
	m = open_new(c, host_of(c, r), r->queue_id);
	*ret_key = c->msg[m]->first_key;
	c->msg[m]->first_us = c->msg[m]->last_us = r->time_us;
	c->msg[m]->mta = r->mta;
	c->msg[m]->keeps_removed = c->keeps_removed;
	c->msg[m]->utc_offset_s = r->utc_offset_s;
	return m;
}

/* Every line of a message comes here. */
static void seen(struct correlate *c, uint32_t m, uint32_t k, const struct record *r)
{
	struct open_msg *o = c->msg[m];
	if (r->time_us < o->first_us)
		o->first_us = r->time_us;
	if (r->time_us > o->last_us)
		o->last_us = r->time_us;
	if (c->msg[m]->first_key != k && !c->key[k].seen)
		stitch_begun(c, m);
	c->key[k].seen = true;
	open_heard(c, m);
}

static bool is_primary(const struct correlate *c, uint32_t m, uint32_t k)
{
	return c->msg[m]->first_key == k;
}

/* Can a message that begins like this be one that a content filter gives back? */
static bool may_be_copy(const struct record *r)
{
	return r->orig_queue_id.p || r->uid != RECORD_UNSET || r->local_user.p || scan_ip_is_loopback(r->client_ip);
}

/* A line that starts a message under a queue id that is in use: the id is used again. */
static uint32_t begin(struct correlate *c, const struct record *r, uint32_t *ret_key)
{
	uint32_t m = find(c, r, ret_key);
	if (m == OPEN_NONE)
		return find_or_new(c, r, ret_key);
	const struct open_key *k = &c->key[*ret_key];
	if (is_primary(c, m, *ret_key)) {
		const struct open_msg *o = c->msg[m];
		/* Exim says what it delivered while the client waited before it says that the message came. */
		bool delivered_first = !o->sender_known && r->time_us - o->last_us <= CORRELATE_LINGER_US;
		if (o->head || o->removed || (c->stub[m].list != OPEN_FRESH && !delivered_first))
			report_end(c, m, o->removed ? 0 : TXN_TAIL_MISSING);
	} else if (k->head || k->removed || !may_be_copy(r)) {
		bool was_open = !k->removed;
		open_drop_key(c, *ret_key);
		if (was_open)
			correlate_removed(c, m);
	}
	return find_or_new(c, r, ret_key);
}

static bool clashes(const struct open_msg *o, const struct record *r)
{
	return r->sender.p && o->sender_known && (!sv_eq(open_get(o, o->sender), sv_take(r->sender, ADDRESS_MAX)) || (o->size >= 0 && r->size != RECORD_UNSET && o->size != r->size));
}

/* Some formats say once per recipient that a message came. */
static bool said_again(struct correlate *c, const struct record *r)
{
	uint32_t k, m;
	if (!r->recipient.p || (m = find(c, r, &k)) == OPEN_NONE || !is_primary(c, m, k))
		return false;
	struct open_msg *o = c->msg[m];
	if (!o->head || o->removed || o->n_rcpt || r->time_us - o->first_us > CORRELATE_LINGER_US || clashes(o, r))
		return false;
	if (o->nrcpt >= 0 && r->nrcpt != RECORD_UNSET)
		o->nrcpt += r->nrcpt;
	seen(c, m, k, r);
	return true;
}

static void accepted(struct correlate *c, const struct record *r, struct sv line)
{
	char room[TXN_LINE_BYTES];
	uint32_t k, m = begin(c, r, &k);
	if (!is_primary(c, m, k)) { /* the head of a copy whose message we know already */
		c->key[k].head = true;
		seen(c, m, k, r);
		if (r->sender.p)
			stitch_sender(c, m, r->sender);
		return;
	}
	struct open_msg *o = c->msg[m];
	o->head = true;
	seen(c, m, k, r);
	open_set(c, o, &o->client_ip, r->client_ip);
	open_set(c, o, &o->client_name, sv_take(r->client_name, NAME_MAX_BYTES));
	open_set(c, o, &o->helo, sv_take(r->helo, NAME_MAX_BYTES));
	open_set(c, o, &o->account, sv_take(r->account, NAME_MAX_BYTES));
	open_set(c, o, &o->auth_method, sv_take(r->auth_method, 64));
	open_set(c, o, &o->lines[0], txn_line(line, room));
	o->submission = r->account.p || r->submission;
	o->loopback = r->orig_queue_id.p || (!r->account.p && scan_ip_is_loopback(r->client_ip));
	open_set(c, o, &o->local_user, sv_take(r->local_user, 64));
	if (r->uid != RECORD_UNSET || r->local_user.p) {
		o->uid = r->uid == RECORD_UNSET ? -1 : r->uid;
		o->piped = true;
		if (r->local_user.p && !r->client_ip.p) /* called as a command */
			open_set(c, o, &o->cwd, cwd_of(&c->cwd, o->host, r));
		if (r->sender.p && !o->sender_known)
			open_set(c, o, &o->sender, sv_take(r->sender, ADDRESS_MAX));
	}
	if (r->parent_queue_id.p) {
		open_set(c, o, &o->parent, r->parent_queue_id);
		o->bounce = r->sender.p && !r->sender.n;
		o->forward = !o->bounce;
	}
	if (r->orig_queue_id.p)
		stitch_named(c, m, r->orig_queue_id);
	else if (c->msg[m]->loopback || c->msg[m]->piped)
		stitch_child(c, m);
}

static void message_id(struct correlate *c, const struct record *r)
{
	uint32_t k, m = find_or_new(c, r, &k);
	seen(c, m, k, r);
	struct open_msg *o = c->msg[m];
	if (!is_primary(c, m, k) || o->message_id.at != OPEN_NONE)
		return;
	open_set(c, o, &o->message_id, sv_take(r->message_id, ADDRESS_MAX));
	open_index(c, m);
	if (c->early)
		submitted_early(c, m);
	if (o->loopback || o->piped)
		stitch_child(c, m);
}

static void envelope(struct correlate *c, const struct record *r)
{
	uint32_t k, m = find_or_new(c, r, &k);
	if (is_primary(c, m, k) && (clashes(c->msg[m], r) || c->msg[m]->removed)) {
		report_end(c, m, c->msg[m]->removed ? 0 : TXN_TAIL_MISSING);
		m = find_or_new(c, r, &k);
	}
	seen(c, m, k, r);
	struct open_msg *o = c->msg[m];
	open_touch(c, m, OPEN_QUEUED);
	if (!is_primary(c, m, k))
		return;
	if (r->sender.p) {
		o->sender_known = true;
		open_set(c, o, &o->sender, sv_take(r->sender, ADDRESS_MAX));
	}
	if (r->size != RECORD_UNSET)
		o->size = r->size;
	if (r->nrcpt != RECORD_UNSET && r->nrcpt > o->nrcpt) /* at a retry it may be those that are left */
		o->nrcpt = r->nrcpt;
	if (r->recipients.n)
		outcome_expect(c, o, r->recipients);
}

/* -- outcomes -- */

/* All outcomes known? With everything final the "removed" line is about to come: one report then says it all. Where there
 * is no such line the message is told, and waits a little for recipients that aliases add. */
static void maybe_report(struct correlate *c, uint32_t m)
{
	struct open_msg *o = c->msg[m];
	bool all = o->nrcpt >= 0 && (uint64_t)o->n_known + o->n_again >= (uint64_t)o->nrcpt && !o->n_waiting;
	if (o->maybe_parent != OPEN_NONE || (c->final_only && !o->keeps_removed))
		return;
	bool deferred = all && outcome_waits(o);
	if (o->keeps_removed)
		o->removed = all && !deferred;
	bool now = all && (deferred || o->keeps_removed);
	if (now && !c->final_only)
		report_now(c, m, 0);
	if (o->keeps_removed && o->removed)
		open_set_due(c, m, OPEN_DUE_LINGER);
	else if (o->keeps_removed && o->due == OPEN_DUE_LINGER) /* one that an alias added must wait */
		open_set_due(c, m, OPEN_DUE_NOT);
	else if (!now && !o->due && !c->final_only)
		open_set_due(c, m, OPEN_DUE_REPORT);
}

static int status_of(struct sv s)
{
	static const struct { struct sv text; int status; } known[] = {
		{ { "sent", 4 }, TXN_SENT }, { { "deferred", 8 }, TXN_DEFERRED }, { { "bounced", 7 }, TXN_BOUNCED },
		{ { "expired", 7 }, TXN_EXPIRED }, { { "SOFTBOUNCE", 10 }, TXN_DEFERRED },
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (sv_eq(s, known[i].text))
			return known[i].status;
	return -1;
}

/* local(8): "forwarded as QID": a child with another envelope. */
static void forwarded(struct correlate *c, uint32_t m, struct sv reply);

static void delivery(struct correlate *c, const struct record *r, struct sv line)
{
	uint32_t k, m = find_or_new(c, r, &k);
	seen(c, m, k, r);
	open_touch(c, m, OPEN_QUEUED);
	int status = status_of(r->status);
	if (status < 0) {
		c->msg[m]->probe |= sv_ends(r->status, SV("deliverable"));
		return;
	}
	if (r->untried && status == TXN_BOUNCED && c->msg[m]->sender_known && sv_eq(open_get(c->msg[m], c->msg[m]->sender), r->recipient))
		return;
	if (r->uid != RECORD_UNSET && c->msg[m]->uid < 0 && c->msg[m]->local_user.at != OPEN_NONE) /* Sendmail says it only here */
		c->msg[m]->uid = r->uid;
	struct outcome o = {
		.recipient = r->recipient, .orig = r->orig_recipient, .dsn = r->dsn, .reply = r->reply,
		.relay_host = r->relay_host, .relay_ip = r->relay_ip, .time_us = r->time_us, .attempts = !r->more,
		.status = (uint8_t)status, .local = r->local,
		.handed = status == TXN_SENT && (r->piped || scan_ip_is_loopback(r->relay_ip)), .final_hop = !is_primary(c, m, k),
	};
	open_add_line(c, c->msg[m], line, status != TXN_SENT);
	if (r->unnamed)
		outcome_unnamed(c, m, &o, r->domain, r->nrcpt);
	else
		correlate_outcome(c, m, &o);
	if (o.handed)
		stitch_handed(c, m, r->reply);
	if (o.local && sv_starts(r->reply, SV("forwarded as ")))
		forwarded(c, m, sv_skip(r->reply, 13));
	maybe_report(c, m);
}

static void expire_waiting(struct open_msg *o, int64_t us)
{
	for (uint32_t i = 0; i < o->n_rcpt; i++) {
		struct open_rcpt *p = &o->rcpt[i];
		if (p->status != TXN_DEFERRED && p->status != TXN_PENDING)
			continue;
		p->status = TXN_EXPIRED;
		p->time_us = us;
		p->changed = o->dirty = true;
		o->shown = false;
	}
	open_count(o);
}

/* "status=expired, returned to sender": for all that were still waiting. */
static void expired(struct correlate *c, const struct record *r, struct sv line)
{
	uint32_t k, m = find_or_new(c, r, &k);
	seen(c, m, k, r);
	open_touch(c, m, OPEN_QUEUED);
	struct open_msg *o = c->msg[m];
	if (r->sender.p && !o->sender_known && is_primary(c, m, k)) {
		o->sender_known = true;
		open_set(c, o, &o->sender, sv_take(r->sender, ADDRESS_MAX));
	}
	expire_waiting(o, r->time_us);
	open_add_line(c, o, line, true);
	maybe_report(c, m);
}

/* -- children -- */

static uint32_t child_of(struct correlate *c, const struct record *r, struct sv queue_id, uint32_t parent)
{
	uint64_t id[OPEN_ID_WORDS];
	if (!open_id(queue_id, id))
		return OPEN_NONE;
	struct record child = { .host = r->host, .queue_id = queue_id, .time_us = r->time_us, .mta = r->mta, .utc_offset_s = r->utc_offset_s };
	uint32_t k, m = find_or_new(c, &child, &k);
	if (!is_primary(c, m, k) || m == parent)
		return OPEN_NONE;
	struct sv parent_id = parent == OPEN_NONE ? r->queue_id : open_queue_id(c, parent);
	if (!sv_eq(parent_id, queue_id)) /* a notice whose log does not say for which message */
		open_set(c, c->msg[m], &c->msg[m]->parent, parent_id);
	c->msg[m]->head = true;
	if (c->msg[m]->last_us < r->time_us) { /* not of long ago */
		c->msg[m]->last_us = r->time_us;
		open_heard(c, m);
	}
	return m;
}

/* All failed before any was tried: this notice is the last that is heard of it. */
static void failed_untold(struct correlate *c, uint32_t m, bool all)
{
	if (!c->msg[m]->head || (c->msg[m]->n_rcpt && !all))
		return;
	c->msg[m]->nrcpt = (int64_t)open_outcomes(c->msg[m]);
	maybe_report(c, m);
}

static void notified(struct correlate *c, const struct record *r)
{
	uint32_t k, parent = find(c, r, &k);
	if (parent != OPEN_NONE)
		seen(c, parent, k, r);
	if (parent != OPEN_NONE && sv_eq(r->status, SV("expired"))) {
		expire_waiting(c->msg[parent], r->time_us);
		maybe_report(c, parent);
	} else if (parent != OPEN_NONE && r->nrcpt != RECORD_UNSET && c->keeps_removed) {
		failed_untold(c, parent, r->unnamed);
	}
	uint32_t m = child_of(c, r, r->child_queue_id, parent);
	if (m == OPEN_NONE)
		return;
	c->msg[m]->bounce = true;
	if (r->nrcpt != RECORD_UNSET) { /* a format that says no more of it than this and where it goes */
		c->msg[m]->nrcpt = r->nrcpt;
		c->msg[m]->sender_known = true;
		open_set(c, c->msg[m], &c->msg[m]->sender, sv_make("", 0));
	}
	if (c->msg[m]->removed)
		report_end(c, m, 0);
}

static void forwarded(struct correlate *c, uint32_t m, struct sv reply)
{
	ptrdiff_t end = 0;
	while ((size_t)end < reply.n && reply.p[end] != ' ' && reply.p[end] != ')')
		end++;
	const struct open_host *h = &c->host[c->msg[m]->host];
	struct record r = { .host = sv_make(h->name, h->n), .time_us = c->msg[m]->last_us, .mta = c->msg[m]->mta, .utc_offset_s = c->msg[m]->utc_offset_s };
	uint32_t child = end ? child_of(c, &r, sv_take(reply, (size_t)end), m) : OPEN_NONE;
	if (child != OPEN_NONE)
		c->msg[child]->forward = true;
}

/* -- ends -- */

/* Reasons to wait a little for lines that another process may write later. */
static bool lingers(const struct correlate *c, uint32_t m)
{
	const struct open_msg *o = c->msg[m];
	bool gap = open_outcomes(o) < o->nrcpt;
	bool orphan = !o->head && o->sender_known && o->sender.n == 0; /* its "notification:" line is about to come */
	if (o->keys_open || gap || orphan || o->maybe_parent != OPEN_NONE)
		return true;
	for (uint32_t i = 0; i < o->n_rcpt; i++)
		if (o->rcpt[i].handed && !o->stitched)
			return true;
	return c->final_only && (o->loopback || o->piped);
}

/* Copies that were announced ("queued as") but of which no line came: perhaps the relay is no filter of ours. */
static bool waits_for_seen_copy(const struct correlate *c, uint32_t m)
{
	for (uint32_t k = c->msg[m]->first_key, i = 0; k != OPEN_NONE; k = c->key[k].next, i++)
		if (i && c->key[k].seen && !c->key[k].removed)
			return true;
	return false;
}

void correlate_removed(struct correlate *c, uint32_t m)
{
	if (!c->msg[m]->removed || waits_for_seen_copy(c, m))
		return;
	if (!lingers(c, m)) {
		report_end(c, m, 0);
		return;
	}
	bool may_be_copy = c->msg[m]->maybe_parent != OPEN_NONE;
	bool gap = open_outcomes(c->msg[m]) < c->msg[m]->nrcpt;
	if (!c->final_only && !may_be_copy && !gap)
		report_now(c, m, 0); /* do not make detectors wait for what is unlikely */
	open_set_due(c, m, OPEN_DUE_LINGER);
}

static void removed(struct correlate *c, const struct record *r)
{
	uint32_t k, m = c->keeps_removed || r->round ? find(c, r, &k) : find_or_new(c, r, &k);
	if (m == OPEN_NONE) /* told already */
		return;
	seen(c, m, k, r);
	if (r->round && outcome_waits(c->msg[m])) {
		if (!c->final_only)
			report_now(c, m, 0);
		return;
	}
	if (is_primary(c, m, k)) {
		c->msg[m]->removed = true;
	} else if (!c->key[k].removed) {
		c->key[k].removed = true;
		c->msg[m]->keys_open--;
	}
	correlate_removed(c, m);
}

/* The operator took one recipient's copy out of the queue. */
static void gone(struct correlate *c, const struct record *r)
{
	uint32_t k, m = find(c, r, &k);
	if (m == OPEN_NONE)
		return;
	seen(c, m, k, r);
	outcome_gone(c, m, r->recipient, r->time_us);
	maybe_report(c, m);
}

static void killed(struct correlate *c, const struct record *r)
{
	uint32_t k, m = find(c, r, &k);
	if (m == OPEN_NONE || !is_primary(c, m, k))
		return;
	if (c->stub[m].list != OPEN_FRESH && (!c->keeps_removed || c->msg[m]->n_rcpt)) /* some formats say what came before they refuse it */
		return;
	stitch_release(c, m);
	open_free(c, m);
}

/* No recipient's outcome will come. */
static void thrown_away(struct correlate *c, const struct record *r)
{
	uint32_t k, m = find(c, r, &k);
	if (m != OPEN_NONE && is_primary(c, m, k) && c->msg[m]->nrcpt > 0)
		c->msg[m]->nrcpt = (int64_t)open_outcomes(c->msg[m]);
}

/* When none is left no line says that the message has ended. */
static void recounted(struct correlate *c, const struct record *r)
{
	uint32_t k, m = find(c, r, &k);
	if (m == OPEN_NONE || !is_primary(c, m, k) || c->msg[m]->nrcpt < 0)
		return;
	int64_t n = c->msg[m]->nrcpt + r->rcpt_change;
	c->msg[m]->nrcpt = n > 0 ? n : 0;
	maybe_report(c, m);
}

static bool is_fact(const struct record *r)
{
	static const struct sv verdicts[] = {
		{ "reject", 6 }, { "defer", 5 }, { "greylist", 8 }, { "spam", 4 }, { "infected", 8 }, { "banned", 6 }, { "discard", 7 },
		{ "dnsbl", 5 },
	};
	if (r->kind == RECORD_AUTH_FAIL || r->kind == RECORD_AUTH_OK || r->kind == RECORD_REJECT)
		return true;
	/* A session that asked for recipients and sent nothing, or asked who is there. */
	if (r->kind == RECORD_DISCONNECT && r->has_counts)
		return (r->counts.rcpt_ok > 0 && r->counts.data <= 0 && r->counts.bdat <= 0) || r->counts.vrfy > 0;
	for (size_t i = 0; r->kind == RECORD_POLICY && i < sizeof verdicts / sizeof *verdicts; i++)
		if (sv_eq(r->status, verdicts[i]))
			return true;
	return false;
}

/* A verdict on a message's content names the message, not who logged in for it: that was told when it came in. The sender must be the
 * same, as somebody might write another message's id into what a filter logs. */
static struct sv account_of(struct correlate *c, const struct record *r)
{
	uint32_t k, m;
	bool content = (r->kind == RECORD_POLICY && !sv_eq(r->status, SV("greylist")) && !sv_eq(r->status, SV("defer"))) ||
	               (r->kind == RECORD_REJECT && (sv_starts(r->reason, SV("mime header ")) || sv_starts(r->reason, SV("header "))));
	if (!content || r->account.n || !r->queue_id.n || (m = find(c, r, &k)) == OPEN_NONE || !c->msg[m]->head)
		return r->account;
	struct sv sender = open_get(c->msg[m], c->msg[m]->sender);
	return c->msg[m]->sender_known && !sv_eq(sender, r->sender) ? r->account : open_get(c->msg[m], c->msg[m]->account);
}

void correlate_advance(struct correlate *c, int64_t us)
{
	if (us <= c->now_us)
		return;
	c->now_us = us;
	report_timers(c);
}

/* In the arrival line, or in a line of a header check. */
static void subject(struct correlate *c, const struct record *r)
{
	uint32_t k, m = find(c, r, &k);
	if (m != OPEN_NONE && c->msg[m]->subject.at == OPEN_NONE)
		open_set(c, c->msg[m], &c->msg[m]->subject, sv_take(r->subject, TXN_SUBJECT_BYTES));
}

static void tell_fact(struct correlate *c, const struct record *r, struct sv line)
{
	char room[2 * TXN_LINE_BYTES];
	c->facts++;
	c->seq++;
	if (!c->sink.fact)
		return;
	struct record told = *r;
	told.account = account_of(c, r);
	uint32_t k, m = r->killed && !r->client_ip.p && r->queue_id.n ? find(c, r, &k) : OPEN_NONE;
	if (m != OPEN_NONE) { /* what is refused as a whole had named its client */
		told.client_ip = open_get(c->msg[m], c->msg[m]->client_ip);
		told.client_name = open_get(c->msg[m], c->msg[m]->client_name);
		told.account = told.account.p ? told.account : open_get(c->msg[m], c->msg[m]->account);
	}
	if (r->kind == RECORD_AUTH_FAIL || r->typed)
		line = password_hidden(sv_take(line, sizeof room), room, sizeof room);
	c->sink.fact(c->sink.ctx, c->seq, &told, line);
}

/* A record with a queue id. */
static void of_message(struct correlate *c, const struct record *r, struct sv line)
{
	switch (r->kind) {
	case RECORD_ACCEPT:
		if (said_again(c, r))
			break;
		accepted(c, r, line);
		if (r->message_id.p)
			message_id(c, r);
		if (r->size != RECORD_UNSET || r->nrcpt != RECORD_UNSET || r->tells_client) /* formats whose first line says all */
			envelope(c, r);
		break;
	case RECORD_MESSAGE_ID: message_id(c, r); break;
	case RECORD_ENVELOPE: envelope(c, r); break;
	case RECORD_DELIVERY: delivery(c, r, line); break;
	case RECORD_EXPIRE: expired(c, r, line); break;
	case RECORD_REMOVE:
		if (r->killed && r->recipient.p)
			gone(c, r);
		else if (r->killed)
			killed(c, r);
		else
			removed(c, r);
		break;
	case RECORD_REJECT: case RECORD_POLICY:
		if (r->killed)
			killed(c, r);
		else if (r->unnamed)
			thrown_away(c, r);
		else if (r->rcpt_change)
			recounted(c, r);
		break;
	default:
		if (r->child_queue_id.n)
			notified(c, r);
	}
	if (r->subject.n)
		subject(c, r);
	report_limit(c);
}

void correlate_record(struct correlate *c, const struct record *r, struct sv line, bool keeps_removed)
{
	correlate_advance(c, r->time_us);
	c->keeps_removed = keeps_removed;
	bool has_id = r->queue_id.n && open_at(c, open_host(c, r->host), r->queue_id);
	if (is_fact(r))
		tell_fact(c, r, line);
	if (r->cwd.p)
		cwd_called(&c->cwd, open_host(c, r->host), r);
	if (has_id)
		of_message(c, r, line);
	else if (r->child_queue_id.n && r->account.n)
		submitted_by(c, r, line);
	c->at.text = (struct sv){ 0 }; /* another text may lie there next */
}
