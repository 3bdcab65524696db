/* SPDX-License-Identifier: MIT */
/*
 * calls.c - the table of system calls that use memory.
 *
 * Promise: as in calls.h. Not in the table are calls whose memory is no file's
 * (threads, signal masks and stacks), those that queue work for later
 * (io_submit, io_uring: docs/syscalls.md), and execve: a child that
 * posix_spawn() makes has no handlers any more when it gets there.
 * Context: any, signal handlers included.
 */
#include "preload/calls.h"

#include <linux/stat.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <termios.h>
#include <time.h>

#include "preload/touch.h"

#define IN(at, size)                    \
	{                               \
		PL_IN, at, PL_ONE, size \
	}
#define OUT(at, size)                    \
	{                                \
		PL_OUT, at, PL_ONE, size \
	}
#define IN_N(at, len, size)          \
	{                            \
		PL_IN, at, len, size \
	}
#define OUT_N(at, len, size)          \
	{                             \
		PL_OUT, at, len, size \
	}
#define STRING(at)                       \
	{                                \
		PL_STRING, at, PL_ONE, 0 \
	}
#define ADDRESS(at, len)               \
	{                              \
		PL_ADDRESS, at, len, 0 \
	}
#define ARRAY(what, at, len)     \
	{                        \
		what, at, len, 0 \
	}
/* At most this, and no harm when it is less. */
#define SOME(at)                       \
	{                              \
		PL_IN, at, PL_ONE, 256 \
	}
#define TIMESPEC(at)	    IN(at, sizeof(struct timespec))
#define SIGSET(at)	    IN(at, 8)
#define STAT(at)	    OUT(at, sizeof(struct stat))
#define RUSAGE(at)	    OUT(at, sizeof(struct rusage))
#define CALL(name, ...)	    [SYS_##name] = { .args = { __VA_ARGS__ } }
#define CALL_SIX(name, ...) [SYS_##name] = { { __VA_ARGS__ }, true }

const struct pl_call pl_calls[PL_CALLS] = {
	/* Bytes */
	CALL(read, OUT_N(1, 2, 1)),
	CALL(write, IN_N(1, 2, 1)),
	CALL(pread64, OUT_N(1, 2, 1)),
	CALL(pwrite64, IN_N(1, 2, 1)),
	CALL(readv, ARRAY(PL_IOV_OUT, 1, 2)),
	CALL(writev, ARRAY(PL_IOV_IN, 1, 2)),
	CALL(preadv, ARRAY(PL_IOV_OUT, 1, 2)),
	CALL(pwritev, ARRAY(PL_IOV_IN, 1, 2)),
	CALL(preadv2, ARRAY(PL_IOV_OUT, 1, 2)),
	CALL(pwritev2, ARRAY(PL_IOV_IN, 1, 2)),
	CALL(vmsplice, ARRAY(PL_IOV_IN, 1, 2)),
	CALL_SIX(process_vm_readv, ARRAY(PL_IOV_OUT, 1, 2), IN_N(3, 4, 16)),
	CALL_SIX(process_vm_writev, ARRAY(PL_IOV_IN, 1, 2), IN_N(3, 4, 16)),
	CALL(sendfile, OUT(2, 8)),
	CALL(splice, OUT(1, 8), OUT(3, 8)),
	CALL(copy_file_range, OUT(1, 8), OUT(3, 8)),
	CALL(getrandom, OUT_N(0, 1, 1)),
	CALL(getdents64, OUT_N(1, 2, 1)),
	CALL(syslog, OUT_N(1, 2, 1)),
	CALL(io_getevents, OUT_N(3, 2, 32), TIMESPEC(4)),

	/* Files by name */
	CALL(openat, STRING(1)),
	CALL(openat2, STRING(1), IN(2, 24)),
	CALL(newfstatat, STRING(1), STAT(2)),
	CALL(fstat, STAT(1)),
	CALL(statx, STRING(1), OUT(4, sizeof(struct statx))),
	CALL(statfs, STRING(0), OUT(1, sizeof(struct statfs))),
	CALL(fstatfs, OUT(1, sizeof(struct statfs))),
	CALL(faccessat, STRING(1)),
	CALL(faccessat2, STRING(1)),
	CALL(readlinkat, STRING(1), OUT_N(2, 3, 1)),
	CALL(getcwd, OUT_N(0, 1, 1)),
	CALL(chdir, STRING(0)),
	CALL(chroot, STRING(0)),
	CALL(truncate, STRING(0)),
	CALL(mkdirat, STRING(1)),
	CALL(mknodat, STRING(1)),
	CALL(unlinkat, STRING(1)),
	CALL(renameat, STRING(1), STRING(3)),
	CALL(renameat2, STRING(1), STRING(3)),
	CALL(linkat, STRING(1), STRING(3)),
	CALL(symlinkat, STRING(0), STRING(2)),
	CALL(fchmodat, STRING(1)),
	CALL(fchownat, STRING(1)),
	CALL(utimensat, STRING(1), IN(2, 2 * sizeof(struct timespec))),
	CALL(memfd_create, STRING(0)),
	CALL(inotify_add_watch, STRING(1)),
	CALL(getxattr, STRING(0), STRING(1), OUT_N(2, 3, 1)),
	CALL(lgetxattr, STRING(0), STRING(1), OUT_N(2, 3, 1)),
	CALL(fgetxattr, STRING(1), OUT_N(2, 3, 1)),
	CALL(setxattr, STRING(0), STRING(1), IN_N(2, 3, 1)),
	CALL(lsetxattr, STRING(0), STRING(1), IN_N(2, 3, 1)),
	CALL(fsetxattr, STRING(1), IN_N(2, 3, 1)),
	CALL(listxattr, STRING(0), OUT_N(1, 2, 1)),
	CALL(llistxattr, STRING(0), OUT_N(1, 2, 1)),
	CALL(flistxattr, OUT_N(1, 2, 1)),
	CALL(removexattr, STRING(0), STRING(1)),
	CALL(lremovexattr, STRING(0), STRING(1)),
	CALL(fremovexattr, STRING(1)),
	CALL(fcntl, SOME(2)),
	CALL(ioctl, { PL_IOCTL, 2, 1, 0 }),
	CALL(mincore, { PL_PAGES, 2, 1, 0 }),

	/* Sockets */
	CALL(socketpair, OUT(3, 8)),
	CALL(bind, IN_N(1, 2, 1)),
	CALL(connect, IN_N(1, 2, 1)),
	CALL(accept, ADDRESS(1, 2)),
	CALL(accept4, ADDRESS(1, 2)),
	CALL(getsockname, ADDRESS(1, 2)),
	CALL(getpeername, ADDRESS(1, 2)),
	CALL(setsockopt, IN_N(3, 4, 1)),
	CALL(getsockopt, ADDRESS(3, 4)),
	CALL(sendto, IN_N(1, 2, 1), IN_N(4, 5, 1)),
	CALL_SIX(recvfrom, OUT_N(1, 2, 1), ADDRESS(4, 5)),
	CALL(sendmsg, ARRAY(PL_MSG_IN, 1, PL_ONE)),
	CALL(recvmsg, ARRAY(PL_MSG_OUT, 1, PL_ONE)),
	CALL(sendmmsg, ARRAY(PL_MMSG_IN, 1, 2)),
	CALL(recvmmsg, ARRAY(PL_MMSG_OUT, 1, 2), TIMESPEC(4)),

	/* Waiting */
	CALL(ppoll, OUT_N(0, 1, sizeof(struct pollfd)), TIMESPEC(2), SIGSET(3)),
	CALL_SIX(pselect6, ARRAY(PL_BITS, 1, 0), ARRAY(PL_BITS, 2, 0),
		 ARRAY(PL_BITS, 3, 0), TIMESPEC(4), IN(5, 16)),
	CALL(epoll_ctl, IN(3, sizeof(struct epoll_event))),
	CALL_SIX(epoll_pwait, OUT_N(1, 2, sizeof(struct epoll_event)),
		 SIGSET(4)),
	CALL(futex, OUT(0, 4), TIMESPEC(3), OUT(4, 4)),
	CALL(nanosleep, TIMESPEC(0), OUT(1, sizeof(struct timespec))),
	CALL(clock_nanosleep, TIMESPEC(2), OUT(3, sizeof(struct timespec))),
	CALL(wait4, OUT(1, 4), RUSAGE(3)),
	CALL(waitid, OUT(2, sizeof(siginfo_t)), RUSAGE(4)),
	CALL(rt_sigtimedwait, SIGSET(0), OUT(1, sizeof(siginfo_t)),
	     TIMESPEC(2)),
	CALL(rt_sigpending, OUT(0, 8)),
	CALL(rt_sigqueueinfo, IN(2, sizeof(siginfo_t))),
	CALL(signalfd4, SIGSET(1)),

	/* Messages */
	CALL(msgsnd, { PL_TEXT_IN, 1, 2, 0 }),
	CALL(msgrcv, { PL_TEXT_OUT, 1, 2, 0 }),
	CALL(msgctl, SOME(2)),
	CALL(semop, IN_N(1, 2, sizeof(struct sembuf))),
	CALL(semtimedop, IN_N(1, 2, sizeof(struct sembuf)), TIMESPEC(3)),
	CALL(semctl, SOME(3)),
	CALL(shmctl, SOME(2)),
	CALL(mq_open, STRING(0), IN(3, sizeof(struct mq_attr))),
	CALL(mq_unlink, STRING(0)),
	CALL(mq_timedsend, IN_N(1, 2, 1), TIMESPEC(4)),
	CALL(mq_timedreceive, OUT_N(1, 2, 1), OUT(3, 4), TIMESPEC(4)),
	CALL(mq_notify, IN(1, sizeof(struct sigevent))),
	CALL(mq_getsetattr, IN(1, sizeof(struct mq_attr)),
	     OUT(2, sizeof(struct mq_attr))),

	/* What there is to know, and time */
	CALL(pipe2, OUT(0, 8)),
	CALL(uname, OUT(0, sizeof(struct utsname))),
	CALL(sysinfo, OUT(0, sizeof(struct sysinfo))),
	CALL(times, OUT(0, 32)),
	CALL(getrusage, RUSAGE(1)),
	CALL(getrlimit, OUT(1, sizeof(struct rlimit))),
	CALL(setrlimit, IN(1, sizeof(struct rlimit))),
	CALL(prlimit64, IN(2, sizeof(struct rlimit)),
	     OUT(3, sizeof(struct rlimit))),
	CALL(prctl, IN(1, 16)),
	CALL(getgroups, OUT_N(1, 0, 4)),
	CALL(setgroups, IN_N(1, 0, 4)),
	CALL(getresuid, OUT(0, 4), OUT(1, 4), OUT(2, 4)),
	CALL(getresgid, OUT(0, 4), OUT(1, 4), OUT(2, 4)),
	CALL(sched_getaffinity, OUT_N(2, 1, 1)),
	CALL(sched_setaffinity, IN_N(2, 1, 1)),
	CALL(getcpu, OUT(0, 4), OUT(1, 4)),
	CALL(gettimeofday, OUT(0, sizeof(struct timeval)), OUT(1, 8)),
	CALL(clock_gettime, OUT(1, sizeof(struct timespec))),
	CALL(clock_getres, OUT(1, sizeof(struct timespec))),
	CALL(getitimer, OUT(1, sizeof(struct itimerval))),
	CALL(setitimer, IN(1, sizeof(struct itimerval)),
	     OUT(2, sizeof(struct itimerval))),
	CALL(timer_create, IN(1, sizeof(struct sigevent)), OUT(2, 4)),
	CALL(timer_gettime, OUT(1, sizeof(struct itimerspec))),
	CALL(timer_settime, IN(2, sizeof(struct itimerspec)),
	     OUT(3, sizeof(struct itimerspec))),
	CALL(timerfd_gettime, OUT(1, sizeof(struct itimerspec))),
	CALL(timerfd_settime, IN(2, sizeof(struct itimerspec)),
	     OUT(3, sizeof(struct itimerspec))),
#ifdef SYS_epoll_pwait2
	CALL_SIX(epoll_pwait2, OUT_N(1, 2, sizeof(struct epoll_event)),
		 TIMESPEC(3), SIGSET(4)),
#endif
#ifdef SYS_rt_tgsigqueueinfo
	CALL(rt_tgsigqueueinfo, IN(3, sizeof(siginfo_t))),
#endif
/* What a newer processor's kernel does not have any more */
#ifdef SYS_open
	CALL(open, STRING(0)),
	CALL(creat, STRING(0)),
	CALL(stat, STRING(0), STAT(1)),
	CALL(lstat, STRING(0), STAT(1)),
	CALL(access, STRING(0)),
	CALL(readlink, STRING(0), OUT_N(1, 2, 1)),
	CALL(mkdir, STRING(0)),
	CALL(rmdir, STRING(0)),
	CALL(mknod, STRING(0)),
	CALL(unlink, STRING(0)),
	CALL(rename, STRING(0), STRING(1)),
	CALL(link, STRING(0), STRING(1)),
	CALL(symlink, STRING(0), STRING(1)),
	CALL(chmod, STRING(0)),
	CALL(chown, STRING(0)),
	CALL(lchown, STRING(0)),
	CALL(utime, STRING(0), IN(1, 16)),
	CALL(utimes, STRING(0), IN(1, 2 * sizeof(struct timeval))),
	CALL(futimesat, STRING(1), IN(2, 2 * sizeof(struct timeval))),
	CALL(getdents, OUT_N(1, 2, 1)),
	CALL(poll, OUT_N(0, 1, sizeof(struct pollfd))),
	CALL(select, ARRAY(PL_BITS, 1, 0), ARRAY(PL_BITS, 2, 0),
	     ARRAY(PL_BITS, 3, 0), IN(4, sizeof(struct timeval))),
	CALL(epoll_wait, OUT_N(1, 2, sizeof(struct epoll_event))),
	CALL(signalfd, SIGSET(1)),
	CALL(pipe, OUT(0, 8)),
	CALL(time, OUT(0, 8)),
#endif
};

/* The request says how much, unless it is older than that custom. */
static size_t ioctl_size(unsigned long request)
{
	size_t size = _IOC_SIZE(request);

	return _IOC_DIR(request) != _IOC_NONE && size > 0 ? size : 256;
}

/* As the kernel takes it: no call moves more than that; -1 it refuses. */
static size_t count(unsigned long arg)
{
	if (arg >= 1UL << 47)
		return 0;
	return arg < 0x7ffff000 ? arg : 0x7ffff000;
}

static int touch_arg(const struct pl_arg *arg, const unsigned long args[6])
{
	const void *p = (const void *)args[arg->at];
	size_t n = arg->len == PL_ONE ? 1 : count(args[arg->len]);

	switch ((enum pl_what)arg->what) {
	case PL_NOTHING:
		break;
	case PL_IN:
		return pl_touch(p, n * arg->size, false);
	case PL_OUT:
		return pl_touch(p, n * arg->size, true);
	case PL_STRING:
		pl_touch_string(p);
		break;
	case PL_ADDRESS:
		return pl_touch_address(p, (const void *)args[arg->len]);
	case PL_BITS:
		return pl_touch(p, (n + 63) / 64 * 8, true);
	case PL_PAGES:
		return pl_touch(p, (n + 4095) / 4096, true);
	case PL_TEXT_IN:
		return pl_touch(p, sizeof(long) + n, false);
	case PL_TEXT_OUT:
		return pl_touch(p, sizeof(long) + n, true);
	case PL_IOV_IN:
		return pl_touch_iov(p, n, false);
	case PL_IOV_OUT:
		return pl_touch_iov(p, n, true);
	case PL_MSG_IN:
		return pl_touch_msg(p, false);
	case PL_MSG_OUT:
		return pl_touch_msg(p, true);
	case PL_MMSG_IN:
		return pl_touch_mmsg(p, n, false);
	case PL_MMSG_OUT:
		return pl_touch_mmsg(p, n, true);
	case PL_IOCTL:
		return pl_touch(p, ioctl_size(args[arg->len]), true);
	}
	return 0;
}

int pl_call_touch(long nr, const unsigned long args[6])
{
	int r = 0;

	if (nr < 0 || nr >= PL_CALLS)
		return 0;
	for (int i = 0; r == 0 && i < PL_CALL_ARGS && pl_calls[nr].args[i].what;
	     i++)
		r = touch_arg(&pl_calls[nr].args[i], args);
	return r;
}
