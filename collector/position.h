/* position: where reading of a log stands. A file is known by its first bytes (they stay the same when it is renamed,
 * copied, packed), its device and inode are the quick way to it. */
#ifndef COLLECTOR_POSITION_H
#define COLLECTOR_POSITION_H

#include "lib/err.h"
#include "lib/sv.h"

#define POSITION_HEAD_BYTES 1024u
#define POSITION_HEAD_ENOUGH 128u /* bytes that make a file known without its inode */
#define POSITION_CURSOR_BYTES 192u
#define POSITIONS_MAX 4096u

struct buf;
struct wire;

struct fingerprint {
	uint64_t hash;  /* of the first n bytes */
	uint32_t n;     /* up to POSITION_HEAD_BYTES; fewer when the file was shorter */
};

struct position {
	uint64_t dev, inode;
	struct fingerprint head;
	uint64_t offset; /* of the first byte not taken, in the unpacked file */
	bool done;       /* read to its end */
	int32_t year;     /* of its stamps without one, as of offset; 0 = none yet */
	int64_t stamp_us; /* the last of them */
	char cursor[POSITION_CURSOR_BYTES]; /* of a journal: its own word for the place; "" for files */
};

/* Oldest first; when there are too many the oldest finished ones are forgotten. */
struct positions { struct position *v; size_t n, cap; };

struct fingerprint fingerprint_of(struct sv head);
/* Whether a file that begins with head is the one of f. False when f says nothing (an empty file). */
bool fingerprint_fits(const struct fingerprint *f, struct sv head);

void positions_fini(struct positions *p);
/* Adds or replaces the entry with the same first bytes. */
void positions_set(struct positions *p, const struct position *at);
/* The newest entry of the file that begins with head. A few first bytes are no proof (many logs begin alike): then it
 * must be the same inode, too. */
const struct position *positions_find(const struct positions *p, struct sv head, uint64_t dev, uint64_t inode);
/* The newest entry of a file that is not read to its end: what was being read, or broke off. NULL: all are. */
const struct position *positions_begun(const struct positions *p);
void positions_save(const struct positions *p, struct buf *out);
int positions_load(struct positions *p, struct wire *w);

#endif
