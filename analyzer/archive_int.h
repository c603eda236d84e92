/* archive_int: what the writing half (archive.c, archive_write.c, archive_compact.c), the searching half (archive_search.c) and the filters (archive_filter.c) of
 * the archive share. */
#ifndef ANALYZER_ARCHIVE_INT_H
#define ANALYZER_ARCHIVE_INT_H

#include <sqlite3.h>

#include "analyzer/archive.h"
#include "analyzer/crew.h"
#include "gen/sql.h"
#include "lib/buf.h"
#include "lib/err.h"

#define ARCHIVE_CACHE 4096   /* mapped files, no memory of our own to speak of */
#define ARCHIVE_FILTERS 1024 /* the same of filters, each of which stands for up to 64 segments */
#define ARCHIVE_LET_GO 16    /* after so many were opened (and an eighth of those that are open), those whose files are gone are closed: an open
                              * file takes its room on the disk */
#define ARCHIVE_NAME 64      /* bytes of a file's name, with its end */

struct segment;
struct segment_filter;
struct segment_reader;
struct segment_writer;

/* filter: NULL when it cannot be used. told: that something is wrong with it. */
struct archive_slot { int64_t id; struct segment_filter *filter; bool told; };

/* Rows of hot_message, oldest first: bodies, and where each ends (size_t); those that do not decode are counted only. removed, last_id: as of when they were read. */
struct archive_newest { struct buf bodies, ends; int64_t removed, last_id; size_t damaged; };

struct archive_files {
	sqlite3 *db;
	char *dir;
	struct segment *cache[ARCHIVE_CACHE]; /* open segments, by catalog id modulo the size */
	char cache_name[ARCHIVE_CACHE][40]; /* the file: an id may get another one when segments are joined */
	struct archive_slot slot[ARCHIVE_FILTERS];  /* open filters, by id modulo the size */
	unsigned opened;                            /* segments and filters, since the last look at those that are gone */
	unsigned kept;                              /* segments that had been opened by then */
	bool only_reads;                            /* nothing of its own can be rolled back */
	struct archive_newest newest;
	struct crew *crew;                          /* of searches, from the first one on */
	struct segment_reader *reader[CREW_MOST];
};

struct archive_files *archive_files(struct archive *a);
/* Segments that could not be read when they were to be joined: they stay as they are, and so do not keep others from being joined. */
struct name_list *archive_damaged(struct archive *a);
/* A statement of the archive's own (the caller finalises it), or NULL and e. */
sqlite3_stmt *archive_prepare(struct archive_files *f, enum query q, struct err *e);
/* Steps a statement that gives nothing, and finalises it. */
int archive_finish(struct archive_files *f, sqlite3_stmt *st, struct err *e);
/* Whether that file is no more. */
bool archive_gone(const struct archive_files *f, const char *name);
/* The path of a segment's file. */
void archive_path(const struct archive_files *f, const char *name, struct buf *out);

struct name_list { char **v; size_t n, cap; };
void name_list_add(struct name_list *l, const char *name);
void name_list_clear(struct name_list *l);
bool name_list_has(const struct name_list *l, const char *name);

/* --- for transactions that archive_retained() ends --- */

void archive_doom(struct archive *a, const char *name); /* is to be removed when it is committed */
void archive_made(struct archive *a, const char *name); /* is to be removed when it fails */
void archive_leave(struct archive *a, const char *name); /* when it is committed, others hold its messages: archive_remove_joined() removes it */
void archive_remove(const struct archive *a, const char *name); /* now */
void archive_new_name(struct archive *a, int64_t day, char ret[ARCHIVE_NAME]);
/* NULL while a thread writes with it. */
struct segment_writer *archive_writer(struct archive *a);

/* --- the newest messages --- */

/* Has those as of now in f->newest. */
int archive_newest_read(struct archive_files *f, struct err *e);
size_t archive_newest_count(const struct archive_newest *x);
/* Encoded. Borrowed until they are read again. */
struct sv archive_newest_body(const struct archive_newest *x, size_t i);
void archive_newest_fini(struct archive_newest *x);

/* --- filters --- */

/* Forgets those that are damaged or gone: their segments get another one. Says so. */
void archive_filters_check(struct archive_files *f);
void archive_filters_close(struct archive_files *f, bool all); /* or those only whose files are gone */
/* Removes those that no segment has any more. */
int archive_filters_prune(struct archive *a, struct err *e);

/* What the filters say to a query: those of the time that it asks for. */
struct filter_answer { int64_t id; struct segment_filter *filter; uint64_t may; bool is_new, damaged; struct err err; };
struct filter_answers { struct filter_answer *v; size_t n; int64_t newest; }; /* newest: number of the newest of all filters */
int archive_filters_ask(struct archive_files *f, const struct archive_query *q, struct filter_answers *ret, struct err *e);
/* Whether the segment, which has that bit of that filter, cannot hold what is asked for. */
bool archive_filters_exclude(const struct filter_answers *answers, int64_t id, unsigned bit);
/* How many segments there are that the filters do not rule out, of how many that have one. */
size_t archive_filters_may(const struct filter_answers *answers, size_t *ret_of);
/* A segment that may hold what is looked for. */
struct archive_entry { int64_t id, day; char name[40]; };
/* Appends those that the filters do not rule out and those that have none, newest first (struct archive_entry). For when the filters leave few: each is looked up. */
int archive_filters_left(struct archive_files *f, const struct archive_query *q, const struct filter_answers *answers, struct buf *ret, struct err *e);

#endif
