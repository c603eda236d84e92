#include "lib/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/msg.h"

static int set_caps(uint32_t permitted, uint32_t effective, uint32_t inheritable)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { .permitted = permitted, .effective = effective, .inheritable = inheritable } };
	return (int)syscall(SYS_capset, &head, data);
}

int privileges_keep_raw(struct err *e)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_set(e, "capabilities cannot be kept: %s", strerror(errno));
	return 0;
}

int privileges_kept(struct err *e)
{
	const uint32_t raw = 1u << CAP_NET_RAW;
	if (set_caps(raw, 0, raw) < 0)
		return err_set(e, "CAP_NET_RAW cannot be kept: %s", strerror(errno));
	return 0;
}

void privileges_lend_raw(bool lend)
{
	if (lend)
		(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0);
	else
		(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static const struct passwd *find_user(const char *user, struct err *e)
{
	const struct passwd *pw = getpwnam(user);
	if (!pw)
		(void)err_set(e, "there is no user \"%s\"; make it (adduser --system --group %s) or set another one", user, user);
	return pw;
}

static int become(const char *user, struct err *e)
{
	const struct passwd *pw = find_user(user, e);
	if (!pw)
		return -1;
	uid_t uid = pw->pw_uid;
	gid_t gid = pw->pw_gid;
	if (setgroups(1, &gid) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return err_set(e, "cannot become %s: %s", user, strerror(errno));
	return 0;
}

#define GROUPS_MOST 64

static size_t reader_groups(const char *user, gid_t gid, gid_t *out)
{
	static const char *const of_logs[] = { "adm", "systemd-journal" };
	int n = GROUPS_MOST - (int)(sizeof of_logs / sizeof *of_logs);
	if (getgrouplist(user, gid, out, &n) < 0) /* he is in more: as many as there is room for */
		n = GROUPS_MOST - (int)(sizeof of_logs / sizeof *of_logs);
	for (size_t i = 0; i < sizeof of_logs / sizeof *of_logs; i++) {
		struct group *g = getgrnam(of_logs[i]);
		if (g)
			out[n++] = g->gr_gid;
	}
	return (size_t)n;
}

int privileges_become_reader(const char *user, struct err *e)
{
	const struct passwd *pw = find_user(user, e);
	if (!pw)
		return -1;
	uid_t uid = pw->pw_uid;
	gid_t gid = pw->pw_gid, groups[GROUPS_MOST];
	if (setgroups(reader_groups(user, gid, groups), groups) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return err_set(e, "cannot become %s: %s", user, strerror(errno));
	return 0;
}

int privileges_drop(const char *user, struct err *e)
{
	if (geteuid() == 0 && user && *user && become(user, e) < 0)
		return -1;
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* only root may; who is not has none to lose */
	if (set_caps(0, 0, 0) < 0)
		return err_set(e, "capabilities cannot be given up: %s", strerror(errno));
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(e, "no_new_privs: %s", strerror(errno));
	return 0;
}

/* -- system calls -- */

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skip))
#define ALLOW(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

bool privileges_few_calls(void)
{
#ifdef ARCH
	static struct sock_filter code[] = {
		LOAD(arch), UNLESS(ARCH, 1), BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		ALLOW(read), ALLOW(write), ALLOW(readv), ALLOW(writev), ALLOW(recvfrom), ALLOW(sendto), ALLOW(recvmsg), ALLOW(sendmsg), ALLOW(close), ALLOW(lseek), ALLOW(fstat),
		ALLOW(newfstatat), ALLOW(epoll_ctl), ALLOW(epoll_pwait), ALLOW(ppoll), ALLOW(getsockopt), ALLOW(shutdown), ALLOW(ioctl), ALLOW(fcntl),
		ALLOW(mmap), ALLOW(munmap), ALLOW(mremap), ALLOW(madvise), ALLOW(brk), ALLOW(mprotect), ALLOW(futex), ALLOW(clock_gettime), ALLOW(clock_nanosleep),
		ALLOW(gettimeofday), ALLOW(rt_sigaction), ALLOW(rt_sigprocmask), ALLOW(rt_sigreturn), ALLOW(restart_syscall), ALLOW(getpid), ALLOW(gettid), ALLOW(getrandom),
		ALLOW(exit), ALLOW(exit_group), ALLOW(tgkill), ALLOW(connect), ALLOW(bind), ALLOW(pipe2), ALLOW(eventfd2), ALLOW(setsockopt),
#ifdef SYS_epoll_wait
		ALLOW(epoll_wait), ALLOW(poll), ALLOW(select), ALLOW(time),
#endif
		/* a socket of its own family: files' names stay behind the other fence */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3), LOAD(args[0]), UNLESS(AF_UNIX, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog program = { .len = sizeof code / sizeof *code, .filter = code };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0)
		return true;
	msg_info("system calls are not fenced off: %s", strerror(errno));
#else
	msg_info("system calls are not fenced off on this kind of machine");
#endif
	return false;
}
