#include "lib/control.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/buf.h"

#define CONTROL_ANSWER_MAX (4u << 20)

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* 0 when fd is ready before the deadline. */
static int wait_for(int fd, short events, int64_t deadline_ms, struct err *e)
{
	for (;;) {
		int64_t left = deadline_ms - now_ms();
		struct pollfd p = { .fd = fd, .events = events };
		int n = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (n > 0)
			return 0;
		if (n == 0)
			return err_set(e, "the analyzer does not answer; is it busy or stopped? Try again");
		if (errno != EINTR)
			return err_set(e, "poll: %s", strerror(errno));
	}
}

static bool is_nobody(int why)
{
	return why == ENOENT || why == ECONNREFUSED;
}

/* *ret_why: an errno. */
static int try_to_connect(const char *path, int *ret_why)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	*ret_why = ENAMETOOLONG;
	if (strlen(path) >= sizeof a.sun_path)
		return -1;
	memcpy(a.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
		return fd;
	*ret_why = errno;
	if (fd >= 0)
		close(fd);
	return -1;
}

static int connect_to(const char *path, struct err *e)
{
	int why, fd = try_to_connect(path, &why);
	if (fd >= 0)
		return fd;
	if (is_nobody(why))
		return err_set(e, "the analyzer is not running (no answer at %s); start abusewatchd", path);
	return err_set(e, "cannot reach the analyzer at %s: %s", path, strerror(why));
}

bool control_listens(const char *socket_path)
{
	int why, fd = try_to_connect(socket_path, &why);
	if (fd >= 0)
		close(fd);
	return fd >= 0 || !is_nobody(why);
}

static int send_all(int fd, struct sv bytes, int64_t deadline_ms, struct err *e)
{
	while (bytes.n) {
		ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
		if (n > 0)
			bytes = sv_skip(bytes, (size_t)n);
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_set(e, "the analyzer hung up: %s", strerror(errno));
		else if (wait_for(fd, POLLOUT, deadline_ms, e) < 0)
			return -1;
	}
	return 0;
}

static int read_line(int fd, struct buf *in, int64_t deadline_ms, struct err *e)
{
	while (sv_chr(buf_sv(in), '\n') < 0) {
		char chunk[4096];
		ssize_t n = recv(fd, chunk, sizeof chunk, 0);
		if (n > 0)
			buf_add(in, chunk, (size_t)n);
		else if (n == 0)
			return err_set(e, "the analyzer hung up before it answered");
		else if (errno != EAGAIN && errno != EINTR)
			return err_set(e, "the analyzer hung up: %s", strerror(errno));
		else if (wait_for(fd, POLLIN, deadline_ms, e) < 0)
			return -1;
		if (in->n > CONTROL_ANSWER_MAX)
			return err_set(e, "the analyzer's answer is longer than %u bytes", CONTROL_ANSWER_MAX);
	}
	return 0;
}

static struct json_object *judge(const char *line, struct err *e)
{
	struct json_object *answer = json_tokener_parse(line), *v;
	if (!answer || !json_object_is_type(answer, json_type_object)) {
		json_object_put(answer);
		err_set(e, "the analyzer's answer is not understood");
		return NULL;
	}
	if (json_object_object_get_ex(answer, "ok", &v) && json_object_get_boolean(v))
		return answer;
	err_set(e, "%s", json_object_object_get_ex(answer, "error", &v) ? json_object_get_string(v) : "the analyzer refused");
	json_object_put(answer);
	return NULL;
}

struct json_object *control_ask(const char *path, struct json_object *request, int timeout_ms, struct err *e)
{
	struct json_object *answer = NULL;
	struct buf b = { 0 };
	int64_t deadline = now_ms() + timeout_ms;
	int fd = connect_to(path, e);
	if (fd < 0)
		return NULL;
	buf_puts(&b, json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN));
	buf_addc(&b, '\n');
	if (send_all(fd, buf_sv(&b), deadline, e) == 0) {
		buf_clear(&b);
		if (read_line(fd, &b, deadline, e) == 0) {
			b.n = (size_t)sv_chr(buf_sv(&b), '\n');
			answer = judge(buf_cstr(&b), e);
		}
	}
	buf_fini(&b);
	close(fd);
	return answer;
}
