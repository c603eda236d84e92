#include "analyzer/db.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/buf.h"
#include "lib/msg.h"

static int sql_error(struct db *d, struct err *e)
{
	return err_set(e, "%s: %s", d->path, sqlite3_errmsg(d->h));
}

int db_exec(struct db *d, const char *sql, struct err *e)
{
	return sqlite3_exec(d->h, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : sql_error(d, e);
}

static int user_version(struct db *d)
{
	sqlite3_stmt *st = NULL;
	int v = -1;
	if (sqlite3_prepare_v2(d->h, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return v;
}

static int migrate(struct db *d, struct err *e)
{
	char pragma[64];
	int v = user_version(d);
	if (v < 0)
		return sql_error(d, e);
	if (v > MIGRATION_COUNT)
		return err_set(e, "%s: made by a newer abusewatch (table version %d, this one knows %d); use that one", d->path, v, MIGRATION_COUNT);
	for (; v < MIGRATION_COUNT; v++) {
		(void)snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", v + 1);
		if (db_exec(d, "BEGIN IMMEDIATE", e) < 0)
			return -1;
		if (db_exec(d, migration_text[v], e) < 0 || db_exec(d, pragma, e) < 0 || db_exec(d, "COMMIT", e) < 0) {
			(void)db_exec(d, "ROLLBACK", NULL);
			return -1;
		}
	}
	return 0;
}

int db_open(struct db *d, const char *path, struct err *e)
{
	int on = 1;
	*d = (struct db){ .path = xstrdup(path) };
	if (sqlite3_open_v2(path, &d->h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
		(void)err_set(e, "%s: cannot open the store: %s", path, d->h ? sqlite3_errmsg(d->h) : "out of memory");
		db_close(d);
		return -1;
	}
	sqlite3_busy_timeout(d->h, 10000);
	sqlite3_file_control(d->h, NULL, SQLITE_FCNTL_PERSIST_WAL, &on);
	if (db_exec(d, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 4194304;", e) < 0 ||
	    migrate(d, e) < 0) {
		db_close(d);
		return -1;
	}
	return 0;
}

void db_close(struct db *d)
{
	for (size_t i = 0; i < QUERY_COUNT; i++)
		sqlite3_finalize(d->stmt[i]);
	sqlite3_close(d->h);
	free(d->path);
	*d = (struct db){ 0 };
}

static void bind(sqlite3_stmt *st, const char *types, va_list ap)
{
	for (int i = 1; *types; types++, i++) {
		struct sv s;
		const char *text;
		switch (*types) {
		case 'i': sqlite3_bind_int64(st, i, va_arg(ap, int64_t)); break;
		case 's':
			text = va_arg(ap, const char *);
			sqlite3_bind_text(st, i, text ? text : "", -1, SQLITE_STATIC);
			break;
		case 't':
			s = va_arg(ap, struct sv);
			sqlite3_bind_text(st, i, s.p ? s.p : "", (int)s.n, SQLITE_STATIC);
			break;
		case 'b':
			s = va_arg(ap, struct sv);
			sqlite3_bind_blob(st, i, s.p ? s.p : "", (int)s.n, SQLITE_STATIC);
			break;
		case 'n': sqlite3_bind_null(st, i); break;
		default: panic("db: bad bind type %c", *types);
		}
	}
}

static sqlite3_stmt *query_v(struct db *d, enum query q, const char *types, va_list ap)
{
	sqlite3_stmt *st = d->stmt[q];
	if (!st && sqlite3_prepare_v3(d->h, query_text[q], -1, SQLITE_PREPARE_PERSISTENT, &d->stmt[q], NULL) != SQLITE_OK)
		panic("%s: query %d: %s", d->path, (int)q, sqlite3_errmsg(d->h));
	st = d->stmt[q];
	sqlite3_reset(st);
	bind(st, types, ap);
	return st;
}

sqlite3_stmt *db_query(struct db *d, enum query q, const char *types, ...)
{
	va_list ap;
	va_start(ap, types);
	sqlite3_stmt *st = query_v(d, q, types, ap);
	va_end(ap);
	return st;
}

int db_run(struct db *d, struct err *e, enum query q, const char *types, ...)
{
	int rc;
	va_list ap;
	va_start(ap, types);
	sqlite3_stmt *st = query_v(d, q, types, ap);
	va_end(ap);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		;
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? 0 : sql_error(d, e);
}

struct sv db_text(sqlite3_stmt *st, int column)
{
	const char *p = (const char *)sqlite3_column_text(st, column);
	return p ? sv_make(p, (size_t)sqlite3_column_bytes(st, column)) : (struct sv){ 0 };
}

struct sv db_blob(sqlite3_stmt *st, int column)
{
	const char *p = sqlite3_column_blob(st, column);
	return sv_make(p ? p : "", (size_t)sqlite3_column_bytes(st, column));
}
