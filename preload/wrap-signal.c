/* SPDX-License-Identifier: MIT */
/*
 * wrap-signal.c - the handlers a program sets for signals of ours.
 *
 * Promise: as in signals.h. A mask that goes with a handler never blocks one
 * of ours in truth, whatever signal the handler is for.
 * Context: any, signal handlers and vfork() children included.
 */
#include <signal.h>

#include "fault/previous.h"
#include "preload/interpose.h"
#include "preload/signals.h"

/* What was asked for in the mask of each handler, of ours. */
static uint64_t asked[NSIG];

static uint64_t of_ours(const sigset_t *set)
{
	uint64_t bits;

	__builtin_memcpy(&bits, set, sizeof(bits));
	return bits & MF_SIGNALS_OURS;
}

static int others_sigaction(int sig, const struct sigaction *act,
			    struct sigaction *old)
{
	uint64_t before = 0, now = 0;
	struct sigaction real;
	int r;

	if (sig > 0 && sig < NSIG)
		before = __atomic_load_n(&asked[sig], __ATOMIC_RELAXED);
	if (act) {
		real = *act;
		now = of_ours(&act->sa_mask);
		pl_mask_for_kernel(&act->sa_mask, &real.sa_mask);
	}
	r = NEXT(sigaction)(sig, act ? &real : NULL, old);
	if (r < 0)
		return r;
	if (act)
		__atomic_store_n(&asked[sig], now, __ATOMIC_RELAXED);
	if (old)
		pl_mask_for_program(&old->sa_mask, before);
	return 0;
}

INTERPOSE(int, sigaction,
	  (int sig, const struct sigaction *act, struct sigaction *old))
{
	if (!pl_signal_is_ours(sig))
		return others_sigaction(sig, act, old);
	return (int)pl_result(pl_sigaction(sig, act, old));
}
INTERPOSE_ALSO(__sigaction, sigaction);

/* Set a handler, as the older functions do; returns the one before. */
static sighandler_t set_handler(int sig, sighandler_t handler, int flags,
				bool masked)
{
	struct sigaction act = { .sa_handler = handler, .sa_flags = flags };
	struct sigaction old;
	int r;

	sigemptyset(&act.sa_mask);
	if (masked)
		sigaddset(&act.sa_mask, sig);
	r = pl_sigaction(sig, &act, &old);
	return r < 0 ? (errno = -r, SIG_ERR) : old.sa_handler;
}

INTERPOSE(sighandler_t, signal, (int sig, sighandler_t handler))
{
	if (!pl_signal_is_ours(sig))
		return NEXT(signal)(sig, handler);
	if (handler == SIG_ERR)
		return errno = EINVAL, SIG_ERR;
	return set_handler(sig, handler, SA_RESTART, true);
}
INTERPOSE_ALSO(bsd_signal, signal);
INTERPOSE_ALSO(ssignal, signal);

INTERPOSE(sighandler_t, sysv_signal, (int sig, sighandler_t handler))
{
	if (!pl_signal_is_ours(sig))
		return NEXT(sysv_signal)(sig, handler);
	return set_handler(sig, handler, (int)SA_RESETHAND | SA_NODEFER, false);
}
INTERPOSE_ALSO(__sysv_signal, sysv_signal);

INTERPOSE(int, siginterrupt, (int sig, int interrupt))
{
	struct sigaction act;

	if (!pl_signal_is_ours(sig))
		return NEXT(siginterrupt)(sig, interrupt);
	mf_signal_get_previous(sig, &act);
	act.sa_flags &= ~SA_RESTART;
	if (!interrupt)
		act.sa_flags |= SA_RESTART;
	return (int)pl_result(mf_signal_set_previous(sig, &act));
}

static int mask_one(int how, int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	return pl_sigprocmask(how, &set, NULL);
}

INTERPOSE(int, sighold, (int sig))
{
	return pl_signal_is_ours(sig) ? mask_one(SIG_BLOCK, sig)
				      : NEXT(sighold)(sig);
}

INTERPOSE(int, sigrelse, (int sig))
{
	return pl_signal_is_ours(sig) ? mask_one(SIG_UNBLOCK, sig)
				      : NEXT(sigrelse)(sig);
}

INTERPOSE(int, sigignore, (int sig))
{
	if (!pl_signal_is_ours(sig))
		return NEXT(sigignore)(sig);
	return set_handler(sig, SIG_IGN, 0, false) == SIG_ERR ? -1 : 0;
}

INTERPOSE(sighandler_t, sigset, (int sig, sighandler_t handler))
{
	struct sigaction before;
	sighandler_t was;
	sigset_t mask;

	if (!pl_signal_is_ours(sig))
		return NEXT(sigset)(sig, handler);
	mf_signal_get_previous(sig, &before);
	was = before.sa_handler;
	if (handler != SIG_HOLD)
		was = set_handler(sig, handler, 0, false);
	sigemptyset(&mask);
	sigaddset(&mask, sig);
	if (was == SIG_ERR ||
	    pl_sigprocmask(handler == SIG_HOLD ? SIG_BLOCK : SIG_UNBLOCK, &mask,
			   &mask) < 0)
		return SIG_ERR;
	return sigismember(&mask, sig) ? SIG_HOLD : was;
}
