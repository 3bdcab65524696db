/* SPDX-License-Identifier: MIT */
/*
 * callers.h - who called the code that takes or makes a lock.
 *
 * Context: any; in a fault handler the answer is: nobody.
 */
#ifndef MF_CHECK_CALLERS_H
#define MF_CHECK_CALLERS_H

#include "check/table.h"

/* Addresses that functions return to, the innermost first. How many. */
typedef unsigned mf_check_backtrace_fn(uintptr_t *ret, unsigned most);

extern mf_check_backtrace_fn *mf_check_backtrace; /* NULL: there is none */

/* Of this thread. */
struct mf_check_state {
	const void *fault_pc; /* what a fault handler of ours interrupted */
	bool busy;	      /* looking at its stack, which may take locks */
};

extern __thread struct mf_check_state mf_check_state;

/* Those behind pc, the innermost first; then zeros. */
void mf_check_callers(struct mf_check_table *table, const void *pc,
		      mf_check_site ret[MF_CHECK_FRAMES]);

#endif
