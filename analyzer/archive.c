#include "analyzer/archive.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyzer/archive_writing.h"
#include "lib/msg.h"

/* --- names -------------------------------------------------------------------------------------------------------- */

struct name_list *archive_damaged(struct archive *a)
{
	return &a->damaged;
}

struct archive_files *archive_files(struct archive *a)
{
	return &a->files;
}

void archive_doom(struct archive *a, const char *name)
{
	name_list_add(&a->doomed, name);
}

void archive_made(struct archive *a, const char *name)
{
	name_list_add(&a->made, name);
}

void archive_leave(struct archive *a, const char *name)
{
	name_list_add(&a->leaving, name);
}

struct segment_writer *archive_writer(struct archive *a)
{
	return a->batch[0].running || a->batch[1].running ? NULL : a->writer;
}

void archive_new_name(struct archive *a, int64_t day, char ret[ARCHIVE_NAME])
{
	(void)snprintf(ret, ARCHIVE_NAME, "%" PRId64 "-%08" PRId64 ".seg", day, a->next_id++);
}

void archive_path(const struct archive_files *f, const char *name, struct buf *out)
{
	buf_clear(out);
	buf_printf(out, "%s/%s", f->dir, name);
}

bool archive_gone(const struct archive_files *f, const char *name)
{
	struct buf path = { 0 };
	archive_path(f, name, &path);
	bool gone = access(buf_cstr(&path), F_OK) < 0 && errno == ENOENT;
	buf_fini(&path);
	return gone;
}

void archive_remove(const struct archive *a, const char *name)
{
	struct buf path = { 0 };
	archive_path(&a->files, name, &path);
	if (unlink(buf_cstr(&path)) < 0 && errno != ENOENT)
		msg_warn("%s: cannot remove it: %m", buf_cstr(&path));
	buf_fini(&path);
}

sqlite3_stmt *archive_prepare(struct archive_files *f, enum query q, struct err *e)
{
	sqlite3_stmt *st = NULL;
	if (sqlite3_prepare_v2(f->db, query_text[q], -1, &st, NULL) != SQLITE_OK)
		(void)err_set(e, "message archive: %s", sqlite3_errmsg(f->db));
	return st;
}

int archive_finish(struct archive_files *f, sqlite3_stmt *st, struct err *e)
{
	int rc = st ? sqlite3_step(st) : SQLITE_ERROR;
	if (st && rc != SQLITE_DONE && rc != SQLITE_ROW)
		(void)err_set(e, "message archive: %s", sqlite3_errmsg(f->db));
	sqlite3_finalize(st);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : -1;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* Files that no committed transaction knows: left by a process that was killed. */
static void sweep(struct archive *a)
{
	struct dirent *d;
	DIR *dir = opendir(a->files.dir);
	if (!dir)
		return;
	while ((d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		sqlite3_stmt *st = archive_prepare(&a->files, Q_SEGMENT_BY_FILE, NULL);
		sqlite3_bind_text(st, 1, d->d_name, -1, SQLITE_STATIC);
		if (st && sqlite3_step(st) == SQLITE_DONE)
			archive_remove(a, d->d_name);
		sqlite3_finalize(st);
	}
	closedir(dir);
}

static bool first_row(struct archive *a, sqlite3_stmt *st, struct err *e)
{
	if (st && sqlite3_step(st) == SQLITE_ROW)
		return true;
	(void)err_set(e, "message archive: %s", sqlite3_errmsg(a->files.db));
	return false;
}

/* The rows of the tail, and the number in the name of the next file. */
static bool look_up(struct archive *a, struct err *e)
{
	sqlite3_stmt *hot = archive_prepare(&a->files, Q_HOT_COUNT, e), *next = archive_prepare(&a->files, Q_SEGMENT_NEXT, e);
	bool good = first_row(a, hot, e) && first_row(a, next, e);
	if (good) {
		a->hot = a->hot_before = (struct tail){ sqlite3_column_int64(hot, 0), sqlite3_column_int64(hot, 1) };
		a->next_id = sqlite3_column_int64(next, 0);
	}
	sqlite3_finalize(hot);
	sqlite3_finalize(next);
	return good;
}

static bool is_empty(const char *path)
{
	struct dirent *d;
	DIR *dir = opendir(path);
	bool empty = true;
	while (dir && empty && (d = readdir(dir)))
		empty = d->d_name[0] == '.';
	if (dir)
		closedir(dir);
	return empty;
}

int archive_set_aside(const char *store_path, struct err *e)
{
	struct buf dir = { 0 }, to = { 0 };
	int bad = 0;
	buf_printf(&dir, "%s.d", store_path);
	buf_printf(&to, "%s.d.before", store_path);
	for (int i = 2; access(buf_cstr(&to), F_OK) == 0; i++) {
		buf_clear(&to);
		buf_printf(&to, "%s.d.before-%d", store_path, i);
	}
	bool any = !is_empty(buf_cstr(&dir));
	if (any && rename(buf_cstr(&dir), buf_cstr(&to)) < 0)
		bad = err_set(e, "%s: the messages of a store that is not there any more cannot be set aside: %m", buf_cstr(&dir));
	else if (any)
		msg_warn("%s: there was no store, but messages of one: they are kept in %s", store_path, buf_cstr(&to));
	buf_fini(&dir);
	buf_fini(&to);
	return bad;
}

struct archive *archive_open(sqlite3 *db, const char *store_path, bool writable, struct err *e)
{
	struct buf dir = { 0 };
	struct archive *a = xcalloc(1, sizeof *a);
	buf_printf(&dir, "%s.d", store_path);
	a->files.db = db;
	a->files.dir = xstrdup(buf_cstr(&dir));
	buf_fini(&dir);
	a->files.only_reads = !writable;
	if (!writable)
		return a;
	a->writer = segment_writer_new();
	if (mkdir(a->files.dir, 0750) < 0 && errno != EEXIST) {
		(void)err_set(e, "%s: cannot make the folder of the message archive: %m", a->files.dir);
		archive_free(a);
		return NULL;
	}
	if (!look_up(a, e)) {
		archive_free(a);
		return NULL;
	}
	archive_filters_check(&a->files);
	sweep(a);
	return a;
}

void archive_uncached(struct archive *a)
{
	segment_writer_uncached(a->writer);
}

void archive_free(struct archive *a)
{
	if (!a)
		return;
	(void)archive_wait(a, NULL);
	segment_writer_free(a->writer);
	for (size_t i = 0; i < 2; i++) {
		buf_fini(&a->batch[i].bytes);
		free(a->batch[i].body);
	}
	free(a->written);
	for (size_t i = 0; i < ARCHIVE_CACHE; i++)
		segment_free(a->files.cache[i]);
	archive_newest_fini(&a->files.newest);
	crew_free(a->files.crew);
	for (unsigned i = 0; i < CREW_MOST; i++)
		segment_reader_free(a->files.reader[i]);
	name_list_clear(&a->doomed);
	name_list_clear(&a->made);
	name_list_clear(&a->damaged);
	name_list_clear(&a->leaving);
	name_list_clear(&a->joined);
	free(a->doomed.v);
	free(a->made.v);
	free(a->leaving.v);
	free(a->joined.v);
	free(a->damaged.v);
	archive_filters_close(&a->files, true);
	free(a->body);
	buf_fini(&a->bytes);
	free(a->files.dir);
	free(a);
}

void archive_retained(struct archive *a, bool ok)
{
	const struct name_list *gone = ok ? &a->doomed : &a->made;
	for (size_t i = 0; i < gone->n; i++)
		archive_remove(a, gone->v[i]);
	for (size_t i = 0; i < a->leaving.n && ok; i++)
		name_list_add(&a->joined, a->leaving.v[i]);
	name_list_clear(&a->doomed);
	name_list_clear(&a->made);
	name_list_clear(&a->leaving);
	/* What waits to be written, and the batch under way, are no part of this transaction. */
	if (ok)
		a->hot_before = a->hot;
	else
		a->hot = a->hot_before;
}

void archive_remove_joined(struct archive *a)
{
	for (size_t i = 0; i < a->joined.n; i++)
		archive_remove(a, a->joined.v[i]);
	name_list_clear(&a->joined);
}

int archive_drop_before(struct archive *a, int64_t day, struct err *e)
{
	sqlite3_stmt *st = archive_prepare(&a->files, Q_SEGMENT_BEFORE, e);
	if (!st)
		return -1;
	sqlite3_bind_int64(st, 1, day);
	while (sqlite3_step(st) == SQLITE_ROW)
		name_list_add(&a->doomed, (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	if ((st = archive_prepare(&a->files, Q_SEGMENT_DROP, e)))
		sqlite3_bind_int64(st, 1, day);
	if (archive_finish(&a->files, st, e) < 0)
		return -1;
	if ((st = archive_prepare(&a->files, Q_HOT_DROP, e)))
		sqlite3_bind_int64(st, 1, day);
	if (archive_finish(&a->files, st, e) < 0)
		return -1;
	int dropped = sqlite3_changes(a->files.db);
	a->hot.n -= dropped; /* their bytes may count until the next seal */
	if (dropped && archive_finish(&a->files, archive_prepare(&a->files, Q_HOT_REMOVED, e), e) < 0)
		return -1;
	return archive_filters_prune(a, e);
}
