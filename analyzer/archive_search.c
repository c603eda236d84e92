#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "analyzer/archive.h"
#include "analyzer/archive_int.h"
#include "analyzer/db.h"
#include "analyzer/segment.h"
#include "analyzer/segment_filter.h"
#include "lib/arena.h"
#include "lib/hash.h"
#include "lib/near.h"
#include "lib/prefix.h"

#define WINDOW_LEAST 4u
#define WINDOW_FIRST 64u  /* most of them at first: the filters tell how many hold the key, but not whether one of them holds hundreds */
#define WINDOW_MOST 128u  /* segments that are looked into before the first message of theirs is given */
#define WINDOW_HITS 1024u /* where there are so many, more segments at a time gain nothing */
#define ENTRIES 256       /* of the catalog that are read at a time */
#define BATCH 64u         /* messages that are read before the first of them is given */

/* A segment on its way: its newest matching messages first. */
struct item {
	int64_t id;
	char name[40];
	struct segment *segment;
	bool cached, bad;
	struct buf rows; /* uint32_t */
	struct err err;
};

/* A message on its way. */
struct hit { const struct item *item; uint32_t row; bool bad; struct txn txn; struct err err; };

struct search {
	struct archive_files *a;
	const struct archive_query *q;
	archive_hit_cb *cb;
	void *ctx;
	struct item *item;
	size_t n_item;
	struct hit *hit;
	size_t n_hit;
	size_t looked, found; /* into so many segments, so many messages in them */
	struct filter_answers filters;
	struct arena arena[CREW_MOST];
	uint64_t *seen;      /* identities of the messages given or passed over, a hash table */
	size_t n_seen, cap_seen;
	size_t skipped;
	int64_t given;
	struct buf catalog; /* struct archive_entry, newest first: some of those before that day and id */
	size_t catalog_at;
	int64_t day, id;
	bool stop, more, last; /* last: the catalog has no more */
	struct err *e;
};

static size_t seen_slot(const struct search *s, uint64_t id)
{
	size_t at = (size_t)(id >> 20) & (s->cap_seen - 1);
	while (s->seen[at] && s->seen[at] != id)
		at = (at + 1) & (s->cap_seen - 1);
	return at;
}

static void seen_grow(struct search *s)
{
	uint64_t *old = s->seen;
	size_t n = s->cap_seen;
	s->cap_seen = n ? n * 2 : 256;
	s->seen = xcalloc(s->cap_seen, sizeof *s->seen);
	for (size_t i = 0; i < n; i++)
		if (old[i])
			s->seen[seen_slot(s, old[i])] = old[i];
	free(old);
}

/* A message that was reported again shows only its newest report. */
static bool seen_before(struct search *s, const struct txn *t)
{
	static const struct hash_key zero;
	uint64_t id = hash_mix(hash_mix(hash_sv(&zero, t->host), hash_sv(&zero, t->queue_id)), (uint64_t)t->first_us) | 1;
	if (s->n_seen * 2 >= s->cap_seen)
		seen_grow(s);
	size_t at = seen_slot(s, id);
	if (s->seen[at])
		return true;
	s->seen[at] = id;
	s->n_seen++;
	return false;
}

/* Gives one message to the caller; false = enough. */
static bool give(struct search *s, const struct txn *t)
{
	if (seen_before(s, t))
		return true;
	if (s->skipped < s->q->offset) {
		s->skipped++;
		return true;
	}
	if (s->q->limit && s->given >= (int64_t)s->q->limit) {
		s->more = true;
		s->stop = true;
		return false;
	}
	s->given++;
	s->stop = !s->cb(s->ctx, t);
	return !s->stop;
}

static bool folded_at(struct sv hay, size_t at, struct sv needle)
{
	return archive_same(hay.p + at, needle.p, needle.n);
}

/* needle in hay, upper and lower case alike; the first byte is looked for by memchr, as most texts hold none of it. */
static bool folded_inside(struct sv hay, struct sv needle)
{
	char low = (char)(needle.p[0] | 0x20), up = low >= 'a' && low <= 'z' ? (char)(low & ~0x20) : needle.p[0];
	if (low < 'a' || low > 'z')
		low = needle.p[0];
	for (size_t at = 0; at + needle.n <= hay.n; at++)
		if ((hay.p[at] == low || hay.p[at] == up) && folded_at(hay, at, needle))
			return true;
	return false;
}

bool archive_key_matches(struct sv value, struct sv key, bool substring)
{
	if (!value.p)
		return false;
	value = archive_bare(value);
	if (key.n > value.n)
		return false;
	if (key.n && key.p[0] == '@')
		return folded_at(value, value.n - key.n, key);
	if (!substring || !key.n)
		return (substring || key.n == value.n) && folded_at(value, 0, key);
	return folded_inside(value, key);
}

/* Of what is no address no piece is looked for: an @ in front is no domain's. */
static bool is_whole(struct sv value, struct sv key)
{
	value = archive_bare(value);
	return value.p && value.n == key.n && folded_at(value, 0, key);
}

bool archive_may_be_user(struct sv key)
{
	return key.n && key.p[0] != '@';
}

static bool row_matches(const struct archive_query *q, const struct txn *t)
{
	const struct sv value[ARCHIVE_KEYS] = { [ARCHIVE_SENDER] = t->sender,     [ARCHIVE_ACCOUNT] = t->account,
		                                [ARCHIVE_CLIENT] = t->client_ip,  [ARCHIVE_QUEUE_ID] = t->queue_id,
		                                [ARCHIVE_MESSAGE_ID] = t->message_id };
	if ((q->since_us && t->last_us < q->since_us) || (q->until_us && t->first_us > q->until_us))
		return false;
	for (int k = 0; k < ARCHIVE_KEYS; k++) {
		bool address = k == ARCHIVE_SENDER || k == ARCHIVE_ACCOUNT;
		if (k == ARCHIVE_RECIPIENT || !q->key[k].p || (address ? archive_key_matches(value[k], q->key[k], q->substring) : is_whole(value[k], q->key[k])))
			continue;
		if (k != ARCHIVE_ACCOUNT || !archive_may_be_user(q->key[k]) || !archive_key_matches(t->local_user, q->key[k], false))
			return false;
	}
	if (!q->key[ARCHIVE_RECIPIENT].p)
		return true;
	for (size_t i = 0; i < t->n_rcpt; i++)
		if (archive_key_matches(t->rcpt[i].recipient, q->key[ARCHIVE_RECIPIENT], q->substring) ||
		    archive_key_matches(t->rcpt[i].orig_recipient, q->key[ARCHIVE_RECIPIENT], q->substring))
			return true;
	return false;
}

/* The catalog: what is missing then would look like nothing there. */
static int unread(struct search *s)
{
	return err_set(s->e, "message archive: %s", sqlite3_errmsg(s->a->db));
}

/* In lower case, the longest of what is looked for: each message that answers has it somewhere. */
static void longest_key(const struct archive_query *q, struct buf *out)
{
	struct sv longest = { 0 };
	for (int k = 0; k < ARCHIVE_KEYS; k++)
		if (q->key[k].n > longest.n)
			longest = q->key[k];
	buf_reserve(out, longest.n);
	near_lower(out->p, longest.p, longest.n);
	out->n = longest.n;
}

static bool holds(struct sv body, const struct buf *key, struct buf *low)
{
	if (!key->n)
		return true;
	buf_clear(low);
	buf_reserve(low, body.n);
	near_lower(low->p, body.p, body.n);
	return near_find(low->p, body.n, key->p, key->n) != NULL;
}

/* All are read before the first is given: who takes them may wait for a reader of his own, and as long as something is read the store's log only
 * grows. Rows that become a segment meanwhile are found there, too. */
static int search_rows(struct search *s)
{
	struct buf key = { 0 }, low = { 0 };
	if (archive_newest_read(s->a, s->e) < 0)
		return -1;
	longest_key(s->q, &key);
	for (size_t i = archive_newest_count(&s->a->newest); i-- > 0 && !s->stop;) {
		struct sv body = archive_newest_body(&s->a->newest, i);
		struct txn t;
		if (!holds(body, &key, &low))
			continue;
		arena_reset(&s->arena[0]);
		if (txn_decode(body, &s->arena[0], &t, s->e) == 0 && row_matches(s->q, &t))
			(void)give(s, &t);
	}
	buf_fini(&key);
	buf_fini(&low);
	return 0;
}

/* --- segments: some at a time, by a crew ----------------------------------------------------------------------------- */

/* Three rounds, so that the disk brings what the next one needs of many files at a time. A file that is gone, as retention removed it meanwhile,
 * is passed over; one that is no segment is told, as it holds messages that nobody would find. */
static void open_item(void *ctx, unsigned worker, size_t i)
{
	struct search *s = ctx;
	struct item *x = &s->item[i];
	struct buf path = { 0 };
	(void)worker;
	if (x->segment)
		return;
	archive_path(s->a, x->name, &path);
	x->segment = segment_map(buf_cstr(&path), &x->err);
	x->bad = !x->segment && access(buf_cstr(&path), F_OK) == 0;
	buf_fini(&path);
}

static void check_item(void *ctx, unsigned worker, size_t i)
{
	struct search *s = ctx;
	struct item *x = &s->item[i];
	(void)worker;
	if (!x->segment || x->cached)
		return;
	if (segment_check(x->segment, &x->err) == 0) {
		segment_match_ahead(x->segment, s->q);
		return;
	}
	segment_free(x->segment);
	x->segment = NULL;
	x->bad = true;
}

/* What answers in one segment. */
static void match_item(void *ctx, unsigned worker, size_t i)
{
	struct search *s = ctx;
	struct item *x = &s->item[i];
	if (x->segment)
		x->bad = segment_match(x->segment, s->a->reader[worker], s->q, &x->rows, &x->err) < 0;
}

static void read_hit(void *ctx, unsigned worker, size_t i)
{
	struct search *s = ctx;
	struct hit *h = &s->hit[i];
	enum segment_part part = s->q->listed ? SEGMENT_LISTED : SEGMENT_WHOLE;
	if (!h->item->cached)
		segment_message_ahead(h->item->segment, h->row, part);
	h->bad = segment_txn(h->item->segment, s->a->reader[worker], h->row, part, &s->arena[worker], &h->txn, &h->err) < 0;
}

static int fail(struct search *s, const struct err *why)
{
	if (s->e)
		*s->e = *why;
	s->stop = true;
	return -1;
}

static int give_batch(struct search *s)
{
	for (unsigned i = 0; i < CREW_MOST; i++)
		arena_reset(&s->arena[i]);
	crew_run(s->a->crew, s->n_hit, read_hit, s);
	int bad = 0;
	for (size_t i = 0; i < s->n_hit && !s->stop && !bad; i++)
		bad = s->hit[i].bad ? fail(s, &s->hit[i].err) : (give(s, &s->hit[i].txn), 0);
	s->n_hit = 0;
	return bad;
}

/* How many messages are still to be found, if there is a limit. One more than asked for says whether there are more. */
static size_t wanted(const struct search *s)
{
	return s->q->offset - s->skipped + s->q->limit - (size_t)s->given + 1;
}

/* How many messages shall be read before the next is given. */
static size_t batch_size(const struct search *s)
{
	return s->q->limit && wanted(s) < BATCH ? wanted(s) : BATCH;
}

/* How many segments hold what is still to be found, if there is as much in them as in those before, and some more. */
static size_t enough_segments(const struct search *s)
{
	size_t n = s->q->limit && s->found ? wanted(s) * s->looked / s->found * 5 / 4 + 1 : WINDOW_MOST;
	return n > WINDOW_LEAST ? n : WINDOW_LEAST;
}

static int give_window(struct search *s)
{
	int bad = 0;
	for (size_t i = 0; i < s->n_item && !s->stop && !bad; i++) {
		const struct item *x = &s->item[i];
		for (size_t at = 0; at < x->rows.n && !s->stop && !bad; at += sizeof(uint32_t)) {
			struct hit *h = &s->hit[s->n_hit++];
			h->item = x;
			memcpy(&h->row, x->rows.p + at, sizeof h->row);
			if (s->n_hit >= batch_size(s))
				bad = give_batch(s);
		}
		if (x->bad && !s->stop && !bad)
			bad = give_batch(s) < 0 || s->stop ? 0 : fail(s, &x->err);
	}
	return bad || s->stop ? bad : give_batch(s);
}

static void take_entry(struct search *s, sqlite3_stmt *st)
{
	struct archive_entry x = { .id = sqlite3_column_int64(st, 0), .day = sqlite3_column_int64(st, 4) };
	s->id = x.id;
	s->day = x.day;
	if (archive_filters_exclude(&s->filters, sqlite3_column_int64(st, 2), (unsigned)sqlite3_column_int(st, 3)))
		return;
	(void)snprintf(x.name, sizeof x.name, "%s", (const char *)sqlite3_column_text(st, 1));
	buf_add(&s->catalog, &x, sizeof x);
}

/* The next segments that no filter rules out. Those that are joined meanwhile have the place of the oldest of them, and are not passed. */
static int read_catalog(struct search *s)
{
	sqlite3_stmt *st = archive_prepare(s->a, Q_SEGMENT_NEWEST, s->e);
	int rc = SQLITE_ERROR, n = 0;
	if (!st)
		return -1;
	const int64_t v[] = { s->q->since_us ? s->q->since_us : INT64_MIN, s->q->until_us ? s->q->until_us : INT64_MAX, s->day, s->id, ENTRIES };
	for (int i = 0; i < (int)(sizeof v / sizeof *v); i++)
		sqlite3_bind_int64(st, i + 1, v[i]);
	buf_clear(&s->catalog);
	s->catalog_at = 0;
	for (; (rc = sqlite3_step(st)) == SQLITE_ROW; n++)
		take_entry(s, st);
	s->last = n < ENTRIES;
	int bad = rc == SQLITE_DONE ? 0 : unread(s);
	sqlite3_finalize(st);
	return bad;
}

/* The next segments; those that are open already come with it. */
static void fill_window(struct search *s, size_t size)
{
	for (s->n_item = 0; s->n_item < size && s->catalog_at < s->catalog.n; s->catalog_at += sizeof(struct archive_entry)) {
		struct archive_entry next;
		struct item *x = &s->item[s->n_item++];
		memcpy(&next, s->catalog.p + s->catalog_at, sizeof next);
		x->id = next.id;
		memcpy(x->name, next.name, sizeof x->name);
		size_t slot = (size_t)x->id % ARCHIVE_CACHE;
		x->cached = s->a->cache[slot] && strcmp(s->a->cache_name[slot], x->name) == 0;
		x->segment = x->cached ? s->a->cache[slot] : NULL;
		x->bad = false;
		buf_clear(&x->rows);
	}
}

/* Keeps what was opened. Returns how many messages had answered. */
static size_t end_window(struct search *s)
{
	size_t hits = 0;
	for (size_t i = 0; i < s->n_item; i++) {
		struct item *x = &s->item[i];
		size_t slot = (size_t)x->id % ARCHIVE_CACHE;
		hits += x->rows.n / sizeof(uint32_t);
		if (x->cached || !x->segment)
			continue;
		segment_free(s->a->cache[slot]);
		s->a->cache[slot] = x->segment;
		s->a->opened++;
		(void)snprintf(s->a->cache_name[slot], sizeof s->a->cache_name[slot], "%s", x->name);
	}
	s->n_hit = 0;
	s->looked += s->n_item;
	s->found += hits;
	return hits;
}

static void look_into(struct search *s)
{
	bool all = true; /* are open */
	for (size_t i = 0; i < s->n_item; i++)
		all &= s->item[i].cached;
	if (!all) {
		crew_run(s->a->crew, s->n_item, open_item, s);
		crew_run(s->a->crew, s->n_item, check_item, s);
	}
	crew_run(s->a->crew, s->n_item, match_item, s);
}

/* Whether there are more segments; -1 and e. */
static int more_segments(struct search *s)
{
	while (s->catalog_at == s->catalog.n && !s->last)
		if (read_catalog(s) < 0)
			return -1;
	return s->catalog_at < s->catalog.n;
}

/* How many segments to begin with. Where messages fall into segments by chance, the share of segments that hold none tells how many there are
 * in each of the others (Poisson). A window is opened and read side by side; several small ones wait for the disk one after the other. */
static size_t first_window(const struct search *s, size_t may, size_t of)
{
	if (!s->q->limit || !may || may == of)
		return WINDOW_LEAST;
	double share = (double)may / (double)of, each = -log1p(-share) / share;
	double enough = (double)wanted(s) / each * 5 / 4 + 1;
	return enough < WINDOW_LEAST ? WINDOW_LEAST : enough > WINDOW_FIRST ? WINDOW_FIRST : (size_t)enough;
}

static int search_segments(struct search *s)
{
	int bad = archive_filters_ask(s->a, s->q, &s->filters, s->e), more = 0;
	size_t hits = 1, of, may = archive_filters_may(&s->filters, &of);
	s->day = s->id = INT64_MAX;
	s->last = of && may <= ENTRIES; /* then all that are left come at once */
	if (!bad && s->last)
		bad = archive_filters_left(s->a, s->q, &s->filters, &s->catalog, s->e);
	for (size_t size = first_window(s, may, of); !s->stop && !bad && (more = more_segments(s)) > 0;) {
		size_t enough = hits ? enough_segments(s) : size; /* where there was nothing, what came before says nothing of how much there is */
		fill_window(s, size < enough ? size : enough);
		look_into(s);
		bad = give_window(s);
		hits = end_window(s);
		if (hits < WINDOW_HITS)
			size = size < WINDOW_MOST / 2 ? size * 2 : WINDOW_MOST;
	}
	return bad || more < 0 ? -1 : 0;
}

/* Closes what was joined or dropped meanwhile. */
static void let_go(struct archive_files *a)
{
	a->kept = 0;
	for (size_t i = 0; i < ARCHIVE_CACHE; i++) {
		if (a->cache[i] && archive_gone(a, a->cache_name[i])) {
			segment_free(a->cache[i]);
			a->cache[i] = NULL;
		}
		a->kept += a->cache[i] != NULL;
	}
	archive_filters_close(a, false);
	a->opened = 0;
}

static void begin_search(struct search *s)
{
	struct archive_files *a = s->a;
	if (a->opened >= ARCHIVE_LET_GO + a->kept / 8)
		let_go(a);
	if (!a->crew)
		a->crew = crew_new();
	for (unsigned i = 0; i < CREW_MOST; i++)
		if (!a->reader[i])
			a->reader[i] = segment_reader_new();
	s->item = xcalloc(WINDOW_MOST, sizeof *s->item);
	s->hit = xcalloc(BATCH, sizeof *s->hit);
}

static void end_search(struct search *s)
{
	for (unsigned i = 0; i < CREW_MOST; i++)
		arena_fini(&s->arena[i]);
	for (unsigned i = 0; i < WINDOW_MOST; i++)
		buf_fini(&s->item[i].rows);
	free(s->filters.v);
	buf_fini(&s->catalog);
	free(s->item);
	free(s->hit);
	free(s->seen);
}

int64_t archive_search(struct archive *a, const struct archive_query *query, archive_hit_cb *cb, void *ctx, bool *ret_more, struct err *e)
{
	struct archive_query q = *query;
	struct search s = { .a = archive_files(a), .q = &q, .cb = cb, .ctx = ctx, .e = e };
	struct ipaddr ip;
	char client[46];
	for (int k = 0; k < ARCHIVE_KEYS; k++)
		q.key[k] = archive_bare(q.key[k]);
	if (ipaddr_parse(q.key[ARCHIVE_CLIENT], &ip) == 0) /* as it is stored */
		q.key[ARCHIVE_CLIENT] = sv_make(client, ipaddr_text(&ip, client));
	begin_search(&s);
	int bad = search_rows(&s);
	if (!bad && !s.stop)
		bad = search_segments(&s);
	if (ret_more)
		*ret_more = s.more;
	if (!bad && s.a->newest.damaged)
		bad = err_set(e, "message archive: %zu of the newest messages are damaged in the store: they were not looked at", s.a->newest.damaged);
	end_search(&s);
	return bad ? -1 : s.given;
}
