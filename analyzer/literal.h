/* literal: what text a POSIX extended pattern cannot match without. The prefilter looks for these first. */
#ifndef ANALYZER_LITERAL_H
#define ANALYZER_LITERAL_H

#include <stddef.h>

#define LITERAL_MAX 200 /* alternatives of one pattern */

struct literal_set {
	char *v[LITERAL_MAX]; /* lower case, heap */
	size_t n;
};

/* Every match of pattern contains at least one of the set. 0, or -1 when the pattern promises no literal of
 * at least 3 characters (then it must always be tried). literal_fini() frees. */
int literal_extract(const char *pattern, struct literal_set *ret_set);
void literal_fini(struct literal_set *s);

#endif
