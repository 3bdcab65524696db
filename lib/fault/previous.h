/* SPDX-License-Identifier: MIT */
/*
 * previous.h - who had a signal before us, and still gets what is not ours.
 *
 * Promise: a signal that is handed on finds everything as if the kernel had
 * delivered it: handler, mask and information, or the default effect.
 * Context: any, signal handlers included, but for mf_signal_take().
 *
 * It is about SIGSEGV, SIGBUS and SIGSYS.
 */
#ifndef MF_FAULT_PREVIOUS_H
#define MF_FAULT_PREVIOUS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

/*
 * Be in front of everybody else, or go there again when somebody came after
 * us. Not in a signal handler.
 */
int mf_signal_take(int sig, void (*handler)(int, siginfo_t *, void *));
bool mf_signal_is_taken(int sig);

/* From our handler: it is not ours. May not return. */
void mf_signal_forward(int sig, siginfo_t *info, ucontext_t *uc);

/* What sigaction() would say, and do, were we not here. */
void mf_signal_get_previous(int sig, struct sigaction *ret);
int mf_signal_set_previous(int sig, const struct sigaction *action);

/*
 * For who answers sigprocmask() in the program's place. The three are never
 * blocked in truth, since a fault in memory of ours would be the end; a program
 * that wants them blocked is told that they are, and gets what that means:
 *
 *   a fault ends the process, as when the kernel cannot deliver one;
 *   what somebody sent waits.
 *
 * The first is kept in the thread's real mask, by a signal that nobody sends:
 * so siglongjmp(), new threads and fork() keep it without our doing. The second
 * is kept beside it. Sets have the bits of the kernel's.
 */
#define MF_SIGNAL_MARK	   SIGSTKFLT
#define MF_SIGNAL_BIT(sig) (UINT64_C(1) << ((sig)-1))
#define MF_SIGNALS_OURS \
	(MF_SIGNAL_BIT(SIGSEGV) | MF_SIGNAL_BIT(SIGBUS) | MF_SIGNAL_BIT(SIGSYS))

/* From now on the mark means that. */
void mf_signal_emulate_masks(void);
/* What is put into a real mask for a set the program wants. */
uint64_t mf_signal_real_mask(uint64_t wanted);
/* Those this thread holds back; what waits for being let through is sent. */
uint64_t mf_signal_held(void);
void mf_signal_hold(uint64_t signals);
/* Those that wait; take one of them: its number, or 0. */
uint64_t mf_signal_waiting(void);
int mf_signal_take_waiting(uint64_t signals, siginfo_t *ret_info);
/* This thread is in sigwait(): what would wait is sent there. 0: nobody is. */
void mf_signal_set_waiter(uint32_t tid);

#endif
