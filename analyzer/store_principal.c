/* Principals in the store. A commit of many would write a page for nearly each of them, twice a second, for counts of which nobody reads before the next ones
 * come: where that is wanted (store.defers), those of whom nothing shows but counts go to the end of principal_late, and to their places once a minute.
 * What a commit has is all there either way: a store that is opened takes the late ones over before anything else. */
#include <stdlib.h>

#include "analyzer/acase.h"
#include "analyzer/store.h"
#include "lib/msg.h"

#define SETTLE_US (60 * US_PER_S)
#define LATE_BYTES_MAX (8u << 20) /* of what changed in memory */
#define LATE_ROWS_MAX 16384u /* some 5 MB, and a quarter of a second when they are taken over */

/* --- loading ------------------------------------------------------------------------------------------------------ */

static bool has_rows(struct store *s, enum query any)
{
	sqlite3_stmt *st = db_query(&s->db, any, "");
	bool has = db_row(&s->db, st);
	sqlite3_reset(st);
	return has;
}

int store_principals_take(struct store *s, struct err *e)
{
	s->had_principals = has_rows(s, Q_PRINCIPAL_ANY);
	if (!has_rows(s, Q_PRINCIPAL_LATE_ANY))
		return 0;
	if (db_exec(&s->db, "BEGIN IMMEDIATE", e) < 0)
		return -1;
	if (db_run(&s->db, e, Q_PRINCIPAL_LATE_TAKE, "") == 0 && db_run(&s->db, e, Q_PRINCIPAL_LATE_CLEAR, "") == 0 && db_exec(&s->db, "COMMIT", e) == 0)
		return 0;
	if (!sqlite3_get_autocommit(s->db.h))
		(void)db_exec(&s->db, "ROLLBACK", NULL);
	return -1;
}

bool store_principal_load(void *ctx, struct judge *j, struct principal *p)
{
	struct store *s = ctx;
	if (!s->had_principals)
		return false;
	sqlite3_stmt *st = db_query(&s->db, Q_PRINCIPAL_GET, "ss", principal_kind_name(p->kind), p->id);
	bool found = db_row(&s->db, st);
	if (found) {
		p->score = sqlite3_column_int(st, 0);
		p->first_us = sqlite3_column_int64(st, 1);
		p->last_us = sqlite3_column_int64(st, 2);
		p->messages = (uint64_t)sqlite3_column_int64(st, 3);
		p->recipients = (uint64_t)sqlite3_column_int64(st, 4);
		p->bounced = (uint64_t)sqlite3_column_int64(st, 5);
		if (store_state_decode(j, p, db_blob(st, 6)) < 0)
			msg_warn("%s: the state of %s is damaged; it is learned anew", s->db.path, p->id);
		hours_decode(&p->hours, db_blob(st, 7));
		struct sv id = db_text(st, 8); /* is found however it is written; of lower and upper case only */
		if (id.n == strlen(p->id))
			memcpy(p->id, id.p, id.n);
		p->shown = p->score >= STORE_SHOWS_FROM || sqlite3_column_int(st, 9);
	}
	sqlite3_reset(st);
	return found;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* In the order of their index. */
static int by_kind_and_id(const void *x, const void *y)
{
	const struct principal *a = *(const struct principal *const *)x, *b = *(const struct principal *const *)y;
	int c = a->kind == b->kind ? 0 : strcmp(principal_kind_name(a->kind), principal_kind_name(b->kind));
	return c ? c : strcmp(a->id, b->id);
}

static int64_t case_of(const struct principal *p)
{
	return p->open_case && acase_is_open(p->open_case) ? p->open_case->id : 0;
}

/* More than counts. */
static bool shows(const struct principal *p)
{
	return p->score >= STORE_SHOWS_FROM || case_of(p);
}

struct rows { const struct judge *j; const struct principal **v; size_t n; struct buf *state, *today; /* DB_ROWS of each */ };

static void bind_principal(struct db_binder *b, const void *ctx, size_t i)
{
	const struct rows *x = ctx;
	const struct principal *p = x->v[i];
	struct buf *state = &x->state[i % DB_ROWS], *today = &x->today[i % DB_ROWS];
	buf_clear(state);
	buf_clear(today);
	store_state_encode(x->j, p, state);
	hours_encode(&p->hours, today);
	db_bind(b, "sssiiiiiiibb", principal_kind_name(p->kind), p->id, judge_customer(x->j, p), (int64_t)p->score, p->first_us, p->last_us,
	        (int64_t)p->messages, (int64_t)p->recipients, (int64_t)p->bounced, case_of(p), buf_sv(state), buf_sv(today));
}

/* Who is late stays so until all are written: the last row there must not be older than its own. */
static bool goes_late(const struct store *s, const struct principal *p)
{
	return s->defers && !s->settles && (p->late || !(p->fresh || p->shown || shows(p)));
}

static bool goes_in_place(const struct store *s, const struct principal *p)
{
	return !goes_late(s, p) || p->shown || shows(p);
}

static int write_those(struct store *s, struct rows *x, enum query q, bool (*goes)(const struct store *s, const struct principal *p), struct err *e)
{
	x->n = 0;
	for (const struct principal *p = x->j->dirty; p; p = p->next_dirty)
		if (goes(s, p))
			x->v[x->n++] = p;
	qsort(x->v, x->n, sizeof *x->v, by_kind_and_id);
	return db_run_rows(&s->db, e, q, x->n, bind_principal, x);
}

static int write_rows(struct store *s, struct rows *x, struct err *e)
{
	int bad = write_those(s, x, Q_PRINCIPAL_PUT, goes_in_place, e);
	if (!bad && s->defers)
		bad = write_those(s, x, Q_PRINCIPAL_LATE_ADD, goes_late, e);
	s->late_new = s->defers ? x->n : 0;
	return bad || (s->settles && s->late_rows && db_run(&s->db, e, Q_PRINCIPAL_LATE_CLEAR, "") < 0) ? -1 : 0;
}

int store_principals_write(struct store *s, struct judge *j, struct err *e)
{
	struct buf state[DB_ROWS] = { { 0 } }, today[DB_ROWS] = { { 0 } };
	struct rows x = { .j = j, .state = state, .today = today };
	size_t n = 0;
	int64_t now_us = j->site->now_us;
	s->settles |= s->late_rows >= LATE_ROWS_MAX || s->late_bytes >= LATE_BYTES_MAX || judge_full(j) || now_us - s->settled_us >= SETTLE_US;
	if (s->settles && s->late_rows)
		judge_touch_late(j);
	for (const struct principal *p = j->dirty; p; p = p->next_dirty)
		n++;
	x.v = xcalloc(n ? n : 1, sizeof *x.v);
	int bad = write_rows(s, &x, e);
	for (size_t i = 0; i < DB_ROWS; i++) {
		buf_fini(&state[i]);
		buf_fini(&today[i]);
	}
	free(x.v);
	return bad;
}

void store_principals_committed(struct store *s, struct judge *j)
{
	while (j->dirty) {
		struct principal *p = j->dirty;
		j->dirty = p->next_dirty;
		p->next_dirty = NULL;
		p->late = goes_late(s, p);
		p->shown = shows(p);
		p->dirty = p->fresh = false;
		judge_weigh(j, p);
	}
	s->late_rows = s->settles ? 0 : s->late_rows + s->late_new;
}
