/* SPDX-License-Identifier: MIT */
/*
 * cleanup.h - what a function made is undone when it returns.
 *
 * Promise: a variable marked _cleanup_free_ or _cleanup_close_ is freed or
 * closed on every way out of its block, unless TAKE_PTR() or TAKE_FD() handed
 * it on before. NULL and negative descriptors are left alone.
 * Context: _cleanup_close_ and TAKE_…: any. _cleanup_free_: not in a signal
 * handler.
 *
 * Locks are not undone this way: both ends of those are to be seen.
 */
#ifndef MF_BASE_CLEANUP_H
#define MF_BASE_CLEANUP_H

#include <errno.h>
#include <stdlib.h>

#include "base/sys.h"

#define _cleanup_(fn) __attribute__((cleanup(fn)))

static inline void mf_cleanup_free(void *variable)
{
	free(*(void **)variable);
}

static inline void mf_cleanup_close(const int *fd)
{
	if (*fd >= 0)
		(void)mf_sys.close(*fd);
}

/* Both need an initializer, or what was on the stack is freed. */
#define _cleanup_free_	_cleanup_(mf_cleanup_free)
#define _cleanup_close_ _cleanup_(mf_cleanup_close)

/* The value, for somebody else to own; the variable is empty after. */
#define TAKE_PTR(variable)                       \
	({                                       \
		__auto_type taken_ = (variable); \
		(variable) = NULL;               \
		taken_;                          \
	})
#define TAKE_FD(variable)                \
	({                               \
		int taken_ = (variable); \
		(variable) = -EBADF;     \
		taken_;                  \
	})

#endif
