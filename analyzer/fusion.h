/* fusion: many detectors, one number. Within a group the best counts whole and the second half (they are correlated);
 * between groups evidence adds, each group capped. docs/detectors.md B.3. */
#ifndef ANALYZER_FUSION_H
#define ANALYZER_FUSION_H

#include "analyzer/detector.h"

/* Capped evidence of each group from scores by registry index. volume_cap: of the volume group, see fusion_volume_cap(). */
void fusion_groups(const int32_t *scores, int32_t volume_cap, int32_t *ret_groups);
/* What the volume group may give for this principal now: less while there is no history to compare with. */
int32_t fusion_volume_cap(const struct judge *j, const struct principal *p, int64_t now_us);
/* "volume", …; and what a group may give at most (the volume group of a well-known principal). */
const char *fusion_group_name(enum evidence_group g);
int32_t fusion_group_cap(enum evidence_group g);
/* Whether most of what speaks against p came as its mail always comes (struct odd), and could be a moved address book or an old list as well:
 * then S is capped below the opening threshold. */
int32_t fusion_home_cap(const struct judge *j, const struct principal *p);
bool fusion_is_home(const struct judge *j, const struct principal *p, const int32_t *scores);
/* From how many such messages on it no longer is. */
uint64_t fusion_home_messages(const struct judge *j);
/* Is what is known of everybody too little to say what is usual? */
bool fusion_is_new_site(const struct judge *j);
/* S of p now; ret_scores (detector_count() of them) gets each detector's evidence. Lets the evidence decay to now. */
int32_t fusion_score(const struct judge *j, const struct principal *p, int64_t now_us, int32_t *ret_scores);

#endif
