#include "analyzer/phrase.h"

#include <stdio.h>
#include <time.h>

#include "lib/near.h"

struct phrase_text phrase_time(const struct principal *p, int64_t us)
{
	static const char month[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct phrase_text t;
	struct tm tm;
	time_t s = (time_t)(us / US_PER_S + p->utc_offset_s);
	gmtime_r(&s, &tm);
	(void)snprintf(t.s, sizeof t.s, "%d %s %02d:%02d", tm.tm_mday, month[tm.tm_mon], tm.tm_hour, tm.tm_min);
	return t;
}

struct phrase_name phrase_name_of(enum principal_kind kind, const char *id)
{
	struct phrase_name n;
	bool number = id[0] >= '0' && id[0] <= '9';
	(void)snprintf(n.s, sizeof n.s, "%s%.320s", kind != PRINCIPAL_SCRIPT ? "" : number ? "uid " : "user ", id);
	return n;
}

struct phrase_name phrase_name(const struct principal *p)
{
	return phrase_name_of(p->kind, p->id);
}

bool phrase_is_expansion(const struct judge *j, struct sv sender)
{
	struct sv domain = sv_domain(sender);
	if (!domain.n || domain.n >= sender.n)
		return false;
	struct sv local = sv_take(sender, sender.n - domain.n - 1);
	if (near_first_of(local.p, local.n, '-', '+', '=') == local.n) /* as most; all shapes have one */
		return false;
	bool shape = sv_starts(local, SV("owner-")) || sv_ends(local, SV("-bounces")) || sv_ends(local, SV("-owner")) ||
	             sv_find(local, SV("-bounces+")) >= 0 || sv_starts(local, SV("bounces+")) || sv_starts(local, SV("SRS0=")) ||
	             sv_starts(local, SV("SRS1=")) || sv_starts(local, SV("srs0=")) || sv_starts(local, SV("srs1="));
	return shape && enrich_is_local_domain(j->enrich, domain);
}
