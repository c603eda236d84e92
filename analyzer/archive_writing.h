/* archive_writing: the archive while it is written. For archive.c and archive_write.c. */
#ifndef ANALYZER_ARCHIVE_WRITING_H
#define ANALYZER_ARCHIVE_WRITING_H

#include <pthread.h>

#include "analyzer/archive_int.h"
#include "analyzer/segment.h"

struct body { size_t offset; uint32_t n; int32_t day; int64_t last_us; uint64_t identity; };

/* A segment file that is written but not in the catalog yet. */
struct written { char name[ARCHIVE_NAME]; int64_t day; struct segment_stats stats; };

/* Rows of hot_message. */
struct tail { int64_t n, bytes; };

/* Messages on their way into segments: given to a thread while the next ones are judged. Touches no database. */
struct batch {
	struct archive *archive;
	struct buf bytes;
	struct body *body;
	size_t n;
	struct batch *before; /* whose thread is waited for first: files are written in order of report */
	pthread_t thread;
	bool running, failed;
	struct err err;
};

struct archive {
	struct archive_files files;
	struct buf bytes;          /* encoded txns since the last commit */
	struct body *body;
	size_t n, cap;
	struct tail hot, hot_before; /* committed or not; at the last commit */
	struct batch batch[2];     /* the second one only while a commit is under way */
	struct segment_writer *writer; /* of the batches' thread while it runs */
	struct written *written;   /* by batches since the last commit, in order of report */
	size_t n_written, cap_written;
	size_t kept_written;       /* how many of them are none of this commit's own */
	bool flushed;              /* this commit has come so far */
	bool stuck;                /* what is packed cannot be written; the next commit says why */
	int64_t next_id;           /* number in the name of the next file */
	struct name_list doomed;   /* files to be removed after this transaction */
	struct name_list made;     /* files to be removed when this transaction fails */
	struct name_list leaving;  /* files of segments that this transaction joins */
	struct name_list joined;   /* those of earlier ones: searches that began before may still read them */
	struct name_list damaged;  /* segments that cannot be joined with others; known since the start */
};

/* Until the thread that packs a batch is done with all it was given; -1: one could not be written. */
int archive_wait(struct archive *a, struct err *e);

#endif
