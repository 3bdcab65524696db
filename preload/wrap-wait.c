/* SPDX-License-Identifier: MIT */
/*
 * wrap-wait.c - waiting for children and descriptors, told in memory of ours.
 *
 * Promise: the status of a child is not lost for want of a page.
 * Context: any.
 *
 * sigwait() and its kin are in wrap-signal.c, because signals of ours need
 * more than memory.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/wait.h>

#include "preload/call.h"
#include "preload/interpose.h"
#include "uffd/lookout.h"

#ifdef SYS_poll
#define POLL SYS_poll
#else
#define POLL SYS_ppoll
#endif

TOUCHING_FIRST(pid_t, wait, SYS_wait4, (int *status), (-1, status), status)
TOUCHING_FIRST(pid_t, waitpid, SYS_wait4, (pid_t pid, int *status, int options),
	       (pid, status), pid, status, options)
TOUCHING_FIRST(pid_t, wait3, SYS_wait4,
	       (int *status, int options, struct rusage *usage),
	       (-1, status, options, usage), status, options, usage)
TOUCHING(pid_t, wait4, SYS_wait4,
	 (pid_t pid, int *status, int options, struct rusage *usage), pid,
	 status, options, usage)
TOUCHING_FIRST(int, waitid, SYS_waitid,
	       (idtype_t type, id_t id, siginfo_t *info, int options),
	       (type, id, info, options), type, id, info, options)

/* Descriptors. Who serves faults looks for the next one first: lookout.h. */

static const struct timespec *time_of(int ms, struct timespec *room)
{
	room->tv_sec = ms / 1000;
	room->tv_nsec = ms % 1000 * 1000000L;
	return ms < 0 ? NULL : room;
}

INTERPOSE(int, poll, (struct pollfd * fds, nfds_t n, int timeout))
{
	const unsigned long args[6] = { PL_LONGS(fds, n) };
	struct timespec room;
	sigset_t before;
	int r;

	if (pl_call_touch(POLL, args) < 0)
		return (int)pl_result(-EFAULT);
	if (timeout == 0 || !mf_lookout_begin(&before))
		return NEXT(poll)(fds, n, timeout);
	r = NEXT(ppoll)(fds, n, time_of(timeout, &room), &before);
	mf_lookout_end(&before);
	return r;
}

INTERPOSE(int, __poll_chk,
	  (struct pollfd * fds, nfds_t n, int timeout, size_t room))
{
	const unsigned long args[6] = { PL_LONGS(fds, n) };
	struct timespec time;
	sigset_t before;
	int r;

	if (pl_call_touch(POLL, args) < 0)
		return (int)pl_result(-EFAULT);
	if (timeout == 0 || !mf_lookout_begin(&before))
		return NEXT(__poll_chk)(fds, n, timeout, room);
	r = NEXT(__ppoll_chk)(fds, n, time_of(timeout, &time), &before, room);
	mf_lookout_end(&before);
	return r;
}

INTERPOSE(int, epoll_wait,
	  (int epoll, struct epoll_event *events, int n, int timeout))
{
	const unsigned long args[6] = { PL_LONGS(epoll, events, n) };
	sigset_t before;
	int r;

	if (pl_call_touch(SYS_epoll_pwait, args) < 0)
		return (int)pl_result(-EFAULT);
	if (timeout == 0 || !mf_lookout_begin(&before))
		return NEXT(epoll_wait)(epoll, events, n, timeout);
	r = NEXT(epoll_pwait)(epoll, events, n, timeout, &before);
	mf_lookout_end(&before);
	return r;
}

TOUCHING_FIRST(int, select, SYS_pselect6,
	       (int n, fd_set *in, fd_set *out, fd_set *bad,
		struct timeval *timeout),
	       (n, in, out, bad, timeout), n, in, out, bad, timeout)
TOUCHING(int, epoll_ctl, SYS_epoll_ctl,
	 (int epoll, int op, int fd, struct epoll_event *event), epoll, op, fd,
	 event)
