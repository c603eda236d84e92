/* feed: one file's lines with their heads read: frame, stamp, repeated lines, and what a server's own log said before. */
#ifndef COLLECTOR_FEED_H
#define COLLECTOR_FEED_H

#include "collector/frame.h"
#include "collector/mta.h"

struct feed {
	struct frame frame;
	struct stamp stamp;
	struct buf again;   /* the last line, for "last message repeated"; ... */
	struct sv last;     /* ... or this one, while the block it lies in stands */
	struct buf heading; /* of a server's own log, see struct native */
	struct buf unwrapped[2]; /* the line at hand, taken out of JSON or the like */
	struct sv host;     /* of lines that name none; borrowed from the owner */
	const struct mta *mta, *native; /* the format that was said, if any; the one whose own log this seems to be */
	/* The head of the line before, see collector/pipeline.c: host with the space after it, and where it began; an ISO stamp's fraction and zone. */
	char quick_host[64], quick_zone[8];
	size_t quick_host_n, quick_at, quick_zone_n;
	int32_t quick_offset_s;
	/* The line before was one of a server's own log: its stamp with the space after it, and what a line of the same second has in common with it. */
	char own_stamp[20];
	bool own_alike;
	struct logline own;
	uint64_t bad_stamps;
	/* The first of them, for who asks which. */
	uint64_t bad_line;
	char bad_text[80];
	size_t bad_text_n;
};

/* mta: NULL, or the only format (filters apart) that lines may have. */
void feed_init(struct feed *f, const struct mta *mta, const struct zone *z, int year, int64_t now_us);
void feed_fini(struct feed *f);
/* Reading goes on in the middle of a file that begins with head: takes from there what later lines need. */
void feed_prime(struct feed *f, struct sv head);
/* The next file begins. */
void feed_next_file(struct feed *f);
/* The block that lines were borrowed from goes away. */
void feed_block_ends(struct feed *f);
/* Reads a framed line's header. False: no stamp (counted). *ret_times: how many times the line is meant. */
bool feed_line(struct feed *f, struct sv line, struct logline *ret_line, unsigned *ret_times);
/* Is it a line of that format's own log? */
bool feed_native(struct feed *f, const struct mta *m, struct sv line, struct logline *l);

#endif
