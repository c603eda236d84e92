#include "ctl/backtest_out.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lib/csv.h"
#include "lib/jsonw.h"
#include "lib/plain.h"
#include "lib/times.h"
#include "report/case_json.h"

/* One case as one of the stores has it. */
struct outcome {
	char *principal_kind, *principal_id, *kind, *level, *sentence;
	int64_t peak, opened_us, closed_us; /* closed_us 0: still open at the end of the log */
	int64_t reopened;
	int32_t offset;
};

struct outcomes { struct outcome *v; size_t n, cap; };

enum change { ONLY_TODAY, ONLY_NEW, EARLIER, LATER, SAME, CHANGES };
static const char *const change_names[CHANGES] = { "only-today", "only-new", "earlier", "later", "same" };

struct pair { const struct outcome *today, *new; enum change change; };
struct pairs { struct pair *v; size_t n; };

/* --- reading ------------------------------------------------------------------------------------------------------ */

static int read_outcomes(struct db *d, struct outcomes *ret, struct err *e)
{
	sqlite3_stmt *st = db_query(d, Q_CASE_OUTCOMES, "");
	int rc;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (ret->n == ret->cap) {
			ret->cap = ret->cap ? ret->cap * 2 : 64;
			ret->v = xrealloc(ret->v, ret->cap * sizeof *ret->v);
		}
		ret->v[ret->n++] = (struct outcome){
			.principal_kind = xsvdup(db_text(st, 0)), .principal_id = xsvdup(db_text(st, 1)), .kind = xsvdup(db_text(st, 2)),
			.level = xsvdup(db_text(st, 3)), .peak = sqlite3_column_int64(st, 4), .opened_us = sqlite3_column_int64(st, 5),
			.closed_us = sqlite3_column_int64(st, 6), .reopened = sqlite3_column_int64(st, 7), .offset = sqlite3_column_int(st, 8),
			.sentence = xsvdup(db_text(st, 9)),
		};
	}
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? 0 : err_set(e, "%s: %s", d->path, sqlite3_errmsg(d->h));
}

static void free_outcomes(struct outcomes *o)
{
	for (size_t i = 0; i < o->n; i++) {
		free(o->v[i].principal_kind);
		free(o->v[i].principal_id);
		free(o->v[i].kind);
		free(o->v[i].level);
		free(o->v[i].sentence);
	}
	free(o->v);
}

/* --- pairing ------------------------------------------------------------------------------------------------------ */

static int by_principal(const struct outcome *a, const struct outcome *b)
{
	int c = strcmp(a->principal_kind, b->principal_kind);
	return c ? c : strcmp(a->principal_id, b->principal_id);
}

static bool ends_before(const struct outcome *a, const struct outcome *b)
{
	return a->closed_us && a->closed_us < b->opened_us;
}

/* Which of two cases comes first: <0 the first alone, >0 the second alone, 0 they are about the same thing. */
static int which(const struct outcome *a, const struct outcome *b)
{
	int c = by_principal(a, b);
	return c ? c : ends_before(a, b) ? -1 : ends_before(b, a) ? 1 : 0;
}

static void add(struct pairs *p, const struct outcome *today, const struct outcome *new)
{
	enum change c = !new ? ONLY_TODAY : !today ? ONLY_NEW : SAME;
	if (c == SAME && new->opened_us != today->opened_us)
		c = new->opened_us < today->opened_us ? EARLIER : LATER;
	p->v[p->n++] = (struct pair){ today, new, c };
}

static const struct outcome *any(const struct pair *p)
{
	return p->today ? p->today : p->new;
}

static int by_change(const void *x, const void *y)
{
	const struct pair *a = x, *b = y;
	if (a->change != b->change)
		return a->change < b->change ? -1 : 1;
	const struct outcome *p = any(a), *q = any(b);
	return p->opened_us != q->opened_us ? (p->opened_us < q->opened_us ? -1 : 1) : by_principal(p, q);
}

/* Both are in order of principal and time. */
static struct pairs pair_up(const struct outcomes *today, const struct outcomes *new)
{
	struct pairs p = { xcalloc(today->n + new->n + 1, sizeof *p.v), 0 };
	size_t i = 0, j = 0;
	while (i < today->n || j < new->n) {
		int c = i == today->n ? 1 : j == new->n ? -1 : which(&today->v[i], &new->v[j]);
		add(&p, c <= 0 ? &today->v[i] : NULL, c >= 0 ? &new->v[j] : NULL);
		i += c <= 0;
		j += c >= 0;
	}
	qsort(p.v, p.n, sizeof *p.v, by_change);
	return p;
}

/* Seconds by which the new settings open it later (negative: earlier). */
static int64_t shift_s(const struct pair *p)
{
	return p->today && p->new ? (p->new->opened_us - p->today->opened_us) / US_PER_S : 0;
}

/* --- table -------------------------------------------------------------------------------------------------------- */

static const char *seconds(const struct outcome *o, int64_t us, const char *none, struct times_text *hold)
{
	if (!o)
		return "-";
	if (!us)
		return none;
	*hold = times_text(us, o->offset);
	hold->s[19] = 0;
	hold->s[10] = ' ';
	return hold->s;
}

static void peak(struct buf *b, const struct outcome *o)
{
	struct buf t = { 0 };
	if (o)
		case_json_score(&t, o->peak);
	else
		buf_addc(&t, '-');
	buf_printf(b, "%6.*s ", (int)t.n, t.p);
	buf_fini(&t);
}

static void table_row(const struct pair *p, struct buf *b)
{
	struct times_text t[4];
	const struct outcome *o = p->new ? p->new : p->today;
	buf_printf(b, "%-10s  %-19s  %-19s  %-19s  %-19s ", change_names[p->change], seconds(p->today, p->today ? p->today->opened_us : 0, "", &t[0]),
	           seconds(p->new, p->new ? p->new->opened_us : 0, "", &t[1]), seconds(p->today, p->today ? p->today->closed_us : 0, "open", &t[2]),
	           seconds(p->new, p->new ? p->new->closed_us : 0, "open", &t[3]));
	peak(b, p->today);
	peak(b, p->new);
	if (o)
		buf_printf(b, " %-9s  %-17s  %s %s\n", o->level, o->kind, o->principal_kind, o->principal_id);
}

static int by_number(const void *x, const void *y)
{
	int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
	return (a > b) - (a < b);
}

static int64_t median_shift_s(const struct pairs *p, enum change change)
{
	int64_t *v = xcalloc(p->n + 1, sizeof *v), m;
	size_t n = 0;
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].change == change)
			v[n++] = llabs(shift_s(&p->v[i]));
	qsort(v, n, sizeof *v, by_number);
	m = n ? v[n / 2] : 0;
	free(v);
	return m;
}

static void totals(const struct pairs *p, const struct outcomes *today, const struct outcomes *new, const char *settings, struct buf *b)
{
	size_t n[CHANGES] = { 0 };
	for (size_t i = 0; i < p->n; i++)
		n[p->v[i].change]++;
	if (!*settings) {
		buf_printf(b, "\n%zu case%s with today's settings\n", today->n, today->n == 1 ? "" : "s");
		return;
	}
	buf_printf(b, "\n%zu case%s with today's settings, %zu with %s\n", today->n, today->n == 1 ? "" : "s", new->n, settings);
	buf_printf(b, "only with today's: %zu; only with the new: %zu; with both: %zu", n[ONLY_TODAY], n[ONLY_NEW], n[EARLIER] + n[LATER] + n[SAME]);
	if (n[EARLIER])
		buf_printf(b, ", %zu earlier (median %" PRId64 " s)", n[EARLIER], median_shift_s(p, EARLIER));
	if (n[LATER])
		buf_printf(b, ", %zu later (median %" PRId64 " s)", n[LATER], median_shift_s(p, LATER));
	buf_addc(b, '\n');
}

static void table(const struct pairs *p, const struct outcomes *today, const struct outcomes *new, const char *settings, struct buf *b)
{
	struct buf raw = { 0 };
	buf_printf(&raw, "%-10s  %-19s  %-19s  %-19s  %-19s %6s %6s  %-9s  %-17s  %s\n", "", "opened today's", "opened new", "closed today's",
	           "closed new", "peak", "new", "level", "kind", "principal");
	for (size_t i = 0; i < p->n; i++)
		table_row(&p->v[i], &raw);
	totals(p, today, new, settings, &raw);
	plain_show(b, buf_sv(&raw), "\n");
	buf_fini(&raw);
}

/* --- for programs ------------------------------------------------------------------------------------------------- */

static void json_side(struct buf *b, struct sv key, const struct outcome *o)
{
	if (!o)
		return;
	jsonw_key(b, key);
	buf_addc(b, '{');
	jsonw_key(b, SV("opened_at"));
	jsonw_time(b, o->opened_us, o->offset);
	if (o->closed_us) {
		jsonw_key(b, SV("closed_at"));
		jsonw_time(b, o->closed_us, o->offset);
	}
	jsonw_field_text(b, SV("kind"), sv_cstr(o->kind));
	jsonw_field_text(b, SV("level"), sv_cstr(o->level));
	jsonw_key(b, SV("peak_score"));
	case_json_score(b, o->peak);
	jsonw_field_int(b, SV("reopened"), o->reopened);
	jsonw_field_text(b, SV("sentence"), sv_cstr(o->sentence));
	buf_addc(b, '}');
}

static void json_row(const struct pair *p, struct buf *b)
{
	const struct outcome *o = any(p);
	buf_addc(b, '{');
	jsonw_field_text(b, SV("change"), sv_cstr(change_names[p->change]));
	jsonw_key(b, SV("principal"));
	buf_addc(b, '{');
	jsonw_field_text(b, SV("kind"), sv_cstr(o->principal_kind));
	jsonw_field_text(b, SV("id"), sv_cstr(o->principal_id));
	buf_addc(b, '}');
	if (p->today && p->new)
		jsonw_field_int(b, SV("later_s"), shift_s(p));
	json_side(b, SV("today"), p->today);
	json_side(b, SV("new"), p->new);
	buf_addc(b, '}');
}

static void csv_side(struct buf *b, const struct outcome *o)
{
	struct buf score = { 0 };
	if (o)
		case_json_score(&score, o->peak);
	csv_put(b, false, sv_cstr(o ? times_text(o->opened_us, o->offset).s : ""));
	csv_put(b, false, sv_cstr(o && o->closed_us ? times_text(o->closed_us, o->offset).s : ""));
	csv_put(b, false, sv_cstr(o ? o->kind : ""));
	csv_put(b, false, sv_cstr(o ? o->level : ""));
	csv_put(b, false, buf_sv(&score));
	buf_fini(&score);
}

static void csv_row(const struct pair *p, struct buf *b)
{
	csv_put(b, true, sv_cstr(change_names[p->change]));
	csv_put(b, false, sv_cstr(any(p)->principal_kind));
	csv_put(b, false, sv_cstr(any(p)->principal_id));
	csv_side(b, p->today);
	csv_side(b, p->new);
	csv_end_row(b);
}

static void rows(const struct pairs *p, enum command_format format, struct buf *b)
{
	if (format == FORMAT_CSV)
		buf_puts(b, "change,principal_kind,principal_id,today_opened_at,today_closed_at,today_kind,today_level,today_peak_score,"
		            "new_opened_at,new_closed_at,new_kind,new_level,new_peak_score\r\n");
	if (format == FORMAT_JSON)
		buf_puts(b, "[\n");
	for (size_t i = 0; i < p->n; i++) {
		if (format == FORMAT_CSV) {
			csv_row(&p->v[i], b);
			continue;
		}
		if (i && format == FORMAT_JSON)
			buf_addc(b, ',');
		json_row(&p->v[i], b);
		buf_addc(b, '\n');
	}
	if (format == FORMAT_JSON)
		buf_puts(b, "]\n");
}

int backtest_out(struct db *today, struct db *new, const char *settings, enum command_format format, struct err *e)
{
	struct outcomes t = { 0 }, n = { 0 };
	struct buf b = { 0 };
	int bad = read_outcomes(today, &t, e) < 0 || read_outcomes(new, &n, e) < 0;
	if (!bad) {
		struct pairs p = pair_up(&t, &n);
		if (format == FORMAT_TABLE)
			table(&p, &t, &n, settings, &b);
		else
			rows(&p, format, &b);
		if (fwrite(b.p, 1, b.n, stdout) != b.n)
			bad = err_set(e, "cannot write: %m");
		free(p.v);
	}
	free_outcomes(&t);
	free_outcomes(&n);
	buf_fini(&b);
	return bad ? -1 : 0;
}
