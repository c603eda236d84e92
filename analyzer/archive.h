/* archive: every message, kept as immutable column segments (files beside the store, catalogued in it) plus a tail
 * of single rows for the newest ones. Writing belongs to the analyzer and happens inside the store's transaction;
 * searching works on a read-only connection. The one interface behind which the storage may change. */
#ifndef ANALYZER_ARCHIVE_H
#define ANALYZER_ARCHIVE_H

#include <sqlite3.h>

#include "lib/err.h"
#include "lib/txn.h"

struct archive;

/* Before the store is made: where there is none, but a folder with messages of one, somebody moved the store away. They are no leftovers to be swept when the archive is opened:
 * the folder gets another name, and that is told. 0, or -1 and e. */
int archive_set_aside(const char *store_path, struct err *e);
/* store_path: the SQLite file; segments live in "<store_path>.d". db must outlive the archive. */
struct archive *archive_open(sqlite3 *db, const char *store_path, bool writable, struct err *e);
void archive_free(struct archive *a);
/* See segment_writer_uncached(). */
void archive_uncached(struct archive *a);

/* Keeps the message; a later report of the same message (host, queue id, first_us) supersedes this one. */
int archive_add(struct archive *a, const struct txn *t, struct err *e);
/* More waits in memory than should, and only a commit can pack it. */
bool archive_crowded(const struct archive *a);
/* A commit begins: what will be segments is packed from now on, while the rest is written. */
void archive_begin(struct archive *a);
/* Called inside the store's transaction before COMMIT: writes rows and segments, syncs files. */
int archive_flush(struct archive *a, struct err *e);
/* After COMMIT (ok) or ROLLBACK (!ok). */
void archive_end(struct archive *a, bool ok);
/* After COMMIT (ok) or ROLLBACK (!ok) of a transaction that only dropped days: removes their files, leaves what waits to be written alone. */
void archive_retained(struct archive *a, bool ok);
/* Joins some small segments of one day before `day` into one, in a transaction of its own that archive_retained() ends: 1, 0 when there is
 * nothing to join, -1 and e. What follows a log live is sealed in small pieces; searching looks into each. */
int archive_compact(struct archive *a, int64_t day, struct err *e);
/* Removes the files of segments that were joined since the last call. Until then who searches in the catalog as it was before finds his messages in them: so it is to
 * be called much later than a search may begin. What is left when the archive is closed goes when it is opened again. */
void archive_remove_joined(struct archive *a);
/* Makes a filter (analyzer/segment_filter.h) of up to 64 segments when at least so many have none; returns and ends as archive_compact(), which
 * does it, too, when there is nothing to join. */
int archive_filter(struct archive *a, unsigned least, struct err *e);
/* Drops the days before day (days since the epoch, by last_us, UTC): catalog rows now, files after commit. */
int archive_drop_before(struct archive *a, int64_t day, struct err *e);

enum archive_key { ARCHIVE_SENDER, ARCHIVE_RECIPIENT, ARCHIVE_ACCOUNT, ARCHIVE_CLIENT, ARCHIVE_QUEUE_ID, ARCHIVE_MESSAGE_ID, ARCHIVE_KEYS };

struct archive_query {
	struct sv key[ARCHIVE_KEYS]; /* absent = any. All given ones must match. Addresses match without regard to case;
	                              * "@domain" matches every address of the domain; <> brackets are ignored.
	                              * An empty sender means the null sender. An IP address may be spelled in any way. An account is a log-in or, whole, the login
	                              * name of a local user whose program gave the message. */
	bool substring;              /* sender, recipient and account match anywhere inside */
	int64_t since_us, until_us;  /* 0 = open; compared with last_us and first_us */
	size_t limit, offset;        /* newest first */
	bool listed;                 /* only what a list of messages shows is read, with fewer blocks to unpack: see enum segment_part. Other texts may be absent */
};

/* A text without the <> around it; what stands in the indexes for it. */
static inline struct sv archive_bare(struct sv s) { return s.n >= 2 && s.p[0] == '<' && s.p[s.n - 1] == '>' ? sv_make(s.p + 1, s.n - 2) : s; }
/* Upper and lower case alike (ASCII); a NUL is a byte as others are. */
static inline bool archive_same(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char x = a[i], y = b[i];
		if (x != y && ((x ^ y) != 0x20 || (x | 0x20) < 'a' || (x | 0x20) > 'z'))
			return false;
	}
	return true;
}
/* What is compared: lower case, without <>. */
bool archive_key_matches(struct sv value, struct sv key, bool substring);
/* Calls cb for each hit, newest first; cb returns false to stop. Returns the number of hits given, or -1 and e, also when some were given: where messages are
 * damaged, what is left of them is. The txn is valid during the call. ret_more (may be NULL): whether there are older ones. */
typedef bool archive_hit_cb(void *ctx, const struct txn *t);
int64_t archive_search(struct archive *a, const struct archive_query *q, archive_hit_cb *cb, void *ctx, bool *ret_more, struct err *e);

#endif
