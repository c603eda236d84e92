/* fixed: integer arithmetic of evidence. A score is int32 in 1/4096 nat; probabilities are n/1024; decay halves every
 * half-life. No floats and no wall clock: the same events give the same bits on every machine.
 * Kernels as in docs/detectors.md (K1 Bernoulli CUSUM after Page 1954; K2 surprise histogram with the p-to-e calibrator
 * of Vovk and Wang 2021; K3 linear counting after Whang, Vander-Zanden and Taylor 1990). */
#ifndef ANALYZER_FIXED_H
#define ANALYZER_FIXED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAT 4096            /* one nat */
#define THETA_ONE 1024      /* probability 1 */
#define NATS(x) ((int32_t)((x) * NAT)) /* of a constant or an option, at start only */

/* ln(num/den) in 1/4096 nat; num, den > 0, below 2^48. */
int32_t fixed_ln_ratio(uint64_t num, uint64_t den);

/* Lets *score decay with the given half-life until now. *at_us is when it was last decayed; the part of the time that
 * is too short for a step (half-life / 64) stays in it. A negative or zero time does nothing. */
void fixed_decay(int32_t *score, int64_t *at_us, int64_t now_us, int64_t half_life_s);

/* K1. One Bernoulli trial: s = max(0, s + (x ? ln(t1/t0) : ln((1-t1)/(1-t0)))); thetas in 1/1024, 0 < t0 < t1 < 1024. */
int32_t fixed_cusum(int32_t score, bool x, int32_t theta0, int32_t theta1);

/* K1 with its clock: evidence, when it was last decayed, and when it last left zero (0 = it is zero). */
struct walk {
	int32_t s, pad;
	int64_t at_us, since_us;
};
/* Of a time that is kept and compared with event time: one of more than a day later is of before the machine's clock was put back (judge_put_back()), and counts as now. Less is
 * told of sources that are behind each other. */
static inline int64_t fixed_then(int64_t then_us, int64_t now_us)
{
	return then_us > now_us + INT64_C(86400000000) ? now_us : then_us;
}
void walk_decay(struct walk *w, int64_t now_us, int64_t half_life_s);
/* Decays; whether nothing is left of it: what is counted since it began begins anew with the next trial. To be asked before that, as afterwards it has
 * begun already. */
bool walk_is_over(struct walk *w, int64_t now_us, int64_t half_life_s);
/* What a walk may say now: decayed, at most cap. */
int32_t walk_evidence(struct walk *w, int64_t now_us, int64_t half_life_s, int32_t cap);
/* Decays, then adds one trial or a fixed weight (which may be negative). A weight, or a level, on less than one nat begins anew. */
void walk_trial(struct walk *w, bool x, int32_t theta0, int32_t theta1, int64_t now_us, int64_t half_life_s);
void walk_add(struct walk *w, int32_t weight, int64_t now_us, int64_t half_life_s);
/* Decays, then raises s to at least level. */
void walk_raise(struct walk *w, int32_t level, int64_t now_us, int64_t half_life_s);

/* What walks were told, for explaining how a score came about: noted while walk_trace points at one (of the event and detector at hand).
 * What had no effect is not noted; equal notes in a row are one. */
#define WALK_NOTES 16
enum walk_what { WALK_YES, WALK_NO, WALK_WEIGHT, WALK_LEVEL };
struct walk_note { uint8_t detector, what; uint16_t times; int16_t theta0, theta1; int32_t step; const char *reason; };
struct walk_trace { uint8_t detector; unsigned n; const char *reason; struct walk_note note[WALK_NOTES]; };
extern _Thread_local struct walk_trace *walk_trace;
/* Why the next weight or level is given, in a few words: static text. */
static inline void walk_reason(const char *why)
{
	if (walk_trace)
		walk_trace->reason = why;
}

/* Evidence that is no walk grew or shrank by so much: noted as a level. */
void walk_told(int32_t step);

/* The trials of one message: bad ones and good ones. More than `most` bad ones count as `most`, with the good ones scaled down as well: the
 * recipients of a message are not independent. */
void walk_message(struct walk *w, uint32_t bad, uint32_t good, uint32_t most, int32_t theta0, int32_t theta1, int64_t now_us, int64_t half_life_s);
/* For detectors whose state begins with its walk: when it left zero; forgetting it. */
int64_t walk_since(const void *state);
/* The earlier beginning of two walks; one of less than a nat, which may be left from weeks ago, does not count beside one of more. */
int64_t walks_since(const struct walk *a, const struct walk *b);
void walk_forget(void *state);

/* How often a principal's trials are yes by itself: decayed by 1/200 a trial, so a memory of some 200. All zero: nothing known. */
struct learned { uint64_t yes, all; /* 1/65536 */ };
void learned_add(struct learned *l, bool x);
/* `times` times that share with a prior, in 1/1024; between least and most. */
int32_t learned_theta(const struct learned *l, unsigned times, unsigned prior_yes, unsigned prior_all, int32_t least, int32_t most);

/* K2. Half-octave bin of a count ≥ 1: min(27, floor(2·log2 n)); 0 for 0. */
#define SURPRISE_BINS 28
unsigned fixed_bin(uint64_t n);
/* The smallest count of a bin. */
uint64_t fixed_bin_low(unsigned bin);

struct surprise_population { /* of one class of principals; counts in 1/256, so that the start mass can be weak */
	uint64_t bins[SURPRISE_BINS];
};
/* The weak Pareto start mass 0.5·n^-1.5 per bin, so that sizes never seen keep a finite tail. */
void fixed_population_init(struct surprise_population *p);
/* ln(1/p) in 1/4096 nat of a count in this bin or above, for personal bins shrunk to the population with weight kappa. 0 where p is a quarter
 * or more: the calibrator makes nothing of that. */
int32_t fixed_surprise(const uint8_t *personal, const struct surprise_population *pop, unsigned bin, unsigned kappa);
/* c(p) = max(0, ½·ln(1/p) − ln 2). */
int32_t fixed_calibrate(int32_t ln_inv_p);

/* K3. 64-bit linear counter. */
static inline void linear_add(uint64_t *bits, uint64_t hash) { *bits |= 1ull << (hash >> 58); }
unsigned linear_estimate(uint64_t bits);

/* n/unit for people, |n| below 2^40: places is 10, 100, 1000 or 10000. As printf() writes it, which takes most of a commit with many suspects: half
 * of the last place goes to the even one. Not ended by NUL; returns its length. */
#define FIXED_TEXT 32
size_t fixed_text(int64_t n, int64_t unit, int64_t places, char *out);

#endif
