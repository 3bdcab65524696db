/* SPDX-License-Identifier: MIT */
/*
 * signal.c - faults arrive as signals; ours are served, others handed on.
 *
 * Promise: 1. a served fault is invisible: registers, errno, signal mask and
 * alternate stack are as before; 2. a fault that is not ours goes to the
 * previous handler, called as the kernel would have called it, or has the
 * default effect: the same exit status, and a core of the same instruction;
 * 3. an address nobody owns never makes the handler return for ever.
 * Context: signal handlers, but for install.
 *
 * The handlers run with SA_ONSTACK (a thread may have overflowed its stack),
 * SA_NODEFER (a source may read another map), and every asynchronous signal
 * blocked by sa_mask (locks are held).
 */
#include "fault/signal.h"

#include <errno.h>
#include <string.h>

#include "base/mutex.h"
#include "base/sys.h"
#include "base/syscall.h"
#include "fault/context.h"
#include "fault/fault.h"
#include "fault/stack.h"
#include "mm/uaccess.h"

/*
 * Who had the signal before. Replaced as a whole, so that a handler that runs
 * meanwhile reads one or the other; never freed, there are few.
 */
struct previous {
	struct sigaction action;
	struct previous *before; /* whom action replaced, when we came back */
};

static struct previous *previous_segv, *previous_bus;
static struct mf_mutex install_mutex;

/* Where this thread last saw a fault that nobody owned. */
static __thread uintptr_t orphan_ip, orphan_addr;
/* The handler of somebody else that this thread is in, called from here. */
static __thread struct {
	const ucontext_t *uc;
	uintptr_t frame;
	struct previous *called;
} forwarded;

static struct previous **previous_of(int sig)
{
	return sig == SIGBUS ? &previous_bus : &previous_segv;
}

static bool has_handler(const struct sigaction *action)
{
	return action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;
}

/* The kernel's own fault, not a kill() from somewhere. */
static bool is_hardware(const siginfo_t *info)
{
	return info->si_code > 0;
}

/*
 * End as if we were not here: default action, the very same siginfo, and the
 * instruction of the fault on top when the core is written.
 */
static void die_of(int sig, siginfo_t *info, ucontext_t *uc)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	long pid = mf_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
	long tid = mf_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);

	(void)mf_sys.sigaction(sig, &action, NULL);
	sigdelset(&uc->uc_sigmask, sig);
	/*
	 * Queued, and delivered as soon as we return. Without it the access
	 * would be tried again, and in a race might work, with us gone.
	 */
	(void)mf_syscall(SYS_rt_tgsigqueueinfo, pid, tid, sig, (long)info, 0,
			 0);
}

/* Call a handler as the kernel does. It may never return. */
static void call_handler(const struct sigaction *action, int sig,
			 siginfo_t *info, ucontext_t *uc)
{
	sigset_t mask = uc->uc_sigmask;

	for (int i = 1; i < NSIG; i++)
		if (sigismember(&action->sa_mask, i) == 1)
			sigaddset(&mask, i);
	if (!(action->sa_flags & SA_NODEFER))
		sigaddset(&mask, sig);
	(void)mf_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, 8, 0,
			 0);
	/* Handlers get three arguments whether they asked for them or not. */
	action->sa_sigaction(sig, info, uc);
}

/* SA_RESETHAND: a handler for one signal only. */
static void forget_handler(int sig)
{
	static struct previous none;

	mf_store_seq_cst(previous_of(sig), &none);
}

/*
 * Whose turn it is. Somebody who came after us and was put behind us when we
 * came back in front may chain to us: with the same ucontext, from deeper in
 * the stack. (From the same depth it is a new fault in the same place, after
 * a handler that left by longjmp.) Then it is the turn of whom we replaced
 * before.
 */
static struct previous *next_in_turn(int sig, const ucontext_t *uc)
{
	static struct previous nobody;
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	if (forwarded.uc != uc || here >= forwarded.frame)
		return mf_load_seq_cst(previous_of(sig));
	return forwarded.called->before ? forwarded.called->before : &nobody;
}

static void forward(int sig, siginfo_t *info, ucontext_t *uc)
{
	struct previous *previous = next_in_turn(sig, uc);
	const struct sigaction *action = previous ? &previous->action : NULL;

	if (!action || !has_handler(action)) {
		if (action && action->sa_handler == SIG_IGN &&
		    !is_hardware(info))
			return;
		die_of(sig, info, uc);
		return;
	}
	/* A blocked fault kills, whatever the handler: so does the kernel. */
	if (is_hardware(info) && sigismember(&uc->uc_sigmask, sig) == 1) {
		die_of(sig, info, uc);
		return;
	}
	if (action->sa_flags & SA_RESETHAND)
		forget_handler(sig);
	forwarded.uc = uc;
	forwarded.frame = (uintptr_t)__builtin_frame_address(0);
	forwarded.called = previous;
	call_handler(action, sig, info, uc);
	forwarded.uc = NULL;
}

/* A source failed: what a program sees when a mapped file cannot be read. */
static void raise_bus(uintptr_t addr, ucontext_t *uc)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = SIGBUS;
	info.si_code = BUS_ADRERR;
	info.si_addr = (void *)addr;
	forward(SIGBUS, &info, uc);
}

/*
 * Nobody owns the address now. If something was unmapped there, the fault may
 * have been under way since before, and somebody else's memory be there by
 * now: let the instruction run once more before calling it a crash.
 */
static bool may_be_late(uintptr_t ip, uintptr_t addr)
{
	bool seen = orphan_ip == ip && orphan_addr == addr;

	if (!mf_mm_is_ghost(addr))
		return false;
	orphan_ip = seen ? 0 : ip;
	orphan_addr = addr;
	return !seen;
}

struct fault {
	uintptr_t addr;
	enum mf_access access;
	int result;
};

static void serve(void *arg)
{
	struct fault *fault = arg;

	fault->result = mf_fault(fault->addr, fault->access);
}

/* -ENOENT: not ours. */
static int serve_fault(siginfo_t *info, ucontext_t *uc)
{
	struct fault fault = {
		.addr = (uintptr_t)info->si_addr,
		.access = mf_context_access(uc),
	};
	unsigned before;
	int r;

	/* The kernel knows no address: a wild pointer, never a page of ours. */
	if (info->si_code != SEGV_MAPERR && info->si_code != SEGV_ACCERR)
		return -ENOENT;
	if (mf_pagefault_disabled())
		return -ENOENT;
	before = mf_signals_enter_handler();
	r = -ENOENT;
	if (mf_mm_has(fault.addr))
		r = mf_stack_call(serve, &fault, &uc->uc_stack);
	mf_signals_leave_handler(before);
	return r < 0 ? r : fault.result;
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	int saved_errno = errno;
	ucontext_t *uc = context;
	uintptr_t ip = mf_context_ip(uc), fixup;
	int r = -ENOENT;

	if (is_hardware(info) && mf_uaccess_fixup(ip, &fixup)) {
		mf_context_set_ip(uc, fixup);
		return;
	}
	if (sig == SIGSEGV && is_hardware(info)) {
		r = serve_fault(info, uc);
		if (r == -ENOENT && may_be_late(ip, (uintptr_t)info->si_addr))
			r = 0;
	}
	if (r == -ENOENT || r == -EACCES)
		forward(sig, info, uc);
	else if (r < 0 && r != -EAGAIN)
		raise_bus((uintptr_t)info->si_addr, uc);
	errno = saved_errno;
}

static int install(int sig)
{
	struct sigaction action = { .sa_sigaction = on_signal };
	struct previous **slot = previous_of(sig);
	struct previous *previous;
	struct sigaction old;
	int r = mf_sys.sigaction(sig, NULL, &old);

	if (r < 0)
		return r;
	if ((old.sa_flags & SA_SIGINFO) && old.sa_sigaction == on_signal)
		return 0;
	previous = mf_sys.calloc(1, sizeof(*previous));
	if (!previous)
		return -ENOMEM;
	previous->action = old;
	previous->before = *slot;
	/* Before ours is there: it may run at once. */
	mf_store_seq_cst(slot, previous);
	action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
	sigfillset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(mf_sync_signals) / sizeof(int); i++)
		sigdelset(&action.sa_mask, mf_sync_signals[i]);
	return mf_sys.sigaction(sig, &action, NULL);
}

int mf_signal_install_once(void)
{
	return mf_load_acquire(&previous_bus) ? 0 : mf_signal_install();
}

int mf_signal_install(void)
{
	int r;

	mf_mutex_lock(&install_mutex, MF_RANK_API);
	r = install(SIGSEGV);
	if (r == 0)
		r = install(SIGBUS);
	mf_mutex_unlock(&install_mutex, MF_RANK_API);
	return r;
}
