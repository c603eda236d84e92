/* feed: captured sessions as frames for the analyzer (lib/obs.h). */
#ifndef COLLECTOR_CAPTURE_FEED_H
#define COLLECTOR_CAPTURE_FEED_H

#include "collector/capture/capture.h"
#include "lib/blocks.h"
#include "lib/conf.h"

/* 1 when the file's first bytes are those of a capture, packed or not, else 0; -1 and e when it cannot be read. Standard input is never looked at. */
int capture_is_file(const char *path, struct err *e);

/* Import of one capture file, as collector_import() does it for logs: HELLO, waits for RESUME, every session with its number, CAPTURE, IDLE, BYE.
 * The source is "capture:" and a fingerprint of the file's beginning, so what was imported before is dropped by its number. A damaged
 * file is read as far as it goes, then -1 and e. */
int capture_import(const struct conf *c, const char *path, int fd, struct blocks *blocks, struct err *e);

/* The options that the section of the config says; NULL: the defaults. */
struct capture_options capture_options_of(const struct conf_capture *c);
/* Appends a CAPTURE frame. */
struct buf;
void capture_put_totals(struct buf *out, const struct capture *c, struct sv path);

#endif
