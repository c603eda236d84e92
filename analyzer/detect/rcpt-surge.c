/* D1 rcpt-surge: more recipients in an hour or a day than this principal ever sends. The principal's own histogram of
 * bucket sizes, shrunk to its population's (kappa 30), gives p; the calibrator of Vovk and Wang turns p into evidence.
 * docs/detectors.md A.2: this stays within a factor of 3.4 of nominal where z-scores and Holt-Winters are off by thousands. */
#include "analyzer/detector.h"
#include "analyzer/phrase.h"

#define MONTH_US (30 * US_PER_DAY) /* after which what is usual counts half */
#define BIN_BITS 8

struct options {
	bool enabled;
	int64_t half_life_s, kappa;
	double cap, free_factor;
};

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "true", 0, 0, "", "whether this detector speaks" },
	{ "half-life", OPT_TIME_S, offsetof(struct options, half_life_s), "24h", 60, 31536000, "s", "evidence halves in this time" },
	{ "kappa", OPT_INT, offsetof(struct options, kappa), "30", 1, 1000, "buckets", "weight of the population against the principal's own history" },
	{ "free-factor", OPT_REAL, offsetof(struct options, free_factor), "1.5", 1, 100, "", "up to this multiple of the highest hour of the last three months, or of the same month last year, a surge is normal" },
	{ "cap", OPT_REAL, offsetof(struct options, cap), "10", 0, 64, "nats", "most evidence it may give; below 12 it cannot open a case alone" },
	{ 0 },
};
static const struct opt_table table = { "detector", "rcpt-surge", rows, sizeof(struct options) };

struct bucket {
	uint32_t id;            /* hour or day since the epoch */
	uint32_t n;             /* recipients so far */
	uint32_t active;        /* closed buckets, halved with the bins */
	uint8_t bins[SURPRISE_BINS]; /* all halved when one is full: what counts is their shares */
};

struct state {
	struct walk walk;
	struct bucket hour, day;
	uint16_t peak[2][12];   /* highest hour and day of each month, see rounded() */
	uint16_t peak_month[12];
	int64_t aged_us;
	uint32_t shown_n, shown_max, shown_active; /* of the moment of highest evidence */
	int32_t shown_ln;
	uint8_t shown_day, pad;
	uint16_t held[2];       /* highest hour and day that were not learned, as something spoke against the principal; see rounded() */
};
_Static_assert(sizeof(struct state) == 208, "another size forgets what is usual for everybody");

static uint16_t month_of(int64_t us)
{
	return (uint16_t)(us / (30436875LL * 86400)); /* mean month of 30.436875 days */
}

/* Figures of up to 2048 as they are, larger ones rounded up by at most a thousandth, in 16 bits. */
static uint16_t rounded(uint32_t n)
{
	unsigned e = 0;
	while (n >> e >= 2048)
		e++;
	uint32_t m = (n >> e) + ((n & ((1u << e) - 1)) != 0);
	if (m == 2048) {
		m = 1024;
		e++;
	}
	return (uint16_t)(e << 11 | m);
}

static uint32_t figure(uint16_t code)
{
	return (uint32_t)(code & 2047) << (code >> 11);
}

static void note_peak(struct state *s, int which, uint32_t n, uint16_t month)
{
	unsigned slot = month % 12;
	if (s->peak_month[slot] != month) {
		/* Last year's figure stays readable until this month has one of its own. */
		s->peak_month[slot] = month;
		s->peak[0][slot] = s->peak[1][slot] = 0;
	}
	if (n > figure(s->peak[which][slot]))
		s->peak[which][slot] = rounded(n);
}

static uint64_t free_level(const struct state *s, int which, uint16_t month)
{
	uint16_t most = 0; /* of codes: they grow with their figures */
	for (unsigned ago = 0, slot = month % 12; ago <= 3; ago++, slot = slot ? slot - 1 : 11) {
		unsigned age = (unsigned)(month - s->peak_month[slot]);
		if ((age <= 3 || age == 12) && s->peak[which][slot] > most)
			most = s->peak[which][slot];
	}
	return figure(most);
}

static void halve(struct bucket *b)
{
	b->active = 0;
	for (unsigned i = 0; i < SURPRISE_BINS; i++) {
		b->bins[i] = (uint8_t)(b->bins[i] / 2);
		b->active += b->bins[i];
	}
}

static void close_bucket(struct judge *j, struct principal *p, struct state *s, struct bucket *b, int which, int64_t end_us)
{
	if (b->n == 0)
		return;
	/* Neither the principal nor its population may learn from an attack. */
	if (!p->open_case && p->score < 8 * NAT) {
		unsigned bin = fixed_bin(b->n);
		if (b->bins[bin] == UINT8_MAX)
			halve(b);
		b->bins[bin]++;
		b->active++;
		j->site->population[p->kind][which].bins[bin] += 256;
		memory_touch(&j->site_memory, (size_t)((char *)&j->site->population[p->kind][which].bins[bin] - (char *)j->site));
		note_peak(s, which, b->n, month_of(end_us - 1));
	} else if (b->n > figure(s->held[which])) {
		s->held[which] = rounded(b->n);
	}
	b->n = 0;
}

static void roll(struct judge *j, struct principal *p, struct state *s, int64_t now_us)
{
	uint32_t hour = (uint32_t)(now_us / US_PER_HOUR), day = (uint32_t)(now_us / US_PER_DAY);
	if (s->hour.id != hour) {
		close_bucket(j, p, s, &s->hour, POPULATION_HOUR, (s->hour.id + 1LL) * US_PER_HOUR);
		s->hour.id = hour;
	}
	if (s->day.id != day) {
		close_bucket(j, p, s, &s->day, POPULATION_DAY, (s->day.id + 1LL) * US_PER_DAY);
		s->day.id = day;
	}
	s->aged_us = s->aged_us ? fixed_then(s->aged_us, now_us) : now_us;
	const int64_t months = (now_us - s->aged_us) / MONTH_US;
	s->aged_us += months * MONTH_US;
	for (int64_t i = 0; i < months && i < BIN_BITS; i++) { /* then all are 0 */
		halve(&s->hour);
		halve(&s->day);
	}
}

static void weigh(struct judge *j, struct principal *p, struct state *s, const struct options *o, int which, int64_t now_us)
{
	struct bucket *b = which == POPULATION_DAY ? &s->day : &s->hour;
	uint64_t level = free_level(s, which, month_of(now_us));
	if ((double)b->n <= o->free_factor * (double)level)
		return;
	int32_t ln = fixed_surprise(b->bins, &j->site->population[p->kind][which], fixed_bin(b->n), (unsigned)o->kappa);
	int32_t c = fixed_calibrate(ln);
	if (c > NATS(o->cap))
		c = NATS(o->cap);
	if (c >= s->walk.s && c > 0) {
		s->shown_n = b->n;
		s->shown_max = (uint32_t)level;
		s->shown_active = b->active;
		s->shown_ln = ln;
		s->shown_day = which == POPULATION_DAY;
	}
	walk_reason(which == POPULATION_DAY ? "recipients of the day" : "recipients of the hour");
	walk_raise(&s->walk, c, now_us, o->half_life_s);
}

static uint32_t add(uint32_t n, uint32_t more)
{
	return n > UINT32_MAX - more ? UINT32_MAX : n + more;
}

static void message(struct judge *j, struct principal *p, void *state, const void *opt, const struct message_view *m)
{
	struct state *s = state;
	if (!m->n_more || m->null_sender || m->expansion)
		return;
	roll(j, p, s, m->at_us);
	if (walk_is_over(&s->walk, m->at_us, ((const struct options *)opt)->half_life_s))
		s->held[POPULATION_HOUR] = s->held[POPULATION_DAY] = 0;
	s->hour.n = add(s->hour.n, m->n_more);
	s->day.n = add(s->day.n, m->n_more);
	weigh(j, p, s, opt, POPULATION_HOUR, m->at_us);
	weigh(j, p, s, opt, POPULATION_DAY, m->at_us);
}

static int32_t score(const struct judge *j, const struct principal *p, void *state, const void *opt, int64_t now_us, int32_t others)
{
	struct state *s = state;
	const struct options *o = opt;
	(void)j, (void)p, (void)others;
	return walk_evidence(&s->walk, now_us, o->half_life_s, NATS(o->cap));
}

/* e^(ln) as a round number for people: two significant digits. */
static uint64_t one_in(int32_t ln)
{
	uint64_t v = 1;
	while (fixed_ln_ratio(v * 2, 1) <= ln && v < 1u << 30)
		v *= 2;
	for (uint64_t step = v / 8; step; step /= 2)
		while (fixed_ln_ratio(v + step, 1) <= ln)
			v += step;
	uint64_t unit = 1;
	while (v / unit >= 100)
		unit *= 10;
	return v / unit * unit;
}

static void why(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out)
{
	const struct state *s = state;
	const char *unit = s->shown_day ? "day" : "hour";
	(void)j, (void)opt;
	buf_printf(out, "%s sent to %u recipients within one %s (from %s on); ", phrase_name(p).s, s->shown_n, unit, phrase_time(p, s->walk.since_us).s);
	if (s->shown_active >= 5)
		buf_printf(out, "in %u earlier active %ss without suspicion it never exceeded %u, and ", s->shown_active, unit, s->shown_max);
	buf_printf(out, "only 1 in %llu comparable %ss is that large.", (unsigned long long)one_in(s->shown_ln), unit);
}

/* What people call normal is normal from now on, also when they say so days later. */
static void learn(void *state)
{
	struct state *s = state;
	uint16_t month = month_of(s->hour.id * US_PER_HOUR);
	uint32_t hour = figure(s->held[POPULATION_HOUR]), day = figure(s->held[POPULATION_DAY]);
	note_peak(s, POPULATION_HOUR, s->hour.n > hour ? s->hour.n : hour, month);
	note_peak(s, POPULATION_DAY, s->day.n > day ? s->day.n : day, month);
}

const struct detector detector_rcpt_surge = {
	.name = "rcpt-surge",
	.title = "more recipients than ever",
	.group = GROUP_VOLUME,
	.kinds = 1u << PRINCIPAL_ACCOUNT | 1u << PRINCIPAL_HOST | 1u << PRINCIPAL_SCRIPT,
	.state_bytes = (sizeof(struct state) + 7) / 8 * 8,
	.walks = 1,
	.options = &table,
	.message = message,
	.score = score,
	.since = walk_since,
	.why = why,
	.learn = learn,
	.forgive = walk_forget,
};
