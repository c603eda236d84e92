/* What the overview shows, in the store. */
#include <stdlib.h>

#include "analyzer/rollup.h"
#include "analyzer/store.h"
#include "lib/wire.h"

/* What was counted of the hour at hand. */
int store_rollup_load(struct store *s, struct judge *j, struct err *e)
{
	int rc;
	size_t rows = 0;
	sqlite3_stmt *st = db_query(&s->db, Q_HOUR_NOW_ALL, "");
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		rows++;
		struct sv what = db_text(st, 0), id = db_text(st, 2);
		int kind = principal_kind_named((const char *)sqlite3_column_text(st, 1));
		rollup_hour(j->rollup, sqlite3_column_int64(st, 3));
		struct rollup_row *r = sv_eq(what, SV("receiver")) ? rollup_receiver(j->rollup, hash_sv(&j->key, id), id)
		                                                  : rollup_principal(j->rollup, judge_key(j, (enum principal_kind)kind, id), (uint8_t)kind, id);
		for (unsigned c = 0; c < 6; c++) /* in the order of the enum */
			r->n[ROLLUP_MESSAGES + c] += (uint32_t)sqlite3_column_int64(st, 4 + (int)c);
	}
	sqlite3_reset(st);
	rollup_committed(j->rollup);
	j->rollup->stored_rows = rows;
	return rc == SQLITE_DONE ? 0 : err_set(e, "%s: %s", s->db.path, sqlite3_errmsg(s->db.h));
}

#define N(row, c) (int64_t)(row)->n[ROLLUP_##c]

/* In the order of their table: what comes in order is put beside the one before, and fewer pages are touched. */
static int by_id(uint64_t kind_a, struct sv a, uint64_t kind_b, struct sv b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = kind_a == kind_b ? 0 : strcmp(principal_kind_name((enum principal_kind)kind_a), principal_kind_name((enum principal_kind)kind_b));
	c = c || !n ? c : memcmp(a.p, b.p, n);
	return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int by_time_and_id(const void *x, const void *y)
{
	const struct rollup_row *a = *(const struct rollup_row *const *)x, *b = *(const struct rollup_row *const *)y;
	return a->time_us != b->time_us ? (a->time_us > b->time_us) - (a->time_us < b->time_us) : by_id(a->kind, a->id, b->kind, b->id);
}

struct rows { const char *what; const struct rollup_row **v; bool whole; };

/* x->v holds k rows, which it frees. */
static int write_sorted(struct store *s, enum query q, void (*row)(struct db_binder *b, const void *ctx, size_t i), const struct rows *x, size_t k, struct err *e)
{
	qsort(x->v, k, sizeof *x->v, by_time_and_id);
	int bad = db_run_rows(&s->db, e, q, k, row, x);
	free(x->v);
	return bad;
}

static int write_rows(struct store *s, enum query q, void (*row)(struct db_binder *b, const void *ctx, size_t i), const char *what, const struct rollup_row *v, size_t n, struct err *e)
{
	struct rows x = { what, xcalloc(n ? n : 1, sizeof *x.v), true };
	for (size_t i = 0; i < n; i++)
		x.v[i] = &v[i];
	return write_sorted(s, q, row, &x, n, e);
}

static void bind_hour(struct db_binder *b, const void *ctx, size_t i)
{
	const struct rows *x = ctx;
	struct rollup_row r = *x->v[i];
	for (unsigned c = 0; !x->whole && c < ROLLUP_COLUMNS; c++)
		r.n[c] -= r.stored[c];
	db_bind(b, "sstiiiiiii", x->what, *x->what == 'p' ? principal_kind_name(r.kind) : "", r.id, r.time_us, N(&r, MESSAGES), N(&r, RECIPIENTS), N(&r, SENT),
	        N(&r, DEFERRED), N(&r, BOUNCED), N(&r, REFUSED));
}

static int write_map(struct store *s, const char *what, const struct rollup_map *m, bool whole, struct err *e)
{
	if (whole)
		return write_rows(s, Q_HOUR_NOW_ADD, bind_hour, what, m->row, m->n, e);
	struct rows x = { what, xcalloc(m->n_dirty ? m->n_dirty : 1, sizeof *x.v), false };
	for (size_t i = 0; i < m->n_dirty; i++)
		x.v[i] = &m->row[m->dirty[i]];
	return write_sorted(s, Q_HOUR_NOW_ADD, bind_hour, &x, m->n_dirty, e);
}

/* The hour at hand: what came to it, or all of it. */
static int write_hour(struct store *s, const struct rollup *u, struct err *e)
{
	bool whole = rollup_whole(u);
	if (whole && db_run(&s->db, e, Q_HOUR_NOW_CLEAR, "") < 0)
		return -1;
	return write_map(s, "principal", &u->principal, whole, e) || write_map(s, "receiver", &u->receiver, whole, e);
}

struct ended_day { uint64_t kind; struct sv id, hours; int64_t day; };

static void bind_day(struct db_binder *b, const void *ctx, size_t i)
{
	const struct ended_day *d = (const struct ended_day *)ctx + i;
	db_bind(b, "stib", principal_kind_name((enum principal_kind)d->kind), d->id, d->day, d->hours);
}

static int by_id_and_day(const void *x, const void *y)
{
	const struct ended_day *a = x, *b = y;
	int c = by_id(a->kind, a->id, b->kind, b->id);
	c = c ? c : (a->day > b->day) - (a->day < b->day);
	return c ? c : (a->hours.p > b->hours.p) - (a->hours.p < b->hours.p); /* in the order of their ends */
}

static int write_days(struct store *s, const struct judge *j, struct err *e)
{
	struct wire w = wire_of(buf_sv(&j->ended_days));
	struct ended_day *day = NULL;
	size_t n = 0, cap = 0;
	while (w.p && w.p < w.end && !w.bad) {
		if (n == cap) {
			cap = cap ? cap * 2 : 256;
			day = xrealloc(day, cap * sizeof *day);
		}
		struct ended_day *d = &day[n++];
		d->kind = wire_get_u(&w);
		d->id = wire_get_sv(&w);
		d->day = wire_get_i(&w);
		d->hours = wire_get_sv(&w);
	}
	if (n)
		qsort(day, n, sizeof *day, by_id_and_day);
	int bad = db_run_rows(&s->db, e, Q_PRINCIPAL_DAY_PUT, n, bind_day, day);
	free(day);
	return bad;
}

static void bind_principal_hour(struct db_binder *b, const void *ctx, size_t i)
{
	const struct rollup_row *r = ((const struct rows *)ctx)->v[i];
	db_bind(b, "istiiii", r->time_us, principal_kind_name(r->kind), r->id, N(r, MESSAGES), N(r, RECIPIENTS), N(r, BOUNCED), N(r, REFUSED));
}

static void bind_receiver_hour(struct db_binder *b, const void *ctx, size_t i)
{
	const struct rollup_row *r = ((const struct rows *)ctx)->v[i];
	db_bind(b, "itiiiii", r->time_us, r->id, N(r, RECIPIENTS), N(r, SENT), N(r, DEFERRED), N(r, BOUNCED), N(r, REFUSED));
}

static void bind_volume(struct db_binder *b, const void *ctx, size_t i)
{
	const struct rollup_row *r = ((const struct rows *)ctx)->v[i];
	db_bind(b, "iiiiiiii", r->time_us, N(r, MESSAGES), N(r, RECIPIENTS), N(r, SENT), N(r, DEFERRED), N(r, BOUNCED), N(r, REFUSED), N(r, AUTH_FAILED));
}

/* Rows that nothing changes any more. */
static int write_ended(struct store *s, const struct judge *j, struct err *e)
{
	const struct rollup *u = j->rollup;
	return write_days(s, j, e) || write_rows(s, Q_PRINCIPAL_HOUR_ADD, bind_principal_hour, "", u->top_principals.row, u->top_principals.n, e) ||
	       write_rows(s, Q_RECEIVER_HOUR_ADD, bind_receiver_hour, "", u->top_receivers.row, u->top_receivers.n, e);
}

int store_rollup_write(struct store *s, const struct judge *j, struct err *e)
{
	const struct rollup_map *volume = &j->rollup->volume;
	return write_ended(s, j, e) || write_rows(s, Q_VOLUME_ADD, bind_volume, "", volume->row, volume->n, e) || write_hour(s, j->rollup, e) ? -1 : 0;
}

size_t store_rollup_ended_bytes(const struct judge *j)
{
	return j->ended_days.n + (j->rollup->top_principals.n + j->rollup->top_receivers.n) * sizeof *j->rollup->top_principals.row;
}

int store_rollup_write_ended(struct store *s, struct judge *j, struct err *e)
{
	if (write_ended(s, j, e))
		return -1;
	buf_clear(&j->ended_days);
	rollup_ended_written(j->rollup);
	return 0;
}
