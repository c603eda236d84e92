/* How near our own addresses are to being listed: points, not a probability (docs/detectors.md, D13). */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "analyzer/acase.h"
#include "analyzer/detector.h"
#include "analyzer/fusion.h"
#include "analyzer/listing_int.h"
#include "analyzer/phrase.h"
#include "lib/jsonw.h"

#define ADDRESSES 64u        /* of ours, at most: prefixes of more than one address are not walked through */
#define POINTS_REPUTE 2
#define POINTS_UNKNOWN_SOME 2
#define POINTS_UNKNOWN_MANY 4
#define POINTS_CASE_MOST 6
#define POINTS_CONTAGION 3

/* --- contagion ---------------------------------------------------------------------------------------------------- */

static bool within(const struct ipaddr *a, const struct ipaddr *b, unsigned bits)
{
	if (memcmp(a->b, b->b, bits / 8) != 0)
		return false;
	unsigned rest = bits % 8;
	return !rest || (a->b[bits / 8] ^ b->b[bits / 8]) >> (8 - rest) == 0;
}

static unsigned listed_within(const struct judge *j, const struct ipaddr *ip, unsigned bits)
{
	unsigned n = 0;
	for (const struct listing_target *t = j->listing->targets; t; t = t->next)
		n += t->is_ip && t->main_on > 0 && within(&t->ip, ip, bits);
	return n;
}

/* Listed addresses from which on UCEPROTECT's level 2 lists a whole network, by its length. */
unsigned listing_contagion(const struct judge *j, const struct listing_target *t, uint8_t *ret_bits, unsigned *ret_limit)
{
	static const struct { uint8_t bits; uint16_t limit; } nets[] = { { 24, 5 }, { 23, 10 }, { 22, 15 }, { 21, 25 }, { 20, 40 }, { 19, 65 }, { 18, 105 }, { 17, 170 }, { 16, 275 } };
	unsigned best = 0;
	*ret_bits = 0;
	*ret_limit = 0;
	if (!t->is_ip)
		return 0;
	bool v4 = ipaddr_is_v4(&t->ip);
	for (size_t i = 0; i < (v4 ? sizeof nets / sizeof *nets : 1); i++) {
		unsigned n = listed_within(j, &t->ip, v4 ? 96u + nets[i].bits : 48);
		if (*ret_bits && n * *ret_limit <= best * nets[i].limit)
			continue;
		best = n;
		*ret_bits = v4 ? nets[i].bits : 48;
		*ret_limit = nets[i].limit;
	}
	return best;
}

/* --- points ------------------------------------------------------------------------------------------------------- */

struct risk { int32_t own, all; struct buf reasons; };

static void reason(struct risk *r, int32_t points, const char *text)
{
	r->own += points;
	r->all += points;
	buf_puts(&r->reasons, r->reasons.n ? "," : "[");
	jsonw_text(&r->reasons, sv_cstr(text));
}

static void by_replies(const struct judge *j, const struct listing_target *t, struct risk *r)
{
	char receiver[64], text[200];
	uint32_t times;
	if (!blame_reputed(j, sv_cstr(t->name), receiver, &times))
		return;
	(void)snprintf(text, sizeof text, "%.63s limits or refuses our mail for the address's repute (%u time%s in 24 h)", receiver, times, times == 1 ? "" : "s");
	reason(r, POINTS_REPUTE, text);
}

static void by_unknown(const struct judge *j, struct risk *r)
{
	const struct listing_options *o = listing_options(j);
	struct blame_day d = blame_day(j);
	char text[200];
	uint64_t n = d.good + d.unknown;
	bool many = d.unknown * 10000 > n * listing_share(o->unknown_many);
	if (n < (uint64_t)o->unknown_least || d.unknown * 10000 <= n * listing_share(o->unknown_some))
		return;
	(void)snprintf(text, sizeof text, "%llu %% of our recipients do not exist (%llu of %llu in 24 h)", (unsigned long long)(d.unknown * 100 / n),
	               (unsigned long long)d.unknown, (unsigned long long)n);
	reason(r, many ? POINTS_UNKNOWN_MANY : POINTS_UNKNOWN_SOME, text);
}

/* The worst open case of who sends through our addresses. Logs do not say through which one. */
static void by_case(const struct judge *j, struct risk *r)
{
	const struct acase *worst = NULL;
	char text[420];
	for (size_t i = 0; i < j->n_cases; i++) {
		const struct acase *c = j->cases[i];
		bool sends = c->principal_kind == PRINCIPAL_ACCOUNT || c->principal_kind == PRINCIPAL_HOST || c->principal_kind == PRINCIPAL_SCRIPT;
		if (sends && acase_is_open(c) && (!worst || c->score > worst->score || (c->score == worst->score && c->id < worst->id)))
			worst = c;
	}
	int32_t points = worst ? worst->score / (2 * NAT) : 0;
	if (points <= 0)
		return;
	(void)snprintf(text, sizeof text, "case %lld about %s is open (score %.1f)", (long long)worst->id,
	               phrase_name_of(worst->principal_kind, worst->principal_id).s, (double)worst->score / NAT);
	reason(r, points < POINTS_CASE_MOST ? points : POINTS_CASE_MOST, text);
}

static void by_neighbours(const struct judge *j, const struct listing_target *t, struct risk *r)
{
	uint8_t bits;
	unsigned limit, n = listing_contagion(j, t, &bits, &limit);
	char text[200];
	if (!n || n * 10000ull < limit * listing_share(listing_options(j)->contagion))
		return;
	(void)snprintf(text, sizeof text, "%u address%s of its /%u %s listed; from %u on the whole network will be", n, n == 1 ? "" : "es", (unsigned)bits, n == 1 ? "is" : "are", limit);
	reason(r, POINTS_CONTAGION, text);
}

/* What egress-refused says: evidence already, so it counts for the level only. */
static void by_refusals(struct judge *j, struct principal *p, struct risk *r)
{
	int32_t scores[64];
	char text[120];
	if (p->score <= 0)
		return;
	p->score = fusion_score(j, p, j->site->now_us, scores); /* evidence fades with it, so that is to be kept */
	judge_touch(j, p);
	for (size_t d = 0; d < detector_count(); d++)
		if (strcmp(detector_registry[d]->name, "egress-refused") == 0 && scores[d] >= NAT) {
			(void)snprintf(text, sizeof text, "receivers refuse mail because of the address (score %.1f)", (double)scores[d] / NAT);
			reason(r, scores[d] / NAT, text);
			r->own -= scores[d] / NAT;
		}
}

/* --- levels ------------------------------------------------------------------------------------------------------- */

static uint8_t level_of(const struct listing_options *o, int32_t points)
{
	if (points >= o->imminent)
		return LISTING_RISK_IMMINENT;
	return points >= o->likely ? LISTING_RISK_LIKELY : points >= o->watch ? LISTING_RISK_WATCH : LISTING_RISK_NONE;
}

static bool is_text(const char *have, const struct buf *now)
{
	return have ? sv_eq(sv_cstr(have), buf_sv(now)) : now->n == 0;
}

static void keep_text(char **to, const struct buf *text)
{
	free(*to);
	*to = text->n ? xsvdup(buf_sv(text)) : NULL;
}

void listing_say_reasons(const struct listing_target *t, struct buf *out)
{
	struct json_object *list = t->reasons ? json_tokener_parse(t->reasons) : NULL;
	for (size_t i = 0; json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++)
		buf_printf(out, "%s%s", i ? "; " : "", json_object_get_string(json_object_array_get_idx(list, i)));
	json_object_put(list);
}

static void put_level(struct judge *j, struct listing_target *t, struct risk *r, const struct buf *cause)
{
	const struct listing_options *o = listing_options(j);
	uint8_t level = level_of(o, r->all);
	int32_t own = level ? r->own : 0;
	bool judged = level != t->risk || own != t->own_points;
	if (!judged && is_text(t->reasons, &r->reasons) && is_text(t->cause, cause))
		return;
	bool rose = level == LISTING_RISK_IMMINENT && t->risk != level;
	if (level != t->risk)
		t->risk_us = j->site->now_us;
	t->risk = level;
	t->risk_points = r->all;
	t->own_points = own;
	keep_text(&t->reasons, &r->reasons);
	keep_text(&t->cause, cause);
	listing_touch_target(j, t);
	if (rose)
		listing_tell_risk(j, t);
	if (!judged)
		return;
	struct buf line = { 0 };
	buf_printf(&line, "Risk of being listed: %s (%d points): ", level ? listing_risk_name(level) : "none", (int)r->all);
	listing_say_reasons(t, &line);
	listing_judge(j, t, buf_sv(&line), j->site->now_us);
	buf_fini(&line);
}

static void risk_of(struct judge *j, struct sv name)
{
	struct principal *p = judge_principal(j, PRINCIPAL_OWN_IP, name, j->site->now_us);
	struct listing_target *t = listing_target_made(j, name, j->site->now_us);
	struct risk r = { 0 };
	struct buf cause = { 0 };
	if (!t)
		return;
	by_refusals(j, p, &r);
	by_replies(j, t, &r);
	by_unknown(j, &r);
	by_case(j, &r);
	by_neighbours(j, t, &r);
	if (r.reasons.n)
		buf_addc(&r.reasons, ']');
	if (level_of(listing_options(j), r.all))
		blame_json(j, &cause);
	put_level(j, t, &r, &cause);
	buf_fini(&r.reasons);
	buf_fini(&cause);
}

void listing_risks(struct judge *j)
{
	const struct prefix_table *all = &j->conf->egress;
	char text[48];
	if (!listing_options(j)->enabled)
		return;
	for (size_t i = 0, n = 0; i < all->n && n < ADDRESSES; i++)
		if (all->v[i].bits == 128) {
			risk_of(j, sv_make(text, ipaddr_text(&all->v[i].addr, text)));
			n++;
		}
}
