/* file: frames out of a capture file: pcap and pcapng, either byte order, micro- or nanoseconds, also .gz .xz .zst, "-" is standard input. */
#ifndef COLLECTOR_CAPTURE_FILE_H
#define COLLECTOR_CAPTURE_FILE_H

#include "collector/capture/capture.h"

struct filter;

struct capture_file_run {
	const char *path;
	struct capture *capture;
	struct filter *filter;      /* NULL: every frame */
	bool (*progress)(void *ctx, uint64_t bytes, uint64_t total); /* now and then; false ends it. May be NULL */
	void *ctx;
	uint64_t frames;            /* what was read */
};

/* Reads the file to its end, but leaves the capture's sessions open. 0; -1 and e when it is none or is damaged: what came before was read. */
int capture_file_run(struct capture_file_run *r, struct err *e);

/* A filter expression as pcap-filter(7) has it. NULL and e when it is none. */
struct filter *filter_new(const char *expression, struct err *e);
void filter_free(struct filter *f);
/* Compiles it for a link type when that is new; -1 and e when it makes no sense for it. */
int filter_for(struct filter *f, int link_type, struct err *e);
bool filter_takes(const struct filter *f, int link_type, const uint8_t *frame, uint32_t captured, uint32_t length);

#endif
