/* SPDX-License-Identifier: MIT */
/*
 * wrap-socket.c - sockets whose buffers are memory of ours.
 *
 * Promise: what is received is not lost for want of a page.
 * Context: any.
 */
#include <sys/socket.h>

#include "preload/call.h"
#include "preload/interpose.h"

TOUCHING(int, accept, SYS_accept, (int fd, void *addr, socklen_t *len), fd,
	 addr, len)
TOUCHING(int, accept4, SYS_accept4,
	 (int fd, void *addr, socklen_t *len, int flags), fd, addr, len, flags)
TOUCHING(int, bind, SYS_bind, (int fd, const void *addr, socklen_t len), fd,
	 addr, len)
TOUCHING(int, connect, SYS_connect, (int fd, const void *addr, socklen_t len),
	 fd, addr, len)
TOUCHING(int, getsockname, SYS_getsockname,
	 (int fd, void *addr, socklen_t *len), fd, addr, len)
TOUCHING(int, getpeername, SYS_getpeername,
	 (int fd, void *addr, socklen_t *len), fd, addr, len)
TOUCHING(int, setsockopt, SYS_setsockopt,
	 (int fd, int level, int name, const void *value, socklen_t len), fd,
	 level, name, value, len)
TOUCHING(int, getsockopt, SYS_getsockopt,
	 (int fd, int level, int name, void *value, socklen_t *len), fd, level,
	 name, value, len)
TOUCHING(int, socketpair, SYS_socketpair,
	 (int family, int type, int protocol, int fds[2]), family, type,
	 protocol, fds)
TOUCHING(ssize_t, sendto, SYS_sendto,
	 (int fd, const void *buf, size_t len, int flags, const void *addr,
	  socklen_t addr_len),
	 fd, buf, len, flags, addr, addr_len)
TOUCHING(ssize_t, recvfrom, SYS_recvfrom,
	 (int fd, void *buf, size_t len, int flags, void *addr,
	  socklen_t *addr_len),
	 fd, buf, len, flags, addr, addr_len)
TOUCHING(ssize_t, sendmsg, SYS_sendmsg,
	 (int fd, const struct msghdr *message, int flags), fd, message, flags)
TOUCHING(ssize_t, recvmsg, SYS_recvmsg,
	 (int fd, struct msghdr *message, int flags), fd, message, flags)
TOUCHING(int, sendmmsg, SYS_sendmmsg,
	 (int fd, struct mmsghdr *messages, unsigned n, int flags), fd,
	 messages, n, flags)
TOUCHING(int, recvmmsg, SYS_recvmmsg,
	 (int fd, struct mmsghdr *messages, unsigned n, int flags,
	  struct timespec *timeout),
	 fd, messages, n, flags, timeout)

/* These two are system calls with more arguments. */
INTERPOSE(ssize_t, send, (int fd, const void *buf, size_t len, int flags))
{
	const unsigned long args[6] = { PL_LONGS(fd, buf, len, flags) };
	long r = pl_call_wrapped(SYS_sendto, args);

	return r == PL_NOT_CALLED ? NEXT(send)(fd, buf, len, flags)
				  : pl_result(r);
}

INTERPOSE(ssize_t, recv, (int fd, void *buf, size_t len, int flags))
{
	const unsigned long args[6] = { PL_LONGS(fd, buf, len, flags) };
	long r = pl_call_wrapped(SYS_recvfrom, args);

	return r == PL_NOT_CALLED ? NEXT(recv)(fd, buf, len, flags)
				  : pl_result(r);
}

/* Names of a program that was built with -D_FORTIFY_SOURCE. */
TOUCHING_FIRST(ssize_t, __recv_chk, SYS_recvfrom,
	       (int fd, void *buf, size_t len, size_t room, int flags),
	       (fd, buf, len), fd, buf, len, room, flags)
TOUCHING_FIRST(ssize_t, __recvfrom_chk, SYS_recvfrom,
	       (int fd, void *buf, size_t len, size_t room, int flags,
		void *addr, socklen_t *addr_len),
	       (fd, buf, len, flags, addr, addr_len), fd, buf, len, room, flags,
	       addr, addr_len)
