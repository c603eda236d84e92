/* msg: the program's own log. To stderr (with a time when it is a terminal or a file), to syslog,
 * or to the journal (stderr with <N> priority prefixes, as sd-daemon(3) reads them).
 * The only place in the house that may look at the wall clock without being told it. */
#ifndef LIB_MSG_H
#define LIB_MSG_H

enum msg_level { MSG_ERROR, MSG_WARN, MSG_INFO, MSG_DEBUG };
enum msg_dest { MSG_STDERR, MSG_SYSLOG, MSG_JOURNAL };

/* Sets the program name shown in every line. Destination: stderr, or the journal when
 * $JOURNAL_STREAM says that stderr is one. */
void msg_init(const char *program);
/* That name; "abusewatch" before. */
const char *msg_program(void);
void msg_to(enum msg_dest dest);
void msg_level(enum msg_level most);
enum msg_level msg_level_now(void);
/* "error", "warn", "info", "debug" → level; -1 for another word. */
int msg_level_named(const char *name);

void msg_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void msg_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void msg_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void msg_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The environment is wrong at start: says so and exits 1. */
void fatal(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* The programmer is wrong: says so and aborts; the supervisor starts a new process. */
void panic(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
