/* db: the named queries of sql/queries.sql on one SQLite connection, prepared once. Parameters are bound in the order in
 * which their names first stand in the query. */
#ifndef ANALYZER_DB_H
#define ANALYZER_DB_H

#include <sqlite3.h>

#include "gen/sql.h"
#include "lib/err.h"
#include "lib/sv.h"

struct db {
	sqlite3 *h;
	char *path;
	bool bulk; /* has no WAL yet */
	sqlite3_stmt *stmt[QUERY_COUNT], *rows[QUERY_COUNT]; /* rows: the same for DB_ROWS rows at once */
};

/* Opens for writing, creates and migrates when needed (WAL, synchronous NORMAL, persistent WAL file so that readers under
 * another uid keep working). 0, or -1 and e. */
int db_open(struct db *d, const char *path, struct err *e);
/* The same for who writes much at once. A new file gets its WAL with db_wal() only, after the first large commit: until then there is SQLite's rollback
 * journal, to which pages that a commit appends need not go: each is written once, and not twice to the WAL and from there to its place. Meanwhile
 * readers wait for commits and commits for readers, of which a file in which there is nothing has none. As safe: synchronous is FULL then. */
int db_open_bulk(struct db *d, const char *path, struct err *e);
int db_wal(struct db *d, struct err *e);
void db_close(struct db *d);

/* The statement, reset, with parameters bound: 'i' int64_t · 's' const char * · 't' struct sv text · 'b' struct sv blob ·
 * 'n' nothing (NULL). Borrowed until the next db_query() of the same name; texts must live until it is stepped. */
sqlite3_stmt *db_query(struct db *d, enum query q, const char *types, ...);
/* Whether there is a next row. Ends the program when the store cannot be read: what then looked like nothing there would be written over what is. */
bool db_row(struct db *d, sqlite3_stmt *st);
/* Binds, steps to the end. 0, or -1 and e. */
int db_run(struct db *d, struct err *e, enum query q, const char *types, ...);
/* Runs q, an INSERT of one row of values, for n rows, many at once: what a statement costs beside its rows is half of all. row binds the values
 * of row i with db_bind(); texts must live until the end. */
#define DB_ROWS 16
#define DB_SYNCHRONOUS "PRAGMA synchronous = NORMAL" /* after kill -9 all is there; after a power cut the last commits may be gone */

struct db_binder { sqlite3_stmt *st; int at; };
int db_run_rows(struct db *d, struct err *e, enum query q, size_t n, void (*row)(struct db_binder *b, const void *ctx, size_t i), const void *ctx);
void db_bind(struct db_binder *b, const char *types, ...);
int db_exec(struct db *d, const char *sql, struct err *e);
/* Column as borrowed text or blob. */
struct sv db_text(sqlite3_stmt *st, int column);
struct sv db_blob(sqlite3_stmt *st, int column);

#endif
