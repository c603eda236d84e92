/* squeeze: short pieces that resemble each other, packed one by one with a dictionary that is made of the first of them. Without zstd nothing is packed. */
#ifndef COLLECTOR_SQUEEZE_H
#define COLLECTOR_SQUEEZE_H

#include "lib/wire.h"

#define SQUEEZE_SAMPLES 100u

struct squeeze {
	struct buf dictionary; /* empty: not made yet */
	struct buf samples;    /* the first pieces, one behind the other, ... */
	size_t sample_n[SQUEEZE_SAMPLES]; /* ... and how long each is */
	unsigned n_samples;
	struct buf packed; /* what squeeze_pack() made */
	bool whole;        /* packed is a whole frame: squeeze_unpack() wants to know */
	struct ZSTD_CCtx_s *pack;
	struct ZSTD_DCtx_s *unpack;
	struct ZSTD_CDict_s *pack_by;
	struct ZSTD_DDict_s *unpack_by;
};

void squeeze_fini(struct squeeze *q);

/* A piece is a sample of what those to come are like. */
void squeeze_learn(struct squeeze *q, struct sv raw);

/* Into q->packed. False: as it is, it is shorter, or there is no dictionary yet. */
bool squeeze_pack(struct squeeze *q, struct sv raw);

/* What was packed, raw_n bytes, into *ret, whose content it replaces. False: it is damaged. */
bool squeeze_unpack(struct squeeze *q, struct sv packed, bool whole, size_t raw_n, struct buf *ret);

/* The dictionary, or the samples while there is none. NULL: nothing was packed yet. What cannot be read back spoils *w. */
void squeeze_save(const struct squeeze *q, struct buf *out);
void squeeze_load(struct squeeze *q, struct wire *w);

#endif
