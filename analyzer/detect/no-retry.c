/* D14 no-retry: fire-and-forget and address probing, as our own servers' logs show them of customers' hosts, or captured sessions with
 * other servers do. (a) A Bernoulli walk on "greylisted and
 * not tried again within four hours", 5 % against 90 %: real servers retry (Postfix after 300 to 4000 s, Exim after 15 minutes to 2 hours).
 * (b) A walk on "a session with several recipients, some accepted, and no message", 5 % against 60 %; VRFY counts, too. One recipient may be a callout. docs/detectors.md B.2, D14. */
#include "analyzer/detector.h"
#include "analyzer/phrase.h"

struct options {
	bool enabled;
	int64_t half_life_s, retry_s, probes_hour;
	double vrfy, cap, alone_cap;
};

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "true", 0, 0, "", "whether this detector speaks" },
	{ "half-life", OPT_TIME_S, offsetof(struct options, half_life_s), "24h", 60, 31536000, "s", "evidence halves in this time" },
	{ "retry", OPT_TIME_S, offsetof(struct options, retry_s), "4h", 600, 86400, "s", "a real server tries a greylisted message again within this time" },
	{ "probes-hour", OPT_INT, offsetof(struct options, probes_hour), "20", 1, 10000, "sessions", "sessions without a message within an hour that are an address probe by themselves" },
	{ "vrfy", OPT_REAL, offsetof(struct options, vrfy), "2", 0, 8, "nats", "a session with VRFY or EXPN" },
	{ "cap", OPT_REAL, offsetof(struct options, cap), "8", 0, 64, "nats", "most evidence; below 12 it cannot open a case alone" },
	{ "alone-cap", OPT_REAL, offsetof(struct options, alone_cap), "12", 0, 64, "nats", "the same once probes-hour was reached" },
	{ 0 },
};
static const struct opt_table table = { "detector", "no-retry", rows, sizeof(struct options) };

#define PENDING 6
struct state {
	struct walk greylisted, probes;
	struct { uint32_t hash, minute; } pending[PENDING];
	uint32_t dropped, tried_again; /* greylisted messages, since greylisted.since_us */
	uint32_t empty, all;           /* sessions, since probes.since_us */
	uint32_t hour, empty_now, shown_empty, pad; /* of this hour; of the worst */
};

#define GREY_THETA0 51  /* .05 */
#define GREY_THETA1 921 /* .90 */
#define PROBE_THETA0 51
#define PROBE_THETA1 614 /* .60 */

static uint32_t triplet(const struct judge *j, struct sv sender, struct sv recipient)
{
	return (uint32_t)(hash_mix(hash_folded(&j->key, sender), hash_folded(&j->key, recipient)) >> 32) | 1;
}

static void settle(struct state *s, const struct options *o, size_t i, bool tried, int64_t at_us)
{
	s->pending[i].hash = 0;
	if (walk_is_over(&s->greylisted, at_us, o->half_life_s))
		s->dropped = s->tried_again = 0;
	walk_trial(&s->greylisted, !tried, GREY_THETA0, GREY_THETA1, at_us, o->half_life_s);
	s->dropped += !tried;
	s->tried_again += tried;
}

static void expire(struct state *s, const struct options *o, int64_t at_us)
{
	int64_t now_min = at_us / (60 * US_PER_S);
	for (size_t i = 0; i < PENDING; i++)
		if (s->pending[i].minute > now_min + 24 * 60) /* of before the clock was put back: nobody knows when it should have come */
			s->pending[i].hash = s->pending[i].minute = 0;
		else if (s->pending[i].hash && now_min - (int64_t)s->pending[i].minute > o->retry_s / 60)
			settle(s, o, i, false, at_us);
}

static bool is_greylisted(const struct fact_view *f)
{
	return (f->record->kind == RECORD_POLICY && sv_eq(f->record->status, SV("greylist"))) ||
	       (f->record->kind == RECORD_REJECT && f->class == REPLY_GREYLIST);
}

static void wait_for(struct state *s, const struct options *o, uint32_t hash, int64_t at_us)
{
	size_t room = PENDING;
	for (size_t i = 0; i < PENDING; i++) {
		if (s->pending[i].hash == hash) { /* tried again, if perhaps too early */
			settle(s, o, i, true, at_us);
			return;
		}
		if (!s->pending[i].hash)
			room = i;
	}
	if (room == PENDING)
		return; /* those that wait are a sample: were the oldest forgotten, a fast host would never be waited for */
	s->pending[room].hash = hash;
	s->pending[room].minute = (uint32_t)(at_us / (60 * US_PER_S));
}

static void begin_probes(struct state *s, const struct options *o, int64_t at_us)
{
	if (walk_is_over(&s->probes, at_us, o->half_life_s))
		s->empty = s->all = s->shown_empty = 0;
}

static void count_probe(struct state *s, const struct options *o, bool asks, bool empty, int64_t at_us)
{
	uint32_t hour = (uint32_t)(at_us / US_PER_HOUR);
	if (s->hour != hour) {
		s->hour = hour;
		s->empty_now = 0;
	}
	begin_probes(s, o, at_us);
	walk_reason("asks who exists (VRFY)");
	if (asks)
		walk_add(&s->probes, NATS(o->vrfy), at_us, o->half_life_s);
	if (empty)
		walk_trial(&s->probes, true, PROBE_THETA0, PROBE_THETA1, at_us, o->half_life_s);
	s->empty++;
	s->all++;
	if (++s->empty_now > s->shown_empty)
		s->shown_empty = s->empty_now;
}

static void logged_session(struct state *s, const struct options *o, const struct fact_view *f)
{
	const struct record_counts *n = &f->record->counts;
	/* A server that asks whether one sender exists before it takes his mail (a callout) does the same with a single recipient. */
	if (n->rcpt <= 1 && n->vrfy <= 0)
		return;
	count_probe(s, o, n->vrfy > 0, n->rcpt_ok > 0 && n->data <= 0 && n->bdat <= 0, f->at_us);
}

static void good_session(struct state *s, const struct options *o, int64_t at_us)
{
	begin_probes(s, o, at_us);
	if (!s->probes.s)
		return;
	walk_trial(&s->probes, false, PROBE_THETA0, PROBE_THETA1, at_us, o->half_life_s);
	s->all++;
}

/* A recipient of a captured session: to be tried again, or tried. */
static void captured_recipient(struct judge *j, struct state *s, const struct options *o, const struct smtp_message *m, const struct smtp_rcpt *r, int64_t at_us)
{
	uint32_t hash = triplet(j, m->sender, r->recipient);
	if (r->code / 100 == 4 && reply_classify(j->replies, r->reply, r->dsn).class == REPLY_GREYLIST) {
		wait_for(s, o, hash, at_us);
		return;
	}
	for (size_t i = 0; i < PENDING; i++)
		if (s->pending[i].hash == hash)
			settle(s, o, i, true, at_us);
}

static void session(struct judge *j, struct principal *p, void *state, const void *opt, const struct session_view *v)
{
	struct state *s = state;
	const struct smtp_session *c = v->session;
	bool data = false;
	(void)p;
	if (v->inbound || (c->flags & (SMTP_TLS | SMTP_GAP | SMTP_ONE_SIDED)))
		return;
	expire(s, opt, v->at_us);
	for (size_t i = 0; i < c->n_messages; i++) {
		data |= c->message[i].has_data || c->message[i].mail_code >= 400;
		for (size_t k = 0; k < c->message[i].n_rcpt && k < 64; k++)
			captured_recipient(j, s, opt, &c->message[i], &c->message[i].rcpt[k], v->at_us);
	}
	uint32_t asks = c->verbs[SMTP_VERB_VRFY] + c->verbs[SMTP_VERB_EXPN];
	if (v->n_messages_taken)
		good_session(s, opt, v->at_us);
	else if (asks || (v->n_rcpt > 1 && v->n_taken && !data))
		count_probe(s, opt, asks, v->n_rcpt > 1 && v->n_taken && !data, v->at_us);
}

static void fact(struct judge *j, struct principal *p, void *state, const void *opt, const struct fact_view *f)
{
	struct state *s = state;
	if (!p)
		return;
	expire(s, opt, f->at_us);
	if (is_greylisted(f) && f->record->recipient.n)
		wait_for(s, opt, triplet(j, f->record->sender, f->record->recipient), f->at_us);
	else if (f->record->kind == RECORD_DISCONNECT)
		logged_session(s, opt, f);
}

static void message(struct judge *j, struct principal *p, void *state, const void *opt, const struct message_view *m)
{
	struct state *s = state;
	const struct options *o = opt;
	(void)p;
	if (!m->first_report)
		return;
	expire(s, o, m->at_us);
	for (size_t i = 0; i < PENDING; i++)
		for (size_t k = 0; s->pending[i].hash && k < m->n_listed; k++)
			if (s->pending[i].hash == triplet(j, m->txn->sender, m->txn->rcpt[k].recipient))
				settle(s, o, i, true, m->at_us);
	good_session(s, o, m->at_us);
}

static int32_t score(const struct judge *j, const struct principal *p, void *state, const void *opt, int64_t now_us, int32_t others)
{
	struct state *s = state;
	const struct options *o = opt;
	(void)j, (void)p, (void)others;
	int32_t cap = NATS(s->shown_empty >= o->probes_hour ? o->alone_cap : o->cap);
	int32_t a = walk_evidence(&s->greylisted, now_us, o->half_life_s, NATS(o->cap)), b = walk_evidence(&s->probes, now_us, o->half_life_s, cap);
	return a > b ? a : b;
}

static int64_t since(const void *state)
{
	const struct state *s = state;
	return s->greylisted.s > s->probes.s ? s->greylisted.since_us : s->probes.since_us;
}

static void why(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	(void)j, (void)opt;
	if (s->greylisted.s > s->probes.s)
		buf_printf(out, "%s never retried %u of %u greylisted messages since %s - real mail servers do.", phrase_name(p).s, s->dropped,
		           s->dropped + s->tried_again, phrase_time(p, since(s)).s);
	else
		buf_printf(out, "%s probed addresses: %u of its %u sessions since %s asked for recipients and sent no message.", phrase_name(p).s, s->empty, s->all,
		           phrase_time(p, since(s)).s);
}

static void forgive(void *state)
{
	struct state *s = state;
	walk_forget(&s->greylisted);
	walk_forget(&s->probes);
}

const struct detector detector_no_retry = {
	.name = "no-retry",
	.title = "no retries, or address probing",
	.group = GROUP_PROTOCOL,
	.independent = true,
	.kinds = 1u << PRINCIPAL_HOST,
	.state_bytes = (sizeof(struct state) + 7) / 8 * 8,
	.walks = 2,
	.options = &table,
	.message = message,
	.fact = fact,
	.session = session,
	.score = score,
	.since = since,
	.why = why,
	.forgive = forgive,
};
