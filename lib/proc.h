/* proc: what every program of the house does alike around its libuv loop: signals, and the typed messages of the
 * supervisor on fd 3. A frame is u32 length of the payload (little endian), u8 type, payload. Started by hand (no $ABUSEWATCH_SUPERVISED)
 * a program has only the signals. */
#ifndef LIB_PROC_H
#define LIB_PROC_H

#include <uv.h>

#include "lib/sv.h"

#define PROC_FD 3
#define PROC_ENV "ABUSEWATCH_SUPERVISED"

enum proc_type {
	PROC_READY = 1, /* child → supervisor: start-up is done */
	PROC_STATUS,    /* child → supervisor: one line for the log of the supervisor */
	PROC_PING,      /* supervisor → child */
	PROC_PONG,      /* child → supervisor */
	PROC_RELOAD,    /* supervisor → child: read the config again */
	PROC_STOP,      /* supervisor → child: finish and exit 0 */
};

/* The options of programs that have no others: "-c CONF", "-d", "--help", "--version". Gives the config's path. After --help and --version, and when
 * they are used wrongly, the program ends. does: what --help ends with, whole lines. */
const char *proc_options(const char *name, const char *does, int argc, char **argv);

struct proc {
	uv_loop_t *loop;
	uv_signal_t term, interrupt, hup;
	uv_pipe_t pipe;
	bool supervised;
	void (*on_reload)(void *ctx);
	void (*on_stop)(void *ctx);
	void *ctx;
	char in[64];
	size_t n_in;
};

/* Watches SIGTERM, SIGINT, SIGHUP and fd 3. on_stop is called once, also when the supervisor is gone. Ignores SIGPIPE. */
void proc_init(struct proc *p, uv_loop_t *loop, void (*on_reload)(void *), void (*on_stop)(void *), void *ctx);
/* As many open files as the system lets us have, where it gives few unless it is asked (1024, mostly): for who holds some for each of many logs. */
void proc_many_files(void);
/* Tells the supervisor. No-ops when there is none. */
void proc_ready(struct proc *p);
/* For a reload that needs files beyond the fence of this program: ends it, to be started again with the rights to read them. False: nobody would. */
bool proc_start_again(struct proc *p);
/* Stops watching, so that the loop can end. */
void proc_fini(struct proc *p);

/* One frame as bytes: 5 + payload. */
size_t proc_frame(enum proc_type type, struct sv payload, char *out, size_t cap);

#endif
