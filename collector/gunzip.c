#include "collector/gunzip.h"

#include <stdlib.h>
#include <zlib.h>
#ifdef WITH_ISAL
#include <isa-l/igzip_lib.h>
#endif

#include "lib/buf.h"

#define GZIP_ONLY (15 + 16) /* zlib's word for "gzip heads, a window of 32 KB" */

struct gunzip {
	bool by_zlib;
	z_stream z;
#ifdef WITH_ISAL
	uint64_t member_bytes; /* of this member, read so far */
	struct inflate_state isal;
#endif
};

#ifdef WITH_ISAL
#define FLAGS_AT 3u         /* in a member's head */
#define FLAGS_UNKNOWN 0xe0u /* zlib refuses them, as RFC 1952 says; ISA-L does not look */

static bool flags_unknown(const struct gunzip *g, const struct gunzip_room *room)
{
	return g->member_bytes <= FLAGS_AT && room->in_n > FLAGS_AT - g->member_bytes && room->in[FLAGS_AT - g->member_bytes] & FLAGS_UNKNOWN;
}

static enum gunzip_how step_isal(struct gunzip *g, struct gunzip_room *room)
{
	struct inflate_state *s = &g->isal;
	if (flags_unknown(g, room))
		return GUNZIP_DAMAGED;
	s->next_in = (uint8_t *)(uintptr_t)room->in;
	s->avail_in = (uint32_t)room->in_n;
	s->next_out = room->out;
	s->avail_out = (uint32_t)room->out_n;
	int status = isal_inflate(s);
	g->member_bytes += room->in_n - s->avail_in;
	*room = (struct gunzip_room){ s->next_in, s->next_out, s->avail_in, s->avail_out };
	if (status < 0)
		return GUNZIP_DAMAGED;
	if (s->block_state != ISAL_BLOCK_FINISH)
		return GUNZIP_MORE;
	isal_inflate_reset(s);
	s->crc_flag = ISAL_GZIP;
	g->member_bytes = 0;
	return GUNZIP_MEMBER_ENDS;
}
#endif

static enum gunzip_how step_zlib(struct gunzip *g, struct gunzip_room *room)
{
	z_stream *z = &g->z;
	z->next_in = (Bytef *)(uintptr_t)room->in;
	z->avail_in = (uInt)room->in_n;
	z->next_out = room->out;
	z->avail_out = (uInt)room->out_n;
	int status = inflate(z, Z_NO_FLUSH);
	*room = (struct gunzip_room){ z->next_in, z->next_out, z->avail_in, z->avail_out };
	if (status == Z_STREAM_END) {
		inflateReset(z);
		return GUNZIP_MEMBER_ENDS;
	}
	return status == Z_OK || status == Z_BUF_ERROR ? GUNZIP_MORE : GUNZIP_DAMAGED;
}

struct gunzip *gunzip_new(bool by_zlib)
{
	struct gunzip *g = xcalloc(1, sizeof *g);
#ifdef WITH_ISAL
	if (!by_zlib) {
		isal_inflate_init(&g->isal);
		g->isal.crc_flag = ISAL_GZIP;
		return g;
	}
#endif
	(void)by_zlib;
	g->by_zlib = true;
	if (inflateInit2(&g->z, GZIP_ONLY) == Z_OK)
		return g;
	free(g);
	return NULL;
}

void gunzip_free(struct gunzip *g)
{
	if (g && g->by_zlib)
		inflateEnd(&g->z);
	free(g);
}

bool gunzip_by_isal(const struct gunzip *g)
{
	return g && !g->by_zlib;
}

enum gunzip_how gunzip_step(struct gunzip *g, struct gunzip_room *room)
{
#ifdef WITH_ISAL
	if (!g->by_zlib)
		return step_isal(g, room);
#endif
	return step_zlib(g, room);
}
