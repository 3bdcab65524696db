/* SPDX-License-Identifier: MIT */
/*
 * wrap-mask.c - signal masks, and waiting for signals.
 *
 * Promise: as in signals.h: the program sees the mask it has set, and the
 * kernel has one that never blocks a signal of ours.
 * Context: any, signal handlers and vfork() children included.
 */
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "fault/previous.h"
#include "preload/call.h"
#include "preload/interpose.h"
#include "preload/signals.h"

int pl_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	uint64_t before = mf_signal_held(), now = before;
	sigset_t real, was;
	int r;

	if (set)
		now = pl_mask_change(how, set, &real);
	r = NEXT(sigprocmask)(how, set ? &real : NULL, &was);
	if (r < 0)
		return r;
	pl_mask_for_program(&was, before);
	/* What has waited for this comes in here. */
	if (set)
		mf_signal_hold(now);
	if (old)
		*old = was;
	return 0;
}

INTERPOSE(int, sigprocmask, (int how, const sigset_t *set, sigset_t *old))
{
	return pl_sigprocmask(how, set, old);
}

INTERPOSE(int, pthread_sigmask, (int how, const sigset_t *set, sigset_t *old))
{
	int saved = errno, r = 0;

	if (pl_sigprocmask(how, set, old) < 0) {
		r = errno;
		errno = saved;
	}
	return r;
}

/* Those with a mask in an int, of the first 32 signals. */

static int int_of(const sigset_t *set)
{
	int mask;

	memcpy(&mask, set, sizeof(mask));
	return mask;
}

static void set_of(int mask, sigset_t *ret)
{
	sigemptyset(ret);
	memcpy(ret, &mask, sizeof(mask));
}

static int change_int(int how, int mask)
{
	sigset_t set, old;

	set_of(mask, &set);
	return pl_sigprocmask(how, &set, &old) < 0 ? -1 : int_of(&old);
}

INTERPOSE(int, sigblock, (int mask))
{
	return change_int(SIG_BLOCK, mask);
}

INTERPOSE(int, sigsetmask, (int mask))
{
	return change_int(SIG_SETMASK, mask);
}

INTERPOSE(int, siggetmask, (void))
{
	return change_int(SIG_BLOCK, 0);
}

/* For as long as the thread waits. */

static uint64_t of_ours(const sigset_t *set)
{
	uint64_t bits;

	memcpy(&bits, set, sizeof(bits));
	return bits & MF_SIGNALS_OURS;
}

static int suspend(const sigset_t *set)
{
	uint64_t held = mf_signal_held();
	sigset_t real;

	/* One has come already that this mask lets through. */
	if (mf_signal_waiting() & ~of_ours(set)) {
		mf_signal_hold(of_ours(set));
		mf_signal_hold(held);
		errno = EINTR;
		return -1;
	}
	pl_mask_for_kernel(set, &real);
	return NEXT(sigsuspend)(&real);
}

INTERPOSE(int, sigsuspend, (const sigset_t *set))
{
	return suspend(set);
}

INTERPOSE(int, sigpause, (int mask))
{
	sigset_t set;

	set_of(mask, &set);
	return suspend(&set);
}

INTERPOSE(int, __xpg_sigpause, (int sig))
{
	sigset_t set;

	if (pl_sigprocmask(SIG_BLOCK, NULL, &set) < 0 ||
	    sigdelset(&set, sig) < 0)
		return -1;
	return suspend(&set);
}

/* The mask as it may go to the kernel; NULL stays NULL. */
static const sigset_t *real_of(const sigset_t *set, sigset_t *room)
{
	if (!set)
		return NULL;
	pl_mask_for_kernel(set, room);
	return room;
}

INTERPOSE(int, ppoll,
	  (struct pollfd * fds, nfds_t n, const struct timespec *timeout,
	   const sigset_t *mask))
{
	const unsigned long args[6] = { PL_LONGS(fds, n, timeout) };
	sigset_t real;

	if (pl_call_touch(SYS_ppoll, args) < 0)
		return (int)pl_result(-EFAULT);
	return NEXT(ppoll)(fds, n, timeout, real_of(mask, &real));
}

INTERPOSE(int, __ppoll_chk,
	  (struct pollfd * fds, nfds_t n, const struct timespec *timeout,
	   const sigset_t *mask, size_t room))
{
	const unsigned long args[6] = { PL_LONGS(fds, n, timeout) };
	sigset_t real;

	if (pl_call_touch(SYS_ppoll, args) < 0)
		return (int)pl_result(-EFAULT);
	return NEXT(__ppoll_chk)(fds, n, timeout, real_of(mask, &real), room);
}

INTERPOSE(int, pselect,
	  (int n, fd_set *in, fd_set *out, fd_set *bad,
	   const struct timespec *timeout, const sigset_t *mask))
{
	const unsigned long args[6] = { PL_LONGS(n, in, out, bad, timeout) };
	sigset_t real;

	if (pl_call_touch(SYS_pselect6, args) < 0)
		return (int)pl_result(-EFAULT);
	return NEXT(pselect)(n, in, out, bad, timeout, real_of(mask, &real));
}

INTERPOSE(int, epoll_pwait,
	  (int epoll, struct epoll_event *events, int n, int timeout,
	   const sigset_t *mask))
{
	const unsigned long args[6] = { PL_LONGS(epoll, events, n) };
	sigset_t real;

	if (pl_call_touch(SYS_epoll_pwait, args) < 0)
		return (int)pl_result(-EFAULT);
	return NEXT(epoll_pwait)(epoll, events, n, timeout,
				 real_of(mask, &real));
}

INTERPOSE(int, epoll_pwait2,
	  (int epoll, struct epoll_event *events, int n,
	   const struct timespec *timeout, const sigset_t *mask))
{
	const unsigned long args[6] = { PL_LONGS(epoll, events, n, timeout) };
	sigset_t real;

	if (pl_call_touch(SYS_epoll_pwait, args) < 0)
		return (int)pl_result(-EFAULT);
	return NEXT(epoll_pwait2)(epoll, events, n, timeout,
				  real_of(mask, &real));
}

/* A thread that starts with a mask of its own. */
INTERPOSE(int, pthread_attr_setsigmask_np,
	  (pthread_attr_t * attr, const sigset_t *mask))
{
	sigset_t real;

	return NEXT(pthread_attr_setsigmask_np)(attr, real_of(mask, &real));
}

/* Waiting for signals */

INTERPOSE(int, sigpending, (sigset_t * set))
{
	uint64_t bits;
	sigset_t now;
	int r = NEXT(sigpending)(&now);

	if (r < 0)
		return r;
	memcpy(&bits, &now, sizeof(bits));
	bits |= mf_signal_waiting() & mf_signal_held();
	memcpy(&now, &bits, sizeof(bits));
	*set = now;
	return 0;
}

static int wait_for(const sigset_t *set, siginfo_t *info,
		    const struct timespec *timeout)
{
	const unsigned long args[6] = { PL_LONGS(set, info, timeout) };
	uint64_t ours = of_ours(set);
	siginfo_t found;
	int r;

	if (pl_call_touch(SYS_rt_sigtimedwait, args) < 0)
		return (int)pl_result(-EFAULT);
	if (!ours)
		return NEXT(sigtimedwait)(set, info, timeout);
	/* First, so that whatever comes after the look comes to us. */
	mf_signal_set_waiter(
		(uint32_t)mf_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0));
	r = mf_signal_take_waiting(ours, &found);
	if (r == 0)
		r = NEXT(sigtimedwait)(set, info, timeout);
	else if (info)
		*info = found;
	mf_signal_set_waiter(0);
	return r;
}

INTERPOSE(int, sigtimedwait,
	  (const sigset_t *set, siginfo_t *info,
	   const struct timespec *timeout))
{
	return wait_for(set, info, timeout);
}

INTERPOSE(int, sigwaitinfo, (const sigset_t *set, siginfo_t *info))
{
	return wait_for(set, info, NULL);
}

INTERPOSE(int, sigwait, (const sigset_t *set, int *ret_sig))
{
	int saved = errno, r;

	do
		r = wait_for(set, NULL, NULL);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		r = errno;
	else
		*ret_sig = r, r = 0;
	errno = saved;
	return r;
}
