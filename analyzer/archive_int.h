/* archive_int: what the writing half (archive.c) and the searching half (archive_search.c) of the archive share. */
#ifndef ANALYZER_ARCHIVE_INT_H
#define ANALYZER_ARCHIVE_INT_H

#include <sqlite3.h>

#include "analyzer/crew.h"
#include "gen/sql.h"
#include "lib/buf.h"
#include "lib/err.h"

#define ARCHIVE_CACHE 4096 /* mapped files, no memory of our own to speak of */

struct segment;
struct segment_reader;
struct archive;

struct archive_files {
	sqlite3 *db;
	char *dir;
	struct segment *cache[ARCHIVE_CACHE]; /* open segments, by catalog id modulo the size */
	char cache_name[ARCHIVE_CACHE][40]; /* the file: an id may get another one when segments are joined */
	struct crew *crew;                          /* of searches, from the first one on */
	struct segment_reader *reader[CREW_MOST];
};

struct archive_files *archive_files(struct archive *a);
/* A statement of the archive's own (the caller finalises it), or NULL and e. */
sqlite3_stmt *archive_prepare(struct archive_files *f, enum query q, struct err *e);
/* The path of a segment's file. */
void archive_path(const struct archive_files *f, const char *name, struct buf *out);

#endif
