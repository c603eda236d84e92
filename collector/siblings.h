/* siblings: the rotated files beside a log ("mail.log.1", "mail.log-20261122.gz", "mail-20261122.log"): what of them is still to be read. */
#ifndef COLLECTOR_SIBLINGS_H
#define COLLECTOR_SIBLINGS_H

#include "collector/position.h"

struct sibling {
	char *path;
	int64_t mtime_us;
	uint64_t bytes; /* of the file as it is, packed or not */
	struct fingerprint head;
	uint64_t offset; /* read from here on */
	bool known;      /* a position says so; else it is newer than all that was read */
};
struct siblings {
	struct sibling *v;
	size_t n, cap;
	/* The newest of those that cannot be read and may be newer than all that was read: when it was written, and why. 0: there is none. */
	int64_t unread_us;
	struct err unread;
};

/* Rotated files of path that are not read to their end, oldest first. */
void siblings_find(const char *path, const struct positions *read, struct siblings *ret);
/* The rotated file that begins like head (a copy of a truncated log, or one that was rotated on), or false. *ret_path is the caller's to free. */
bool siblings_copy(const char *path, const struct fingerprint *head, char **ret_path);
/* Whether the file at path begins like head. */
bool siblings_is(const char *path, const struct fingerprint *head);
/* Leaves out those that are as one of those is, unchanged. */
void siblings_drop(struct siblings *s, const struct siblings *those);
/* The one that was begun last comes before those that broke off before it, as it did before a crash: what follows it has the same numbers then. */
void siblings_put_first(struct siblings *s, const struct positions *read);
/* It may have been packed or rotated on since it was found: its path is where it is now. */
int siblings_find_again(const char *path, struct sibling *o, struct err *e);
void siblings_fini(struct siblings *s);

#endif
