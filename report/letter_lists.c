/* What letters say of block lists: the hour's changes, for the desk; the lists that have a customer's server, with the way off each. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "lib/times.h"
#include "report/letter_int.h"
#include "report/lists.h"

static void put(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, letter_text(sv_cstr(text)));
}

static const char *column(sqlite3_stmt *st, int i)
{
	const char *p = (const char *)sqlite3_column_text(st, i);
	return p ? p : "";
}

static int32_t local_offset_s(int64_t us)
{
	struct tm tm;
	time_t s = (time_t)(us / US_PER_S);
	localtime_r(&s, &tm);
	return (int32_t)tm.tm_gmtoff;
}

/* The list's title and name, what its answer means, and the way off it. */
static void put_list(struct json_object *o, const struct conf *conf, const char *target, const char *zone, int64_t code, const char *meaning, const char *text)
{
	struct buf b = { 0 };
	const char *title = lists_title(conf, zone);
	put(o, "zone", zone);
	put(o, "list", title);
	json_object_object_add(o, "titled", json_object_new_boolean(strcmp(title, zone) != 0));
	lists_code(code, &b);
	put(o, "code", buf_cstr(&b));
	buf_clear(&b);
	if (strcmp(meaning, "listed") != 0)
		put(o, "meaning", meaning);
	put(o, "says", text);
	lists_delist(conf, zone, target, &b);
	put(o, "delist", buf_cstr(&b));
	buf_fini(&b);
}

void letter_lists(struct db *d, const struct conf *conf, int64_t case_id, const char *target, struct json_object *view)
{
	struct json_object *list = json_object_new_array();
	sqlite3_stmt *st = db_query(d, Q_LETTER_LISTS, "si", target, case_id);
	while (sqlite3_step(st) == SQLITE_ROW) {
		struct json_object *o = json_object_new_object();
		int64_t since_us = sqlite3_column_int64(st, 4);
		const char *whose = column(st, 5);
		put(o, "whose", strcmp(whose, target) == 0 ? "" : whose); /* of a case that belongs to this one */
		put_list(o, conf, whose, column(st, 0), sqlite3_column_int64(st, 1), column(st, 2), column(st, 3));
		letter_time(o, "since", since_us, local_offset_s(since_us));
		json_object_array_add(list, o);
	}
	sqlite3_reset(st);
	letter_list(view, "lists", list);
}

/* --- changes ------------------------------------------------------------------------------------------------------ */

static const char *const whats[] = { "listed", "imminent", "delisted", "suspended", "resumed" };
#define WHATS (sizeof whats / sizeof *whats)
#define SHOWN 100 /* of each: a network that is listed has hundreds, and must not hide that the list was suspended for it */

struct changes { struct json_object *list; int64_t n; };

/* "eve@isp.example 62 %, uid 33 20 %" */
static void put_cause(struct json_object *o, const char *json)
{
	struct json_object *list = json_tokener_parse(json);
	struct buf b = { 0 };
	for (size_t i = 0; json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++) {
		struct json_object *c = json_object_array_get_idx(list, i);
		buf_printf(&b, "%s%s %d %%", i ? ", " : "", json_object_get_string(json_object_object_get(c, "id")), json_object_get_int(json_object_object_get(c, "share")));
	}
	put(o, "cause", buf_cstr(&b));
	buf_fini(&b);
	json_object_put(list);
}

static struct json_object *change(const struct conf *conf, sqlite3_stmt *st)
{
	struct json_object *o = json_object_new_object();
	const char *target = column(st, 1), *kind = column(st, 3);
	int64_t at_us = sqlite3_column_int64(st, 8), since_us = sqlite3_column_int64(st, 9);
	put(o, "target", target);
	put_list(o, conf, target, column(st, 2), sqlite3_column_int64(st, 5), column(st, 6), column(st, 7));
	put(o, "customer", column(st, 4));
	json_object_object_add(o, "ours", json_object_new_boolean(strcmp(kind, "own_ip") == 0));
	json_object_object_add(o, "before", json_object_new_int64(sqlite3_column_int64(st, 10)));
	json_object_object_add(o, "after", json_object_new_int64(sqlite3_column_int64(st, 11)));
	letter_time(o, "at", at_us, local_offset_s(at_us));
	letter_time(o, "since", since_us, local_offset_s(since_us));
	if (strcmp(kind, "own_ip") == 0)
		put_cause(o, column(st, 12));
	return o;
}

static void put_subjects(struct json_object *view, const struct changes *all)
{
	struct json_object *list = json_object_new_array();
	for (size_t k = 0; k < WHATS; k++) {
		int64_t n = all[k].n;
		if (!n)
			continue;
		struct json_object *o = json_object_new_object();
		json_object_object_add(o, "first", json_object_new_boolean(json_object_array_length(list) == 0));
		char key[32]; /* another name than the view's list: templates look outwards */
		(void)snprintf(key, sizeof key, "n_%s", whats[k]);
		json_object_object_add(o, key, json_object_new_boolean(1));
		json_object_object_add(o, "n", json_object_new_int64(n));
		json_object_object_add(o, "many", json_object_new_boolean(n > 1));
		json_object_array_add(list, o);
	}
	json_object_object_add(view, "subjects", list);
}

/* Servers whose software changed in that hour: they go along, and are no reason for a letter. */
static void put_servers(struct db *d, int64_t hour_us, struct json_object *view)
{
	static const char *const keys[] = { "server", "customer", "host", "former", "now" };
	struct json_object *all = json_object_new_array();
	sqlite3_stmt *st = db_query(d, Q_LETTER_SERVERS, "ii", hour_us, hour_us + US_PER_HOUR);
	while (sqlite3_step(st) == SQLITE_ROW) {
		struct json_object *o = json_object_new_object();
		for (int i = 0; i < 5; i++)
			put(o, keys[i], column(st, i));
		json_object_array_add(all, o);
	}
	sqlite3_reset(st);
	letter_list(view, "servers", all);
}

static void put_changes(struct json_object *view, const char *what, const struct changes *c)
{
	char key[32];
	letter_list(view, what, c->list);
	(void)snprintf(key, sizeof key, "more_%s", what);
	if (c->n > SHOWN)
		json_object_object_add(view, key, json_object_new_int64(c->n - SHOWN));
}

void letter_list_changes(struct db *d, const struct conf *conf, int64_t hour_us, struct json_object *view)
{
	struct changes all[WHATS];
	char url[400];
	for (size_t k = 0; k < WHATS; k++)
		all[k] = (struct changes){ json_object_new_array(), 0 };
	sqlite3_stmt *st = db_query(d, Q_LETTER_LIST_CHANGES, "ii", hour_us, hour_us + US_PER_HOUR);
	while (sqlite3_step(st) == SQLITE_ROW)
		for (size_t k = 0; k < WHATS; k++)
			if (strcmp(column(st, 0), whats[k]) == 0 && all[k].n++ < SHOWN)
				json_object_array_add(all[k].list, change(conf, st));
	sqlite3_reset(st);
	put_subjects(view, all);
	for (size_t k = 0; k < WHATS; k++)
		put_changes(view, whats[k], &all[k]);
	put_servers(d, hour_us, view);
	letter_time(view, "from", hour_us, local_offset_s(hour_us));
	letter_time(view, "until", hour_us + US_PER_HOUR, local_offset_s(hour_us));
	(void)snprintf(url, sizeof url, "%s/listings", conf->web.base_url);
	json_object_object_add(view, "url", json_object_new_string(url));
}
