/* SPDX-License-Identifier: MIT */
/*
 * callers.c - who called the code that takes or makes a lock.
 *
 * Context: any.
 */
#include "check/callers.h"

#include <string.h>

#include "check/place.h"

/* Our own, between who looks and the function of libc's that was replaced. */
#define OWN_FRAMES 16

mf_check_backtrace_fn *mf_check_backtrace;

__thread struct mf_check_state mf_check_state;

void mf_check_callers(struct mf_check_table *table, const void *pc,
		      mf_check_site ret[MF_CHECK_FRAMES])
{
	uintptr_t frames[MF_CHECK_FRAMES + OWN_FRAMES];
	unsigned n, i = 0;

	memset(ret, 0, MF_CHECK_FRAMES * sizeof(*ret));
	/* A fault handler has a stack of its own, which leads nowhere. */
	if (!mf_check_backtrace || mf_check_state.fault_pc ||
	    mf_check_state.busy)
		return;
	mf_check_state.busy = true;
	n = mf_check_backtrace(frames, sizeof(frames) / sizeof(frames[0]));
	mf_check_state.busy = false;
	while (i < n && frames[i] != (uintptr_t)pc)
		i++;
	for (unsigned j = 0; j < MF_CHECK_FRAMES && ++i < n; j++)
		ret[j] = mf_check_place(table, frames[i]);
}
