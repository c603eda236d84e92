#include "analyzer/asked.h"

#include <stdio.h>

#include "analyzer/listing.h"
#include "lib/obs.h"

#define WAYS 8u            /* places an address may take */
#define AGAIN_US (2 * US_PER_HOUR)
#define STALE_US (2 * US_PER_DAY) /* an answer so old says nothing while the next one is waited for */

struct table {
	int64_t hour;          /* in which `n` were asked */
	uint32_t n, pad;
	struct asked place[ASKED_SLOTS];
};

static struct memory *memory_of(const struct judge *j)
{
	return &j->listing->asked_memory;
}

static struct table *table_of(const struct judge *j)
{
	return (struct table *)(void *)memory_of(j)->p;
}

void asked_init(struct memory *m)
{
	memory_init(m, "asked", sizeof(struct table));
}

static struct asked *ways_of(const struct judge *j, const struct ipaddr *ip)
{
	uint64_t h = hash_sv(&j->key, sv_make((const char *)ip->b, sizeof ip->b));
	return &table_of(j)->place[h % (ASKED_SLOTS / WAYS) * WAYS];
}

static struct asked *find(const struct judge *j, const struct ipaddr *ip)
{
	struct asked *a = ways_of(j, ip);
	for (size_t i = 0; i < WAYS; i++)
		if (a[i].asked_us && memcmp(&a[i].ip, ip, sizeof *ip) == 0)
			return &a[i];
	return NULL;
}

const struct asked *asked_find(const struct judge *j, const struct ipaddr *ip)
{
	return find(j, ip);
}

static struct asked *oldest(const struct judge *j, const struct ipaddr *ip)
{
	struct asked *a = ways_of(j, ip), *o = a;
	for (size_t i = 1; i < WAYS; i++)
		if (a[i].asked_us < o->asked_us)
			o = &a[i];
	return o;
}

static void put_ask(const struct ipaddr *ip, struct buf *out)
{
	char text[48];
	obs_put_ask(out, sv_make(text, ipaddr_text(ip, text)));
}

/* Within the hour's budget. */
static bool may_ask(struct judge *j)
{
	struct table *t = table_of(j);
	int64_t hour = j->site->now_us / US_PER_HOUR;
	if (t->hour != hour) {
		t->hour = hour;
		t->n = 0;
	}
	if (t->n >= ASKED_HOUR)
		return false;
	t->n++;
	memory_touch(memory_of(j), 0);
	return true;
}

const struct asked *asked_place(struct judge *j, const struct principal *p, const struct place *at)
{
	if (!at->has_ip || at->own_network || at->home || ipaddr_is_loopback(&at->ip) || at->egress)
		return NULL;
	int64_t now_us = j->site->now_us;
	struct asked *a = find(j, &at->ip);
	if (!a || now_us - a->asked_us >= US_PER_DAY) {
		if (!may_ask(j))
			return a;
		if (!a) {
			a = oldest(j, &at->ip);
			*a = (struct asked){ .ip = at->ip };
		}
		if (now_us - a->answered_us > STALE_US) { /* weeks later somebody else may have it */
			a->points = 0;
			a->zone[0] = 0;
		}
		a->asked_us = now_us;
		put_ask(&at->ip, &j->listing->asks);
	}
	(void)snprintf(a->account, sizeof a->account, "%s", p->id);
	memory_touch_item(memory_of(j), a, sizeof *a);
	return a;
}

void asked_answer(struct judge *j, const struct obs_listing *l)
{
	struct ipaddr ip;
	struct asked *a = ipaddr_parse(l->target, &ip) == 0 ? find(j, &ip) : NULL;
	if (!a)
		return; /* it made room for others */
	bool weighs = l->verdict == DNSBL_LISTED && l->kind == DNSBL_BLOCK && l->points > 0;
	bool same = sv_eq(l->zone, sv_cstr(a->zone));
	if (l->time_us > a->answered_us)
		a->answered_us = l->time_us;
	bool more = weighs && (same || l->points > a->points);
	if (more && !(same && l->points == a->points)) {
		a->points = l->points;
		(void)snprintf(a->zone, sizeof a->zone, "%.*s", SVARG(l->zone));
	} else if (!weighs && same && (l->verdict == DNSBL_CLEAN || l->verdict == DNSBL_LISTED)) {
		a->points = 0;
		a->zone[0] = 0;
	} else {
		more = false;
	}
	memory_touch_item(memory_of(j), a, sizeof *a);
	if (!more || !a->account[0])
		return;
	struct buf line = { 0 };
	buf_printf(&line, "DNS: %.*s has %.*s, from which the account wrote (%.*s)", SVARG(l->zone), SVARG(l->target), SVARG(l->meaning));
	struct principal *p = judge_principal(j, PRINCIPAL_ACCOUNT, sv_cstr(a->account), j->site->now_us);
	judge_listing(j, p, &(struct listing_view){ .source = l->target, .kind = l->kind, .points = l->points, .zone = l->zone, .line = buf_sv(&line),
		                                    .at_us = j->site->now_us });
	buf_fini(&line);
}

void asked_put_back(struct judge *j, int64_t now_us)
{
	struct table *t = table_of(j);
	for (size_t i = 0; i < ASKED_SLOTS; i++) {
		times_no_later(&t->place[i].asked_us, now_us);
		times_no_later(&t->place[i].answered_us, now_us);
	}
	memory_touch_all(memory_of(j));
}

void asked_frames(struct judge *j, bool again, struct buf *out)
{
	const struct table *t = table_of(j);
	struct listing *l = j->listing;
	for (size_t i = 0; i < ASKED_SLOTS && again; i++)
		if (t->place[i].asked_us && t->place[i].answered_us < t->place[i].asked_us && t->place[i].asked_us >= j->site->now_us - AGAIN_US)
			put_ask(&t->place[i].ip, out);
	if (!again)
		buf_addsv(out, buf_sv(&l->asks));
	buf_clear(&l->asks);
}
