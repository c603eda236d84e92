/* cwd: the folder in which a local program called the mail server. Exim logs "cwd=/home/web12/public_html 3 args: /usr/sbin/sendmail -t"
 * when it is called, and the message with a line of its own a moment later. Which belongs to which is only told where it is certain:
 *   - with process ids in the log (+pid, syslog): the same host and process, within CWD_PROCESS_US;
 *   - without: the host's only call that no message followed yet, within CWD_NEXT_US. Where calls in two folders wait at once neither is told.
 * The folder is chosen by whoever called: one in another user's home is not told without a process id. */
#ifndef COLLECTOR_CWD_H
#define COLLECTOR_CWD_H

#include "lib/buf.h"
#include "lib/record.h"
#include "lib/txn.h"
#include "lib/wire.h"

#define CWD_PROCESS_US (60LL * 1000000) /* a program may take its time to write the message */
#define CWD_NEXT_US (2LL * 1000000)
#define CWD_WAIT_US (10LL * 1000000)    /* a call that no message followed for so long gave none */
#define CWD_WAITING 8u                  /* calls of a host that wait at once; the oldest is forgotten */
#define CWD_SLOTS 32u                   /* processes and hosts; the one called longest ago makes room */

struct cwd_call {
	int64_t pid;                    /* RECORD_UNSET: the log has none */
	int64_t called_us[CWD_WAITING]; /* oldest first */
	uint32_t host;
	uint8_t n_waiting, n;           /* n: of text */
	bool used, unclear;             /* unclear: in two folders at once since none waited */
	char text[TXN_CWD_BYTES];
};

struct cwd_table { struct cwd_call call[CWD_SLOTS]; };

/* A line that says that the server was called. */
void cwd_called(struct cwd_table *t, uint32_t host, const struct record *r);
/* A local message came: the folder it was called in, absent when that is not certain. Valid until the next call. */
struct sv cwd_of(struct cwd_table *t, uint32_t host, const struct record *r);
/* The clock was put back: nothing was called later. */
void cwd_put_back(struct cwd_table *t, int64_t now_us);
/* To and from a snapshot; w->bad when it does not decode. */
void cwd_save(const struct cwd_table *t, struct buf *out);
void cwd_load(struct cwd_table *t, struct wire *w, uint32_t hosts);

#endif
