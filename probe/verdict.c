#include "probe/verdict.h"

#define LOOPBACK_NET 127u
#define ERROR_CODES 0x7ffffff0u       /* 127.255.255.240 to 255: Spamhaus uses 252, 254 and 255, others follow */
#define BARE_LOOPBACK 0x7f000001u     /* RFC 5782 section 2.1: no list should use it */
#define NAME_COLLISION 0x7f003535u    /* 127.0.53.53: the name does not exist, says a top-level domain (ICANN) */

static struct verdict make(uint8_t verdict, const char *reason)
{
	return (struct verdict){ .verdict = verdict, .kind = DNSBL_INFO, .reason = reason };
}

static struct verdict without_answer(enum outcome o)
{
	switch (o) {
	case OUTCOME_NONE: return make(DNSBL_CLEAN, "");
	case OUTCOME_REFUSED: return make(DNSBL_REFUSED, "the list's server refuses to answer us");
	case OUTCOME_TIMEOUT: return make(DNSBL_UNKNOWN, "no answer in time");
	case OUTCOME_MALFORMED: return make(DNSBL_UNKNOWN, "the answer is no well-formed DNS message");
	default: return make(DNSBL_UNKNOWN, "the name server reports a failure");
	}
}

static const char *error_reason(uint32_t code)
{
	switch (code & 255) {
	case 252: return "the list says that the zone's name is mistyped";
	case 254: return "the list does not answer public or unidentified resolvers; it must be asked through a resolver of our own";
	case 255: return "the list says that we ask too much";
	default: return "the list answers with an error code";
	}
}

static bool own_code(const struct dnsbl_zone *z, uint32_t code)
{
	for (size_t i = 0; i < z->n_code; i++)
		if (!z->code[i].bits && z->code[i].mask == 0xffffffff && code >= z->code[i].low && code <= z->code[i].high)
			return true;
	for (size_t i = 0; i < z->n_code; i++)
		if (z->code[i].bits && z->code[i].low & code & 0xffffff)
			return true;
	return false;
}

static struct verdict of_code(const struct dnsbl_zone *z, uint32_t code, struct buf *meaning)
{
	struct verdict v = make(DNSBL_LISTED, "");
	v.code = code;
	if (code >> 24 != LOOPBACK_NET)
		v = make(DNSBL_UNKNOWN, "an answer outside 127.0.0.0/8 is none of a block list: a resolver or a web host answers instead");
	else if ((code & 0xfffffff0u) == ERROR_CODES)
		v = make(DNSBL_REFUSED, error_reason(code));
	else if ((code == BARE_LOOPBACK || code == NAME_COLLISION) && !own_code(z, code))
		v = make(DNSBL_UNKNOWN, code == BARE_LOOPBACK ? "127.0.0.1 is no answer of this list" : "127.0.53.53 says that the name collides with a new top-level domain");
	else
		v.kind = dnsbl_zone_meaning(z, code, &v.points, meaning);
	v.code = code;
	if (v.verdict == DNSBL_LISTED && v.kind == DNSBL_REFUSAL)
		v = (struct verdict){ DNSBL_REFUSED, DNSBL_REFUSAL, 0, code, "the list's code says that we may not ask" };
	else if (v.verdict == DNSBL_LISTED && v.kind == DNSBL_NEUTRAL)
		v.verdict = DNSBL_CLEAN;
	return v;
}

/* One bad answer spoils them all; of good ones the heaviest listing counts. */
static int rank(const struct verdict *v)
{
	static const uint8_t kinds[DNSBL_KINDS] = { [DNSBL_BLOCK] = 4, [DNSBL_POLICY] = 3, [DNSBL_ALLOW] = 2, [DNSBL_INFO] = 1 };
	switch (v->verdict) {
	case DNSBL_UNKNOWN: return 2000;
	case DNSBL_REFUSED: return 1000;
	case DNSBL_LISTED: return 100 + kinds[v->kind] * 101 + v->points;
	default: return 0;
	}
}

struct verdict verdict_of(const struct dnsbl_zone *z, enum outcome o, const uint32_t *address, unsigned n, struct buf *meaning)
{
	if (o != OUTCOME_ANSWER || n == 0)
		return without_answer(o == OUTCOME_ANSWER ? OUTCOME_NONE : o);
	struct verdict best = { 0 };
	for (unsigned i = 0; i < n && i < VERDICT_CODES; i++) {
		size_t from = meaning->n;
		if (i)
			buf_puts(meaning, "; ");
		size_t words = meaning->n;
		struct verdict v = of_code(z, address[i], meaning);
		if (meaning->n == words)
			meaning->n = from;
		if (i == 0 || rank(&v) > rank(&best))
			best = v;
	}
	return best;
}

/* --- a zone's health ---------------------------------------------------------------------------------------------- */

static const struct { const char *name, *reason; uint8_t verdict; } healths[HEALTHS] = {
	[HEALTH_UNTESTED] = { "untested", "the list was not tested yet", DNSBL_UNKNOWN },
	[HEALTH_GOOD] = { "good", "", DNSBL_CLEAN },
	[HEALTH_SILENT] = { "silent", "the list does not list its own test entry: it is empty, or does not answer us truthfully", DNSBL_UNKNOWN },
	[HEALTH_EMPTY] = { "empty", "the list has not listed its own test entry for days: it is empty", DNSBL_DEAD },
	[HEALTH_WILDCARD] = { "wildcard", "the list lists what must never be listed: it answers yes to everything", DNSBL_DEAD },
	[HEALTH_GONE] = { "gone", "there is no such zone any more", DNSBL_DEAD },
	[HEALTH_REFUSED] = { "refused", "the list refuses to answer us", DNSBL_REFUSED },
	[HEALTH_UNREACHABLE] = { "unreachable", "the list does not answer", DNSBL_UNKNOWN },
	[HEALTH_REWRITTEN] = { "rewritten", "answers outside 127.0.0.0/8: a resolver or a web host answers instead of the list", DNSBL_UNKNOWN },
};

const char *health_name(uint8_t h)
{
	return h < HEALTHS ? healths[h].name : "untested";
}

const char *health_reason(uint8_t h)
{
	return h < HEALTHS ? healths[h].reason : "";
}

uint8_t health_verdict(uint8_t h)
{
	return h < HEALTHS ? healths[h].verdict : DNSBL_UNKNOWN;
}

int health_named(struct sv name)
{
	for (int i = 0; i < HEALTHS; i++)
		if (sv_eq(sv_cstr(healths[i].name), name))
			return i;
	return -1;
}

/* Any entry in 127/8 counts as listed here, whatever its code means: a test entry says "this works". */
static bool answered(const struct verdict *v)
{
	return v->verdict == DNSBL_LISTED || (v->verdict == DNSBL_CLEAN && v->code);
}

static uint8_t of_failure(const struct verdict *v)
{
	if (v->verdict == DNSBL_REFUSED)
		return HEALTH_REFUSED;
	return v->code && v->code >> 24 != LOOPBACK_NET ? HEALTH_REWRITTEN : HEALTH_UNREACHABLE;
}

uint8_t health_of(bool has_listed, const struct verdict *listed, bool has_clean, const struct verdict *clean)
{
	if (has_clean && clean->verdict != DNSBL_REFUSED && clean->code >> 24 == LOOPBACK_NET)
		return HEALTH_WILDCARD;
	if (has_listed && !answered(listed))
		return listed->verdict == DNSBL_CLEAN ? HEALTH_SILENT : of_failure(listed);
	if (has_clean && clean->verdict != DNSBL_CLEAN)
		return of_failure(clean);
	return HEALTH_GOOD;
}

struct verdict verdict_tell(struct verdict v, uint8_t health)
{
	if (health == HEALTH_GOOD)
		return v;
	/* It lists this one, though it fails to list its test entry: that is an answer. */
	if (health == HEALTH_SILENT && v.verdict == DNSBL_LISTED)
		return v;
	if (v.verdict != DNSBL_REFUSED || health != HEALTH_REFUSED) /* its own reason says more */
		v.reason = health_reason(health);
	v.verdict = health_verdict(health);
	v.points = 0;
	return v;
}
