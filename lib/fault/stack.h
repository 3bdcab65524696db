/* SPDX-License-Identifier: MIT */
/*
 * stack.h - a stack of a thread's own for what a signal handler has to do.
 *
 * Promise: a fill has 256 KiB, however small the thread's stack or its
 * alternate signal stack is, shared by the fills nested in it.
 * Context: signal handlers.
 */
#ifndef MF_FAULT_STACK_H
#define MF_FAULT_STACK_H

#include <signal.h>

/*
 * Call fn(arg) on the fill stack, or where we are when that is the fill stack
 * already. uc_stack is what the kernel put into the handler's ucontext.
 *
 * 0 when fn was called. -ENOMEM: no stack, or too little of it left.
 */
int mf_stack_call(void (*fn)(void *arg), void *arg, const stack_t *uc_stack);

#endif
