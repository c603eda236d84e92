#include "report/letter_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/embed.h"
#include "lib/mustache.h"
#include "lib/plain.h"
#include "lib/times.h"

extern const struct embed embed_letters[];

/* --- what the template sees --------------------------------------------------------------------------------------- */

struct json_object *letter_text(struct sv s)
{
	struct buf plain = { 0 };
	plain_show(&plain, s, "");
	struct json_object *o = json_object_new_string_len(buf_cstr(&plain), (int)plain.n);
	buf_fini(&plain);
	return o;
}

/* The texts of a JSON list. */
static struct json_object *texts(const char *json)
{
	struct json_object *given = json_tokener_parse(json ? json : "[]"), *list = json_object_new_array();
	for (size_t i = 0; json_object_is_type(given, json_type_array) && i < json_object_array_length(given); i++)
		json_object_array_add(list, letter_text(sv_cstr(json_object_get_string(json_object_array_get_idx(given, i)))));
	json_object_put(given);
	return list;
}

void letter_list(struct json_object *view, const char *key, struct json_object *list)
{
	json_object_object_add(view, key, list);
	if (json_object_array_length(list)) {
		char any[40];
		(void)snprintf(any, sizeof any, "any_%s", key);
		json_object_object_add(view, any, json_object_new_boolean(1));
	}
}

static struct json_object *evidence(struct db *d, int64_t id)
{
	struct json_object *list = json_object_new_array();
	sqlite3_stmt *st = db_query(d, Q_LETTER_EVIDENCE, "i", id);
	while (sqlite3_step(st) == SQLITE_ROW)
		json_object_array_add(list, letter_text(db_text(st, 0)));
	sqlite3_reset(st);
	return list;
}

static struct json_object *sources(struct db *d, int64_t id)
{
	struct json_object *list = json_object_new_array();
	sqlite3_stmt *st = db_query(d, Q_LETTER_SOURCES, "i", id);
	while (sqlite3_step(st) == SQLITE_ROW) {
		struct json_object *o = json_object_new_object();
		json_object_object_add(o, "ip", letter_text(db_text(st, 0)));
		json_object_object_add(o, "country", letter_text(db_text(st, 1)));
		json_object_object_add(o, "asn", json_object_new_int64(sqlite3_column_int64(st, 2)));
		json_object_object_add(o, "messages", json_object_new_int64(sqlite3_column_int64(st, 3)));
		json_object_object_add(o, "one_message", json_object_new_boolean(sqlite3_column_int64(st, 3) == 1));
		json_object_array_add(list, o);
	}
	sqlite3_reset(st);
	return list;
}

static void flag(struct json_object *view, struct sv name)
{
	char key[64];
	size_t n = name.n < sizeof key - 1 ? name.n : sizeof key - 1;
	for (size_t i = 0; i < n; i++)
		key[i] = name.p[i] == '-' ? '_' : name.p[i];
	key[n] = 0;
	if (n)
		json_object_object_add(view, key, json_object_new_boolean(1));
}

void letter_time(struct json_object *view, const char *key, int64_t us, int32_t offset)
{
	char shown[40];
	struct times_text t = times_text(us - us % US_PER_S, offset);
	(void)snprintf(shown, sizeof shown, "%.10s %.8s (UTC%.6s)", t.s, t.s + 11, t.s + 19);
	json_object_object_add(view, key, json_object_new_string(shown));
}

/* Principals whose cases belong to this one. */
static struct json_object *children(struct db *d, int64_t id)
{
	struct json_object *all = json_object_new_array();
	sqlite3_stmt *st = db_query(d, Q_LETTER_CHILDREN, "i", id);
	while (sqlite3_step(st) == SQLITE_ROW)
		json_object_array_add(all, letter_text(db_text(st, 0)));
	sqlite3_reset(st);
	return all;
}

static struct json_object *view_of(struct db *d, const struct conf *conf, const struct letter_due *due, const char *reply_to, struct err *e)
{
	struct json_object *v = NULL;
	char url[400];
	sqlite3_stmt *st = db_query(d, Q_LETTER_CASE, "i", due->case_id);
	if (sqlite3_step(st) != SQLITE_ROW) {
		sqlite3_reset(st);
		(void)err_set(e, "there is no case %" PRId64, due->case_id);
		return NULL;
	}
	v = json_object_new_object();
	json_object_object_add(v, "case", json_object_new_int64(due->case_id));
	flag(v, db_text(st, 0));
	flag(v, db_text(st, 1)); /* account, host, script */
	json_object_object_add(v, "principal", letter_text(db_text(st, 2)));
	json_object_object_add(v, "customer", letter_text(db_text(st, 3)));
	json_object_object_add(v, "level", letter_text(db_text(st, 4)));
	json_object_object_add(v, "severity", letter_text(db_text(st, 5)));
	flag(v, db_text(st, 4)); /* in other languages these are other words */
	flag(v, db_text(st, 5));
	json_object_object_add(v, "sentence", letter_text(db_text(st, 6)));
	letter_list(v, "also", texts((const char *)sqlite3_column_text(st, 7)));
	letter_time(v, "first_seen", sqlite3_column_int64(st, 8), sqlite3_column_int(st, 12));
	letter_time(v, "last_seen", sqlite3_column_int64(st, 9), sqlite3_column_int(st, 12));
	json_object_object_add(v, "messages", json_object_new_int64(sqlite3_column_int64(st, 10)));
	json_object_object_add(v, "recipients", json_object_new_int64(sqlite3_column_int64(st, 11)));
	json_object_object_add(v, "one_recipient", json_object_new_boolean(sqlite3_column_int64(st, 11) == 1));
	sqlite3_reset(st);
	letter_list(v, "evidence", evidence(d, due->case_id));
	letter_list(v, "together", children(d, due->case_id));
	letter_list(v, "sources", sources(d, due->case_id));
	letter_lists(d, conf, due->case_id, json_object_get_string(json_object_object_get(v, "principal")), v);
	json_object_object_add(v, "operator", json_object_new_string(conf->notify.operator_name ? conf->notify.operator_name : ""));
	json_object_object_add(v, "reply_to", json_object_new_string(reply_to));
	flag(v, sv_cstr(due->kind)); /* open rise reminder asked */
	(void)snprintf(url, sizeof url, "%s/case/%" PRId64, conf->web.base_url, due->case_id);
	json_object_object_add(v, "case_url", json_object_new_string(url));
	return v;
}

/* A service alert: no case, nobody to blame. */
static struct json_object *alert_view(struct db *d, const struct conf *conf, const struct letter_due *due, const char *reply_to, struct err *e)
{
	char url[600];
	sqlite3_stmt *st = db_query(d, Q_LETTER_ALERT, "i", due->alert_id);
	if (sqlite3_step(st) != SQLITE_ROW) {
		sqlite3_reset(st);
		(void)err_set(e, "there is no alert %" PRId64, due->alert_id);
		return NULL;
	}
	struct json_object *v = json_object_new_object();
	bool lists = sv_eq(db_text(st, 0), SV("listings")), network = sv_eq(db_text(st, 0), SV("network"));
	int64_t subject_us = sqlite3_column_int64(st, 7);
	flag(v, db_text(st, 0));
	json_object_object_add(v, "domain", letter_text(db_text(st, 1)));
	json_object_object_add(v, "customer", letter_text(db_text(st, 2)));
	json_object_object_add(v, "text", letter_text(db_text(st, 3)));
	letter_time(v, "at", sqlite3_column_int64(st, 4), sqlite3_column_int(st, 5));
	json_object_object_add(v, "primary", letter_text(db_text(st, 6)));
	json_object_object_add(v, "to_desk", json_object_new_boolean(conf->notify.desk && strcmp(due->recipient, conf->notify.desk) == 0));
	(void)snprintf(url, sizeof url, network ? "%s/servers%.0s" : "%s/backup-mx/%.300s", conf->web.base_url, json_object_get_string(json_object_object_get(v, "domain")));
	sqlite3_reset(st);
	json_object_object_add(v, "url", json_object_new_string(url));
	if (lists)
		letter_list_changes(d, conf, subject_us, v);
	json_object_object_add(v, "operator", json_object_new_string(conf->notify.operator_name ? conf->notify.operator_name : ""));
	json_object_object_add(v, "reply_to", json_object_new_string(reply_to));
	return v;
}

/* --- templates ---------------------------------------------------------------------------------------------------- */

static bool from_folder(const char *dir, const char *name, struct buf *out)
{
	char block[4096];
	size_t n;
	struct buf path = { 0 };
	buf_printf(&path, "%s/%s", dir, name);
	FILE *f = fopen(buf_cstr(&path), "r");
	buf_fini(&path);
	if (!f)
		return false;
	while ((n = fread(block, 1, sizeof block, f)) > 0)
		buf_add(out, block, n);
	fclose(f);
	return true;
}

static bool template_named(const struct conf *conf, const char *name, struct buf *out)
{
	if (conf->notify.letters_dir && *conf->notify.letters_dir && from_folder(conf->notify.letters_dir, name, out))
		return true;
	for (const struct embed *f = embed_letters; f->name; f++)
		if (strcmp(f->name, name) == 0) {
			buf_add(out, f->bytes, f->n);
			return true;
		}
	return false;
}

static int find_template(const struct conf *conf, const struct letter_due *due, struct buf *out, struct err *e)
{
	char name[64];
	const char *what = strcmp(due->kind, "listings") == 0 ? "lists" : strcmp(due->kind, "network") == 0 ? "network" : due->alert_id ? "service" : strcmp(due->kind, "desk") == 0 ? "desk" : "customer";
	const char *languages[] = { due->language, conf->notify.default_language, "en" };
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(name, sizeof name, "%s.%s.mustache", what, languages[i] ? languages[i] : "en");
		if (template_named(conf, name, out))
			return 0;
	}
	return err_set(e, "no letter template %s.en.mustache", what);
}

/* "Subject: …", an empty line, the text. */
static int split(struct buf *whole, struct letter *l, struct err *e)
{
	struct sv s = buf_sv(whole);
	ptrdiff_t nl = sv_chr(s, '\n');
	if (!sv_starts(s, SV("Subject: ")) || nl < 0)
		return err_set(e, "a letter template must begin with \"Subject: …\" and an empty line");
	buf_addsv(&l->subject, sv_skip(sv_take(s, (size_t)nl), 9));
	s = sv_skip(s, (size_t)nl + 1);
	while (s.n && (s.p[0] == '\n' || s.p[0] == '\r'))
		s = sv_skip(s, 1);
	buf_addsv(&l->body, s);
	return 0;
}

static int render(struct db *d, const struct conf *conf, const struct letter_due *due, const char *reply_to, struct letter *l, struct err *e)
{
	struct buf template = { 0 }, whole = { 0 };
	struct mustache_options plain = { .escape = false };
	struct json_object *view = due->alert_id ? alert_view(d, conf, due, reply_to, e) : view_of(d, conf, due, reply_to, e);
	int bad = view ? find_template(conf, due, &template, e) : -1;
	if (!bad)
		bad = mustache_render(buf_sv(&template), view, &plain, &whole, e);
	if (!bad)
		bad = split(&whole, l, e);
	json_object_put(view);
	buf_fini(&template);
	buf_fini(&whole);
	return bad;
}

/* "%c" in the configured address is the case number. */
static void reply_address(const struct conf *conf, int64_t id, struct buf *out)
{
	const char *p = conf->notify.reply_to && *conf->notify.reply_to ? conf->notify.reply_to : conf->notify.from;
	for (; p && *p; p++) {
		if (p[0] == '%' && p[1] == 'c') {
			buf_printf(out, "%" PRId64, id);
			p++;
		} else {
			buf_addc(out, *p);
		}
	}
}

static int64_t letters_before(struct db *d, int64_t id)
{
	sqlite3_stmt *st = db_query(d, Q_LETTER_COUNT, "i", id);
	int64_t n = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_reset(st);
	return n;
}

/* Tells recipients of one alert apart (FNV-1a). */
static uint32_t name_hash(const char *s)
{
	uint32_t h = 2166136261u;
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

int letter_write(struct db *d, const struct conf *conf, const struct letter_due *due, int64_t now_us, struct letter *l, struct err *e)
{
	struct buf reply = { 0 };
	*l = (struct letter){ .message_id = "" };
	if (!conf->notify.from || !*conf->notify.from)
		return err_set(e, "%s: notify { from = … } is not set; letters need a sender", conf->path);
	struct sv domain = sv_domain(sv_cstr(conf->notify.from));
	if (due->alert_id)
		(void)snprintf(l->message_id, sizeof l->message_id, "alert-%" PRId64 ".%08x@%.*s", due->alert_id, name_hash(due->recipient), SVARG(domain));
	else
		(void)snprintf(l->message_id, sizeof l->message_id, "case-%" PRId64 ".%s.%" PRId64 "@%.*s", due->case_id, due->kind, letters_before(d, due->case_id), SVARG(domain));
	reply_address(conf, due->case_id, &reply);
	int bad = render(d, conf, due, buf_cstr(&reply), l, e);
	if (!bad)
		bad = letter_mime(conf, due, buf_cstr(&reply), now_us, l, e);
	buf_fini(&reply);
	if (bad)
		letter_fini(l);
	return bad;
}

void letter_fini(struct letter *l)
{
	buf_fini(&l->subject);
	buf_fini(&l->body);
	buf_fini(&l->message);
}
