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

#include "backends/uffd.h"
#include "base/check.h"
#include "fault/context.h"
#include "fault/fault.h"
#include "fault/previous.h"
#include "fault/stack.h"
#include "mm/uaccess.h"

/* Where this thread last saw a fault that nobody owned. */
static __thread uintptr_t orphan_ip, orphan_addr;

static mf_signal_hook_fn *hook; /* set once */

void mf_signal_set_hook(mf_signal_hook_fn *fn)
{
	mf_store_release(&hook, fn);
}

/* The kernel's own fault, not a kill() from somewhere. */
static bool is_hardware(const siginfo_t *info)
{
	return info->si_code > 0;
}

static void raise_as(int sig, int code, uintptr_t addr, ucontext_t *uc)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = code;
	info.si_addr = (void *)addr;
	mf_signal_forward(sig, &info, uc);
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

	if (mf_pagefault_disabled())
		return -ENOENT;
	before = mf_signals_enter_handler();
	MF_CHECK(fault, (const void *)mf_context_ip(uc));
	r = -ENOENT;
	if (mf_mm_has(fault.addr)) {
		/* Here both exist. */
		mf_uffd_enter(mf_mm_self(), mf_slot_self());
		r = mf_stack_call(serve, &fault, &uc->uc_stack);
	} else if (hook) {
		fault.result = hook(fault.addr, fault.access, &uc->uc_sigmask);
		r = 0;
	}
	MF_CHECK(fault, NULL);
	mf_signals_leave_handler(before);
	return r < 0 ? r : fault.result;
}

/*
 * A SIGBUS where the kernel's userfaultfd hides pages: a missing page, or one
 * that a handler thread could not fill. -ENOENT: not ours.
 */
static int serve_bus(siginfo_t *info, ucontext_t *uc)
{
	uintptr_t addr = (uintptr_t)info->si_addr;
	struct mf_slot *me = mf_slot_self();
	struct mf_mm *mm = mf_mm_self();
	enum mf_uffd_bus kind = MF_UFFD_FOREIGN;
	struct mf_region *region;
	uint64_t generation;
	unsigned before;

	if (!me || !mm || mf_pagefault_disabled())
		return -ENOENT;
	before = mf_signals_enter_handler();
	region = mf_mm_get(mm, me, addr, &generation);
	if (region)
		kind = mf_uffd_bus(region->view);
	if (kind == MF_UFFD_FAILED)
		mf_uffd_forgive(mm, me, addr);
	mf_region_put(region);
	mf_signals_leave_handler(before);
	if (kind == MF_UFFD_FAILED)
		return -EIO; /* what the source said is not known any more */
	return kind == MF_UFFD_FAULT ? serve_fault(info, uc) : -ENOENT;
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
	mf_slot_enter();
	if (sig == SIGBUS && is_hardware(info))
		r = serve_bus(info, uc);
	if (sig == SIGSEGV && is_hardware(info)) {
		/* Otherwise a wild pointer, whose address the kernel lacks. */
		if (info->si_code == SEGV_MAPERR ||
		    info->si_code == SEGV_ACCERR)
			r = serve_fault(info, uc);
		if (r == -ENOENT && may_be_late(ip, (uintptr_t)info->si_addr))
			r = 0;
	}
	if (r == -EACCES && sig == SIGBUS)
		/* The kernel looks whether it is there before whether it may */
		raise_as(SIGSEGV, SEGV_ACCERR, (uintptr_t)info->si_addr, uc);
	else if (r == -ENOENT || r == -EACCES)
		mf_signal_forward(sig, info, uc);
	else if (r < 0 && r != -EAGAIN)
		/* What a program sees when a mapped file cannot be read. */
		raise_as(SIGBUS, BUS_ADRERR, (uintptr_t)info->si_addr, uc);
	errno = saved_errno;
}

int mf_signal_install_once(void)
{
	return mf_signal_is_taken(SIGBUS) ? 0 : mf_signal_install();
}

int mf_signal_install(void)
{
	int r = mf_signal_take(SIGSEGV, on_signal);

	return r < 0 ? r : mf_signal_take(SIGBUS, on_signal);
}
