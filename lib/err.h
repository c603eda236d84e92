/* err: what went wrong with data or a peer, in words for the person who reads it.
 * Functions that can fail return < 0 and fill it; nobody logs and returns. */
#ifndef LIB_ERR_H
#define LIB_ERR_H

struct err {
	char text[512];
};

/* Fills e (which may be NULL) and returns -1, so that `return err_set(...)` reads well. */
int err_set(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
