/* Filters of segments: making, keeping and asking them. The catalog says which segment has which bit of which filter, and changes in one
 * transaction with the segments; a filter that cannot be used rules out nothing. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "analyzer/archive_int.h"
#include "analyzer/segment.h"
#include "analyzer/segment_filter.h"
#include "lib/msg.h"

static void filter_name(int64_t id, char ret[ARCHIVE_NAME])
{
	(void)snprintf(ret, ARCHIVE_NAME, "%08" PRId64 ".filter", id);
}

static struct segment_filter *open_filter(const struct archive_files *f, int64_t id, struct err *e)
{
	struct buf path = { 0 };
	char name[ARCHIVE_NAME];
	filter_name(id, name);
	archive_path(f, name, &path);
	struct segment_filter *filter = segment_filter_open(buf_cstr(&path), e);
	buf_fini(&path);
	return filter;
}

static int failed(struct archive_files *f, struct err *e)
{
	return err_set(e, "message archive: %s", sqlite3_errmsg(f->db));
}

/* --- making ------------------------------------------------------------------------------------------------------- */

/* Segments on their way into a filter. */
struct group { struct filter_member member[FILTER_SEGMENTS]; int64_t id[FILTER_SEGMENTS]; struct segment *open[FILTER_SEGMENTS]; unsigned n; int64_t first_us, last_us; };

static int find_group(struct archive_files *f, struct group *g, struct err *e)
{
	sqlite3_stmt *st = archive_prepare(f, Q_FILTER_WANTING, e);
	int rc = SQLITE_ERROR;
	if (st)
		sqlite3_bind_int(st, 1, FILTER_SEGMENTS);
	while (st && g->n < FILTER_SEGMENTS && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		int64_t first_us = sqlite3_column_int64(st, 2), last_us = sqlite3_column_int64(st, 3);
		g->id[g->n] = sqlite3_column_int64(st, 0);
		(void)snprintf(g->member[g->n].name, FILTER_NAME, "%s", (const char *)sqlite3_column_text(st, 1));
		g->first_us = !g->n || first_us < g->first_us ? first_us : g->first_us;
		g->last_us = !g->n || last_us > g->last_us ? last_us : g->last_us;
		g->n++;
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : failed(f, e);
}

/* One that cannot be read is a member all the same: it is looked into at each search, which tells the damage. */
static void open_group(const struct archive_files *f, struct group *g)
{
	struct buf path = { 0 };
	for (unsigned i = 0; i < g->n; i++) {
		archive_path(f, g->member[i].name, &path);
		g->member[i].segment = g->open[i] = segment_open(buf_cstr(&path), NULL);
	}
	buf_fini(&path);
}

static int add_filter(struct archive_files *f, const struct group *g, int64_t *ret_id, struct err *e)
{
	sqlite3_stmt *st = archive_prepare(f, Q_FILTER_ADD, e);
	if (st) {
		sqlite3_bind_int64(st, 1, g->first_us);
		sqlite3_bind_int64(st, 2, g->last_us);
	}
	int bad = archive_finish(f, st, e);
	*ret_id = sqlite3_last_insert_rowid(f->db);
	return bad;
}

static int cover(struct archive_files *f, const struct group *g, int64_t id, int64_t bytes, struct err *e)
{
	sqlite3_stmt *st = archive_prepare(f, Q_FILTER_SIZE, e);
	if (st) {
		sqlite3_bind_int64(st, 1, bytes);
		sqlite3_bind_int64(st, 2, id);
	}
	int bad = archive_finish(f, st, e);
	for (unsigned i = 0; i < g->n && !bad; i++) {
		if ((st = archive_prepare(f, Q_FILTER_COVER, e))) {
			sqlite3_bind_int64(st, 1, id);
			sqlite3_bind_int(st, 2, (int)i);
			sqlite3_bind_int64(st, 3, g->id[i]);
		}
		bad = archive_finish(f, st, e);
	}
	return bad;
}

static int make_filter(struct archive *a, struct group *g, struct err *e)
{
	struct archive_files *f = archive_files(a);
	struct buf path = { 0 };
	char name[ARCHIVE_NAME];
	int64_t id, bytes;
	if (add_filter(f, g, &id, e) < 0)
		return -1;
	filter_name(id, name);
	archive_made(a, name);
	archive_path(f, name, &path);
	open_group(f, g);
	int bad = segment_filter_write(buf_cstr(&path), g->member, g->n, &bytes, e);
	for (unsigned i = 0; i < g->n; i++)
		segment_free(g->open[i]);
	buf_fini(&path);
	return bad ? -1 : cover(f, g, id, bytes, e);
}

int archive_filter(struct archive *a, unsigned least, struct err *e)
{
	struct group *g = xcalloc(1, sizeof *g);
	int done = find_group(archive_files(a), g, e);
	if (!done && g->n >= least && g->n)
		done = make_filter(a, g, e) < 0 ? -1 : 1;
	free(g);
	return done;
}

/* --- keeping ------------------------------------------------------------------------------------------------------ */

int archive_filters_prune(struct archive *a, struct err *e)
{
	struct archive_files *f = archive_files(a);
	sqlite3_stmt *st = archive_prepare(f, Q_FILTER_UNUSED, e);
	char name[ARCHIVE_NAME];
	int rc = SQLITE_ERROR;
	while (st && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		filter_name(sqlite3_column_int64(st, 0), name);
		archive_doom(a, name);
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? archive_finish(f, archive_prepare(f, Q_FILTER_DROP, e), e) : failed(f, e);
}

/* The numbers of those of that time, newest first. */
static int list_filters(struct archive_files *f, int64_t since_us, int64_t until_us, struct filter_answers *ret, struct err *e)
{
	sqlite3_stmt *st = archive_prepare(f, Q_FILTER_IDS, e);
	size_t cap = 0;
	int rc = SQLITE_ERROR;
	if (st) {
		sqlite3_bind_int64(st, 1, since_us);
		sqlite3_bind_int64(st, 2, until_us);
	}
	while (st && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (ret->n == cap) {
			cap = cap ? cap * 2 : 16;
			ret->v = xrealloc(ret->v, cap * sizeof *ret->v);
		}
		ret->v[ret->n++] = (struct filter_answer){ .id = sqlite3_column_int64(st, 0), .may = ~0ull };
		ret->newest = sqlite3_column_int64(st, 1);
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : failed(f, e);
}

static void forget(struct archive_files *f, int64_t id, const struct err *why)
{
	msg_warn("%s; the filter is made anew", why->text);
	sqlite3_stmt *st = archive_prepare(f, Q_FILTER_FORGET, NULL);
	if (st)
		sqlite3_bind_int64(st, 1, id);
	(void)archive_finish(f, st, NULL);
}

void archive_filters_check(struct archive_files *f)
{
	struct filter_answers all = { 0 };
	bool any = false;
	(void)list_filters(f, INT64_MIN, INT64_MAX, &all, NULL);
	for (size_t i = 0; i < all.n; i++) {
		struct err e = { "" };
		struct segment_filter *filter = open_filter(f, all.v[i].id, &e);
		if (!filter)
			forget(f, all.v[i].id, &e);
		any |= !filter;
		segment_filter_free(filter);
	}
	if (any)
		(void)archive_finish(f, archive_prepare(f, Q_FILTER_DROP, NULL), NULL);
	free(all.v);
}

void archive_filters_close(struct archive_files *f, bool all)
{
	char name[ARCHIVE_NAME];
	for (size_t i = 0; i < ARCHIVE_FILTERS; i++) {
		struct archive_slot *slot = &f->slot[i];
		filter_name(slot->id, name);
		if (!slot->filter || !(all || archive_gone(f, name)))
			continue;
		segment_filter_free(slot->filter);
		*slot = (struct archive_slot){ 0 };
	}
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static struct archive_slot *slot_of(struct archive_files *f, int64_t id)
{
	return &f->slot[(uint64_t)id % ARCHIVE_FILTERS];
}

struct asking { struct archive_files *f; const struct archive_query *q; struct filter_answers *answers; };

static void ask_one(void *ctx, unsigned worker, size_t i)
{
	const struct asking *x = ctx;
	struct filter_answer *v = &x->answers->v[i];
	(void)worker;
	if (v->is_new)
		v->filter = open_filter(x->f, v->id, &v->err);
	if (v->filter)
		v->may = segment_filter_ask(v->filter, x->q, &v->damaged);
}

/* Those that are open. True: there are others, which get their slots. A slot that a newer one has is left to it. */
static bool take_open(struct archive_files *f, struct filter_answers *answers)
{
	bool any_new = false;
	for (size_t i = 0; i < answers->n; i++) {
		struct filter_answer *v = &answers->v[i];
		struct archive_slot *slot = slot_of(f, v->id);
		v->is_new = slot->id < v->id;
		any_new |= v->is_new;
		if (v->is_new) {
			segment_filter_free(slot->filter);
			*slot = (struct archive_slot){ .id = v->id };
		}
		v->filter = slot->id == v->id ? slot->filter : NULL;
	}
	return any_new;
}

/* Whether a filter is of those segments that the catalog says. A number is never given twice, so this holds as long as the filter is open. */
static bool is_theirs(struct archive_files *f, const struct filter_answer *v)
{
	sqlite3_stmt *st = archive_prepare(f, Q_FILTER_MEMBERS, NULL);
	bool good = true;
	int rc = SQLITE_ERROR;
	if (st)
		sqlite3_bind_int64(st, 1, v->id);
	while (st && (rc = sqlite3_step(st)) == SQLITE_ROW)
		good &= segment_filter_covers(v->filter, (unsigned)sqlite3_column_int(st, 0), (const char *)sqlite3_column_text(st, 1));
	sqlite3_finalize(st);
	return good && rc == SQLITE_DONE;
}

/* Takes over what was opened, unless it is of other segments. */
static void take_new(struct archive_files *f, struct filter_answer *v, struct archive_slot *slot)
{
	if (!v->filter) {
		msg_warn("%s; its segments are searched without", v->err.text);
	} else if (!is_theirs(f, v)) {
		msg_warn("%s/%08" PRId64 ".filter: is of other segments; its own are searched without", f->dir, v->id);
		segment_filter_free(v->filter);
		v->filter = NULL;
		v->may = ~0ull;
	}
	slot->filter = v->filter;
	f->opened++;
}

/* Keeps those that were opened; what is wrong is told once. */
static void keep_open(struct archive_files *f, struct filter_answers *answers)
{
	for (size_t i = 0; i < answers->n; i++) {
		struct filter_answer *v = &answers->v[i];
		struct archive_slot *slot = slot_of(f, v->id);
		if (v->is_new)
			take_new(f, v, slot);
		if (v->filter && v->damaged && !slot->told)
			msg_warn("%s/%08" PRId64 ".filter: damaged; some segments are searched without", f->dir, v->id);
		slot->told |= v->damaged;
	}
}

int archive_filters_ask(struct archive_files *f, const struct archive_query *q, struct filter_answers *ret, struct err *e)
{
	struct asking x = { f, q, ret };
	*ret = (struct filter_answers){ 0 };
	if (!segment_filter_helps(q))
		return 0;
	if (list_filters(f, q->since_us ? q->since_us : INT64_MIN, q->until_us ? q->until_us : INT64_MAX, ret, e) < 0)
		return -1;
	if (take_open(f, ret)) {
		crew_run(f->crew, ret->n, ask_one, &x); /* the disk is waited for */
	} else {
		for (size_t i = 0; i < ret->n; i++)
			if (ret->v[i].filter)
				segment_filter_ahead(ret->v[i].filter, q);
		for (size_t i = 0; i < ret->n; i++)
			ask_one(&x, 0, i);
	}
	keep_open(f, ret);
	return 0;
}

static const struct filter_answer *answer_of(const struct filter_answers *answers, int64_t id)
{
	size_t lo = 0, hi = answers->n; /* numbers fall */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (answers->v[mid].id > id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < answers->n && answers->v[lo].id == id ? &answers->v[lo] : NULL;
}

bool archive_filters_exclude(const struct filter_answers *answers, int64_t id, unsigned bit)
{
	const struct filter_answer *v = id ? answer_of(answers, id) : NULL;
	return v && v->filter && !(v->may >> bit & 1);
}

size_t archive_filters_may(const struct filter_answers *answers, size_t *ret_of)
{
	size_t n = 0;
	*ret_of = answers->n * FILTER_SEGMENTS;
	for (size_t i = 0; i < answers->n; i++)
		n += (size_t)__builtin_popcountll(answers->v[i].may);
	return n;
}

/* --- the segments that are left ----------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
	const struct archive_entry *x = a, *y = b;
	return x->day != y->day ? (x->day < y->day ? 1 : -1) : (x->id < y->id) - (x->id > y->id);
}

/* What a statement gives. It can be asked again. */
static int add_entries(struct archive_files *f, sqlite3_stmt *st, struct buf *ret, struct err *e)
{
	int rc;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct archive_entry x = { .id = sqlite3_column_int64(st, 0), .day = sqlite3_column_int64(st, 2) };
		(void)snprintf(x.name, sizeof x.name, "%s", (const char *)sqlite3_column_text(st, 1));
		buf_add(ret, &x, sizeof x);
	}
	return rc == SQLITE_DONE && sqlite3_reset(st) == SQLITE_OK ? 0 : failed(f, e);
}

static void bind_times(sqlite3_stmt *st, int first, const struct archive_query *q)
{
	sqlite3_bind_int64(st, first, q->since_us ? q->since_us : INT64_MIN);
	sqlite3_bind_int64(st, first + 1, q->until_us ? q->until_us : INT64_MAX);
}

static int add_members(struct archive_files *f, const struct archive_query *q, const struct filter_answers *answers, struct buf *ret, struct err *e)
{
	sqlite3_stmt *st = archive_prepare(f, Q_FILTER_MEMBER, e);
	int bad = st ? 0 : -1;
	if (st)
		bind_times(st, 3, q);
	for (size_t i = 0; i < answers->n; i++) {
		for (uint64_t may = answers->v[i].may; may && !bad; may &= may - 1) {
			sqlite3_bind_int64(st, 1, answers->v[i].id);
			sqlite3_bind_int(st, 2, __builtin_ctzll(may));
			bad = add_entries(f, st, ret, e);
		}
	}
	sqlite3_finalize(st);
	return bad;
}

/* Those without come last: a segment that is joined or loses its filter between two statements has none afterwards, and one of a filter
 * that was made meanwhile counts as such. */
int archive_filters_left(struct archive_files *f, const struct archive_query *q, const struct filter_answers *answers, struct buf *ret, struct err *e)
{
	if (add_members(f, q, answers, ret, e) < 0)
		return -1;
	sqlite3_stmt *st = archive_prepare(f, Q_FILTER_WITHOUT, e);
	if (!st)
		return -1;
	sqlite3_bind_int64(st, 1, answers->newest);
	bind_times(st, 2, q);
	int bad = add_entries(f, st, ret, e);
	sqlite3_finalize(st);
	if (ret->n)
		qsort(ret->p, ret->n / sizeof(struct archive_entry), sizeof(struct archive_entry), by_place);
	return bad;
}
