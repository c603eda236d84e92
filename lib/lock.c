#include "lib/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/buf.h"

int lock_take(const char *path, const char *taken, struct err *e)
{
	struct buf name = { 0 };
	buf_printf(&name, "%s.lock", path);
	int fd = open(buf_cstr(&name), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		(void)err_set(e, "%s: cannot make it: %m%s", buf_cstr(&name), errno == EACCES ? "; who may is root and the config's user" :
		              errno == ENOENT ? "; make its folder, or name another" : "");
	else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		(void)err_set(e, "%s: %s", path, taken);
		close(fd);
		fd = -1;
	}
	buf_fini(&name);
	return fd;
}
