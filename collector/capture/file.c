#include "collector/capture/file.h"

#include <byteswap.h>
#include <stdlib.h>

#include "collector/archive_reader.h"
#include "collector/capture/packet.h"
#include "lib/buf.h"

#define FRAME_MOST (4u << 20)  /* larger ones are damage */
#define BLOCK_MOST (16u << 20)
#define INTERFACES 256
#define PROGRESS_FRAMES 65536

struct interface { int link; bool binary; uint8_t resolution; int64_t offset_us; };

struct reader {
	struct capture_file_run *r;
	struct archive_reader *in;
	uint8_t *block;          /* what the archive reader lent */
	size_t block_n, at;
	struct buf carry;        /* what crosses the end of a block */
	uint64_t position;       /* bytes taken */
	bool swapped, nanoseconds, long_header, pcapng;
	struct interface interface[INTERFACES];
	size_t n_interfaces;
	struct err *e;
};

static uint32_t u32(const struct reader *f, const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return f->swapped ? bswap_32(v) : v;
}

static uint16_t u16(const struct reader *f, const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof v);
	return f->swapped ? bswap_16(v) : v;
}

/* Another block; frames of the last one are read by now. 1, 0 at the end, -1. */
static int more(struct reader *f)
{
	struct sv s;
	capture_sync(f->r->capture);
	int got = archive_reader_next(f->in, &s, f->e);
	f->block = (uint8_t *)(uintptr_t)s.p; /* ours to write to until the next call: the reader fills it anew */
	f->block_n = got > 0 ? s.n : 0;
	f->at = 0;
	return got;
}

static int cut_short(struct reader *f)
{
	(void)err_set(f->e, "%s: the file ends in the middle of packet %llu; what came before was read", f->r->path, (unsigned long long)f->r->frames + 1);
	return -1;
}

/* The next n bytes in one piece, until the next call. 1, 0 when the file ends before the first of them, -1 and e. */
static int take(struct reader *f, size_t n, uint8_t **ret)
{
	if (f->block_n - f->at >= n) {
		*ret = f->block + f->at;
		f->at += n;
		f->position += n;
		return 1;
	}
	capture_sync(f->r->capture);
	buf_clear(&f->carry);
	while (f->carry.n < n) {
		size_t left = f->block_n - f->at, part = left < n - f->carry.n ? left : n - f->carry.n;
		if (!part) {
			int got = more(f);
			if (got < 0)
				return -1;
			if (got == 0 && f->carry.n == 0)
				return 0;
			if (got == 0)
				return cut_short(f);
			continue;
		}
		buf_add(&f->carry, f->block + f->at, part);
		memset(f->block + f->at, 0, part);
		f->at += part;
	}
	f->position += n;
	*ret = (uint8_t *)f->carry.p;
	return 1;
}

/* The same where an end is damage. */
static int need(struct reader *f, size_t n, uint8_t **ret)
{
	int got = take(f, n, ret);
	return got ? got : cut_short(f);
}

static int damaged(struct reader *f, const char *what)
{
	return err_set(f->e, "%s: damaged at byte %llu (%s), after %llu packets; what came before was read", f->r->path,
	               (unsigned long long)f->position, what, (unsigned long long)f->r->frames);
}

static int know_link(struct reader *f, int link)
{
	if (f->r->filter && filter_for(f->r->filter, link, f->e) < 0)
		return -1;
	return 0;
}

static bool frame(struct reader *f, int link, int64_t at_us, uint8_t *p, uint32_t captured, uint32_t length)
{
	struct capture_file_run *r = f->r;
	if (!r->filter || filter_takes(r->filter, link, p, captured, length))
		capture_frame(r->capture, link, at_us, p, captured, length);
	return ++r->frames % PROGRESS_FRAMES || !r->progress || r->progress(r->ctx, archive_reader_position(f->in), archive_reader_size(f->in));
}

/* -- pcap -- */

static int pcap_header(struct reader *f, uint32_t magic, struct interface *i)
{
	uint8_t *p;
	f->swapped = magic == 0xd4c3b2a1 || magic == 0x4d3cb2a1 || magic == 0x34cdb2a1;
	magic = f->swapped ? bswap_32(magic) : magic;
	f->nanoseconds = magic == 0xa1b23c4d;
	f->long_header = magic == 0xa1b2cd34; /* as some old Linux wrote it */
	if (need(f, 20, &p) < 0)
		return -1;
	i->link = (int)(u32(f, p + 16) & 0xffff);
	if (!packet_knows_link(i->link))
		return err_set(f->e, "%s: frames of link type %d, which this version cannot read", f->r->path, i->link);
	return know_link(f, i->link);
}

struct pcap_record { int64_t at_us; uint32_t captured, length; };

static inline struct pcap_record pcap_record(const struct reader *f, const uint8_t *p)
{
	uint32_t s = u32(f, p), part = u32(f, p + 4);
	return (struct pcap_record){ (int64_t)s * 1000000 + (f->nanoseconds ? part / 1000 : part), u32(f, p + 8), u32(f, p + 12) };
}

/* Those that lie in the block as a whole, until one that does not or is damaged. False: to stop. */
static bool pcap_block(struct reader *f, int link, size_t head)
{
	while (f->block_n - f->at >= head) {
		uint8_t *p = f->block + f->at;
		struct pcap_record r = pcap_record(f, p);
		if (r.captured > FRAME_MOST || r.captured > f->block_n - f->at - head)
			break;
		f->at += head + r.captured;
		f->position += head + r.captured;
		if (!frame(f, link, r.at_us, p + head, r.captured, r.length))
			return false;
	}
	return true;
}

static int pcap_packets(struct reader *f, const struct interface *i)
{
	size_t head = f->long_header ? 24 : 16;
	uint8_t *p;
	while (pcap_block(f, i->link, head)) {
		int got = take(f, head, &p);
		if (got <= 0)
			return got;
		struct pcap_record r = pcap_record(f, p);
		if (r.captured > FRAME_MOST)
			return damaged(f, "a packet longer than any");
		if (need(f, r.captured, &p) < 0)
			return -1;
		if (!frame(f, i->link, r.at_us, p, r.captured, r.length))
			break;
	}
	return 0;
}

/* -- pcapng -- */

static int64_t ng_time(const struct interface *i, uint64_t stamp)
{
	unsigned __int128 us = stamp;
	if (i->binary)
		us = us * 1000000 >> i->resolution;
	else
		for (unsigned d = 6; d != i->resolution; d = d < i->resolution ? d + 1 : d - 1)
			us = d < i->resolution ? us / 10 : us * 10;
	return (int64_t)((uint64_t)us & (UINT64_MAX >> 8)) + i->offset_us;
}

static void ng_options(struct reader *f, struct interface *i, const uint8_t *p, uint32_t n)
{
	while (n >= 4) {
		uint16_t code = u16(f, p), len = u16(f, p + 2);
		uint32_t padded = (len + 3u) & ~3u;
		if (code == 0 || padded > n - 4)
			return;
		if (code == 9 && len == 1) {
			i->binary = p[4] & 0x80;
			i->resolution = p[4] & 0x7f;
			if (i->resolution > (i->binary ? 63 : 18))
				i->resolution = 6;
		} else if (code == 14 && len == 8) {
			uint64_t a = u32(f, p + 4), b = u32(f, p + 8), seconds = f->swapped ? a << 32 | b : b << 32 | a;
			i->offset_us = (int64_t)(seconds % (1u << 31)) * 1000000;
		}
		p += 4 + padded;
		n -= 4 + padded;
	}
}

static int ng_interface(struct reader *f, const uint8_t *p, uint32_t n)
{
	if (n < 8 || f->n_interfaces == INTERFACES)
		return damaged(f, "a section with too many interfaces");
	struct interface *i = &f->interface[f->n_interfaces++];
	*i = (struct interface){ .link = u16(f, p), .resolution = 6 };
	ng_options(f, i, p + 8, n - 8);
	return know_link(f, i->link);
}

/* 1 to go on, 0 to stop, -1. */
static int ng_block(struct reader *f, uint32_t type, uint8_t *p, uint32_t n)
{
	uint32_t which = 0, captured, length, head = 20;
	uint64_t stamp = 0;
	switch (type) {
	case 1: return ng_interface(f, p, n) < 0 ? -1 : 1;
	case 6: case 2:
		if (n < 20)
			return damaged(f, "a short block");
		which = type == 6 ? u32(f, p) : u16(f, p);
		stamp = (uint64_t)u32(f, p + 4) << 32 | u32(f, p + 8);
		captured = u32(f, p + 12);
		length = u32(f, p + 16);
		break;
	case 3:
		if (n < 4)
			return damaged(f, "a short block");
		head = 4;
		length = u32(f, p);
		captured = length < n - 4 ? length : n - 4;
		break;
	default: return 1;
	}
	if (which >= f->n_interfaces)
		return damaged(f, "a packet of an interface that is not described");
	if (captured > n - head)
		return damaged(f, "a packet longer than its block");
	const struct interface *i = &f->interface[which];
	return frame(f, i->link, ng_time(i, stamp), p + head, captured, length);
}

/* The header of a section, behind its type. */
static int ng_section(struct reader *f)
{
	uint8_t *p;
	if (need(f, 8, &p) < 0)
		return -1;
	uint32_t magic, total;
	memcpy(&magic, p + 4, sizeof magic);
	if (magic != 0x1a2b3c4d && magic != 0x4d3c2b1a)
		return damaged(f, "no byte order");
	f->swapped = magic == 0x4d3c2b1a;
	total = u32(f, p);
	f->n_interfaces = 0;
	if (total < 28 || total > BLOCK_MOST || total % 4)
		return damaged(f, "a section header of impossible length");
	return need(f, total - 12, &p);
}

static int ng_blocks(struct reader *f)
{
	uint8_t *p;
	int got = ng_section(f);
	while (got > 0 && (got = take(f, 4, &p)) > 0) {
		uint32_t type = u32(f, p);
		if (type == 0x0a0d0d0a) {
			got = ng_section(f);
			continue;
		}
		if (need(f, 4, &p) < 0)
			return -1;
		uint32_t total = u32(f, p);
		if (total < 12 || total > BLOCK_MOST || total % 4)
			return damaged(f, "a block of impossible length");
		got = need(f, total - 8, &p);
		if (got > 0)
			got = ng_block(f, type, p, total - 12);
	}
	return got < 0 ? -1 : 0;
}

static int run(struct reader *f)
{
	uint8_t *p;
	struct interface i = { 0 };
	uint32_t magic;
	int got = take(f, 4, &p);
	if (got < 0)
		return -1;
	magic = 0;
	if (got > 0)
		memcpy(&magic, p, sizeof magic);
	switch (magic) {
	case 0xa1b2c3d4: case 0xd4c3b2a1: case 0xa1b23c4d: case 0x4d3cb2a1: case 0xa1b2cd34: case 0x34cdb2a1:
		return pcap_header(f, magic, &i) < 0 ? -1 : pcap_packets(f, &i);
	case 0x0a0d0d0a: return ng_blocks(f);
	default: return err_set(f->e, "%s: no capture file (pcap or pcapng, also packed with gzip, xz or zstd)", f->r->path);
	}
}

int capture_file_run(struct capture_file_run *r, struct err *e)
{
	struct reader *f = xcalloc(1, sizeof *f);
	f->r = r;
	f->e = e;
	f->in = archive_reader_open(r->path, e);
	int status = f->in ? run(f) : -1;
	capture_sync(r->capture);
	archive_reader_close(f->in);
	buf_fini(&f->carry);
	free(f);
	return status;
}
