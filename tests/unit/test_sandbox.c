#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/sandbox.h"

enum { NO_KERNEL = 77 };

/* In a child, because there is no way back. Exit status 0: as it should be. */
static int fenced_child(const char *readable, const char *writable)
{
	struct sandbox s = { .n = 0 };
	char path[128];
	sandbox_allow(&s, readable, false);
	sandbox_allow_folder_of(&s, writable, true);
	sandbox_allow(&s, "/does/not/exist", true);
	if (!sandbox_enter(&s))
		return NO_KERNEL;
	snprintf(path, sizeof path, "%s/f", readable);
	if (open(path, O_RDONLY) < 0)
		return 1; /* what is allowed works */
	if (open(path, O_WRONLY) >= 0 || errno != EACCES)
		return 2;
	if (open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES)
		return 3;
	if (open(writable, O_WRONLY | O_CREAT | O_TRUNC, 0600) < 0)
		return 4;
	if (unlink(writable) < 0)
		return 5;
	execl("/bin/true", "true", (char *)NULL);
	return errno == EACCES ? 0 : 6; /* nothing can be started */
}

static void only_what_is_named_can_be_reached(void **state)
{
	char a[] = "/tmp/aw-sandbox-a-XXXXXX", b[] = "/tmp/aw-sandbox-b-XXXXXX", path[64], out[64];
	int status;
	(void)state;
	assert_non_null(mkdtemp(a));
	assert_non_null(mkdtemp(b));
	snprintf(path, sizeof path, "%s/f", a);
	snprintf(out, sizeof out, "%s/x*", b);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	snprintf(out, sizeof out, "%s/x", b);
	pid_t pid = fork();
	if (pid == 0)
		_exit(fenced_child(a, out));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	unlink(path);
	rmdir(a);
	rmdir(b);
	if (WEXITSTATUS(status) == NO_KERNEL)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(only_what_is_named_can_be_reached) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
