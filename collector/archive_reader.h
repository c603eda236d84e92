/* archive_reader: the bytes of a finished log file, whatever it is packed with (.gz .xz .zst .bz2, told by its first
 * bytes, not by its name). "-" is standard input. */
#ifndef COLLECTOR_ARCHIVE_READER_H
#define COLLECTOR_ARCHIVE_READER_H

#include "lib/err.h"
#include "lib/sv.h"

#define ARCHIVE_READER_BYTES (128u << 10)

struct archive_reader;

/* NULL and e when the file cannot be opened or is packed with something this build cannot unpack. */
struct archive_reader *archive_reader_open(const char *path, struct err *e);
void archive_reader_close(struct archive_reader *r);
/* From now on a packed file is unpacked by a thread, some blocks before they are asked for. What is not packed, and pipes, are read as before. */
void archive_reader_ahead(struct archive_reader *r);
/* From its start again, unpacked by zlib also where there is ISA-L; -1 when that cannot be (a pipe, no .gz). Before archive_reader_ahead() and
 * archive_reader_next(); for tests. */
int archive_reader_by_zlib(struct archive_reader *r);
/* The next block, borrowed until the next call: 1, 0 at the end, -1 and e when the file is damaged. */
int archive_reader_next(struct archive_reader *r, struct sv *ret_block, struct err *e);
/* Bytes of the file read so far, and its size (0 when unknown): for showing progress. */
uint64_t archive_reader_position(const struct archive_reader *r);
uint64_t archive_reader_size(const struct archive_reader *r);
bool archive_reader_is_packed(const struct archive_reader *r);

#endif
