/* SPDX-License-Identifier: MIT */
/*
 * sigaction.c - sigaction() as the kernel has it.
 *
 * Promise: the kernel gets the handler, the flags and the mask that were
 * asked for. libc's function may be somebody else's: a preload library's, or
 * the thread sanitizer's, which blocks every signal in every handler, and a
 * fault inside one of ours would then kill.
 * Context: any.
 */
#include "base/sigaction.h"

#include <stdint.h>
#include <string.h>

#include "base/syscall.h"

#if defined(__x86_64__)
#define SA_RESTORER 0x04000000

void mf_sigreturn(void);

/* Debuggers and unwinders know a signal frame by these very instructions. */
__asm__(".text\n"
	".globl mf_sigreturn\n"
	".hidden mf_sigreturn\n"
	".type mf_sigreturn, @function\n"
	"	nop\n"
	"mf_sigreturn:\n"
	"	mov	$15, %rax\n"
	"	syscall\n"
	".size mf_sigreturn, . - mf_sigreturn\n");
#endif

void mf_action_to_kernel(const struct sigaction *from,
			 struct mf_kernel_action *ret)
{
	ret->handler = from->sa_handler;
	ret->flags = (unsigned long)from->sa_flags;
	ret->restorer = NULL;
	memcpy(&ret->mask, &from->sa_mask, sizeof(ret->mask));
#if defined(__x86_64__)
	ret->flags |= SA_RESTORER;
	ret->restorer = mf_sigreturn;
#endif
}

void mf_action_from_kernel(const struct mf_kernel_action *from,
			   struct sigaction *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->sa_handler = from->handler;
	ret->sa_flags = (int)from->flags;
	ret->sa_restorer = from->restorer;
	memcpy(&ret->sa_mask, &from->mask, sizeof(from->mask));
}

int mf_raw_sigaction(int sig, const struct sigaction *act,
		     struct sigaction *old)
{
	struct mf_kernel_action new_action, old_action;
	int r;

	if (act)
		mf_action_to_kernel(act, &new_action);
	r = (int)mf_syscall(SYS_rt_sigaction, sig, act ? (long)&new_action : 0,
			    old ? (long)&old_action : 0, sizeof(uint64_t), 0,
			    (long)MF_SYSCALL_MARK);
	if (r == 0 && old)
		mf_action_from_kernel(&old_action, old);
	return r;
}
