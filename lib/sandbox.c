#include "lib/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/msg.h"

/* Rights that Debian 12's header does not know yet. */
#define FS_REFER (1ull << 13)
#define FS_TRUNCATE (1ull << 14)

#define RIGHTS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RIGHTS_WRITE                                                                                                            \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SOCK)
#define RIGHTS_NEVER                                                                                                            \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | \
	 LANDLOCK_ACCESS_FS_MAKE_SYM)

void sandbox_allow(struct sandbox *s, const char *path, bool write)
{
	if (!path || !*path)
		return;
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].write == write && !strcmp(s->v[i].path, path))
			return;
	s->v = xrealloc(s->v, (s->n + 1) * sizeof *s->v);
	s->v[s->n++] = (struct sandbox_path){ xstrdup(path), write };
}

static void allow_folder_of(struct sandbox *s, const char *path, bool write)
{
	/* A pattern may stand in a folder's name too: what lies before it counts. */
	char *dir = xsvdup(sv_make(path, strcspn(path, "*?["))), *slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = 0;
	sandbox_allow(s, slash ? dir : ".", write);
	free(dir);
}

void sandbox_allow_folder_of(struct sandbox *s, const char *path, bool write)
{
	struct stat st;
	if (!path || !*path)
		return;
	allow_folder_of(s, path, write);
	char *target = lstat(path, &st) == 0 && S_ISLNK(st.st_mode) ? realpath(path, NULL) : NULL;
	if (target)
		allow_folder_of(s, target, write);
	free(target);
}

void sandbox_allow_system(struct sandbox *s)
{
	static const char *const paths[] = { "/etc/localtime", "/usr/share/zoneinfo", "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf",
		                             "/etc/ssl", "/usr/share/ca-certificates", "/dev/null", "/dev/urandom", "/proc/self" };
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		sandbox_allow(s, paths[i], false);
}

static void add_rule(int ruleset, const char *path, bool write, uint64_t handled)
{
	struct stat st;
	uint64_t rights = RIGHTS_READ | (write ? RIGHTS_WRITE | FS_TRUNCATE : 0);
	int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return;
	/* Rights that only make sense for folders are refused for files. */
	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rights &= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE;
	struct landlock_path_beneath_attr rule = { .allowed_access = rights & handled, .parent_fd = fd };
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		msg_warn("sandbox: %s: %m", path);
	close(fd);
}

static bool entered;

bool sandbox_entered(void)
{
	return entered;
}

bool sandbox_denies(const char *path)
{
	int fd = entered && path && *path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1, why = errno;
	if (fd >= 0)
		close(fd);
	return entered && path && *path && fd < 0 && why == EACCES;
}

static bool enter(const struct sandbox *s)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		msg_warn("sandbox: no_new_privs: %m");
		return false;
	}
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1) {
		msg_info(errno == ENOSYS || errno == EOPNOTSUPP ? "this kernel has no Landlock (%s): files are not fenced off"
		                                                : "Landlock is not allowed here, as in some containers (%s): files are not fenced off", strerror(errno));
		return false;
	}
	struct landlock_ruleset_attr attr = { .handled_access_fs = RIGHTS_READ | RIGHTS_WRITE | RIGHTS_NEVER | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) };
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
	if (ruleset < 0) {
		msg_warn("sandbox: %m: files are not fenced off");
		return false;
	}
	for (size_t i = 0; i < s->n; i++)
		add_rule(ruleset, s->v[i].path, s->v[i].write, attr.handled_access_fs);
	bool ok = syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
	if (!ok)
		msg_warn("sandbox: %m: files are not fenced off");
	close(ruleset);
	entered |= ok;
	return ok;
}

bool sandbox_enter(struct sandbox *s)
{
	bool ok = enter(s);
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i].path);
	free(s->v);
	*s = (struct sandbox){ 0 };
	return ok;
}
