/* SPDX-License-Identifier: MIT */
/*
 * wrap-system.c - what the system tells, into memory of ours; and streams,
 * whose inner calls are libc's own.
 *
 * Promise: with or without the filter, these find their memory filled.
 * Context: any.
 */
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/utsname.h>

#include "preload/call.h"
#include "preload/interpose.h"
#include "preload/touch.h"
#include "preload/uffd.h"

TOUCHING(ssize_t, getrandom, SYS_getrandom,
	 (void *buf, size_t len, unsigned flags), buf, len, flags)
TOUCHING_FIRST(int, getentropy, SYS_getrandom, (void *buf, size_t len),
	       (buf, len), buf, len)
TOUCHING(int, uname, SYS_uname, (struct utsname * info), info)
TOUCHING(int, sysinfo, SYS_sysinfo, (struct sysinfo * info), info)
TOUCHING_FIRST(clock_t, times, SYS_times, (struct tms * info), (info), info)
TOUCHING(int, getrusage, SYS_getrusage, (int who, struct rusage *usage), who,
	 usage)
TOUCHING_FIRST(int, getrlimit, SYS_getrlimit,
	       (int resource, struct rlimit *limit), (resource, limit),
	       resource, limit)
TOUCHING_FIRST(int, getrlimit64, SYS_getrlimit,
	       (int resource, struct rlimit *limit), (resource, limit),
	       resource, limit)
TOUCHING(int, pipe2, SYS_pipe2, (int fds[2], int flags), fds, flags)
TOUCHING_FIRST(int, pipe, SYS_pipe2, (int fds[2]), (fds), fds)
TOUCHING(int, getgroups, SYS_getgroups, (int n, gid_t *groups), n, groups)
TOUCHING(int, timerfd_settime, SYS_timerfd_settime,
	 (int fd, int flags, const struct itimerspec *when,
	  struct itimerspec *old),
	 fd, flags, when, old)
TOUCHING(int, timerfd_gettime, SYS_timerfd_gettime,
	 (int fd, struct itimerspec *when), fd, when)

INTERPOSE(char *, getcwd, (char *buf, size_t len))
{
	const unsigned long args[6] = { PL_LONGS(buf, len) };

	if (pl_call_touch(SYS_getcwd, args) == 0)
		return NEXT(getcwd)(buf, len);
	errno = EFAULT;
	return NULL;
}

INTERPOSE(int, ioctl, (int fd, unsigned long request, ...))
{
	unsigned long args[6] = { PL_LONGS(fd, request) };
	va_list list;
	long r;

	va_start(list, request);
	args[2] = va_arg(list, unsigned long);
	va_end(list);
	r = pl_uffd_ioctl(fd, request, (void *)args[2]);
	if (r != PL_PASS)
		return (int)pl_result(r);
	r = pl_call_wrapped(SYS_ioctl, args);
	return r == PL_NOT_CALLED ? NEXT(ioctl)(fd, request, args[2])
				  : (int)pl_result(r);
}

/* A shell is told by libc itself. */

INTERPOSE(int, system, (const char *command))
{
	pl_touch_string(command);
	return NEXT(system)(command);
}

INTERPOSE(FILE *, popen, (const char *command, const char *mode))
{
	pl_touch_string(command);
	return NEXT(popen)(command, mode);
}

/* Streams: from the buffer's size on libc hands the memory to the kernel. */

static size_t bytes(size_t size, size_t n)
{
	size_t all;

	return __builtin_mul_overflow(size, n, &all) ? 0 : all;
}

INTERPOSE(size_t, fwrite,
	  (const void *from, size_t size, size_t n, FILE *stream))
{
	(void)pl_touch(from, bytes(size, n), false);
	return NEXT(fwrite)(from, size, n, stream);
}

INTERPOSE(size_t, fwrite_unlocked,
	  (const void *from, size_t size, size_t n, FILE *stream))
{
	(void)pl_touch(from, bytes(size, n), false);
	return NEXT(fwrite_unlocked)(from, size, n, stream);
}

/* What cannot be filled is left to the kernel: nothing is lost in a file. */
INTERPOSE(size_t, fread, (void *to, size_t size, size_t n, FILE *stream))
{
	(void)pl_touch(to, bytes(size, n), false);
	return NEXT(fread)(to, size, n, stream);
}

INTERPOSE(size_t, fread_unlocked,
	  (void *to, size_t size, size_t n, FILE *stream))
{
	(void)pl_touch(to, bytes(size, n), false);
	return NEXT(fread_unlocked)(to, size, n, stream);
}

INTERPOSE(size_t, __fread_chk,
	  (void *to, size_t room, size_t size, size_t n, FILE *stream))
{
	(void)pl_touch(to, bytes(size, n), false);
	return NEXT(__fread_chk)(to, room, size, n, stream);
}
