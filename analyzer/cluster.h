/* cluster: what the detectors share that look for the same message from several customers (campaign in logs, same-body on the wire). */
#ifndef ANALYZER_CLUSTER_H
#define ANALYZER_CLUSTER_H

#include "analyzer/judge.h"

#define CLUSTER_MEMBERSHIPS 4 /* clusters that a principal's state remembers to belong to */

struct cluster_member { uint32_t cluster; uint16_t messages, day; }; /* messages 0: free */

/* One more message of the cluster: how many it is by now. The membership of longest ago, of few messages, makes room. */
unsigned cluster_join(struct cluster_member in[CLUSTER_MEMBERSHIPS], uint32_t cluster, int64_t at_us);
/* Whom p counts as: his customer, or himself without one. */
uint64_t cluster_customer(struct judge *j, const struct principal *p);

#endif
