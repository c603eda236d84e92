#include "analyzer/db.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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
	if (v == MIGRATION_COUNT)
		return 0;
	if (db_exec(d, "BEGIN IMMEDIATE", e) < 0)
		return -1;
	int bad = 0;
	for (; v < MIGRATION_COUNT && !bad; v++)
		bad = db_exec(d, migration_text[v], e);
	(void)snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", MIGRATION_COUNT);
	if (!bad && db_exec(d, pragma, e) == 0 && db_exec(d, "COMMIT", e) == 0)
		return 0;
	(void)db_exec(d, "ROLLBACK", NULL);
	return -1;
}

/* No file of a log beside it yet: it is new, or its first commit never came. */
static bool without_log(struct db *d)
{
	sqlite3_stmt *st = NULL;
	bool without = false;
	if (user_version(d) >= 0 && sqlite3_prepare_v2(d->h, "PRAGMA journal_mode", -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		without = !sv_eq(db_text(st, 0), SV("wal"));
	sqlite3_finalize(st);
	return without;
}

int db_wal(struct db *d, struct err *e)
{
	if (!d->bulk)
		return 0;
	if (db_exec(d, "PRAGMA journal_mode = WAL; " DB_SYNCHRONOUS "; PRAGMA user_version", e) < 0) /* the log's file is made when something is read */
		return -1;
	d->bulk = false;
	return 0;
}

/* Who wrote to whom is not for everybody to read, whatever the folder: SQLite gives the files beside a store its mode. */
static void make_private(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd >= 0)
		close(fd); /* what else is wrong SQLite says */
}

/* Stores that were made before that, or unpacked from somewhere. What is not ours, or has a second name, is left alone. Only by O_PATH: closing
 * another descriptor of a file would take away the locks that SQLite has on it. */
static bool close_to_others(const char *path)
{
	struct stat st;
	char name[32];
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	bool ours = fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() && (S_ISDIR(st.st_mode) || (S_ISREG(st.st_mode) && st.st_nlink == 1));
	(void)snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	bool closed = ours && (st.st_mode & 07) && chmod(name, st.st_mode & 0770) == 0;
	if (fd >= 0)
		close(fd);
	return closed;
}

static void close_all_to_others(const char *path)
{
	static const char *const beside[] = { "", "-wal", "-shm", "-journal", ".lock", ".d" };
	struct buf name = { 0 };
	bool any = false;
	for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
		buf_clear(&name);
		buf_printf(&name, "%s%s", path, beside[i]);
		any |= close_to_others(buf_cstr(&name));
	}
	if (any)
		msg_info("%s could be read by everybody: now only by its owner and its group", path);
	buf_fini(&name);
}

static int open_file(struct db *d, const char *path, bool bulk, struct err *e)
{
	int on = 1;
	*d = (struct db){ .path = xstrdup(path) };
	make_private(path);
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* before the first: a lock at each allocation, for numbers nobody asks for */
	if (sqlite3_open_v2(path, &d->h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
		(void)err_set(e, "%s: cannot open the store: %s", path, d->h ? sqlite3_errmsg(d->h) : "out of memory");
		db_close(d);
		return -1;
	}
	sqlite3_busy_timeout(d->h, 10000);
	sqlite3_file_control(d->h, NULL, SQLITE_FCNTL_PERSIST_WAL, &on);
	d->bulk = without_log(d);
	if (db_exec(d, "PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 4194304", e) < 0 ||
	    (!d->bulk && db_exec(d, DB_SYNCHRONOUS, e) < 0) || migrate(d, e) < 0 || (!bulk && db_wal(d, e) < 0)) {
		db_close(d);
		return -1;
	}
	close_all_to_others(path);
	return 0;
}

int db_open(struct db *d, const char *path, struct err *e)
{
	return open_file(d, path, false, e);
}

int db_open_bulk(struct db *d, const char *path, struct err *e)
{
	return open_file(d, path, true, e);
}

void db_close(struct db *d)
{
	for (size_t i = 0; i < QUERY_COUNT; i++) {
		sqlite3_finalize(d->stmt[i]);
		sqlite3_finalize(d->rows[i]);
	}
	sqlite3_close(d->h);
	free(d->path);
	*d = (struct db){ 0 };
}

/* Returns the place behind the last one. */
static int bind(sqlite3_stmt *st, int i, const char *types, va_list ap)
{
	for (; *types; types++, i++) {
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
	return i;
}

static sqlite3_stmt *query_v(struct db *d, enum query q, const char *types, va_list ap)
{
	sqlite3_stmt *st = d->stmt[q];
	if (!st && sqlite3_prepare_v3(d->h, query_text[q], -1, SQLITE_PREPARE_PERSISTENT, &d->stmt[q], NULL) != SQLITE_OK)
		panic("%s: query %d: %s", d->path, (int)q, sqlite3_errmsg(d->h));
	st = d->stmt[q];
	sqlite3_reset(st);
	(void)bind(st, 1, types, ap);
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

bool db_row(struct db *d, sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		fatal("%s: cannot be read: %s", d->path, sqlite3_errmsg(d->h));
	return rc == SQLITE_ROW;
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

/* --- many rows ---------------------------------------------------------------------------------------------------- */

void db_bind(struct db_binder *b, const char *types, ...)
{
	va_list ap;
	va_start(ap, types);
	b->at = bind(b->st, b->at, types, ap);
	va_end(ap);
}

/* The values between brackets, without their names: "(?, nullif(?, 0))". */
static void put_values(struct buf *out, struct sv values)
{
	for (size_t i = 0; i < values.n; i++) {
		buf_addc(out, values.p[i] == ':' ? '?' : values.p[i]);
		for (bool name = values.p[i] == ':'; name && i + 1 < values.n && (values.p[i + 1] == '_' || (values.p[i + 1] >= 'a' && values.p[i + 1] <= 'z'));)
			i++;
	}
}

static sqlite3_stmt *prepare_rows(struct db *d, enum query q)
{
	const char *text = query_text[q], *from = strstr(text, "VALUES ("), *to = from ? from + strlen("VALUES ") : NULL;
	struct buf sql = { 0 };
	sqlite3_stmt *st = NULL;
	if (!to)
		panic("query %d inserts no values", (int)q);
	for (int depth = 0; *to; to++) {
		depth += *to == '(';
		if (*to == ')' && --depth == 0)
			break;
	}
	from += strlen("VALUES ");
	to += *to == ')';
	buf_add(&sql, text, (size_t)(from - text));
	for (size_t i = 0; i < DB_ROWS; i++) {
		buf_puts(&sql, i ? ", " : "");
		put_values(&sql, sv_make(from, (size_t)(to - from)));
	}
	buf_puts(&sql, to);
	if (sqlite3_prepare_v3(d->h, buf_cstr(&sql), -1, SQLITE_PREPARE_PERSISTENT, &st, NULL) != SQLITE_OK)
		panic("%s: query %d for many rows: %s", d->path, (int)q, sqlite3_errmsg(d->h));
	buf_fini(&sql);
	return st;
}

int db_run_rows(struct db *d, struct err *e, enum query q, size_t n, void (*row)(struct db_binder *b, const void *ctx, size_t i), const void *ctx)
{
	for (size_t i = 0, k; i < n; i += k) {
		struct db_binder b = { .at = 1 };
		k = n - i >= DB_ROWS ? DB_ROWS : 1;
		if (k > 1 && !d->rows[q])
			d->rows[q] = prepare_rows(d, q);
		b.st = k > 1 ? d->rows[q] : db_query(d, q, "");
		for (size_t r = 0; r < k; r++)
			row(&b, ctx, i + r);
		int rc = sqlite3_step(b.st);
		sqlite3_reset(b.st);
		if (rc != SQLITE_DONE)
			return sql_error(d, e);
	}
	return 0;
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
