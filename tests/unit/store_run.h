/* What tests of the store share: one in a folder of its own, opened and closed, and questions to it past the analyzer. */
#ifndef TESTS_UNIT_STORE_RUN_H
#define TESTS_UNIT_STORE_RUN_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "analyzer/enrich.h"
#include "analyzer/store.h"
#include "lib/hash.h"

static char dir[] = "/tmp/aw-store-XXXXXX";
static char path[96];
static char none[] = "", conf_path[] = "test.conf";
static struct conf conf = { .path = conf_path, .customers_path = none };
static uint64_t turn = 11;

static inline uint64_t next(void)
{
	turn = hash_mix(turn, 0x9e3779b97f4a7c15ull);
	return turn;
}

struct open { struct enrich *enrich; struct judge *judge; struct store *store; };

static inline struct open open_store_with(struct store *(*opens)(const char *path, struct judge *j, struct err *e))
{
	struct err e = { "" };
	struct open o = { .enrich = enrich_new(&conf, &e) };
	o.judge = judge_new(&conf, o.enrich, &e);
	o.store = opens(path, o.judge, &e);
	assert_non_null(o.store);
	return o;
}

static inline struct open open_store(void)
{
	return open_store_with(store_open);
}

static inline void close_store(struct open *o)
{
	store_close(o->store, o->judge);
	judge_free(o->judge);
	enrich_free(o->enrich);
}

static inline void fresh(void)
{
	char rm[160];
	(void)snprintf(rm, sizeof rm, "rm -rf %s/t.db*", dir);
	assert_int_equal(system(rm), 0);
}

static inline void sql(const char *text)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static inline int64_t number(const char *text)
{
	sqlite3 *db;
	sqlite3_stmt *st;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, text, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	int64_t v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return v;
}

/* It cannot be opened, and that is why. */
static inline void refused(const char *why)
{
	struct err e = { "" };
	struct open o = { .enrich = enrich_new(&conf, &e) };
	o.judge = judge_new(&conf, o.enrich, &e);
	assert_null(store_open(path, o.judge, &e));
	assert_non_null(strstr(e.text, why));
	judge_free(o.judge);
	enrich_free(o.enrich);
}

static inline int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof path, "%s/t.db", dir);
	return 0;
}

static inline int remove_dir(void **state)
{
	(void)state;
	fresh();
	return rmdir(dir);
}

#endif
