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

int mf_raw_sigaction(int sig, const struct sigaction *act,
		     struct sigaction *old);

#endif
