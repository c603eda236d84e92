/* What the lines of filters have in common. */
#include "collector/filter/filter.h"

void filter_queue_id(struct sv *s, struct record *r)
{
	struct sv t = *s, id;
	if (!scan_until(&t, ':', &id) || id.n < 5 || id.n > 24 || !t.n || t.p[0] != ' ')
		return;
	bool digit = false;
	for (size_t i = 0; i < id.n; i++) {
		char c = id.p[i];
		bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-';
		digit |= c >= '0' && c <= '9';
		if (!letter && !(c >= '0' && c <= '9'))
			return;
	}
	if (!digit) /* "spamd: …" */
		return;
	r->queue_id = id;
	*s = sv_skip(t, 1);
}

struct sv filter_value(struct sv s, struct sv key, struct sv end)
{
	struct sv skipped, v;
	if (!scan_before(&s, key, &skipped))
		return (struct sv){ 0 };
	return scan_before(&s, end, &v) ? v : s;
}

struct sv filter_unbracket(struct sv a)
{
	return a.n > 1 && a.p[0] == '<' && a.p[a.n - 1] == '>' ? sv_make(a.p + 1, a.n - 2) : a;
}

void filter_set(struct sv *to, struct sv value)
{
	if (value.n)
		*to = filter_unbracket(value);
}

void filter_client(struct sv s, struct record *r)
{
	struct scan_peer p;
	struct sv t = s;
	if (scan_peer(&t, &p)) {
		scan_set_client(r, &p);
		if (r->client_name.p && !r->client_name.n)
			r->client_name = (struct sv){ 0 };
		return;
	}
	ptrdiff_t slash = sv_chr(s, '/');
	struct sv mask = slash < 0 ? SV("32") : sv_skip(s, (size_t)slash + 1);
	if (sv_eq(mask, SV("32")) || sv_eq(mask, SV("128"))) /* else: a network that the client is in */
		r->client_ip = scan_ip(slash < 0 ? s : sv_take(s, (size_t)slash));
}

struct sv filter_action(struct sv action, struct sv otherwise)
{
	static const struct { struct sv action, status; } known[] = {
		{ SCAN_S("greylist"), SCAN_S("greylist") }, { SCAN_S("pass"), SCAN_S("pass") }, { SCAN_S("dunno"), SCAN_S("pass") },
		{ SCAN_S("DUNNO"), SCAN_S("pass") }, { SCAN_S("OK"), SCAN_S("pass") }, { SCAN_S("accept"), SCAN_S("pass") },
		{ SCAN_S("permit"), SCAN_S("pass") }, { SCAN_S("PERMIT"), SCAN_S("pass") }, { SCAN_S("reject"), SCAN_S("reject") },
		{ SCAN_S("REJECT"), SCAN_S("reject") }, { SCAN_S("5"), SCAN_S("reject") }, { SCAN_S("DEFER"), SCAN_S("defer") },
		{ SCAN_S("defer"), SCAN_S("defer") }, { SCAN_S("4"), SCAN_S("defer") }, { SCAN_S("discard"), SCAN_S("discard") },
		{ SCAN_S("DISCARD"), SCAN_S("discard") }, { SCAN_S("hold"), SCAN_S("hold") }, { SCAN_S("HOLD"), SCAN_S("hold") }, { SCAN_S("PREPEND "), SCAN_S("pass") },
		{ SCAN_S("WARN"), SCAN_S("pass") }, { SCAN_S("FILTER "), SCAN_S("pass") }, { SCAN_S("REDIRECT "), SCAN_S("pass") }, { SCAN_S("BCC "), SCAN_S("pass") },
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (sv_starts(action, known[i].action))
			return known[i].status;
	return otherwise;
}
