#include "analyzer/fixed.h"

#include <string.h>

#include "lib/times.h"

/* ln 2 in 1/2^32, for turning a binary logarithm into a natural one. */
#define LN2_Q32 2977044472u

/* log2(v) in 1/65536 by repeated squaring; v ≥ 1. */
static int64_t log2_q16(uint64_t v)
{
	int whole = 63 - __builtin_clzll(v);
	uint64_t m = whole > 31 ? v >> (whole - 31) : v << (31 - whole); /* 1.31 */
	int64_t r = whole;
	for (int bit = 15; bit >= 0; bit--) { /* nobody can foresee these bits, so none of them is branched upon */
		m = (m * m) >> 31;
		uint64_t one = m >> 32;
		m >>= one;
		r = r << 1 | (int64_t)one;
	}
	return r;
}

int32_t fixed_ln_ratio(uint64_t num, uint64_t den)
{
	int64_t l = log2_q16(num ? num : 1) - log2_q16(den ? den : 1);
	int64_t nats = l * (int64_t)LN2_Q32; /* 1/2^48 nat */
	bool neg = nats < 0;
	if (neg)
		nats = -nats;
	nats = (nats + (1ll << 35)) >> 36;
	return (int32_t)(neg ? -nats : nats);
}

/* 2^(-i/64) in Q16, i = 0..63, rounded. */
static const uint32_t halves_q16[64] = {
	65536, 64830, 64132, 63441, 62757, 62081, 61413, 60751, 60097, 59449, 58809, 58176, 57549, 56929, 56316, 55709,
	55109, 54515, 53928, 53347, 52773, 52204, 51642, 51085, 50535, 49991, 49452, 48920, 48393, 47871, 47356, 46846,
	46341, 45842, 45348, 44859, 44376, 43898, 43425, 42958, 42495, 42037, 41584, 41136, 40693, 40255, 39821, 39392,
	38968, 38548, 38133, 37722, 37316, 36914, 36516, 36123, 35734, 35349, 34968, 34591, 34219, 33850, 33486, 33125,
};

void fixed_decay(int32_t *score, int64_t *at_us, int64_t now_us, int64_t half_life_s)
{
	int64_t step_us = half_life_s * US_PER_S / 64;
	*at_us = fixed_then(*at_us, now_us);
	if (now_us - *at_us < step_us)
		return;
	int64_t steps = (now_us - *at_us) / step_us;
	*at_us += steps * step_us;
	int64_t whole = steps / 64;
	if (whole > 30) {
		*score = 0;
		return;
	}
	int64_t v = ((int64_t)*score * halves_q16[steps % 64]) >> 16;
	*score = (int32_t)(v >> whole);
}

/* The steps of a walk. The same few pairs of rates come again and again; a step is a function of them alone, so
 * remembering it changes nothing but the time. */
static void steps_of(int32_t t0, int32_t t1, int32_t *ret_up, int32_t *ret_down)
{
	static struct { int32_t t0, t1, up, down; } known[64];
	size_t at = (size_t)(t0 * 31 + t1) % (sizeof known / sizeof *known);
	if (known[at].t0 != t0 || known[at].t1 != t1) {
		known[at].up = fixed_ln_ratio((uint64_t)t1, (uint64_t)t0);
		known[at].down = fixed_ln_ratio((uint64_t)(THETA_ONE - t1), (uint64_t)(THETA_ONE - t0));
		known[at].t0 = t0;
		known[at].t1 = t1;
	}
	*ret_up = known[at].up;
	*ret_down = known[at].down;
}

int32_t fixed_cusum(int32_t score, bool x, int32_t t0, int32_t t1)
{
	int32_t up, down, step;
	steps_of(t0, t1, &up, &down);
	step = x ? up : down;
	int64_t s = (int64_t)score + step;
	if (s < 0)
		return 0;
	return s > 64 * NAT ? 64 * NAT : (int32_t)s;
}

void walk_decay(struct walk *w, int64_t now_us, int64_t half_life_s)
{
	if (w->s) {
		w->since_us = fixed_then(w->since_us, now_us);
		fixed_decay(&w->s, &w->at_us, now_us, half_life_s);
	}
	if (w->s == 0) /* all zero: nothing to keep in the store */
		w->since_us = w->at_us = 0;
}

bool walk_is_over(struct walk *w, int64_t now_us, int64_t half_life_s)
{
	walk_decay(w, now_us, half_life_s);
	return w->since_us == 0;
}

int32_t walk_evidence(struct walk *w, int64_t now_us, int64_t half_life_s, int32_t cap)
{
	walk_decay(w, now_us, half_life_s);
	return w->s < cap ? w->s : cap;
}

static void walk_set(struct walk *w, int64_t s, int64_t now_us)
{
	if (s <= 0) {
		w->s = 0;
		w->since_us = w->at_us = 0;
		return;
	}
	if (w->s == 0)
		w->since_us = w->at_us = now_us;
	w->s = s > 64 * NAT ? 64 * NAT : (int32_t)s;
}

_Thread_local struct walk_trace *walk_trace;

static void note(enum walk_what what, int32_t theta0, int32_t theta1, int32_t step)
{
	struct walk_trace *t = walk_trace;
	const char *reason = what >= WALK_WEIGHT ? (t->reason ? t->reason : what == WALK_WEIGHT ? "weight" : "level") : NULL;
	struct walk_note *last = t->n ? &t->note[t->n - 1] : NULL;
	if (what >= WALK_WEIGHT)
		t->reason = NULL;
	if (!step)
		return;
	if (last && last->detector == t->detector && last->what == what && last->theta0 == theta0 && last->theta1 == theta1 && last->reason == reason) {
		last->times++;
		last->step += step;
	} else if (t->n < WALK_NOTES) {
		t->note[t->n++] = (struct walk_note){ t->detector, (uint8_t)what, 1, (int16_t)theta0, (int16_t)theta1, step, reason };
	}
}

void walk_trial(struct walk *w, bool x, int32_t t0, int32_t t1, int64_t now_us, int64_t half_life_s)
{
	walk_decay(w, now_us, half_life_s);
	int32_t was = w->s;
	walk_set(w, fixed_cusum(w->s, x, t0, t1), now_us);
	if (walk_trace)
		note(x ? WALK_YES : WALK_NO, t0, t1, w->s - was);
}

/* Evidence that fades by half-lives takes weeks to reach zero; what is nearly gone is not when the present one began. */
static void walk_begin_anew(struct walk *w, int64_t now_us)
{
	if (w->s < NAT)
		w->since_us = now_us;
}

void walk_add(struct walk *w, int32_t weight, int64_t now_us, int64_t half_life_s)
{
	walk_decay(w, now_us, half_life_s);
	walk_begin_anew(w, now_us);
	int32_t was = w->s;
	walk_set(w, (int64_t)w->s + weight, now_us);
	if (walk_trace)
		note(WALK_WEIGHT, 0, 0, w->s - was);
}

void walk_raise(struct walk *w, int32_t level, int64_t now_us, int64_t half_life_s)
{
	walk_decay(w, now_us, half_life_s);
	int32_t was = w->s;
	if (level > w->s) {
		walk_begin_anew(w, now_us);
		walk_set(w, level, now_us);
	}
	if (walk_trace)
		note(WALK_LEVEL, 0, 0, w->s - was);
}

void walk_told(int32_t step)
{
	if (walk_trace)
		note(WALK_LEVEL, 0, 0, step);
}

void walk_message(struct walk *w, uint32_t bad, uint32_t good, uint32_t most, int32_t theta0, int32_t theta1, int64_t now_us, int64_t half_life_s)
{
	if (bad > most) {
		good = (uint32_t)((uint64_t)good * most / bad);
		bad = most;
	}
	for (uint32_t i = 0; i < bad; i++)
		walk_trial(w, true, theta0, theta1, now_us, half_life_s);
	for (uint32_t i = 0; i < good && i < 64 && w->s; i++)
		walk_trial(w, false, theta0, theta1, now_us, half_life_s);
}

int64_t walk_since(const void *state)
{
	return ((const struct walk *)state)->since_us;
}

int64_t walks_since(const struct walk *a, const struct walk *b)
{
	if (!a->since_us || (a->s < NAT && b->s >= NAT))
		return b->since_us;
	if (!b->since_us || (b->s < NAT && a->s >= NAT))
		return a->since_us;
	return a->since_us < b->since_us ? a->since_us : b->since_us;
}

void walk_forget(void *state)
{
	struct walk *w = state;
	*w = (struct walk){ 0 };
}

#define LEARNED_ONE (1u << 16)

void learned_add(struct learned *l, bool x)
{
	l->yes -= l->yes / 200;
	l->all -= l->all / 200;
	l->yes += x ? LEARNED_ONE : 0;
	l->all += LEARNED_ONE;
}

int32_t learned_theta(const struct learned *l, unsigned times, unsigned prior_yes, unsigned prior_all, int32_t least, int32_t most)
{
	uint64_t share = (uint64_t)times * THETA_ONE * (l->yes + (uint64_t)prior_yes * LEARNED_ONE) / (l->all + (uint64_t)prior_all * LEARNED_ONE);
	return share < (uint64_t)least ? least : share > (uint64_t)most ? most : (int32_t)share;
}

unsigned fixed_bin(uint64_t n)
{
	if (n <= 1)
		return 0;
	/* The first step of log2_q16() decides about the half octave. */
	unsigned whole = 63 - (unsigned)__builtin_clzll(n);
	uint64_t m = whole > 31 ? n >> (whole - 31) : n << (31 - whole);
	unsigned b = 2 * whole + (unsigned)((m * m) >> 63);
	return b < SURPRISE_BINS ? b : SURPRISE_BINS - 1;
}

uint64_t fixed_bin_low(unsigned bin)
{
	uint64_t n = 1ull << (bin / 2);
	while (fixed_bin(n) < bin)
		n++;
	return n;
}

void fixed_population_init(struct surprise_population *p)
{
	/* 0.5 · 2^(-0.75·b) with a weight of 4096 per unit: 16 in 1/256, so that the population takes over after some
	 * dozens of buckets. */
	static const uint16_t mass[SURPRISE_BINS] = { 2048, 1218, 724, 431, 256, 152, 91, 54, 32, 19, 11, 7, 4, 2, 1, 1,
	                                              1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	for (unsigned b = 0; b < SURPRISE_BINS; b++)
		p->bins[b] = mass[b];
}

int32_t fixed_surprise(const uint8_t *personal, const struct surprise_population *pop, unsigned bin, unsigned kappa)
{
	uint64_t tail = 0, own_tail = 0;
	for (unsigned b = bin; b < SURPRISE_BINS; b++) {
		tail += pop->bins[b];
		own_tail += personal[b];
	}
	uint64_t all = tail, own = own_tail;
	for (unsigned b = 0; b < bin; b++) {
		all += pop->bins[b];
		own += personal[b];
	}
	/* p = (own_tail + kappa·tail/all) / (own + kappa), over the common denominator all·(own + kappa). The
	 * histograms are aged before they can overflow 48 bits here. */
	uint64_t num = own_tail * all + kappa * tail, den = (own + kappa) * all;
	while (den >> 47) {
		den >>= 1;
		num >>= 1;
	}
	if (num == 0)
		num = 1;
	/* Most sizes are usual ones; the logarithms cost more than all else here. */
	if (den <= 4 * num)
		return 0;
	return fixed_ln_ratio(den, num);
}

int32_t fixed_calibrate(int32_t ln_inv_p)
{
	int32_t c = ln_inv_p / 2 - 2839; /* ln 2 = 2839/4096 */
	return c > 0 ? c : 0;
}

unsigned linear_estimate(uint64_t bits)
{
	/* 64 · ln(64 / zeros) rounded, by the number of ones; with no zero left there is no estimate. */
	static const uint16_t estimate[65] = {
		0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17, 18, 20, 21, 23, 24, 25, 27, 29, 30, 32, 33, 35, 37, 39, 40, 42, 44,
		46, 49, 51, 53, 55, 58, 60, 63, 66, 68, 71, 74, 78, 81, 85, 89, 93, 97, 102, 107, 113, 119, 126, 133, 142, 152, 163, 177,
		196, 222, 266, 300,
	};
	return estimate[__builtin_popcountll(bits)];
}

size_t fixed_text(int64_t n, int64_t unit, int64_t places, char *out)
{
	int64_t all = (n < 0 ? -n : n) * places, q = all / unit, twice = all % unit * 2;
	char text[FIXED_TEXT];
	size_t at = sizeof text;
	q += twice > unit || (twice == unit && q % 2);
	for (int64_t left = q, place = 1; left || place <= places; left /= 10, place *= 10) {
		if (place == places)
			text[--at] = '.';
		text[--at] = (char)('0' + left % 10);
	}
	if (n < 0)
		text[--at] = '-';
	memcpy(out, text + at, sizeof text - at);
	return sizeof text - at;
}
