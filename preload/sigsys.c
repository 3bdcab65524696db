/* SPDX-License-Identifier: MIT */
/*
 * sigsys.c - the handler of system calls that the filter has caught.
 *
 * Promise: as in sigsys.h.
 * Context: signal handlers. sa_mask blocks what is asynchronous, as in
 * fault/signal.c, while memory is filled.
 *
 * On x86-64 the call itself is not made in the handler, but after it: the
 * handler returns to pl_sigsys_resume, which makes the call and goes on behind
 * the instruction that was caught. So it is made on the program's own stack and
 * under its own mask, may change both, be restarted, or be left by a signal
 * handler that does not return. What is needed for the way back lies below the
 * red zone; a system call overwrites rcx, so that is free for the jump.
 *
 * aarch64 has no register to spare for such a jump: there the call is made in
 * the handler, with the program's mask, on the fill stack.
 */
#include "preload/sigsys.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "fault/previous.h"
#include "fault/stack.h"
#include "mm/mm.h"
#include "preload/filter.h"
#include "preload/signals.h"

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1
#endif

static uint64_t count;

uint64_t pl_sigsys_count(void)
{
	return mf_load_relaxed(&count);
}

#if defined(__x86_64__)
#define REG(uc, name) ((uc)->uc_mcontext.gregs[REG_##name])

static void get_args(const ucontext_t *uc, unsigned long args[6])
{
	args[0] = (unsigned long)REG(uc, RDI);
	args[1] = (unsigned long)REG(uc, RSI);
	args[2] = (unsigned long)REG(uc, RDX);
	args[3] = (unsigned long)REG(uc, R10);
	args[4] = (unsigned long)REG(uc, R8);
	args[5] = (unsigned long)REG(uc, R9);
}

static void set_result(ucontext_t *uc, long result)
{
	REG(uc, RAX) = result;
}

/* Below the red zone: what pl_sigsys_resume pops. */
struct way_back {
	uint64_t ip, rdi, r9;
	char red_zone[128];
};

void pl_sigsys_resume(void);

/* The unwinder sees the caller as it is at the system call: a signal frame. */
__asm__(".text\n"
	".globl pl_sigsys_resume\n"
	".hidden pl_sigsys_resume\n"
	".type pl_sigsys_resume, @function\n"
	"	nop\n"
	"pl_sigsys_resume:\n"
	".cfi_startproc\n"
	".cfi_signal_frame\n"
	".cfi_def_cfa %rsp, 152\n"
	".cfi_offset %rip, -152\n"
	".cfi_offset %rdi, -144\n"
	".cfi_offset %r9, -136\n"
	"	syscall\n"
	"	pop	%rcx\n"
	".cfi_def_cfa_offset 144\n"
	".cfi_register %rip, %rcx\n"
	"	pop	%rdi\n"
	".cfi_def_cfa_offset 136\n"
	".cfi_restore %rdi\n"
	"	pop	%r9\n"
	".cfi_def_cfa_offset 128\n"
	".cfi_restore %r9\n"
	"	lea	128(%rsp), %rsp\n"
	".cfi_def_cfa_offset 0\n"
	"	jmp	*%rcx\n"
	".cfi_endproc\n"
	".size pl_sigsys_resume, . - pl_sigsys_resume\n");

static void make_call(ucontext_t *uc, long nr, unsigned long args[6])
{
	struct way_back *back = (void *)(REG(uc, RSP) - (long)sizeof(*back));

	back->ip = (uint64_t)REG(uc, RIP);
	back->rdi = args[0];
	back->r9 = args[5];
	pl_mark(nr, args);
	REG(uc, RAX) = nr;
	REG(uc, RDI) = (long)args[0];
	REG(uc, R9) = (long)args[5];
	REG(uc, RSP) = (long)back;
	REG(uc, RIP) = (long)pl_sigsys_resume;
}

#elif defined(__aarch64__)

static void get_args(const ucontext_t *uc, unsigned long args[6])
{
	memcpy(args, uc->uc_mcontext.regs, 6 * sizeof(args[0]));
}

static void set_result(ucontext_t *uc, long result)
{
	uc->uc_mcontext.regs[0] = (unsigned long)result;
}

struct call {
	ucontext_t *uc;
	long nr;
	unsigned long *args;
	long result;
};

static void call_with_mask(void *arg)
{
	struct call *call = arg;
	uint64_t old;

	(void)mf_syscall(SYS_rt_sigprocmask, SIG_SETMASK,
			 (long)&call->uc->uc_sigmask, (long)&old, sizeof(old),
			 0, 0);
	call->result = pl_syscall(call->nr, call->args);
	(void)mf_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&old, 0,
			 sizeof(old), 0, 0);
}

static void make_call(ucontext_t *uc, long nr, unsigned long args[6])
{
	struct call call = { uc, nr, args, -ENOMEM };

	/* No stack of ours to be had: here, then. */
	if (mf_stack_call(call_with_mask, &call, &uc->uc_stack) < 0)
		call_with_mask(&call);
	set_result(uc, call.result);
}
#endif

struct touch {
	long nr;
	const unsigned long *args;
	int result;
};

static void touch(void *arg)
{
	struct touch *work = arg;

	work->result = pl_call_touch(work->nr, work->args);
}

/* On the fill stack: the one we are on may be a goroutine's. */
static int touch_memory(ucontext_t *uc, long nr, const unsigned long args[6])
{
	struct touch work = { nr, args, 0 };
	unsigned before = mf_signals_enter_handler();
	int r = mf_stack_call(touch, &work, &uc->uc_stack);

	mf_signals_leave_handler(before);
	return r < 0 ? r : work.result;
}

/* The kernel has put all registers back as they were before the call. */
void pl_sigsys_serve(ucontext_t *uc, long nr)
{
	unsigned long args[6];
	int r;

	get_args(uc, args);
	mf_add_relaxed(&count, 1);
	if (nr == SYS_rt_sigaction) {
		set_result(uc, pl_raw_sigaction(args));
		return;
	}
	r = touch_memory(uc, nr, args);
	if (r < 0)
		set_result(uc, r);
	else
		make_call(uc, nr, args);
}

static void on_sigsys(int sig, siginfo_t *info, void *context)
{
	int saved_errno = errno;

	if (info->si_code == SYS_SECCOMP && info->si_errno == PL_FILTER_TAG)
		pl_sigsys_serve(context, info->si_syscall);
	else
		mf_signal_forward(sig, info, context);
	errno = saved_errno;
}

int pl_sigsys_start(void)
{
	return mf_signal_take(SIGSYS, on_sigsys);
}
