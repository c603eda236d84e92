#include "lib/msg.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syslog.h>
#include <time.h>
#include <unistd.h>

static struct {
	const char *program;
	enum msg_dest dest;
	enum msg_level most;
} msg_state = { "abusewatch", MSG_STDERR, MSG_INFO };

static const int msg_priority[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
static const char *const msg_word[] = { "error", "warn", "info", "debug" };

void msg_init(const char *program)
{
	msg_state.program = program;
	if (getenv("JOURNAL_STREAM") && !isatty(STDERR_FILENO))
		msg_state.dest = MSG_JOURNAL;
}

const char *msg_program(void)
{
	return msg_state.program;
}

void msg_to(enum msg_dest dest)
{
	msg_state.dest = dest;
	if (dest == MSG_SYSLOG)
		openlog(msg_state.program, LOG_PID | LOG_NDELAY, LOG_MAIL);
}

void msg_level(enum msg_level most)
{
	msg_state.most = most;
}

enum msg_level msg_level_now(void)
{
	return msg_state.most;
}

int msg_level_named(const char *name)
{
	for (int i = 0; i <= MSG_DEBUG; i++)
		if (strcmp(name, msg_word[i]) == 0)
			return i;
	return -1;
}

/* Control characters of a peer's text must not reach a terminal. */
static void defuse(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 32 || *s == 127)
			*s = '?';
}

__attribute__((format(printf, 2, 0))) static void msg_v(enum msg_level level, const char *fmt, va_list ap)
{
	char text[2048], stamp[40] = "";
	if (level > msg_state.most)
		return;
	(void)vsnprintf(text, sizeof text, fmt, ap);
	defuse(text);
	if (msg_state.dest == MSG_SYSLOG) {
		syslog(msg_priority[level], "%s", text);
		return;
	}
	if (msg_state.dest == MSG_JOURNAL) {
		fprintf(stderr, "<%d>%s: %s\n", msg_priority[level], msg_state.program, text);
		return;
	}
	struct timespec now;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof stamp, "%H:%M:%S", &tm);
	fprintf(stderr, "%s.%03ld %s[%d] %s: %s\n", stamp, now.tv_nsec / 1000000, msg_state.program,
	        (int)getpid(), msg_word[level], text);
}

#define MSG_BODY(level)           \
	do {                      \
		va_list ap;       \
		va_start(ap, fmt); \
		msg_v(level, fmt, ap); \
		va_end(ap);       \
	} while (0)

void msg_error(const char *fmt, ...) { MSG_BODY(MSG_ERROR); }
void msg_warn(const char *fmt, ...) { MSG_BODY(MSG_WARN); }
void msg_info(const char *fmt, ...) { MSG_BODY(MSG_INFO); }
void msg_debug(const char *fmt, ...) { MSG_BODY(MSG_DEBUG); }

void fatal(const char *fmt, ...)
{
	MSG_BODY(MSG_ERROR);
	exit(1);
}

void panic(const char *fmt, ...)
{
	MSG_BODY(MSG_ERROR);
	abort();
}
