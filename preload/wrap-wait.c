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
TOUCHING_FIRST(int, poll, POLL, (struct pollfd * fds, nfds_t n, int timeout),
	       (fds, n), fds, n, timeout)
TOUCHING_FIRST(int, __poll_chk, POLL,
	       (struct pollfd * fds, nfds_t n, int timeout, size_t room),
	       (fds, n), fds, n, timeout, room)
TOUCHING_FIRST(int, select, SYS_pselect6,
	       (int n, fd_set *in, fd_set *out, fd_set *bad,
		struct timeval *timeout),
	       (n, in, out, bad, timeout), n, in, out, bad, timeout)
TOUCHING(int, epoll_ctl, SYS_epoll_ctl,
	 (int epoll, int op, int fd, struct epoll_event *event), epoll, op, fd,
	 event)
TOUCHING_FIRST(int, epoll_wait, SYS_epoll_pwait,
	       (int epoll, struct epoll_event *events, int n, int timeout),
	       (epoll, events, n), epoll, events, n, timeout)
