/* plain: strangers' text made fit to leave as text. Bytes that are not UTF-8 and control characters (C0, DEL, C1) become
 * U+FFFD, so that nothing moves a cursor, colours a terminal or breaks a file. */
#ifndef LIB_PLAIN_H
#define LIB_PLAIN_H

#include "lib/sv.h"

struct buf;

/* Appends s. keep: the control characters that stay, "\n\t" or "". */
void plain_put(struct buf *out, struct sv s, const char *keep);
/* The same for people's eyes: characters that turn the text around them (U+202A to U+202E, U+2066 to U+2069) go too. */
void plain_show(struct buf *out, struct sv s, const char *keep);

#endif
