/* SPDX-License-Identifier: MIT */
/*
 * sigsys.h - the handler of system calls that the filter has caught.
 *
 * Promise: a call that was caught does what it would have done, with its
 * memory there: same registers, mask and stack, restarted or interrupted by
 * signals as ever.
 * Context: says each function.
 */
#ifndef MF_PRELOAD_SIGSYS_H
#define MF_PRELOAD_SIGSYS_H

#include <stdint.h>
#include <ucontext.h>

/* Take SIGSYS. Not in a signal handler. */
int pl_sigsys_start(void);
/*
 * What the handler does: have the call made that was about to be made there,
 * with its number. In the handler, or a test that has none.
 */
void pl_sigsys_serve(ucontext_t *uc, long nr);
/* How many calls were caught in this process. Any context. */
uint64_t pl_sigsys_count(void);

#endif
