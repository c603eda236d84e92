#include "analyzer/judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "analyzer/acase.h"
#include "analyzer/detector.h"
#include "analyzer/fusion.h"
#include "analyzer/outage.h"
#include "analyzer/rollup.h"
#include "lib/msg.h"

/* From here on a principal's lines and sources are gathered; below the second one they are forgotten again. */
#define SUSPICION_FROM (2 * NAT)
#define SUSPICION_UNTIL (1 * NAT)

/* --- making ------------------------------------------------------------------------------------------------------- */

struct judge *judge_new(const struct conf *conf, struct enrich *enrich, struct err *e)
{
	struct judge *j = xcalloc(1, sizeof *j);
	j->conf = conf;
	j->enrich = enrich;
	j->replies = reply_table_new(e);
	if (!j->replies) {
		free(j);
		return NULL;
	}
	judge_load_options(j);
	contacts_init(&j->contacts, (size_t)j->limits.contacts_bytes);
	memory_init(&j->site_memory, "site", sizeof(struct site_state));
	outage_init(&j->outage_memory);
	j->site = (struct site_state *)(void *)j->site_memory.p;
	j->site->next_case = 1;
	for (size_t k = 0; k < PRINCIPAL_KINDS; k++)
		for (size_t b = 0; b < POPULATIONS; b++)
			fixed_population_init(&j->site->population[k][b]);
	memory_touch_all(&j->site_memory);
	j->rollup = rollup_new();
	return j;
}

static void principal_free(struct principal *p)
{
	suspicion_free(p->suspicion);
	free(p->id);
	free(p);
}

void judge_free(struct judge *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->cap; i++)
		if (j->table[i])
			principal_free(j->table[i]);
	for (size_t i = 0; i < j->n_cases; i++)
		acase_free(j->cases[i]);
	for (size_t d = 0; d < detector_count(); d++)
		free(j->options[d]);
	free(j->options);
	free(j->slab);
	free(j->table);
	free(j->cases);
	contacts_fini(&j->contacts);
	memory_fini(&j->site_memory);
	memory_fini(&j->outage_memory);
	rollup_free(j->rollup);
	reply_table_free(j->replies);
	arena_fini(&j->scratch);
	free(j);
}

/* --- principals --------------------------------------------------------------------------------------------------- */

static uint64_t principal_key(const struct judge *j, enum principal_kind kind, struct sv id)
{
	return hash_mix(hash_folded(&j->key, id), (uint64_t)kind + 1);
}

static size_t table_slot(const struct judge *j, uint64_t key)
{
	size_t i = (size_t)key & (j->cap - 1);
	while (j->table[i] && j->table[i]->key != key)
		i = (i + 1) & (j->cap - 1);
	return i;
}

static void table_grow(struct judge *j)
{
	struct principal **old = j->table;
	size_t n = j->cap;
	j->cap = n ? n * 2 : 1024;
	j->table = xcalloc(j->cap, sizeof(struct principal *));
	for (size_t i = 0; i < n; i++)
		if (old[i])
			j->table[table_slot(j, old[i]->key)] = old[i];
	free(old);
}

void judge_touch(struct judge *j, struct principal *p)
{
	if (p->dirty)
		return;
	p->dirty = true;
	p->next_dirty = j->dirty;
	j->dirty = p;
}

/* Marks an account as one of ours, so that mail it receives may feed its contacts. */
#define IS_AN_ACCOUNT 0x61636374u

struct principal *judge_principal(struct judge *j, enum principal_kind kind, struct sv id, int64_t at_us)
{
	id = sv_take(id, 320);
	uint64_t key = principal_key(j, kind, id);
	if (j->n_principals * 2 >= j->cap)
		table_grow(j);
	size_t at = table_slot(j, key);
	if (j->table[at])
		return j->table[at];
	struct principal *p = xcalloc(1, sizeof *p + j->slab_bytes);
	p->key = key;
	p->kind = (uint8_t)kind;
	p->id = xsvdup(id);
	j->table[at] = p;
	j->n_principals++;
	if (j->store.load_principal && j->store.load_principal(j->store.ctx, j, p))
		return p;
	p->fresh = true;
	p->first_us = p->last_us = at_us;
	if (kind == PRINCIPAL_ACCOUNT)
		contacts_add(&j->contacts, hash_mix(key, IS_AN_ACCOUNT));
	judge_touch(j, p);
	return p;
}

/* --- time --------------------------------------------------------------------------------------------------------- */

static void halve_populations(struct site_state *s)
{
	for (size_t k = 0; k < PRINCIPAL_KINDS; k++)
		for (size_t b = 0; b < POPULATIONS; b++)
			for (size_t i = 0; i < SURPRISE_BINS; i++)
				s->population[k][b].bins[i] = (s->population[k][b].bins[i] + 1) / 2;
}

/* Event time only moves forward; at hours it does what time does. */
static void tick(struct judge *j, int64_t at_us)
{
	struct site_state *s = j->site;
	if (at_us <= s->now_us)
		return;
	if (!s->first_us)
		s->first_us = s->generation_us = s->aged_us = at_us;
	int64_t hour = at_us / US_PER_HOUR;
	bool new_hour = s->now_us && s->now_us / US_PER_HOUR != hour;
	s->now_us = at_us;
	memory_touch(&j->site_memory, 0);
	if (!new_hour)
		return;
	acase_close_quiet(j, hour * US_PER_HOUR);
	if (at_us - s->generation_us >= CONTACTS_GENERATION_DAYS * US_PER_DAY) {
		contacts_age(&j->contacts);
		s->generation_us = at_us;
	}
	if (at_us - s->aged_us >= 30 * US_PER_DAY) {
		halve_populations(s);
		s->aged_us = at_us;
		memory_touch_all(&j->site_memory);
	}
}

/* --- views -------------------------------------------------------------------------------------------------------- */

static uint8_t outcome_of(const struct txn_rcpt *r)
{
	if (r->status == TXN_SENT)
		return OUTCOME_GOOD;
	if (r->status == TXN_BOUNCED || r->status == TXN_EXPIRED) {
		bool bad_domain = r->reply_class == REPLY_OTHER && r->dsn.n == 5 &&
		                  (sv_eq(r->dsn, SV("5.1.2")) || sv_eq(r->dsn, SV("5.4.4")));
		return r->reply_class == REPLY_UNKNOWN_USER || bad_domain ? OUTCOME_BAD : OUTCOME_REFUSED;
	}
	return OUTCOME_OPEN;
}

static void classify_replies(struct judge *j, struct txn *t)
{
	for (size_t i = 0; i < t->n_rcpt; i++) {
		struct txn_rcpt *r = &t->rcpt[i];
		if (r->status == TXN_SENT || r->status == TXN_PENDING)
			r->reply_class = REPLY_NONE;
		else
			r->reply_class = reply_classify(j->replies, r->reply, r->dsn).class;
	}
}

static void view_network(struct judge *j, struct message_view *m)
{
	if (ipaddr_parse(m->txn->client_ip, &m->ip) != 0)
		return;
	m->has_ip = true;
	m->own_network = enrich_is_own_network(j->enrich, &m->ip);
	uint64_t a, b;
	memcpy(&a, m->ip.b, 8);
	memcpy(&b, m->ip.b + 8, 8);
	bool v4 = ipaddr_is_v4(&m->ip);
	/* IPv4: /24 and /16 of the last four bytes; IPv6: /48 and /32. Bytes are in network order in memory. */
	uint64_t mask24 = 0, mask16 = 0;
	memset(&mask24, 0xff, v4 ? 7 : 6);
	memset(&mask16, 0xff, v4 ? 6 : 4);
	m->net = v4 ? hash_mix(b & mask24, 4) : hash_mix(a & mask24, 6);
	m->wide_net = v4 ? hash_mix(b & mask16, 4) : hash_mix(a & mask16, 6);
	m->geo = enrich_geo(j->enrich, &m->ip);
}

/* A job that mails the same dead address every hour is a nuisance, not a dirty list. */
#define WAS_BAD 0x6261646eu

static bool seen_bad_before(struct judge *j, const struct principal *p, uint64_t rcpt_hash)
{
	uint64_t pair = hash_mix(hash_mix(p->key, rcpt_hash), WAS_BAD);
	if (contacts_known(&j->contacts, pair))
		return true;
	contacts_add(&j->contacts, pair);
	return false;
}

static void view_recipients(struct judge *j, const struct principal *p, struct message_view *m)
{
	const struct txn *t = m->txn;
	m->rcpt = arena_alloc(&j->scratch, t->n_rcpt * sizeof *m->rcpt);
	m->n_listed = t->n_rcpt;
	for (size_t i = 0; i < t->n_rcpt; i++) {
		const struct txn_rcpt *r = &t->rcpt[i];
		struct rcpt_view *v = &m->rcpt[i];
		v->hash = hash_folded(&j->key, r->recipient);
		v->domain = arena_sv(&j->scratch, enrich_org_domain(j->enrich, sv_domain(r->recipient)));
		v->domain_hash = hash_folded(&j->key, sv_domain(r->recipient));
		v->class = r->reply_class;
		v->outcome = outcome_of(r);
		v->changed = r->changed;
		v->known = contacts_known(&j->contacts, hash_mix(p->key, v->hash));
		if (r->changed && v->outcome == OUTCOME_BAD)
			v->repeated = seen_bad_before(j, p, v->hash);
		if (r->changed && (v->outcome == OUTCOME_GOOD || v->outcome == OUTCOME_BAD))
			v->void_receiver = outage_note(&j->outage_memory, v->domain_hash, p->key, v->outcome == OUTCOME_BAD, m->at_us);
	}
	m->n_rcpt = (uint32_t)(t->nrcpt > (int64_t)t->n_rcpt && t->nrcpt < 100000 ? (size_t)t->nrcpt : t->n_rcpt);
}

static uint8_t method_bit(const struct judge *j, struct sv method)
{
	unsigned bit = method.n ? 1u << (hash_folded(&j->key, method) & 7) : 0;
	return (uint8_t)bit;
}

static struct sv best_line(const struct txn *t)
{
	/* A refused outcome says more than how it came in; the accept line says more than a delivery. */
	for (size_t i = 0; i < t->n_rcpt && t->n_lines > 1; i++)
		if (t->rcpt[i].changed && t->rcpt[i].status >= TXN_BOUNCED)
			return t->lines[1];
	return t->n_lines ? t->lines[0] : (struct sv){ 0 };
}

static void view(struct judge *j, const struct principal *p, const struct txn *t, struct message_view *m)
{
	/* Time of the judge, not of the report: it never steps back, whatever several sources say. */
	*m = (struct message_view){ .txn = t, .at_us = j->site->now_us };
	m->first_report = !(t->flags & TXN_REPLAY);
	m->null_sender = t->sender_known && t->sender.n == 0;
	m->method_bit = method_bit(j, t->auth_method);
	m->line = best_line(t);
	view_network(j, m);
	view_recipients(j, p, m);
}

/* --- whom --------------------------------------------------------------------------------------------------------- */

static struct principal *attribute(struct judge *j, const struct txn *t)
{
	struct ipaddr ip;
	if (t->origin == TXN_BOUNCE || t->origin == TXN_FORWARD)
		return NULL;
	if (t->account.n)
		return judge_principal(j, PRINCIPAL_ACCOUNT, t->account, t->at_us);
	if (t->uid >= 0) {
		char id[24];
		(void)snprintf(id, sizeof id, "%" PRId64, t->uid);
		return judge_principal(j, PRINCIPAL_SCRIPT, sv_cstr(id), t->at_us);
	}
	if (t->local_user.n)
		return judge_principal(j, PRINCIPAL_SCRIPT, t->local_user, t->at_us);
	if (ipaddr_parse(t->client_ip, &ip) != 0 || ipaddr_is_loopback(&ip) || enrich_is_egress(j->enrich, &ip) ||
	    !enrich_is_own_network(j->enrich, &ip))
		return NULL;
	return judge_principal(j, PRINCIPAL_HOST, t->client_ip, t->at_us);
}

/* Mail that an account of ours received: who wrote to it is no stranger to it. */
static void feed_contacts(struct judge *j, const struct txn *t)
{
	if (!t->sender.n)
		return;
	uint64_t sender = hash_folded(&j->key, t->sender);
	for (size_t i = 0; i < t->n_rcpt; i++) {
		const struct txn_rcpt *r = &t->rcpt[i];
		if (r->status != TXN_SENT || !r->changed)
			continue;
		uint64_t account = principal_key(j, PRINCIPAL_ACCOUNT, sv_take(r->recipient, 320));
		if (contacts_known(&j->contacts, hash_mix(account, IS_AN_ACCOUNT)))
			contacts_add(&j->contacts, hash_mix(account, sender));
	}
}

/* --- counting ----------------------------------------------------------------------------------------------------- */

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

static void count(struct judge *j, const struct principal *p, const struct txn *t)
{
	struct rollup *u = j->rollup;
	int64_t hour = t->at_us - t->at_us % US_PER_HOUR;
	struct rollup_row *v = rollup_at(u, &u->volume, 0, t->at_us - t->at_us % ROLLUP_BUCKET_US, 0, SV(""));
	struct rollup_row *w = p ? rollup_at(u, &u->principal, p->key, hour, p->kind, sv_cstr(p->id)) : NULL;
	bool first = !(t->flags & TXN_REPLAY);
	v->n[ROLLUP_MESSAGES] += first;
	if (w)
		w->n[ROLLUP_MESSAGES] += first;
	for (size_t i = 0; i < t->n_rcpt; i++) {
		const struct txn_rcpt *r = &t->rcpt[i];
		if (!r->changed || r->status == TXN_PENDING)
			continue;
		unsigned column = status_column(r);
		bool refused = is_refusal(r);
		v->n[column]++;
		v->n[ROLLUP_RECIPIENTS] += first;
		if (w) {
			w->n[column]++;
			w->n[ROLLUP_RECIPIENTS] += first;
			w->n[ROLLUP_REFUSED] += refused;
		}
		struct sv domain = sv_domain(r->recipient);
		if (r->local || !domain.n)
			continue;
		struct sv org = enrich_org_domain(j->enrich, domain);
		struct rollup_row *x = rollup_at(u, &u->receiver, hash_sv(&j->key, org), hour, 0, org);
		x->n[column]++;
		x->n[ROLLUP_RECIPIENTS] += first;
		x->n[ROLLUP_REFUSED] += refused;
	}
}

static void count_principal(struct judge *j, struct principal *p, const struct message_view *m)
{
	if (m->first_report) {
		p->messages++;
		p->recipients += m->n_rcpt;
	}
	for (size_t i = 0; i < m->n_listed; i++)
		p->bounced += m->rcpt[i].changed && m->rcpt[i].outcome >= OUTCOME_BAD;
	if (m->at_us > p->last_us)
		p->last_us = m->at_us;
	p->utc_offset_s = m->txn->utc_offset_s;
	judge_touch(j, p);
}

static void remember_recipients(struct judge *j, const struct principal *p, const struct message_view *m)
{
	for (size_t i = 0; i < m->n_listed; i++)
		if (!m->rcpt[i].known)
			contacts_add(&j->contacts, hash_mix(p->key, m->rcpt[i].hash));
}

/* --- suspicion ---------------------------------------------------------------------------------------------------- */

/* When what now speaks against p began; what is nearly forgotten says nothing about that. */
static int64_t earliest(const struct judge *j, const struct principal *p, const int32_t *scores, int64_t at_us)
{
	for (size_t d = 0; d < detector_count(); d++) {
		int64_t s = (detector_registry[d]->kinds >> p->kind & 1) ? detector_registry[d]->since(judge_slab(j, p, d)) : 0;
		if (s && s < at_us && scores[d] >= NAT)
			at_us = s;
	}
	return at_us;
}

static void gather(struct principal *p, const struct message_view *m)
{
	struct suspicion *s = p->suspicion;
	if (m->first_report) {
		char ip[48];
		s->messages++;
		s->recipients += m->n_rcpt;
		if (m->has_ip) {
			ip[ipaddr_text(&m->ip, ip)] = 0;
			suspicion_add_source(s, ip, m->txn->client_name.p ? m->txn->client_name : SV(""), m->geo.country, m->geo.asn, m->at_us);
		}
	}
	for (size_t i = 0; i < m->n_listed && i < 64; i++)
		if (m->rcpt[i].changed)
			suspicion_add_domain(s, m->rcpt[i].domain, m->rcpt[i].outcome >= OUTCOME_BAD);
}

/* The detector whose evidence grew most, or -1 when none did. */
static int grew_most(const int32_t *before, const int32_t *after)
{
	int best = -1;
	int32_t most = 0;
	for (size_t d = 0; d < detector_count(); d++)
		if (after[d] - before[d] > most) {
			most = after[d] - before[d];
			best = (int)d;
		}
	return best;
}

static void suspect(struct judge *j, struct principal *p, const struct message_view *m, int32_t total, const int32_t *scores, int grown,
                    struct sv line, int64_t at_us)
{
	if (!p->suspicion && total >= SUSPICION_FROM)
		p->suspicion = suspicion_new(earliest(j, p, scores, at_us));
	if (p->suspicion && total < SUSPICION_UNTIL && !p->open_case) {
		suspicion_free(p->suspicion);
		p->suspicion = NULL;
	}
	if (!p->suspicion)
		return;
	if (m)
		gather(p, m);
	if (grown >= 0)
		suspicion_add_line(p->suspicion, at_us, (size_t)grown, line);
}

/* --- events ------------------------------------------------------------------------------------------------------- */

/* Evidence before the event, decayed to now. */
static void score_before(struct judge *j, struct principal *p, int64_t at_us, int32_t *scores)
{
	if (p->score > 0)
		(void)fusion_score(j, p, at_us, scores);
	else
		memset(scores, 0, detector_count() * sizeof *scores);
}

static void judge_after(struct judge *j, struct principal *p, const struct message_view *m, const int32_t *before, struct sv line, int64_t at_us)
{
	int32_t after[64];
	int32_t total = fusion_score(j, p, at_us, after);
	int grown = grew_most(before, after);
	suspect(j, p, m, total, after, grown, line, at_us);
	p->score = total;
	acase_update(j, p, after, total, at_us, grown >= 0);
}

static void judge_message(struct judge *j, struct principal *p, const struct txn *t)
{
	struct message_view m;
	int32_t before[64];
	view(j, p, t, &m);
	count_principal(j, p, &m);
	score_before(j, p, m.at_us, before);
	for (size_t d = 0; d < detector_count(); d++) {
		const struct detector *x = detector_registry[d];
		if (x->message && (x->kinds >> p->kind & 1))
			x->message(j, p, judge_slab(j, p, d), judge_options(j, d), &m);
	}
	judge_after(j, p, &m, before, m.line, m.at_us);
	remember_recipients(j, p, &m);
}

void judge_txn(struct judge *j, struct txn *t)
{
	classify_replies(j, t);
	if (t->flags & TXN_PROVISIONAL)
		return;
	arena_reset(&j->scratch);
	tick(j, t->at_us);
	struct principal *p = attribute(j, t);
	count(j, p, t);
	if (p)
		judge_message(j, p, t);
	else
		feed_contacts(j, t);
}

static struct principal *attribute_record(struct judge *j, const struct record *r)
{
	struct ipaddr ip;
	if (r->account.n)
		return judge_principal(j, PRINCIPAL_ACCOUNT, r->account, r->time_us);
	if (ipaddr_parse(r->client_ip, &ip) != 0 || ipaddr_is_loopback(&ip) || enrich_is_egress(j->enrich, &ip) ||
	    !enrich_is_own_network(j->enrich, &ip))
		return NULL;
	return judge_principal(j, PRINCIPAL_HOST, r->client_ip, r->time_us);
}

static void judge_reject(struct judge *j, const struct record *r, struct sv line)
{
	struct principal *p = attribute_record(j, r);
	uint8_t class = reply_classify(j->replies, r->reply, r->dsn).class;
	int32_t before[64];
	int64_t at_us = j->site->now_us;
	if (!p)
		return;
	rollup_at(j->rollup, &j->rollup->principal, p->key, at_us - at_us % US_PER_HOUR, p->kind, sv_cstr(p->id))->n[ROLLUP_REFUSED]++;
	judge_touch(j, p);
	score_before(j, p, at_us, before);
	for (size_t d = 0; d < detector_count(); d++) {
		const struct detector *x = detector_registry[d];
		if (x->reject && (x->kinds >> p->kind & 1))
			x->reject(j, p, judge_slab(j, p, d), judge_options(j, d), class, at_us, line);
	}
	judge_after(j, p, NULL, before, line, at_us);
}

void judge_record(struct judge *j, const struct record *r, struct sv line)
{
	arena_reset(&j->scratch);
	tick(j, r->time_us);
	int64_t at_us = j->site->now_us;
	struct rollup_row *v = rollup_at(j->rollup, &j->rollup->volume, 0, at_us - at_us % ROLLUP_BUCKET_US, 0, SV(""));
	if (r->kind == RECORD_AUTH_FAIL)
		v->n[ROLLUP_AUTH_FAILED]++;
	if (r->kind != RECORD_REJECT)
		return;
	v->n[ROLLUP_REFUSED]++;
	judge_reject(j, r, line);
}
