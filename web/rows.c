#include "web/rows.h"

#include <stdio.h>
#include <time.h>

#include "lib/jsonw.h"
#include "lib/times.h"

int32_t site_offset_s(int64_t us)
{
	time_t t = (time_t)(us / US_PER_S);
	struct tm tm;
	return localtime_r(&t, &tm) ? (int32_t)tm.tm_gmtoff : 0;
}

struct json_object *json_text(struct sv s)
{
	struct buf b = { 0 };
	size_t good = 0;
	while (good < s.n) {
		size_t n = s.p[good] ? utf8_length(sv_skip(s, good)) : 0;
		if (!n)
			break;
		good += n;
	}
	if (good == s.n)
		return json_object_new_string_len(s.n ? s.p : "", (int)s.n);
	buf_add(&b, s.p, good);
	for (s = sv_skip(s, good); s.n;) {
		size_t n = s.p[0] ? utf8_length(s) : 0;
		if (n)
			buf_add(&b, s.p, n);
		else
			buf_puts(&b, "\xef\xbf\xbd");
		s = sv_skip(s, n ? n : 1);
	}
	struct json_object *o = json_object_new_string_len(b.p, (int)b.n);
	buf_fini(&b);
	return o;
}

struct json_object *json_time_at(int64_t us, int32_t offset)
{
	/* Whole seconds: no log says more that matters on a page. */
	return us ? json_object_new_string(times_text(us - us % US_PER_S, offset).s) : NULL;
}

struct json_object *json_time(int64_t us)
{
	return json_time_at(us, site_offset_s(us));
}

struct json_object *json_score(int64_t score)
{
	char text[32];
	int64_t tenths = (score * 10 + (score < 0 ? -2048 : 2048)) / 4096;
	(void)snprintf(text, sizeof text, "%s%lld.%lld", tenths < 0 ? "-" : "", (long long)(tenths < 0 ? -tenths : tenths) / 10,
	               (long long)(tenths < 0 ? -tenths : tenths) % 10);
	return json_object_new_double_s((double)tenths / 10, text);
}

static int offset_column(sqlite3_stmt *st)
{
	for (int i = 0; i < sqlite3_column_count(st); i++)
		if (strcmp(sqlite3_column_name(st, i), "utc_offset_s") == 0)
			return i;
	return -1;
}

static bool ends(struct sv name, const char *suffix)
{
	return sv_ends(name, sv_cstr(suffix));
}

static void add_column(struct json_object *row, sqlite3_stmt *st, int i, int off)
{
	struct sv name = sv_cstr(sqlite3_column_name(st, i));
	char key[64];
	int type = sqlite3_column_type(st, i);
	int64_t v = sqlite3_column_int64(st, i);
	if (ends(name, "_us") && name.n < sizeof key - 2) {
		(void)snprintf(key, sizeof key, "%.*s%s", (int)name.n - 3, name.p, name.n == 5 && name.p[0] == 'a' ? "" : "_at");
		json_put(row, key, off >= 0 ? json_time_at(v, sqlite3_column_int(st, off)) : json_time(v));
	} else if (ends(name, "_json") && name.n < sizeof key) {
		(void)snprintf(key, sizeof key, "%.*s", (int)name.n - 5, name.p);
		json_put(row, key, json_tokener_parse((const char *)sqlite3_column_text(st, i)));
	} else if (type == SQLITE_NULL) {
		json_put(row, name.p, NULL);
	} else if (ends(name, "score") || sv_eq(name, SV("threshold"))) {
		json_put(row, name.p, json_score(v));
	} else if (type == SQLITE_INTEGER) {
		json_put(row, name.p, json_object_new_int64(v));
	} else if (type == SQLITE_FLOAT) {
		json_put(row, name.p, json_object_new_double(sqlite3_column_double(st, i)));
	} else {
		json_put(row, name.p, json_text(db_text(st, i)));
	}
}

static struct json_object *row_object(sqlite3_stmt *st)
{
	struct json_object *row = json_object_new_object();
	int off = offset_column(st);
	for (int i = 0; i < sqlite3_column_count(st); i++)
		if (i != off)
			add_column(row, st, i, off);
	return row;
}

static int failed(struct db *d, struct err *e)
{
	return err_set(e, "the store cannot be read: %s", sqlite3_errmsg(d->h));
}

struct json_object *rows_all(struct db *d, sqlite3_stmt *st, struct err *e)
{
	struct json_object *all = json_object_new_array();
	int r;
	while ((r = sqlite3_step(st)) == SQLITE_ROW)
		json_object_array_add(all, row_object(st));
	sqlite3_reset(st);
	if (r == SQLITE_DONE)
		return all;
	json_object_put(all);
	(void)failed(d, e);
	return NULL;
}

struct json_object *rows_one(struct db *d, sqlite3_stmt *st, struct err *e)
{
	struct json_object *row = NULL;
	int r = sqlite3_step(st);
	if (e)
		e->text[0] = 0;
	if (r == SQLITE_ROW)
		row = row_object(st);
	else if (r != SQLITE_DONE)
		(void)failed(d, e);
	sqlite3_reset(st);
	return row;
}

int rows_add(struct json_object *out, const char *key, struct db *d, sqlite3_stmt *st, struct err *e)
{
	struct json_object *all = rows_all(d, st, e);
	if (!all)
		return -1;
	json_put(out, key, all);
	return 0;
}

void json_merge(struct json_object *out, struct json_object *row)
{
	struct json_object_iterator i = json_object_iter_begin(row), end = json_object_iter_end(row);
	for (; !json_object_iter_equal(&i, &end); json_object_iter_next(&i))
		json_put(out, json_object_iter_peek_name(&i), json_object_get(json_object_iter_peek_value(&i)));
	json_object_put(row);
}

int64_t json_int(struct json_object *o, const char *key)
{
	struct json_object *v;
	return json_object_object_get_ex(o, key, &v) ? json_object_get_int64(v) : 0;
}

const char *json_str(struct json_object *o, const char *key)
{
	struct json_object *v;
	return json_object_object_get_ex(o, key, &v) && v ? json_object_get_string(v) : "";
}
