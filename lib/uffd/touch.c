/* SPDX-License-Identifier: MIT */
/*
 * touch.c - registered memory is touched: by the program, or for the kernel.
 *
 * Promise: the thread goes on when the page is there, was unregistered, or
 * somebody says so; and a signal that comes meanwhile is not kept from it.
 * Context: any, signal handlers included.
 */
#include "uffd/touch.h"

#include <errno.h>
#include <unistd.h>

#include "fault/signal.h"
#include "uffd/look.h"
#include "uffd/queue.h"
#include "uffd/table.h"

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Faults */

static void fill_message(struct uffd_msg *ret, const struct mf_uffd *uffd,
			 uintptr_t addr, enum mf_access access,
			 enum mf_range_fault what)
{
	*ret = (struct uffd_msg){ .event = UFFD_EVENT_PAGEFAULT };
	ret->arg.pagefault.address = addr;
	if (!(uffd->features & UFFD_FEATURE_EXACT_ADDRESS))
		ret->arg.pagefault.address &= ~((uint64_t)page_size() - 1);
	if (access == MF_ACCESS_WRITE)
		ret->arg.pagefault.flags |= UFFD_PAGEFAULT_FLAG_WRITE;
	if (what == MF_RANGE_MINOR)
		ret->arg.pagefault.flags |= UFFD_PAGEFAULT_FLAG_MINOR;
	if (what == MF_RANGE_WP)
		ret->arg.pagefault.flags |= UFFD_PAGEFAULT_FLAG_WP;
	if (uffd->features & UFFD_FEATURE_THREAD_ID)
		ret->arg.pagefault.feat.ptid = (uint32_t)mf_syscall(
			SYS_gettid, 0, 0, 0, 0, 0, 0);
}

/*
 * The thread is announced first, then the page looked at again: a fill that
 * came in between is seen here, one that comes later sees the thread. Both
 * under the read lock, as in the kernel: otherwise
 *
 *	1. we look, and the page is missing
 *	2. somebody unregisters the memory, and wakes who waits there
 *	3. we are announced, and our message is read: of nothing
 */
static int wait_for_page(struct mf_mm *mm, struct mf_slot *me,
			 const struct mf_uffd *uffd, uintptr_t addr,
			 enum mf_access access, enum mf_range_fault what,
			 const sigset_t *mask, bool check_ring)
{
	enum mf_range_fault now = MF_RANGE_RETRY;
	struct mf_waiter *waiter = NULL;
	struct uffd_msg message;
	struct mf_range *range;
	bool ring = false, here;

	fill_message(&message, uffd, addr, access, what);
	mf_mm_read_lock(mm, me);
	range = mf_range_find(addr);
	here = range && range->owner == uffd->owner;
	if (here)
		waiter = mf_queue_add(uffd->owner, uffd->event, addr, &message);
	if (waiter)
		now = mf_range_look(range, addr, access);
	mf_mm_read_unlock(mm, me);
	if (!waiter)
		return here ? -EFAULT : 0;
	if (now == what && check_ring)
		ring = mf_queue_is_ring(uffd->owner);
	if (now == what && !ring)
		mf_queue_wait(waiter, mask);
	else
		mf_queue_remove(waiter);
	return ring ? -EDEADLK : 0;
}

/* 0: run the instruction again. -ENOENT: not ours. -EFAULT: SIGBUS. */
static int on_fault(uintptr_t addr, enum mf_access access, const sigset_t *mask)
{
	struct mf_slot *me = mf_slot_self();
	struct mf_mm *mm = mf_mm_self();
	enum mf_range_fault what = MF_RANGE_FOREIGN;
	struct mf_range *range;
	struct mf_uffd uffd;
	uint32_t owner = 0;

	if (!me || !mm)
		return -ENOENT;
	mf_mm_read_lock(mm, me);
	range = mf_range_find(addr);
	if (range) {
		owner = range->owner;
		what = mf_range_look(range, addr, access);
	} else if (mf_uffd_is_near((void *)addr, 1) &&
		   mf_range_is_late(addr, access)) {
		what = MF_RANGE_RETRY;
	}
	mf_mm_read_unlock(mm, me);
	if (what == MF_RANGE_RETRY)
		return 0;
	if (what == MF_RANGE_POISON)
		return -EFAULT;
	if (what == MF_RANGE_FOREIGN || !mf_uffd_get_owner(owner, &uffd))
		return -ENOENT;
	if (uffd.features & UFFD_FEATURE_SIGBUS)
		return -EFAULT;
	return wait_for_page(mm, me, &uffd, addr, access, what, mask, false);
}

void mf_uffd_catch_faults(void)
{
	mf_signal_set_hook(on_fault);
}

/* System calls */

uintptr_t mf_uffd_hull_start = UINTPTR_MAX, mf_uffd_hull_end;

void mf_uffd_widen_hull(uintptr_t start, uintptr_t end)
{
	uintptr_t old = mf_load_relaxed(&mf_uffd_hull_start);

	while (start < old && !mf_cas(&mf_uffd_hull_start, &old, start))
		;
	old = mf_load_relaxed(&mf_uffd_hull_end);
	while (end > old && !mf_cas(&mf_uffd_hull_end, &old, end))
		;
}

/* Signals are let in meanwhile, and who waits for himself is told. */
static int wait_in_call(const struct mf_uffd *uffd, uintptr_t addr,
			enum mf_access access, enum mf_range_fault what)
{
	sigset_t mask;
	int r;

	mf_signals_block();
	mf_signals_before(&mask);
	r = wait_for_page(mf_mm_self(), mf_slot_self(), uffd, addr, access,
			  what, &mask, true);
	mf_signals_let_in();
	mf_signals_restore();
	return r;
}

int mf_uffd_fault_in(uintptr_t addr, enum mf_access access)
{
	enum mf_range_fault what = MF_RANGE_FOREIGN;
	struct mf_slot *me = mf_slot_self();
	struct mf_mm *mm = mf_mm_self();
	struct mf_range *range;
	struct mf_uffd uffd;
	uint32_t owner = 0;
	int r;

	if (!me || !mm)
		return -EFAULT;
	mf_mm_read_lock(mm, me);
	range = mf_range_find(addr);
	if (range) {
		owner = range->owner;
		what = mf_range_look(range, addr, access);
	}
	mf_mm_read_unlock(mm, me);
	if (what == MF_RANGE_FOREIGN)
		return -ENOENT;
	if (what == MF_RANGE_RETRY)
		return 0;
	if (what == MF_RANGE_POISON || !mf_uffd_get_owner(owner, &uffd) ||
	    uffd.flags & UFFD_USER_MODE_ONLY ||
	    uffd.features & UFFD_FEATURE_SIGBUS)
		return -EFAULT;
	r = wait_in_call(&uffd, addr, access, what);
	return r < 0 ? r : 1;
}

/* What the kernel would touch. A ring is an error here: it has no other end. */
static int touch_page(uintptr_t addr, enum mf_access access)
{
	int r;

	do
		r = mf_uffd_fault_in(addr, access);
	while (r > 0);
	return r < 0 && r != -ENOENT ? -EFAULT : 0;
}

int mf_uffd_touch(const void *addr, size_t len, bool for_write)
{
	uintptr_t start = (uintptr_t)addr, end = start + len;
	uintptr_t hull_start = mf_load_relaxed(&mf_uffd_hull_start);
	uintptr_t hull_end = mf_load_relaxed(&mf_uffd_hull_end);
	int r = 0;

	if (end < start || end > hull_end)
		end = hull_end;
	if (start < hull_start)
		start = hull_start;
	while (start < end && r == 0) {
		r = touch_page(start,
			       for_write ? MF_ACCESS_WRITE : MF_ACCESS_READ);
		start = (start | (page_size() - 1)) + 1;
	}
	return for_write ? r : 0;
}
