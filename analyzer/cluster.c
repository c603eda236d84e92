#include "analyzer/cluster.h"

#include "analyzer/judge_int.h"
#include "lib/times.h"

unsigned cluster_join(struct cluster_member in[CLUSTER_MEMBERSHIPS], uint32_t cluster, int64_t at_us)
{
	uint16_t day = (uint16_t)(at_us / US_PER_DAY);
	size_t at = 0;
	for (size_t i = 0; i < CLUSTER_MEMBERSHIPS; i++) {
		if (in[i].messages && in[i].cluster == cluster && in[i].day + 1 >= day) {
			in[i].day = day;
			return in[i].messages < UINT16_MAX ? ++in[i].messages : UINT16_MAX;
		}
		if (in[i].day < in[at].day || (in[i].day == in[at].day && in[i].messages < in[at].messages))
			at = i;
	}
	in[at] = (struct cluster_member){ cluster, 1, day };
	return 1;
}

uint64_t cluster_customer(struct judge *j, const struct principal *p)
{
	const char *customer = judge_customer(j, p);
	return customer[0] ? p->customer_hash : p->key;
}
