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

struct fault {
	uintptr_t addr;
	enum mf_access access;
	bool in_call; /* the kernel would have had it */
	/* What look() finds. */
	enum mf_range_fault what;
	uint32_t owner;
	struct mf_waiter *waiter; /* NULL: nothing to wait for */
};

/* How the kernel ends it without a message. */
static bool is_refused(const struct fault *fault, const struct mf_uffd *uffd)
{
	return uffd->features & UFFD_FEATURE_SIGBUS ||
	       (fault->in_call && uffd->flags & UFFD_USER_MODE_ONLY);
}

/*
 * The thread is announced under the page lock under which its page was found
 * missing, and the read lock. So no fill is overlooked: one that came before is
 * seen, one that comes later sees the thread. Otherwise
 *
 *	1. we look, and the page is missing
 *	2. somebody fills it or unregisters it, and wakes who waits there
 *	3. we are announced, and our message is read: of nothing
 */
static enum mf_range_fault look_at_page(struct fault *fault,
					struct mf_range *range)
{
	struct uffd_msg message;
	struct mf_uffd uffd;
	enum mf_range_fault what = mf_range_look(range, fault->addr,
						 fault->access);

	if (what == MF_RANGE_RETRY || what == MF_RANGE_FOREIGN ||
	    what == MF_RANGE_POISON)
		return what;
	if (!mf_uffd_get_owner(range->owner, &uffd))
		return MF_RANGE_FOREIGN;
	if (is_refused(fault, &uffd))
		return MF_RANGE_POISON;
	fill_message(&message, &uffd, fault->addr, fault->access, what);
	fault->owner = uffd.owner;
	fault->waiter = mf_queue_add(uffd.owner, uffd.event, fault->addr,
				     &message);
	return fault->waiter ? what : MF_RANGE_POISON;
}

/* 0: there is a waiter, or nothing to wait for. */
static int look(struct fault *fault)
{
	struct mf_slot *me = mf_slot_self();
	struct mf_mm *mm = mf_mm_self();
	struct mf_range *range;

	fault->what = MF_RANGE_FOREIGN;
	if (!me || !mm)
		return fault->in_call ? -EFAULT : -ENOENT;
	mf_mm_read_lock(mm, me);
	range = mf_range_find(fault->addr);
	if (range) {
		mf_range_lock_pages();
		fault->what = look_at_page(fault, range);
		mf_range_unlock_pages();
	} else if (!fault->in_call && mf_uffd_is_near((void *)fault->addr, 1) &&
		   mf_range_is_late(fault->addr, fault->access)) {
		fault->what = MF_RANGE_RETRY;
	}
	mf_mm_read_unlock(mm, me);
	if (fault->what == MF_RANGE_FOREIGN)
		return -ENOENT;
	return fault->what == MF_RANGE_POISON ? -EFAULT : 0;
}

/* 0: run the instruction again. -ENOENT: not ours. -EFAULT: SIGBUS. */
static int on_fault(uintptr_t addr, enum mf_access access, const sigset_t *mask)
{
	struct fault fault = { .addr = addr, .access = access };
	int r = look(&fault);

	if (fault.waiter)
		mf_queue_wait(fault.waiter, mask);
	return r;
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
static int wait_in_call(const struct fault *fault)
{
	sigset_t mask;
	bool ring;

	mf_signals_block();
	mf_signals_before(&mask);
	ring = mf_queue_is_ring(fault->owner);
	if (ring)
		mf_queue_remove(fault->waiter);
	else
		mf_queue_wait(fault->waiter, &mask);
	mf_signals_let_in();
	mf_signals_restore();
	return ring ? -EDEADLK : 0;
}

int mf_uffd_fault_in(uintptr_t addr, enum mf_access access)
{
	struct fault fault = { .addr = addr,
			       .access = access,
			       .in_call = true };
	int r = look(&fault);

	if (!fault.waiter)
		return r;
	r = wait_in_call(&fault);
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
