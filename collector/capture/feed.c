#include "collector/capture/feed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "collector/archive_reader.h"
#include "collector/capture/file.h"
#include "collector/stamp.h"
#include "lib/buf.h"
#include "lib/obs.h"

#define PRINT_BYTES 65536   /* of a file's beginning tell it from others */
#define OUT_BYTES (BLOCK_BYTES / 2)

struct feed {
	int fd;
	struct blocks *blocks;
	struct buf out;
	uint64_t seq;
	struct err error;
	bool failed;
};

static bool is_magic(struct sv head)
{
	static const uint32_t magics[] = { 0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1, 0xa1b2cd34, 0x34cdb2a1, 0x0a0d0d0a };
	uint32_t m;
	if (head.n < sizeof m)
		return false;
	memcpy(&m, head.p, sizeof m);
	for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
		if (m == magics[i])
			return true;
	return false;
}

/* The first block of the file: 1, 0 when there is none, -1 and e when it cannot be read. */
static int first_block(const char *path, struct archive_reader **ret_r, struct sv *ret_head, struct err *e)
{
	*ret_r = archive_reader_open(path, e);
	return *ret_r ? archive_reader_next(*ret_r, ret_head, e) : -1;
}

int capture_is_file(const char *path, struct err *e)
{
	struct archive_reader *r = NULL;
	struct sv head;
	if (strcmp(path, "-") == 0)
		return 0;
	int got = first_block(path, &r, &head, e);
	if (got > 0)
		got = is_magic(head);
	archive_reader_close(r);
	return got;
}

static void fingerprint(const char *path, char *out, size_t cap)
{
	struct archive_reader *r = NULL;
	struct sv head = { 0 };
	struct err e;
	uint64_t h = 0xcbf29ce484222325ull;
	if (first_block(path, &r, &head, &e) > 0)
		for (size_t i = 0; i < head.n && i < PRINT_BYTES; i++)
			h = (h ^ (uint8_t)head.p[i]) * 0x100000001b3ull;
	archive_reader_close(r);
	(void)snprintf(out, cap, "capture:%016llx", (unsigned long long)h);
}

static void send(struct feed *f)
{
	if (!f->failed)
		f->failed = blocks_put(f->blocks, f->fd, buf_sv(&f->out), &f->error) < 0;
	buf_clear(&f->out);
}

static void on_session(void *ctx, const struct smtp_session *s)
{
	struct feed *f = ctx;
	struct smtp_session numbered = *s;
	numbered.seq = ++f->seq;
	obs_put_session(&f->out, &numbered);
	if (f->out.n >= OUT_BYTES)
		send(f);
}

static bool on_progress(void *ctx, uint64_t bytes, uint64_t total)
{
	const struct feed *f = ctx;
	(void)bytes, (void)total;
	return !f->failed;
}

static int greet(struct feed *f, const char *name, struct err *e)
{
	struct buf in = { 0 };
	enum obs_type type = OBS_BYE;
	struct sv payload;
	size_t used = 0;
	int got;
	obs_put_hello(&f->out, sv_cstr(name));
	send(f);
	while ((got = obs_next(buf_sv(&in), &type, &payload, &used, e)) == 0) {
		buf_reserve(&in, 64u << 10);
		ssize_t n = read(f->fd, in.p + in.n, in.cap - in.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			got = err_set(e, "the analyzer closed the connection before it began");
			break;
		}
		in.n += (size_t)n;
	}
	if (got > 0 && type != OBS_RESUME)
		got = err_set(e, "an unexpected frame of type %d", (int)type);
	if (got > 0)
		f->blocks->free += (uint32_t)(in.n - used); /* the block that held HELLO came back, too */
	buf_fini(&in);
	return got < 0 ? -1 : 0;
}

struct capture_options capture_options_of(const struct conf_capture *c)
{
	struct capture_options o = capture_defaults();
	o.subjects = false; /* the store has no use for them */
	o.unanswered = true;
	if (!c)
		return o;
	o.memory_bytes = (size_t)c->memory_bytes;
	o.tunnels = c->tunnels;
	o.subjects = c->subjects;
	if (c->programs.n) {
		o.programs = (const char *const *)c->programs.v;
		o.n_programs = c->programs.n;
	}
	o.n_ports = 0;
	for (const char *p = c->ports; *p && o.n_ports < CAPTURE_PORTS;) {
		char *end;
		unsigned long port = strtoul(p, &end, 10);
		if (end == p)
			break;
		if (port && port < 65536)
			o.port[o.n_ports++] = (uint16_t)port;
		p = end;
	}
	return o;
}

void capture_put_totals(struct buf *out, const struct capture *c, struct sv path)
{
	static const char *const names[] = {
#define C(name) #name,
		CAPTURE_STATS(C)
#undef C
	};
	struct capture_stats t = capture_totals(c);
	uint64_t values[sizeof names / sizeof *names];
	size_t n = 0;
#define C(name) values[n++] = t.name;
	CAPTURE_STATS(C)
#undef C
	obs_put_capture(out, names, values, n, path);
}

int capture_import(const struct conf *c, const char *path, int fd, struct blocks *blocks, struct err *e)
{
	char name[64];
	struct feed f = { .fd = fd, .blocks = blocks };
	struct capture_options o = capture_options_of(c->n_capture ? &c->capture[0] : NULL);
	o.until_us = (int64_t)time(NULL) * 1000000 + STAMP_FUTURE_US; /* a session of next year would make all before it old */
	fingerprint(path, name, sizeof name);
	if (greet(&f, name, e) < 0)
		return -1;
	struct capture *cap = capture_new(&o, on_session, &f);
	struct capture_file_run run = { .path = path, .capture = cap, .progress = on_progress, .ctx = &f };
	int status = capture_file_run(&run, e);
	capture_end(cap);
	capture_put_totals(&f.out, cap, sv_cstr(path));
	obs_put_empty(&f.out, OBS_IDLE);
	obs_put_empty(&f.out, OBS_BYE);
	send(&f);
	capture_free(cap);
	buf_fini(&f.out);
	if (f.failed) {
		*e = f.error;
		return -1;
	}
	return status;
}
