#include "collector/archive_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef WITH_BZIP2
#include <bzlib.h>
#endif
#ifdef WITH_LZMA
#include <lzma.h>
#endif
#ifdef WITH_ZSTD
#include <zstd.h>
#endif

#include "collector/gunzip.h"
#include "lib/buf.h"
#include "lib/msg.h"

#define PAGE_BYTES 4096u /* a buffer that begins with a page: the kernel copies into others two to three times as slowly */

enum packing { PLAIN, GZIP, XZ, ZSTD, BZIP2 };

/* Blocks that a thread unpacked before they are asked for. The one that was given out last is behind `taken`. */
#define AHEAD_BLOCKS 4u
struct ahead_block { uint8_t *p; size_t n; uint64_t position; };
struct ahead {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t made_more, took_more;
	struct ahead_block block[AHEAD_BLOCKS];
	unsigned made, taken; /* counts; the block of a count is count % AHEAD_BLOCKS */
	bool holding;         /* the one before `taken` is still borrowed */
	bool stop, ended;     /* ended: after what is made comes how it ended */
	int how;
	struct err error;
	uint64_t position;    /* of the block that was given out last */
};

struct archive_reader {
	int fd;
	bool ended, streaming; /* streaming: inside a packed stream that is not complete yet */
	bool begun;            /* a stream was */
	bool failed;           /* with error, which comes after what was unpacked before */
	enum packing packing;
	char *path;
	uint64_t position, size;
	uint64_t read_bytes; /* position, unless the file is read for the second time */
	uint64_t blocks;     /* unpacked and given */
	uint8_t *in, *out;
	struct ahead *ahead; /* NULL: everything happens in the caller's thread */
	size_t in_n, in_at; /* input not yet unpacked */
	size_t out_n;       /* made of the block at out */
	size_t sure_n;      /* of it: what belongs to streams that ended well */
	struct err error;
	struct gunzip *gunzip;
#ifdef WITH_BZIP2
	bz_stream bzip2;
#endif
#ifdef WITH_LZMA
	lzma_stream lzma;
#endif
#ifdef WITH_ZSTD
	ZSTD_DStream *zstd;
#endif
};

/* Reads until the buffer is full or the file ends: pipes give little at a time. */
static int fill(struct archive_reader *r, struct err *e)
{
	memmove(r->in, r->in + r->in_at, r->in_n - r->in_at);
	r->in_n -= r->in_at;
	r->in_at = 0;
	while (!r->ended && r->in_n < ARCHIVE_READER_BYTES) {
		ssize_t n = read(r->fd, r->in + r->in_n, ARCHIVE_READER_BYTES - r->in_n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, "%s: cannot be read: %s", r->path, strerror(errno));
		r->ended = n == 0;
		r->in_n += (size_t)n;
		r->read_bytes += (uint64_t)n;
		if (r->read_bytes > r->position)
			r->position = r->read_bytes;
		if (r->size == 0 && n > 0)
			break; /* a pipe: what is there is worth showing now */
	}
	return 0;
}

static enum packing packing_of(const uint8_t *p, size_t n)
{
	if (n > 2 && p[0] == 0x1f && p[1] == 0x8b)
		return GZIP;
	if (n > 5 && memcmp(p, "\xfd" "7zXZ", 6) == 0)
		return XZ;
	if (n > 3 && memcmp(p, "\x28\xb5\x2f\xfd", 4) == 0)
		return ZSTD;
	if (n > 9 && memcmp(p, "BZh", 3) == 0 && p[3] >= '1' && p[3] <= '9' && (memcmp(p + 4, "1AY&SY", 6) == 0 || memcmp(p + 4, "\x17rE8P\x90", 6) == 0))
		return BZIP2;
	return PLAIN;
}

static int begin(struct archive_reader *r, struct err *e)
{
	if (fill(r, e) < 0)
		return -1;
	r->packing = packing_of(r->in, r->in_n);
	if (r->packing == GZIP && !(r->gunzip = gunzip_new(!r->size)))
		return err_set(e, "%s: zlib does not start", r->path);
	if (r->packing == XZ) {
#ifdef WITH_LZMA
		if (lzma_stream_decoder(&r->lzma, UINT64_MAX, LZMA_CONCATENATED) != LZMA_OK)
			return err_set(e, "%s: liblzma does not start", r->path);
#else
		return err_set(e, "%s: this build cannot unpack .xz; unpack it first or configure with --with-lzma", r->path);
#endif
	}
	if (r->packing == ZSTD) {
#ifdef WITH_ZSTD
		r->zstd = ZSTD_createDStream();
		if (!r->zstd)
			return err_set(e, "%s: libzstd does not start", r->path);
#else
		return err_set(e, "%s: this build cannot unpack .zst; unpack it first or configure with --with-zstd", r->path);
#endif
	}
	if (r->packing == BZIP2) {
#ifdef WITH_BZIP2
		if (BZ2_bzDecompressInit(&r->bzip2, 0, 0) != BZ_OK)
			return err_set(e, "%s: libbz2 does not start", r->path);
#else
		return err_set(e, "%s: this build cannot unpack .bz2; unpack it first or configure with --with-bzip2", r->path);
#endif
	}
	return 0;
}

struct archive_reader *archive_reader_open(const char *path, struct err *e)
{
	struct archive_reader *r = xcalloc(1, sizeof *r);
	struct stat st;
	bool is_stdin = !strcmp(path, "-");
	r->fd = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	r->path = xstrdup(is_stdin ? "standard input" : path);
	if (r->fd < 0 || fstat(r->fd, &st) < 0) {
		err_set(e, "%s: %s", r->path, strerror(errno));
		archive_reader_close(r);
		return NULL;
	}
	if (S_ISDIR(st.st_mode)) {
		err_set(e, "%s: is a folder; name the files in it", r->path);
		archive_reader_close(r);
		return NULL;
	}
	if (S_ISREG(st.st_mode)) {
		r->size = (uint64_t)st.st_size;
		(void)posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	}
	r->in = aligned_alloc(PAGE_BYTES, ARCHIVE_READER_BYTES);
	if (!r->in)
		fatal("no memory for reading %s", r->path);
	if (begin(r, e) < 0) {
		archive_reader_close(r);
		return NULL;
	}
	if (r->packing != PLAIN)
		r->out = xmalloc(ARCHIVE_READER_BYTES);
	return r;
}

static void ahead_end(struct archive_reader *r)
{
	struct ahead *a = r->ahead;
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_signal(&a->took_more);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	for (unsigned i = 0; i < AHEAD_BLOCKS; i++)
		free(a->block[i].p);
	pthread_cond_destroy(&a->made_more);
	pthread_cond_destroy(&a->took_more);
	pthread_mutex_destroy(&a->lock);
	free(a);
	r->ahead = NULL;
	r->out = NULL; /* was one of theirs */
}

void archive_reader_close(struct archive_reader *r)
{
	if (!r)
		return;
	ahead_end(r);
	gunzip_free(r->gunzip);
#ifdef WITH_BZIP2
	if (r->packing == BZIP2)
		(void)BZ2_bzDecompressEnd(&r->bzip2);
#endif
#ifdef WITH_LZMA
	if (r->packing == XZ)
		lzma_end(&r->lzma);
#endif
#ifdef WITH_ZSTD
	ZSTD_freeDStream(r->zstd);
#endif
	if (r->fd >= 0)
		close(r->fd);
	free(r->in);
	free(r->out);
	free(r->path);
	free(r);
}

static int next_plain(struct archive_reader *r, struct sv *ret, struct err *e)
{
	if (r->in_at == r->in_n && fill(r, e) < 0)
		return -1;
	*ret = sv_make((const char *)r->in + r->in_at, r->in_n - r->in_at);
	r->in_at = r->in_n;
	return ret->n > 0;
}

/* What a block that is not whole has of the damaged stream goes with it: where the damage begins is not certain. */
static int damaged(struct archive_reader *r, const char *how, struct err *e)
{
	if (r->out_n < ARCHIVE_READER_BYTES)
		r->out_n = r->sure_n;
	return err_set(e, "%s: damaged %s data near byte %llu", r->path, how, (unsigned long long)(r->read_bytes - (r->in_n - r->in_at)));
}

/* One step: unpacks from in to what is free of out. -1: damaged. */
static int step_gzip(struct archive_reader *r, struct err *e)
{
	struct gunzip_room room = { r->in + r->in_at, r->out + r->out_n, r->in_n - r->in_at, ARCHIVE_READER_BYTES - r->out_n };
	enum gunzip_how how = gunzip_step(r->gunzip, &room);
	r->in_at = r->in_n - room.in_n;
	r->out_n = ARCHIVE_READER_BYTES - room.out_n;
	r->streaming = how != GUNZIP_MEMBER_ENDS; /* members may follow one another */
	return how == GUNZIP_DAMAGED ? damaged(r, "gzip", e) : 0;
}

#ifdef WITH_LZMA
static int step_xz(struct archive_reader *r, struct err *e)
{
	r->lzma.next_in = r->in + r->in_at;
	r->lzma.avail_in = r->in_n - r->in_at;
	r->lzma.next_out = r->out + r->out_n;
	r->lzma.avail_out = ARCHIVE_READER_BYTES - r->out_n;
	lzma_ret s = lzma_code(&r->lzma, r->ended && r->in_at == r->in_n ? LZMA_FINISH : LZMA_RUN);
	r->in_at = r->in_n - r->lzma.avail_in;
	r->out_n = ARCHIVE_READER_BYTES - r->lzma.avail_out;
	r->streaming = s != LZMA_STREAM_END;
	return s != LZMA_OK && s != LZMA_STREAM_END && s != LZMA_BUF_ERROR ? damaged(r, "xz", e) : 0;
}
#endif

#ifdef WITH_ZSTD
static int step_zstd(struct archive_reader *r, struct err *e)
{
	ZSTD_inBuffer in = { r->in, r->in_n, r->in_at };
	ZSTD_outBuffer out = { r->out, ARCHIVE_READER_BYTES, r->out_n };
	size_t s = ZSTD_decompressStream(r->zstd, &out, &in);
	r->in_at = in.pos;
	r->out_n = out.pos;
	r->streaming = s != 0;
	return ZSTD_isError(s) ? damaged(r, "zstd", e) : 0;
}
#endif

#ifdef WITH_BZIP2
static int step_bzip2(struct archive_reader *r, struct err *e)
{
	r->bzip2.next_in = (char *)r->in + r->in_at;
	r->bzip2.avail_in = (unsigned)(r->in_n - r->in_at);
	r->bzip2.next_out = (char *)r->out + r->out_n;
	r->bzip2.avail_out = (unsigned)(ARCHIVE_READER_BYTES - r->out_n);
	int s = BZ2_bzDecompress(&r->bzip2);
	r->in_at = r->in_n - r->bzip2.avail_in;
	r->out_n = ARCHIVE_READER_BYTES - r->bzip2.avail_out;
	r->streaming = s != BZ_STREAM_END;
	if (s == BZ_STREAM_END) { /* another may follow, as pbzip2 writes them */
		(void)BZ2_bzDecompressEnd(&r->bzip2);
		r->bzip2 = (bz_stream){ 0 };
		s = BZ2_bzDecompressInit(&r->bzip2, 0, 0);
	}
	return s != BZ_OK ? damaged(r, "bzip2", e) : 0;
}
#endif

static int step(struct archive_reader *r, struct err *e)
{
#ifdef WITH_BZIP2
	if (r->packing == BZIP2)
		return step_bzip2(r, e);
#endif
#ifdef WITH_LZMA
	if (r->packing == XZ)
		return step_xz(r, e);
#endif
#ifdef WITH_ZSTD
	if (r->packing == ZSTD)
		return step_zstd(r, e);
#endif
	return step_gzip(r, e);
}

/* Behind a stream's end there may be nothing but zeros: tapes and copies by whole sectors are filled up with them. */
static int skip_padding(struct archive_reader *r, struct err *e)
{
	while (r->packing != XZ) { /* liblzma sees to it itself */
		while (r->in_at < r->in_n && !r->in[r->in_at])
			r->in_at++;
		if (r->in_at < r->in_n || r->ended)
			break;
		if (fill(r, e) < 0)
			return -1;
	}
	return 0;
}

/* Until the block at out is full or what a pipe had is used: 1. 0 at the end, or -1; there may be a last block then, too. */
static int unpack(struct archive_reader *r, struct err *e)
{
	for (;;) {
		if (r->in_at == r->in_n && !r->ended && fill(r, e) < 0)
			return -1;
		if (r->begun && !r->streaming && skip_padding(r, e) < 0)
			return -1;
		size_t before = r->out_n;
		bool last = r->in_at == r->in_n && r->ended;
		if (last && !r->streaming)
			return 0;
		if (step(r, e) < 0)
			return -1;
		r->begun = true;
		if (!r->streaming)
			r->sure_n = r->out_n;
		if (r->out_n == ARCHIVE_READER_BYTES || (r->out_n && !r->size))
			return 1;
		if (last && r->streaming && r->out_n == before)
			return err_set(e, "%s: ends in the middle of its packed data; was the copy complete?", r->path);
	}
}

int archive_reader_by_zlib(struct archive_reader *r)
{
	struct gunzip *z = r->packing == GZIP && r->size && lseek(r->fd, 0, SEEK_SET) == 0 ? gunzip_new(true) : NULL;
	if (!z)
		return -1;
	gunzip_free(r->gunzip);
	r->gunzip = z;
	r->in_n = r->in_at = 0;
	r->read_bytes = 0;
	r->ended = r->streaming = r->begun = false;
	return 0;
}

/* zlib has the last word on what ISA-L found wrong, so that what is read of a damaged log does not depend on the build: ISA-L may hold back a byte or two
 * of a log that ends early, and does not know every member's head that comes in two pieces. */
static int unpack_again(struct archive_reader *r, struct err *e)
{
	int how = 1;
	for (uint64_t i = 0; i <= r->blocks && how > 0; i++) {
		r->out_n = r->sure_n = 0;
		how = unpack(r, e);
		if (i < r->blocks && how <= 0)
			r->out_n = 0; /* was given before */
	}
	return how;
}

/* Blocks begin at multiples of their size in the unpacked log, whatever unpacks it and however much of the file comes at a time. Of a damaged
 * log only whole ones are given, of one that ends early all that is there. */
static int next_packed(struct archive_reader *r, struct sv *ret, struct err *e)
{
	int how = -1;
	r->out_n = r->sure_n = 0;
	if (!r->failed)
		how = unpack(r, &r->error);
	if (how < 0 && !r->failed && gunzip_by_isal(r->gunzip) && archive_reader_by_zlib(r) == 0)
		how = unpack_again(r, &r->error);
	r->failed = how < 0;
	*ret = sv_make((const char *)r->out, r->out_n);
	r->blocks++;
	if (r->out_n)
		return 1;
	if (how < 0)
		*e = r->error;
	return how;
}

/* -- in a thread of its own -- */

static void *ahead_main(void *arg)
{
	struct archive_reader *r = arg;
	struct ahead *a = r->ahead;
	(void)pthread_setname_np(pthread_self(), "aw-unpack");
	for (int how = 1; how > 0;) {
		struct sv made = { 0 };
		pthread_mutex_lock(&a->lock);
		while (!a->stop && a->made - a->taken + a->holding >= AHEAD_BLOCKS)
			pthread_cond_wait(&a->took_more, &a->lock);
		bool stop = a->stop;
		pthread_mutex_unlock(&a->lock);
		if (stop)
			break;
		struct ahead_block *b = &a->block[a->made % AHEAD_BLOCKS]; /* nobody else looks at it now */
		r->out = b->p;
		how = next_packed(r, &made, &a->error);
		b->n = made.n;
		b->position = r->position;
		pthread_mutex_lock(&a->lock);
		if (how > 0)
			a->made++;
		a->ended = how <= 0;
		a->how = how;
		pthread_cond_signal(&a->made_more);
		pthread_mutex_unlock(&a->lock);
	}
	return NULL;
}

static int next_ahead(struct ahead *a, struct sv *ret, struct err *e)
{
	int how = 1;
	pthread_mutex_lock(&a->lock);
	a->holding = false;
	pthread_cond_signal(&a->took_more);
	while (a->made == a->taken && !a->ended)
		pthread_cond_wait(&a->made_more, &a->lock);
	if (a->made != a->taken) {
		const struct ahead_block *b = &a->block[a->taken++ % AHEAD_BLOCKS];
		*ret = sv_make((const char *)b->p, b->n);
		a->position = b->position;
		a->holding = true;
	} else {
		how = a->how;
		*e = a->error;
	}
	pthread_mutex_unlock(&a->lock);
	return how;
}

void archive_reader_ahead(struct archive_reader *r)
{
	if (r->packing == PLAIN || r->ahead || !r->size) /* a pipe may keep its reader waiting, who could not be ended then */
		return;
	struct ahead *a = r->ahead = xcalloc(1, sizeof *a);
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->made_more, NULL);
	pthread_cond_init(&a->took_more, NULL);
	/* The caller may still borrow the block at r->out: it is the one before the first. */
	a->holding = true;
	a->block[AHEAD_BLOCKS - 1].p = r->out;
	for (unsigned i = 0; i < AHEAD_BLOCKS - 1; i++)
		a->block[i].p = xmalloc(ARCHIVE_READER_BYTES);
	a->position = r->position;
	if (pthread_create(&a->thread, NULL, ahead_main, r) == 0)
		return;
	for (unsigned i = 0; i < AHEAD_BLOCKS - 1; i++)
		free(a->block[i].p);
	free(a);
	r->ahead = NULL;
}

int archive_reader_next(struct archive_reader *r, struct sv *ret, struct err *e)
{
	if (r->packing == PLAIN)
		return next_plain(r, ret, e);
	return r->ahead ? next_ahead(r->ahead, ret, e) : next_packed(r, ret, e);
}

uint64_t archive_reader_position(const struct archive_reader *r)
{
	return r->ahead ? r->ahead->position : r->position;
}

uint64_t archive_reader_size(const struct archive_reader *r)
{
	return r->size;
}

bool archive_reader_is_packed(const struct archive_reader *r)
{
	return r->packing != PLAIN;
}
