/* SPDX-License-Identifier: MIT */
/*
 * sigaction.h - sigaction() as the kernel has it.
 *
 * Promise: 0 or -errno; nobody who replaced libc's function sees the call.
 * Context: any.
 */
#ifndef MF_BASE_SIGACTION_H
#define MF_BASE_SIGACTION_H

#include <signal.h>
#include <stdint.h>

/* As the system call takes it. */
struct mf_kernel_action {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

int mf_raw_sigaction(int sig, const struct sigaction *act,
		     struct sigaction *old);

void mf_action_to_kernel(const struct sigaction *from,
			 struct mf_kernel_action *ret);
void mf_action_from_kernel(const struct mf_kernel_action *from,
			   struct sigaction *ret);

#endif
