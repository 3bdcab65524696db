/* SPDX-License-Identifier: MIT */
/*
 * touch.h - registered memory is touched: by the program, or for the kernel.
 *
 * Promise: what the kernel would wait for in the middle of a call, unless its
 * descriptor is for USER_MODE_ONLY, is there before.
 * Context: any; no lock held.
 */
#ifndef MF_UFFD_TOUCH_H
#define MF_UFFD_TOUCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sync.h"
#include "fault/fault.h"

/* From now on, what a fault in registered memory does is told here. */
void mf_uffd_catch_faults(void);

/* Around all that was ever registered; only grows. */
extern uintptr_t mf_uffd_hull_start, mf_uffd_hull_end;
void mf_uffd_widen_hull(uintptr_t start, uintptr_t end);

static inline bool mf_uffd_is_near(const void *addr, size_t len)
{
	uintptr_t start = (uintptr_t)addr;

	return start < mf_load_relaxed(&mf_uffd_hull_end) &&
	       start + len > mf_load_relaxed(&mf_uffd_hull_start);
}

static inline bool mf_uffd_has_ranges(void)
{
	return mf_load_relaxed(&mf_uffd_hull_end) > 0;
}

/*
 * A page that a call of ours found missing: have it there as the kernel would
 * in the middle of a system call. One step of that:
 *
 *   0         there is nothing to wait for: try again
 *   1         it was waited for: try again
 *   -ENOENT   not registered
 *   -EFAULT   poison; or nobody is told of faults that are not the program's
 *   -EDEADLK  who would have to bring it is this thread, or waits for it
 */
int mf_uffd_fault_in(uintptr_t addr, enum mf_access access);

/*
 * 0, or -EFAULT: part of it cannot be had, and the call would write there. (A
 * call that reads may begin with what there is.)
 */
int mf_uffd_touch(const void *addr, size_t len, bool for_write);

#endif
