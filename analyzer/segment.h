/* segment: an immutable file of up to some ten thousand messages in columns. Text columns hold numbers of a dictionary of its own, with
 * an index by hash (of the text in lower case) beside it: so an address is looked up by its hash, then found by a scan over one column of
 * small numbers. Queue ids and message-ids have an index each that leads to the message. Columns are packed to the bits they need, texts
 * compressed in blocks of 4 KiB: one message is read without unpacking the others. Files of the format before are read, too. Numbers are little endian; analyzer/segment_int.h
 * is the layout. */
#ifndef ANALYZER_SEGMENT_H
#define ANALYZER_SEGMENT_H

#include "analyzer/archive.h"
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/txn.h"

#define SEGMENT_MESSAGES 65536 /* most that one file holds */
#define SEGMENT_RECIPIENTS (8 * SEGMENT_MESSAGES) /* beyond which files are not joined: all of one are in memory then */

struct segment_stats { uint32_t messages, recipients; int64_t first_us, last_us, bytes; };

/* The memory that writing takes, kept from one segment to the next. */
struct segment_writer;
struct segment_writer *segment_writer_new(void);
void segment_writer_free(struct segment_writer *w);
/* Its files go past the page cache from now on, where the file system can: for many that nobody reads soon. Copying them there takes a
 * thirtieth of all processor time, and would drive out what the machine's other programs read. */
void segment_writer_uncached(struct segment_writer *w);
/* An encoded txn. identity: the same for all reports of a message; 0 in none. */
struct segment_body { struct sv bytes; uint64_t identity; };
uint64_t segment_identity(const struct txn *t);
int segment_identity_of(struct sv encoded, uint64_t *ret, struct err *e);
/* Writes bodies (oldest report first; an earlier report of the same message is left out) to a new file and syncs it. An existing file of
 * that name is replaced. */
int segment_write(struct segment_writer *w, const char *path, const struct segment_body *bodies, size_t n, struct segment_stats *ret_stats, struct err *e);

struct segment;
struct segment *segment_open(const char *path, struct err *e);
/* The same in two steps, so that the disk may work for many at a time in between: asks for the beginning of the file; looks at it. */
struct segment *segment_map(const char *path, struct err *e);
int segment_check(struct segment *s, struct err *e);
void segment_free(struct segment *s);
uint32_t segment_messages(const struct segment *s);

/* What reading takes, one for each thread that reads: blocks that were unpacked last, of any segments. A segment itself is not changed. */
struct segment_reader;
struct segment_reader *segment_reader_new(void);
void segment_reader_free(struct segment_reader *r);
/* Appends the indexes (uint32_t) of matching messages to ret_rows, last one first. -1 and e when the file is damaged. Limits of the query
 * are the caller's business. */
int segment_match(const struct segment *s, struct segment_reader *r, const struct archive_query *q, struct buf *ret_rows, struct err *e);
/* Has the pages of indexes read that segment_match() will look at first, without waiting for them. */
void segment_match_ahead(const struct segment *s, const struct archive_query *q);
/* What is read of a message. LISTED: all numbers, and of the texts those that a list of messages shows: host and queue id, client's address, account, local user,
 * sender and recipients; the others are absent. */
enum segment_part { SEGMENT_WHOLE, SEGMENT_LISTED };
/* The same of what the message needs. */
void segment_message_ahead(const struct segment *s, uint32_t index, enum segment_part part);
/* One message; its texts and recipients live in a. */
int segment_txn(const struct segment *s, struct segment_reader *r, uint32_t index, enum segment_part part, struct arena *a, struct txn *ret_txn, struct err *e);

/* Can an account that is looked for be the login name of a local user? That one matches whole only. */
bool archive_may_be_user(struct sv key);

#endif
