#include "collector/capture/fragments.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"

#define SLOTS 16          /* packets being put together at once; mail hardly ever comes in fragments */
#define PACKET_BYTES 16384 /* larger ones are left out */
#define UNIT 8
#define TIMEOUT_US 30000000

struct slot {
	uint64_t address[2][2];
	uint32_t id, end, got; /* end: length of the whole, 0 while the last fragment is missing; got: bytes */
	uint8_t protocol;
	bool used;
	int64_t at_us;
	uint8_t have[PACKET_BYTES / UNIT / 8]; /* a bit for every unit of eight bytes */
	uint8_t bytes[PACKET_BYTES];
};

struct fragments { struct slot slot[SLOTS]; };

struct fragments *fragments_new(void)
{
	return xcalloc(1, sizeof(struct fragments));
}

void fragments_free(struct fragments *f)
{
	free(f);
}

/* The packet's slot; else a free one, else the oldest. */
static struct slot *find(struct fragments *f, const struct fragment *part)
{
	struct slot *best = &f->slot[0];
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *s = &f->slot[i];
		if (s->used && part->at_us - s->at_us > TIMEOUT_US)
			s->used = false;
		if (s->used && s->id == part->id && s->protocol == part->protocol && !memcmp(s->address, part->address, sizeof s->address))
			return s;
		if (best->used && (!s->used || s->at_us < best->at_us))
			best = s;
	}
	memset(best, 0, sizeof *best);
	memcpy(best->address, part->address, sizeof best->address);
	best->id = part->id;
	best->protocol = part->protocol;
	best->used = true;
	best->at_us = part->at_us;
	return best;
}

uint8_t *fragments_add(struct fragments *f, const struct fragment *part, uint32_t *ret_n)
{
	if (part->offset > PACKET_BYTES || part->n > PACKET_BYTES - part->offset || !part->n || (part->more && part->n % UNIT))
		return NULL;
	struct slot *s = find(f, part);
	if (s->end && part->offset + part->n > s->end)
		return NULL;
	if (!part->more && !s->end)
		s->end = part->offset + part->n;
	for (uint32_t at = 0; at < part->n; at += UNIT) {
		uint32_t unit = (part->offset + at) / UNIT, len = part->n - at < UNIT ? part->n - at : UNIT;
		if (s->have[unit / 8] & 1u << unit % 8)
			continue;
		s->have[unit / 8] |= (uint8_t)(1u << unit % 8);
		memcpy(s->bytes + unit * UNIT, part->p + at, len);
		s->got += len;
	}
	if (!s->end || s->got < s->end)
		return NULL;
	s->used = false;
	*ret_n = s->end;
	return s->bytes;
}
