#include "lib/dnsbl.h"

static const char *const verdicts[DNSBL_VERDICTS] = { "listed", "clean", "refused", "unknown", "dead" };
static const char *const kinds[DNSBL_KINDS] = { "block", "policy", "info", "allow", "neutral", "refusal" };

const char *dnsbl_verdict_name(uint8_t v)
{
	return v < DNSBL_VERDICTS ? verdicts[v] : "unknown";
}

const char *dnsbl_kind_name(uint8_t k)
{
	return k < DNSBL_KINDS ? kinds[k] : "info";
}

static int named(const char *const *names, int n, struct sv name)
{
	for (int i = 0; i < n; i++)
		if (sv_eq(sv_cstr(names[i]), name))
			return i;
	return -1;
}

int dnsbl_verdict_named(struct sv name)
{
	return named(verdicts, DNSBL_VERDICTS, name);
}

int dnsbl_kind_named(struct sv name)
{
	return named(kinds, DNSBL_KINDS, name);
}
