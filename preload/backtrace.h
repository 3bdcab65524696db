/* SPDX-License-Identifier: MIT */
/*
 * backtrace.h - who called the code that takes a lock.
 *
 * Context: normal context.
 */
#ifndef MF_PRELOAD_BACKTRACE_H
#define MF_PRELOAD_BACKTRACE_H

#include <stdint.h>

/* How many addresses, at most so many. */
unsigned pl_backtrace(uintptr_t *ret, unsigned most);

#endif
