/* blocks: bytes from a child process to its parent through shared memory, for import: a socket would copy all of it twice. Tokens on
 * a socket pair say which block is full and which is free again, so either side notices when the other one dies. */
#ifndef LIB_BLOCKS_H
#define LIB_BLOCKS_H

#include "lib/err.h"
#include "lib/sv.h"

#define BLOCKS 8u
#define BLOCK_BYTES (512u << 10)

struct blocks {
	char *shared;        /* BLOCKS × BLOCK_BYTES */
	uint32_t at, free;   /* the writer's next block, and how many it may fill; the reader's next block */
};

/* Before fork(). 0, or -1 and e. */
int blocks_init(struct blocks *b, struct err *e);
void blocks_fini(struct blocks *b);

/* Writer: hands over all of bytes; waits for free blocks. Bytes that fit one block arrive in one piece. */
int blocks_put(struct blocks *b, int fd, struct sv bytes, struct err *e);
/* Reader: waits for the next block; *ret_more: it goes on in the one after it. 0 at the end of the stream, 1, or -1 and e. */
int blocks_get(struct blocks *b, int fd, struct sv *ret_bytes, bool *ret_more, struct err *e);
/* Reader: the block got last may be filled again. A writer that has ended does not mind. */
void blocks_release(int fd);

#endif
