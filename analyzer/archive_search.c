#include <stdio.h>
#include <stdlib.h>

#include "analyzer/archive.h"
#include "analyzer/archive_int.h"
#include "analyzer/segment.h"
#include "lib/arena.h"
#include "lib/hash.h"

struct search {
	struct archive_files *a;
	const struct archive_query *q;
	archive_hit_cb *cb;
	void *ctx;
	struct segment *segment;
	struct arena arena;
	uint64_t *seen;      /* identities of the messages given or passed over, a hash table */
	size_t n_seen, cap_seen;
	size_t skipped;
	int64_t given;
	bool stop, more, failed;
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

static bool segment_hit(void *ctx, uint32_t index)
{
	struct search *s = ctx;
	struct txn t;
	arena_reset(&s->arena);
	if (segment_txn(s->segment, index, &s->arena, &t, s->e) < 0) {
		s->failed = true;
		return false;
	}
	return give(s, &t);
}

static bool folded_at(struct sv hay, size_t at, struct sv needle)
{
	return strncasecmp(hay.p + at, needle.p, needle.n) == 0;
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
	if (value.n >= 2 && value.p[0] == '<')
		value = sv_make(value.p + 1, value.n - 2);
	if (key.n > value.n)
		return false;
	if (key.n && key.p[0] == '@')
		return folded_at(value, value.n - key.n, key);
	if (!substring || !key.n)
		return (substring || key.n == value.n) && folded_at(value, 0, key);
	return folded_inside(value, key);
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
		bool inside = q->substring && (k == ARCHIVE_SENDER || k == ARCHIVE_ACCOUNT);
		if (k == ARCHIVE_RECIPIENT || !q->key[k].p || archive_key_matches(value[k], q->key[k], inside))
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

static int search_rows(struct search *s)
{
	sqlite3_stmt *st = archive_prepare(s->a, Q_HOT_NEWEST, s->e);
	if (!st)
		return -1;
	while (!s->stop && sqlite3_step(st) == SQLITE_ROW) {
		struct txn t;
		struct sv body = sv_make(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
		arena_reset(&s->arena);
		if (txn_decode(body, &s->arena, &t, s->e) == 0 && row_matches(s->q, &t))
			(void)give(s, &t);
	}
	sqlite3_finalize(st);
	return 0;
}

/* From the cache, or opened into it. A file that retention removed meanwhile is passed over. */
static struct segment *cached_segment(struct archive_files *a, int64_t id, const char *name, struct err *e)
{
	struct buf path = { 0 };
	size_t slot = (size_t)id % ARCHIVE_CACHE;
	if (a->cache[slot] && strcmp(a->cache_name[slot], name) == 0)
		return a->cache[slot];
	segment_free(a->cache[slot]);
	archive_path(a, name, &path);
	a->cache[slot] = segment_open(buf_cstr(&path), e);
	(void)snprintf(a->cache_name[slot], sizeof a->cache_name[slot], "%s", name);
	buf_fini(&path);
	return a->cache[slot];
}

static int search_segments(struct search *s)
{
	sqlite3_stmt *st = archive_prepare(s->a, Q_SEGMENT_NEWEST, s->e);
	if (!st)
		return -1;
	sqlite3_bind_int64(st, 1, s->q->since_us ? s->q->since_us : INT64_MIN);
	sqlite3_bind_int64(st, 2, s->q->until_us ? s->q->until_us : INT64_MAX);
	while (!s->stop && !s->failed && sqlite3_step(st) == SQLITE_ROW) {
		s->segment = cached_segment(s->a, sqlite3_column_int64(st, 0), (const char *)sqlite3_column_text(st, 1), s->e);
		if (s->segment && segment_match(s->segment, s->q, segment_hit, s, s->e) < 0)
			s->failed = true;
	}
	sqlite3_finalize(st);
	return s->failed ? -1 : 0;
}

int64_t archive_search(struct archive *a, const struct archive_query *query, archive_hit_cb *cb, void *ctx, bool *ret_more, struct err *e)
{
	struct archive_query q = *query;
	struct search s = { .a = archive_files(a), .q = &q, .cb = cb, .ctx = ctx, .e = e };
	for (int k = 0; k < ARCHIVE_KEYS; k++)
		if (q.key[k].n >= 2 && q.key[k].p[0] == '<' && q.key[k].p[q.key[k].n - 1] == '>')
			q.key[k] = sv_make(q.key[k].p + 1, q.key[k].n - 2);
	int bad = search_rows(&s);
	if (!bad && !s.stop)
		bad = search_segments(&s);
	if (ret_more)
		*ret_more = s.more;
	arena_fini(&s.arena);
	free(s.seen);
	return bad ? -1 : s.given;
}
