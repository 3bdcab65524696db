/* SPDX-License-Identifier: MIT */
/*
 * filter.h - the seccomp filter that finds system calls into views of ours.
 *
 * Promise: a call that names no memory in the arena goes on, in this program
 * and in every one it starts, ours or not; a call that does raises SIGSYS.
 * Context: not in a signal handler.
 *
 * A filter is inherited by whatever is executed later, and nothing takes it
 * away. So it must be right where this library is not: in a static program,
 * say, which has no handler and would be killed by a signal. There nothing is
 * ever mapped in the arena, and so nothing is ever caught. Calls whose memory
 * is found behind an array cannot be judged by pointer, so they are caught
 * only on demand (PL_FILTER_ALL), where that danger is known not to exist.
 */
#ifndef MF_PRELOAD_FILTER_H
#define MF_PRELOAD_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/syscall.h"
#include "preload/calls.h"

enum pl_filter {
	PL_FILTER_OFF,
	PL_FILTER_ARENA, /* a buffer lies in the arena */
	PL_FILTER_ALL,	 /* that, all calls with iovec and msghdr, sigaction */
};

/* What si_errno of our SIGSYS is. */
#define PL_FILTER_TAG 0x6d66 /* "mf" */

#define PL_FILTER_LENGTH 1024

/* Write the program; returns its length. */
size_t pl_filter_make(enum pl_filter what, uint32_t first, uint32_t n,
		      struct sock_filter program[PL_FILTER_LENGTH]);

/*
 * Install it for all threads, unless one just like it is there, inherited.
 * Our SIGSYS handler is there already. -errno: the kernel refuses.
 */
int pl_filter_install(enum pl_filter what);
/* It is of the second kind: arrays are caught, wherever they lie. */
extern bool pl_filter_catches_arrays;

/* Which argument of a call takes the mark; -1: it needs none. */
static inline int pl_marked_arg(long nr)
{
	if (nr == SYS_rt_sigaction)
		return 5;
	if (nr < 0 || nr >= PL_CALLS || !pl_calls[nr].args[0].what)
		return -1;
	return pl_calls[nr].six ? 0 : 5;
}

static inline void pl_mark(long nr, unsigned long args[6])
{
	int at = pl_marked_arg(nr);

	if (at >= 0)
		args[at] = (uint32_t)args[at] | MF_SYSCALL_MARK;
}

/* A system call that no filter of ours catches. Its memory was touched. */
static inline long pl_syscall(long nr, const unsigned long args[6])
{
	unsigned long marked[6] = { args[0], args[1], args[2],
				    args[3], args[4], args[5] };

	pl_mark(nr, marked);
	return mf_syscall(nr, (long)marked[0], (long)marked[1], (long)marked[2],
			  (long)marked[3], (long)marked[4], (long)marked[5]);
}

#endif
