#include "analyzer/servers.h"

#include <stdlib.h>

#include "analyzer/detector.h"
#include "analyzer/judge_int.h"
#include "lib/buf.h"
#include "lib/msg.h"

#define CHANCE 12 /* sessions that the former would have answered, were it still there: e^-12 that all of them are chance */
#define COUNT_MOST 4096 /* of a face; halved then */
#define CLIENTS 3 /* one alone may be led to one of several servers, and may be the only one at night */
#define NOT_SEEN (SMTP_GAP | SMTP_MASKED | SMTP_MID_STREAM | SMTP_ONE_SIDED | SMTP_EVICTED | SMTP_UNANSWERED | SMTP_REFUSED | SMTP_NOT_SMTP)

const char *network_what_name(enum network_what w)
{
	static const char *const names[] = {
#define W(e, name) name,
		NETWORK_WHATS(W)
#undef W
	};
	return names[w];
}

struct servers *servers_new(void)
{
	return xcalloc(1, sizeof(struct servers));
}

void servers_committed(struct servers *x)
{
	for (size_t i = 0; i < x->n; i++)
		x->v[i]->dirty = false;
	for (size_t i = 0; i < x->n_events; i++)
		free(x->event[i].text);
	x->n_events = x->n_gone = 0;
}

void servers_free(struct servers *x)
{
	servers_committed(x);
	for (size_t i = 0; i < x->n; i++)
		free(x->v[i]);
	free(x->v);
	free(x->slot);
	free(x->gone);
	free(x->event);
	free(x);
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

static uint64_t key_of(const struct judge *j, const struct ipaddr *ip)
{
	return hash_sv(&j->key, sv_make((const char *)ip->b, sizeof ip->b));
}

static size_t slot_of(const struct servers *x, uint64_t key)
{
	size_t at = (size_t)key & (x->n_slots - 1);
	while (x->slot[at] && x->v[x->slot[at] - 1]->key != key)
		at = (at + 1) & (x->n_slots - 1);
	return at;
}

static void index_all(struct servers *x)
{
	if (x->n_slots < x->cap * 2) {
		x->n_slots = x->cap * 2;
		x->slot = xrealloc(x->slot, x->n_slots * sizeof *x->slot);
	}
	memset(x->slot, 0, x->n_slots * sizeof *x->slot);
	for (size_t i = 0; i < x->n; i++)
		x->slot[slot_of(x, x->v[i]->key)] = (uint32_t)i + 1;
}

/* The least recently seen last; of the same moment by key. */
static int by_age(const void *a, const void *b)
{
	const struct server *x = *(struct server *const *)a, *y = *(struct server *const *)b;
	if (x->last_us != y->last_us)
		return x->last_us > y->last_us ? -1 : 1;
	return (x->key > y->key) - (x->key < y->key);
}

static void evict(struct servers *x)
{
	qsort(x->v, x->n, sizeof(struct server *), by_age);
	while (x->n > SERVERS_MAX - SERVERS_MAX / 8) {
		struct server *v = x->v[--x->n];
		if (x->n_gone == x->cap_gone) {
			x->cap_gone = x->cap_gone ? x->cap_gone * 2 : 64;
			x->gone = xrealloc(x->gone, x->cap_gone * sizeof *x->gone);
		}
		x->gone[x->n_gone++] = v->ip;
		free(v);
	}
	index_all(x);
}

const struct server *servers_find(const struct judge *j, const struct ipaddr *ip)
{
	const struct servers *x = j->servers;
	uint32_t at = x->n_slots ? x->slot[slot_of(x, key_of(j, ip))] : 0;
	return at ? x->v[at - 1] : NULL;
}

static struct server *made(struct judge *j, const struct ipaddr *ip)
{
	struct servers *x = j->servers;
	if (x->n == SERVERS_MAX)
		evict(x);
	if (x->n == x->cap) {
		x->cap = x->cap ? x->cap * 2 : 64;
		x->v = xrealloc(x->v, x->cap * sizeof(struct server *));
		index_all(x);
	}
	struct server *v = x->v[x->n++] = xcalloc(1, sizeof *v);
	v->ip = *ip;
	v->key = key_of(j, ip);
	x->slot[slot_of(x, v->key)] = (uint32_t)x->n;
	return v;
}

struct server *servers_loaded(struct judge *j, const struct ipaddr *ip)
{
	return j->servers->n < SERVERS_MAX ? made(j, ip) : NULL;
}

const char *servers_software(const struct server *v)
{
	return v->settled ? v->face[v->settled - 1].software : "";
}

/* --- events ------------------------------------------------------------------------------------------------------- */

void servers_tell(struct judge *j, const struct network_event *e)
{
	struct servers *x = j->servers;
	if (x->n_events == x->cap_events) {
		x->cap_events = x->cap_events ? x->cap_events * 2 : 16;
		x->event = xrealloc(x->event, x->cap_events * sizeof *x->event);
	}
	x->event[x->n_events++] = *e;
}

static const char *said(const char *software)
{
	return software[0] ? software : "no name of its software";
}

static void changed(struct judge *j, struct server *v, size_t to)
{
	const struct server_face *former = &v->face[v->settled - 1], *now = &v->face[to];
	struct network_event e = { .at_us = v->last_us, .since_us = now->first_us, .what = NETWORK_SOFTWARE, .has_ip = true, .ip = v->ip };
	struct buf text = { 0 };
	char ip[48];
	ip[ipaddr_text(&v->ip, ip)] = 0;
	buf_printf(&text, "The mail server %s greets with %s, formerly %s.", ip, said(now->software), said(former->software));
	memcpy(e.host, v->host, sizeof e.host);
	memcpy(e.before, former->software, sizeof e.before);
	memcpy(e.after, now->software, sizeof e.after);
	e.text = xstrdup(buf_cstr(&text));
	buf_fini(&text);
	servers_tell(j, &e);
	memcpy(v->was, former->software, sizeof v->was);
	v->changed_us = v->last_us;
	v->settled = (uint8_t)(to + 1);
}

/* --- sessions ----------------------------------------------------------------------------------------------------- */

/* The face of that software; a new one takes the place of the one not seen for longest, but never of what is settled. */
static size_t face_of(struct server *v, const char *software, int64_t at_us)
{
	size_t oldest = SERVER_FACES;
	for (size_t i = 0; i < SERVER_FACES; i++) {
		if (v->face[i].sessions && strcmp(v->face[i].software, software) == 0)
			return i;
		if (i + 1 != v->settled && (oldest == SERVER_FACES || v->face[i].last_us < v->face[oldest].last_us))
			oldest = i;
	}
	v->face[oldest] = (struct server_face){ .first_us = at_us };
	memcpy(v->face[oldest].software, software, strlen(software) + 1);
	return oldest;
}

static uint64_t all_sessions(const struct server *v)
{
	uint64_t n = 0;
	for (size_t i = 0; i < SERVER_FACES; i++)
		n += v->face[i].sessions;
	return n;
}

static bool is_stable(const struct server_face *f, const struct servers_options *o)
{
	return f->sessions >= o->sessions && f->last_us - f->first_us >= o->settle_s * US_PER_S;
}

/* Whether the settled one has made way for face i. */
static bool is_gone(const struct server *v, size_t i, const struct servers_options *o)
{
	const struct server_face *former = &v->face[v->settled - 1], *now = &v->face[i];
	if (v->changed_us && v->last_us - v->changed_us < US_PER_DAY)
		return false;
	if (former->sessions < CHANCE || v->last_us - former->last_us < (linear_estimate(v->alone_nets) >= CLIENTS ? o->settle_s * US_PER_S : US_PER_DAY))
		return false;
	if (former->last_us < now->first_us)
		return true;
	/* Those that were alone may be more than are still counted: their face may have made way for another. */
	uint64_t all = all_sessions(v), before = all > v->alone + (uint64_t)former->sessions ? all - v->alone : former->sessions;
	return v->last_us - former->last_us >= o->turns_s * US_PER_S && (uint64_t)v->alone * former->sessions >= CHANCE * before;
}

/* All of them, so that their shares stay. */
static void halve(struct server *v)
{
	for (size_t k = 0; k < SERVER_FACES; k++)
		if (v->face[k].sessions > 1)
			v->face[k].sessions /= 2;
	v->alone /= 2;
}

static void note(struct judge *j, struct server *v, const char *software, uint64_t client, int64_t at_us)
{
	const struct servers_options *o = servers_options(j);
	size_t i = face_of(v, software, at_us);
	struct server_face *f = &v->face[i];
	if (f->last_us && f->last_us < v->changed_us && i + 1 != v->settled) { /* what was replaced comes back */
		f->first_us = at_us;
		f->sessions = 0;
	}
	f->last_us = v->last_us = at_us;
	f->sessions++;
	bool settled = i + 1 == v->settled;
	v->alone = settled ? 0 : v->alone + 1;
	if (settled)
		v->alone_nets = 0;
	else
		linear_add(&v->alone_nets, client);
	if (f->sessions >= COUNT_MOST)
		halve(v);
	if (!is_stable(f, o))
		return;
	if (!v->settled)
		v->settled = (uint8_t)(i + 1);
	else if (i + 1 != v->settled && is_gone(v, i, o))
		changed(j, v, i);
}

/* It let somebody in: a greeting that refuses says nothing of the software. */
static bool greeted(const struct smtp_session *s)
{
	return s->banner.n && s->server_port == 25 && !(s->flags & NOT_SEEN) && s->replies[2] && !(s->refusal.n && sv_starts(s->refusal, sv_take(s->banner, 40)));
}

void servers_put_back(struct servers *x, int64_t now_us)
{
	for (size_t i = 0; i < x->n; i++) {
		struct server *v = x->v[i];
		times_no_later(&v->first_us, now_us);
		times_no_later(&v->last_us, now_us);
		times_no_later(&v->changed_us, now_us);
		for (size_t k = 0; k < SERVER_FACES; k++) {
			times_no_later(&v->face[k].first_us, now_us);
			times_no_later(&v->face[k].last_us, now_us);
		}
		v->dirty = true;
	}
}

void servers_session(struct judge *j, const struct smtp_session *s)
{
	char host[BANNER_HOST], software[BANNER_SOFTWARE];
	bool ours = enrich_is_own_network(j->enrich, &s->server) || enrich_is_egress(j->enrich, &s->server) || enrich_is_mail_server(j->enrich, &s->server);
	int64_t at_us = j->site->now_us;
	if (!ours || !greeted(s) || ipaddr_is_loopback(&s->server))
		return;
	banner_read(s->banner, host, software);
	struct server *v = (struct server *)(uintptr_t)servers_find(j, &s->server);
	if (!v) {
		v = made(j, &s->server);
		v->first_us = at_us;
	}
	memcpy(v->host, host, sizeof host);
	v->sessions++;
	v->dirty = true;
	note(j, v, software, key_of(j, &s->client), at_us);
}
