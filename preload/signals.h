/* SPDX-License-Identifier: MIT */
/*
 * signals.h - what the program is told about SIGSEGV, SIGBUS and SIGSYS.
 *
 * Promise: the program sees the handlers and masks that it has set, and gets
 * every such signal that is not ours as if the kernel had obeyed it; the
 * kernel always has our handlers, and never a mask with one of the three.
 * Context: any, signal handlers and vfork() children included, but for
 * pl_signals_start().
 */
#ifndef MF_PRELOAD_SIGNALS_H
#define MF_PRELOAD_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Take SIGSEGV and SIGBUS, and give up no more of them. Before main(). */
int pl_signals_start(void);

bool pl_signal_is_ours(int sig);
/* sigaction() for one of ours. 0 or -errno. */
int pl_sigaction(int sig, const struct sigaction *act, struct sigaction *old);
/* The system calls, for any signal, for who goes around libc. */
long pl_raw_sigaction(const unsigned long args[6]);
long pl_raw_sigprocmask(const unsigned long args[6]);

/* A set the program gives, as it goes to the kernel. */
void pl_mask_for_kernel(const sigset_t *set, sigset_t *ret);
/*
 * How to do what the program wants of sigprocmask(), for the kernel, and what
 * this thread holds back then; afterwards, what the old mask was.
 */
uint64_t pl_mask_change(int how, const sigset_t *set, sigset_t *ret);
void pl_mask_for_program(sigset_t *mask, uint64_t held);
/* sigprocmask() as the program means it: -1 and errno on failure. */
int pl_sigprocmask(int how, const sigset_t *set, sigset_t *old);

#endif
