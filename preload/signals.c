/* SPDX-License-Identifier: MIT */
/*
 * signals.c - what the program is told about SIGSEGV, SIGBUS and SIGSYS.
 *
 * Promise: as in signals.h.
 * Context: as in signals.h.
 */
#include "preload/signals.h"

#include <errno.h>
#include <string.h>

#include "base/sigaction.h"
#include "fault/previous.h"
#include "fault/signal.h"
#include "preload/filter.h"

/* False in a program that has joined no run: then nothing is changed. */
static bool active; /* fixed before main() */

bool pl_signal_is_ours(int sig)
{
	return (sig == SIGSEGV || sig == SIGBUS || sig == SIGSYS) &&
	       mf_signal_is_taken(sig);
}

int pl_sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct sigaction copy, before;
	int r = 0;

	/* Reading act may be a fault of its own. */
	if (act)
		copy = *act;
	mf_signal_get_previous(sig, &before);
	if (act) {
		sigdelset(&copy.sa_mask, SIGKILL);
		sigdelset(&copy.sa_mask, SIGSTOP);
		r = mf_signal_set_previous(sig, &copy);
	}
	if (r == 0 && old)
		*old = before;
	return r;
}

/* For the handler of another signal: none of ours is blocked while it runs. */
static long others_raw_sigaction(const unsigned long args[6])
{
	struct mf_kernel_action action;
	unsigned long changed[6];

	memcpy(changed, args, sizeof(changed));
	if (active && args[1] && args[3] == sizeof(action.mask)) {
		action = *(const struct mf_kernel_action *)args[1];
		action.mask = mf_signal_real_mask(action.mask);
		changed[1] = (unsigned long)&action;
	}
	return pl_syscall(SYS_rt_sigaction, changed);
}

long pl_raw_sigaction(const unsigned long args[6])
{
	int sig = (int)args[0];
	const struct mf_kernel_action *act = (const void *)args[1];
	struct mf_kernel_action *old = (void *)args[2];
	struct sigaction new_action, old_action;

	if (!pl_signal_is_ours(sig) || args[3] != sizeof(uint64_t))
		return others_raw_sigaction(args);
	if (act)
		mf_action_from_kernel(act, &new_action);
	(void)pl_sigaction(sig, act ? &new_action : NULL, &old_action);
	if (old)
		mf_action_to_kernel(&old_action, old);
	return 0;
}

/* Masks */

static uint64_t bits(const sigset_t *set)
{
	uint64_t mask;

	memcpy(&mask, set, sizeof(mask));
	return mask;
}

static void set_bits(sigset_t *set, uint64_t mask)
{
	memcpy(set, &mask, sizeof(mask));
}

#define FAULTS (MF_SIGNAL_BIT(SIGSEGV) | MF_SIGNAL_BIT(SIGBUS))
#define MARK   MF_SIGNAL_BIT(MF_SIGNAL_MARK)

void pl_mask_for_kernel(const sigset_t *set, sigset_t *ret)
{
	uint64_t mask = bits(set);

	*ret = *set;
	if (active)
		set_bits(ret, mf_signal_real_mask(mask));
}

uint64_t pl_mask_change(int how, const sigset_t *set, sigset_t *ret)
{
	uint64_t held = mf_signal_held(), wanted = bits(set);
	uint64_t ours = wanted & MF_SIGNALS_OURS;

	pl_mask_for_kernel(set, ret);
	if (!active)
		return 0;
	if (how == SIG_BLOCK)
		return held | ours;
	if (how == SIG_SETMASK)
		return ours;
	/* The mark stays while one of the two does. */
	held &= ~ours;
	if (held & FAULTS)
		set_bits(ret, bits(ret) & ~MARK);
	return held;
}

/* A mark that is not from a mask of the program is from one of its handlers. */
void pl_mask_for_program(sigset_t *mask, uint64_t held)
{
	uint64_t real = bits(mask);
	uint64_t shown = (real & ~MARK) | held;

	if (!active)
		return;
	if ((real & MARK) && !(held & FAULTS))
		shown |= MF_SIGNAL_BIT(SIGSEGV);
	set_bits(mask, shown);
}

long pl_raw_sigprocmask(const unsigned long args[6])
{
	const uint64_t *set = (const void *)args[1];
	uint64_t *old = (void *)args[2];
	uint64_t held = mf_signal_held(), now = held;
	sigset_t wanted, real, was;
	long r;

	if (!active || args[3] != sizeof(*set))
		return pl_syscall(SYS_rt_sigprocmask, args);
	sigemptyset(&was);
	if (set) {
		sigemptyset(&wanted);
		set_bits(&wanted, *set);
		now = pl_mask_change((int)args[0], &wanted, &real);
	}
	r = mf_syscall(SYS_rt_sigprocmask, (long)args[0], set ? (long)&real : 0,
		       (long)&was, sizeof(*set), 0, 0);
	if (r < 0)
		return r;
	pl_mask_for_program(&was, held);
	if (set)
		mf_signal_hold(now);
	if (old)
		*old = bits(&was);
	return 0;
}

/* What the mask has that was inherited is kept, in our way. */
static void adopt_mask(void)
{
	uint64_t old = 0, real;

	(void)mf_syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&old,
			 sizeof(old), 0, 0);
	if (!(old & MF_SIGNALS_OURS))
		return;
	real = mf_signal_real_mask(old);
	mf_signal_hold(old);
	(void)mf_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&real, 0,
			 sizeof(real), 0, 0);
}

int pl_signals_start(void)
{
	int r;

	active = true;
	mf_signal_emulate_masks();
	r = mf_signal_install();
	if (r == 0)
		adopt_mask();
	return r;
}
