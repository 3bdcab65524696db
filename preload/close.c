/* SPDX-License-Identifier: MIT */
/*
 * close.c - close(), and what replaces a descriptor by another.
 *
 * Promise: a program that closes all descriptors, or all it does not know,
 * leaves ours open. To the program ours are not there.
 * Context: any.
 */
#include <linux/close_range.h>
#include <sys/resource.h>

#include "base/sys.h"
#include "preload/face.h"
#include "preload/serve.h"
#include "preload/uffd.h"

/* Where close_range() is missing and a limit is huge. */
#define CLOSE_MAX 65536U

long pl_serve_close(int fd)
{
	pl_hint(fd, false);
	return pl_owns_fd(fd) ? -EBADF : pl_uffd_close(fd);
}

INTERPOSE(int, close, (int fd))
{
	long r = pl_serve_close(fd);

	return r == PL_PASS ? NEXT(close)(fd) : (int)pl_result(r);
}
INTERPOSE_ALSO(__close, close);

/* For the target of dup2(): a number that is taken is out of range. */
static long check_target(int from, int to)
{
	pl_hint(to, false);
	if (pl_owns_fd(to))
		return -EBADF;
	/* Only when the call will do it. */
	if (to != from && pl_fd_kind(to) != PL_FD_PLAIN &&
	    mf_syscall(SYS_fcntl, from, F_GETFD, 0, 0, 0, 0) >= 0)
		pl_uffd_replace(to);
	return PL_PASS;
}

long pl_serve_dup(int from)
{
	long r;

	if (pl_fd_kind(from) == PL_FD_PLAIN)
		return PL_PASS;
	r = mf_syscall(SYS_dup, from, 0, 0, 0, 0, 0);
	pl_uffd_copied(from, r);
	return r;
}

long pl_serve_dup_to(int from, int to, int flags)
{
	long r = check_target(from, to);

	if (r != PL_PASS || pl_fd_kind(from) == PL_FD_PLAIN || from == to)
		return r;
	r = mf_syscall(SYS_dup3, from, to, flags, 0, 0, 0);
	pl_uffd_copied(from, r);
	return r;
}

INTERPOSE(int, dup, (int from))
{
	return PL_UNLESS(pl_serve_dup(from), NEXT(dup)(from));
}

INTERPOSE(int, dup2, (int from, int to))
{
	long r = pl_serve_dup_to(from, to, 0);

	return r == PL_PASS ? NEXT(dup2)(from, to) : (int)pl_result(r);
}
INTERPOSE_ALSO(__dup2, dup2);

INTERPOSE(int, dup3, (int from, int to, int flags))
{
	long r = pl_serve_dup_to(from, to, flags);

	return r == PL_PASS ? NEXT(dup3)(from, to, flags) : (int)pl_result(r);
}

/* The piece [first, last], which has none of ours. */
static int close_piece(unsigned first, unsigned last, int flags)
{
	struct rlimit limit = { .rlim_cur = CLOSE_MAX };
	int saved = errno;
	int r = NEXT(close_range)(first, last, flags);

	if (r == 0 || errno != ENOSYS || flags)
		return r;
	errno = saved;
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur > CLOSE_MAX)
		limit.rlim_cur = CLOSE_MAX;
	for (unsigned fd = first; fd <= last && fd < limit.rlim_cur; fd++)
		(void)mf_sys.close((int)fd);
	return 0;
}

static int close_around(unsigned first, unsigned last, int flags)
{
	int own = first > INT32_MAX ? -1 : pl_next_fd((int)first);
	int r = 0;

	if (!(flags & CLOSE_RANGE_CLOEXEC))
		pl_uffd_close_range(first, last);

	while (r == 0 && own >= 0 && (unsigned)own <= last) {
		if ((unsigned)own > first)
			r = close_piece(first, (unsigned)own - 1, flags);
		first = (unsigned)own + 1;
		own = pl_next_fd(own + 1);
	}
	return r == 0 && first <= last ? close_piece(first, last, flags) : r;
}

long pl_serve_close_range(unsigned first, unsigned last, int flags)
{
	if (first > last)
		return PL_PASS; /* EINVAL, says the kernel */
	return close_around(first, last, flags) < 0 ? -errno : 0;
}

INTERPOSE(int, close_range, (unsigned first, unsigned last, int flags))
{
	long r = pl_serve_close_range(first, last, flags);

	return r == PL_PASS ? NEXT(close_range)(first, last, flags)
			    : (int)pl_result(r);
}

INTERPOSE(void, closefrom, (int low))
{
	(void)close_around(low < 0 ? 0 : (unsigned)low, UINT32_MAX, 0);
}
