#include "lib/blocks.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define MORE 0x80000000u

int blocks_init(struct blocks *b, struct err *e)
{
	void *p = mmap(NULL, (size_t)BLOCKS * BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return err_set(e, "no memory to share: %m");
	*b = (struct blocks){ .shared = p, .free = BLOCKS };
	return 0;
}

void blocks_fini(struct blocks *b)
{
	if (b->shared)
		(void)munmap(b->shared, (size_t)BLOCKS * BLOCK_BYTES);
	b->shared = NULL;
}

/* n bytes, however many calls that takes: 1, 0 when the peer is gone before the first, -1. */
static int read_all(int fd, void *to, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t got = read(fd, (char *)to + at, n - at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got == 0 && at == 0 ? 0 : -1;
		at += (size_t)got;
	}
	return 1;
}

static int send_all(int fd, const void *from, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t put = send(fd, (const char *)from + at, n - at, MSG_NOSIGNAL);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return -1;
		at += (size_t)put;
	}
	return 0;
}

int blocks_put(struct blocks *b, int fd, struct sv bytes, struct err *e)
{
	while (bytes.n) {
		char back[BLOCKS];
		while (!b->free) { /* as many as came back meanwhile */
			ssize_t n = read(fd, back, sizeof back);
			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				return err_set(e, "who takes what was read is gone");
			b->free += (uint32_t)n;
		}
		struct sv part = sv_take(bytes, BLOCK_BYTES);
		bytes = sv_skip(bytes, part.n);
		memcpy(b->shared + (size_t)b->at * BLOCK_BYTES, part.p, part.n);
		b->at = (b->at + 1) % BLOCKS;
		b->free--;
		uint32_t token = (uint32_t)part.n | (bytes.n ? MORE : 0);
		if (send_all(fd, &token, sizeof token) < 0)
			return err_set(e, "who takes what was read is gone: %m");
	}
	return 0;
}

int blocks_get(struct blocks *b, int fd, struct sv *ret_bytes, bool *ret_more, struct err *e)
{
	uint32_t token;
	int got = read_all(fd, &token, sizeof token);
	if (got <= 0)
		return got < 0 ? err_set(e, "the reading process ended in the middle of a word") : 0;
	if ((token & ~MORE) > BLOCK_BYTES)
		return err_set(e, "the reading process sent nonsense");
	*ret_bytes = sv_make(b->shared + (size_t)b->at * BLOCK_BYTES, token & ~MORE);
	*ret_more = token & MORE;
	b->at = (b->at + 1) % BLOCKS;
	return 1;
}

void blocks_release(int fd)
{
	(void)send_all(fd, "", 1);
}
