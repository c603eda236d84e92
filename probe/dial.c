#include "probe/dial.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int probe_dial(const struct conf *conf, bool waits)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct conf_path path = conf_probe_socket(conf);
	if (strlen(path.s) >= sizeof a.sun_path)
		return -1;
	memcpy(a.sun_path, path.s, strlen(path.s) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (waits ? 0 : SOCK_NONBLOCK), 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}
