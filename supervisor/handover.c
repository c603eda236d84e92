#include "supervisor/handover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/msg.h"

struct owner { uid_t uid; gid_t gid; };

/* What has a second name may be anybody's file, and a link leads anywhere: the folder may be the user's since the last start. */
static void give(int dir, const char *name, const struct owner *to)
{
	struct stat st;
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	bool ours = fstat(fd, &st) == 0 && st.st_uid == 0 && (S_ISDIR(st.st_mode) || (S_ISREG(st.st_mode) && st.st_nlink == 1));
	if (ours && fchownat(fd, "", to->uid, to->gid, AT_EMPTY_PATH) < 0)
		msg_warn("%s: cannot be given to the user of the programs: %s", name, strerror(errno));
	close(fd);
}

static void give_beside(const char *path, const char *suffix, const struct owner *to)
{
	struct buf name = { 0 };
	buf_printf(&name, "%s%s", path, suffix);
	give(AT_FDCWD, buf_cstr(&name), to);
	buf_fini(&name);
}

static void give_folder(const char *path, const char *suffix, const struct owner *to)
{
	struct buf name = { 0 };
	buf_printf(&name, "%s%s", path, suffix);
	int fd = open(buf_cstr(&name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	for (struct dirent *e; d && (e = readdir(d));)
		if (strcmp(e->d_name, "..") != 0)
			give(fd, e->d_name, to);
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	buf_fini(&name);
}

void handover(const struct conf *conf, uid_t uid, gid_t gid)
{
	static const char *const of_store[] = { "", "-wal", "-shm", "-journal", ".lock" }, *const of_state[] = { "/dnsbl.state", "/probe.sock.lock", "/abusewatchd.lock" };
	const struct owner to = { uid, gid };
	for (size_t i = 0; i < sizeof of_store / sizeof *of_store; i++)
		give_beside(conf->store, of_store[i], &to);
	for (size_t i = 0; i < sizeof of_state / sizeof *of_state; i++)
		give_beside(conf->state_dir, of_state[i], &to);
	give_folder(conf->store, ".d", &to);
	give_folder(conf->state_dir, "/login", &to);
	give_beside(conf->web.users_file, "", &to);
}
