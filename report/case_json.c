#include "report/case_json.h"

#include "report/advice.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lib/jsonw.h"
#include "lib/times.h"

void case_json_score(struct buf *out, int64_t score)
{
	int64_t tenths = (score * 10 + 2048) / 4096;
	buf_printf(out, "%" PRId64 ".%" PRId64, tenths / 10, tenths % 10);
}

static void field_score(struct buf *b, struct sv name, int64_t score)
{
	jsonw_key(b, name);
	case_json_score(b, score);
}

static void field_time(struct buf *b, struct sv name, int64_t us, int32_t offset)
{
	jsonw_key(b, name);
	jsonw_time(b, us, offset);
}

static void put_detector(sqlite3_stmt *st, int32_t offset, struct buf *b)
{
	jsonw_field_text(b, SV("name"), db_text(st, 0));
	field_score(b, SV("score"), sqlite3_column_int64(st, 1));
	field_time(b, SV("since"), sqlite3_column_int64(st, 2), offset);
	jsonw_field_text(b, SV("why"), db_text(st, 3));
}

static void put_evidence(sqlite3_stmt *st, int32_t offset, struct buf *b)
{
	field_time(b, SV("time"), sqlite3_column_int64(st, 0), offset);
	jsonw_field_text(b, SV("detector"), db_text(st, 1));
	jsonw_field_text(b, SV("line"), db_text(st, 2));
}

static void put_source(sqlite3_stmt *st, int32_t offset, struct buf *b)
{
	jsonw_field_text(b, SV("ip"), db_text(st, 0));
	jsonw_field_text(b, SV("country"), db_text(st, 1));
	jsonw_field_int(b, SV("asn"), sqlite3_column_int64(st, 2));
	jsonw_field_int(b, SV("messages"), sqlite3_column_int64(st, 3));
	field_time(b, SV("first_seen"), sqlite3_column_int64(st, 4), offset);
	field_time(b, SV("last_seen"), sqlite3_column_int64(st, 5), offset);
}

/* "key":[{…},…] with one object per row of the query. */
static void put_list(struct db *d, struct sv key, enum query q, int64_t id, int32_t offset,
                     void (*put)(sqlite3_stmt *, int32_t, struct buf *), struct buf *b)
{
	sqlite3_stmt *st = db_query(d, q, "i", id);
	jsonw_key(b, key);
	buf_addc(b, '[');
	while (sqlite3_step(st) == SQLITE_ROW) {
		jsonw_sep(b);
		buf_addc(b, '{');
		put(st, offset, b);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
	sqlite3_reset(st);
}

/* Columns of Q_CASE_JSON. */
enum { ID, KIND, RUNNER_UP, PKIND, PID, CUSTOMER, STATE, LEVEL, SEVERITY, SCORE, PEAK, THRESHOLD, FIRST, OPENED, UPDATED, CLOSED, REOPENED,
       MESSAGES, RECIPIENTS, SENTENCE, ALSO, COUNTER, GUARDS, OFFSET, PARENT };

static void head(sqlite3_stmt *st, int32_t offset, struct buf *b)
{
	jsonw_field_int(b, SV("id"), sqlite3_column_int64(st, ID));
	jsonw_key(b, SV("principal"));
	buf_addc(b, '{');
	jsonw_field_text(b, SV("kind"), db_text(st, PKIND));
	jsonw_field_text(b, SV("id"), db_text(st, PID));
	buf_addc(b, '}');
	jsonw_field_text(b, SV("customer"), db_text(st, CUSTOMER));
	jsonw_field_text(b, SV("kind"), db_text(st, KIND));
	if (sqlite3_column_bytes(st, RUNNER_UP))
		jsonw_field_text(b, SV("runner_up"), db_text(st, RUNNER_UP));
	jsonw_field_text(b, SV("severity"), db_text(st, SEVERITY));
	jsonw_field_text(b, SV("level"), db_text(st, LEVEL));
	field_score(b, SV("score"), sqlite3_column_int64(st, SCORE));
	field_score(b, SV("peak_score"), sqlite3_column_int64(st, PEAK));
	field_score(b, SV("threshold"), sqlite3_column_int64(st, THRESHOLD));
	jsonw_field_text(b, SV("state"), db_text(st, STATE));
	field_time(b, SV("opened_at"), sqlite3_column_int64(st, OPENED), offset);
	field_time(b, SV("updated_at"), sqlite3_column_int64(st, UPDATED), offset);
	field_time(b, SV("first_seen"), sqlite3_column_int64(st, FIRST), offset);
	if (sqlite3_column_type(st, CLOSED) != SQLITE_NULL)
		field_time(b, SV("closed_at"), sqlite3_column_int64(st, CLOSED), offset);
	jsonw_field_int(b, SV("reopened"), sqlite3_column_int64(st, REOPENED));
	jsonw_field_int(b, SV("messages"), sqlite3_column_int64(st, MESSAGES));
	jsonw_field_int(b, SV("recipients"), sqlite3_column_int64(st, RECIPIENTS));
	jsonw_field_text(b, SV("sentence"), db_text(st, SENTENCE));
	jsonw_key(b, SV("also"));
	buf_addsv(b, db_text(st, ALSO)); /* JSON already */
	jsonw_field_text(b, SV("counter_evidence"), db_text(st, COUNTER));
	jsonw_key(b, SV("guards"));
	buf_addsv(b, db_text(st, GUARDS));
	jsonw_field_text(b, SV("advice"), sv_cstr(advice_for((const char *)sqlite3_column_text(st, KIND))));
	if (sqlite3_column_int64(st, PARENT))
		jsonw_field_int(b, SV("parent"), sqlite3_column_int64(st, PARENT));
}

int case_json_each(struct db *d, const struct case_filter *f, case_json_cb *cb, void *ctx, struct err *e)
{
	struct buf b = { 0 };
	int rc;
	sqlite3_stmt *st = db_query(d, Q_CASE_JSON, "ii", (int64_t)f->open_only, f->since_us);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		int64_t id = sqlite3_column_int64(st, ID);
		int32_t offset = sqlite3_column_int(st, OFFSET);
		buf_clear(&b);
		buf_addc(&b, '{');
		head(st, offset, &b);
		put_list(d, SV("detectors"), Q_CASE_JSON_DETECTORS, id, offset, put_detector, &b);
		put_list(d, SV("sources"), Q_CASE_JSON_SOURCES, id, offset, put_source, &b);
		put_list(d, SV("evidence"), Q_CASE_JSON_EVIDENCE, id, offset, put_evidence, &b);
		buf_addc(&b, '}');
		if (!cb(ctx, buf_sv(&b)))
			break;
	}
	sqlite3_reset(st);
	buf_fini(&b);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : err_set(e, "%s: %s", d->path, sqlite3_errmsg(d->h));
}
