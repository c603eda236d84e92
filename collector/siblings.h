/* siblings: the rotated files beside a log ("mail.log.1", "mail.log-20261122.gz", "mail-20261122.log"): what of them is still to be read. */
#ifndef COLLECTOR_SIBLINGS_H
#define COLLECTOR_SIBLINGS_H

#include "collector/position.h"

struct sibling {
	char *path;
	int64_t mtime_us;
	struct fingerprint head;
	uint64_t offset; /* read from here on */
	bool known;      /* a position says so; else it is newer than all that was read */
};
struct siblings { struct sibling *v; size_t n, cap; };

/* Rotated files of path that are not read to their end, oldest first. live_known: path itself is the file we were
 * reading, so what we never saw is not ours. */
void siblings_find(const char *path, const struct positions *read, bool live_known, struct siblings *ret);
/* The rotated file that begins like head (a copy of a truncated log), or false. *ret_path is the caller's to free. */
bool siblings_copy(const char *path, const struct fingerprint *head, char **ret_path);
void siblings_fini(struct siblings *s);

#endif
