#include "analyzer/judge.h"

#include <stdlib.h>

#include "analyzer/acase.h"
#include "analyzer/asked.h"
#include "analyzer/budget.h"
#include "analyzer/backup.h"
#include "analyzer/dialogues.h"
#include "analyzer/fusion.h"
#include "analyzer/judge_int.h"
#include "analyzer/listing.h"
#include "analyzer/outage.h"
#include "analyzer/policy.h"
#include "analyzer/resting.h"
#include "analyzer/rollup.h"
#include "analyzer/servers.h"
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
	budget_init(&j->budget_memory);
	j->shared = xcalloc(detector_count(), sizeof *j->shared);
	for (size_t d = 0; d < detector_count(); d++)
		if (detector_registry[d]->shared_bytes)
			memory_init(&j->shared[d], detector_registry[d]->name, detector_registry[d]->shared_bytes);
	j->site = (struct site_state *)(void *)j->site_memory.p;
	j->site->next_case = 1;
	for (size_t k = 0; k < PRINCIPAL_KINDS; k++)
		for (size_t b = 0; b < POPULATIONS; b++)
			fixed_population_init(&j->site->population[k][b]);
	memory_touch_all(&j->site_memory);
	j->resting = resting_new();
	j->rollup = rollup_new();
	j->backup = backup_new();
	j->policy = policy_new();
	j->listing = listing_new();
	j->servers = servers_new();
	policy_configure(j);
	return j;
}

void judge_free(struct judge *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->cap; i++)
		if (j->table[i].principal)
			principal_free(j->table[i].principal);
	for (size_t i = 0; i < j->n_cases; i++)
		acase_free(j->cases[i]);
	for (size_t d = 0; d < detector_count(); d++)
		free(j->options[d]);
	free(j->options);
	for (size_t k = 0; k < PRINCIPAL_KINDS; k++) {
		free(j->slab[k]);
		free(j->judging[k]);
	}
	free(j->table);
	resting_free(j->resting);
	free(j->cases);
	contacts_fini(&j->contacts);
	memory_fini(&j->site_memory);
	memory_fini(&j->outage_memory);
	memory_fini(&j->budget_memory);
	for (size_t d = 0; d < detector_count(); d++)
		memory_fini(&j->shared[d]);
	free(j->shared);
	rollup_free(j->rollup);
	backup_free(j->backup);
	policy_free(j->policy);
	listing_free(j->listing);
	servers_free(j->servers);
	dialogues_fini(&j->dialogues);
	buf_fini(&j->ended_days);
	reply_table_free(j->replies);
	arena_fini(&j->scratch);
	free(j);
}

struct memory *judge_shared(struct judge *j, const struct detector *d)
{
	for (size_t i = 0; i < detector_count(); i++)
		if (detector_registry[i] == d)
			return &j->shared[i];
	panic("a detector that is not registered");
}

struct memory *judge_memory(struct judge *j, size_t *i)
{
	struct memory *fixed[] = { &j->contacts.young, &j->contacts.old, &j->site_memory, &j->outage_memory, &j->budget_memory, &j->backup->queue_memory,
	                           &j->backup->parent_memory, &j->listing->blame_memory, &j->listing->asked_memory };
	size_t n = sizeof fixed / sizeof *fixed, at = (*i)++;
	if (at < n)
		return fixed[at];
	while (at - n < detector_count() && !j->shared[at - n].n)
		at = (*i)++;
	return at - n < detector_count() ? &j->shared[at - n] : NULL;
}

bool judge_mark(struct judge *j, const struct principal *p, uint64_t what, uint64_t mark)
{
	uint64_t pair = hash_mix(hash_mix(p->key, what), mark);
	if (contacts_known(&j->contacts, pair))
		return true;
	contacts_add(&j->contacts, pair);
	return false;
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
	if (at_us < j->tick_us) {
		s->now_us = at_us;
		memory_touch(&j->site_memory, 0);
		return;
	}
	if (!s->first_us)
		s->first_us = s->generation_us = s->aged_us = at_us;
	int64_t hour = at_us / US_PER_HOUR, risk = at_us / LISTING_RISK_US;
	bool risk_due = j->conf->egress.n && s->now_us / LISTING_RISK_US != risk;
	bool new_hour = s->now_us && s->now_us / US_PER_HOUR != hour, new_day = s->now_us / US_PER_DAY != at_us / US_PER_DAY;
	j->tick_us = (hour + 1) * US_PER_HOUR < (risk + 1) * LISTING_RISK_US ? (hour + 1) * US_PER_HOUR : (risk + 1) * LISTING_RISK_US;
	s->now_us = at_us;
	memory_touch(&j->site_memory, 0);
	rollup_hour(j->rollup, hour * US_PER_HOUR);
	if (risk_due)
		listing_risks(j);
	if (!new_hour)
		return;
	acase_close_quiet(j, hour * US_PER_HOUR);
	if (new_day)
		budget_retune(j);
	for (size_t d = 0; d < detector_count(); d++)
		if (detector_registry[d]->hour)
			detector_registry[d]->hour(j, judge_options(j, d), hour * US_PER_HOUR);
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

/* --- suspicion ---------------------------------------------------------------------------------------------------- */

static void forget_suspicion(struct principal *p)
{
	suspicion_free(p->suspicion);
	p->suspicion = NULL;
}

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

static void add_source(struct suspicion *s, const struct place *at, struct sv name, bool message, int64_t at_us)
{
	char ip[48];
	ip[ipaddr_text(&at->ip, ip)] = 0;
	suspicion_add_source(s, ip, name, at->geo.country, at->geo.asn, message, at_us);
}

static void gather(struct principal *p, const struct message_view *m)
{
	struct suspicion *s = p->suspicion;
	s->recipients += m->n_more;
	if (m->first_report) {
		s->messages++;
		if (m->txn->cwd.n)
			suspicion_add_folder(s, m->txn->cwd);
		if (m->place.has_ip)
			add_source(s, &m->place, m->txn->client_name.p ? m->txn->client_name : SV(""), true, m->at_us);
	}
	for (size_t i = 0; i < m->n_listed && i < 64; i++)
		if (m->rcpt[i].changed)
			suspicion_add_domain(s, m->rcpt[i].domain, m->rcpt[i].outcome >= OUTCOME_BAD);
}

/* The detector whose evidence grew most, or -1 when none did. */
static int grew_most(const struct judge *j, const struct principal *p, const int32_t *before, const int32_t *after)
{
	int best = -1;
	int32_t most = 0;
	for (size_t i = 0; i < j->n_judging[p->kind]; i++) {
		uint32_t d = j->judging[p->kind][i].number;
		if (after[d] - before[d] > most) {
			most = after[d] - before[d];
			best = (int)d;
		}
	}
	return best;
}

static void suspect(struct judge *j, struct principal *p, const struct message_view *m, int32_t total, const int32_t *scores, int grown,
                    struct sv line, int64_t at_us)
{
	bool begins = !p->suspicion && total >= SUSPICION_FROM;
	if (begins)
		p->suspicion = suspicion_new(earliest(j, p, scores, at_us));
	if (total < SUSPICION_UNTIL && !p->open_case)
		forget_suspicion(p);
	if (!p->suspicion)
		return;
	if (m)
		gather(p, m);
	if (grown >= 0)
		suspicion_add_line(p->suspicion, at_us, (size_t)grown, line);
	if (begins)
		judge_weigh(j, p);
}

/* --- events ------------------------------------------------------------------------------------------------------- */

/* Evidence before the event, decayed to now. What faded while nothing was heard of p is not what a case that begins now is about. Returns S. */
static int32_t score_before(struct judge *j, struct principal *p, int64_t at_us, int32_t *scores)
{
	int32_t total = 0;
	if (p->score > 0)
		total = fusion_score(j, p, at_us, scores);
	else
		memset(scores, 0, detector_count() * sizeof *scores);
	if (total < SUSPICION_UNTIL && !p->open_case)
		forget_suspicion(p);
	return total;
}

/* m: of a message, fact: the kind of what else it was. */
static void judge_after(struct judge *j, struct principal *p, const struct message_view *m, const char *fact, const int32_t *before, struct sv line, int64_t at_us)
{
	const struct walk_trace *trace = walk_trace;
	int32_t after[64];
	int32_t total = fusion_score(j, p, at_us, after);
	int grown = grew_most(j, p, before, after);
	suspect(j, p, m, total, after, grown, line, at_us);
	p->score = total;
	acase_update(j, p, after, total, at_us, grown >= 0);
	budget_note(j, p);
	journal_event(j, p, &(struct journal_input){ m, fact, before, after, total, at_us, trace });
	walk_trace = NULL;
}

static void begin_trace(struct walk_trace *t)
{
	t->n = 0;
	t->reason = NULL;
	walk_trace = t;
}

static void remember_recipients(struct judge *j, const struct principal *p, const struct message_view *m)
{
	for (size_t i = 0; i < m->n_listed; i++)
		if (!m->rcpt[i].known)
			contacts_add(&j->contacts, hash_mix(p->key, m->rcpt[i].hash));
}

#define BROWSER_SESSION_US (12 * US_PER_HOUR)

/* The mail server sees webmail, which is in our own network, whoever sits before it. */
static bool may_be_elsewhere(const struct principal *p, const struct message_view *m)
{
	int64_t ago_us = m->at_us - p->browser.elsewhere_us;
	return m->place.own_network && p->browser.elsewhere_us && ago_us >= 0 && ago_us < BROWSER_SESSION_US;
}

/* What speaks against p, and whether it comes from where p always writes from. score: before the message, decayed to now. */
static void count_odd(struct principal *p, const struct message_view *m, int32_t score)
{
	bool odd = m->first_report && m->strangers && !m->null_sender && !m->expansion;
	if (score < NAT && !p->open_case)
		p->odd = (struct odd){ 0 };
	p->odd.recipients += m->first_report ? m->n_rcpt : 0;
	for (size_t i = 0; i < m->n_listed; i++) {
		const struct rcpt_view *r = &m->rcpt[i];
		bool bad = r->changed && r->outcome == OUTCOME_BAD && !r->repeated;
		p->odd.bad += bad;
		odd |= bad || (r->blamed && !r->again);
	}
	if (!odd)
		return;
	p->odd.all++;
	/* A host or script is always where it is; what it should keep to is its senders. */
	p->odd.home += p->kind == PRINCIPAL_ACCOUNT ? m->place.home && !may_be_elsewhere(p, m) : m->sender_known;
}

static void judge_view(struct judge *j, struct principal *p, const struct message_view *m)
{
	int32_t before[64];
	struct walk_trace trace;
	int32_t score = score_before(j, p, m->at_us, before);
	begin_trace(&trace);
	for (size_t i = 0; i < j->n_judging[p->kind]; i++) {
		const struct judge_detector *x = &j->judging[p->kind][i];
		trace.detector = (uint8_t)x->number;
		if (x->detector->message)
			x->detector->message(j, p, p->state + x->slab, x->options, m);
	}
	count_odd(p, m, score);
	judge_after(j, p, m, NULL, before, m->line, m->at_us);
}

/* Whether any detector that looks at messages says something. Lists do not: they need no further messages. */
static bool is_refused(const struct judge *j, const struct principal *p)
{
	for (size_t d = 0; d < detector_count(); d++) {
		const struct detector *x = detector_registry[d];
		const bool *enabled = judge_options(j, d);
		if (x->message && (x->kinds >> p->kind & 1) && *enabled && x->score(j, p, judge_slab(j, p, d), enabled, j->site->now_us, 0) > 0)
			return true;
	}
	return false;
}

/* What receivers say about our own outgoing addresses. The mail of who is suspected may be refused for its own sake. */
static void judge_egress(struct judge *j, const struct principal *sender, const struct txn *t)
{
	struct principal *p[ATTRIBUTE_EGRESS_MAX];
	struct message_view m;
	bool refused;
	if (sender && (sender->score >= 2 * NAT || sender->open_case))
		return;
	size_t n = attribute_egress(j, t, j->egress_quiet, &refused, p);
	j->egress_quiet = !refused;
	for (size_t i = 0; i < n; i++) {
		bool speaks = p[i]->score > 0 && is_refused(j, p[i]);
		j->egress_quiet &= !speaks;
		if (!refused && !speaks)
			continue;
		view_message(j, p[i], t, &m);
		m.sender = sender;
		tally_principal(j, p[i], &m);
		judge_view(j, p[i], &m);
	}
}

static bool is_trusted(const struct judge *j, const struct principal *p)
{
	return p->score < NAT && j->site->now_us - p->first_us >= j->limits.ready_days * US_PER_DAY;
}

void judge_message(struct judge *j, struct principal *p, const struct txn *t)
{
	struct message_view m;
	view_message(j, p, t, &m);
	tally_principal(j, p, &m);
	if (p->kind == PRINCIPAL_ACCOUNT && p->top_day != (int32_t)(m.at_us / US_PER_DAY)) /* once a day, so that it is never forgotten */
		contacts_add(&j->contacts, hash_mix(p->key, IS_AN_ACCOUNT));
	if (j->conf->rbl.client_check && p->kind == PRINCIPAL_ACCOUNT && m.first_report)
		m.place.asked = asked_place(j, p, &m.place);
	judge_view(j, p, &m);
	listing_message(j, p, &m);
	policy_message(j, p, &m);
	remember_recipients(j, p, &m);
	if (!m.strangers || is_trusted(j, p))
		view_remember_place(j, p, &m.place);
}

/* Several ask about the recipients' domains. */
static void look_up_domains(struct judge *j, const struct txn *t)
{
	j->domain = arena_alloc(&j->scratch, t->n_rcpt * sizeof *j->domain);
	for (size_t i = 0; i < t->n_rcpt; i++) {
		struct sv domain = sv_domain(t->rcpt[i].recipient);
		struct enrich_domain *d = &j->domain[i];
		*d = enrich_domain(j->enrich, &j->key, domain);
		if (d->org.p + d->org.n != domain.p + domain.n)
			d->org = arena_sv(&j->scratch, d->org);
	}
}

void judge_txn(struct judge *j, struct txn *t)
{
	view_replies(j, t);
	if (t->flags & TXN_PROVISIONAL)
		return;
	arena_reset(&j->scratch);
	judge_read_client(t);
	look_up_domains(j, t);
	tick(j, t->at_us);
	struct principal *p = attribute_txn(j, t);
	tally_txn(j, p, t);
	if (p)
		judge_message(j, p, t);
	else
		attribute_received(j, t);
	if (j->conf->egress.n)
		judge_egress(j, p, t);
	backup_txn(j, t, p != NULL);
}

static void see_browser(struct judge *j, struct principal *p, struct fact_view *f)
{
	uint16_t day = (uint16_t)(f->at_us / US_PER_DAY);
	if (!p->browser.first_day || p->browser.first_day > day)
		p->browser.first_day = day;
	if (j->conf->rbl.client_check && p->kind == PRINCIPAL_ACCOUNT)
		f->place.asked = asked_place(j, p, &f->place);
}

static void judge_fact(struct judge *j, struct principal *p, const struct record *r, struct sv line)
{
	struct fact_view f = { .record = r, .line = line, .at_us = j->site->now_us, .browser = view_is_by_browser(r) };
	struct ipaddr ip;
	int32_t before[64];
	struct walk_trace trace;
	if (r->kind == RECORD_REJECT)
		f.class = reply_classify(j->replies, r->reply, r->dsn).class;
	view_place(j, p, ipaddr_parse(r->client_ip, &ip) == 0 ? &ip : NULL, &f.place);
	if (p) {
		judge_touch(j, p);
		(void)score_before(j, p, f.at_us, before);
		begin_trace(&trace);
	}
	if (p && f.browser)
		see_browser(j, p, &f);
	for (size_t d = 0; d < detector_count(); d++) {
		const struct detector *x = detector_registry[d];
		trace.detector = (uint8_t)d;
		if (x->fact && (!p || (x->kinds >> p->kind & 1)))
			x->fact(j, p, p ? judge_slab(j, p, d) : NULL, judge_options(j, d), &f);
	}
	if (!p) {
		walk_trace = NULL;
		return;
	}
	judge_after(j, p, NULL, record_kind_name(r->kind), before, line, f.at_us);
	policy_fact(j, p, &f);
	if (!f.browser)
		return;
	if (p->suspicion && p->browser.elsewhere_us == f.at_us)
		add_source(p->suspicion, &f.place, SV(""), false, f.at_us);
	if (f.place.home || is_trusted(j, p))
		view_remember_place(j, p, &f.place);
}

void judge_record(struct judge *j, const struct record *r, struct sv line)
{
	arena_reset(&j->scratch);
	tick(j, r->time_us);
	int64_t at_us = j->site->now_us;
	struct rollup_row *v = rollup_volume(j->rollup, at_us - at_us % ROLLUP_BUCKET_US);
	struct principal *p = attribute_record(j, r);
	v->n[ROLLUP_AUTH_FAILED] += r->kind == RECORD_AUTH_FAIL;
	v->n[ROLLUP_REFUSED] += r->kind == RECORD_REJECT;
	if (r->kind == RECORD_REJECT)
		backup_record(j, r);
	if (p && r->kind == RECORD_REJECT)
		tally_hours(j, p, (const uint32_t[ROLLUP_COLUMNS]){ [ROLLUP_REFUSED] = 1 });
	if (p || r->kind == RECORD_AUTH_FAIL)
		judge_fact(j, p, r, line);
}

void judge_listing(struct judge *j, struct principal *p, const struct listing_view *v)
{
	int32_t before[64];
	struct walk_trace trace;
	size_t told = 0;
	judge_touch(j, p);
	(void)score_before(j, p, v->at_us, before);
	begin_trace(&trace);
	for (size_t d = 0; d < detector_count(); d++) {
		const struct detector *x = detector_registry[d];
		trace.detector = (uint8_t)d;
		if (!x->listing || !(x->kinds >> p->kind & 1))
			continue;
		x->listing(j, p, judge_slab(j, p, d), judge_options(j, d), v);
		told = d;
	}
	uint32_t lines = p->suspicion ? p->suspicion->lines_added : 0;
	judge_after(j, p, NULL, "listing", before, v->line, v->at_us);
	/* Of an address of p the answer is shown also while a cap hides its weight: it comes once. */
	if (!v->target && p->suspicion && p->suspicion->lines_added == lines)
		suspicion_add_line(p->suspicion, v->at_us, told, v->line);
}

/* --- captured sessions -------------------------------------------------------------------------------------------- */

/* What a case about it would show. */
static void gather_session(struct principal *p, const struct session_view *v)
{
	struct suspicion *s = p->suspicion;
	s->messages += v->session->n_messages;
	s->recipients += v->n_rcpt;
	for (size_t i = 0; i < v->session->n_messages; i++)
		for (size_t k = 0; k < v->session->message[i].n_rcpt && k < 16; k++) {
			const struct smtp_rcpt *r = &v->session->message[i].rcpt[k];
			if (sv_domain(r->recipient).n && r->code)
				suspicion_add_domain(s, sv_domain(r->recipient), r->code >= 500);
		}
}

void judge_session(struct judge *j, const struct smtp_session *s)
{
	bool inbound;
	int32_t before[64];
	struct walk_trace trace;
	struct session_view v;
	arena_reset(&j->scratch);
	tick(j, s->last_us);
	servers_session(j, s);
	for (size_t d = 0; d < detector_count(); d++)
		if (detector_registry[d]->wire)
			detector_registry[d]->wire(j, judge_options(j, d), s);
	struct principal *p = attribute_session(j, s, &inbound);
	if (!p)
		return;
	view_session(j, p, s, inbound, &v);
	tally_session(j, p, &v);
	dialogues_note(j, p, &v);
	(void)score_before(j, p, v.at_us, before);
	begin_trace(&trace);
	for (size_t d = 0; d < detector_count(); d++) {
		const struct detector *x = detector_registry[d];
		trace.detector = (uint8_t)d;
		if (x->session && (x->kinds >> p->kind & 1))
			x->session(j, p, judge_slab(j, p, d), judge_options(j, d), &v);
	}
	judge_after(j, p, NULL, "session", before, v.line, v.at_us);
	if (p->suspicion)
		gather_session(p, &v);
}
