/* rbl_out: verdicts of block lists for people and for other programs. */
#ifndef CTL_RBL_OUT_H
#define CTL_RBL_OUT_H

#include "ctl/common.h"
#include "probe/asker.h"

/* What the counts are of: a listing that is held against the target, one that is not, … */
enum { RBL_LISTED, RBL_NOTED, RBL_CLEAN, RBL_REFUSED, RBL_UNKNOWN, RBL_DEAD, RBL_COUNTS };

struct rbl_out;
/* "auto" "always" "never" → 0, 1, 2; -1. */
int rbl_out_colour(const char *word);
struct rbl_out *rbl_out_new(int format, int colour, bool all, size_t n_target);
void rbl_out_result(void *out, const struct engine_result *r);
void rbl_out_progress(void *out, uint64_t done, uint64_t all);
/* Prints what is left. */
void rbl_out_end(struct rbl_out *out);
const uint64_t *rbl_out_counts(const struct rbl_out *out);
/* Of some kind of target (IPv4, IPv6, domains) no list that is alive gave an answer. */
bool rbl_out_silent(const struct rbl_out *out);
uint64_t rbl_out_total(const struct rbl_out *out);
void rbl_out_free(struct rbl_out *out);

/* The table of lists and how they are. Returns an exit status. */
int rbl_out_zones(struct asker *a, int format);

#endif
