#include "analyzer/store_ro.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"

static int check_version(struct db *d, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int v = -1;
	if (sqlite3_prepare_v2(d->h, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	if (v == MIGRATION_COUNT)
		return 0;
	if (v < 0)
		return err_set(e, "%s: cannot read the store: %s", d->path, sqlite3_errmsg(d->h));
	if (v < MIGRATION_COUNT)
		return err_set(e, "%s: the store is not set up yet (table version %d of %d); start abusewatchd or import a log", d->path, v, MIGRATION_COUNT);
	return err_set(e, "%s: made by a newer abusewatch (table version %d, this one knows %d); use that one", d->path, v, MIGRATION_COUNT);
}

int store_ro_open(struct db *d, const char *path, struct err *e)
{
	*d = (struct db){ .path = xstrdup(path) };
	int r = -1;
	if (access(path, R_OK) != 0 && errno == EACCES)
		err_set(e, "%s: %s; root may read it, and the config's user and who is in the group of that one", path, strerror(errno));
	else if (access(path, R_OK) != 0)
		err_set(e, "%s: %s; start abusewatchd or import a log with abusewatch import", path,
		        errno == ENOENT ? "there is no store yet" : strerror(errno));
	else if (sqlite3_open_v2(path, &d->h, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		err_set(e, "%s: cannot open the store: %s", path, d->h ? sqlite3_errmsg(d->h) : "out of memory");
	else
		r = 0;
	if (r == 0) {
		sqlite3_busy_timeout(d->h, 2000);
		(void)db_exec(d, "PRAGMA query_only = ON; PRAGMA mmap_size = 268435456; PRAGMA cache_size = -16384", NULL);
		r = check_version(d, e);
	}
	if (r < 0)
		db_close(d);
	return r;
}

int store_ro_begin(struct db *d, struct err *e)
{
	return db_exec(d, "BEGIN", e);
}

void store_ro_end(struct db *d)
{
	for (size_t i = 0; i < QUERY_COUNT; i++)
		if (d->stmt[i])
			sqlite3_reset(d->stmt[i]);
	(void)db_exec(d, "COMMIT", NULL);
}
