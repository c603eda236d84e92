#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "report/letter_int.h"

#define SEND_TIMEOUT_S 60

/* --- sendmail ----------------------------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* fd does not block. -1 with errno: ETIMEDOUT when the reader was too slow. */
static int write_until(int fd, struct sv s, int64_t until_ms)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);
		if (n > 0) {
			s = sv_skip(s, (size_t)n);
			continue;
		}
		if (n == 0 || (errno != EINTR && errno != EAGAIN))
			return -1;
		int64_t left = until_ms - now_ms();
		if (left <= 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		(void)poll(&p, 1, (int)left);
	}
	return 0;
}

/* sendmail reads lines that end in LF; what is left of CR would be kept by some. */
static void without_cr(const struct buf *message, struct buf *out)
{
	for (size_t i = 0; i < message->n; i++)
		if (message->p[i] != '\r')
			buf_addc(out, message->p[i]);
}

static int spawn_sendmail(const struct conf *conf, const char *recipient, pid_t *ret_pid, int *ret_fd, struct err *e)
{
	extern char **environ;
	int pipefd[2];
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t pipe_only;
	char *args[] = { conf->notify.sendmail, "-i", "-f", conf->notify.from, "--", (char *)(uintptr_t)recipient, NULL };
	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return err_set(e, "pipe: %m");
	(void)fcntl(pipefd[1], F_SETFL, O_NONBLOCK); /* of our end only */
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, pipefd[0], 0);
	posix_spawnattr_init(&attr); /* that we ignore SIGPIPE is no business of sendmail's */
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	posix_spawnattr_setsigdefault(&attr, &pipe_only);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	int bad = posix_spawn(ret_pid, conf->notify.sendmail, &fa, &attr, args, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&fa);
	close(pipefd[0]);
	if (bad) {
		close(pipefd[1]);
		errno = bad;
		return err_set(e, "%s: %m", conf->notify.sendmail);
	}
	*ret_fd = pipefd[1];
	return 0;
}

/* What has not ended by then is killed: -1. */
static int wait_until(pid_t pid, int64_t until_ms, int *ret_status)
{
	for (;;) {
		pid_t got = waitpid(pid, ret_status, WNOHANG);
		if (got == pid)
			return 0;
		if (now_ms() >= until_ms)
			break;
		(void)poll(NULL, 0, 50);
	}
	kill(pid, SIGKILL);
	(void)waitpid(pid, ret_status, 0);
	return -1;
}

int letter_to_sendmail(const struct conf *conf, const char *recipient, const struct letter *l, int limit_s, struct err *e)
{
	struct buf text = { 0 };
	pid_t pid = -1;
	int fd = -1, status = 0;
	int64_t until_ms = now_ms() + limit_s * 1000LL;
	if (spawn_sendmail(conf, recipient, &pid, &fd, e) < 0)
		return -1;
	without_cr(&l->message, &text);
	int bad = write_until(fd, buf_sv(&text), until_ms);
	bool slow = bad && errno == ETIMEDOUT;
	buf_fini(&text);
	if (slow)
		kill(pid, SIGKILL); /* before its input ends: half a letter is not to be sent */
	close(fd);
	if (wait_until(pid, until_ms, &status) < 0 || slow)
		return err_set(e, "%s did not %s within %d s", conf->notify.sendmail, slow ? "take the letter" : "end", limit_s);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_set(e, "%s ended with status %d", conf->notify.sendmail, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	return bad ? err_set(e, "%s did not take the letter", conf->notify.sendmail) : 0;
}

/* --- SMTP --------------------------------------------------------------------------------------------------------- */

struct upload { struct sv rest; };

static size_t give_bytes(char *to, size_t size, size_t count, void *ctx)
{
	struct upload *u = ctx;
	size_t n = size * count < u->rest.n ? size * count : u->rest.n;
	if (n)
		memcpy(to, u->rest.p, n);
	u->rest = sv_skip(u->rest, n);
	return n;
}

/* The first line of the password file. */
static void read_secret(const char *path, char *out, size_t cap)
{
	FILE *f = path && *path ? fopen(path, "r") : NULL;
	out[0] = 0;
	if (f) {
		if (fgets(out, (int)cap, f))
			out[strcspn(out, "\r\n")] = 0;
		fclose(f);
	}
}

static void set_login(CURL *c, const struct conf *conf, char *secret, size_t cap)
{
	if (!conf->notify.smtp_user || !*conf->notify.smtp_user)
		return;
	read_secret(conf->notify.smtp_password_file, secret, cap);
	curl_easy_setopt(c, CURLOPT_USERNAME, conf->notify.smtp_user);
	curl_easy_setopt(c, CURLOPT_PASSWORD, secret);
	curl_easy_setopt(c, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL); /* a password only over TLS */
}

static int by_smtp(const struct conf *conf, const char *recipient, const struct letter *l, struct err *e)
{
	char from[340], to[340], secret[256] = "", why[CURL_ERROR_SIZE] = "";
	struct upload u = { buf_sv(&l->message) };
	CURL *c = curl_easy_init();
	if (!c)
		return err_set(e, "libcurl does not start");
	(void)snprintf(from, sizeof from, "<%s>", conf->notify.from);
	(void)snprintf(to, sizeof to, "<%s>", recipient);
	struct curl_slist *rcpt = curl_slist_append(NULL, to);
	curl_easy_setopt(c, CURLOPT_URL, conf->notify.smtp_url);
	curl_easy_setopt(c, CURLOPT_MAIL_FROM, from);
	curl_easy_setopt(c, CURLOPT_MAIL_RCPT, rcpt);
	curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(c, CURLOPT_READFUNCTION, give_bytes);
	curl_easy_setopt(c, CURLOPT_READDATA, &u);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)SEND_TIMEOUT_S);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
	set_login(c, conf, secret, sizeof secret);
	CURLcode rc = curl_easy_perform(c);
	explicit_bzero(secret, sizeof secret);
	curl_slist_free_all(rcpt);
	curl_easy_cleanup(c);
	return rc == CURLE_OK ? 0 : err_set(e, "%s: %s", conf->notify.smtp_url, *why ? why : curl_easy_strerror(rc));
}

int letter_send(const struct conf *conf, const struct letter_due *due, const struct letter *l, struct err *e)
{
	if (strcmp(conf->notify.via, "smtp") == 0)
		return by_smtp(conf, due->recipient, l, e);
	return letter_to_sendmail(conf, due->recipient, l, SEND_TIMEOUT_S, e);
}
